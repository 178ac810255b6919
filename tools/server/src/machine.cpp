// SPDX-License-Identifier: Apache-2.0
// See the header. The monitor speaks QMP: a JSON object a line.
#include "tools/server/machine.hpp"

#include "tools/server/error.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace ravelin::tools {
namespace {

constexpr const char* variables_template = "/usr/share/OVMF/OVMF_VARS_4M.fd";

} // namespace

Machine::Machine(const MachineConfig& config, SoftwareTpm* tpm, Console::Echo echo) {
    const std::filesystem::path variables = directory_.path() / "variables.fd";
    if (std::holds_alternative<UefiDisk>(config.boot))
        std::filesystem::copy_file(variables_template, variables);
    SocketPair serial = make_socket_pair();
    SocketPair monitor = make_socket_pair();
    std::optional<FileDescriptor> tpm_end;
    if (tpm != nullptr)
        tpm_end = tpm->plug_in();
    ProcessOptions options;
    const MachineWiring wiring{
        .serial = serial.theirs.get(),
        .monitor = monitor.theirs.get(),
        .tpm = tpm_end ? std::optional{tpm_end->get()} : std::nullopt,
        .firmware_variables = variables,
        .relay_program = RAVELIN_SERVER_PROGRAM,
    };
    options.arguments = command_line(config, wiring);
    options.inherited = {wiring.serial, wiring.monitor};
    if (wiring.tpm)
        options.inherited.push_back(*wiring.tpm);
    if (config.memory_file)
        options.inherited.push_back(*config.memory_file);
    options.inherited.insert(
        options.inherited.end(), config.extra_descriptors.begin(), config.extra_descriptors.end());
    options.output = directory_.path() / "qemu.log";
    qemu_ = std::make_unique<Process>(options);
    console_ =
        std::make_unique<Console>(std::move(serial.ours), directory_.path() / "serial.log", echo);
    console_->set_emulator(qemu_->pid());
    console_->explain_end([this] { return emulator_output(); });
    monitor_ = std::move(monitor.ours);
}

std::string Machine::read_monitor_line() {
    std::string line;
    u8 next = 0;
    while (next != '\n') {
        if (!read_exactly(monitor_, std::span{&next, 1}))
            throw ServerError{"QEMU ended; it said:\n" + last_lines(emulator_output())};
        line += static_cast<char>(next);
    }
    return line;
}

std::string Machine::exchange(const std::string& request) {
    const std::string text = request + "\n";
    const std::vector<u8> bytes{text.begin(), text.end()};
    write_all(monitor_, bytes);
    while (true) {
        const nlohmann::json reply = nlohmann::json::parse(read_monitor_line());
        if (reply.contains("error"))
            throw ServerError{"QEMU's monitor: " + reply["error"].dump()};
        if (reply.contains("return"))
            return reply["return"].dump();
    }
}

std::string Machine::execute(const std::string& command, const std::string& arguments) {
    const std::scoped_lock guard{monitor_lock_};
    if (!monitor_ready_) {
        exchange(R"({"execute":"qmp_capabilities"})");
        monitor_ready_ = true;
    }
    return exchange(
        nlohmann::json{{"execute", command}, {"arguments", nlohmann::json::parse(arguments)}}
            .dump());
}

std::string Machine::monitor(const std::string& command) {
    const std::string answer =
        execute("human-monitor-command", nlohmann::json{{"command-line", command}}.dump());
    return nlohmann::json::parse(answer).get<std::string>();
}

std::vector<u8> Machine::read_physical(u64 address, std::size_t size) {
    const std::filesystem::path file = directory_.path() / "memory";
    const std::string answer = monitor("pmemsave " + std::to_string(address) + " " +
                                       std::to_string(size) + " \"" + file.string() + "\"");
    std::ifstream stream{file, std::ios::binary};
    std::vector<u8> bytes{std::istreambuf_iterator<char>{stream}, {}};
    if (bytes.size() != size)
        throw ServerError{"QEMU saved " + std::to_string(bytes.size()) + " of " +
                          std::to_string(size) + " bytes of memory: " + answer};
    return bytes;
}

std::string Machine::emulator_output() const {
    return read_text_file(directory_.path() / "qemu.log");
}

void Machine::wait_for_power_off(std::chrono::milliseconds timeout) {
    const std::optional<int> status = qemu_->wait(timeout);
    if (status == 0)
        return;
    const std::string what = status ? "QEMU ended with status " + std::to_string(*status) +
                                          ", saying:\n" + last_lines(emulator_output())
                                    : "the machine did not power off within " +
                                          std::to_string(timeout.count() / 1000) + " s";
    throw ServerError{what + "\nthe last lines of its console:\n" + last_lines(console_->text())};
}

} // namespace ravelin::tools
