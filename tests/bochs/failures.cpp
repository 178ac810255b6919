// SPDX-License-Identifier: Apache-2.0
// Every VMX instruction made to fail: the number the CPU gives is the one we have words for. And
// entries that fail, through the vCPU: the words reach whoever ran it, and nothing else breaks.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_touch)

extern "C" ravelin::u64 ravelin_vmx_run(ravelin::u64* registers, ravelin::u64 launched);

namespace ravelin::hv::micro {

const char* const name = "vmx.failures";

namespace {

using vmx::InstructionError;

void expect_error(const Status<vmx::Error>& outcome, InstructionError error) {
    expect(!outcome && outcome.error() == vmx::Error::fail_valid, vmx::describe(error));
    expect_equal(static_cast<u32>(vmx::last_error()), static_cast<u32>(error), "  by that number");
}

HostPhysical vmxon_region(LowMemory& memory, vmx::Host& host) {
    const HostFrame region = memory.frame();
    memory.page(region)[0] = host.revision();
    return region.address();
}

/// Without a current VMCS.
void invalid(LowMemory& memory, vmx::Host& host) {
    const auto wrong = vmx::vmptrld(memory.frame().address());
    expect(!wrong && wrong.error() == vmx::Error::fail_invalid,
           "VMPTRLD of a wrong revision, no VMCS current: VMfailInvalid");
    const auto again = vmx::vmxon(vmxon_region(memory, host));
    expect(!again && again.error() == vmx::Error::fail_invalid,
           "VMXON in root operation, no VMCS current: VMfailInvalid");
    u64 registers[16]{};
    expect_equal(ravelin_vmx_run(registers, 0), 1, "VMLAUNCH without a VMCS: VMfailInvalid");
    expect_equal(ravelin_vmx_run(registers, 1), 1, "VMRESUME likewise");
}

/// With one.
void valid(Guest& guest, LowMemory& memory, vmx::Host& host) {
    expect_error(vmx::vmxon(vmxon_region(memory, host)), InstructionError::vmxon_in_root);
    expect_error(vmx::vmptrld(memory.frame().address()), InstructionError::vmptrld_revision);
    expect_error(vmx::vmptrld(HostPhysical{0x1001}), InstructionError::vmptrld_address);
    expect_error(vmx::vmclear(HostPhysical{0x1001}), InstructionError::vmclear_address);
    expect_error(vmx::invept(static_cast<vmx::InveptType>(7), 0),
                 InstructionError::invalidation_operand);
    expect_error(vmx::invept(vmx::InveptType::single_context, 7), // a memory type EPT has not
                 InstructionError::invalidation_operand);
    expect_error(vmx::invvpid(vmx::InvvpidType::single_context, 0),
                 InstructionError::invalidation_operand);
    bool failed = false;
    // SAFETY: a field that does not exist.
    asm volatile("vmwrite %1, %2" : "=@ccz"(failed) : "r"(u64{0}), "r"(u64{0x5fff'0000}));
    expect(failed, vmx::describe(InstructionError::unsupported_field));
    expect_equal(static_cast<u32>(vmx::last_error()), 12, "  by that number");

    u64 registers[16]{};
    expect_equal(ravelin_vmx_run(registers, 1), 2, "VMRESUME of a VMCS not launched: VMfailValid");
    expect_equal(static_cast<u32>(vmx::last_error()), 5, "  by that number");
    guest.expect_mark(1, "after all this the guest runs");
    expect_equal(ravelin_vmx_run(registers, 0), 2, "VMLAUNCH of a launched VMCS: VMfailValid");
    expect_equal(static_cast<u32>(vmx::last_error()), 4, "  by that number");
}

cpu::FailedExit failed_entry(Guest& guest, std::string_view what) {
    const auto failed = expect_exit<cpu::FailedExit>(guest.run(), what);
    expect(failed.why != nullptr, "  in words:");
    print("        ");
    print(failed.why);
    print("\n");
    return failed;
}

void entries(Guest& guest) {
    const u32 pin = vmx::vmread<vmx::field::pin_based_controls>();
    vmx::vmwrite<vmx::field::pin_based_controls>(0);
    expect_equal(failed_entry(guest, "controls the CPU does not take").raw & 0xffff, 7, "error 7");
    vmx::vmwrite<vmx::field::pin_based_controls>(pin);

    const u16 cs = vmx::vmread<vmx::field::host_cs_selector>();
    vmx::vmwrite<vmx::field::host_cs_selector>(0);
    expect_equal(failed_entry(guest, "a null host CS").raw & 0xffff, 8, "error 8");
    vmx::vmwrite<vmx::field::host_cs_selector>(cs);

    const u64 flags = vmx::vmread<vmx::field::guest_rflags>();
    vmx::vmwrite<vmx::field::guest_rflags>(0);
    expect_equal(
        failed_entry(guest, "guest RFLAGS without bit 1").raw & 0xffff, 33, "basic exit reason 33");
    vmx::vmwrite<vmx::field::guest_rflags>(flags);
    guest.expect_mark(2, "mended, the guest runs on");
}

/// The VMCS's own memory spoilt before it is loaded.
void spoilt(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_touch_program());
    u64 spoilt = 0;
    for (u64 frame = 0x400; frame < 0x1000; ++frame) {
        // The one with the revision that was never loaded: its abort indicator and data are zero.
        const TablePage page = memory.page(HostFrame{frame});
        if (page[0] == host.revision() && page[1] == 0 && page[2] == 0) {
            page[0] = host.revision() ^ 1;
            ++spoilt;
        }
    }
    expect(spoilt != 0, "its revision is spoilt");
    guest.cpu.load();
    (void)failed_entry(guest, "a VMCS that cannot be loaded");
    expect(guest.cpu.rip() == 0 && !guest.cpu.can_take_interrupt(), "asking it things is harmless");
    guest.cpu.inject_exception(cpu::Exception::general_protection, 0);
    guest.cpu.flush_translations();
    (void)failed_entry(guest, "it stays so");
    guest.cpu.unload();
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    invalid(memory, host);
    Guest& guest = make_guest(host, memory, guest_touch_program());
    guest.cpu.load();
    valid(guest, memory, host);
    entries(guest);
    guest.cpu.unload();
    spoilt(host, memory);

    host.leave();
    static vmx::Host second;
    expect(second.enable(memory, 1000).is_ok(), "VMX operation left, and entered again");
    second.leave();
}

} // namespace ravelin::hv::micro
