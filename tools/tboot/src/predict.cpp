// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/tboot/predict.hpp"

#include <base/cursor.hpp>
#include <crypto/sha.hpp>
#include <wire/acm.hpp>

#include <algorithm>

namespace ravelin::tools::tboot {
namespace {

Digest sha256(std::span<const u8> bytes) {
    return crypto::hash<crypto::Sha256>(bytes);
}

Bytes little_endian(u32 value) {
    return {static_cast<u8>(value),
            static_cast<u8>(value >> 8),
            static_cast<u8>(value >> 16),
            static_cast<u8>(value >> 24)};
}

Bytes joined(std::initializer_list<std::span<const u8>> parts) {
    Bytes bytes;
    for (const auto& part : parts)
        bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
}

struct Segment {
    u32 address;
    std::span<const u8> bytes;
};

/// The first segment of an ELF32 file. [ELF gABI 4.1]
Result<Segment, CursorError> first_segment(std::span<const u8> elf) {
    LittleReader reader{elf};
    if (RAVELIN_TRY(reader.integer<u32>()) != 0x464c'457f)
        return Failure{CursorError::bad_value};
    (void)RAVELIN_TRY(reader.skip(24));
    const u32 headers = RAVELIN_TRY(reader.integer<u32>());
    LittleReader program{elf};
    (void)RAVELIN_TRY(program.skip(usize{headers} + 4));
    const u32 offset = RAVELIN_TRY(program.integer<u32>());
    (void)RAVELIN_TRY(program.skip(4));
    const u32 address = RAVELIN_TRY(program.integer<u32>());
    const u32 size = RAVELIN_TRY(program.integer<u32>());
    LittleReader content{elf};
    (void)RAVELIN_TRY(content.skip(offset));
    return Segment{address, RAVELIN_TRY(content.bytes(size))};
}

struct EnvironmentHeader {
    u32 start, end, command_line, command_line_end; // offsets from the load address
};

/// [TXT SDG, table 1]
Result<EnvironmentHeader, CursorError> decode_header(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    (void)RAVELIN_TRY(reader.skip(16 + 4 + 4 + 4 + 4));
    EnvironmentHeader header{};
    header.start = RAVELIN_TRY(reader.integer<u32>());
    header.end = RAVELIN_TRY(reader.integer<u32>());
    (void)RAVELIN_TRY(reader.skip(4));
    header.command_line = RAVELIN_TRY(reader.integer<u32>());
    header.command_line_end = RAVELIN_TRY(reader.integer<u32>());
    return header;
}

} // namespace

Result<Bytes, std::string> tboot_environment(std::span<const u8> elf,
                                             std::string_view command_line) {
    constexpr std::array<u8, 16> id{0x5a,
                                    0xac,
                                    0x82,
                                    0x90,
                                    0x6f,
                                    0x47,
                                    0xa7,
                                    0x74,
                                    0x0f,
                                    0x5c,
                                    0x55,
                                    0xa2,
                                    0xcb,
                                    0x51,
                                    0xb6,
                                    0x42};
    const auto segment = first_segment(elf);
    if (!segment)
        return Failure{std::string{"tboot: not an ELF32 file"}};
    const std::span<const u8> bytes = segment.value().bytes;
    const auto at = std::search(bytes.begin(), bytes.end(), id.begin(), id.end());
    const auto header = decode_header(bytes.subspan(static_cast<usize>(at - bytes.begin())));
    if (!header)
        return Failure{std::string{"tboot: no header of a measured environment"}};
    const EnvironmentHeader& place = header.value();
    if (place.start > place.end || place.end > bytes.size() || place.command_line < place.start ||
        place.command_line_end < place.command_line || place.command_line_end >= place.end)
        return Failure{std::string{"tboot: its header contradicts itself"}};
    const auto measured = bytes.subspan(place.start, place.end - place.start);
    Bytes environment{measured.begin(), measured.end()};
    const std::string_view kept =
        command_line.substr(0, place.command_line_end - place.command_line);
    const auto target = environment.begin() + (place.command_line - place.start);
    std::fill_n(target, place.command_line_end - place.command_line, u8{0});
    std::copy(kept.begin(), kept.end(), target);
    return environment;
}

Result<std::vector<PredictedEvent>, std::string> predict_txt(const LaunchFiles& files) {
    const auto decoded = wire::decode_acm(files.sinit);
    if (!decoded)
        return Failure{"SINIT: " + std::string{wire::text(decoded.error())}};
    const wire::Acm& acm = decoded.value();
    const Bytes environment = RAVELIN_TRY(tboot_environment(files.tboot, files.tboot_command_line));
    const Bytes policy = files.policy ? *files.policy : encode(default_policy());
    const auto policy_decoded = decode_policy(policy);
    if (!policy_decoded)
        return Failure{"policy: " + std::string{text(policy_decoded.error())}};
    if ((policy_decoded.value().control & Policy::extend_pcr17) == 0)
        return Failure{std::string{"policy: it sends modules to registers of their own"}};

    const Bytes none;
    const Bytes zeros(20);
    const Bytes zero = little_endian(0);
    const Bytes capabilities = little_endian(files.capabilities);
    const Bytes exponent = little_endian(acm.public_exponent);
    std::vector<PredictedEvent> events{
        {17,
         "SINIT",
         sha256(
             joined({acm.signed_head, acm.signed_rest, little_endian(files.senter_parameters)}))},
        {17, "BIOS module", sha256(zeros)},
        {17, "processor's S-CRTM status", sha256(zero)},
        {17, "launch control policy, details", sha256(none)},
        {17, "STM", sha256(none)},
        {17, "capabilities", sha256(capabilities)},
        {17, "tboot", sha256(environment)},
        {18, "SINIT's key", sha256(joined({acm.public_key, exponent}))},
        {18, "processor's S-CRTM status", sha256(zero)},
        {18, "capabilities", sha256(capabilities)},
        {18, "launch control policy, control", sha256(zero)},
        {18, "launch control policy, authorities", sha256(none)},
    };
    const Digest policy_hash = sha256(policy);
    const Digest policy_digest =
        sha256(joined({little_endian(policy_decoded.value().control), policy_hash}));
    events.push_back({17, "tboot's policy", policy_digest});
    events.push_back({18, "tboot's policy", policy_digest});
    for (usize i = 0; i < files.modules.size(); ++i)
        events.push_back({17,
                          "module " + std::to_string(i),
                          module_digest(files.modules[i].command_line, files.modules[i].file)});
    return events;
}

Digest value_of(unsigned pcr, std::span<const PredictedEvent> events) {
    Digest value{};
    for (const PredictedEvent& event : events)
        if (event.pcr == pcr)
            value = sha256(joined({value, event.digest}));
    return value;
}

} // namespace ravelin::tools::tboot
