// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "decompress.hpp"

#include <base/cursor.hpp>

#include <algorithm>
#include <array>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

namespace ravelin::tools {
namespace {

using Output = Result<std::vector<u8>, KernelError>;

constexpr usize step = usize{16} << 20;

/// Makes room for another step of output; false when that would pass the bound.
bool grow(std::vector<u8>& out, usize used) {
    if (used < out.size())
        return true;
    if (out.size() + step > largest_kernel)
        return false;
    out.resize(out.size() + step);
    return true;
}

Output unpack_gzip(std::span<const u8> stream) {
    z_stream state{};
    if (inflateInit2(&state, 15 + 16) != Z_OK)
        return Failure{KernelError::corrupt};
    std::vector<u8> out;
    usize used = 0;
    // zlib only reads what next_in points to.
    std::vector<u8> input{stream.begin(), stream.end()};
    state.next_in = input.data();
    state.avail_in = static_cast<uInt>(input.size());
    int status = Z_OK;
    while (status == Z_OK && grow(out, used)) {
        state.next_out = out.data() + used;
        state.avail_out = static_cast<uInt>(out.size() - used);
        status = inflate(&state, Z_NO_FLUSH);
        used = out.size() - state.avail_out;
    }
    inflateEnd(&state);
    if (status == Z_OK)
        return Failure{KernelError::too_large};
    if (status != Z_STREAM_END)
        return Failure{KernelError::corrupt};
    out.resize(used);
    return out;
}

Output unpack_xz(std::span<const u8> stream) {
    lzma_stream state = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&state, u64{256} << 20, 0) != LZMA_OK)
        return Failure{KernelError::corrupt};
    std::vector<u8> out;
    usize used = 0;
    state.next_in = stream.data();
    state.avail_in = stream.size();
    lzma_ret status = LZMA_OK;
    while (status == LZMA_OK && grow(out, used)) {
        state.next_out = out.data() + used;
        state.avail_out = out.size() - used;
        status = lzma_code(&state, LZMA_FINISH);
        used = out.size() - state.avail_out;
    }
    lzma_end(&state);
    if (status == LZMA_OK)
        return Failure{KernelError::too_large};
    if (status != LZMA_STREAM_END)
        return Failure{KernelError::corrupt};
    out.resize(used);
    return out;
}

Output unpack_zstd(std::span<const u8> stream) {
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    std::vector<u8> out;
    ZSTD_inBuffer input{stream.data(), stream.size(), 0};
    usize used = 0;
    usize hint = 1;
    bool bounded = true;
    while (hint != 0 && ZSTD_isError(hint) == 0 && (bounded = grow(out, used))) {
        ZSTD_outBuffer output{out.data(), out.size(), used};
        const usize before = input.pos;
        hint = ZSTD_decompressStream(context, &output, &input);
        if (input.pos == before && output.pos == used)
            break; // no progress: the stream is cut off
        used = output.pos;
    }
    ZSTD_freeDCtx(context);
    if (!bounded)
        return Failure{KernelError::too_large};
    if (hint != 0)
        return Failure{KernelError::corrupt};
    out.resize(used);
    return out;
}

/// The legacy frame: a magic, then blocks of at most 8 MiB of output, each after its compressed
/// size.
Output unpack_lz4(std::span<const u8> stream) {
    constexpr int largest_block = 8 << 20;
    LittleReader reader{stream};
    static_cast<void>(reader.skip(4));
    std::vector<u8> out;
    std::vector<char> block(largest_block);
    while (true) {
        const auto size = reader.integer<u32>();
        // The size that the kernel's build appends is no block: it is longer than what is left.
        if (!size || size.value() == 0 || size.value() > reader.remaining())
            break;
        const auto packed = reader.bytes(size.value()).value();
        // SAFETY: LZ4 takes bytes as char.
        const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()),
                                            block.data(),
                                            static_cast<int>(packed.size()),
                                            largest_block);
        if (got < 0)
            return Failure{KernelError::corrupt};
        if (out.size() + static_cast<usize>(got) > largest_kernel)
            return Failure{KernelError::too_large};
        out.insert(out.end(), block.begin(), block.begin() + got);
    }
    if (out.empty())
        return Failure{KernelError::corrupt};
    return out;
}

struct Format {
    std::array<u8, 4> magic;
    usize magic_size;
    Output (*unpack)(std::span<const u8>);
};

constexpr std::array formats{
    Format{{0x1f, 0x8b, 0, 0}, 2, unpack_gzip},
    Format{{0xfd, '7', 'z', 'X'}, 4, unpack_xz},
    Format{{0x28, 0xb5, 0x2f, 0xfd}, 4, unpack_zstd},
    Format{{0x02, 0x21, 0x4c, 0x18}, 4, unpack_lz4},
};

} // namespace

Output decompress(std::span<const u8> stream) {
    for (const Format& format : formats) {
        const auto magic = std::span{format.magic}.first(format.magic_size);
        if (stream.size() > magic.size() && std::equal(magic.begin(), magic.end(), stream.begin()))
            return format.unpack(stream);
    }
    return Failure{KernelError::unknown_compression};
}

} // namespace ravelin::tools
