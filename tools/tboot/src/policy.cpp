// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/tboot/policy.hpp"

#include <base/cursor.hpp>
#include <crypto/sha.hpp>

#include <algorithm>

namespace ravelin::tools::tboot {
namespace {

constexpr u8 version = 2;
constexpr u8 sha256 = 0x0b; // the low byte of TPM_ALG_SHA256
constexpr usize most_entries = 32;

void append32(Bytes& bytes, u32 value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<u8>(value >> shift));
}

template <typename T> Result<T, PolicyError> in_policy(Result<T, CursorError> result) {
    if (!result)
        return Failure{PolicyError::truncated};
    return std::move(result).value();
}

Result<PolicyEntry, PolicyError> decode_entry(LittleReader& reader) {
    PolicyEntry entry;
    entry.module = RAVELIN_TRY(in_policy(reader.byte()));
    entry.pcr = RAVELIN_TRY(in_policy(reader.byte()));
    const u8 type = RAVELIN_TRY(in_policy(reader.byte()));
    if (type > static_cast<u8>(HashType::image) ||
        (entry.pcr >= 24 && entry.pcr != PolicyEntry::no_pcr))
        return Failure{PolicyError::bad_value};
    entry.type = static_cast<HashType>(type);
    entry.nv_index = RAVELIN_TRY(in_policy(reader.integer<u32>()));
    const u8 count = RAVELIN_TRY(in_policy(reader.byte()));
    for (u8 i = 0; i < count; ++i) {
        Digest hash{};
        const auto bytes = RAVELIN_TRY(in_policy(reader.bytes(hash.size())));
        std::copy(bytes.begin(), bytes.end(), hash.begin());
        entry.hashes.push_back(hash);
    }
    return entry;
}

std::string hex(std::span<const u8> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const u8 byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace

std::string_view text(PolicyError error) {
    switch (error) {
    case PolicyError::truncated:
        return "the policy ends inside an entry";
    case PolicyError::trailing:
        return "there are bytes behind the policy";
    case PolicyError::unknown_version:
        return "not a policy of version 2";
    case PolicyError::unknown_hash:
        return "its hash is not SHA-256";
    case PolicyError::bad_value:
        return "a field has a value that does not exist";
    }
    return "?";
}

Bytes encode(const Policy& policy) {
    Bytes bytes{version, static_cast<u8>(policy.type), sha256};
    append32(bytes, policy.control);
    append32(bytes, 0);
    bytes.push_back(static_cast<u8>(policy.entries.size()));
    for (const PolicyEntry& entry : policy.entries) {
        bytes.insert(bytes.end(), {entry.module, entry.pcr, static_cast<u8>(entry.type)});
        append32(bytes, entry.nv_index);
        bytes.push_back(static_cast<u8>(entry.hashes.size()));
        for (const Digest& hash : entry.hashes)
            bytes.insert(bytes.end(), hash.begin(), hash.end());
    }
    return bytes;
}

Result<Policy, PolicyError> decode_policy(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    if (RAVELIN_TRY(in_policy(reader.byte())) != version)
        return Failure{PolicyError::unknown_version};
    const u8 type = RAVELIN_TRY(in_policy(reader.byte()));
    if (type > static_cast<u8>(PolicyType::halt))
        return Failure{PolicyError::bad_value};
    if (RAVELIN_TRY(in_policy(reader.byte())) != sha256)
        return Failure{PolicyError::unknown_hash};
    Policy policy;
    policy.type = static_cast<PolicyType>(type);
    policy.control = RAVELIN_TRY(in_policy(reader.integer<u32>()));
    if (RAVELIN_TRY(in_policy(reader.integer<u32>())) != 0)
        return Failure{PolicyError::bad_value};
    const u8 count = RAVELIN_TRY(in_policy(reader.byte()));
    if (count > most_entries)
        return Failure{PolicyError::bad_value};
    for (u8 i = 0; i < count; ++i)
        policy.entries.push_back(RAVELIN_TRY(decode_entry(reader)));
    if (!reader.expect_end())
        return Failure{PolicyError::trailing};
    return policy;
}

std::string describe(const Policy& policy) {
    constexpr std::array types{"nonfatal", "continue", "halt"};
    std::string out = std::string{"type "} + types.at(static_cast<usize>(policy.type)) +
                      ", modules are measured into PCR " +
                      ((policy.control & Policy::extend_pcr17) != 0 ? "17" : "of their entry") +
                      "\n";
    for (const PolicyEntry& entry : policy.entries) {
        if (entry.module == PolicyEntry::nv_raw)
            out += "NV index 0x" + hex(std::array{static_cast<u8>(entry.nv_index >> 24),
                                                  static_cast<u8>(entry.nv_index >> 16),
                                                  static_cast<u8>(entry.nv_index >> 8),
                                                  static_cast<u8>(entry.nv_index)});
        else if (entry.module == PolicyEntry::every_module)
            out += "every other module";
        else
            out += "module " + std::to_string(entry.module);
        out += ": PCR " +
               (entry.pcr == PolicyEntry::no_pcr ? std::string{"none"} : std::to_string(entry.pcr));
        out += entry.type == HashType::any ? ", anything\n" : ", one of\n";
        for (const Digest& hash : entry.hashes)
            out += "  " + hex(hash) + "\n";
    }
    return out;
}

Digest module_digest(std::string_view command_line, std::span<const u8> file) {
    const Bytes line{command_line.begin(), command_line.end()};
    crypto::Sha256 both;
    both.update(crypto::hash<crypto::Sha256>(line));
    both.update(crypto::hash<crypto::Sha256>(file));
    return both.finish();
}

Policy policy_for(PolicyType type, std::span<const PolicyModule> modules) {
    Policy policy{.type = type, .entries = {}};
    for (const PolicyModule& module : modules)
        policy.entries.push_back({.module = static_cast<u8>(policy.entries.size()),
                                  .type = HashType::image,
                                  .hashes = {module_digest(module.command_line, module.file)}});
    return policy;
}

Policy default_policy() {
    constexpr u32 tpm12_index = 0x4000'0010; // tboot's default still names it
    return {.type = PolicyType::nonfatal,
            .entries = {
                {.module = 0, .hashes = {}},
                {.module = PolicyEntry::every_module, .pcr = 17, .hashes = {}},
                {.module = PolicyEntry::nv_raw, .pcr = 22, .nv_index = tpm12_index, .hashes = {}}}};
}

} // namespace ravelin::tools::tboot
