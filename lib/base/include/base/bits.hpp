// SPDX-License-Identifier: Apache-2.0
// Bit fields of registers and hardware structures as constexpr types, so that no mask is written
// twice.
#pragma once

#include "base/int.hpp"

#include <type_traits>

namespace ravelin {

/// Bits High..Low (inclusive, as the manuals write them) of a Word, holding a Value (integer, enum
/// or bool).
template <typename Word, unsigned High, unsigned Low, typename Value = Word> struct BitField {
    static_assert(High >= Low && High < sizeof(Word) * 8);
    static constexpr unsigned width = High - Low + 1;
    static constexpr Word mask = static_cast<Word>(
        (width == sizeof(Word) * 8 ? ~Word{0} : static_cast<Word>((Word{1} << width) - 1)) << Low);

    [[nodiscard]] static constexpr Value get(Word word) {
        return static_cast<Value>((word & mask) >> Low);
    }
    [[nodiscard]] static constexpr Word set(Word word, Value value) {
        return static_cast<Word>((word & static_cast<Word>(~mask)) | of(value));
    }
    [[nodiscard]] static constexpr Word of(Value value) {
        return static_cast<Word>((static_cast<Word>(value) << Low) & mask);
    }
};

/// One bit.
template <typename Word, unsigned Bit> using BitFlag = BitField<Word, Bit, Bit, bool>;

} // namespace ravelin
