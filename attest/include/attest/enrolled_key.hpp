// SPDX-License-Identifier: Apache-2.0
// The attestation key of an enrolled host as a file, for judging evidence offline. It is trusted:
// it comes from the verifier, never with the evidence.
#pragma once

#include "attest/text.hpp"

#include <base/result.hpp>

namespace ravelin::attest {

struct EnrolledKey {
    std::string host;
    Bytes ak_public; ///< TPMT_PUBLIC
};

[[nodiscard]] Result<EnrolledKey, std::string> decode_enrolled_key(std::string_view json);
[[nodiscard]] std::string encode_enrolled_key(const EnrolledKey& key);

} // namespace ravelin::attest
