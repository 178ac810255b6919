// SPDX-License-Identifier: Apache-2.0
// The CPU interface on VMX, proved: a guest in 32-bit protected mode executes CPUID, writes a port,
// touches a page that is not there, makes a hypercall and halts; each exit is what cpu::Exit says
// it is, and what the guest computed from the results is right. Then the ways to fail: a VMCS that
// is not current, one launched twice, a control the host state contradicts.
#include <hv/stage2/page_table.hpp>
#include <hv/vmx/instruction.hpp>
#include <hv/vmx/vmx_cpu.hpp>

#include <array>
#include <string_view>
#include <variant>

namespace ravelin::hv {
namespace {

void out8(u16 port, u8 value) {
    // SAFETY: COM1 and the emulator's own exit port.
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
u8 in8(u16 port) {
    u8 value = 0;
    // SAFETY: reads COM1's line status.
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
void put(char c) {
    while ((in8(0x3fd) & 0x20) == 0) { // transmitter holding register empty
    }
    out8(0x3f8, static_cast<u8>(c));
}
void open_serial() {
    out8(0x3fb, 0x83); // DLAB, 8 bits
    out8(0x3f8, 1);    // 115200 baud
    out8(0x3f9, 0);
    out8(0x3fb, 0x03);
}
void print(std::string_view text) {
    for (const char c : text)
        put(c);
}
void print_hex(u64 value) {
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[(value >> shift) & 15]);
}
[[noreturn]] void finish(bool passed) {
    print(passed ? "vmx.launch: PASS\n" : "vmx.launch: FAIL\n");
    while ((in8(0x3fd) & 0x40) == 0) { // transmitter empty: the last byte is out
    }
    if (passed)
        out8(0x8900, 'D');
    for (const char c : std::string_view{"Shutdown"})
        out8(0x8900, static_cast<u8>(c));
    for (;;)
        asm volatile("hlt"); // SAFETY: nothing is left to do.
}
void expect(bool holds, std::string_view what) {
    print(holds ? "  ok    " : "  WRONG ");
    print(what);
    print("\n");
    if (!holds)
        finish(false);
}
void on_ensure(const char* what, const SourceLocation&) {
    print("ensure: ");
    for (; *what != 0; ++what)
        put(*what);
    print("\n");
    finish(false);
}

/// Frames from 4 MiB on; identity-mapped.
class LowMemory final : public TableMemory, public guest::FrameAccess {
  public:
    Result<HostFrame, TableMemoryError> allocate() override {
        if (next_ == last_)
            return Failure{TableMemoryError::out_of_frames};
        const HostFrame frame{next_++};
        for (u8& b : bytes(frame))
            b = 0;
        return frame;
    }
    void release(HostFrame) override {}
    TablePage page(HostFrame frame) override {
        // SAFETY: frames of allocate() lie in identity-mapped RAM that nothing else uses.
        return TablePage{reinterpret_cast<u64*>(frame.address().raw()), 512};
    }
    std::span<u8, page_size> bytes(HostFrame frame) override {
        // SAFETY: as page().
        return std::span<u8, page_size>{reinterpret_cast<u8*>(frame.address().raw()), page_size};
    }

  private:
    static constexpr u64 last_ = 0x800;
    u64 next_ = 0x400; // 4 MiB
};

// The guest, at guest-physical 0x1000: 32-bit code, hand-assembled.
constexpr std::array<u8, 31> guest_code{
    0xb8, 0x00, 0x00, 0x00, 0x40, // mov eax, 0x40000000
    0x0f, 0xa2,                   // cpuid
    0x83, 0xc3, 0x01,             // add ebx, 1
    0xb0, 0x5a,                   // mov al, 0x5a
    0xe6, 0x80,                   // out 0x80, al
    0xa1, 0x00, 0x50, 0x00, 0x00, // mov eax, [0x5000]
    0x01, 0xc3,                   // add ebx, eax
    0x0f, 0x01, 0xc1,             // vmcall
    0x0f, 0x0b,                   // ud2
    0xf4,                         // hlt
    0x0f, 0x01, 0xc4, 0xf4,       // vmxoff; hlt
};

template <typename T> T expect_exit(const cpu::Exit& exit, std::string_view what) {
    const T* found = std::get_if<T>(&exit);
    if (found == nullptr) {
        print("exit index ");
        print_hex(exit.index());
        print("\n");
        if (const auto* failed = std::get_if<cpu::FailedExit>(&exit)) {
            print("raw reason ");
            print_hex(failed->raw);
            print("\n");
        }
    }
    expect(found != nullptr, what);
    return *found;
}

HostFrame frame_of(LowMemory& memory) {
    const auto frame = memory.allocate();
    expect(frame.is_ok(), "a frame");
    return frame.value();
}

void run_guest(cpu::VirtualCpu& vcpu, stage2::PageTable& table, LowMemory& memory) {
    using cpu::Register;
    cpu::GeneralRegisters registers{};
    vcpu.load();
    vcpu.reset_to_flat_protected_mode(0x1000);

    (void)expect_exit<cpu::CpuidExit>(vcpu.run(registers), "VMLAUNCH, then CPUID exits");
    expect(registers[Register::rax] == 0x40000000, "the guest's EAX arrived");
    expect(vcpu.rip() == 0x1005, "RIP is the CPUID");
    registers[Register::rbx] = 0x1000;
    vcpu.set_next_rip(vcpu.rip() + 2);

    const auto io = expect_exit<cpu::IoExit>(vcpu.run(registers), "VMRESUME, then OUT exits");
    expect(io.port == 0x80 && io.size == 1 && io.direction == cpu::IoDirection::out,
           "port, size and direction");
    expect((registers[Register::rax] & 0xff) == 0x5a, "the byte written");
    expect(registers[Register::rbx] == 0x1001, "the guest added to what CPUID gave it");
    vcpu.set_next_rip(io.next_rip);

    const auto fault = expect_exit<cpu::Stage2FaultExit>(vcpu.run(registers), "a hole exits");
    expect(fault.address.raw() == 0x5000 && fault.wanted == Access::read,
           "address and access of the hole");
    const HostFrame page = frame_of(memory);
    memory.page(page)[0] = 0x41;
    expect(table
               .map(GuestPhysical{0x5000},
                    page.address(),
                    Bytes{page_size},
                    Access::read,
                    stage2::MemoryType::write_back)
               .is_ok(),
           "the hole is mapped");

    (void)expect_exit<cpu::HypercallExit>(vcpu.run(registers), "VMCALL exits");
    expect(registers[Register::rbx] == 0x1042, "the load was done again");
    vcpu.set_next_rip(vcpu.rip() + 3);

    (void)expect_exit<cpu::UndefinedOpcodeExit>(vcpu.run(registers), "UD2 exits");
    vcpu.set_next_rip(vcpu.rip() + 2);
    (void)expect_exit<cpu::HaltExit>(vcpu.run(registers), "HLT exits");
    vcpu.set_next_rip(vcpu.rip() + 1);
    (void)expect_exit<cpu::ReflectedExceptionExit>(vcpu.run(registers),
                                                   "VMXOFF in the guest is a #UD of its own");
    expect(!vcpu.interrupts_enabled() && !vcpu.can_take_interrupt(),
           "interrupts are off as after reset");
    vcpu.inject_exception(cpu::Exception::general_protection, 0);
    (void)expect_exit<cpu::ShutdownExit>(vcpu.run(registers),
                                         "an exception without an IDT is a triple fault");
    expect(vcpu.counters().world_switches == 8, "eight world switches");
}

void provoke_failures(vmx::VmxCpu& vcpu, cpu::GeneralRegisters& registers) {
    vcpu.reset_to_flat_protected_mode(0x1000);
    const u64 cs = vmx::vmread<vmx::field::host_cs_selector>();
    vmx::vmwrite<vmx::field::host_cs_selector>(0);
    (void)expect_exit<cpu::FailedExit>(vcpu.run(registers), "a null host CS is refused");
    expect(vcpu.instruction_error() == 8, "VM-instruction error 8: invalid host state");
    vmx::vmwrite<vmx::field::host_cs_selector>(static_cast<u16>(cs));

    vmx::vmwrite<vmx::field::guest_rflags>(0);
    const auto entry =
        expect_exit<cpu::FailedExit>(vcpu.run(registers), "guest RFLAGS without bit 1 is refused");
    expect((entry.raw & 0xffff) == 33, "basic exit reason 33: invalid guest state");
}

} // namespace
} // namespace ravelin::hv

extern "C" [[noreturn]] void unexpected_interrupt() {
    ravelin::hv::print("an interrupt or exception in the host\n");
    ravelin::hv::finish(false);
}

extern "C" void run_micro_test() {
    using namespace ravelin;
    using namespace ravelin::hv;
    set_ensure_handler(on_ensure);
    open_serial();
    LowMemory memory;

    auto operation = vmx::Operation::enter(memory, frame_of(memory));
    if (!operation)
        print(vmx::text(operation.error()));
    expect(operation.is_ok(), "VMXON");

    stage2::PageTable table{{stage2::Format::extended_page_tables, stage2::LargestPage::size_4k},
                            memory};
    expect(table.initialise().is_ok(), "an EPT root");
    const HostFrame code = frame_of(memory);
    for (usize i = 0; i < guest_code.size(); ++i)
        memory.bytes(code)[i] = guest_code[i];
    expect(table
               .map(GuestPhysical{0x1000},
                    code.address(),
                    Bytes{page_size},
                    Access::read_execute,
                    stage2::MemoryType::write_back)
               .is_ok(),
           "the guest's page");

    {
        const vmx::Frames frames{frame_of(memory), frame_of(memory), frame_of(memory)};
        vmx::VmxCpu vcpu{operation.value(), memory, frames, table};
        const auto foreign = vmx::vmptrld(HostPhysical{0x7ff000});
        expect(!foreign && foreign.error() == vmx::Error::fail_invalid,
               "VMPTRLD of a region with the wrong revision, no VMCS current: VMfailInvalid");
        expect(vmx::VmxCpu::prepare(vcpu).is_ok(), "VMCLEAR, VMPTRLD and the controls");
        run_guest(vcpu, table, memory);
        cpu::GeneralRegisters registers{};
        provoke_failures(vcpu, registers);
        vcpu.unload();
    }
    finish(true);
}
