// SPDX-License-Identifier: Apache-2.0
// The serial console of an emulated server: everything it prints is collected by a thread of ours,
// waited for line by line, and kept raw in a log file. Written by the reader thread, read by
// anybody, under the console's lock.
#pragma once

#include "tools/server/file_descriptor.hpp"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace ravelin::tools {

/// Takes carriage returns and terminal escape sequences out of a byte stream, whatever the pieces
/// it comes in.
class TextCleaner {
  public:
    void feed(std::string_view raw, std::string& clean);

  private:
    enum class State { text, escape, sequence };
    State state_{State::text};
};

class Console {
  public:
    /// Whether what comes is also shown on our standard output.
    enum class Echo { silent, shown };

    Console(FileDescriptor socket, const std::filesystem::path& log, Echo echo = Echo::silent);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    /// Waits for a line (or the unfinished last one) after what earlier waits consumed in which the
    /// ECMAScript `pattern` is found. Returns the whole match and its groups. ServerError when time
    /// is over or the machine is gone, with the last lines it printed.
    std::vector<std::string> wait_for(const std::string& pattern,
                                      std::chrono::milliseconds timeout);
    /// Types `text` as it is: end it with "\n" for a command.
    void send(std::string_view text);
    /// All that was printed so far, without escape sequences.
    [[nodiscard]] std::string text() const;
    /// True once the other end closed: the machine ended.
    [[nodiscard]] bool closed() const;
    /// Waits until the machine closes the line; false when it did not within `timeout`.
    [[nodiscard]] bool wait_until_closed(std::chrono::milliseconds timeout);
    void set_echo(Echo echo);
    /// Whose lack of CPU time the time limits of later waits leave out (deadline.hpp).
    void set_emulator(pid_t emulator);
    /// What to add to the error of a wait that the machine's end cut short: the emulator's own
    /// words.
    void explain_end(std::function<std::string()> explanation);

  private:
    void read_loop();
    bool find(const std::string& pattern, std::vector<std::string>& groups);

    FileDescriptor socket_;
    std::ofstream log_;
    mutable std::mutex lock_;
    std::condition_variable changed_;
    std::string text_;
    std::size_t consumed_{0};
    bool closed_{false};
    Echo echo_;
    std::optional<pid_t> emulator_;
    std::function<std::string()> explanation_;
    TextCleaner cleaner_;
    std::thread reader_;
};

} // namespace ravelin::tools
