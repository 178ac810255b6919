// SPDX-License-Identifier: Apache-2.0
// tboot's verified launch policy (version 2), which says what modules it may start and what it does
// when one is another: the file that tb_polgen writes, and the content of NV index 0x01c10131.
// SHA-256 only. [tboot, include/tb_policy.h]
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

#include <array>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools::tboot {

using Digest = std::array<u8, 32>;
using Bytes = std::vector<u8>;

/// What happens when a module is not what the policy names. tboot does not measure such a module:
/// its event is missing from PCR 17.
enum class PolicyType : u8 {
    nonfatal = 0, ///< goes on, whatever
    go_on = 1,    ///< goes on, unmeasured where it cannot measure (tb_polgen's "continue")
    halt = 2,     ///< stops
};
enum class HashType : u8 { any = 0, image = 1 };

struct PolicyEntry {
    static constexpr u8 every_module = 0x81;
    static constexpr u8 nv_raw = 0x83; ///< not a module: content of an NV index
    static constexpr u8 no_pcr = 0xff;
    u8 module{};
    u8 pcr{no_pcr};
    HashType type{};
    u32 nv_index{};
    std::vector<Digest> hashes;
    friend bool operator==(const PolicyEntry&, const PolicyEntry&) = default;
};

struct Policy {
    static constexpr u32 extend_pcr17 = 1;
    PolicyType type{};
    u32 control{extend_pcr17};
    std::vector<PolicyEntry> entries;
    friend bool operator==(const Policy&, const Policy&) = default;
};

enum class PolicyError : u8 { truncated, trailing, unknown_version, unknown_hash, bad_value };
[[nodiscard]] std::string_view text(PolicyError error);

[[nodiscard]] Bytes encode(const Policy& policy);
[[nodiscard]] Result<Policy, PolicyError> decode_policy(std::span<const u8> bytes);
/// For people, a line each.
[[nodiscard]] std::string describe(const Policy& policy);

/// What tboot measures of a module and compares with a hash of the policy: command line, then the
/// unpacked file.
[[nodiscard]] Digest module_digest(std::string_view command_line, std::span<const u8> file);

/// One entry a module, each with its hash; a module beyond them has no entry and is refused.
struct PolicyModule {
    std::string command_line;
    Bytes file; ///< unpacked, as GRUB hands it on
};
[[nodiscard]] Policy policy_for(PolicyType type, std::span<const PolicyModule> modules);

/// tboot's own when the TPM holds none, for a SINIT with details and authorities in PCR 17 and 18.
[[nodiscard]] Policy default_policy();

} // namespace ravelin::tools::tboot
