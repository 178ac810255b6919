// SPDX-License-Identifier: Apache-2.0
// The one table: number, sub-operation, what kind of operation that is for the policy, and who
// carries it out. The decision and the call are found by the same look-up, so that no operation can
// be reached past its policy line.
#include "call.hpp"

#include <hv/abi/table.hpp>
#include <wire/control.hpp>

namespace ravelin::hv::abi {
namespace {

struct Entry {
    Row row;
    Handler handler;
};

// Sorted by number and sub-operation only for the reader.
constexpr Entry entries[] = {
    {{__HYPERVISOR_memory_op,
      XENMEM_maximum_ram_page,
      "memory_op.maximum_ram_page",
      Operation::ask_own_layout},
     maximum_ram_page},
    {{__HYPERVISOR_memory_op,
      XENMEM_current_reservation,
      "memory_op.current_reservation",
      Operation::ask_own_layout},
     reservation},
    {{__HYPERVISOR_memory_op,
      XENMEM_maximum_reservation,
      "memory_op.maximum_reservation",
      Operation::ask_own_layout},
     maximum_reservation},
    {{__HYPERVISOR_memory_op,
      XENMEM_decrease_reservation,
      "memory_op.decrease_reservation",
      Operation::change_own_memory},
     decrease_reservation},
    {{__HYPERVISOR_memory_op,
      XENMEM_populate_physmap,
      "memory_op.populate_physmap",
      Operation::change_own_memory},
     populate_physmap},
    {{__HYPERVISOR_memory_op,
      XENMEM_add_to_physmap,
      "memory_op.add_to_physmap",
      Operation::change_own_layout},
     add_to_physmap},
    {{__HYPERVISOR_memory_op, XENMEM_memory_map, "memory_op.memory_map", Operation::ask_own_layout},
     memory_map},
    {{__HYPERVISOR_memory_op,
      XENMEM_remove_from_physmap,
      "memory_op.remove_from_physmap",
      Operation::change_own_layout},
     remove_from_physmap},
    {{__HYPERVISOR_memory_op,
      XENMEM_add_to_physmap_batch,
      "memory_op.add_to_physmap_batch",
      Operation::change_own_layout},
     add_to_physmap_batch},
    {{__HYPERVISOR_multicall, any_sub_operation, "multicall", Operation::batch}, multicall},
    {{__HYPERVISOR_set_timer_op, any_sub_operation, "set_timer_op", Operation::use_own_timer},
     set_timer},
    {{__HYPERVISOR_xen_version, XENVER_version, "xen_version.version", Operation::ask_version},
     version},
    {{__HYPERVISOR_xen_version,
      XENVER_extraversion,
      "xen_version.extraversion",
      Operation::ask_version},
     extra_version},
    {{__HYPERVISOR_xen_version,
      XENVER_compile_info,
      "xen_version.compile_info",
      Operation::ask_version},
     compile_info},
    {{__HYPERVISOR_xen_version,
      XENVER_capabilities,
      "xen_version.capabilities",
      Operation::ask_version},
     capabilities},
    {{__HYPERVISOR_xen_version, XENVER_changeset, "xen_version.changeset", Operation::ask_version},
     change_set},
    {{__HYPERVISOR_xen_version,
      XENVER_platform_parameters,
      "xen_version.platform_parameters",
      Operation::ask_version},
     platform_parameters},
    {{__HYPERVISOR_xen_version,
      XENVER_get_features,
      "xen_version.get_features",
      Operation::ask_version},
     features},
    {{__HYPERVISOR_xen_version, XENVER_pagesize, "xen_version.pagesize", Operation::ask_version},
     page_size_of_abi},
    {{__HYPERVISOR_xen_version,
      XENVER_guest_handle,
      "xen_version.guest_handle",
      Operation::ask_version},
     guest_handle},
    {{__HYPERVISOR_xen_version,
      XENVER_commandline,
      "xen_version.commandline",
      Operation::ask_version},
     hypervisor_command_line},
    {{__HYPERVISOR_console_io, CONSOLEIO_write, "console_io.write", Operation::write_console},
     console_write},
    {{__HYPERVISOR_console_io, CONSOLEIO_read, "console_io.read", Operation::read_console},
     console_read},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_map_grant_ref,
      "grant_table_op.map_grant_ref",
      Operation::use_grants},
     grant_map},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_unmap_grant_ref,
      "grant_table_op.unmap_grant_ref",
      Operation::use_grants},
     grant_unmap},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_setup_table,
      "grant_table_op.setup_table",
      Operation::ask_grants},
     grant_setup_table},
    {{__HYPERVISOR_grant_table_op, GNTTABOP_copy, "grant_table_op.copy", Operation::use_grants},
     grant_copy},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_query_size,
      "grant_table_op.query_size",
      Operation::ask_grants},
     grant_query_size},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_set_version,
      "grant_table_op.set_version",
      Operation::ask_grants},
     grant_set_version},
    {{__HYPERVISOR_grant_table_op,
      GNTTABOP_get_version,
      "grant_table_op.get_version",
      Operation::ask_grants},
     grant_get_version},
    {{__HYPERVISOR_vm_assist, any_sub_operation, "vm_assist", Operation::ask_version}, vm_assist},
    {{__HYPERVISOR_vcpu_op, VCPUOP_is_up, "vcpu_op.is_up", Operation::use_own_vcpus}, vcpu_is_up},
    {{__HYPERVISOR_vcpu_op, VCPUOP_up, "vcpu_op.up", Operation::use_own_vcpus}, vcpu_up},
    {{__HYPERVISOR_vcpu_op, VCPUOP_down, "vcpu_op.down", Operation::use_own_vcpus}, vcpu_down},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_get_runstate_info,
      "vcpu_op.get_runstate_info",
      Operation::use_own_vcpus},
     get_runstate},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_register_runstate_memory_area,
      "vcpu_op.register_runstate_memory_area",
      Operation::use_own_vcpus},
     register_runstate},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_stop_periodic_timer,
      "vcpu_op.stop_periodic_timer",
      Operation::use_own_timer},
     stop_periodic_timer},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_set_singleshot_timer,
      "vcpu_op.set_singleshot_timer",
      Operation::use_own_timer},
     set_singleshot_timer},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_stop_singleshot_timer,
      "vcpu_op.stop_singleshot_timer",
      Operation::use_own_timer},
     stop_singleshot_timer},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_register_vcpu_info,
      "vcpu_op.register_vcpu_info",
      Operation::use_own_vcpus},
     register_vcpu_info},
    {{__HYPERVISOR_vcpu_op,
      VCPUOP_register_vcpu_time_memory_area,
      "vcpu_op.register_vcpu_time_memory_area",
      Operation::use_own_vcpus},
     register_vcpu_time},
    {{__HYPERVISOR_sched_op, SCHEDOP_yield, "sched_op.yield", Operation::use_own_vcpus}, yield},
    {{__HYPERVISOR_sched_op, SCHEDOP_block, "sched_op.block", Operation::use_own_vcpus}, block},
    {{__HYPERVISOR_sched_op, SCHEDOP_shutdown, "sched_op.shutdown", Operation::stop_itself},
     shutdown},
    {{__HYPERVISOR_sched_op, SCHEDOP_poll, "sched_op.poll", Operation::use_own_vcpus}, poll},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_bind_interdomain,
      "event_channel_op.bind_interdomain",
      Operation::connect_events},
     bind_interdomain},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_bind_virq,
      "event_channel_op.bind_virq",
      Operation::use_own_events},
     bind_virq},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_close,
      "event_channel_op.close",
      Operation::use_own_events},
     close_port},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_send,
      "event_channel_op.send",
      Operation::use_own_events},
     send},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_status,
      "event_channel_op.status",
      Operation::use_own_events},
     port_status},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_alloc_unbound,
      "event_channel_op.alloc_unbound",
      Operation::use_own_events},
     allocate_unbound},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_bind_ipi,
      "event_channel_op.bind_ipi",
      Operation::use_own_events},
     bind_ipi},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_bind_vcpu,
      "event_channel_op.bind_vcpu",
      Operation::use_own_events},
     bind_vcpu},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_unmask,
      "event_channel_op.unmask",
      Operation::use_own_events},
     unmask},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_reset,
      "event_channel_op.reset",
      Operation::use_own_events},
     reset_events},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_init_control,
      "event_channel_op.init_control",
      Operation::use_own_events},
     init_control},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_expand_array,
      "event_channel_op.expand_array",
      Operation::use_own_events},
     expand_array},
    {{__HYPERVISOR_event_channel_op,
      EVTCHNOP_set_priority,
      "event_channel_op.set_priority",
      Operation::use_own_events},
     set_priority},
    {{__HYPERVISOR_physdev_op,
      PHYSDEVOP_pci_mmcfg_reserved,
      "physdev_op.pci_mmcfg_reserved",
      Operation::describe_device},
     device_described},
    {{__HYPERVISOR_physdev_op,
      PHYSDEVOP_pci_device_add,
      "physdev_op.pci_device_add",
      Operation::describe_device},
     device_described},
    {{__HYPERVISOR_physdev_op,
      PHYSDEVOP_pci_device_remove,
      "physdev_op.pci_device_remove",
      Operation::describe_device},
     device_described},
    {{__HYPERVISOR_hvm_op, HVMOP_set_param, "hvm_op.set_param", Operation::use_own_parameters},
     set_parameter},
    {{__HYPERVISOR_hvm_op, HVMOP_get_param, "hvm_op.get_param", Operation::use_own_parameters},
     get_parameter},
    {{__HYPERVISOR_hvm_op,
      HVMOP_set_evtchn_upcall_vector,
      "hvm_op.set_evtchn_upcall_vector",
      Operation::use_own_parameters},
     set_upcall_vector},
    {{__HYPERVISOR_domctl, any_sub_operation, "domctl", Operation::describe_domains},
     domain_control},
    {{wire::control::hypercall, any_sub_operation, "ravelin_control", Operation::use_control},
     control},
};

constexpr u8 no_entry = 0xff;
static_assert(std::size(entries) < no_entry);

constexpr auto rows = [] {
    std::array<Row, std::size(entries)> out{};
    for (usize i = 0; i < out.size(); ++i)
        out[i] = entries[i].row;
    return out;
}();
static_assert(every_row_is_decided(rows),
              "a row without an operation, out of range, or beside another for the same numbers");
// A row without a handler is a missing initialiser, which the warnings refuse.

// [xen/errno.h]
static_assert(static_cast<i64>(Errno::not_permitted) == XEN_EPERM &&
              static_cast<i64>(Errno::not_implemented) == XEN_ENOSYS &&
              static_cast<i64>(Errno::fault) == XEN_EFAULT &&
              static_cast<i64>(Errno::invalid) == XEN_EINVAL &&
              static_cast<i64>(Errno::bad_version) == XEN_EACCES &&
              static_cast<i64>(Errno::no_entry) == XEN_ENOENT &&
              static_cast<i64>(Errno::exists) == XEN_EEXIST &&
              static_cast<i64>(Errno::no_space) == XEN_ENOSPC &&
              static_cast<i64>(Errno::timed_out) == XEN_ETIME &&
              static_cast<i64>(Errno::too_big) == XEN_E2BIG &&
              static_cast<i64>(Errno::busy) == XEN_EBUSY &&
              static_cast<i64>(Errno::no_memory) == XEN_ENOMEM &&
              static_cast<i64>(Errno::again) == XEN_EAGAIN &&
              static_cast<i64>(Errno::no_such_domain) == XEN_ESRCH &&
              static_cast<i64>(Errno::not_supported) == XEN_EOPNOTSUPP);

/// From number and sub-operation to the entry, one load. A row for any sub-operation fills its
/// whole line.
struct Index {
    u8 entry[hypercall_numbers][sub_operations];
    u32 sub_operation_bits[hypercall_numbers]; ///< of the first argument; none for any
};
consteval Index make_index() {
    Index index{};
    for (auto& line : index.entry)
        for (u8& cell : line)
            cell = no_entry;
    for (u32& bits : index.sub_operation_bits)
        bits = ~u32{0};
    // memory_op carries where to go on above its number. [xen/memory.h, MEMOP_EXTENT_SHIFT]
    index.sub_operation_bits[__HYPERVISOR_memory_op] = memory_operation_mask;
    for (usize i = 0; i < std::size(entries); ++i) {
        const Row& row = entries[i].row;
        if (row.sub_operation == any_sub_operation) {
            index.sub_operation_bits[row.number] = 0;
            for (u8& cell : index.entry[row.number])
                cell = static_cast<u8>(i);
        } else {
            index.entry[row.number][row.sub_operation] = static_cast<u8>(i);
        }
    }
    return index;
}
constexpr Index entry_index = make_index();

} // namespace

std::span<const Row> operation_table() {
    return rows;
}

Outcome dispatch(Call& call, u64 number) {
    if (number >= hypercall_numbers)
        return Failure{Errno::not_implemented};
    // Sub-operations are unsigned int in every prototype: the upper half is the caller's garbage.
    const u32 sub_operation =
        static_cast<u32>(call.arguments[0]) & entry_index.sub_operation_bits[number];
    if (sub_operation >= sub_operations)
        return Failure{Errno::not_implemented};
    const u8 found = entry_index.entry[number][sub_operation];
    if (found == no_entry)
        return Failure{Errno::not_implemented};
    const Entry& entry = entries[found];
    if (!is_allowed(call.domain.role(), entry.row.operation))
        return Failure{Errno::not_permitted};
    return entry.handler(call);
}

i64 XenAbi::hypercall(domain::Vcpu& vcpu, const domain::HypercallArguments& arguments) {
    Call call{*this, vcpu, vcpu.domain(), *vcpu.domain().abi_state(), arguments.values};
    const Outcome outcome = dispatch(call, arguments.number);
    if (call.rest) { // what this part returned does not reach the guest
        auto& registers = vcpu.registers();
        registers[cpu::Register::rdi] = (*call.rest)[0];
        registers[cpu::Register::rsi] = (*call.rest)[1];
        registers[cpu::Register::rdx] = (*call.rest)[2];
        vcpu.repeat_hypercall();
    }
    return to_register(outcome);
}

} // namespace ravelin::hv::abi
