// SPDX-License-Identifier: Apache-2.0
#include "tboot/launch.hpp"

namespace ravelin::tboot {
namespace {

constexpr u64 four_gib = u64{1} << 32;
constexpr u64 largest_heap = 16 * 1024 * 1024;
constexpr u64 page_size = 4096;
constexpr u64 text_log_size = 0x8000; // tboot's TBOOT_SERIAL_LOG_SIZE

Failure<Refusal> refuse(std::string_view what, std::string_view detail = {}) {
    return {Refusal{what, detail}};
}

Status<Refusal> read_shared_page(PhysicalMemory& memory, Launch& out) {
    if (out.shared_page.raw() % page_size != 0 || out.shared_page.raw() >= four_gib)
        return refuse("tboot= names no page below 4 GiB");
    const auto page = memory.view(out.shared_page, wire::tboot::Shared::size);
    if (!page)
        return refuse("tboot's shared page cannot be read");
    const auto shared = wire::tboot::decode_shared(*page);
    if (!shared)
        return refuse("tboot's shared page", text(shared.error()));
    out.shared = shared.value();
    const MemoryRange own{out.shared.base, out.shared.bytes};
    if (!contains(own, {out.shared_page, Bytes{wire::tboot::Shared::size}}))
        return refuse("tboot's shared page lies outside tboot");
    return Unit{};
}

/// A range that two registers give.
Result<MemoryRange, Refusal>
read_range(Registers& registers, u32 base, u32 size, std::string_view problem) {
    const u64 start = registers.read(base);
    const u64 bytes = registers.read(size);
    if (start == 0 || bytes == 0 || start % page_size != 0 || start >= four_gib ||
        bytes > four_gib - start || bytes > largest_heap)
        return refuse(problem);
    return MemoryRange{HostPhysical{start}, Bytes{bytes}};
}

Status<Refusal> check_status(Registers& registers) {
    const u64 status = registers.read(reg::Sts::offset);
    if (status == ~u64{0})
        return refuse("no TXT registers answer");
    if (!reg::Sts::SenterDone::get(status))
        return refuse("TXT.STS says that no GETSEC[SENTER] was done");
    if (reg::Sts::SexitDone::get(status))
        return refuse("TXT.STS says that GETSEC[SEXIT] was done");
    if (reg::Ests::TxtReset::get(registers.read(reg::Ests::offset)))
        return refuse("TXT.ESTS says that TXT reset the machine");
    return Unit{};
}

Status<Refusal> keep(Launch& out, const MemoryRange& sinit) {
    const MemoryRange ranges[]{
        out.heap_range,
        sinit,
        {out.shared.base, out.shared.bytes},
        {private_space, register_space_size},
        {public_space, register_space_size},
    };
    for (const MemoryRange& range : ranges)
        ensure(out.kept.push_back(range), "room for what TXT keeps");
    if (out.shared.log.raw() != 0)
        ensure(out.kept.push_back({out.shared.log, Bytes{text_log_size}}), "room for the log");
    return Unit{};
}

Status<Refusal> find_event_log(PhysicalMemory& memory, Launch& out) {
    const auto& pointer = out.heap.os_sinit.event_log;
    if (!pointer || pointer->next == 0)
        return refuse("SINIT left no crypto-agile event log");
    const MemoryRange buffer{pointer->start, Bytes{pointer->capacity}};
    if (!contains(out.heap_range, buffer) && !contains({out.shared.base, out.shared.bytes}, buffer))
        return refuse("the event log lies outside the TXT heap and tboot");
    const auto log = memory.view(pointer->start + pointer->first, pointer->next - pointer->first);
    if (!log)
        return refuse("the event log cannot be read");
    out.event_log = *log;
    return Unit{};
}

} // namespace

Status<Refusal>
examine(HostPhysical shared_page, Registers& registers, PhysicalMemory& memory, Launch& out) {
    out.shared_page = shared_page;
    (void)RAVELIN_TRY(read_shared_page(memory, out));
    (void)RAVELIN_TRY(check_status(registers));
    out.heap_range = RAVELIN_TRY(read_range(
        registers, reg::heap_base, reg::heap_size, "TXT.HEAP.BASE and SIZE are no heap"));
    const auto sinit = RAVELIN_TRY(read_range(
        registers, reg::sinit_base, reg::sinit_size, "TXT.SINIT.BASE and SIZE are no SINIT"));
    const auto heap =
        memory.view(out.heap_range.start, static_cast<usize>(out.heap_range.size.raw()));
    if (!heap)
        return refuse("the TXT heap cannot be read");
    if (const auto decoded = wire::txt::decode_heap(*heap, out.heap); !decoded)
        return refuse("the TXT heap", text(decoded.error().kind));
    (void)RAVELIN_TRY(keep(out, sinit));
    return find_event_log(memory, out);
}

} // namespace ravelin::tboot
