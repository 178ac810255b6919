// SPDX-License-Identifier: Apache-2.0
// ravelin agent [enrol|attest]: domain 0 enrols the platform, and attests it.
#include "commands.hpp"

#include <attest/agent.hpp>
#include <attest/console_link.hpp>

#include <iostream>
#include <memory>
#include <thread>
#include <unistd.h>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;

struct Options {
    std::string verifier;
    std::string ca;
    std::string host;
    unsigned attempts{5};
};

/// A network that came up a moment ago may lose the first connections.
template <typename Step> auto retried(const Options& options, Step step) {
    for (unsigned attempt = 1;; ++attempt) {
        auto result = step();
        if (result || attempt >= options.attempts || result.error().starts_with("/v1/"))
            return result;
        std::cerr << "agent: " << result.error() << "; again in a second\n";
        std::this_thread::sleep_for(1s);
    }
}

std::unique_ptr<attest::VerifierLink> connect(const Options& options) {
    if (options.verifier == "console")
        return attest::connect_console(STDIN_FILENO, STDOUT_FILENO);
    if (options.ca.empty())
        throw std::runtime_error{"--ca is needed to know the verifier by"};
    return or_throw(attest::connect_https(options.verifier, read_text(options.ca)), "the verifier");
}

enum class Steps { enrol, attest, both };

void run(const Options& options, Steps steps) {
    const auto channel = or_throw(attest::open_privcmd(), "the hypervisor");
    const auto link = connect(options);
    if (steps != Steps::attest) {
        or_throw(retried(options, [&] { return attest::enrol(*channel, *link, options.host); }),
                 "enrolment");
        std::cout << "agent: enrolled as " << options.host << "\n";
    }
    if (steps == Steps::enrol)
        return;
    const attest::Attested attested = or_throw(
        retried(options, [&] { return attest::attest_platform(*channel, *link, options.host); }),
        "attestation");
    std::cout << "agent: the verifier says "
              << (attested.trusted ? "TRUSTED" : "UNTRUSTED\n" + attested.verdict) << "\n";
    if (!attested.trusted)
        throw Refusal{};
}

} // namespace

void add_agent(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    CLI::App* agent = app.add_subcommand("agent", "in domain 0: enrol the platform and attest it");
    agent
        ->add_option("--verifier",
                     options->verifier,
                     "https://ADDRESS:PORT, or console: whoever holds the console's other end")
        ->required();
    agent->add_option("--ca", options->ca, "the verifier's CA, PEM");
    agent->add_option("--host", options->host, "the name to enrol under")->required();
    agent->add_option("--attempts", options->attempts)->capture_default_str();
    agent->require_subcommand(0, 1);
    const CLI::App* enrol = agent->add_subcommand("enrol", "enrol only");
    const CLI::App* attest = agent->add_subcommand("attest", "attest only");
    agent->callback([options, enrol, attest] {
        run(*options,
            enrol->parsed()    ? Steps::enrol
            : attest->parsed() ? Steps::attest
                               : Steps::both);
    });
}

} // namespace ravelin::tools
