// SPDX-License-Identifier: Apache-2.0
// The hashes against FIPS 180-4's examples and, for every length around a block and every way of
// cutting the stream, against OpenSSL.
#include <crypto/sha.hpp>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <string_view>
#include <vector>

namespace ravelin::crypto {
namespace {

std::vector<u8> reference(const char* name, std::span<const u8> bytes) {
    std::vector<u8> digest(64);
    unsigned size = 0;
    EXPECT_EQ(
        EVP_Digest(
            bytes.data(), bytes.size(), digest.data(), &size, EVP_get_digestbyname(name), nullptr),
        1);
    digest.resize(size);
    return digest;
}

template <typename Hash> void against_reference(const char* name) {
    std::vector<u8> bytes;
    for (usize size = 0; size <= 3 * Hash::block_size + 1; ++size) {
        const auto digest = hash<Hash>(bytes);
        EXPECT_TRUE(std::ranges::equal(digest, reference(name, bytes))) << name << " of " << size;
        bytes.push_back(static_cast<u8>(size * 31 + 7));
    }
    const auto whole = hash<Hash>(bytes);
    for (usize cut = 0; cut <= bytes.size(); ++cut) {
        Hash stream;
        stream.update(std::span{bytes}.first(cut));
        stream.update(std::span{bytes}.subspan(cut));
        EXPECT_EQ(stream.finish(), whole) << name << " cut at " << cut;
    }
}

TEST(Sha, EqualsTheReferenceForEveryLengthAndCut) {
    against_reference<Sha1>("SHA1");
    against_reference<Sha256>("SHA256");
    against_reference<Sha384>("SHA384");
    against_reference<Sha512>("SHA512");
}

TEST(Sha, StandardsExample) {
    constexpr std::string_view text = "abc";
    const std::vector<u8> bytes{text.begin(), text.end()};
    const Sha256::Digest expected{0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    EXPECT_EQ(hash<Sha256>(bytes), expected);
}

} // namespace
} // namespace ravelin::crypto
