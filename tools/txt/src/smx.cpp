// SPDX-License-Identifier: Apache-2.0
// The processor's part: GETSEC's leaves, CR4.SMXE (kept apart, because TCG faults on it), SENTER up
// to the measured environment's entry, and the wake-up of the other processors. [SDM vol2D 7]
#include "model.hpp"

#include <tools/server/error.hpp>

namespace ravelin::tools::txt {
namespace {

constexpr u64 smx_enable = 1 << 14; // CR4
constexpr u64 getsec_size = 2;
constexpr u64 cr4_move_size = 3;

enum class Leaf : u32 {
    capabilities = 0,
    enter_ac = 2,
    exit_ac = 3,
    senter = 4,
    sexit = 5,
    parameters = 6,
    smctrl = 7,
    wakeup = 8,
};

/// All leaves but the undefined one. [SDM vol2D table 7-3]
constexpr u32 capability_bits = 0x1fd;

struct Parameter {
    u32 eax, ebx;
};
/// [SDM vol2D table 7-7]
constexpr std::array parameter_list{
    Parameter{1, 0xffff'ffff},        // modules of any version
    Parameter{2 | 0x4'0000, 0},       // 256 KiB of authenticated-code RAM
    Parameter{3 | 0x4000 | 0x100, 0}, // memory types of the module
    Parameter{4 | 0x7f00, 0},         // what SENTER's EDX may ask
    Parameter{5 | 0x60, 0},           // machine checks and the processor's S-CRTM
    Parameter{0, 0},
};
constexpr u32 largest_module = 0x4'0000;

constexpr u64 low_page = 0x7000; // where the other processors start in real mode

std::string hex(u64 value) {
    return "0x" + hex_number(value);
}

void append32(std::vector<u8>& code, u32 value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        code.push_back(static_cast<u8>(value >> shift));
}

void append(std::vector<u8>& code, std::initializer_list<u8> bytes) {
    code.insert(code.end(), bytes);
}

/// MLE JOIN data structure. [TXT SDG, 2.1.4]
struct Join {
    u32 limit;
    u32 descriptors;
    u32 selector;
    u32 entry;
};

/// What a woken processor does in the real one's place: protected mode as the join structure asks.
std::vector<u8> join_code(const Join& join) {
    constexpr u8 table_at = 0x40;
    std::vector<u8> code;
    append(code, {0xfa});                                      // cli
    append(code, {0x2e, 0x66, 0x0f, 0x01, 0x16, table_at, 0}); // lgdtl cs:[table]
    append(code, {0x66, 0xb8, 0x11, 0, 0, 0});                 // mov eax, ET | PE
    append(code, {0x0f, 0x22, 0xc0});                          // mov cr0, eax
    append(code, {0x66, 0xea});                                // jmp selector:entry
    append32(code, join.entry);
    append(code, {static_cast<u8>(join.selector), static_cast<u8>(join.selector >> 8)});
    code.resize(table_at, 0x90);
    append(code, {static_cast<u8>(join.limit), static_cast<u8>(join.limit >> 8)});
    append32(code, join.descriptors);
    return code;
}

/// Sends INIT and a start-up IPI to all other processors, with a pause behind each. Clobbers EDI
/// and ECX.
std::vector<u8> wake_code() {
    constexpr u32 interrupt_command = 0xfee0'0300;
    constexpr u32 all_others_init = 0xc'4500;
    constexpr u32 all_others_startup = 0xc'4600;
    std::vector<u8> code;
    append(code, {0xbf}); // mov edi, ICR
    append32(code, interrupt_command);
    for (const u32 command : {all_others_init, u32{all_others_startup | low_page >> 12}}) {
        append(code, {0xc7, 0x07}); // mov dword [edi], command
        append32(code, command);
        append(code, {0xb9}); // mov ecx, count
        append32(code, 0x2'0000);
        append(code, {0xf3, 0x90, 0xe2, 0xfc}); // pause; loop
    }
    return code;
}

} // namespace

void TxtServer::Model::read_cr4(unsigned processor, const Registers& registers, unsigned target) {
    const u64 shown = registers.cr4 | (smx_enabled_.contains(processor) ? smx_enable : 0);
    debugger_->set(general_register(target), shown);
    debugger_->set(Register::rip, registers.rip + cr4_move_size);
}

void TxtServer::Model::write_cr4(unsigned processor, const Registers& registers, unsigned source) {
    const u32 value = registers.general(source);
    if ((value & smx_enable) != 0)
        smx_enabled_.insert(processor);
    else
        smx_enabled_.erase(processor);
    debugger_->set(Register::cr4, value & ~smx_enable);
    debugger_->set(Register::rip, registers.rip + cr4_move_size);
}

void TxtServer::Model::parameters(const Registers& registers) {
    const std::size_t index = std::min<std::size_t>(registers.ebx, parameter_list.size() - 1);
    debugger_->set(Register::rax, parameter_list[index].eax);
    debugger_->set(Register::rbx, parameter_list[index].ebx);
    debugger_->set(Register::rcx, 0);
}

void TxtServer::Model::getsec(unsigned processor, const Registers& registers) {
    if (!smx_enabled_.contains(processor))
        throw ServerError{"GETSEC without CR4.SMXE: an invalid opcode on a real processor"};
    switch (static_cast<Leaf>(registers.eax)) {
    case Leaf::capabilities:
        debugger_->set(Register::rax, registers.ebx == 0 ? capability_bits : 0);
        break;
    case Leaf::parameters:
        parameters(registers);
        break;
    case Leaf::senter:
        return senter(registers);
    case Leaf::smctrl:
        say("GETSEC[SMCTRL]");
        break;
    case Leaf::wakeup:
        if (config_.machine.processors > 1)
            return wake_rlps(registers);
        say("GETSEC[WAKEUP]: no other processor");
        break;
    case Leaf::sexit:
        registers_.leave();
        say("GETSEC[SEXIT]: the measured environment has ended");
        break;
    case Leaf::enter_ac:
    case Leaf::exit_ac:
        throw ServerError{"GETSEC leaf " + std::to_string(registers.eax) + " at " +
                          hex(registers.rip) + " is not in the model"};
    }
    debugger_->set(Register::rip, registers.rip + getsec_size);
}

void TxtServer::Model::senter(const Registers& registers) {
    const u32 base = registers.ebx;
    const u32 size = registers.ecx;
    say("GETSEC[SENTER]: module at " + hex(base) + ", " + std::to_string(size) + " bytes");
    if ((registers_.get(TxtRegister::error_status) & txt_reset_happened) != 0 ||
        (registers_.get(TxtRegister::status) & status_bit::senter_done) != 0)
        return reset_platform(0x8000'0000, "SENTER out of order");
    const auto module = size <= largest_module && base % 4096 == 0 && size % 64 == 0
                            ? memory_.read(base, size)
                            : std::nullopt;
    if (!module)
        return reset_platform(error_code(AcmRefusal::unrecognized_format),
                              "SENTER's module is no module");
    const auto acm = authenticate_acm(*module, config_.sinit_key_hash);
    if (!acm)
        return reset_platform(error_code(acm.error()), std::string{text(acm.error())});
    say("SENTER: SINIT is authentic");

    LaunchPlatform platform{.heap_base = registers_.get(TxtRegister::heap_base),
                            .heap_size = registers_.get(TxtRegister::heap_size),
                            .wakeup = firmware_.stub + 0xff0,
                            .memory = {{0, 0xa'0000, MemoryKind::good},
                                       {0x10'0000, firmware_.base - 0x10'0000, MemoryKind::good}},
                            .dmar = find_dmar()};
    if (memory_.high_size() != 0)
        platform.memory.push_back({1ULL << 32, memory_.high_size(), MemoryKind::good});
    platform.memory.push_back({0xb000'0000, 0x1000'0000, MemoryKind::pcie_configuration});
    SoftwareLaunchTpm tpm{tpm_};
    const auto launched = run_sinit(memory_, tpm, platform, acm.value(), *module, registers.edx);
    if (!launched)
        return reset_platform(error_code(launched.error().failure),
                              "SINIT: " + launched.error().reason);
    registers_.enter();
    registers_.set(TxtRegister::error_code, sinit_succeeded);
    {
        const std::scoped_lock guard{events_lock_};
        mle_hash_ = launched.value().mle_hash;
    }
    set_watches(true);
    // EXITAC. [SDM vol2D, GETSEC[EXITAC]]
    debugger_->set(Register::rip, launched.value().entry);
    debugger_->set(Register::rbx, launched.value().entry);
    debugger_->set(Register::rcx, launched.value().page_table);
    debugger_->set(Register::rbp, 0);
    say("SINIT: measured environment " + to_hex(launched.value().mle_hash) + " entered at " +
        hex(launched.value().entry));
}

void TxtServer::Model::wake_rlps(const Registers& registers) {
    const u64 at = registers_.get(TxtRegister::mle_join) & 0xffff'ffff;
    const auto limit = memory_.read32(at);
    const auto descriptors = memory_.read32(at + 4);
    const auto selector = memory_.read32(at + 8);
    const auto entry = memory_.read32(at + 12);
    if (!limit || !descriptors || !selector || !entry)
        return reset_platform(0x8000'000b, "invalid MLE_JOIN structure");
    const std::vector<u8> code = join_code({*limit, *descriptors, *selector, *entry});
    const std::vector<u8> wake = wake_code();
    wakeup_ = Wakeup{.caller = registers,
                     .processor = 0,
                     .stub_end = firmware_.stub + wake.size(),
                     .join_entry = *entry,
                     .low_page = *memory_.read(low_page, code.size()),
                     .arrived = {}};
    // Through the debugger, because the processor may have translated what was there.
    debugger_->write_physical(low_page, code);
    debugger_->write_physical(firmware_.stub, wake);
    for (const u64 address : {wakeup_->stub_end, wakeup_->join_entry}) {
        debugger_->set_breakpoint(address);
        breakpoints_.insert(address);
    }
    debugger_->set(Register::rip, firmware_.stub);
    say("GETSEC[WAKEUP]: the other processors join at " + hex(*entry));
}

TxtServer::Model::Stop TxtServer::Model::on_wakeup_breakpoint(unsigned processor,
                                                              const Registers& registers) {
    const auto remove = [this](u64 address) {
        debugger_->clear_breakpoint(address);
        breakpoints_.erase(address);
    };
    if (registers.rip == wakeup_->stub_end) {
        debugger_->set(Register::rcx, wakeup_->caller.ecx);
        debugger_->set(Register::rdi, wakeup_->caller.edi);
        debugger_->set(Register::rip, wakeup_->caller.rip + getsec_size);
        remove(wakeup_->stub_end);
        return Stop::handled;
    }
    if (registers.rip != wakeup_->join_entry)
        return Stop::not_ours;
    wakeup_->arrived.insert(processor);
    smx_enabled_.insert(processor); // it comes out of SENTER's sleep with SMX on
    say("RLP " + std::to_string(processor) + " joins");
    if (wakeup_->arrived.size() + 1 < config_.machine.processors)
        return Stop::not_ours; // steps over the breakpoint, which stays
    remove(wakeup_->join_entry);
    debugger_->write_physical(low_page, wakeup_->low_page);
    return Stop::handled;
}

} // namespace ravelin::tools::txt
