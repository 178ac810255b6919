// SPDX-License-Identifier: Apache-2.0
// Canonical forms: fixed order, big-endian, 16-bit lengths; one value has one encoding.
#include "wire/statement.hpp"

namespace ravelin::wire {

namespace {

StatementError convert(CursorError error) {
    switch (error) {
    case CursorError::truncated:
        return StatementError::truncated;
    case CursorError::trailing:
        return StatementError::trailing;
    case CursorError::full:
        return StatementError::full;
    case CursorError::bad_value:
        return StatementError::bad_value;
    }
    return StatementError::truncated;
}

/// Reads with the errors of this file.
class Reader {
  public:
    explicit Reader(std::span<const u8> bytes) : reader_{bytes} {}

    template <typename T> Result<T, StatementError> integer() {
        const auto value = reader_.integer<T>();
        if (!value.is_ok())
            return Failure{convert(value.error())};
        return value.value();
    }
    Result<std::span<const u8>, StatementError> bytes(usize n) {
        const auto value = reader_.bytes(n);
        if (!value.is_ok())
            return Failure{convert(value.error())};
        return value.value();
    }
    Result<std::span<const u8>, StatementError> sized() {
        const u16 size = RAVELIN_TRY(integer<u16>());
        return bytes(size);
    }
    template <usize N> Result<std::array<u8, N>, StatementError> array() {
        const auto raw = RAVELIN_TRY(bytes(N));
        std::array<u8, N> out{};
        for (usize i = 0; i < N; ++i)
            out[i] = raw[i];
        return out;
    }
    Result<StatementText, StatementError> text() {
        const auto raw = RAVELIN_TRY(sized());
        if (raw.size() > StatementText::capacity)
            return Failure{StatementError::bad_value};
        StatementText out;
        for (const u8 byte : raw)
            out.bytes[out.size++] = static_cast<char>(byte);
        return out;
    }
    Status<StatementError> expect_magic(const std::array<u8, 8>& magic) {
        if (RAVELIN_TRY(array<8>()) != magic)
            return Failure{StatementError::bad_magic};
        return Unit{};
    }
    Status<StatementError> expect_end() const {
        if (!reader_.expect_end().is_ok())
            return Failure{StatementError::trailing};
        return Unit{};
    }

  private:
    BigReader reader_;
};

void write_text(BigWriter& writer, const StatementText& text) {
    writer.integer(text.size);
    for (const char c : text.view())
        writer.integer(static_cast<u8>(c));
}

void write_sized(BigWriter& writer, std::span<const u8> bytes) {
    writer.integer(static_cast<u16>(bytes.size())).bytes(bytes);
}

Result<std::span<const u8>, StatementError> finish(const BigWriter& writer) {
    const auto written = writer.finish();
    if (!written.is_ok())
        return Failure{convert(written.error())};
    return written.value();
}

} // namespace

void StatementText::assign(std::string_view text) {
    size = 0;
    for (const char c : text.substr(0, capacity))
        bytes[size++] = c;
}

std::string_view name(Launch launch) {
    switch (launch) {
    case Launch::drtm:
        return "DRTM";
    case Launch::srtm:
        return "SRTM";
    case Launch::unmeasured:
        return "UNMEASURED";
    }
    return "UNMEASURED";
}

Result<std::span<const u8>, StatementError> encode(const Statement& statement,
                                                   std::span<u8> buffer) {
    BigWriter writer{buffer};
    writer.bytes(Statement::magic).integer(static_cast<u16>(statement.kind));
    writer.integer(static_cast<u8>(statement.launch)).integer(static_cast<u8>(statement.dma));
    writer.bytes(statement.boot_id).bytes(statement.manifest_digest);
    write_text(writer, statement.version);
    write_text(writer, statement.label);
    writer.integer(statement.submitter.raw());
    writer.bytes(statement.nonce).bytes(statement.caller_data);
    return finish(writer);
}

Result<Statement, StatementError> decode_statement(std::span<const u8> bytes) {
    Reader reader{bytes};
    (void)RAVELIN_TRY(reader.expect_magic(Statement::magic));
    Statement out;
    const u16 kind = RAVELIN_TRY(reader.integer<u16>());
    const u8 launch = RAVELIN_TRY(reader.integer<u8>());
    const u8 dma = RAVELIN_TRY(reader.integer<u8>());
    if (kind != static_cast<u16>(StatementKind::platform) || launch < 1 || launch > 3 || dma < 1 ||
        dma > 2)
        return Failure{StatementError::bad_value};
    out.kind = static_cast<StatementKind>(kind);
    out.launch = static_cast<Launch>(launch);
    out.dma = static_cast<DmaState>(dma);
    out.boot_id = RAVELIN_TRY(reader.array<16>());
    out.manifest_digest = RAVELIN_TRY(reader.array<32>());
    out.version = RAVELIN_TRY(reader.text());
    out.label = RAVELIN_TRY(reader.text());
    out.submitter = DomainId{RAVELIN_TRY(reader.integer<u16>())};
    out.nonce = RAVELIN_TRY(reader.array<32>());
    out.caller_data = RAVELIN_TRY(reader.array<64>());
    (void)RAVELIN_TRY(reader.expect_end());
    return out;
}

Result<std::span<const u8>, StatementError> encode(const EvidenceView& evidence,
                                                   std::span<u8> buffer) {
    BigWriter writer{buffer};
    writer.bytes(EvidenceView::magic);
    write_sized(writer, evidence.statement);
    writer.integer(evidence.index).integer(evidence.count);
    writer.integer(static_cast<u16>(evidence.path.size()));
    for (const auto& sibling : evidence.path)
        writer.bytes(sibling);
    write_sized(writer, evidence.attested);
    write_sized(writer, evidence.signature);
    writer.integer(static_cast<u16>(evidence.pcrs.bank)).integer(evidence.pcrs.set);
    for (usize pcr = 0; pcr < evidence.pcrs.values.size(); ++pcr)
        if ((evidence.pcrs.set >> pcr & 1) != 0)
            writer.bytes(evidence.pcrs.values[pcr]);
    return finish(writer);
}

Result<EvidenceView, StatementError> decode_evidence(std::span<const u8> bytes) {
    Reader reader{bytes};
    (void)RAVELIN_TRY(reader.expect_magic(EvidenceView::magic));
    EvidenceView out;
    out.statement = RAVELIN_TRY(reader.sized());
    out.index = RAVELIN_TRY(reader.integer<u32>());
    out.count = RAVELIN_TRY(reader.integer<u32>());
    if (out.index >= out.count)
        return Failure{StatementError::bad_value};
    const u16 siblings = RAVELIN_TRY(reader.integer<u16>());
    for (u16 i = 0; i < siblings; ++i)
        if (!out.path.push_back(RAVELIN_TRY(reader.array<32>())))
            return Failure{StatementError::bad_value};
    out.attested = RAVELIN_TRY(reader.sized());
    out.signature = RAVELIN_TRY(reader.sized());
    const u16 bank = RAVELIN_TRY(reader.integer<u16>());
    out.pcrs.set = RAVELIN_TRY(reader.integer<u32>());
    if (bank != static_cast<u16>(tpm::Algorithm::sha256) || out.pcrs.set >> 24 != 0)
        return Failure{StatementError::bad_value};
    for (usize pcr = 0; pcr < out.pcrs.values.size(); ++pcr)
        if ((out.pcrs.set >> pcr & 1) != 0)
            out.pcrs.values[pcr] = RAVELIN_TRY(reader.array<32>());
    (void)RAVELIN_TRY(reader.expect_end());
    return out;
}

} // namespace ravelin::wire
