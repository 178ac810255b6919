// SPDX-License-Identifier: Apache-2.0
// Fixed-size requests and answers of the control hypercall.
#include "wire/control.hpp"

namespace ravelin::wire::control {

namespace {

template <usize N> Result<std::array<u8, N>, CursorError> take(LittleReader& reader) {
    const auto raw = RAVELIN_TRY(reader.bytes(N));
    std::array<u8, N> out{};
    for (usize i = 0; i < N; ++i)
        out[i] = raw[i];
    return out;
}

} // namespace

std::array<u8, Info::size> encode(const Info& info) {
    std::array<u8, Info::size> out{};
    LittleWriter writer{out};
    writer.integer(info.version).integer(static_cast<u8>(info.launch));
    writer.integer(static_cast<u8>(info.dma)).integer(static_cast<u8>(info.has_tpm ? 1 : 0));
    writer.integer(u8{0}).bytes(info.boot_id);
    return out;
}

Result<Info, CursorError> decode_info(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    Info out;
    out.version = RAVELIN_TRY(reader.integer<u32>());
    const u8 launch = RAVELIN_TRY(reader.byte());
    const u8 dma = RAVELIN_TRY(reader.byte());
    const u8 has_tpm = RAVELIN_TRY(reader.byte());
    const u8 reserved = RAVELIN_TRY(reader.byte());
    if (launch < 1 || launch > 3 || dma < 1 || dma > 2 || has_tpm > 1 || reserved != 0)
        return Failure{CursorError::bad_value};
    out.launch = static_cast<Launch>(launch);
    out.dma = static_cast<DmaState>(dma);
    out.has_tpm = has_tpm == 1;
    out.boot_id = RAVELIN_TRY(take<16>(reader));
    (void)RAVELIN_TRY(reader.expect_end());
    return out;
}

Result<StatementRequest, CursorError> decode_statement_request(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    StatementRequest out;
    out.nonce = RAVELIN_TRY(take<32>(reader));
    out.caller_data = RAVELIN_TRY(take<64>(reader));
    (void)RAVELIN_TRY(reader.expect_end());
    return out;
}

std::array<u8, LogRequest::size> encode(const LogRequest& request) {
    std::array<u8, LogRequest::size> out{};
    LittleWriter writer{out};
    writer.integer(static_cast<u32>(request.log)).integer(request.offset);
    return out;
}

Result<LogRequest, CursorError> decode_log_request(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    LogRequest out;
    const u32 log = RAVELIN_TRY(reader.integer<u32>());
    out.offset = RAVELIN_TRY(reader.integer<u64>());
    (void)RAVELIN_TRY(reader.expect_end());
    if (log > static_cast<u32>(Log::console))
        return Failure{CursorError::bad_value};
    out.log = static_cast<Log>(log);
    return out;
}

} // namespace ravelin::wire::control
