// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/process.hpp"

#include "tools/server/deadline.hpp"
#include "tools/server/error.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace ravelin::tools {
namespace {

// Between fork and exec only async-signal-safe calls: the parent may have threads.
[[noreturn]] void become(char* const* arguments,
                         char* const* environment,
                         int output,
                         const std::vector<int>& inherited,
                         pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
        ::_exit(127);
    // Away from the terminal's process group: a Ctrl-C is for us, and we end our children in order.
    ::setpgid(0, 0);
    const int nowhere = ::open("/dev/null", O_RDONLY);
    ::dup2(nowhere, STDIN_FILENO);
    if (output >= 0) {
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
    }
    for (const int number : inherited)
        ::fcntl(number, F_SETFD, 0);
    ::execvpe(arguments[0], arguments, environment);
    ::_exit(127);
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    pointers.reserve(strings.size() + 1);
    for (std::string& text : strings)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace

Process::Process(const ProcessOptions& options) {
    FileDescriptor output;
    if (!options.output.empty()) {
        output = FileDescriptor{
            ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
        if (!output)
            throw_errno(options.output.string());
    }
    std::vector<std::string> arguments = options.arguments;
    std::vector<std::string> environment;
    for (char** variable = environ; *variable != nullptr; ++variable)
        environment.emplace_back(*variable);
    environment.insert(environment.end(), options.environment.begin(), options.environment.end());
    const std::vector<char*> argument_pointers = pointers_to(arguments);
    const std::vector<char*> environment_pointers = pointers_to(environment);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0)
        throw_errno("fork");
    if (pid_ == 0)
        become(argument_pointers.data(),
               environment_pointers.data(),
               output.get(),
               options.inherited,
               parent);
}

Process::~Process() {
    kill();
}

std::optional<int> Process::poll() {
    if (status_)
        return status_;
    int raw = 0;
    const pid_t ended = ::waitpid(pid_, &raw, WNOHANG);
    if (ended == pid_)
        status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return status_;
}

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
    const Deadline deadline{timeout, pid_};
    while (!poll() && deadline.left() > std::chrono::milliseconds{})
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    return poll();
}

void Process::kill() {
    if (poll())
        return;
    ::kill(pid_, SIGKILL);
    int raw = 0;
    while (::waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
    }
    status_ = 128 + SIGKILL;
}

void run(const ProcessOptions& options, std::chrono::milliseconds timeout) {
    PrivateDirectory scratch;
    ProcessOptions logged = options;
    if (logged.output.empty())
        logged.output = scratch.path() / "output";
    Process process{logged};
    const std::optional<int> status = process.wait(timeout);
    if (status == 0)
        return;
    std::string message = options.arguments.at(0);
    if (!status)
        message += " did not end within " + std::to_string(timeout.count() / 1000) + " s";
    else if (status == 127)
        message += " is not installed or could not be started (tools/packages.txt)";
    else
        message += " ended with status " + std::to_string(*status);
    throw ServerError{message + "; the end of its output:\n" +
                      last_lines(read_text_file(logged.output))};
}

std::string last_lines(std::string_view text, std::size_t lines) {
    std::string result;
    while (!text.empty() && text.back() == '\n')
        text.remove_suffix(1);
    std::size_t start = text.size();
    for (std::size_t count = 0; count < lines && start != std::string_view::npos && start > 0;
         ++count)
        start = text.rfind('\n', start - 1);
    text.remove_prefix(start == std::string_view::npos || start == 0 ? 0 : start + 1);
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        result += "  | " + std::string{text.substr(0, end)} + "\n";
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return result.empty() ? "  | (nothing)\n" : result;
}

std::string read_text_file(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary | std::ios::ate};
    if (!file)
        return {};
    std::string content(static_cast<std::size_t>(file.tellg()), '\0');
    file.seekg(0);
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    return content;
}

PrivateDirectory::PrivateDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ravelin-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
        throw_errno("mkdtemp " + pattern);
    path_ = pattern;
}

PrivateDirectory::~PrivateDirectory() {
    if (const char* keep = std::getenv("RAVELIN_KEEP_FILES"); keep != nullptr && *keep != '\0')
        return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

} // namespace ravelin::tools
