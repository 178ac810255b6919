// SPDX-License-Identifier: Apache-2.0
// See the header. Members that we do not know are refused: what is not checked must not ride along.
#include "attest/evidence.hpp"

#include <wire/statement.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ravelin::attest {
namespace {

using Json = nlohmann::json;

constexpr std::size_t largest_log = 1 << 20;
constexpr std::size_t largest_piece = 4096;

/// Reads members of an object, remembering the first thing that was wrong.
class Members {
  public:
    Members(const Json& object, std::string where) : object_{object}, where_{std::move(where)} {
        if (!object.is_object())
            fail("", "is no object");
    }

    const Json* find(const char* name) {
        ++known_;
        if (error_.empty() && !object_.contains(name))
            fail(name, "is missing");
        return error_.empty() ? &object_.at(name) : nullptr;
    }
    std::string text(const char* name, std::size_t largest) {
        const Json* value = find(name);
        if (value == nullptr)
            return {};
        if (!value->is_string() || value->get_ref<const std::string&>().size() > largest) {
            fail(name, "is no text of at most " + std::to_string(largest) + " characters");
            return {};
        }
        return value->get<std::string>();
    }
    Bytes base64(const char* name, std::size_t largest) {
        const std::string encoded = text(name, (largest + 2) / 3 * 4);
        std::optional<Bytes> bytes = from_base64(encoded);
        if (!bytes)
            fail(name, "is not base64");
        return std::move(bytes).value_or(Bytes{});
    }
    u32 number(const char* name) {
        const Json* value = find(name);
        if (value == nullptr)
            return 0;
        if (!value->is_number_unsigned() || value->get<u64>() > UINT32_MAX) {
            fail(name, "is no 32-bit number");
            return 0;
        }
        return value->get<u32>();
    }
    void fail(const std::string& name, const std::string& what) {
        if (error_.empty())
            error_ = where_ + (name.empty() ? "" : "." + name) + " " + what;
    }
    std::string finish() {
        if (error_.empty() && object_.size() != known_)
            fail("", "has members that this version does not know");
        return error_;
    }

  private:
    const Json& object_;
    std::string where_;
    std::string error_;
    std::size_t known_{0};
};

std::optional<Digest> digest_of(const std::optional<Bytes>& bytes) {
    if (!bytes || bytes->size() != Digest{}.size())
        return std::nullopt;
    Digest digest{};
    std::copy(bytes->begin(), bytes->end(), digest.begin());
    return digest;
}

void read_path(Members& members, Evidence& evidence) {
    const Json* path = members.find("path");
    if (path == nullptr)
        return;
    if (!path->is_array() || path->size() > 16) {
        members.fail("path", "is no list of at most 16 digests");
        return;
    }
    for (const Json& item : *path) {
        const auto digest =
            item.is_string() ? digest_of(from_base64(item.get<std::string>())) : std::nullopt;
        if (!digest) {
            members.fail("path", "holds something other than digests");
            return;
        }
        evidence.path.push_back(*digest);
    }
}

void read_pcrs(Members& members, Evidence& evidence) {
    const Json* pcrs = members.find("pcrs");
    if (pcrs == nullptr)
        return;
    if (!pcrs->is_object() || pcrs->size() != 1 || !pcrs->contains("sha256") ||
        !pcrs->at("sha256").is_object()) {
        members.fail("pcrs", "does not hold exactly the bank sha256");
        return;
    }
    for (const auto& [name, value] : pcrs->at("sha256").items()) {
        const bool numbered =
            !name.empty() && name.size() <= 2 &&
            std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
        const auto digest =
            value.is_string() ? digest_of(from_hex(value.get<std::string>())) : std::nullopt;
        if (!numbered || std::stoul(name) > 23 || !digest) {
            members.fail("pcrs", "holds something other than PCRs 0 to 23");
            return;
        }
        evidence.pcrs[static_cast<unsigned>(std::stoul(name))] = *digest;
    }
}

} // namespace

Result<Evidence, std::string> decode_evidence(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded())
        return Failure{std::string{"the evidence is not JSON"}};
    Members members{json, "evidence"};
    Evidence evidence;
    if (members.number("version") != 1)
        members.fail("version", "is not 1");
    evidence.statement = members.base64("statement", largest_piece);
    evidence.index = members.number("index");
    evidence.count = members.number("count");
    read_path(members, evidence);
    evidence.quote = members.base64("quote", largest_piece);
    evidence.signature = members.base64("signature", largest_piece);
    read_pcrs(members, evidence);
    if (const Json* logs = members.find("logs"); logs != nullptr) {
        Members log_members{*logs, "evidence.logs"};
        evidence.firmware_log = log_members.base64("firmware", largest_log);
        evidence.ravelin_log = log_members.base64("ravelin", largest_log);
        if (std::string error = log_members.finish(); !error.empty())
            return Failure{std::move(error)};
    }
    evidence.ak_public = members.base64("ak_public", largest_piece);
    evidence.host = members.text("host", 255);
    if (std::string error = members.finish(); !error.empty())
        return Failure{std::move(error)};
    return evidence;
}

std::string encode_evidence(const Evidence& evidence) {
    Json json{{"version", 1},
              {"statement", to_base64(evidence.statement)},
              {"index", evidence.index},
              {"count", evidence.count},
              {"path", Json::array()},
              {"quote", to_base64(evidence.quote)},
              {"signature", to_base64(evidence.signature)},
              {"pcrs", {{"sha256", Json::object()}}},
              {"logs",
               {{"firmware", to_base64(evidence.firmware_log)},
                {"ravelin", to_base64(evidence.ravelin_log)}}},
              {"ak_public", to_base64(evidence.ak_public)},
              {"host", evidence.host}};
    for (const Digest& digest : evidence.path)
        json["path"].push_back(to_base64(digest));
    for (const auto& [pcr, value] : evidence.pcrs)
        json["pcrs"]["sha256"][std::to_string(pcr)] = to_hex(value);
    return json.dump();
}

Result<Evidence, std::string> evidence_from_blob(std::span<const u8> blob) {
    const auto view = wire::decode_evidence(blob);
    if (!view)
        return Failure{std::string{"the hypervisor's evidence does not decode"}};
    const wire::EvidenceView& decoded = view.value();
    Evidence evidence;
    evidence.statement.assign(decoded.statement.begin(), decoded.statement.end());
    evidence.index = decoded.index;
    evidence.count = decoded.count;
    for (const Digest& digest : decoded.path.span())
        evidence.path.push_back(digest);
    evidence.quote.assign(decoded.attested.begin(), decoded.attested.end());
    evidence.signature.assign(decoded.signature.begin(), decoded.signature.end());
    for (unsigned pcr = 0; pcr < decoded.pcrs.values.size(); ++pcr)
        if ((decoded.pcrs.set >> pcr & 1) != 0)
            evidence.pcrs[pcr] = decoded.pcrs.values[pcr];
    return evidence;
}

} // namespace ravelin::attest
