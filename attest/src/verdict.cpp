// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/verdict.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace ravelin::attest {
namespace {

/// Enough of a digest to tell it from another one.
std::string shortened(const std::string& text) {
    constexpr std::size_t shown = 52;
    return text.size() <= shown ? text : text.substr(0, shown - 3) + "...";
}

} // namespace

void Verdict::pass(std::string id, std::string what) {
    checks_.push_back({std::move(id), Outcome::passed, what, what, {}});
}

void Verdict::fail(std::string id, std::string expected, std::string found, std::string where) {
    checks_.push_back(
        {std::move(id), Outcome::failed, std::move(expected), std::move(found), std::move(where)});
}

void Verdict::compare(std::string id, std::string expected, std::string found, std::string where) {
    const Outcome outcome = expected == found ? Outcome::passed : Outcome::failed;
    checks_.push_back(
        {std::move(id), outcome, std::move(expected), std::move(found), std::move(where)});
}

bool Verdict::trusted() const {
    return !checks_.empty() && std::all_of(checks_.begin(), checks_.end(), [](const Check& check) {
        return check.outcome == Outcome::passed;
    });
}

std::string as_table(const Verdict& verdict, const std::string& host) {
    std::string text;
    std::string failed;
    const auto add = [&text](const char* mark, const std::string& id, const std::string& rest) {
        std::array<char, 64> start{};
        std::snprintf(start.data(), start.size(), "%-6s %-22s ", mark, id.c_str());
        text += start.data() + rest + "\n";
    };
    text += "verdict on " + printable(host) + "\n";
    for (const Check& check : verdict.checks()) {
        if (check.outcome == Outcome::passed) {
            add("ok", check.id, shortened(check.found));
            continue;
        }
        add("FAILED", check.id, check.where);
        add("", "  expected", check.expected);
        add("", "  found", check.found);
        failed += (failed.empty() ? "" : ", ") + check.id +
                  (check.where.empty() ? "" : " (" + check.where + ")");
    }
    const std::string remark = verdict.remark().empty() ? "" : " (" + verdict.remark() + ")";
    return text + (verdict.trusted() ? "platform TRUSTED" + remark + "\n"
                                     : "platform UNTRUSTED: " + failed + "\n");
}

std::string as_json(const Verdict& verdict, const std::string& host) {
    nlohmann::json json{{"version", 1},
                        {"host", host},
                        {"verdict", verdict.trusted() ? "TRUSTED" : "UNTRUSTED"},
                        {"checks", nlohmann::json::array()}};
    for (const Check& check : verdict.checks())
        json["checks"].push_back({{"id", check.id},
                                  {"passed", check.outcome == Outcome::passed},
                                  {"expected", check.expected},
                                  {"found", check.found},
                                  {"where", check.where}});
    // Whatever bytes the evidence brought along, the verdict is JSON.
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

} // namespace ravelin::attest
