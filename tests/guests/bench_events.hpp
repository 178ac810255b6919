// SPDX-License-Identifier: Apache-2.0
// The part of the benchmark guest that measures events and the local APIC.
#pragma once

namespace ravelin::guest_test {

void bench_events();

} // namespace ravelin::guest_test
