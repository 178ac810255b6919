// SPDX-License-Identifier: Apache-2.0
// The VMX instructions. Each reports VMfailInvalid (CF) and VMfailValid (ZF) [SDM vol3 31.2];
// VMREAD and VMWRITE of a field that exists, with a current VMCS, cannot fail, so their failure is
// an invariant of ours and ends the world.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/vmx/error.hpp>
#include <hv/vmx/field.hpp>

namespace ravelin::hv::vmx {

namespace detail {
[[nodiscard]] constexpr Status<Error> outcome(bool carry, bool zero) {
    if (carry)
        return Failure{Error::fail_invalid};
    if (zero)
        return Failure{Error::fail_valid};
    return Unit{};
}
} // namespace detail

/// Enters VMX operation with a region of one frame whose revision is set.
[[nodiscard]] inline Status<Error> vmxon(HostPhysical region) {
    bool carry = false;
    bool zero = false;
    const u64 address = region.raw();
    // SAFETY: the region is a frame of the caller's that only the CPU uses from here on; CR4.VMXE
    // is set.
    asm volatile("vmxon %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(address) : "memory");
    return detail::outcome(carry, zero);
}

/// Leaves VMX operation.
inline void vmxoff() {
    // SAFETY: only called in VMX operation, when no VMCS is active on this CPU.
    asm volatile("vmxoff" ::: "cc", "memory");
}

[[nodiscard]] inline Status<Error> vmclear(HostPhysical vmcs) {
    bool carry = false;
    bool zero = false;
    const u64 address = vmcs.raw();
    // SAFETY: writes back and forgets the region, which stays the caller's frame.
    asm volatile("vmclear %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(address) : "memory");
    return detail::outcome(carry, zero);
}

[[nodiscard]] inline Status<Error> vmptrld(HostPhysical vmcs) {
    bool carry = false;
    bool zero = false;
    const u64 address = vmcs.raw();
    // SAFETY: makes the region current; its frame belongs to one VmxCpu.
    asm volatile("vmptrld %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(address) : "memory");
    return detail::outcome(carry, zero);
}

enum class InveptType : u64 { single_context = 1, all_contexts = 2 };

[[nodiscard]] inline Status<Error> invept(InveptType type, u64 ept_pointer) {
    bool carry = false;
    bool zero = false;
    struct {
        u64 pointer;
        u64 reserved;
    } descriptor{ept_pointer, 0};
    // SAFETY: drops cached translations; the descriptor is read only.
    asm volatile("invept %2, %3"
                 : "=@ccc"(carry), "=@ccz"(zero)
                 : "m"(descriptor), "r"(static_cast<u64>(type))
                 : "memory");
    return detail::outcome(carry, zero);
}

enum class InvvpidType : u64 { single_context = 1, all_contexts = 2 };

[[nodiscard]] inline Status<Error> invvpid(InvvpidType type, u16 vpid) {
    bool carry = false;
    bool zero = false;
    struct {
        u64 vpid;
        u64 address;
    } descriptor{vpid, 0};
    // SAFETY: drops cached translations; the descriptor is read only.
    asm volatile("invvpid %2, %3"
                 : "=@ccc"(carry), "=@ccz"(zero)
                 : "m"(descriptor), "r"(static_cast<u64>(type))
                 : "memory");
    return detail::outcome(carry, zero);
}

template <typename F> [[nodiscard]] inline typename F::value_type vmread() {
    u64 value = 0;
    bool failed = false;
    // SAFETY: reads a field of the current VMCS; "be" is CF or ZF, either way of failing.
    asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=rm"(value) : "r"(u64{F::encoding}));
    ensure(!failed, "VMREAD without a current VMCS");
    return static_cast<typename F::value_type>(value);
}

template <typename F>
requires(F::writable) inline void vmwrite(typename F::value_type value) {
    bool failed = false;
    // SAFETY: writes a field of the current VMCS, which the next VM entry checks.
    asm volatile("vmwrite %1, %2"
                 : "=@ccbe"(failed)
                 : "rm"(u64{value}), "r"(u64{F::encoding})
                 : "memory");
    ensure(!failed, "VMWRITE without a current VMCS");
}

/// Why the last VMX instruction failed with VMfailValid. Precondition: there is a current VMCS.
[[nodiscard]] inline InstructionError last_error() {
    return static_cast<InstructionError>(vmread<field::instruction_error>());
}

} // namespace ravelin::hv::vmx
