// SPDX-License-Identifier: Apache-2.0
// The Secure Hash Standard's four functions that TPM banks use, as streams. [FIPS 180-4]
#pragma once

#include <base/types.hpp>

#include <array>
#include <span>

namespace ravelin::crypto {

namespace detail {

/// Collects input into whole blocks and hands them to Derived::compress. Word is the function's
/// word; the length is counted in bytes, which suffices for 2^61 of them.
template <typename Derived, typename Word, usize State> class BlockHash {
  public:
    static constexpr usize block_size = 16 * sizeof(Word);

    void update(std::span<const u8> bytes) {
        length_ += bytes.size();
        if (filled_ != 0) {
            while (filled_ < block_size && !bytes.empty()) {
                block_[filled_++] = bytes.front();
                bytes = bytes.subspan(1);
            }
            if (filled_ < block_size)
                return;
            Derived::compress(state_, block_.data());
            filled_ = 0;
        }
        for (; bytes.size() >= block_size; bytes = bytes.subspan(block_size))
            Derived::compress(state_, bytes.data());
        for (const u8 byte : bytes)
            block_[filled_++] = byte;
    }

  protected:
    constexpr explicit BlockHash(const std::array<Word, State>& initial) : state_{initial} {}

    /// Pads, compresses the rest, and writes the first digest.size() bytes of the state.
    void finish_into(std::span<u8> digest) {
        const u64 bits = length_ * 8;
        constexpr usize length_at = block_size - 2 * sizeof(Word);
        const auto pad = [this](u8 byte) {
            block_[filled_++] = byte;
            if (filled_ == block_size) {
                Derived::compress(state_, block_.data());
                filled_ = 0;
            }
        };
        pad(0x80);
        while (filled_ != length_at)
            pad(0);
        for (usize i = 0; i < 2 * sizeof(Word) - sizeof(u64); ++i)
            pad(0);
        for (unsigned shift = 64; shift > 0; shift -= 8)
            pad(static_cast<u8>(bits >> (shift - 8)));
        for (usize i = 0; i < digest.size(); ++i) {
            const unsigned shift = static_cast<unsigned>(8 * (sizeof(Word) - 1 - i % sizeof(Word)));
            digest[i] = static_cast<u8>(state_[i / sizeof(Word)] >> shift);
        }
    }

  private:
    std::array<Word, State> state_;
    std::array<u8, block_size> block_{};
    usize filled_ = 0;
    u64 length_ = 0;
};

} // namespace detail

class Sha1 : public detail::BlockHash<Sha1, u32, 5> {
  public:
    using Digest = std::array<u8, 20>;
    Sha1();
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Digest finish() {
        Digest digest{};
        finish_into(digest);
        return digest;
    }
    static void compress(std::array<u32, 5>& state, const u8* block);
};

class Sha256 : public detail::BlockHash<Sha256, u32, 8> {
  public:
    using Digest = std::array<u8, 32>;
    Sha256();
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Digest finish() {
        Digest digest{};
        finish_into(digest);
        return digest;
    }
    static void compress(std::array<u32, 8>& state, const u8* block);
};

namespace detail {
class Sha512Core : public BlockHash<Sha512Core, u64, 8> {
  public:
    static void compress(std::array<u64, 8>& state, const u8* block);

  protected:
    using BlockHash::BlockHash;
};
} // namespace detail

class Sha384 : public detail::Sha512Core {
  public:
    using Digest = std::array<u8, 48>;
    Sha384();
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Digest finish() {
        Digest digest{};
        finish_into(digest);
        return digest;
    }
};

class Sha512 : public detail::Sha512Core {
  public:
    using Digest = std::array<u8, 64>;
    Sha512();
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Digest finish() {
        Digest digest{};
        finish_into(digest);
        return digest;
    }
};

/// The digest of one piece of memory.
template <typename Hash> [[nodiscard]] typename Hash::Digest hash(std::span<const u8> bytes) {
    Hash stream;
    stream.update(bytes);
    return stream.finish();
}

} // namespace ravelin::crypto
