// SPDX-License-Identifier: Apache-2.0
// The play in its acts: what is built, booted and asked. Each act says in a line what it does and
// when.
#pragma once

#include "tools/demo/guests.hpp"
#include "tools/demo/options.hpp"

#include <tools/image/boot_image.hpp>
#include <tools/server/machine.hpp>
#include <tools/server/process.hpp>

#include <filesystem>
#include <memory>
#include <optional>

namespace ravelin::demo {

/// What a verifier said: the exit status of its command (0 TRUSTED, 1 UNTRUSTED) and its table.
struct Judgement {
    int status;
    std::string table;
};

class Stage {
  public:
    explicit Stage(const Options& options);

    void make_platform();
    void make_files();
    void commission();
    void predict();
    void tamper_with_files();
    void start_verifier();
    void boot();
    /// Waits for the verifier's word on the evidence as the platform sent it.
    [[nodiscard]] Judgement verdict();
    /// The word on the captured evidence with one bit changed on its way: of the nonce, the log or
    /// the quote.
    [[nodiscard]] Judgement judge_altered(Tamper tamper);
    /// The verdict that was asked for: altered evidence's when one of those was, the platform's
    /// otherwise.
    [[nodiscard]] Judgement play_to_the_end();
    /// Follows the two guests; false when they did not do what they are there for.
    [[nodiscard]] bool play_guests();
    void hand_over_console();

  private:
    void say(const std::string& line) const;
    /// Runs a subcommand of `ravelin`.
    void ravelin(std::vector<std::string> arguments) const;
    [[nodiscard]] std::filesystem::path file(const std::string& name) const;
    [[nodiscard]] tools::MachineConfig machine_config(const std::filesystem::path& disk) const;
    [[nodiscard]] std::string domain0_command_line() const;
    void write_manifest() const;
    void flip_file(Tamper tamper) const;

    Options options_;
    std::chrono::steady_clock::time_point start_{std::chrono::steady_clock::now()};
    tools::PrivateDirectory directory_;
    tools::BootFiles boot_files_;
    std::optional<Guests> guests_;
    unsigned port_;
    std::unique_ptr<tools::SoftwareTpm> tpm_;
    std::unique_ptr<tools::Process> verifier_;
    std::unique_ptr<tools::Machine> machine_;
};

} // namespace ravelin::demo
