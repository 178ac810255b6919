// SPDX-License-Identifier: Apache-2.0
// Runs one PVH guest, given as the first multiboot module, on hv/svm and hv/domain alone. Trusts
// its guest's ELF header: it is ours. [Multiboot specification 0.6.96]
#include <hv/domain/basic_devices.hpp>
#include <hv/domain/run_loop.hpp>
#include <hv/svm/virtual_cpu.hpp>

#include <string_view>

namespace ravelin::bare {
namespace {

using namespace hv;

constexpr u64 frame_pool = 0x0100'0000;
constexpr u64 guest_host_base = 0x1000'0000;
constexpr u64 guest_bytes = 0x0400'0000;

void out(u16 port, u8 value) {
    // SAFETY: COM1 and the exit port of this machine, whose only owner this program is.
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
void print(std::string_view text) {
    for (const char c : text)
        out(0x3f8, static_cast<u8>(c));
}
void print_hex(u64 value) {
    for (int shift = 60; shift >= 0; shift -= 4)
        out(0x3f8, static_cast<u8>("0123456789abcdef"[value >> shift & 15]));
}
[[noreturn]] void end(u8 status) {
    for (;;)
        out(0xf4, status);
}

/// Frames one after the other from 16 MiB; identity-mapped, never given back.
class Frames final : public TableMemory, public guest::FrameAccess {
  public:
    Result<HostFrame, TableMemoryError> allocate() override { return HostFrame{next_++}; }
    void release(HostFrame) override {}
    TablePage page(HostFrame frame) override {
        // SAFETY: the pool is RAM of the test machine, zero at start, used by nothing else.
        return TablePage{reinterpret_cast<u64*>(frame.address().raw()), 512};
    }
    std::span<u8, page_size> bytes(HostFrame frame) override {
        // SAFETY: the guest's memory, identity-mapped.
        return std::span<u8, page_size>{reinterpret_cast<u8*>(frame.address().raw()), page_size};
    }

  private:
    u64 next_ = frame_pool >> page_shift;
};

class Machine final : public domain::PhysicalCpu {
  public:
    cpu::Tsc now() const override { return cpu::Tsc{__builtin_ia32_rdtsc()}; }
    void set_timer(std::optional<cpu::Tsc>) override {}
    void service_interrupts() override {}
    void wait_for_interrupt() override { end(3); }
    domain::CpuidResult native_cpuid(u32 leaf, u32 subleaf) const override {
        domain::CpuidResult r{};
        // SAFETY: CPUID writes its four registers only.
        asm volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
        return r;
    }
    void flush_caches() override {}
};

class NoApic final : public cpu::LocalApic {
  public:
    std::optional<Vector> pending_vector() const override { return std::nullopt; }
    void accept(Vector) override {}
    u8 task_priority() const override { return 0; }
    void set_task_priority(u8) override {}
    u32 read(u32, cpu::Tsc) override { return ~u32{0}; }
    void write(u32, u32, cpu::Tsc) override {}
    std::optional<u64> read_msr(u32, cpu::Tsc) override { return std::nullopt; }
    bool write_msr(u32, u64, cpu::Tsc) override { return false; }
    std::optional<cpu::Tsc> deadline() const override { return std::nullopt; }
    void expire(cpu::Tsc) override {}
    void reset() override {}
    void request(Vector) override {}
};

class ThreeHypercalls final : public domain::GuestAbi {
  public:
    i64 hypercall(domain::Vcpu& vcpu, const domain::HypercallArguments& arguments) override {
        const auto& values = arguments.values;
        switch (arguments.number) {
        case 17:
            return 4 << 16 | 17;
        case 18: {
            std::array<u8, 256> text{};
            const usize size = values[1] < text.size() ? values[1] : text.size();
            if (!vcpu.copy_in(GuestVirtual{values[2]}, std::span{text}.first(size)))
                return -14;
            for (usize i = 0; i < size; ++i)
                out(0x3f8, text[i]);
            return 0;
        }
        case 29:
            vcpu.domain().stop(domain::StopReason::power_off);
            return 0;
        default:
            return -38;
        }
    }
    domain::CpuidResult cpuid(const domain::Vcpu&, u32, u32) const override { return {}; }
    domain::MsrOutcome write_msr(domain::Vcpu&, u32, u64) override {
        return domain::MsrOutcome::general_protection;
    }
    void timer_expired(domain::Vcpu&) override {}
    void deliver_events(domain::Vcpu&) override {}
    void turn_begins(domain::Vcpu&) override {}
};

template <typename T> T value_at(u64 address) {
    T out{};
    __builtin_memcpy(&out, reinterpret_cast<const void*>(address), sizeof(T)); // SAFETY: module
    return out;
}

/// Copies the loadable segments and returns the PVH entry, which tests/guests puts first.
u32 load_guest(u64 module, domain::Domain& target) {
    const u64 headers = module + value_at<u64>(module + 32);
    const u16 count = value_at<u16>(module + 56);
    u32 entry = 0;
    for (u16 i = 0; i < count; ++i) {
        const u64 header = headers + i * 56u;
        const u64 offset = value_at<u64>(header + 8);
        if (value_at<u32>(header) == 4)
            entry = value_at<u32>(module + offset + 16);
        if (value_at<u32>(header) != 1)
            continue;
        // SAFETY: the module is RAM that holds the file; the sizes are our own linker's.
        const auto* const bytes = reinterpret_cast<const u8*>(module + offset);
        ensure(target.memory()
                   .write(GuestPhysical{value_at<u64>(header + 24)},
                          std::span<const u8>{bytes, value_at<u64>(header + 32)})
                   .is_ok(),
               "the guest fits its memory");
    }
    return entry;
}

/// Room for a T that is constructed once at run time and never destroyed.
template <typename T> struct Room {
    alignas(T) std::array<u8, sizeof(T)> bytes;
    template <typename... Args> T& make(Args&&... args) {
        // SAFETY: aligned storage of the right size, used once.
        return *std::construct_at(reinterpret_cast<T*>(bytes.data()), std::forward<Args>(args)...);
    }
};

Frames frames;
Room<domain::Domain> domain_room;
Room<domain::Vcpu> vcpu_room;
Machine machine;
NoApic apic;
ThreeHypercalls abi;
svm::Host host;
svm::VirtualCpu virtual_cpu;
domain::AbsentTimer timer;
domain::PowerPorts power;

} // namespace

extern "C" void bare_main(u64 information) {
    set_ensure_handler([](const char* what, const SourceLocation&) {
        print(what);
        end(2);
    });
    if (const auto enabled = host.enable(frames); !enabled) {
        print(svm::describe(enabled.error()));
        end(2);
    }
    domain::Domain& guest = domain_room.make(
        domain::Identity{DomainId{0}, domain::Name{"test"}, domain::Role::guest, LabelId{0}},
        stage2::Layout{stage2::Format::nested_pages, host.features().largest_page},
        frames,
        frames,
        abi);
    ensure(guest.stage2().initialise().is_ok(), "root");
    ensure(guest.stage2()
               .map(GuestPhysical{0},
                    HostPhysical{guest_host_base},
                    Bytes{guest_bytes},
                    Access::all,
                    stage2::MemoryType::write_back)
               .is_ok(),
           "map");
    ensure(virtual_cpu.initialise(host, frames, guest.stage2().root()).is_ok(), "vcpu");
    domain::LocalApicPage page{machine};
    ensure(add_basic_devices(guest.io_bus(), page, timer, power).is_ok(), "bus");
    domain::Vcpu& vcpu = vcpu_room.make(guest, VcpuId{0}, virtual_cpu, apic);
    const domain::CpuidPolicy policy{machine};
    const u64 module = value_at<u32>(value_at<u32>(information + 24));
    virtual_cpu.reset_to_flat_protected_mode(load_guest(module, guest));
    domain::RunLoop loop{vcpu, machine, policy};
    const std::atomic<bool> revoked{false};
    while (loop.run({cpu::Tsc{~u64{0}}, revoked}) != domain::Leave::stopped) {
    }
    const domain::StopReport report = guest.stop_report();
    print("world switches ");
    print_hex(virtual_cpu.counters().world_switches);
    print(" tlb flushes ");
    print_hex(virtual_cpu.counters().tlb_flushes);
    print(" xcr0 writes ");
    print_hex(virtual_cpu.counters().xcr0_writes);
    print("\n");
    if (report.reason == domain::StopReason::power_off)
        end(0);
    print(report.what);
    print(" rip ");
    print_hex(report.rip);
    print(" detail ");
    print_hex(report.detail);
    print("\n");
    end(1);
}

} // namespace ravelin::bare
