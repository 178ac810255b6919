// SPDX-License-Identifier: Apache-2.0
// Domain 0 for a system test: the stock kernel, an initramfs that runs one program of ours and
// powers off, and the launch manifest that names them.
#pragma once

#include <tools/image/initramfs.hpp>
#include <tools/server/machine.hpp>

#include <filesystem>
#include <string>

namespace ravelin::system_test {

struct Domain0Test {
    std::string name;              ///< of the program in /tests
    std::filesystem::path program; ///< statically linked
    unsigned memory_mib = 256;
    std::string more_manifest{}; ///< TOML behind domain 0's record
    tools::Backends backends = tools::Backends::absent;
    std::vector<std::filesystem::path> programs{}; ///< dynamically linked, into /usr/bin
    unsigned vcpus = 1;
    std::vector<std::string> kernel_modules{}; ///< beside domain 0's own
    std::vector<tools::ExtraFile> files{};
};

/// Prepares the files in `directory`; the modules that a machine boots with.
[[nodiscard]] std::vector<tools::DirectKernel::Module>
domain0_modules(const Domain0Test& test, const std::filesystem::path& directory);

} // namespace ravelin::system_test
