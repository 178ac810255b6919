// SPDX-License-Identifier: Apache-2.0
// The distribution's TPM tools run on bytes of ours, in a directory of the caller.
#pragma once

#include <base/int.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace ravelin::test {

inline std::string hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        text.push_back("0123456789abcdef"[byte >> 4]);
        text.push_back("0123456789abcdef"[byte & 15]);
    }
    return text;
}

struct ToolResult {
    int status = -1;
    std::string output;
};

class StockTools {
  public:
    explicit StockTools(std::filesystem::path folder) : folder_{std::move(folder)} {}

    /// tpm2_eventlog: parses a log and replays it.
    [[nodiscard]] ToolResult eventlog(std::span<const u8> log) const {
        return run("tpm2_eventlog " + write("log", log));
    }
    /// tpm2_checkquote with the key as a TPM2B_PUBLIC.
    [[nodiscard]] ToolResult checkquote(std::span<const u8> key,
                                        std::span<const u8> attested,
                                        std::span<const u8> signature,
                                        std::span<const u8> qualification) const {
        const auto pem = (folder_ / "key.pem").string();
        const auto converted =
            run("tpm2_print -t TPM2B_PUBLIC -f pem " + write("key.pub", key) + " > " + pem);
        if (converted.status != 0)
            return converted;
        return run("tpm2_checkquote -u " + pem + " -m " + write("quote", attested) + " -s " +
                   write("signature", signature) + " -q " + hex(qualification));
    }

  private:
    static ToolResult run(const std::string& command) {
        ToolResult result;
        FILE* pipe = popen((command + " 2>&1").c_str(), "r"); // NOLINT(cert-env33-c): fixed words
        if (pipe == nullptr)
            return result;
        std::array<char, 4096> buffer{};
        for (usize n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
            result.output.append(buffer.data(), n);
        result.status = pclose(pipe);
        return result;
    }
    [[nodiscard]] std::string write(const std::string& name, std::span<const u8> bytes) const {
        const auto path = folder_ / name;
        std::ofstream file{path, std::ios::binary};
        for (const u8 byte : bytes)
            file.put(static_cast<char>(byte));
        return path.string();
    }

    std::filesystem::path folder_;
};

} // namespace ravelin::test
