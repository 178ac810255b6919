// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "system/fixture.hpp"

namespace ravelin::system_test {
namespace {

std::filesystem::path existing(std::filesystem::path path) {
    if (!std::filesystem::exists(path))
        throw ServerError{path.string() + " is not there: has it been built?"};
    return path;
}

} // namespace

std::filesystem::path built(const std::string& relative) {
    return existing(std::filesystem::path{RAVELIN_BUILD_DIR} / relative);
}

std::filesystem::path source(const std::string& relative) {
    return existing(std::filesystem::path{RAVELIN_SOURCE_DIR} / relative);
}

MachineConfig direct_boot(const std::string& command_line,
                          std::vector<DirectKernel::Module> modules) {
    MachineConfig config;
    config.boot = DirectKernel{built("hv/ravelin.elf32"), command_line, std::move(modules)};
    return config;
}

const TpmManufacturer& SystemTest::manufacturer() {
    if (!manufacturer_)
        manufacturer_ = std::make_unique<TpmManufacturer>(directory() / "manufacturer");
    return *manufacturer_;
}

SoftwareTpm& SystemTest::tpm() {
    if (!tpm_) {
        manufacturer().manufacture(directory() / "tpm");
        tpm_ = std::make_unique<SoftwareTpm>(directory() / "tpm", directory() / "swtpm.log");
    }
    return *tpm_;
}

} // namespace ravelin::system_test
