// SPDX-License-Identifier: Apache-2.0
// Enrolment and attestation from end to end, without a network and over one: agent, TCTI, the
// hypervisor's TPM service on libtpms, the verifier.
#include "fake_platform.hpp"

#include <attest/agent.hpp>
#include <attest/console_link.hpp>
#include <attest/http_server.hpp>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pty.h>
#include <sqlite3.h>
#include <thread>
#include <unistd.h>

namespace ravelin::attest {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "ravelin-XXXXXX").string();
        EXPECT_NE(mkdtemp(name.data()), nullptr);
        path = name;
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::filesystem::path path;
};

/// The verifier behind a function call, with a hand on what passes by.
class DirectLink final : public VerifierLink {
  public:
    DirectLink(Service& service, Clock::time_point& now) : service_{service}, now_{now} {}
    Result<Answer, std::string> post(const std::string& target, const std::string& body) override {
        last_body[target] = alter ? alter(target, body) : body;
        const HttpResponse response = service_.handle({"POST", target, last_body[target]}, now_);
        return Answer{response.status, response.body};
    }
    std::map<std::string, std::string> last_body;
    std::function<std::string(const std::string&, const std::string&)> alter;

  private:
    Service& service_;
    Clock::time_point& now_;
};

class ServiceTest : public testing::Test {
  protected:
    ServiceTest() {
        EXPECT_TRUE(make_identity(directory_.path / "v", {"127.0.0.1", "verifier.test"}));
        Manufacturers manufacturers;
        EXPECT_TRUE(manufacturers.trust(manufacturer_.pem()));
        Service::Config config;
        config.reference = platform_.reference();
        config.watch = [this](const Judged& judged) { judged_.push_back(judged); };
        service_.emplace(std::move(config),
                         store_,
                         std::move(manufacturers),
                         TokenSigner::load(files().token_key).value());
    }
    [[nodiscard]] IdentityFiles files() const { return identity_files(directory_.path / "v"); }
    void enrol_platform() {
        const auto enrolled = enrol(platform_.channel(), link_, "host");
        ASSERT_TRUE(enrolled) << enrolled.error();
    }
    std::string post(const std::string& target, const std::string& body) {
        return service_->handle({"POST", target, body}, now_).body;
    }
    std::string first_failure() {
        for (const Check& check : judged_.back().verdict.checks())
            if (check.outcome == Outcome::failed)
                return check.id;
        return "none";
    }

    TemporaryDirectory directory_;
    TestManufacturer manufacturer_;
    FakePlatform platform_{manufacturer_};
    Store store_{":memory:"};
    Clock::time_point now_{Clock::now()};
    std::optional<Service> service_;
    std::vector<Judged> judged_;
    DirectLink link_{*service_, now_};
};

TEST_F(ServiceTest, AnHonestPlatformEnrolsAndIsTrusted) {
    enrol_platform();
    const auto attested = attest_platform(platform_.channel(), link_, "host");
    ASSERT_TRUE(attested) << attested.error();
    EXPECT_TRUE(attested.value().trusted) << attested.value().verdict;
    EXPECT_EQ(std::count(attested.value().token.begin(), attested.value().token.end(), '.'), 2);
    EXPECT_TRUE(store_.audit_is_whole());
    EXPECT_EQ(store_.audit_size(), 2U);
}

TEST_F(ServiceTest, EnrollingAgainWithTheSameKeysIsNoChange) {
    enrol_platform();
    enrol_platform();
    EXPECT_TRUE(attest_platform(platform_.channel(), link_, "host").value().trusted);
}

TEST_F(ServiceTest, OneTpmIsOneHost) {
    enrol_platform();
    const auto again = enrol(platform_.channel(), link_, "other");
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error(), HasSubstr("enrolled with other keys"));
}

TEST_F(ServiceTest, TpmOfAnUnknownManufacturerIsRefused) {
    const TestManufacturer other;
    Manufacturers manufacturers;
    ASSERT_TRUE(manufacturers.trust(other.pem()));
    Service::Config config;
    config.watch = [this](const Judged& judged) { judged_.push_back(judged); };
    service_.emplace(
        config, store_, std::move(manufacturers), TokenSigner::load(files().token_key).value());
    EXPECT_FALSE(enrol(platform_.channel(), link_, "host"));
    ASSERT_EQ(judged_.size(), 1U);
    EXPECT_EQ(first_failure(), "enrolment.endorsement");
    EXPECT_THAT(as_table(judged_[0].verdict, "host"),
                HasSubstr("platform UNTRUSTED: enrolment.endorsement"));
}

TEST_F(ServiceTest, CertificateOfAnotherTpmIsRefused) {
    link_.alter = [&](const std::string& target, const std::string& body) {
        if (target != "/v1/enrol/begin")
            return body;
        auto json = nlohmann::json::parse(body);
        Bytes area = *from_base64(json["ek_public"].get<std::string>());
        area.back() ^= 2;
        json["ek_certificate"] = to_base64(manufacturer_.certify(area));
        return json.dump();
    };
    const auto enrolled = enrol(platform_.channel(), link_, "host");
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error(), HasSubstr("is not the certificate's"));
}

TEST_F(ServiceTest, CertificateForAnotherUseIsRefused) {
    link_.alter = [&](const std::string& target, const std::string& body) {
        if (target != "/v1/enrol/begin")
            return body;
        auto json = nlohmann::json::parse(body);
        const Bytes area = *from_base64(json["ek_public"].get<std::string>());
        json["ek_certificate"] = to_base64(manufacturer_.certify(area, "serverAuth"));
        return json.dump();
    };
    const auto enrolled = enrol(platform_.channel(), link_, "host");
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error(), HasSubstr("not one of an endorsement key"));
}

TEST_F(ServiceTest, KeyThatIsNotInThisTpmCannotBeEnrolled) {
    // AK-S of another platform, whose name the credential is then bound to.
    const SamplePlatform other;
    link_.alter = [&](const std::string& target, const std::string& body) {
        if (target != "/v1/enrol/begin")
            return body;
        auto json = nlohmann::json::parse(body);
        json["ak_public"] = to_base64(other.ak_public());
        return json.dump();
    };
    const auto enrolled = enrol(platform_.channel(), link_, "host");
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error(), HasSubstr("TPM2_ActivateCredential"));
}

TEST_F(ServiceTest, WrongCredentialAndSecondAnswer) {
    link_.alter = [&](const std::string& target, const std::string& body) {
        if (target != "/v1/enrol/complete")
            return body;
        auto json = nlohmann::json::parse(body);
        Bytes value = *from_base64(json["credential"].get<std::string>());
        value[0] ^= 1;
        json["credential"] = to_base64(value);
        return json.dump();
    };
    const auto enrolled = enrol(platform_.channel(), link_, "host");
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error(), HasSubstr("was not opened by this TPM"));
    EXPECT_THAT(post("/v1/enrol/complete", link_.last_body["/v1/enrol/complete"]),
                HasSubstr("never begun, was answered"));
}

TEST_F(ServiceTest, EvidencePlayedBackIsNamed) {
    enrol_platform();
    ASSERT_TRUE(attest_platform(platform_.channel(), link_, "host").value().trusted);
    EXPECT_THAT(post("/v1/evidence", link_.last_body["/v1/evidence"]), HasSubstr("used before"));
    EXPECT_EQ(first_failure(), "statement.nonce");
}

TEST_F(ServiceTest, LateEvidenceIsNamed) {
    enrol_platform();
    link_.alter = [&](const std::string& target, const std::string& body) {
        now_ += target == "/v1/evidence" ? 121s : 0s;
        return body;
    };
    EXPECT_FALSE(attest_platform(platform_.channel(), link_, "host").value().trusted);
    EXPECT_THAT(judged_.back().verdict.checks().back().found, HasSubstr("expired"));
}

TEST_F(ServiceTest, StrangersGetNoChallenge) {
    EXPECT_THAT(post("/v1/challenge", R"({"host":"nobody"})"), HasSubstr("no such host"));
    EXPECT_THAT(post("/v1/challenge", R"({"host":"<script>"})"), HasSubstr("no such host"));
    EXPECT_THAT(post("/v1/challenge", "["), HasSubstr("no such host"));
}

TEST_F(ServiceTest, GarbageIsRefusedInWords) {
    EXPECT_THAT(post("/v1/enrol/begin", "{}"), HasSubstr("'host'"));
    EXPECT_THAT(post("/v1/enrol/begin", R"({"host":"a"})"), HasSubstr("ek_certificate"));
    EXPECT_THAT(post("/v1/enrol/complete", "{}"), HasSubstr("'session'"));
    EXPECT_THAT(post("/v1/evidence", "x"), HasSubstr("not JSON"));
    EXPECT_EQ(service_->handle({"GET", "/v1/challenge", ""}, now_).status, 405U);
    EXPECT_EQ(service_->handle({"GET", "/x", ""}, now_).status, 404U);
    EXPECT_THAT(service_->handle({"GET", "/metrics", ""}, now_).body,
                HasSubstr("ravelin_verifier_bad_requests_total 6"));
}

TEST_F(ServiceTest, OverTls) {
    HttpServer server{{files(), "127.0.0.1", 0}, *service_};
    std::thread thread{[&server] { server.run(); }};
    const std::string url = "https://127.0.0.1:" + std::to_string(server.port());
    std::ifstream file{files().ca};
    const std::string ca{std::istreambuf_iterator<char>{file}, {}};
    auto link = connect_https(url, ca);
    ASSERT_TRUE(link) << link.error();
    const auto enrolled = enrol(platform_.channel(), *link.value(), "host");
    EXPECT_TRUE(enrolled) << enrolled.error();
    const auto attested = attest_platform(platform_.channel(), *link.value(), "host");
    EXPECT_TRUE(attested && attested.value().trusted);
    // A verifier that the agent's CA does not know is none.
    auto stranger = connect_https(url, manufacturer_.pem());
    ASSERT_TRUE(stranger);
    EXPECT_FALSE(stranger.value()->post("/v1/challenge", "{}"));
    server.stop();
    thread.join();
}

TEST_F(ServiceTest, OverTheConsole) {
    int controller = -1;
    int terminal = -1;
    ASSERT_EQ(openpty(&controller, &terminal, nullptr, nullptr, nullptr), 0);
    std::thread relaying{[&] {
        ConsoleRelay relay{link_};
        std::array<char, 256> piece{};
        for (ssize_t size = 0; (size = read(controller, piece.data(), piece.size())) > 0;) {
            const std::string typed =
                relay.feed(std::string_view{piece.data(), static_cast<usize>(size)});
            ASSERT_EQ(write(controller, typed.data(), typed.size()),
                      static_cast<ssize_t>(typed.size()));
        }
    }};
    {
        const auto link = connect_console(terminal, terminal);
        const std::string noise = "[    1.0] something else\r\n";
        EXPECT_EQ(write(terminal, noise.data(), noise.size()), static_cast<ssize_t>(noise.size()));
        const auto enrolled = enrol(platform_.channel(), *link, "host");
        EXPECT_TRUE(enrolled) << enrolled.error();
        const auto attested = attest_platform(platform_.channel(), *link, "host");
        EXPECT_TRUE(attested && attested.value().trusted);
    }
    close(terminal); // the reader's read then fails
    relaying.join();
    close(controller);
}

TEST(Store, AuditShowsWhatWasChanged) {
    const TemporaryDirectory directory;
    Store store{directory.path / "s.sqlite"};
    const auto now = Clock::now();
    store.audit(now, "attestation", "a", "platform TRUSTED");
    store.audit(now, "attestation", "b", "platform UNTRUSTED");
    EXPECT_TRUE(store.audit_is_whole());
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((directory.path / "s.sqlite").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database,
                           "UPDATE audit SET detail = 'platform TRUSTED' WHERE number = 2",
                           nullptr,
                           nullptr,
                           nullptr),
              SQLITE_OK);
    sqlite3_close(database);
    EXPECT_FALSE(store.audit_is_whole());
}

TEST(ConnectHttps, OnlyAddressesWithPorts) {
    for (const char* url : {"http://127.0.0.1:1",
                            "https://127.0.0.1",
                            "https://name:1",
                            "https://127.0.0.1:99999",
                            "https://127.0.0.1:x"})
        EXPECT_FALSE(connect_https(url, "")) << url;
}

} // namespace
} // namespace ravelin::attest
