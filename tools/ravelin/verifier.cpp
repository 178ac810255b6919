// SPDX-License-Identifier: Apache-2.0
// ravelin verifier init|serve: the verifier's identity, and the verifier.
#include "commands.hpp"

#include <attest/enrolled_key.hpp>
#include <attest/http_server.hpp>

#include <iostream>
#include <memory>

namespace ravelin::tools {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::string directory;
    std::vector<std::string> addresses;
    std::string listen{"127.0.0.1"};
    u16 port{8443};
    std::vector<std::string> manufacturers;
    std::string reference;
    std::string capture;
    bool once{false};
};

attest::Manufacturers read_manufacturers(const std::vector<std::string>& files) {
    attest::Manufacturers manufacturers;
    for (const std::string& file : files)
        or_throw(manufacturers.trust(read_text(file)), file);
    return manufacturers;
}

void write_text(const fs::path& path, const std::string& text) {
    write_bytes(path, std::vector<u8>{text.begin(), text.end()});
}

/// Keeps the last judged evidence, with what judging it again takes.
void capture(const fs::path& directory, const attest::Judged& judged) {
    if (judged.evidence.empty())
        return;
    fs::create_directories(directory);
    write_text(directory / "evidence.json", judged.evidence);
    if (judged.nonce)
        write_text(directory / "nonce", attest::to_hex(*judged.nonce));
    if (judged.ak_public)
        write_text(directory / "ak", attest::encode_enrolled_key({judged.host, *judged.ak_public}));
}

void serve(const Options& options) {
    const attest::IdentityFiles identity = attest::identity_files(options.directory);
    if (!fs::exists(identity.ca))
        throw std::runtime_error{options.directory +
                                 " holds no identity: ravelin verifier init makes it"};
    attest::Store store{identity.store};
    std::optional<attest::HttpServer> server;
    bool trusted = false;
    attest::Service::Config config;
    config.reference =
        or_throw(attest::decode_reference(read_text(options.reference)), options.reference);
    config.watch = [&](const attest::Judged& judged) {
        std::cout << as_table(judged.verdict, judged.host) << std::flush;
        if (!options.capture.empty())
            capture(options.capture, judged);
        trusted = judged.verdict.trusted();
        if (options.once)
            server->stop();
    };
    attest::Service service{std::move(config),
                            store,
                            read_manufacturers(options.manufacturers),
                            or_throw(attest::TokenSigner::load(identity.token_key), "token key")};
    server.emplace(attest::HttpServer::Config{identity, options.listen, options.port}, service);
    std::cerr << "verifier on https://" << options.listen << ":" << server->port() << "\n";
    server->run();
    if (options.once && !trusted)
        throw Refusal{};
}

} // namespace

void add_verifier(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    CLI::App* verifier = app.add_subcommand("verifier", "the verifier");
    verifier->require_subcommand(1);

    CLI::App* init = verifier->add_subcommand("init", "make its keys and certificates");
    init->add_option("--directory", options->directory)->required();
    init->add_option("--address", options->addresses, "under which agents reach it")->required();
    init->callback([options] {
        or_throw(attest::make_identity(options->directory, options->addresses), "identity");
        std::cout << "for agents: " << attest::identity_files(options->directory).ca.string()
                  << "\n";
    });

    CLI::App* command = verifier->add_subcommand("serve", "serve enrolment and attestation");
    command->add_option("--directory", options->directory, "made by init")->required();
    command->add_option("--listen", options->listen, "address")->capture_default_str();
    command->add_option("--port", options->port, "0: any")->capture_default_str();
    command
        ->add_option("--ek-ca",
                     options->manufacturers,
                     "certificates of TPM manufacturers, PEM: roots and issuers")
        ->required();
    command->add_option("--reference", options->reference, "made by ravelin predict")->required();
    command->add_option("--capture", options->capture, "keep the last evidence in this directory");
    command->add_flag(
        "--once", options->once, "end after the first verdict; exit status 1 when UNTRUSTED");
    command->callback([options] { serve(*options); });
}

} // namespace ravelin::tools
