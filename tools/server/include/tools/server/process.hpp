// SPDX-License-Identifier: Apache-2.0
// A child process that cannot outlive us: it is killed by its pid in the destructor, and by the
// kernel (PR_SET_PDEATHSIG) when the thread that started it dies in any other way. Start children
// from a thread that lives as long as they shall.
#pragma once

#include "tools/server/file_descriptor.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace ravelin::tools {

struct ProcessOptions {
    std::vector<std::string> arguments;   ///< [0] is the program, looked up in PATH
    std::filesystem::path output;         ///< stdout and stderr are appended here; empty: inherited
    std::vector<int> inherited;           ///< descriptors the child keeps, under the same numbers
    std::vector<std::string> environment; ///< NAME=VALUE, beside our own
};

class Process {
  public:
    explicit Process(const ProcessOptions& options);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// The exit status (128 + signal when killed) once it ended; nothing while it runs.
    [[nodiscard]] std::optional<int> poll();
    /// Waits up to `timeout`, not counting the time in which the child had no CPU (deadline.hpp).
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds timeout);
    void kill();

  private:
    pid_t pid_{-1};
    std::optional<int> status_;
};

/// Runs a program to its end; ServerError names it and shows the end of its output when it fails or
/// takes longer.
void run(const ProcessOptions& options, std::chrono::milliseconds timeout);

/// The last `lines` lines of a text, each indented, for an error message.
[[nodiscard]] std::string last_lines(std::string_view text, std::size_t lines = 25);
/// The whole of a regular file; empty when there is none.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

/// A directory that only we can enter, removed with everything in it. RAVELIN_KEEP_FILES=1 leaves
/// it, for looking.
class PrivateDirectory {
  public:
    PrivateDirectory();
    PrivateDirectory(const PrivateDirectory&) = delete;
    PrivateDirectory& operator=(const PrivateDirectory&) = delete;
    ~PrivateDirectory();
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

} // namespace ravelin::tools
