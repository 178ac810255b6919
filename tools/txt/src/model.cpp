// SPDX-License-Identifier: Apache-2.0
// The platform's part: power-on, the firmware's work, the chipset's registers, resets, and the loop
// that the machine's stops come to.
#include "model.hpp"

#include <tools/server/error.hpp>
#include <wire/acpi.hpp>

#include <algorithm>
#include <array>
#include <regex>

namespace ravelin::tools::txt {
namespace {

using namespace std::chrono_literals;

constexpr u64 boot_sector = 0x7c00; // where every BIOS hands over
constexpr u32 multiboot2_magic = 0x36d7'6289;
constexpr u64 protected_mode = 1 << 0;
constexpr u64 paging = 1ULL << 31;
constexpr unsigned interrupt_signal = 2;

// Two functions of a device without function 0, so that operating systems neither find nor move
// them.
constexpr u64 configuration_space = 0xb000'0000; // SeaBIOS's choice on q35
constexpr unsigned register_device = 0x1e;

constexpr std::array watched{TxtRegister::error_status,
                             TxtRegister::reset,
                             TxtRegister::close_private,
                             TxtRegister::unlock_memory,
                             TxtRegister::mle_join,
                             TxtRegister::open_locality1,
                             TxtRegister::close_locality1,
                             TxtRegister::open_locality2,
                             TxtRegister::close_locality2,
                             TxtRegister::secrets,
                             TxtRegister::no_secrets};

std::string hex(u64 value) {
    return "0x" + hex_number(value);
}

TbootImage scanned(const std::filesystem::path& path) {
    const auto image = scan_tboot(read_unpacked(path));
    if (!image)
        throw ServerError{path.string() + ": " + image.error()};
    return image.value();
}

MachineConfig with_txt(const TxtConfig& config,
                       const std::filesystem::path& debugger,
                       int memory,
                       int private_window,
                       int public_window) {
    MachineConfig machine = config.machine;
    machine.processor = txt_processor;
    machine.power_on = PowerOn::waits;
    machine.memory_file = memory;
    machine.extra_descriptors = {private_window, public_window};
    std::vector<std::string>& arguments = machine.extra_arguments;
    const auto window = [&](const char* name, int file, const char* access, unsigned function) {
        const std::string size = std::to_string(space_size);
        arguments.insert(arguments.end(),
                         {"-object",
                          std::string{"memory-backend-file,id="} + name + ",share=on,size=" + size +
                              ",readonly=" + access + ",mem-path=/dev/fd/" + std::to_string(file),
                          "-device",
                          std::string{"ivshmem-plain,memdev="} + name + ",addr=0x1e." +
                              std::to_string(function)});
    };
    window("txtprivate", private_window, "off", 6);
    window("txtpublic", public_window, "on", 7);
    arguments.insert(arguments.end(),
                     {"-chardev",
                      "socket,id=debugger,server=on,wait=off,path=" + debugger.string(),
                      "-gdb",
                      "chardev:debugger"});
    return machine;
}

class TablesInMemory final : public wire::AcpiMemory {
  public:
    explicit TablesInMemory(PhysicalMemory& memory) : memory_{memory} {}
    Result<std::span<const u8>, wire::AcpiError> view(HostPhysical address, usize size) override {
        const std::span<const u8> bytes = memory_.at(address.raw(), size);
        if (bytes.size() != size)
            return Failure{wire::AcpiError::unreadable};
        return bytes;
    }

  private:
    PhysicalMemory& memory_;
};

} // namespace

TxtServer::Model::Model(const TxtConfig& config,
                        SoftwareTpm& tpm,
                        Console::Echo echo,
                        EventListener listener)
    : config_{config}, firmware_{config.machine.memory_mib}, tboot_{scanned(config.tboot)},
      registers_{private_window_.bytes(), public_window_.bytes()},
      memory_{config.machine.memory_mib}, tpm_{tpm}, listener_{std::move(listener)} {
    registers_.set(TxtRegister::device_id,
                   u64{chipset_vendor} | u64{chipset_device} << 16 | u64{chipset_revision} << 32);
    registers_.set(TxtRegister::sinit_base, firmware_.sinit);
    registers_.set(TxtRegister::sinit_size, firmware_.sinit_size);
    registers_.set(TxtRegister::heap_base, firmware_.heap);
    registers_.set(TxtRegister::heap_size, firmware_.heap_size);
    constexpr u64 locked = 1;
    registers_.set(TxtRegister::dma_protected,
                   firmware_.end | (firmware_.end - firmware_.base) >> 20 << 4 | locked);
    registers_.set_key_hash(config.sinit_key_hash);
    tpm_.set_gate([this](TpmLocality locality) {
        note(registers_.settle());
        const u64 status = registers_.get(TxtRegister::status);
        return (status & (locality.value == 1 ? status_bit::locality1_open
                                              : status_bit::locality2_open)) != 0;
    });
    tpm_.set_on_reset([this] { platform_reset(); });
    const auto socket = directory_.path() / "debugger";
    machine_ = std::make_unique<Machine>(with_txt(config,
                                                  socket,
                                                  memory_.descriptor(),
                                                  private_window_.descriptor(),
                                                  public_window_.descriptor()),
                                         &tpm,
                                         echo);
    debugger_ = std::make_unique<Debugger>(connect_to(socket, 30s));
    thread_ = std::thread{[this] { run(); }};
}

TxtServer::Model::~Model() {
    stopping_ = true;
    thread_.join();
    machine_.reset();
    // Waits for the TPM's threads, which call us.
    static_cast<void>(tpm_.plug_in());
    tpm_.set_gate({});
    tpm_.set_on_reset({});
}

void TxtServer::Model::say(const std::string& event) {
    {
        const std::scoped_lock guard{events_lock_};
        events_.push_back(event);
        if (listener_)
            listener_(event);
    }
    happened_.notify_all();
}

std::string TxtServer::Model::events() const {
    const std::scoped_lock guard{events_lock_};
    std::string text;
    for (const std::string& event : events_)
        text += event + "\n";
    return text;
}

std::array<u8, 32> TxtServer::Model::mle_hash() const {
    const std::scoped_lock guard{events_lock_};
    return mle_hash_;
}

void TxtServer::Model::wait_for_event(const std::string& pattern,
                                      std::chrono::milliseconds timeout) {
    const std::regex expression{pattern};
    std::unique_lock guard{events_lock_};
    const auto found = [&] {
        return std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
            return std::regex_search(event, expression);
        });
    };
    happened_.wait_for(guard, timeout, [&] { return found() || ended_; });
    if (found())
        return;
    std::string all;
    for (const std::string& event : events_)
        all += event + "\n";
    throw ServerError{"no event '" + pattern + "'; what happened:\n" + last_lines(all, 60)};
}

void TxtServer::Model::run() {
    try {
        after_reset();
        debugger_->resume();
        while (!stopping_) {
            // Software's commands to the chipset take effect within a millisecond.
            const auto patience = stage_ == Stage::payload ? 1ms : 20ms;
            if (const auto stop = debugger_->wait_for_stop(patience)) {
                on_stop(*stop);
                debugger_->resume();
            } else {
                poll();
            }
        }
    } catch (const std::exception& error) {
        say(std::string{"end: "} + error.what());
    }
    const std::scoped_lock guard{events_lock_};
    ended_ = true;
    happened_.notify_all();
}

void TxtServer::Model::poll() {
    note(registers_.settle());
    if (was_reset_ || reset_asked_)
        debugger_->interrupt();
}

void TxtServer::Model::note(const Settled& settled) {
    for (const TxtRegister which : settled.written)
        say("chipset: TXT." + std::string{name(which)} + " written, STS " +
            hex(registers_.get(TxtRegister::status)) + ", E2STS " +
            hex(registers_.get(TxtRegister::extended_status)));
    if (settled.reset_asked)
        reset_asked_ = true;
    if (settled.refused)
        say("chipset: a write to a closed or read-only TXT register is dropped");
}

void TxtServer::Model::on_stop(const StopReply& stop) {
    if (was_reset_.exchange(false)) {
        after_reset();
        return;
    }
    note(registers_.settle());
    if (reset_asked_.exchange(false)) {
        reset_platform(static_cast<u32>(registers_.get(TxtRegister::error_code)),
                       "software wrote TXT.CMD.RESET");
        return;
    }
    if (stop.written || stop.signal == interrupt_signal)
        return;
    debugger_->select(stop.processor);
    const Registers registers = debugger_->registers();
    if (on_breakpoint(stop.processor, registers) == Stop::not_ours) {
        // Other code at the same linear address.
        debugger_->clear_breakpoint(registers.rip);
        debugger_->step(stop.processor);
        debugger_->set_breakpoint(registers.rip);
    }
}

TxtServer::Model::Stop TxtServer::Model::on_breakpoint(unsigned processor,
                                                       const Registers& registers) {
    const u64 at = registers.rip;
    if (stage_ == Stage::firmware) {
        firmware_done();
        return Stop::handled;
    }
    if (stage_ == Stage::loader) {
        if (at != tboot_.entry || registers.eax != multiboot2_magic ||
            (registers.cr0 & (protected_mode | paging)) != protected_mode)
            return Stop::not_ours;
        tboot_entered();
        return Stop::handled;
    }
    if (stage_ == Stage::payload) {
        if (at != shutdown_entry_ || (registers.cs & 3) != 0)
            return Stop::not_ours;
        shutdown_entered();
        return Stop::handled;
    }
    if (wakeup_ && on_wakeup_breakpoint(processor, registers) == Stop::handled)
        return Stop::handled;
    if (const auto read = tboot_.cr4_reads.find(at); read != tboot_.cr4_reads.end()) {
        read_cr4(processor, registers, read->second);
        return Stop::handled;
    }
    if (const auto write = tboot_.cr4_writes.find(at); write != tboot_.cr4_writes.end()) {
        write_cr4(processor, registers, write->second);
        return Stop::handled;
    }
    if (const auto jump = tboot_.handovers.find(at); jump != tboot_.handovers.end()) {
        handed_over(registers.general(jump->second));
        return Stop::handled;
    }
    if (std::find(tboot_.getsec.begin(), tboot_.getsec.end(), at) != tboot_.getsec.end()) {
        getsec(processor, registers);
        return Stop::handled;
    }
    if (std::find(tboot_.feature_control_reads.begin(), tboot_.feature_control_reads.end(), at) !=
        tboot_.feature_control_reads.end()) {
        constexpr u64 smx_and_vmx_locked = 0xff07;
        debugger_->set(Register::rax, smx_and_vmx_locked);
        debugger_->set(Register::rdx, 0);
        debugger_->set(Register::rip, at + 2);
        return Stop::handled;
    }
    return Stop::not_ours;
}

void TxtServer::Model::set_stage(Stage stage) {
    for (const u64 address : breakpoints_)
        debugger_->clear_breakpoint(address);
    breakpoints_.clear();
    stage_ = stage;
    switch (stage) {
    case Stage::firmware:
        breakpoints_ = {boot_sector};
        break;
    case Stage::loader:
        breakpoints_ = {tboot_.entry};
        break;
    case Stage::tboot:
        breakpoints_.insert(tboot_.getsec.begin(), tboot_.getsec.end());
        breakpoints_.insert(tboot_.feature_control_reads.begin(),
                            tboot_.feature_control_reads.end());
        for (const auto* const table : {&tboot_.cr4_reads, &tboot_.cr4_writes, &tboot_.handovers})
            for (const auto& [address, number] : *table)
                breakpoints_.insert(address);
        break;
    case Stage::payload:
        if (shutdown_entry_)
            breakpoints_ = {*shutdown_entry_};
        break;
    }
    for (const u64 address : breakpoints_)
        debugger_->set_breakpoint(address);
}

void TxtServer::Model::set_watches(bool on) {
    for (const u64 address : watchpoints_)
        debugger_->clear_watchpoint(address);
    watchpoints_.clear();
    if (!on)
        return;
    for (const TxtRegister which : watched)
        watchpoints_.insert(private_space + static_cast<u32>(which));
    for (const u64 address : watchpoints_)
        debugger_->set_watchpoint(address);
}

void TxtServer::Model::platform_reset() {
    const auto before = registers_.reset();
    if (before.secrets) {
        // What a real BIOS runs its own module for: memory stays locked until it is clean.
        memory_.scrub();
        registers_.secrets_gone();
        say("firmware: secrets may be in memory: all of it scrubbed");
    }
    was_reset_ = true;
}

void TxtServer::Model::after_reset() {
    set_watches(false);
    set_stage(Stage::firmware);
    smx_enabled_.clear();
    wakeup_.reset();
    shutdown_entry_.reset();
}

void TxtServer::Model::map_registers() {
    const auto place = [this](unsigned function, u64 address) {
        const u64 device = configuration_space + (register_device << 15) + (function << 12);
        const auto put = [&](u64 offset, std::initializer_list<u8> bytes) {
            const std::vector<u8> value{bytes};
            debugger_->write_physical(device + offset, value);
        };
        put(4, {0, 0}); // decoding off while the BAR moves
        put(0x18,
            {0, 0, static_cast<u8>(address >> 16), static_cast<u8>(address >> 24), 0, 0, 0, 0});
        put(4, {2, 0});
    };
    place(6, private_space);
    place(7, public_space);
}

void TxtServer::Model::firmware_done() {
    if (config_.machine.reset == Reset::ends)
        machine_->execute("set-action", R"({"reboot":"shutdown"})");
    map_registers();
    const std::span<u8> heap = memory_.at(firmware_.heap, firmware_.heap_size);
    std::fill(heap.begin(), heap.end(), u8{0});
    const bool written =
        memory_.write(firmware_.heap,
                      encode(BiosData{.sinit_size = static_cast<u32>(config_.sinit.size()),
                                      .processors = config_.machine.processors})) &&
        config_.sinit.size() <= firmware_.sinit_size &&
        memory_.write(firmware_.sinit, config_.sinit);
    if (!written)
        throw ServerError{"SINIT does not fit its place"};
    say("firmware: TXT heap at " + hex(firmware_.heap) +
        (config_.sinit.empty() ? ", no SINIT" : ", SINIT at " + hex(firmware_.sinit)));
    set_stage(Stage::loader);
}

void TxtServer::Model::tboot_entered() {
    say("loader: tboot entered");
    set_stage(Stage::tboot);
}

std::optional<u32> TxtServer::Model::find_shutdown_entry() {
    // tboot's shared page: identifier, version, log, entry. [tboot, include/tboot.h]
    constexpr std::array<u8, 16> id{0xff,
                                    0x8d,
                                    0x3c,
                                    0x66,
                                    0xb3,
                                    0xe8,
                                    0x82,
                                    0x4b,
                                    0xbf,
                                    0xaa,
                                    0x19,
                                    0xea,
                                    0x4d,
                                    0x05,
                                    0x7a,
                                    0x08};
    for (u64 page = tboot_.base; page < tboot_.base + tboot_.size; page += 4096) {
        const auto start = memory_.read(page, id.size());
        if (start && std::equal(id.begin(), id.end(), start->begin()))
            return memory_.read32(page + 24);
    }
    return std::nullopt;
}

void TxtServer::Model::handed_over(u64 payload) {
    const bool measured = (registers_.get(TxtRegister::status) & status_bit::senter_done) != 0;
    if (measured)
        shutdown_entry_ = find_shutdown_entry();
    say("tboot: payload entered at " + hex(payload) + (measured ? "" : ", unmeasured"));
    set_watches(false);
    set_stage(Stage::payload);
}

void TxtServer::Model::shutdown_entered() {
    say("payload: back to tboot");
    map_registers(); // an operating system may have moved devices
    set_stage(Stage::tboot);
    set_watches(true);
}

void TxtServer::Model::reset_platform(u32 code, const std::string& why) {
    registers_.record_error(code);
    say("TXT reset: " + why + ", ERRORCODE " + hex(code));
    // Ours goes on where the machine's own reset may end it.
    machine_->execute("set-action", R"({"reboot":"reset"})");
    machine_->execute("system_reset");
    for (int wait = 0; wait < 1000 && !was_reset_; ++wait)
        std::this_thread::sleep_for(10ms);
    if (!was_reset_.exchange(false))
        throw ServerError{"QEMU did not reset the machine"};
    after_reset();
}

std::vector<u8> TxtServer::Model::find_dmar() {
    constexpr u64 bios_area = 0xe'0000;
    const std::span<const u8> area = memory_.at(bios_area, 0x2'0000);
    const auto offset = wire::find_rsdp(area);
    TablesInMemory view{memory_};
    const auto tables = std::make_unique<wire::AcpiTables>();
    if (!offset || !wire::discover_acpi(view, HostPhysical{bios_area + *offset}, *tables))
        return {};
    const auto dmar = tables->find("DMAR");
    if (!dmar)
        return {};
    return {dmar.value().begin(), dmar.value().end()};
}

// ---------------------------------------------------------------- TxtServer

TxtServer::TxtServer(const TxtConfig& config,
                     SoftwareTpm& tpm,
                     Console::Echo echo,
                     EventListener listener)
    : model_{std::make_unique<Model>(config, tpm, echo, std::move(listener))} {}

TxtServer::~TxtServer() = default;

Machine& TxtServer::machine() {
    return model_->machine();
}

std::string TxtServer::events() const {
    return model_->events();
}

void TxtServer::wait_for_event(const std::string& pattern, std::chrono::milliseconds timeout) {
    model_->wait_for_event(pattern, timeout);
}

std::array<u8, 32> TxtServer::mle_hash() const {
    return model_->mle_hash();
}

u64 TxtServer::txt_register(u32 offset) const {
    return model_->registers().get(static_cast<TxtRegister>(offset));
}

Bytes TxtServer::read_memory(u64 address, std::size_t size) {
    const auto bytes = model_->memory().read(address, size);
    if (!bytes)
        throw ServerError{hex(address) + " is no RAM"};
    return *bytes;
}

} // namespace ravelin::tools::txt
