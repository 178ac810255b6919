// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/enrolled_key.hpp"

#include <nlohmann/json.hpp>

namespace ravelin::attest {

Result<EnrolledKey, std::string> decode_enrolled_key(std::string_view text) {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    const auto member = [&json](const char* name) {
        const bool there = json.is_object() && json.contains(name) && json[name].is_string();
        return there ? json[name].get<std::string>() : std::string{};
    };
    auto key = from_base64(member("ak_public"));
    if (!key || key->empty() || member("host").empty())
        return Failure{std::string{"not the key of an enrolled host"}};
    return EnrolledKey{member("host"), std::move(*key)};
}

std::string encode_enrolled_key(const EnrolledKey& key) {
    return nlohmann::json{{"host", key.host}, {"ak_public", to_base64(key.ak_public)}}.dump(2) +
           "\n";
}

} // namespace ravelin::attest
