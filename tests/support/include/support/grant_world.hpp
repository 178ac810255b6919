// SPDX-License-Identifier: Apache-2.0
// Domains without vCPUs on one host: memory is an array behind the real frame allocator, tables and
// records come from it, allocations and changes of DMA tables can be made to fail. Safe to use from
// several threads.
#pragma once

#include <hv/domain/guest_abi.hpp>
#include <hv/grants/balloon.hpp>
#include <hv/grants/grant_table.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace ravelin::test {

using namespace hv;

/// Says whether the next thing fails.
class Failing {
  public:
    void after(u64 successes) { left_ = successes; }
    void never() { left_ = std::numeric_limits<u64>::max(); }
    [[nodiscard]] bool now() {
        u64 left = left_.load();
        while (left != std::numeric_limits<u64>::max()) {
            if (left == 0)
                return true;
            if (left_.compare_exchange_weak(left, left - 1))
                return false;
        }
        return false;
    }

  private:
    std::atomic<u64> left_{std::numeric_limits<u64>::max()};
};

class Host final : public mm::Scrubber, public guest::FrameAccess, public TableMemory {
  public:
    static constexpr u64 frame_count = 2048;
    Host() {
        frames.initialise(table_, *this);
        frames.add_ram(HostFrame{1}, frame_count - 1);
    }
    void scrub(HostFrame first, u64 count) override {
        for (u64 i = 0; i < count; ++i)
            std::ranges::fill(bytes(first + i), u8{0});
    }
    std::span<u8, page_size> bytes(HostFrame frame) override { return memory_.at(frame.raw()); }
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
    }
    TablePage page(HostFrame frame) override {
        // SAFETY: a frame is 512 words, aligned as such.
        return TablePage{reinterpret_cast<u64*>(memory_.at(frame.raw()).data()), 512};
    }
    u64* linear() override { return page(HostFrame{0}).data(); }
    [[nodiscard]] u64 pins() {
        u64 sum = 0;
        for (u64 i = 0; i < frame_count; ++i)
            sum += frames.info(HostFrame{i}).pins;
        return sum;
    }

    mm::FrameAllocator frames;
    Failing failing;

  private:
    struct alignas(page_size) FrameBytes : std::array<u8, page_size> {};
    std::vector<FrameBytes> memory_{frame_count};
    std::vector<mm::FrameInfo> table_{frame_count};
};

/// What every domain's devices reach, and whether the rules of its order were kept.
class Devices final : public grants::DmaMirror {
  public:
    explicit Devices(Host& host) : host_{host} {}
    grants::Mirrored
    map(const domain::Domain& domain, GuestFrame at, HostFrame frame, Access access) override {
        const std::lock_guard guard{mutex_};
        if (silent)
            return grants::Mirrored::unknown;
        if (failing.now() || reached_.contains({domain.id().raw(), at.raw()}))
            return grants::Mirrored::refused;
        reached_[{domain.id().raw(), at.raw()}] = {frame, access};
        return grants::Mirrored::done;
    }
    bool unmap(const domain::Domain& domain, GuestFrame at) override {
        const std::lock_guard guard{mutex_};
        const auto found = reached_.find({domain.id().raw(), at.raw()});
        if (found == reached_.end() || stuck)
            return !stuck;
        const mm::FrameInfo info = host_.frames.info(found->second.first);
        const bool kept =
            info.pins != 0 || info.type == mm::FrameType::leaving || info.owner == domain.id();
        order_was_kept = order_was_kept && kept;
        reached_.erase(found);
        return true;
    }
    [[nodiscard]] std::optional<HostFrame> reached(DomainId domain, u64 at) {
        const std::lock_guard guard{mutex_};
        const auto found = reached_.find({domain.raw(), at});
        return found == reached_.end() ? std::nullopt : std::optional{found->second.first};
    }

    Failing failing;
    bool order_was_kept{true};
    bool stuck{false};  ///< a unit that does not answer
    bool silent{false}; ///< one that may have seen what could not be mapped

  private:
    Host& host_;
    std::mutex mutex_;
    std::map<std::pair<u16, u64>, std::pair<HostFrame, Access>> reached_;
};

class NoAbi final : public domain::GuestAbi {
  public:
    i64 hypercall(domain::Vcpu&, const domain::HypercallArguments&) override { return 0; }
    domain::CpuidResult cpuid(const domain::Vcpu&, u32, u32) const override { return {}; }
    domain::MsrOutcome write_msr(domain::Vcpu&, u32, u64) override {
        return domain::MsrOutcome::done;
    }
    void timer_expired(domain::Vcpu&) override {}
    void deliver_events(domain::Vcpu&) override {}
    void turn_begins(domain::Vcpu&) override {}
};

/// A domain with `ram` pages from guest frame zero, its grant table and its balloon.
class GrantDomain {
  public:
    static constexpr u64 ram = 32;
    GrantDomain(u16 id, Host& host, Devices& devices)
        : domain{domain::Identity{
                     DomainId{id}, domain::Name{"test"}, domain::Role::guest, LabelId{0}},
                 stage2::Layout{},
                 host,
                 host,
                 abi},
          host_{host} {
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
        ensure(grants.set_up(domain, host, host.frames, devices).is_ok(), "grant table");
        balloon.set_up(domain, host.frames, devices);
    }
    ~GrantDomain() {
        if (grants.entries_in_use() == 0)
            grants.tear_down();
        for (u64 i = 0; i < Host::frame_count; ++i)
            if (host_.frames.info(HostFrame{i}).owner == domain.id())
                (void)host_.frames.release(HostFrame{i}, 1, domain.id()).is_ok();
    }

    /// The guest's own view of its first shared frame.
    [[nodiscard]] std::atomic_ref<u64> entry(u32 reference) {
        return std::atomic_ref{host_.page(grants.frame(reference / 512).value())[reference % 512]};
    }
    void grant(u32 reference, u16 to, u64 page, u64 flags = 1) {
        entry(reference).store(flags | u64{to} << 16 | page << 32);
    }
    [[nodiscard]] u64 flags(u32 reference) { return entry(reference).load() & 0xffff; }
    /// As Linux ends a grant: only while nobody uses it.
    [[nodiscard]] bool end_grant(u32 reference) {
        u64 seen = entry(reference).load();
        return (seen & 0x18) == 0 &&
               entry(reference).compare_exchange_strong(seen, seen & ~u64{0xffff});
    }
    [[nodiscard]] std::optional<HostFrame> frame(u64 page) {
        const auto found = domain.stage2().translate(GuestFrame{page}.address());
        return found ? std::optional{HostFrame::of(found->address)} : std::nullopt;
    }
    [[nodiscard]] u8& byte(u64 page, usize offset = 0) {
        return host_.bytes(frame(page).value())[offset];
    }

    NoAbi abi;
    domain::Domain domain;
    grants::GrantTable grants;
    grants::Balloon balloon;

  private:
    Host& host_;
};

} // namespace ravelin::test
