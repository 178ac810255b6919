// SPDX-License-Identifier: Apache-2.0
// What a verifier says of a platform: every check by its name, what was expected, what was found
// and where. TRUSTED only when every check was made and passed.
#pragma once

#include "attest/text.hpp"

namespace ravelin::attest {

enum class Outcome : u8 { passed, failed };

struct Check {
    std::string id; ///< stable, for programs: "quote.signature"
    Outcome outcome;
    std::string expected;
    std::string found;
    std::string where; ///< the event, PCR or member it is about; may be empty
};

class Verdict {
  public:
    void pass(std::string id, std::string what);
    void fail(std::string id, std::string expected, std::string found, std::string where = {});
    /// The two at once: `found` is compared with `expected`.
    void compare(std::string id, std::string expected, std::string found, std::string where = {});

    /// True when something was checked and nothing failed.
    [[nodiscard]] bool trusted() const;
    [[nodiscard]] const std::vector<Check>& checks() const { return checks_; }
    /// What a trusted platform is called beside, "DRTM"; may be empty.
    void set_remark(std::string remark) { remark_ = std::move(remark); }
    [[nodiscard]] const std::string& remark() const { return remark_; }

  private:
    std::vector<Check> checks_;
    std::string remark_;
};

/// For people: a line a check; the last line is "platform TRUSTED" or "platform UNTRUSTED: ..."
/// naming what failed.
[[nodiscard]] std::string as_table(const Verdict& verdict, const std::string& host);
[[nodiscard]] std::string as_json(const Verdict& verdict, const std::string& host);

} // namespace ravelin::attest
