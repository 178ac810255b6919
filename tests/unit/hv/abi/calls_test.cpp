// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

TEST(Version, speaks_xen_4_17) {
    AbiWorld world;
    EXPECT_EQ(world.call(__HYPERVISOR_xen_version, {XENVER_version}), 4 << 16 | 17);
    EXPECT_EQ(world.xen.cpuid(world.vcpu, 0x40000001, 0).eax, 4u << 16 | 17u);
    const auto signature = world.xen.cpuid(world.vcpu, 0x40000000, 0);
    EXPECT_EQ(signature.ebx, u32{XEN_CPUID_SIGNATURE_EBX});
    EXPECT_GE(signature.eax, 0x40000004u);
    EXPECT_EQ(world.xen.cpuid(world.vcpu, 0x40000003, 0).ecx, 2'000'000u);
    const auto hvm = world.xen.cpuid(world.vcpu, 0x40000004, 0);
    EXPECT_NE(hvm.eax & XEN_HVM_CPUID_UPCALL_VECTOR, 0u);
    EXPECT_EQ(hvm.eax & (XEN_HVM_CPUID_APIC_ACCESS_VIRT | XEN_HVM_CPUID_X2APIC_VIRT), 0u);
    EXPECT_EQ(hvm.ecx, 3u);
    EXPECT_EQ(world.xen.cpuid(world.vcpu, 0x400000ff, 0).eax, 0u);
}

TEST(Version, withholds_physical_interrupts_and_says_who_domain_0_is) {
    for (const auto role : {domain::Role::domain0, domain::Role::guest}) {
        AbiWorld world{role};
        xen_feature_info info{0, 0};
        EXPECT_EQ(world.call_with(__HYPERVISOR_xen_version, XENVER_get_features, info), 0);
        EXPECT_EQ(info.submap >> XENFEAT_hvm_pirqs & 1, 0u);
        EXPECT_EQ(info.submap >> XENFEAT_auto_translated_physmap & 1, 1u);
        EXPECT_EQ(info.submap >> XENFEAT_dom0 & 1, role == domain::Role::domain0 ? 1u : 0u);
    }
}

TEST(HypercallPage, is_written_to_ram_of_the_guest_and_nowhere_else) {
    AbiWorld world;
    EXPECT_EQ(world.xen.write_msr(world.vcpu, 0x40000000, 0x5000), domain::MsrOutcome::done);
    constexpr u64 stub = 0x5000 + 32 * 12;
    EXPECT_EQ(world.get<u8>(stub), 0xb8);
    EXPECT_EQ(world.get<u32>(stub + 1), 12u);
    EXPECT_EQ(world.get<u8>(stub + 7), 0xc1) << "the CPU's own hypercall instruction";
    EXPECT_EQ(world.get<u8>(stub + 8), 0xc3);
    for (const u64 bad : {AbiWorld::ram_bytes, u64{0x5001}, ~u64{0} << 12})
        EXPECT_EQ(world.xen.write_msr(world.vcpu, 0x40000000, bad),
                  domain::MsrOutcome::general_protection);
    EXPECT_EQ(world.xen.write_msr(world.vcpu, 0x40000001, 0x5000),
              domain::MsrOutcome::general_protection);
}

TEST(Console, carries_text_both_ways) {
    AbiWorld world;
    std::string text(300, 'x');
    text += "end";
    for (usize i = 0; i < text.size(); ++i)
        world.put(0x9000 + i, text[i]);
    EXPECT_EQ(world.call_whole(__HYPERVISOR_console_io, {CONSOLEIO_write, text.size(), 0x9000}), 0);
    EXPECT_EQ(world.machine.console, text);
    EXPECT_EQ(world.parts, 3u) << "the guest takes interrupts after 128 bytes";
    world.machine.console.clear();
    EXPECT_EQ(world.call_whole(__HYPERVISOR_console_io, {CONSOLEIO_write, ~u64{0}, 0x9000}),
              -XEN_EFAULT);
    EXPECT_EQ(world.machine.console.size(), AbiWorld::ram_bytes - 0x9000);
    world.machine.typed = "ls\n";
    EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_read, u64{1} << 31, 0xa000}),
              -XEN_E2BIG);
    EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_read, 2, 0xa000}), 2);
    EXPECT_EQ(world.get<u8>(0xa001), 's');
    EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_read, 16, 0xa000}), 1);
    EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_read, 16, 0xa000}), 0);
}

TEST(Shutdown, has_the_guests_reason) {
    using enum domain::StopReason;
    for (const auto& [asked, stopped] : {std::pair{SHUTDOWN_poweroff, power_off},
                                         {SHUTDOWN_reboot, reboot},
                                         {SHUTDOWN_crash, crash},
                                         {SHUTDOWN_watchdog, watchdog}}) {
        AbiWorld world;
        sched_shutdown request{static_cast<unsigned>(asked)};
        EXPECT_EQ(world.call_with(__HYPERVISOR_sched_op, SCHEDOP_shutdown, request), 0);
        EXPECT_EQ(world.guest.stop_reason(), stopped);
    }
    AbiWorld world;
    sched_shutdown request{99};
    EXPECT_EQ(world.call_with(__HYPERVISOR_sched_op, SCHEDOP_shutdown, request), -XEN_EINVAL);
    EXPECT_TRUE(world.guest.running());
}

TEST(Parameters, a_guest_sets_its_callback_and_nothing_else) {
    AbiWorld world;
    xen_hvm_param parameter{DOMID_SELF, 0, HVM_PARAM_CALLBACK_IRQ, u64{2} << 56 | 0xf4};
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_param, parameter), 0);
    parameter.value = 0;
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_get_param, parameter), 0);
    EXPECT_EQ(parameter.value, u64{2} << 56 | 0xf4);
    for (u32 index = 1; index < HVM_NR_PARAMS; ++index) {
        parameter.index = index;
        EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_param, parameter), -XEN_EPERM)
            << index;
    }
    parameter.index = HVM_NR_PARAMS;
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_get_param, parameter), -XEN_EINVAL);
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_param, parameter), -XEN_EINVAL);
    parameter = {0, 0, HVM_PARAM_CALLBACK_IRQ, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_get_param, parameter), -XEN_EPERM)
        << "another domain's";
}

TEST(Parameters, a_callback_is_a_vector_or_a_line_that_is_never_raised) {
    AbiWorld world;
    const auto set = [&](u64 value) {
        xen_hvm_param parameter{DOMID_SELF, 0, HVM_PARAM_CALLBACK_IRQ, value};
        return world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_param, parameter);
    };
    EXPECT_EQ(set(0), 0);
    EXPECT_EQ(set(1), 0) << "what Linux writes beside per-vCPU vectors";
    EXPECT_EQ(set(u64{2} << 56 | 0x10), 0);
    EXPECT_EQ(set(u64{2} << 56 | 0x0f), -XEN_EINVAL);
    EXPECT_EQ(set(u64{1} << 56 | 3), -XEN_EINVAL);
    EXPECT_EQ(set(~u64{0}), -XEN_EINVAL);
}

TEST(Parameters, a_guest_reads_what_is_meant_for_it) {
    AbiWorld world;
    world.state->parameters[HVM_PARAM_STORE_PFN] = 0x1234;
    for (u32 index = 0; index < HVM_NR_PARAMS; ++index) {
        const bool meant = index <= HVM_PARAM_STORE_EVTCHN || index == HVM_PARAM_CONSOLE_PFN ||
                           index == HVM_PARAM_CONSOLE_EVTCHN;
        xen_hvm_param parameter{DOMID_SELF, 0, index, 7};
        EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_get_param, parameter),
                  meant ? 0 : -XEN_EPERM)
            << index;
        if (index == HVM_PARAM_STORE_PFN) {
            EXPECT_EQ(parameter.value, 0x1234u);
        }
    }
}

TEST(Version, a_feature_map_that_does_not_exist_is_refused) {
    AbiWorld world;
    xen_feature_info info{XENFEAT_NR_SUBMAPS, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_xen_version, XENVER_get_features, info), -XEN_EINVAL);
}

TEST(Multicall, goes_on_later_after_a_part_and_ends_where_memory_does) {
    AbiWorld world;
    constexpr u64 at = 0x10000;
    for (u64 i = 0; i < 100; ++i) {
        multicall_entry entry{};
        entry.op = __HYPERVISOR_xen_version;
        entry.args[0] = i == 99 ? 63 : XENVER_pagesize;
        world.put(at + i * sizeof(entry), entry);
    }
    auto& registers = world.vcpu.registers();
    EXPECT_EQ(world.call(__HYPERVISOR_multicall, {at, 100}), 0);
    EXPECT_TRUE(world.vcpu.take_repeat());
    EXPECT_EQ(registers[cpu::Register::rsi], 36u);
    EXPECT_EQ(world.call(__HYPERVISOR_multicall,
                         {registers[cpu::Register::rdi], registers[cpu::Register::rsi]}),
              0);
    EXPECT_FALSE(world.vcpu.take_repeat());
    const auto result = [&](u64 i) {
        return static_cast<i64>(
            world.get<multicall_entry>(at + i * sizeof(multicall_entry)).result);
    };
    EXPECT_EQ(result(0), i64{page_size});
    EXPECT_EQ(result(98), i64{page_size});
    EXPECT_EQ(result(99), -XEN_ENOSYS);
    EXPECT_EQ(world.call(__HYPERVISOR_multicall, {AbiWorld::ram_bytes - 64, ~u64{0}}), -XEN_EFAULT);
}

// One entry of many parts, or many of them, keep the CPU no longer than one part.
TEST(Multicall, of_long_operations_is_as_interruptible_as_they_are) {
    AbiWorld world;
    constexpr u64 list = 0x10000;
    constexpr u64 batch = 0x20000;
    constexpr u64 copies = 500;
    for (u64 i = 0; i < copies; ++i) {
        gnttab_copy copy{};
        copy.source.domid = copy.dest.domid = DOMID_SELF;
        copy.source.u.gmfn = copy.dest.u.gmfn = 0x9;
        copy.status = 77;
        world.put(batch + i * sizeof(copy), copy);
    }
    for (u64 i = 0; i < 3; ++i) {
        multicall_entry entry{};
        entry.op = __HYPERVISOR_grant_table_op;
        entry.args[0] = GNTTABOP_copy;
        entry.args[1] = batch + i * (copies / 4) * sizeof(gnttab_copy);
        entry.args[2] = copies / 2;
        entry.result = 77;
        world.put(list + i * sizeof(entry), entry);
    }
    EXPECT_EQ(world.call_whole(__HYPERVISOR_multicall, {list, 3}), 0);
    EXPECT_GE(world.parts, 3 * (copies / 2 / 64));
    for (u64 i = 0; i < 3; ++i)
        EXPECT_EQ(world.get<multicall_entry>(list + i * sizeof(multicall_entry)).result, 0u);
    for (u64 i = 0; i < copies; ++i)
        EXPECT_EQ(world.get<gnttab_copy>(batch + i * sizeof(gnttab_copy)).status, GNTST_okay) << i;
}

TEST(Multicall, carries_the_result_of_an_operation_of_many_parts) {
    AbiWorld world;
    constexpr u64 pages = 0x9000;
    constexpr u64 first = 0x20;
    for (u64 i = 0; i < 20; ++i)
        world.put(pages + i * 8, first + i);
    xen_memory_reservation request{};
    request.nr_extents = 20;
    request.domid = DOMID_SELF;
    // SAFETY: a guest's address in a field that is a pointer.
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(pages);
    world.put(0x8000, request);
    multicall_entry entry{};
    entry.op = __HYPERVISOR_memory_op;
    entry.args[0] = XENMEM_decrease_reservation;
    entry.args[1] = 0x8000;
    world.put(0x10000, entry);
    EXPECT_EQ(world.call_whole(__HYPERVISOR_multicall, {0x10000, 1}), 0);
    EXPECT_EQ(world.get<multicall_entry>(0x10000).result, 20u);
    EXPECT_EQ(world.state->balloon.current(), test::HostMemory::domain_frames - 20);
}

TEST(SetUp, that_runs_out_of_memory_keeps_nothing) {
    for (u64 have = 0;; ++have) {
        AbiWorld world;
        abi::DomainState state;
        world.memory.allocations_left = have;
        const u64 before = world.memory.allocated - world.memory.released;
        if (world.xen.set_up(world.guest, state, world.memory)) {
            EXPECT_GT(have, 1u);
            break;
        }
        EXPECT_EQ(world.memory.allocated - world.memory.released, before) << have;
    }
}

TEST(Grants, answer_sizes_and_version_one) {
    AbiWorld world;
    gnttab_query_size size{DOMID_SELF, 0, 0, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, size), 0);
    EXPECT_EQ(size.status, GNTST_okay);
    EXPECT_EQ(size.max_nr_frames, 64u);
    size.dom = 0;
    EXPECT_EQ(world.call_with(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, size), 0);
    EXPECT_EQ(size.status, GNTST_permission_denied);
    gnttab_set_version version{2};
    EXPECT_EQ(world.call_with(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, version),
              -XEN_ENOSYS);
    version.version = 1;
    EXPECT_EQ(world.call_with(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, version), 0);
}

TEST(Multicall, decides_each_entry_by_its_own_row) {
    AbiWorld world{domain::Role::guest};
    const auto entry = [&](u64 index, u64 number, u64 first) {
        multicall_entry call{};
        call.op = number;
        call.args[0] = first;
        world.put(0x9000 + index * sizeof(call), call);
    };
    entry(0, __HYPERVISOR_xen_version, XENVER_version);
    entry(1, __HYPERVISOR_console_io, CONSOLEIO_read);
    entry(2, __HYPERVISOR_multicall, 0x9000);
    entry(3, __HYPERVISOR_sysctl, 0);
    EXPECT_EQ(world.call(__HYPERVISOR_multicall, {0x9000, 4}), 0);
    const auto result = [&](u64 index) {
        return static_cast<i64>(
            world.get<multicall_entry>(0x9000 + index * sizeof(multicall_entry)).result);
    };
    EXPECT_EQ(result(0), 4 << 16 | 17);
    EXPECT_EQ(result(1), -XEN_EPERM);
    EXPECT_EQ(result(2), -XEN_EINVAL) << "no multicall of multicalls";
    EXPECT_EQ(result(3), -XEN_ENOSYS);
}

class Echo final : public abi::ControlHandler {
  public:
    i64 control(domain::Vcpu&,
                u64 operation,
                std::span<const u8> request,
                std::span<u8> response) override {
        if (operation != 1)
            return -XEN_EINVAL;
        if (response.size() < request.size())
            return -XEN_ENOBUFS;
        std::copy(request.begin(), request.end(), response.begin());
        return static_cast<i64>(request.size());
    }
};

TEST(Control, copies_the_request_in_and_the_response_out) {
    Echo echo;
    AbiWorld world{domain::Role::domain0, &echo};
    world.put(0x9000, u64{0x1122334455667788});
    world.put(0xa000, u64{0});
    EXPECT_EQ(world.call(wire::control::hypercall, {1, 0x9000, 8, 0xa000, 8}), 8);
    EXPECT_EQ(world.get<u64>(0xa000), 0x1122334455667788u);
    EXPECT_EQ(world.call(wire::control::hypercall, {1, 0x9000, 8, 0xa000, 4}), -XEN_ENOBUFS);
    EXPECT_EQ(world.call(wire::control::hypercall, {2, 0x9000, 8, 0xa000, 8}), -XEN_EINVAL);
    EXPECT_EQ(world.call(wire::control::hypercall, {1, 0x9000, 5000, 0xa000, 5000}), -XEN_E2BIG);
    EXPECT_EQ(world.call(wire::control::hypercall, {1, AbiWorld::ram_bytes, 8, 0xa000, 8}),
              -XEN_EFAULT);
    EXPECT_EQ(world.call(wire::control::hypercall, {1, 0x9000, 8, AbiWorld::ram_bytes, 8}),
              -XEN_EFAULT);
    EXPECT_EQ(world.call(wire::control::hypercall, {1, 0x9000, 0, 0xa000, 0}), 0);
}

TEST(Control, is_domain_0s_and_absent_without_a_handler) {
    Echo echo;
    AbiWorld guest{domain::Role::guest, &echo};
    EXPECT_EQ(guest.call(wire::control::hypercall, {1, 0x9000, 8, 0xa000, 8}), -XEN_EPERM);
    AbiWorld without;
    EXPECT_EQ(without.call(wire::control::hypercall, {1, 0x9000, 8, 0xa000, 8}), -XEN_ENOSYS);
}

} // namespace
} // namespace ravelin
