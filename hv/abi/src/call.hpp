// SPDX-License-Identifier: Apache-2.0
// One hypercall on its way: who calls, with what; and the operations' handlers, which the table in
// table.cpp names.
#pragma once

#include <hv/abi/xen_abi.hpp>

namespace ravelin::hv::abi {

struct Call {
    XenAbi& abi;
    domain::Vcpu& vcpu;
    domain::Domain& domain;
    DomainState& state;
    const std::array<u64, 6>& arguments;
    /// What it has done of a long operation; a multicall counts it.
    u64 parts{};
    /// Set: the rest is another hypercall, with these first arguments.
    std::optional<std::array<u64, 3>> rest{};

    [[nodiscard]] VcpuState& vcpu_state() { return state.vcpus[vcpu.id().raw()]; }
    /// Copies the structure that argument `index` points to, once.
    template <typename T> [[nodiscard]] Result<T, Errno> read(usize index) {
        auto copied = vcpu.copy_in_value<T>(GuestVirtual{arguments[index]});
        if (!copied)
            return Failure{Errno::fault};
        return copied.value();
    }
    template <typename T> [[nodiscard]] Status<Errno> write(usize index, const T& value) {
        return write_at(GuestVirtual{arguments[index]}, value);
    }
    template <typename T> [[nodiscard]] Status<Errno> write_at(GuestVirtual to, const T& value) {
        if (!vcpu.copy_out_value(to, value))
            return Failure{Errno::fault};
        return Unit{};
    }
};

using Handler = Outcome (*)(Call& call);

// xen_version
Outcome version(Call& call);
Outcome extra_version(Call& call);
Outcome compile_info(Call& call);
Outcome capabilities(Call& call);
Outcome change_set(Call& call);
Outcome platform_parameters(Call& call);
Outcome features(Call& call);
Outcome page_size_of_abi(Call& call);
Outcome guest_handle(Call& call);
Outcome hypervisor_command_line(Call& call);
// memory_op
Outcome maximum_ram_page(Call& call);
Outcome reservation(Call& call);
Outcome memory_map(Call& call);
Outcome add_to_physmap(Call& call);
Outcome remove_from_physmap(Call& call);
Outcome add_to_physmap_batch(Call& call);
Outcome maximum_reservation(Call& call);
Outcome populate_physmap(Call& call);
Outcome decrease_reservation(Call& call);
// event_channel_op
Outcome bind_interdomain(Call& call);
Outcome bind_virq(Call& call);
Outcome close_port(Call& call);
Outcome send(Call& call);
Outcome port_status(Call& call);
Outcome allocate_unbound(Call& call);
Outcome bind_ipi(Call& call);
Outcome bind_vcpu(Call& call);
Outcome unmask(Call& call);
Outcome reset_events(Call& call);
Outcome init_control(Call& call);
Outcome expand_array(Call& call);
Outcome set_priority(Call& call);
// vcpu_op, timers
Outcome vcpu_is_up(Call& call);
Outcome vcpu_up(Call& call);
Outcome vcpu_down(Call& call);
Outcome get_runstate(Call& call);
Outcome register_runstate(Call& call);
Outcome stop_periodic_timer(Call& call);
Outcome set_singleshot_timer(Call& call);
Outcome stop_singleshot_timer(Call& call);
Outcome register_vcpu_info(Call& call);
Outcome register_vcpu_time(Call& call);
Outcome set_timer(Call& call);
// sched_op
Outcome yield(Call& call);
Outcome block(Call& call);
Outcome shutdown(Call& call);
Outcome poll(Call& call);
// grant_table_op
Outcome grant_map(Call& call);
Outcome grant_unmap(Call& call);
Outcome grant_setup_table(Call& call);
Outcome grant_copy(Call& call);
Outcome grant_query_size(Call& call);
Outcome grant_set_version(Call& call);
Outcome grant_get_version(Call& call);
// console_io, hvm_op, physdev_op, vm_assist, control
Outcome console_write(Call& call);
Outcome console_read(Call& call);
Outcome set_parameter(Call& call);
Outcome get_parameter(Call& call);
Outcome set_upcall_vector(Call& call);
Outcome device_described(Call& call);
Outcome vm_assist(Call& call);
Outcome control(Call& call);
Outcome domain_control(Call& call);
Outcome multicall(Call& call);

/// Runs one hypercall through the table; multicall's entries come here too.
Outcome dispatch(Call& call, u64 number);

// Shared by the handlers.
/// The place of a structure of `size` bytes at guest frame + offset; it must be RAM of the domain's
/// own and fit the frame, which stays pinned until unshare().
[[nodiscard]] Result<SharedPlace, Errno> share(Call& call, u64 guest_frame, u64 offset, usize size);
enum class EndOfPorts : u8 {
    reset, ///< by the guest: a hypervisor's port stays
    teardown
};
/// Closes ports of the domain, a bounded number a call; true when that is done, and the table and
/// the frames that the FIFO ABI pinned are given back.
[[nodiscard]] bool close_ports(XenAbi& abi, domain::Domain& domain, EndOfPorts end);
/// The hypervisor writes there no more.
void unshare(XenAbi& abi, std::optional<SharedPlace>& place);
/// Makes `place`, which is shared already, where the vCPU's events and time are shown.
void set_info(const domain::Domain& domain, VcpuState& vcpu, const SharedPlace& place);
/// Guest frames from here on do not exist: 48 bits of address.
constexpr u64 frame_limit = u64{1} << 36;
/// The operation's number in memory_op's first argument; above it, where to go on.
constexpr u32 memory_operation_mask = 63;
constexpr unsigned memory_extent_shift = 6;
[[nodiscard]] inline bool names_caller(const Call& call, domid_t id) {
    return id == DOMID_SELF || id == call.domain.id().raw();
}
/// Parts of one hypercall that run before the guest may take interrupts.
constexpr u64 parts_at_once = 64;
/// Writes the current time where the guest looks for it.
void publish_time(XenAbi& abi, domain::Domain& domain, DomainState& state, VcpuState& vcpu);
/// The host's time of a system time; far ones are 36 years off.
[[nodiscard]] cpu::Tsc deadline_of(Call& call, u64 nanoseconds);
/// What a vCPU did up to its last change of state, in the ABI's form.
[[nodiscard]] vcpu_runstate_info
runstate_of(XenAbi& abi, const DomainState& state, const domain::Vcpu& vcpu);
/// System time in nanoseconds.
[[nodiscard]] u64 system_time(XenAbi& abi, const DomainState& state);

} // namespace ravelin::hv::abi
