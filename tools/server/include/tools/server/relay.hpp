// SPDX-License-Identifier: Apache-2.0
// The far end of a Forward: QEMU starts one `ravelin-server relay PORT` for each connection of the
// guest.
#pragma once

namespace ravelin::tools {

/// Joins standard input and output to a TCP port of this host until either side ends.
void relay(unsigned port);

} // namespace ravelin::tools
