// SPDX-License-Identifier: Apache-2.0
// One port of a domain and what it is bound to, and the table of all its ports: pages taken when
// the first port in them is, so that a domain of few ports costs two frames. [xen/event_channel.h]
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <base/types.hpp>

#include <bit>
#include <optional>

namespace ravelin::hv::events {

enum class Error : u8 {
    invalid,       ///< no such port, or not of the kind asked for
    exists,        ///< the virtual interrupt is bound already
    out_of_ports,  ///< every port is taken
    out_of_frames, ///< none for the table
    no_fifo,       ///< the domain uses the 2-level ABI
    no_priorities, ///< so, asked for a priority
    changed,       ///< the port's peer is not the one that is locked
};

enum class PortKind : u8 {
    free,
    unbound,
    interdomain,
    virtual_interrupt,
    inter_processor,
    hypervisor
};

constexpr u8 default_priority = 7;

struct Port {
    PortKind kind{PortKind::free};
    u8 priority{default_priority};
    u8 vcpu{};             ///< who is told
    u8 pending{};          ///< FIFO: raised while there was no event word for it
    u8 queue_vcpu{};       ///< FIFO: the queue that it was last put on, whose tail it may still be;
    u8 queue_priority{};   ///< outlives the binding
    u16 remote_domain{};   ///< unbound: who may bind; interdomain: the other side
    u32 remote_port{};     ///< interdomain
    u32 virtual_or_peer{}; ///< virtual_interrupt: VIRQ_*; hypervisor: which consumer
};
static_assert(sizeof(Port) == 16);

/// Not thread-safe: under its domain's lock. Port 0 is never taken.
class PortTable {
  public:
    static constexpr u32 most_ports = 1u << 17; ///< the FIFO ABI's
    constexpr PortTable() = default;
    void initialise(TableMemory& memory) {
        memory_ = &memory;
        linear_ = memory.linear();
    }

    /// A free port where nothing was taken.
    [[nodiscard]] Port get(u32 number) const;
    /// Changes a port that is not free into another such.
    void set(u32 number, const Port& port);
    void free(u32 number);
    /// Takes the lowest free port from 1 and below `limit` that `is_busy(number)` does not refuse.
    /// The guest decides what is busy: it does not make this look on for ever, with its peer's lock
    /// held too.
    template <typename F>
    [[nodiscard]] Result<u32, Error> take(const Port& port, u32 limit, F&& is_busy) {
        u32 refusals = 0;
        for (u32 first = 0; first < limit; first += ports_per_page) {
            if (used_in_page(first) == ports_per_page - (first == 0 ? 1 : 0))
                continue;
            for (u32 number = first == 0 ? 1 : first; number < first + ports_per_page; ++number) {
                if (get(number).kind != PortKind::free)
                    continue;
                if (is_busy(number)) {
                    if (++refusals == most_refusals)
                        return Failure{Error::out_of_ports};
                    continue;
                }
                (void)RAVELIN_TRY(occupy(number, port));
                return number;
            }
        }
        return Failure{Error::out_of_ports};
    }
    /// The first port from `number` on that is not free.
    [[nodiscard]] std::optional<u32> next_used(u32 number) const;
    /// Gives pages without ports back.
    void trim();

  private:
    static constexpr u32 most_refusals = 256;
    static constexpr u32 ports_per_page = page_size / sizeof(Port);
    static constexpr u32 pages = most_ports / ports_per_page;
    static_assert(pages == TablePage::extent);

    [[nodiscard]] u64* entry_of(u32 number) const;
    [[nodiscard]] u64* words_of(u64 entry, u32 number) const;
    [[nodiscard]] u32 used_in_page(u32 number) const;
    [[nodiscard]] Status<Error> occupy(u32 number, const Port& port);

    TableMemory* memory_{};
    u64* linear_{}; ///< TableMemory::linear()
    std::optional<HostFrame> root_;
    u64* entries_{}; ///< root_'s: the frame's address, and below it how many ports of it are used
};

} // namespace ravelin::hv::events
