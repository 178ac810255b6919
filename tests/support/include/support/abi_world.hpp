// SPDX-License-Identifier: Apache-2.0
// A domain without a machine: host memory is an array in which every frame that is not the domain's
// holds a pattern, the CPU is a state that tests set, paging is off, so that guest-virtual is
// guest-physical. For tests and the fuzzer of the guest ABI.
#pragma once

#include <hv/abi/xen_abi.hpp>

#include <algorithm>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

namespace ravelin::test {

using namespace hv;

/// Frames of the host: first those of tables and shared pages, then the domain's, then somebody
/// else's.
class HostMemory final : public TableMemory, public guest::FrameAccess {
  public:
    static constexpr u64 table_frames = 64;
    static constexpr u64 domain_frames = 64;
    static constexpr u64 foreign_frames = 16;
    static constexpr u64 first_domain_frame = table_frames;
    static constexpr u64 first_foreign_frame = table_frames + domain_frames;
    static constexpr u8 pattern = 0xa5;

    HostMemory() {
        for (u64 i = first_foreign_frame; i < frames_.size(); ++i)
            frames_[i].fill(pattern);
    }
    Result<HostFrame, TableMemoryError> allocate() override {
        if (next_ == table_frames || allocations_left == 0)
            return Failure{TableMemoryError::out_of_frames};
        --allocations_left;
        ++allocated;
        return HostFrame{next_++};
    }
    u64 allocations_left{table_frames};
    u64 allocated{};
    void release(HostFrame) override { ++released; }
    u64 released{}; ///< frames given back; they are not handed out again
    TablePage page(HostFrame frame) override {
        // SAFETY: a frame is 512 words, aligned as such.
        return TablePage{reinterpret_cast<u64*>(frames_.at(frame.raw()).data()), 512};
    }
    std::span<u8, page_size> bytes(HostFrame frame) override { return frames_.at(frame.raw()); }
    [[nodiscard]] bool foreign_frames_are_untouched() const {
        return std::all_of(frames_.begin() + first_foreign_frame, frames_.end(), [](const auto& f) {
            return std::all_of(f.begin(), f.end(), [](u8 byte) { return byte == pattern; });
        });
    }

  private:
    struct alignas(page_size) FrameBytes : std::array<u8, page_size> {};
    std::vector<FrameBytes> frames_{table_frames + domain_frames + foreign_frames};
    u64 next_{1};
};

/// A CPU that is only asked for its paging state.
class IdleCpu final : public cpu::VirtualCpu {
  public:
    void load() override {}
    void unload() override {}
    cpu::Exit run(cpu::GeneralRegisters&) override { return cpu::ResumeExit{}; }
    void reset_to_flat_protected_mode(u32) override {}
    void reset_to_start_up(Vector) override {}
    u8 hypercall_opcode() const override { return 0xc1; }
    u64 rip() const override { return 0; }
    u64 cr4() const override { return 0; }
    void skip(u8) override {}
    void set_next_rip(u64) override {}
    cpu::PagingState paging_state() const override { return {}; }
    u8 privilege_level() const override { return 0; }
    bool in_64bit_kernel() const override { return true; }
    cpu::CodeSize code_size() const override { return cpu::CodeSize::bits64; }
    cpu::Segment segment(cpu::SegmentName) const override { return {}; }
    u64 efer() const override { return 0; }
    void set_efer(u64) override {}
    u64 xcr0() const override { return 1; }
    void set_xcr0(u64) override {}
    bool can_take_interrupt() const override { return true; }
    bool has_event() const override { return false; }
    bool interrupts_enabled() const override { return true; }
    void inject_interrupt(Vector) override {}
    void inject_exception(cpu::Exception, std::optional<u32>) override {}
    void inject_page_fault(GuestVirtual, u32) override {}
    void request_interrupt_window(cpu::InterruptWindow) override {}
    u8 task_priority() const override { return 0; }
    void set_task_priority(u8) override {}
    void set_tsc_offset(u64 offset) override { offset_ = offset; }
    u64 tsc_offset() const override { return offset_; }
    void flush_translations() override {}
    const cpu::SwitchCounters& counters() const override { return counters_; }

  private:
    u64 offset_{};
    cpu::SwitchCounters counters_;
};

/// Remembers which vectors were raised.
class RecordingApic final : public cpu::LocalApic {
  public:
    std::optional<Vector> pending_vector() const override {
        return raised.empty() ? std::nullopt : std::optional{raised.back()};
    }
    void accept(Vector) override { raised.clear(); }
    u8 task_priority() const override { return 0; }
    void set_task_priority(u8) override {}
    u32 read(u32, cpu::Tsc) override { return 0; }
    void write(u32, u32, cpu::Tsc) override {}
    std::optional<u64> read_msr(u32, cpu::Tsc) override { return std::nullopt; }
    bool write_msr(u32, u64, cpu::Tsc) override { return false; }
    std::optional<cpu::Tsc> deadline() const override { return std::nullopt; }
    void expire(cpu::Tsc) override {}
    void reset() override {}

    void request(Vector vector) override { raised.push_back(vector); }

    std::vector<Vector> raised;
};

class TestMachine final : public abi::Machine {
  public:
    cpu::Tsc now() const override { return tsc; }
    u64 tsc_khz() const override { return 2'000'000; }
    u64 cpu_time_ns(const domain::Domain& domain) const override {
        return 1000 + domain.id().raw();
    }
    u64 boot_time_seconds() const override { return 1'700'000'000; }
    void write_console(const domain::Domain&, std::string_view text) override { console += text; }
    std::optional<char> read_console() override {
        if (typed.empty())
            return std::nullopt;
        const char first = typed.front();
        typed.erase(0, 1);
        return first;
    }

    cpu::Tsc tsc{1'000'000};
    std::string console;
    std::string typed;
};

/// Frames of the host as the allocator sees them: the domain's, and somebody else's.
class HostFrames final : mm::Scrubber {
  public:
    static constexpr DomainId foreign{9};
    HostFrames(HostMemory& memory, DomainId owner) : memory_{memory} {
        allocator.initialise(table_, *this);
        hand_out(HostMemory::first_domain_frame, HostMemory::domain_frames, owner);
        hand_out(HostMemory::first_foreign_frame, HostMemory::foreign_frames, foreign);
        scrubs_ = true;
    }
    mm::FrameAllocator allocator;

  private:
    void hand_out(u64 first, u64 count, DomainId owner) {
        allocator.add_ram(HostFrame{first}, count);
        const auto block = allocator.allocate_contiguous(count, mm::FrameType::domain, owner);
        ensure(block.is_ok() && block.value().raw() == first, "frames of a fresh host");
    }
    void scrub(HostFrame first, u64 count) override {
        for (u64 i = 0; scrubs_ && i < count; ++i)
            std::ranges::fill(memory_.bytes(first + i), u8{0});
    }
    HostMemory& memory_;
    bool scrubs_{false};
    std::vector<mm::FrameInfo> table_{HostMemory::first_foreign_frame + HostMemory::foreign_frames};
};

/// A domain without devices.
class NoDevices final : public grants::DmaMirror {
  public:
    grants::Mirrored map(const domain::Domain&, GuestFrame, HostFrame, Access) override {
        return grants::Mirrored::done;
    }
    bool unmap(const domain::Domain&, GuestFrame) override { return true; }
};

/// A machine of one domain.
class OneDomain final : public domain::Directory {
  public:
    domain::Reference find(DomainId id) override {
        return only != nullptr && only->id() == id ? domain::Reference{*only} : domain::Reference{};
    }
    domain::Domain* only{};
};

/// One domain with one vCPU and 256 KiB of RAM from guest-physical zero.
class AbiWorld {
  public:
    explicit AbiWorld(domain::Role role = domain::Role::domain0,
                      abi::ControlHandler* control = nullptr,
                      domain::Directory* others = nullptr,
                      DomainId own = id,
                      LabelId label = LabelId{0})
        : frames{memory, own}, xen{machine,
                                   control,
                                   abi::Surroundings{others == nullptr ? directory : *others,
                                                     frames.allocator,
                                                     no_devices}},
          guest{domain::Identity{own, domain::Name{"test"}, role, label},
                stage2::Layout{},
                memory,
                memory,
                xen} {
        ensure(guest.stage2().initialise().is_ok(), "stage 2");
        ensure(guest.stage2()
                   .map(GuestPhysical{0},
                        HostFrame{HostMemory::first_domain_frame}.address(),
                        Bytes{ram_bytes},
                        Access::all,
                        stage2::MemoryType::write_back)
                   .is_ok(),
               "RAM");
        ensure(guest.memory_map().push_back(
                   {GuestPhysical{0}, Bytes{ram_bytes}, domain::MemoryKind::ram}),
               "memory map");
        directory.only = &guest;
        ensure(xen.set_up(guest, *state, memory).is_ok(), "ABI state");
    }

    i64 call(u64 number, std::array<u64, 6> arguments) {
        return xen.hypercall(vcpu, {number, arguments});
    }
    /// call() as a guest sees it, which executes its instruction until it is done; how many parts
    /// that took.
    u64 parts{};
    i64 call_whole(u64 number, std::array<u64, 6> arguments) {
        for (parts = 1;; ++parts) {
            const i64 result = call(number, arguments);
            if (!vcpu.take_repeat())
                return result;
            auto& registers = vcpu.registers();
            arguments[0] = registers[cpu::Register::rdi];
            arguments[1] = registers[cpu::Register::rsi];
            arguments[2] = registers[cpu::Register::rdx];
        }
    }
    template <typename T> void put(u64 at, const T& value) {
        ensure(vcpu.copy_out_value(GuestVirtual{at}, value).is_ok(), "test data fits RAM");
    }
    template <typename T> T get(u64 at) {
        const auto value = vcpu.copy_in_value<T>(GuestVirtual{at});
        ensure(value.is_ok(), "test data lies in RAM");
        return value.value();
    }
    /// A hypercall whose structure is its argument `index`; what the guest then finds there.
    template <typename T>
    i64 call_with(u64 number, u64 operation, T& argument, usize index = 1, u64 first = 0) {
        put(scratch, argument);
        std::array<u64, 6> arguments{operation, first};
        arguments[index] = scratch;
        const i64 result = call(number, arguments);
        argument = get<T>(scratch);
        return result;
    }
    /// Does what the run loop does before an entry.
    void deliver() {
        if (vcpu.take_event_check())
            xen.deliver_events(vcpu);
    }

    /// Whether stage 2 shows the guest its own frames and the ABI's pages, and nothing else.
    [[nodiscard]] bool sees_only_its_own() {
        std::vector<HostFrame> shared{state->shared_info};
        for (u32 i = 0; i < state->grants.frame_count(); ++i)
            shared.push_back(state->grants.frame(i).value());
        constexpr u64 frames_looked_at = 0x800;
        for (u64 frame = 0; frame < frames_looked_at; ++frame) {
            const auto found = guest.stage2().translate(GuestFrame{frame}.address());
            if (!found)
                continue;
            const HostFrame host = HostFrame::of(found->address);
            const bool own = host.raw() >= HostMemory::first_domain_frame &&
                             host.raw() < HostMemory::first_foreign_frame;
            const bool shown = std::ranges::find(shared, host) != shared.end();
            if (!own && !shown)
                return false;
        }
        return true;
    }

    static constexpr u64 ram_bytes = HostMemory::domain_frames * page_size;
    static constexpr u64 scratch = 0x8000;

    static constexpr DomainId id{3};

    HostMemory memory;
    HostFrames frames;
    NoDevices no_devices;
    OneDomain directory;
    TestMachine machine;
    abi::XenAbi xen;
    std::unique_ptr<abi::DomainState> state{std::make_unique<abi::DomainState>()};
    domain::Domain guest;
    IdleCpu virtual_cpu;
    RecordingApic lapic;
    domain::Vcpu vcpu{guest, VcpuId{0}, virtual_cpu, lapic};
};

} // namespace ravelin::test
