// SPDX-License-Identifier: Apache-2.0
// What hostile guests ask: for each row of the dispatch table a request whose fields are right,
// around an edge, or anything, and which lies in memory, across its end, or nowhere.
#pragma once

#include <hv/abi/table.hpp>

#include <support/hypercall_world.hpp>

namespace ravelin::test {

/// A number below the one given: a random generator's, or a fuzzer's bytes.
using Choose = std::function<u64(u64)>;

class HypercallRequests {
  public:
    using Words = std::array<u64, 6>;
    static constexpr usize domains = 3;

    HypercallRequests(Choose& choose, SharedHost& host) : choose_{choose}, host_{host} {}

    /// The arguments of a hypercall of that row, whose structures are in the guest's memory.
    Words request(HistoryDomain& own, const abi::Row& row) {
        const u64 sub = row.sub_operation == abi::any_sub_operation ? number() : row.sub_operation;
        switch (row.number) {
        case __HYPERVISOR_grant_table_op:
            return grant_request(own, row.sub_operation);
        case __HYPERVISOR_memory_op:
            return {sub | (choose_(16) == 0 ? number() << 6 : 0),
                    memory_request(own, row.sub_operation)};
        case __HYPERVISOR_event_channel_op:
            return {sub, event_request(own, row.sub_operation)};
        case __HYPERVISOR_vcpu_op:
            return {sub, choose_(3), vcpu_request(own, row.sub_operation)};
        case __HYPERVISOR_multicall:
            return multicall(own);
        case __HYPERVISOR_hvm_op:
            return {sub, hvm_request(own, row.sub_operation)};
        case __HYPERVISOR_sched_op:
            if (row.sub_operation == SCHEDOP_poll)
                return {sub,
                        put(own,
                            sched_poll{{pointer<evtchn_port_t>(address())},
                                       static_cast<unsigned>(count()),
                                       number()})};
            if (row.sub_operation == SCHEDOP_shutdown && choose_(8) != 0)
                return {sub, ~u64{0}};
            return {sub, address()};
        case __HYPERVISOR_domctl: {
            xen_domctl one{};
            one.cmd = choose_(8) == 0 ? port() : u32{XEN_DOMCTL_getdomaininfo};
            one.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
            one.domain = domain_id();
            return {put(own, one)};
        }
        case __HYPERVISOR_console_io:
            return {sub, choose_(300), address()};
        default:
            return {sub, address(), number(), address(), number(), number()};
        }
    }

    Words grant_request(HistoryDomain& own, u32 sub) {
        const u64 at = address();
        const u64 entries = choose_(8) == 0 ? number() : 1 + choose_(3);
        for (u64 i = 0; i < std::min<u64>(entries, 3); ++i) {
            switch (sub) {
            case GNTTABOP_map_grant_ref: {
                gnttab_map_grant_ref one{};
                one.host_addr = place() << page_shift | (choose_(16) == 0 ? choose_(4096) : 0);
                one.flags = static_cast<u32>(choose_(8) == 0 ? number() : 2 | choose_(2) << 2);
                one.ref = static_cast<grant_ref_t>(number());
                one.dom = domain_id();
                put(own, at + i * sizeof(one), &one, sizeof(one));
                break;
            }
            case GNTTABOP_unmap_grant_ref: {
                gnttab_unmap_grant_ref one{};
                one.host_addr = place() << page_shift;
                one.handle = static_cast<u32>(choose_(6) | choose_(4) << 15);
                put(own, at + i * sizeof(one), &one, sizeof(one));
                break;
            }
            case GNTTABOP_copy: {
                gnttab_copy one{};
                one.flags = static_cast<u16>(choose_(8) == 0 ? number() : choose_(4));
                for (auto* const end : {&one.source, &one.dest}) {
                    end->domid = domain_id();
                    if (choose_(2) == 0)
                        end->u.ref = static_cast<grant_ref_t>(number());
                    else
                        end->u.gmfn = place();
                    end->offset = static_cast<u16>(choose_(4) == 0 ? choose_(4200) : 0);
                }
                one.len = static_cast<u16>(choose_(4) == 0 ? choose_(4200) : choose_(64));
                put(own, at + i * sizeof(one), &one, sizeof(one));
                break;
            }
            case GNTTABOP_setup_table: {
                gnttab_setup_table one{};
                one.dom = domain_id();
                one.nr_frames = static_cast<u32>(choose_(8) == 0 ? number() : 1 + choose_(3));
                one.frame_list.p = pointer<xen_pfn_t>(address());
                put(own, at, &one, sizeof(one));
                break;
            }
            default: {
                const std::array<u32, 4> one{domain_id(), port(), port(), port()};
                put(own, at, &one, sizeof(one));
            }
            }
        }
        return {sub, at, entries};
    }

    u64 memory_request(HistoryDomain& own, u32 sub) {
        switch (sub) {
        case XENMEM_decrease_reservation:
        case XENMEM_populate_physmap: {
            const u64 list = address();
            const std::array<u64, 3> extents{place(), place(), place()};
            put(own, list, &extents, sizeof(extents));
            xen_memory_reservation one{};
            one.extent_start.p = pointer<xen_pfn_t>(list);
            one.nr_extents = choose_(8) == 0 ? number() : 1 + choose_(3);
            one.extent_order = choose_(16) == 0 ? static_cast<unsigned>(number()) : 0;
            one.domid = choose_(8) == 0 ? domain_id() : domid_t{DOMID_SELF};
            return put(own, one);
        }
        case XENMEM_add_to_physmap:
            return put(own,
                       xen_add_to_physmap{choose_(8) == 0 ? domain_id() : domid_t{DOMID_SELF},
                                          0,
                                          static_cast<unsigned>(choose_(3)),
                                          choose_(4) == 0 ? number() : choose_(2),
                                          place()});
        case XENMEM_add_to_physmap_batch: {
            xen_add_to_physmap_batch one{};
            one.domid = choose_(8) == 0 ? domain_id() : domid_t{DOMID_SELF};
            one.space = static_cast<u16>(choose_(3));
            one.size = static_cast<u16>(count());
            one.idxs.p = pointer<xen_ulong_t>(address());
            one.gpfns.p = pointer<xen_pfn_t>(address());
            one.errs.p = pointer<int>(address());
            return put(own, one);
        }
        case XENMEM_remove_from_physmap:
            return put(own,
                       xen_remove_from_physmap{choose_(8) == 0 ? domain_id() : domid_t{DOMID_SELF},
                                               place()});
        case XENMEM_memory_map: {
            xen_memory_map one{};
            one.nr_entries = static_cast<unsigned>(number());
            one.buffer.p = pointer<void>(address());
            return put(own, one);
        }
        default:
            return put(own, domain_id());
        }
    }

    u64 event_request(HistoryDomain& own, u32 sub) {
        const domid_t self = choose_(8) == 0 ? domain_id() : domid_t{DOMID_SELF};
        switch (sub) {
        case EVTCHNOP_bind_interdomain:
            return put(own, evtchn_bind_interdomain{domain_id(), port(), 0});
        case EVTCHNOP_bind_virq:
            return put(own, evtchn_bind_virq{port(), static_cast<u32>(choose_(3)), 0});
        case EVTCHNOP_alloc_unbound:
            return put(own, evtchn_alloc_unbound{self, domain_id(), 0});
        case EVTCHNOP_bind_vcpu:
            return put(own, evtchn_bind_vcpu{port(), static_cast<u32>(choose_(3))});
        case EVTCHNOP_reset:
            return choose_(8) == 0 ? put(own, evtchn_reset{self}) : ~u64{0};
        case EVTCHNOP_init_control:
            return put(own,
                       evtchn_init_control{place(),
                                           static_cast<u32>(choose_(8) * 0x48),
                                           static_cast<u32>(choose_(3)),
                                           0,
                                           {}});
        case EVTCHNOP_expand_array:
            return put(own, evtchn_expand_array{place()});
        case EVTCHNOP_set_priority:
            return put(own, evtchn_set_priority{port(), static_cast<u32>(choose_(20))});
        default: {
            const std::array<u32, 4> one{port(), port(), 0, 0};
            return put(own, one);
        }
        }
    }

    u64 vcpu_request(HistoryDomain& own, u32 sub) {
        switch (sub) {
        case VCPUOP_register_vcpu_info:
            return put(own,
                       vcpu_register_vcpu_info{place(), static_cast<u32>(choose_(70) * 64), 0});
        case VCPUOP_set_singleshot_timer:
            return put(own, vcpu_set_singleshot_timer{number(), static_cast<u32>(choose_(3))});
        default:
            return put(own, address());
        }
    }

    u64 hvm_request(HistoryDomain& own, u32 sub) {
        if (sub == HVMOP_set_evtchn_upcall_vector)
            return put(own,
                       xen_hvm_evtchn_upcall_vector{static_cast<u32>(choose_(3)),
                                                    static_cast<u8>(choose_(256))});
        return put(own,
                   xen_hvm_param{domid_t{DOMID_SELF},
                                 0,
                                 static_cast<u32>(choose_(3) == 0 ? number() : 0),
                                 choose_(3) << 56 | choose_(256)});
    }

    Words multicall(HistoryDomain& own) {
        const u64 at = address();
        const auto table = abi::operation_table();
        for (u64 i = 0; i < 3; ++i) {
            const abi::Row& row = table[choose_(table.size())];
            if (row.number == __HYPERVISOR_multicall)
                continue;
            multicall_entry entry{};
            entry.op = row.number;
            const Words arguments = request(own, row);
            std::copy(arguments.begin(), arguments.end(), entry.args);
            put(own, at + i * sizeof(entry), &entry, sizeof(entry));
        }
        return {at, choose_(8) == 0 ? number() : 1 + choose_(3)};
    }

    u64 number() {
        constexpr std::array<u64, 12> odd{
            0, 1, 63, 64, 65, 511, 4096, 0x1ffff, 0x8000'0000, 0xffff'ffff, u64{1} << 36, ~u64{0}};
        return choose_(3) == 0 ? odd[choose_(odd.size())] : choose_(8);
    }
    u16 domain_id() {
        constexpr std::array<u16, 4> odd{DOMID_SELF, DOMID_IO, DOMID_XEN, 99};
        return choose_(4) == 0 ? odd[choose_(odd.size())] : static_cast<u16>(choose_(domains));
    }
    u64 place() {
        switch (choose_(8)) {
        case 0:
            return number();
        case 1:
        case 2:
        case 3:
            return choose_(HistoryDomain::ram);
        default:
            return HistoryDomain::hole +
                   choose_(HistoryDomain::holes + HistoryDomain::table_places);
        }
    }
    /// Where structures lie: in RAM, at its end, across pages, in holes and nowhere.
    u64 address() {
        switch (choose_(12)) {
        case 0:
            return HistoryDomain::ram * page_size - choose_(32);
        case 1:
            return (1 + choose_(HistoryDomain::ram - 1)) * page_size - choose_(32);
        case 2:
            return place() << page_shift;
        case 3:
            return number() << choose_(60);
        default:
            return choose_(HistoryDomain::ram) * page_size + choose_(4) * 0x208;
        }
    }
    u64 count() { return choose_(12) == 0 ? number() : choose_(4); }
    u32 port() { return static_cast<u32>(number()); }

    /// As the guest writes its own memory: what is not there is not written.
    void put(HistoryDomain& own, u64 to, const void* data, usize size) {
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        // SAFETY: a structure's bytes.
        (void)own.first.copy_out(GuestVirtual{to}, {static_cast<const u8*>(data), size}).is_ok();
        host_.meanwhile = meanwhile;
    }
    template <typename T> u64 put(HistoryDomain& own, const T& value) {
        const u64 to = address();
        put(own, to, &value, sizeof(T));
        return to;
    }
    template <typename T> T* pointer(u64 at) {
        // SAFETY: a guest's address in a field that is a pointer; never used as one.
        return reinterpret_cast<T*>(at);
    }

  private:
    Choose& choose_;
    SharedHost& host_;
};

} // namespace ravelin::test
