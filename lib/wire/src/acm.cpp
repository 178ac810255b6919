// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "wire/acm.hpp"

#include <base/cursor.hpp>

#include <algorithm>

namespace ravelin::wire {
namespace {

constexpr u16 chipset_module = 2;
constexpr u32 vendor_intel = 0x8086;
constexpr u32 word = 4;             // sizes in the header count these
constexpr u32 key_words = 64;       // RSA 2048
constexpr u32 header_words = 161;   // to the end of the signature
constexpr u32 largest = 512 * 1024; // no processor's authenticated-code RAM is larger

/// Any cursor error in here means that the bytes ended.
template <typename T> Result<T, AcmError> in_module(Result<T, CursorError> result) {
    if (!result)
        return Failure{AcmError::truncated};
    return std::move(result).value();
}

struct Sizes {
    u32 module;
    u32 scratch;
};

/// The part before the information table. [SDM vol2D table A-1]
Result<Sizes, AcmError> decode_header(std::span<const u8> module, Acm& acm) {
    LittleReader reader{module};
    const u16 type = RAVELIN_TRY(in_module(reader.integer<u16>()));
    RAVELIN_TRY(in_module(reader.skip(2))); // subtype
    const u32 header = RAVELIN_TRY(in_module(reader.integer<u32>()));
    const u32 version = RAVELIN_TRY(in_module(reader.integer<u32>()));
    RAVELIN_TRY(in_module(reader.skip(2))); // chipset, superseded by the list
    acm.flags = RAVELIN_TRY(in_module(reader.integer<u16>()));
    const u32 vendor = RAVELIN_TRY(in_module(reader.integer<u32>()));
    if (type != chipset_module || vendor != vendor_intel)
        return Failure{AcmError::not_chipset};
    if (version != 0)
        return Failure{AcmError::unknown_version};
    acm.date = RAVELIN_TRY(in_module(reader.integer<u32>()));
    const u32 size = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.security_version = RAVELIN_TRY(in_module(reader.integer<u16>()));
    RAVELIN_TRY(in_module(reader.skip(2 + 4 + 4))); // SE SVN, code control, error entry
    acm.global_descriptor_limit = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.global_descriptors = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.code_segment = static_cast<u16>(RAVELIN_TRY(in_module(reader.integer<u32>())));
    acm.entry = RAVELIN_TRY(in_module(reader.integer<u32>()));
    RAVELIN_TRY(in_module(reader.skip(64)));
    const u32 key = RAVELIN_TRY(in_module(reader.integer<u32>()));
    const u32 scratch = RAVELIN_TRY(in_module(reader.integer<u32>()));
    if (header != header_words || key != key_words || size > largest / word ||
        scratch > largest / word || size < header + scratch)
        return Failure{AcmError::bad_header};
    if (u64{size} * word > module.size())
        return Failure{AcmError::truncated};
    acm.public_key = RAVELIN_TRY(in_module(reader.bytes(Acm::key_size)));
    acm.public_exponent = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.signature = RAVELIN_TRY(in_module(reader.bytes(Acm::key_size)));
    return Sizes{size * word, scratch * word};
}

/// A list that the information table points to: a count, then the entries, which `entry` reads.
template <typename Entry>
Status<AcmError> decode_list(std::span<const u8> module, u32 offset, usize skipped, Entry entry) {
    const auto outside = Failure{AcmError::bad_list};
    if (offset >= module.size())
        return outside;
    LittleReader reader{module.subspan(offset)};
    if (!reader.skip(skipped))
        return outside;
    const auto read_count = [&]() -> Result<u32, CursorError> {
        if (skipped == 0)
            return reader.integer<u32>();
        return u32{RAVELIN_TRY(reader.integer<u16>())}; // the TPM's list has a 16-bit count
    };
    const auto count = read_count();
    if (!count)
        return outside;
    for (u32 i = 0; i < count.value(); ++i) {
        const Result<bool, CursorError> kept = entry(reader);
        if (!kept)
            return outside;
        if (!kept.value())
            return Failure{AcmError::too_many};
    }
    return Unit{};
}

Result<bool, CursorError> read_chipset(LittleReader& reader, Acm& acm) {
    AcmChipset chipset;
    chipset.flags = RAVELIN_TRY(reader.integer<u32>());
    chipset.vendor = RAVELIN_TRY(reader.integer<u16>());
    chipset.device = RAVELIN_TRY(reader.integer<u16>());
    chipset.revision = RAVELIN_TRY(reader.integer<u16>());
    (void)RAVELIN_TRY(reader.skip(2));
    chipset.extended = RAVELIN_TRY(reader.integer<u32>());
    return acm.chipsets.push_back(chipset);
}

Result<bool, CursorError> read_processor(LittleReader& reader, Acm& acm) {
    AcmProcessor processor;
    processor.signature = RAVELIN_TRY(reader.integer<u32>());
    processor.signature_mask = RAVELIN_TRY(reader.integer<u32>());
    processor.platform = RAVELIN_TRY(reader.integer<u64>());
    processor.platform_mask = RAVELIN_TRY(reader.integer<u64>());
    return acm.processors.push_back(processor);
}

/// [TXT SDG A.1.2, chipset AC module information table]
Status<AcmError> decode_information(std::span<const u8> module, usize at, Acm& acm) {
    LittleReader reader{module.subspan(at)};
    const auto id = RAVELIN_TRY(in_module(reader.bytes(acm_information_id.size())));
    if (!std::equal(id.begin(), id.end(), acm_information_id.begin()))
        return Failure{AcmError::no_information};
    acm.type = static_cast<AcmType>(RAVELIN_TRY(in_module(reader.byte())));
    const u8 version = RAVELIN_TRY(in_module(reader.byte()));
    RAVELIN_TRY(in_module(reader.skip(2))); // length
    const u32 chipsets = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.os_sinit_data_version = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.least_mle_version = RAVELIN_TRY(in_module(reader.integer<u32>()));
    acm.capabilities = RAVELIN_TRY(in_module(reader.integer<u32>()));
    RAVELIN_TRY(in_module(reader.skip(4))); // the module's own version
    RAVELIN_TRY(decode_list(
        module, chipsets, 0, [&](LittleReader& entries) { return read_chipset(entries, acm); }));
    if (version < 4)
        return Unit{};
    const u32 processors = RAVELIN_TRY(in_module(reader.integer<u32>()));
    RAVELIN_TRY(decode_list(module, processors, 0, [&](LittleReader& entries) {
        return read_processor(entries, acm);
    }));
    if (version < 5)
        return Unit{};
    const u32 tpm = RAVELIN_TRY(in_module(reader.integer<u32>()));
    return decode_list(module, tpm, 4, [&](LittleReader& entries) -> Result<bool, CursorError> {
        return acm.hashes.push_back(RAVELIN_TRY(entries.integer<u16>()));
    });
}

} // namespace

std::string_view text(AcmError error) {
    switch (error) {
    case AcmError::truncated:
        return "the module is shorter than it says";
    case AcmError::not_chipset:
        return "not a chipset module";
    case AcmError::unknown_version:
        return "the header's version is not 0.0";
    case AcmError::bad_header:
        return "the header's sizes contradict each other";
    case AcmError::no_information:
        return "no information table";
    case AcmError::bad_list:
        return "a list reaches outside the module";
    case AcmError::too_many:
        return "too many identifiers";
    }
    return "unknown error";
}

Result<Acm, AcmError> decode_acm(std::span<const u8> module) {
    Acm acm;
    const Sizes sizes = RAVELIN_TRY(decode_header(module, acm));
    module = module.first(sizes.module);
    const usize information = header_words * word + sizes.scratch;
    acm.signed_head = module.first(Acm::signed_head_size);
    acm.signed_rest = module.subspan(information);
    RAVELIN_TRY(decode_information(module, information, acm));
    return acm;
}

} // namespace ravelin::wire
