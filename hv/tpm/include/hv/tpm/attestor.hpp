// SPDX-License-Identifier: Apache-2.0
// The attestation key and the quotes made with it. Statements wait in a window; when it closes, one
// quote over its Merkle root stands for all of them. Nobody chooses a quote's qualifying data.
#pragma once

#include <hv/tpm/tpm.hpp>
#include <wire/statement.hpp>

#include <evidence/merkle.hpp>

namespace ravelin::hv::tpm {

/// What a quote covers. Under DRTM PCR 0-9 are for information: the launch does not rest on them.
/// [docs/ARCHITECTURE.md, Attestation]
constexpr PcrSet quoted_pcrs{0x3ff | 1u << 12 | 1u << 14};
constexpr PcrSet quoted_dynamic_pcrs{0x3ff | 1u << 17 | 1u << 18 | 1u << 19};

/// Used under the TPM service's lock.
class Attestor {
  public:
    /// A hardware TPM signs a few times a second: as many statements share one quote.
    static constexpr usize window_size = 16;

    explicit Attestor(Tpm& tpm) : tpm_{tpm} {}
    Attestor(const Attestor&) = delete;
    Attestor& operator=(const Attestor&) = delete;

    /// Creates AK-D for a DRTM launch, AK-S otherwise; it stays loaded. The TPM's answer must be a
    /// key of exactly the template.
    [[nodiscard]] Status<TpmError> make_key(wire::Launch launch);
    [[nodiscard]] bool has_key() const { return has_key_; }
    [[nodiscard]] const Key& key() const { return key_; }

    /// Puts a statement into the open window; its place there, or none when the window is full.
    [[nodiscard]] std::optional<u32> add(const wire::Statement& statement);
    /// Quotes the window. An empty window is not quoted.
    [[nodiscard]] Status<TpmError> close();
    /// Evidence of one statement of the window that was closed; a view into `buffer`.
    [[nodiscard]] Result<std::span<const u8>, wire::StatementError> evidence(u32 index,
                                                                             std::span<u8> buffer);
    /// Opens a new window; evidence of the old one is gone.
    void open();

  private:
    using Leaves = FixedVector<evidence::Hash, window_size>;
    [[nodiscard]] Status<TpmError> quote(const Sha256Digest& qualifying_data);

    Tpm& tpm_;
    bool dynamic_ = false;
    bool has_key_ = false;
    Key key_{};
    FixedVector<Blob<wire::Statement::max_size>, window_size> statements_;
    Leaves leaves_;
    Quote quote_;
    PcrValues pcrs_;
    wire::EvidenceView view_; ///< here because it is larger than a stack frame should be
};

} // namespace ravelin::hv::tpm
