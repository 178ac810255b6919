// SPDX-License-Identifier: Apache-2.0
// swtpm_setup and swtpm_localca with configuration files of our own: nothing outside the given
// directories is read or written.
#include "tools/server/error.hpp"
#include "tools/server/tpm.hpp"

#include <fstream>

namespace ravelin::tools {
namespace fs = std::filesystem;

TpmManufacturer::TpmManufacturer(const fs::path& directory) : directory_{fs::absolute(directory)} {
    fs::create_directories(directory_);
    const std::string base = directory_.string();
    std::ofstream{directory_ / "localca.conf"} << "statedir = " << base << "\n"
                                               << "signingkey = " << base << "/signkey.pem\n"
                                               << "issuercert = " << base << "/issuercert.pem\n"
                                               << "certserial = " << base << "/certserial\n";
    std::ofstream{directory_ / "localca.options"} << "--platform-manufacturer Ravelin\n"
                                                     "--platform-version 1.0\n"
                                                     "--platform-model Emulated\n";
    std::ofstream{directory_ / "setup.conf"}
        << "create_certs_tool = swtpm_localca\n"
        << "create_certs_tool_config = " << base << "/localca.conf\n"
        << "create_certs_tool_options = " << base << "/localca.options\n";
}

void TpmManufacturer::manufacture(const fs::path& state, const std::string& banks) const {
    if (holds_tpm(state))
        throw ServerError{state.string() + " holds a TPM already"};
    fs::create_directories(state);
    run({.arguments = {"swtpm_setup",
                       "--tpm2",
                       "--tpmstate",
                       fs::absolute(state).string(),
                       "--config",
                       (directory_ / "setup.conf").string(),
                       "--create-ek-cert",
                       "--pcr-banks",
                       banks},
         .output = {},
         .inherited = {},
         .environment = {}},
        std::chrono::seconds{60});
}

fs::path TpmManufacturer::root_certificate() const {
    return directory_ / "swtpm-localca-rootca-cert.pem";
}

fs::path TpmManufacturer::issuer_certificate() const {
    return directory_ / "issuercert.pem";
}

bool holds_tpm(const fs::path& state) {
    return fs::exists(state / "tpm2-00.permall");
}

} // namespace ravelin::tools
