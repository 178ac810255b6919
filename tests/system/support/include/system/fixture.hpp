// SPDX-License-Identifier: Apache-2.0
// What the system tests share: where the built things are, and a fixture with a private directory
// and a freshly manufactured TPM. A failed wait throws ServerError, which GoogleTest reports as the
// test's failure with the console's last lines.
#pragma once

#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>

#include <chrono>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>

namespace ravelin::system_test {

using namespace std::chrono_literals;
using namespace ravelin::tools;

/// A file of the build folder ("hv/ravelin.elf32") or of the source tree ("demo"); the test fails
/// when it is not there.
[[nodiscard]] std::filesystem::path built(const std::string& relative);
[[nodiscard]] std::filesystem::path source(const std::string& relative);

/// Ravelin's image booted by QEMU itself: 0.3 s to its first line, UNMEASURED.
[[nodiscard]] MachineConfig direct_boot(const std::string& command_line,
                                        std::vector<DirectKernel::Module> modules = {});

class SystemTest : public testing::Test {
  protected:
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }
    /// This test's TPM, manufactured at first use. Declare machines that use it inside the test:
    /// they end before it does.
    [[nodiscard]] SoftwareTpm& tpm();
    /// Who made it: its certificates are what a verifier trusts.
    [[nodiscard]] const TpmManufacturer& manufacturer();

  private:
    PrivateDirectory directory_;
    std::unique_ptr<TpmManufacturer> manufacturer_;
    std::unique_ptr<SoftwareTpm> tpm_;
};

} // namespace ravelin::system_test
