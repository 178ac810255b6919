// SPDX-License-Identifier: Apache-2.0
// What a hostile domain 0 tries through its TPM channel. Independent of how a control hypercall is
// made, so that the same attacks run inside a domain and, hosted, against the service itself.
#pragma once

#include <base/int.hpp>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace ravelin::attack {

/// One control hypercall: the response's length or a negative errno.
using Control =
    std::function<i64(u64 operation, std::span<const u8> request, std::span<u8> response)>;
using Report = std::function<void(const std::string& line)>;

/// The NV index of the counter that an attack tries to delete; the test defines it beforehand.
constexpr u32 counter_index = 0x0180'0001;

struct Outcome {
    unsigned refused = 0;
    unsigned failures = 0; ///< attacks that went through, or services that no longer work
};

/// Submits a TPM command and polls; the response, or ten bytes of 0xff when the channel does not
/// give one.
[[nodiscard]] std::vector<u8> submit(const Control& control, const std::vector<u8>& command);

/// Reports the hypervisor's log, the attestation key and fresh evidence in hexadecimal, in lines
/// "tpm-evidence: WHAT HEX" of 64 bytes each, then "tpm-evidence: shown".
void show_evidence(const Control& control, const Report& report);

/// Tries everything, each attack followed by a statement that must still be quoted. Reports a line
/// "tpm-attack: NAME: …" for each.
[[nodiscard]] Outcome run(const Control& control, const Report& report);

} // namespace ravelin::attack
