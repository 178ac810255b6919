// SPDX-License-Identifier: Apache-2.0
#include <tools/kernel/extract.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

namespace ravelin::tools {
namespace {

using Bytes = std::vector<u8>;

template <typename T> void put(Bytes& out, usize offset, T value) {
    std::memcpy(out.data() + offset, &value, sizeof(value));
}

/// The smallest kernel: an ELF64 header, one PT_NOTE, one note.
Bytes kernel_elf() {
    Bytes elf(64 + 56 + 20);
    put(elf, 0, u32{0x464c457f});
    elf[4] = 2;
    put(elf, 18, u16{62});
    put(elf, 32, u64{64});
    put(elf, 54, u16{56});
    put(elf, 56, u16{1});
    put(elf, 64, u32{4});
    put(elf, 64 + 8, u64{120});
    put(elf, 64 + 32, u64{20});
    put(elf, 120, u32{4});
    put(elf, 124, u32{4});
    put(elf, 128, u32{18});
    std::memcpy(elf.data() + 132, "Xen", 4);
    return elf;
}

Bytes bzimage(const Bytes& payload) {
    constexpr usize start = 0x400;
    Bytes image(start + payload.size() + 4);
    image[0x1f1] = 1;
    put(image, 0x202, u32{0x53726448});
    put(image, 0x206, u16{0x020f});
    put(image, 0x24c, static_cast<u32>(payload.size() + 4));
    std::copy(payload.begin(), payload.end(), image.begin() + start);
    put(image, start + payload.size(), u32{140}); // the size that the kernel's build appends
    return image;
}

Bytes gzip(const Bytes& data) {
    Bytes out(1024);
    z_stream state{};
    deflateInit2(&state, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    Bytes input = data;
    state.next_in = input.data();
    state.avail_in = static_cast<uInt>(input.size());
    state.next_out = out.data();
    state.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&state, Z_FINISH), Z_STREAM_END);
    out.resize(out.size() - state.avail_out);
    deflateEnd(&state);
    return out;
}

Bytes xz(const Bytes& data) {
    Bytes out(1024);
    usize used = 0;
    EXPECT_EQ(
        lzma_easy_buffer_encode(
            6, LZMA_CHECK_CRC32, nullptr, data.data(), data.size(), out.data(), &used, out.size()),
        LZMA_OK);
    out.resize(used);
    return out;
}

Bytes zstd(const Bytes& data) {
    Bytes out(1024);
    out.resize(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3));
    return out;
}

Bytes lz4(const Bytes& data) {
    std::vector<char> block(1024);
    const std::vector<char> input{data.begin(), data.end()};
    const int size =
        LZ4_compress_default(input.data(), block.data(), static_cast<int>(input.size()), 1024);
    Bytes out{0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0};
    put(out, 4, static_cast<u32>(size));
    out.insert(out.end(), block.begin(), block.begin() + size);
    return out;
}

KernelError error_of(const Bytes& image) {
    const auto result = extract_kernel(image);
    EXPECT_FALSE(result);
    return result ? KernelError{} : result.error();
}

TEST(ExtractKernel, AllFourCompressions) {
    const Bytes elf = kernel_elf();
    for (const Bytes& packed : {gzip(elf), xz(elf), zstd(elf), lz4(elf)}) {
        const auto extracted = extract_kernel(bzimage(packed));
        ASSERT_TRUE(extracted) << describe(extracted.error());
        EXPECT_EQ(extracted.value(), elf);
    }
}

TEST(ExtractKernel, CutAnywhereIsAnErrorAndNoCrash) {
    for (const Bytes& packed : {gzip(kernel_elf()), xz(kernel_elf()), zstd(kernel_elf())}) {
        const Bytes image = bzimage(packed);
        for (usize size = 0; size < image.size() - 4; ++size)
            EXPECT_FALSE(extract_kernel(std::span{image}.first(size)));
        // A payload whose stated length is cut, rather than the file.
        for (u32 size = 5; size < packed.size(); ++size) {
            Bytes shorter = image;
            put(shorter, 0x24c, size);
            EXPECT_FALSE(extract_kernel(shorter));
        }
    }
}

TEST(ExtractKernel, SaysWhatIsWrong) {
    EXPECT_EQ(error_of(Bytes(2048)), KernelError::not_a_bzimage);
    EXPECT_EQ(error_of(bzimage({1, 2, 3, 4, 5, 6})), KernelError::unknown_compression);
    EXPECT_EQ(error_of(bzimage(gzip({1, 2, 3}))), KernelError::not_an_elf);
    Bytes elf = kernel_elf();
    put(elf, 128, u32{17});
    EXPECT_EQ(error_of(bzimage(gzip(elf))), KernelError::no_pvh_entry);
    Bytes image = bzimage(gzip(kernel_elf()));
    put(image, 0x248, u32{0xffffffff});
    EXPECT_EQ(error_of(image), KernelError::truncated);
    Bytes broken = xz(kernel_elf());
    broken[20] ^= 1;
    EXPECT_EQ(error_of(bzimage(broken)), KernelError::corrupt);
}

TEST(ExtractKernel, StockKernelOfThisMachine) {
    for (const auto& entry : std::filesystem::directory_iterator{"/boot"}) {
        if (!entry.path().filename().string().starts_with("vmlinuz-"))
            continue;
        std::ifstream file{entry.path(), std::ios::binary};
        const std::vector<char> content{std::istreambuf_iterator<char>{file}, {}};
        const auto extracted = extract_kernel(Bytes{content.begin(), content.end()});
        ASSERT_TRUE(extracted) << entry.path() << ": " << describe(extracted.error());
        EXPECT_GT(extracted.value().size(), usize{16} << 20);
        return;
    }
    GTEST_SKIP() << "no kernel in /boot";
}

} // namespace
} // namespace ravelin::tools
