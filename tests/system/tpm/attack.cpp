// SPDX-License-Identifier: Apache-2.0
// The attacks.
#include "attack.hpp"

#include <wire/control.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <support/tpm_commands.hpp>
#include <thread>

namespace ravelin::attack {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders
using wire::control::Operation;

namespace {

constexpr u32 platform = 0x4000'000c;
constexpr u32 lockout = 0x4000'000a;
constexpr u32 attestation_key = 0x80ff'fffe;
constexpr u32 refused_command = 0x143;
constexpr u32 refused_handle = 0x08b;
constexpr u32 refused_key = 0x082;

struct Attack {
    const char* name;
    u32 answer; ///< the response code that a refusal carries
    ByteVector command;
};

ByteVector digests(u8 byte) {
    return big(1, 4) + big(0xb, 2) + ByteVector(32, byte);
}

std::vector<Attack> attacks() {
    const ByteVector selection = big(1, 4) + big(0xb, 2) + big(3, 1) + big(0xff'0300, 3);
    const ByteVector nothing;
    const ByteVector nv_public =
        sized(big(0x0180'0002, 4) + big(0xb, 2) + big(0x0002'0002, 4) + big(0, 2) + big(8, 2));
    return {
        {"quote with the attestation key",
         refused_command,
         authorised(0x158, {attestation_key}, sized(ByteVector(32)) + big(0x10, 2) + selection)},
        {"sign with the attestation key",
         refused_handle,
         authorised(0x15d, {attestation_key}, sized(ByteVector(32)) + big(0x10, 2))},
        {"certify with the attestation key",
         refused_command,
         authorised(0x148, {attestation_key, attestation_key}, nothing)},
        {"flush the attestation key", refused_handle, flush(attestation_key)},
        {"flush what the TPM calls its first object", refused_handle, flush(0x8000'0000)},
        {"read what the TPM calls its first object",
         refused_handle,
         plain(0x173, big(0x8000'0000, 4))},
        {"save the attestation key's context",
         refused_command,
         plain(0x162, big(attestation_key, 4))},
        {"extend PCR 12", refused_command, authorised(0x182, {12}, digests(0xaa))},
        {"extend PCR 23", refused_command, authorised(0x182, {23}, digests(0xaa))},
        {"reset PCR 16", refused_command, authorised(0x13d, {16}, nothing)},
        {"reset PCR 23", refused_command, authorised(0x13d, {23}, nothing)},
        {"measure an event into PCR 12",
         refused_command,
         authorised(0x13c, {12}, sized(ByteVector(4)))},
        {"allocate PCR banks", refused_command, authorised(0x12b, {platform}, selection)},
        {"clear with lockout authorisation",
         refused_command,
         authorised(0x126, {lockout}, nothing)},
        {"clear with platform authorisation",
         refused_command,
         authorised(0x126, {platform}, nothing)},
        {"switch a hierarchy off",
         refused_command,
         authorised(0x121, {platform}, big(endorsement, 4) + big(0, 1))},
        {"change the endorsement authorisation",
         refused_command,
         authorised(0x129, {endorsement}, sized(ByteVector(8)))},
        {"make the attestation key persistent",
         refused_command,
         authorised(0x120, {owner, attestation_key}, big(0x8101'0010, 4))},
        {"evict a persistent key",
         refused_command,
         authorised(0x120, {owner, 0x8101'0001}, big(0x8101'0001, 4))},
        {"delete the counter", refused_command, authorised(0x122, {owner, counter_index}, nothing)},
        {"increment the counter",
         refused_command,
         authorised(0x134, {owner, counter_index}, nothing)},
        {"define an NV index",
         refused_command,
         authorised(0x12a, {owner}, sized(ByteVector{}) + nv_public)},
        {"read the counter",
         refused_handle,
         authorised(0x14e, {owner, counter_index}, big(8, 2) + big(0, 2))},
        {"set the clock", refused_command, authorised(0x128, {owner}, big(1, 8))},
        {"reset the dictionary attack lock",
         refused_command,
         authorised(0x139, {lockout}, nothing)},
        {"shut the TPM down", refused_command, plain(0x145, big(0, 2))},
        {"start the TPM again", refused_command, plain(0x144, big(0, 2))},
        {"make a restricted signing key",
         refused_key,
         create_primary(endorsement, signing_template())},
        {"make a key in the platform hierarchy",
         refused_handle,
         create_primary(platform, storage_template())},
    };
}

class Attacker {
  public:
    Attacker(const Control& control, const Report& report) : control_{control}, report_{report} {}

    Outcome run() {
        serve("before any attack");
        for (const auto& attack : attacks()) {
            const u32 code = code_of(submit(control_, attack.command));
            const bool refused = (code & 0xbf) == (attack.answer & 0xbf) || code == attack.answer;
            note(attack.name, refused, code);
            serve(attack.name);
        }
        exhaust("exhaust sessions", start_session(1), 0x905);
        exhaust("exhaust objects", create_primary(owner, storage_template()), 0x902);
        harmless();
        return outcome_;
    }

  private:
    /// The hypervisor's own quote, which must always work.
    void serve(const std::string& when) {
        const ByteVector request(96, 0x42);
        const i64 size = control_(static_cast<u64>(Operation::statement), request, buffer_);
        if (size > 0 &&
            wire::decode_evidence(std::span{buffer_}.first(static_cast<usize>(size))).is_ok())
            return;
        ++outcome_.failures;
        report_("tpm-attack: NO QUOTE after: " + when + ": " + std::to_string(size));
    }
    void note(const std::string& name, bool refused, u32 code) {
        std::array<char, 16> number{};
        std::snprintf(number.data(), number.size(), "0x%03x", code);
        refused ? ++outcome_.refused : ++outcome_.failures;
        report_("tpm-attack: " + name + ": " + (refused ? "refused " : "NOT REFUSED ") +
                number.data());
    }
    void exhaust(const std::string& name, const ByteVector& command, u32 answer) {
        constexpr unsigned far_too_many = 100;
        u32 code = 0;
        unsigned made = 0;
        for (; made < far_too_many && code == 0; ++made)
            code = code_of(submit(control_, command));
        note(name + " (" + std::to_string(made - 1) + " made)", code == answer, code);
        serve(name);
    }
    /// What a domain may do still works while it holds all it can.
    void harmless() {
        const auto works = [&](const std::string& name, const ByteVector& command) {
            const u32 code = code_of(submit(control_, command));
            report_("tpm-attack: " + name + ": " + (code == 0 ? "works" : "FAILS"));
            outcome_.failures += code == 0 ? 0 : 1;
        };
        works("random numbers", plain(0x17b, big(16, 2)));
        works("reading the attestation key", plain(0x173, big(attestation_key, 4)));
    }

    const Control& control_;
    const Report& report_;
    Outcome outcome_;
    std::array<u8, 4096> buffer_{};
};

std::string hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        text.push_back("0123456789abcdef"[byte >> 4]);
        text.push_back("0123456789abcdef"[byte & 15]);
    }
    return text;
}

} // namespace

ByteVector submit(const Control& control, const ByteVector& command) {
    constexpr auto pause = std::chrono::milliseconds{1};
    constexpr unsigned patience = 60'000;
    const ByteVector nothing(10, 0xff);
    std::array<u8, wire::control::max_response> buffer{};
    if (control(static_cast<u64>(Operation::tpm_submit), command, {}) != 0)
        return nothing;
    for (unsigned i = 0; i < patience; ++i) {
        const i64 size = control(static_cast<u64>(Operation::tpm_poll), {}, buffer);
        if (size >= 0)
            return {buffer.begin(), buffer.begin() + size};
        if (size != -wire::control::eagain)
            break;
        std::this_thread::sleep_for(pause);
    }
    return nothing;
}

void show_evidence(const Control& control, const Report& report) {
    std::array<u8, wire::control::max_response> buffer{};
    ByteVector log;
    for (;;) {
        const auto request = wire::control::encode({wire::control::Log::ravelin, log.size()});
        const i64 size = control(static_cast<u64>(Operation::log_read), request, buffer);
        if (size <= 0)
            break;
        log.insert(log.end(), buffer.begin(), buffer.begin() + size);
    }
    const auto show = [&](const std::string& what, std::span<const u8> bytes) {
        constexpr usize a_line = 64;
        for (; !bytes.empty(); bytes = bytes.subspan(std::min(a_line, bytes.size())))
            report("tpm-evidence: " + what + " " +
                   hex(bytes.first(std::min(a_line, bytes.size()))));
    };
    show("log", log);
    show("key", submit(control, plain(0x173, big(attestation_key, 4))));
    const ByteVector request(96, 0x42);
    const i64 size = control(static_cast<u64>(Operation::statement), request, buffer);
    show("evidence", std::span{buffer}.first(size < 0 ? 0 : static_cast<usize>(size)));
    report("tpm-evidence: shown");
}

Outcome run(const Control& control, const Report& report) {
    return Attacker{control, report}.run();
}

} // namespace ravelin::attack
