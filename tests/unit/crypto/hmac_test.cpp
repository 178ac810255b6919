// SPDX-License-Identifier: Apache-2.0
// HMAC against RFC 4231 and OpenSSL for keys shorter than, as long as and longer than a block;
// the comparison against every place in which two values can differ.
#include <crypto/constant_time.hpp>
#include <crypto/hmac.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <openssl/hmac.h>
#include <string_view>
#include <vector>

namespace ravelin::crypto {
namespace {

std::vector<u8> bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

TEST(Hmac, Rfc4231TestCase2) {
    HmacSha256 stream{bytes_of("Jefe")};
    stream.update(bytes_of("what do ya want "));
    stream.update(bytes_of("for nothing?"));
    const Sha256::Digest expected{0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                  0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                  0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    EXPECT_EQ(stream.finish(), expected);
}

template <typename Hash> void against_reference(const EVP_MD* digest) {
    const auto message = bytes_of("a message");
    for (usize size = 1; size <= Hash::block_size + 2; ++size) {
        const std::vector<u8> key(size, 0xa7);
        std::vector<u8> expected(EVP_MAX_MD_SIZE);
        unsigned length = 0;
        ASSERT_NE(HMAC(digest,
                       key.data(),
                       static_cast<int>(key.size()),
                       message.data(),
                       message.size(),
                       expected.data(),
                       &length),
                  nullptr);
        expected.resize(length);
        Hmac<Hash> stream{key};
        stream.update(message);
        EXPECT_TRUE(std::ranges::equal(stream.finish(), expected)) << "key of " << size;
    }
}

TEST(Hmac, EqualsTheReferenceForKeysAroundABlock) {
    against_reference<Sha1>(EVP_sha1());
    against_reference<Sha256>(EVP_sha256());
    against_reference<Sha512>(EVP_sha512());
}

TEST(ConstantTime, FindsADifferenceAnywhere) {
    const std::vector<u8> a(33, 0x5a);
    EXPECT_TRUE(equal_in_constant_time(a, a));
    EXPECT_TRUE(equal_in_constant_time({}, {}));
    EXPECT_FALSE(equal_in_constant_time(a, std::span{a}.first(32)));
    for (usize i = 0; i < a.size(); ++i)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto b = a;
            b[i] ^= static_cast<u8>(1u << bit);
            EXPECT_FALSE(equal_in_constant_time(a, b)) << i << '.' << bit;
        }
}

} // namespace
} // namespace ravelin::crypto
