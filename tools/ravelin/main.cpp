// SPDX-License-Identifier: Apache-2.0
// ravelin: what a user of the hypervisor does on the outside, and what domain 0 does for him.
#include "commands.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

namespace ravelin::tools {

std::string read_text(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file)
        throw std::runtime_error{"cannot read " + path.string()};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<u8> read_bytes(const std::filesystem::path& path) {
    const std::string text = read_text(path);
    return {text.begin(), text.end()};
}

void write_bytes(const std::filesystem::path& path, std::span<const u8> bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw std::runtime_error{"cannot write " + path.string()};
}

} // namespace ravelin::tools

int main(int argc, char** argv) try {
    CLI::App app{"Ravelin: measured boot, launch manifests, attestation, VMs"};
    app.require_subcommand(1);
    ravelin::tools::add_agent(app);
    ravelin::tools::add_kernel(app);
    ravelin::tools::add_manifest(app);
    ravelin::tools::add_predict(app);
    ravelin::tools::add_tboot(app);
    ravelin::tools::add_verifier(app);
    ravelin::tools::add_verify(app);
    ravelin::tools::add_vm(app);
    CLI11_PARSE(app, argc, argv);
    return 0;
} catch (const ravelin::tools::Refusal&) {
    return 1;
} catch (const std::exception& error) {
    std::cerr << "ravelin: " << error.what() << "\n";
    return 2;
}
