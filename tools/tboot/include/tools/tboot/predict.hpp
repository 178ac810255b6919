// SPDX-License-Identifier: Apache-2.0
// PCR 17 and 18 of a TXT launch, from the files that will take part: SINIT, tboot, its command
// line, its policy and the modules. Independent of the model in tools/txt, which a test compares
// it with. SHA-256 bank. [TXT SDG, 1.10; tboot, docs/policy]
#pragma once

#include "tools/tboot/policy.hpp"

#include <optional>

namespace ravelin::tools::tboot {

struct LaunchFiles {
    Bytes sinit;
    Bytes tboot; ///< unpacked
    std::string tboot_command_line;
    std::vector<PolicyModule> modules; ///< the payload first
    /// What is in NV index 0x01c10131; none: tboot's default.
    std::optional<Bytes> policy;
    /// OsSinitData's: what tboot 1.10.5 asks of a SINIT that can do details and authorities.
    u32 capabilities{0x601};
    u32 senter_parameters{0}; ///< EDX
};

struct PredictedEvent {
    unsigned pcr;
    std::string name;
    Digest digest;
};

/// In the order in which they are extended; the error says what is wrong with which file.
[[nodiscard]] Result<std::vector<PredictedEvent>, std::string>
predict_txt(const LaunchFiles& files);

/// A register's value after those events, from zero: the D-RTM resets it.
[[nodiscard]] Digest value_of(unsigned pcr, std::span<const PredictedEvent> events);

/// tboot's measured environment with its command line in place, as lcp2_mlehash hashes it.
[[nodiscard]] Result<Bytes, std::string> tboot_environment(std::span<const u8> elf,
                                                           std::string_view command_line);

} // namespace ravelin::tools::tboot
