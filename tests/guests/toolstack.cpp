// SPDX-License-Identifier: Apache-2.0
// A domain 0 that is nothing but a toolstack: makes, runs, asks, types to and destroys domains
// through the control hypercall. Its ramdisk is the kernel of the domains that it makes
// (console.cpp).
#include "guest.hpp"

#include <wire/vm_control.hpp>

#include <array>

extern "C" ravelin::u32 start_info_address;

namespace ravelin::guest_test {
namespace {

using namespace ravelin::wire::control;

constexpr usize buffer_size = 4096;
std::array<u8, buffer_size> request_buffer;
std::array<u8, buffer_size> response_buffer;

u64 address(const void* pointer) {
    // SAFETY: identity-mapped.
    return reinterpret_cast<u64>(pointer);
}

i64 control(Operation operation, usize request_size) {
    return hypercall(wire::control::hypercall,
                     static_cast<u64>(operation),
                     address(request_buffer.data()),
                     request_size,
                     address(response_buffer.data()),
                     response_buffer.size());
}

template <typename Message> i64 call(Operation operation, const Message& message) {
    const auto encoded = encode(message, request_buffer);
    return encoded ? control(operation, encoded.value().size()) : -einval;
}
template <typename Message> Message answer(i64 size) {
    const auto decoded =
        decode<Message>(std::span{response_buffer}.first(size < 0 ? 0 : static_cast<usize>(size)));
    return decoded ? decoded.value() : Message{};
}
i64 on(Operation operation, DomainId id) {
    return call(operation, VmReference{id});
}
void yield() {
    (void)hypercall(hypercall_sched_op, 0);
}
/// The same call until it is done.
i64 insist(Operation operation, DomainId id) {
    for (;;) {
        const i64 done = on(operation, id);
        if (done != -eagain)
            return done;
        yield();
    }
}

u64 free_frames() {
    return answer<HostMemory>(control(Operation::host_memory, 0)).free_frames;
}

bool check(bool holds, std::string_view what) {
    if (!holds) {
        print("not so: ");
        print(what);
        print("\n");
    }
    return holds;
}

struct Kernel {
    u64 at;
    u64 size;
};
/// The first module of start_info. [xen/arch-x86/hvm/start_info.h]
Kernel given_kernel() {
    // SAFETY: what the hypervisor put there, identity-mapped.
    const u64 modules = *reinterpret_cast<const u64*>(u64{start_info_address} + 16);
    const u64* const first = reinterpret_cast<const u64*>(modules);
    return {first[0], first[1]};
}

/// A sealed domain, or nothing.
std::optional<DomainId> make(std::string_view name, u32 memory_mib) {
    VmCreate wanted;
    wanted.name = name;
    wanted.memory_mib = memory_mib;
    wanted.max_memory_mib = memory_mib;
    wanted.command_line = "made by a test";
    const i64 created = call(Operation::vm_create, wanted);
    if (created < 0) {
        print_value("vm_create failed", static_cast<u64>(-created));
        return std::nullopt;
    }
    const DomainId id = answer<VmReference>(created).domain;
    const Kernel kernel = given_kernel();
    const i64 loaded =
        call(Operation::vm_load, VmLoad{id, Image::kernel, kernel.size, 0, kernel.at, kernel.size});
    const i64 sealed = loaded < 0 ? loaded : insist(Operation::vm_seal, id);
    if (sealed != 32) {
        print_value("not sealed", static_cast<u64>(-sealed));
        return std::nullopt;
    }
    return id;
}

std::string_view said(DomainId id) {
    const auto text = answer<ConsoleText>(call(Operation::console_read, ConsoleRead{id, 0}));
    // SAFETY: char may alias any byte.
    return {reinterpret_cast<const char*>(text.bytes.data()), text.bytes.size()};
}
bool tell(DomainId id, std::string_view line) {
    // SAFETY: as above.
    const std::span bytes{reinterpret_cast<const u8*>(line.data()), line.size()};
    return answer<ConsoleTaken>(call(Operation::console_write, ConsoleWrite{id, bytes})).count ==
           line.size();
}
void wait_until_said(DomainId id, std::string_view text) {
    while (!said(id).ends_with(text))
        yield();
}
VmStop wait_until_stopped(DomainId id) {
    for (;;) {
        const VmStop stop = answer<VmStop>(on(Operation::vm_shutdown_reason, id));
        if (stop.state == VmState::stopped)
            return stop;
        yield();
    }
}

bool one_life(std::string_view wish, VmEnd end, std::string_view cause) {
    const u64 before = free_frames();
    const auto id = make("one", 32);
    if (!id)
        return false;
    bool good = check(on(Operation::vm_unpause, *id) == 0, "it starts");
    wait_until_said(*id, "ready\n");
    good = check(on(Operation::vm_pause, *id) == 0, "it pauses") && good;
    const VmSummary seen = answer<VmInfo>(on(Operation::vm_info, *id)).summary;
    good = check(seen.state == VmState::paused, "it is paused") && good;
    good = check(seen.memory_kib == 32 << 10, "it has what it was given") && good;
    good = check(on(Operation::vm_unpause, *id) == 0, "it goes on") && good;
    good = check(tell(*id, wish), "it takes what is typed") && good;
    const VmStop stop = wait_until_stopped(*id);
    good = check(stop.end == end, "it ended as it was told to") && good;
    good = check(stop.cause == cause, "and says why") && good;
    // Counted when a vCPU leaves its CPU, which a pause does not wait for.
    const u64 used = answer<VmInfo>(on(Operation::vm_info, *id)).summary.cpu_time_ns;
    good = check(used != 0, "it used a CPU") && good;
    good = check(said(*id).starts_with("ready\nheard "), "its console outlives it") && good;
    good = check(insist(Operation::vm_destroy, *id) == 0, "it is destroyed") && good;
    good = check(on(Operation::vm_info, *id) == -esrch, "it is gone") && good;
    return check(free_frames() == before, "every frame came back") && good;
}

bool refusals() {
    bool good = check(on(Operation::vm_destroy, DomainId{0}) == -einval, "not oneself");
    good = check(on(Operation::vm_pause, DomainId{77}) == -esrch, "not what is not there") && good;
    const u64 before = free_frames();
    VmCreate wanted;
    wanted.name = "broken";
    wanted.memory_mib = 32;
    wanted.max_memory_mib = 32;
    const DomainId id = answer<VmReference>(call(Operation::vm_create, wanted)).domain;
    good = check(on(Operation::vm_unpause, id) == -einval, "nothing runs unsealed") && good;
    good =
        check(on(Operation::vm_seal, id) == -einval, "nothing is sealed without a kernel") && good;
    const VmLoad outside{id, Image::kernel, 4096, 0, u64{1} << 46, 4096};
    good = check(call(Operation::vm_load, outside) == -efault, "no address of nobody's") && good;
    const VmLoad garbage{id, Image::kernel, 4096, 0, address(request_buffer.data()), 4096};
    good = check(call(Operation::vm_load, garbage) == 0, "bytes are bytes") && good;
    good = check(insist(Operation::vm_seal, id) == -einval, "but no kernel") && good;
    good = check(insist(Operation::vm_destroy, id) == 0, "it can be destroyed") && good;
    return check(free_frames() == before, "every frame came back") && good;
}

bool cycles(u32 count) {
    const u64 before = free_frames();
    for (u32 i = 0; i < count; ++i) {
        const auto id = make("cycle", 16);
        if (!id || on(Operation::vm_unpause, *id) != 0)
            return false;
        // Every third is destroyed in the middle of its life, the others at its end.
        if (i % 3 != 0) {
            wait_until_said(*id, "ready\n");
            (void)tell(*id, i % 3 == 1 ? "off\n" : "crash\n");
            (void)wait_until_stopped(*id);
        }
        if (!check(insist(Operation::vm_destroy, *id) == 0, "it is destroyed"))
            return false;
        if (i % 50 == 49)
            print_value("cycles", i + 1);
    }
    print_value("free frames before", before);
    print_value("free frames after", free_frames());
    return check(free_frames() == before, "every frame came back");
}

bool many(u32 count) {
    const u64 before = free_frames();
    std::array<DomainId, 40> ids{};
    for (u32 i = 0; i < count; ++i) {
        const std::array<char, 3> name{
            'g', static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
        const auto id = make({name.data(), name.size()}, 16);
        if (!id || on(Operation::vm_unpause, *id) != 0)
            return false;
        ids[i] = *id;
    }
    for (u32 i = 0; i < count; ++i)
        wait_until_said(ids[i], "ready\n");
    u32 running = 0;
    u16 from = 0;
    for (;;) {
        const i64 size = call(Operation::vm_list, VmListRequest{DomainId{from}});
        if (size <= 0)
            break;
        LittleReader reader{std::span{response_buffer}.first(static_cast<usize>(size))};
        while (reader.remaining() != 0) {
            const auto entry = decode_next<VmSummary>(reader);
            if (!entry)
                return false;
            running += entry.value().state == VmState::running ? 1u : 0u;
            from = static_cast<u16>(entry.value().domain.raw() + 1);
        }
    }
    print_value("domains running at once", running);
    bool good = check(running == count + 1, "all run, and domain 0");
    for (u32 i = 0; i < count; ++i)
        good = check(tell(ids[i], "off\n"), "each hears") && good;
    for (u32 i = 0; i < count; ++i) {
        good = check(wait_until_stopped(ids[i]).end == VmEnd::power_off, "each ends") && good;
        good = check(insist(Operation::vm_destroy, ids[i]) == 0, "each is destroyed") && good;
    }
    return check(free_frames() == before, "every frame came back") && good;
}

} // namespace

Verdict guest_main() {
    bool good = one_life("off\n", VmEnd::power_off, "");
    good = one_life("reboot\n", VmEnd::reboot, "") && good;
    good = one_life("crash\n", VmEnd::fault, "triple fault") && good;
    print("lives done\n");
    good = refusals() && good;
    print("refusals done\n");
    good = many(32) && good;
    print("many done\n");
    good = cycles(300) && good;
    return good ? Verdict::success : Verdict::failure;
}

} // namespace ravelin::guest_test
