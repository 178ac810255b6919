// SPDX-License-Identifier: Apache-2.0
// One host of several domains for tests of the whole guest ABI: frames behind the real allocator,
// tables from it, devices that reach what they are told, and domains of two vCPUs.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <support/abi_world.hpp>
#include <support/grant_world.hpp>

namespace ravelin::test {

/// The host of several domains; what domains write while the hypervisor works is its `meanwhile`.
class SharedHost final : public mm::Scrubber, public guest::FrameAccess, public TableMemory {
  public:
    static constexpr u64 frame_count = 1024;
    SharedHost() {
        frames.initialise(table_, *this);
        frames.add_ram(HostFrame{1}, frame_count - 1);
    }
    void scrub(HostFrame first, u64 count) override {
        for (u64 i = 0; i < count; ++i)
            std::memset(at(first + i).data(), 0, page_size);
    }
    std::span<u8, page_size> bytes(HostFrame frame) override {
        if (meanwhile)
            meanwhile();
        return at(frame);
    }
    Result<HostFrame, TableMemoryError> allocate() override {
        if (failing.now())
            return Failure{TableMemoryError::out_of_frames};
        const auto frame = frames.allocate(
            mm::FrameOrder::size_4k, mm::FrameType::page_table, mm::hypervisor_owner);
        if (!frame)
            return Failure{TableMemoryError::out_of_frames};
        return frame.value();
    }
    void release(HostFrame frame) override {
        ensure(frames.release(frame, 1, mm::hypervisor_owner).is_ok(), "a table's frame");
        std::memset(at(frame).data(), 0xee, page_size);
    }
    TablePage page(HostFrame frame) override {
        if (meanwhile)
            meanwhile();
        // SAFETY: a frame is 512 words, aligned as such.
        return TablePage{reinterpret_cast<u64*>(at(frame).data()), 512};
    }
    [[nodiscard]] std::span<u8, page_size> at(HostFrame frame) {
        ensure(frame.raw() != 0 && frame.raw() < frame_count, "a frame of the host");
        return std::span<u8, page_size>{first_ + frame.raw() * page_size, page_size};
    }

    mm::FrameAllocator frames;
    Failing failing;
    std::function<void()> meanwhile;

  private:
    // Most of it is never touched, which calloc() makes cheap.
    std::unique_ptr<void, decltype(&std::free)> memory_{std::calloc(frame_count + 1, page_size),
                                                        &std::free};
    // SAFETY: aligned up, with a frame to spare.
    u8* first_{reinterpret_cast<u8*>(
        (reinterpret_cast<std::uintptr_t>(memory_.get()) + page_size - 1) & ~(page_size - 1))};
    std::vector<mm::FrameInfo> table_{frame_count};
};

/// What every domain's devices reach.
class SharedDevices final : public grants::DmaMirror {
  public:
    grants::Mirrored
    map(const domain::Domain& domain, GuestFrame at, HostFrame frame, Access) override {
        if (failing.now() || !reached.try_emplace({domain.id().raw(), at.raw()}, frame).second)
            return grants::Mirrored::refused;
        return grants::Mirrored::done;
    }
    bool unmap(const domain::Domain& domain, GuestFrame at) override {
        reached.erase({domain.id().raw(), at.raw()});
        return true;
    }
    Failing failing;
    std::map<std::pair<u16, u64>, HostFrame> reached;
};

/// Around the edges of what guests may name.
constexpr std::array<u64, 12> odd_numbers{
    0, 1, 63, 64, 65, 511, 4096, 0x1ffff, 0x8000'0000, 0xffff'ffff, u64{1} << 36, ~u64{0}};

class HistoryDomain {
  public:
    static constexpr u64 ram = 12;
    static constexpr u64 hole = 0x1000; ///< guest frames where things are mapped
    static constexpr u64 holes = 8;
    static constexpr u64 table_places = 8; ///< guest frames from `hole + holes` on

    HistoryDomain(u16 number, u8 label, SharedHost& host, SharedDevices& devices, abi::XenAbi& abi)
        : domain{domain::Identity{DomainId{number},
                                  domain::Name{"history"},
                                  number == 0 ? domain::Role::domain0 : domain::Role::guest,
                                  LabelId{label}},
                 stage2::Layout{},
                 host,
                 host,
                 abi} {
        ensure(domain.stage2().initialise().is_ok(), "stage 2");
        for (u64 i = 0; i < ram; ++i) {
            const auto frame =
                host.frames.allocate(mm::FrameOrder::size_4k, mm::FrameType::domain, domain.id());
            ensure(frame.is_ok() && domain.stage2()
                                        .map(GuestFrame{i}.address(),
                                             frame.value().address(),
                                             Bytes{page_size},
                                             Access::all,
                                             stage2::MemoryType::write_back)
                                        .is_ok(),
                   "RAM");
            ensure(devices.map(domain, GuestFrame{i}, frame.value(), Access::read_write) ==
                       grants::Mirrored::done,
                   "RAM of devices");
        }
        ensure(domain.memory_map().push_back(
                   {GuestPhysical{0}, Bytes{ram * page_size}, domain::MemoryKind::ram}),
               "memory map");
        ensure(abi.set_up(domain, *state, host).is_ok(), "ABI state");
        state->balloon.set_maximum(ram + 3);
        grants = state->grants.frame(0).value();
    }

    /// All guest frames at which something may be.
    template <typename F> void for_each_place(F&& body) {
        for (u64 i = 0; i < ram; ++i)
            body(i);
        for (u64 i = 0; i < holes + table_places; ++i)
            body(hole + i);
        for (const u64 odd : odd_numbers)
            if (odd >= ram && odd != hole)
                body(odd);
    }
    [[nodiscard]] std::optional<HostFrame> frame(u64 at) {
        const auto found = domain.stage2().translate(GuestFrame{at}.address());
        return found ? std::optional{HostFrame::of(found->address)} : std::nullopt;
    }

    std::unique_ptr<abi::DomainState> state{std::make_unique<abi::DomainState>()};
    domain::Domain domain;
    std::array<IdleCpu, 2> cpus;
    std::array<RecordingApic, 2> apics;
    domain::Vcpu first{domain, VcpuId{0}, cpus[0], apics[0]};
    domain::Vcpu second{domain, VcpuId{1}, cpus[1], apics[1]};
    HostFrame grants{}; ///< the first frame of its table
    bool dying{false};
};

} // namespace ravelin::test
