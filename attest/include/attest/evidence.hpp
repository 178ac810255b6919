// SPDX-License-Identifier: Apache-2.0
// What a platform sends about itself: a statement, its place under a quote, the quote, the PCR
// values, the logs. Everything in it is a claim of an untrusted relay until verify() has looked at
// it. JSON on the network, version 1.
#pragma once

#include "attest/text.hpp"

#include <base/result.hpp>

#include <array>
#include <map>

namespace ravelin::attest {

using Digest = std::array<u8, 32>;

struct Evidence {
    Bytes statement; ///< canonical form of wire::Statement
    u32 index{0};
    u32 count{1};
    std::vector<Digest> path;
    Bytes quote;                     ///< TPMS_ATTEST
    Bytes signature;                 ///< TPMT_SIGNATURE
    std::map<unsigned, Digest> pcrs; ///< SHA-256 bank
    Bytes firmware_log;
    Bytes ravelin_log;
    Bytes ak_public; ///< TPMT_PUBLIC, for information: the verifier uses the enrolled one
    std::string host;
};

/// The error says which member is wrong and how.
[[nodiscard]] Result<Evidence, std::string> decode_evidence(std::string_view json);
[[nodiscard]] std::string encode_evidence(const Evidence& evidence);

/// From the blob that the control hypercall returns [wire/statement.hpp]; logs, key and host are
/// the caller's.
[[nodiscard]] Result<Evidence, std::string> evidence_from_blob(std::span<const u8> blob);

} // namespace ravelin::attest
