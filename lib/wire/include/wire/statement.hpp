// SPDX-License-Identifier: Apache-2.0
// A statement: what the hypervisor says about itself, in one canonical big-endian form, and the
// evidence that binds it to a TPM's quote. Only nonce and caller data come from the caller.
#pragma once

#include <base/cursor.hpp>
#include <base/fixed_vector.hpp>
#include <wire/tpm.hpp>

#include <array>
#include <string_view>

namespace ravelin::wire {

enum class StatementKind : u16 { platform = 1 };

/// How the launch came about; decided in one place by the hypervisor.
enum class Launch : u8 { drtm = 1, srtm = 2, unmeasured = 3 };
[[nodiscard]] std::string_view name(Launch launch);

enum class DmaState : u8 { is_protected = 1, is_unprotected = 2 };

/// Text of a statement, with an inline bound.
struct StatementText {
    static constexpr usize capacity = 64;
    std::array<char, capacity> bytes{};
    u16 size = 0;
    /// Keeps the first `capacity` characters.
    void assign(std::string_view text);
    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

struct Statement {
    static constexpr std::array<u8, 8> magic{'R', 'V', 'L', 'N', 'S', 'T', 'M', '1'};
    static constexpr usize max_size = 512;

    StatementKind kind{StatementKind::platform};
    Launch launch{Launch::unmeasured};
    DmaState dma{DmaState::is_unprotected};
    std::array<u8, 16> boot_id{};         ///< random, drawn at start-up
    std::array<u8, 32> manifest_digest{}; ///< SHA-256 of the launch manifest's bytes
    StatementText version{};              ///< the hypervisor's
    StatementText label{};                ///< the submitter's
    DomainId submitter{};
    std::array<u8, 32> nonce{};
    std::array<u8, 64> caller_data{};
};

enum class StatementError : u8 {
    truncated,
    trailing,
    bad_magic,
    bad_value, ///< an enumeration or a length out of range
    full,      ///< the buffer is too small
};

/// Writes the canonical form; a view into `buffer`.
[[nodiscard]] Result<std::span<const u8>, StatementError> encode(const Statement& statement,
                                                                 std::span<u8> buffer);
[[nodiscard]] Result<Statement, StatementError> decode_statement(std::span<const u8> bytes);

/// SHA-256 PCR values as they were when the quote was made, ascending, for the bits of `set`.
struct EvidencePcrs {
    tpm::Algorithm bank{tpm::Algorithm::sha256};
    u32 set = 0; ///< bit n: PCR n
    std::array<std::array<u8, 32>, 24> values{};
};

/// Evidence as the control hypercall returns it. Views point into the bytes it was decoded from.
struct EvidenceView {
    static constexpr std::array<u8, 8> magic{'R', 'V', 'L', 'N', 'E', 'V', 'D', '1'};
    static constexpr usize max_path = 16;

    std::span<const u8> statement;
    u32 index = 0;
    u32 count = 1;
    FixedVector<std::array<u8, 32>, max_path> path;
    std::span<const u8> attested;  ///< TPMS_ATTEST
    std::span<const u8> signature; ///< TPMT_SIGNATURE
    EvidencePcrs pcrs;
};
[[nodiscard]] Result<std::span<const u8>, StatementError> encode(const EvidenceView& evidence,
                                                                 std::span<u8> buffer);
[[nodiscard]] Result<EvidenceView, StatementError> decode_evidence(std::span<const u8> bytes);

} // namespace ravelin::wire
