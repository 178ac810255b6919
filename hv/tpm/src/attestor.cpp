// SPDX-License-Identifier: Apache-2.0
// Windows of statements, policy session, quote.
#include "hv/tpm/attestor.hpp"

#include <wire/attestation_key.hpp>

namespace ravelin::hv::tpm {

namespace ak = wire::attestation_key;

Status<TpmError> Attestor::make_key(wire::Launch launch) {
    dynamic_ = launch == wire::Launch::drtm;
    const ak::Template& wanted = dynamic_ ? ak::ak_d : ak::ak_s;
    (void)RAVELIN_TRY(tpm_.create_primary(ak::hierarchy, wanted.public_area, key_));
    if (!wanted.matches(key_.public_area.span())) {
        (void)RAVELIN_TRY(tpm_.flush(key_.handle));
        return Failure{TpmError{.kind = TpmError::Kind::malformed,
                                .command = wire::tpm::CommandCode::create_primary}};
    }
    has_key_ = true;
    return Unit{};
}

void Attestor::open() {
    statements_.clear();
    leaves_.clear();
    quote_ = {};
}

std::optional<u32> Attestor::add(const wire::Statement& statement) {
    if (statements_.full())
        return std::nullopt;
    Blob<wire::Statement::max_size> blob;
    const auto encoded = wire::encode(statement, blob.bytes);
    ensure(encoded.is_ok(), "a statement fits its bound");
    blob.size = encoded.value().size();
    ensure(leaves_.push_back(evidence::leaf(encoded.value())) && statements_.push_back(blob),
           "one leaf a statement");
    return static_cast<u32>(statements_.size() - 1);
}

Status<TpmError> Attestor::close() {
    if (statements_.empty())
        return Unit{};
    Leaves scratch = leaves_;
    const auto root = evidence::root_in_place(scratch.span());
    const auto count = static_cast<u32>(leaves_.size());
    (void)RAVELIN_TRY(quote(evidence::qualifying_data(count, root)));
    // Nobody but this hypervisor extends, and it is here: these are the values that were quoted.
    return tpm_.read(dynamic_ ? quoted_dynamic_pcrs : quoted_pcrs, pcrs_);
}

Status<TpmError> Attestor::quote(const Sha256Digest& qualifying_data) {
    const auto session = RAVELIN_TRY(tpm_.start_policy_session());
    const ak::Template& made_from = dynamic_ ? ak::ak_d : ak::ak_s;
    const std::array<Sha256Digest, 2> branches{made_from.quote_policy, ak::activate_policy};
    const PcrSet set = dynamic_ ? quoted_dynamic_pcrs : quoted_pcrs;
    auto quoted = [&]() -> Status<TpmError> {
        if (dynamic_)
            (void)RAVELIN_TRY(tpm_.policy_locality(session, ak::dynamic_locality_mask));
        (void)RAVELIN_TRY(tpm_.policy_command_code(session, wire::tpm::CommandCode::quote));
        (void)RAVELIN_TRY(tpm_.policy_or(session, branches));
        return tpm_.quote(key_.handle, session, qualifying_data, set, quote_);
    }();
    // A quote ends its session; a failure before it does not.
    if (!quoted.is_ok())
        (void)tpm_.flush(session);
    return quoted;
}

Result<std::span<const u8>, wire::StatementError> Attestor::evidence(u32 index,
                                                                     std::span<u8> buffer) {
    ensure(index < statements_.size(), "evidence of a statement of this window");
    Leaves scratch = leaves_;
    evidence::Path path;
    (void)evidence::root_in_place(scratch.span(), index, path);
    view_.path.clear();
    view_.statement = statements_[index].span();
    view_.index = index;
    view_.count = static_cast<u32>(leaves_.size());
    for (const auto& sibling : path)
        ensure(view_.path.push_back(sibling), "a path of at most max_path");
    view_.attested = quote_.attested.span();
    view_.signature = quote_.signature.span();
    view_.pcrs.set = pcrs_.set.raw();
    view_.pcrs.values = pcrs_.values;
    return wire::encode(view_, buffer);
}

} // namespace ravelin::hv::tpm
