// SPDX-License-Identifier: Apache-2.0
// Answers to the exits of single instructions. Each either completes the instruction and moves RIP
// behind it, or leaves RIP and injects an exception, or stops the domain.
#include <hv/domain/msr_policy.hpp>
#include <hv/domain/run_loop.hpp>

#include <algorithm>

namespace ravelin::hv::domain {

namespace {

using cpu::Register;

constexpr u8 cpuid_bytes = 2;
constexpr u8 msr_bytes = 2;
constexpr u8 halt_bytes = 1;
constexpr u8 xsetbv_bytes = 3;
constexpr u8 hypercall_bytes = 3;

constexpr i64 error_permission = -1;       // Xen's EPERM
constexpr i64 error_not_implemented = -38; // Xen's ENOSYS

constexpr u64 low32 = 0xffff'ffff;

} // namespace

void RunLoop::handle_cpuid() {
    ++counters_.cpuid;
    // A program of Linux asks dozens of times when it starts, nearly always for what is constant.
    if (const CpuidResult* const constant =
            policy_.constant(static_cast<u32>(registers_[Register::rax])))
        return answer_cpuid(*constant);
    answer_cpuid(variable_cpuid());
}

void RunLoop::answer_cpuid(const CpuidResult& result) {
    registers_[Register::rax] = result.eax;
    registers_[Register::rbx] = result.ebx;
    registers_[Register::rcx] = result.ecx;
    registers_[Register::rdx] = result.edx;
    cpu_.skip(cpuid_bytes);
}

/// Apart from the above, whose registers need not be saved for it.
CpuidResult RunLoop::variable_cpuid() {
    const u32 leaf = static_cast<u32>(registers_[Register::rax]);
    const u32 subleaf = static_cast<u32>(registers_[Register::rcx]);
    const u32 vcpus = static_cast<u32>(domain_.vcpus().size());
    if ((leaf & ~0xffu) == CpuidPolicy::guest_abi_base)
        return domain_.guest_abi().cpuid(vcpu_, leaf, subleaf);
    return policy_.lookup(
        leaf, subleaf, CpuidState{vcpu_.id().raw(), vcpus, cpu_.cr4()}, physical_);
}

void RunLoop::handle_hypercall() {
    ++counters_.hypercalls;
    // RIP first: a hypercall may look at it, and a stopped domain is reported behind it.
    cpu_.skip(hypercall_bytes);
    u64& result = registers_[Register::rax];
    if (!cpu_.in_64bit_kernel()) {
        result = static_cast<u64>(cpu_.privilege_level() != 0 ? error_permission
                                                              : error_not_implemented);
        if (cpu_.code_size() != cpu::CodeSize::bits64)
            result &= low32;
        return;
    }
    const HypercallArguments arguments{result,
                                       {registers_[Register::rdi],
                                        registers_[Register::rsi],
                                        registers_[Register::rdx],
                                        registers_[Register::r10],
                                        registers_[Register::r8],
                                        registers_[Register::r9]}};
    const i64 outcome = domain_.guest_abi().hypercall(vcpu_, arguments);
    if (vcpu_.take_repeat())
        cpu_.set_next_rip(cpu_.rip() - hypercall_bytes);
    else
        result = static_cast<u64>(outcome);
}

void RunLoop::handle_msr_read() {
    ++counters_.msr;
    const auto value = read_msr(vcpu_, static_cast<u32>(registers_[Register::rcx]), physical_);
    if (!value)
        return cpu_.inject_exception(cpu::Exception::general_protection, 0);
    registers_[Register::rax] = value.value() & low32;
    registers_[Register::rdx] = value.value() >> 32;
    cpu_.skip(msr_bytes);
}

void RunLoop::handle_msr_write() {
    ++counters_.msr;
    const u64 value = registers_[Register::rdx] << 32 | (registers_[Register::rax] & low32);
    if (!write_msr(vcpu_, static_cast<u32>(registers_[Register::rcx]), value, policy_, physical_))
        return cpu_.inject_exception(cpu::Exception::general_protection, 0);
    cpu_.skip(msr_bytes);
}

void RunLoop::handle_halt() {
    ++counters_.halts;
    cpu_.skip(halt_bytes);
    vcpu_.set_activity(cpu_.interrupts_enabled() ? Activity::halted : Activity::halted_for_good);
}

void RunLoop::handle_xsetbv() {
    const u64 value = registers_[Register::rdx] << 32 | (registers_[Register::rax] & low32);
    // x87 always; AVX needs SSE; the three AVX-512 parts come together and need AVX. [APM vol3]
    constexpr u64 x87 = 1;
    constexpr u64 sse = 2;
    constexpr u64 avx = 4;
    constexpr u64 avx512 = 0xe0;
    const bool valid =
        static_cast<u32>(registers_[Register::rcx]) == 0 && cpu_.privilege_level() == 0 &&
        (value & x87) != 0 && (value & ~policy_.xcr0_mask()) == 0 &&
        ((value & avx) == 0 || (value & sse) != 0) &&
        ((value & avx512) == 0 || ((value & avx512) == avx512 && (value & avx) != 0));
    if (!valid)
        return cpu_.inject_exception(cpu::Exception::general_protection, 0);
    cpu_.set_xcr0(value);
    cpu_.skip(xsetbv_bytes);
}

void RunLoop::handle_undefined_opcode() {
    constexpr std::array<u8, hypercall_bytes> vmcall{0x0f, 0x01, 0xc1};
    constexpr std::array<u8, hypercall_bytes> vmmcall{0x0f, 0x01, 0xd9};
    std::array<u8, hypercall_bytes> bytes{};
    if (fetch(bytes) == bytes.size() && (bytes == vmcall || bytes == vmmcall))
        return handle_hypercall();
    cpu_.inject_exception(cpu::Exception::undefined_opcode);
}

usize RunLoop::fetch(std::span<u8> bytes) {
    u64 linear = cpu_.rip();
    if (cpu_.code_size() != cpu::CodeSize::bits64)
        linear = (linear + cpu_.segment(cpu::SegmentName::cs).base) & low32;
    return guest::fetch(domain_.memory(), cpu_.paging_state(), GuestVirtual{linear}, bytes);
}

} // namespace ravelin::hv::domain
