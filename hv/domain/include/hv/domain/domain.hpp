// SPDX-License-Identifier: Apache-2.0
// A domain: identity, label, memory, buses and vCPUs. Created from the launch manifest before any
// guest runs. The state of the guest ABI hangs on it as an opaque pointer that hv/abi owns.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>
#include <hv/domain/grace.hpp>
#include <hv/domain/guest_abi.hpp>
#include <hv/domain/io_bus.hpp>
#include <hv/guest/memory.hpp>
#include <hv/stage2/page_table.hpp>

#include <array>
#include <atomic>
#include <optional>
#include <string_view>

namespace ravelin::hv::abi {
struct DomainState; // event channels, shared info, wall clock: hv/abi's
}

namespace ravelin::hv::domain {

class Vcpu;

enum class Role : u8 {
    domain0, ///< Xen's initial domain: devices, console, the TPM channel
    guest,
};

/// E820 types, as start_info and XENMEM_memory_map give them. [ACPI 6.4 15.1]
enum class MemoryKind : u8 {
    ram = 1,
    reserved = 2,
    acpi_reclaimable = 3,
    acpi_nvs = 4,
    unusable = 5,
};

struct MemoryRegion {
    GuestPhysical start;
    Bytes size;
    MemoryKind kind;
};

/// Why a domain no longer runs.
enum class StopReason : u8 {
    power_off, ///< SCHEDOP_shutdown(poweroff), or HLT with interrupts disabled on all vCPUs
    reboot,
    suspend,
    crash,     ///< the guest said so
    watchdog,  ///< the guest said so
    fault,     ///< the hypervisor stopped it: triple fault, refused state, an exit it cannot answer
    destroyed, ///< the operator did
};

[[nodiscard]] const char* describe(StopReason reason);

/// How a domain ended, for the console and for whoever asks.
struct StopReport {
    StopReason reason{StopReason::power_off};
    const char* what{""}; ///< in words; empty when the guest asked for it
    u64 rip{};
    u64 detail{}; ///< the vendor's exit code, or a guest-physical address
};

/// A domain's name, copied from the manifest.
class Name {
  public:
    static constexpr usize capacity = 32;
    Name() = default;
    /// Keeps the first `capacity` characters.
    explicit Name(std::string_view text);
    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

  private:
    std::array<char, capacity> text_{};
    usize size_{};
};

struct Identity {
    DomainId id;
    Name name;
    Role role;
    LabelId label;
};

class Domain {
  public:
    static constexpr usize max_vcpus = 16;

    Domain(const Identity& identity,
           stage2::Layout layout,
           TableMemory& tables,
           guest::FrameAccess& frames,
           GuestAbi& guest_abi);
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;

    [[nodiscard]] DomainId id() const { return identity_.id; }
    [[nodiscard]] std::string_view name() const { return identity_.name.view(); }
    [[nodiscard]] Role role() const { return identity_.role; }
    [[nodiscard]] LabelId label() const { return identity_.label; }

    [[nodiscard]] stage2::PageTable& stage2() { return stage2_; }
    [[nodiscard]] const guest::Memory& memory() const { return memory_; }
    [[nodiscard]] IoBus& io_bus() { return io_bus_; }
    [[nodiscard]] GuestAbi& guest_abi() { return guest_abi_; }

    /// The memory map the guest is told; the builder fills it, ascending, without overlap.
    [[nodiscard]] FixedVector<MemoryRegion, 32>& memory_map() { return memory_map_; }

    /// hv/abi's state; set once by hv/abi when the domain is created.
    [[nodiscard]] abi::DomainState* abi_state() const { return abi_state_; }
    void set_abi_state(abi::DomainState* state) { abi_state_ = state; }

    [[nodiscard]] FixedVector<Vcpu*, max_vcpus>& vcpus() { return vcpus_; }
    [[nodiscard]] const FixedVector<Vcpu*, max_vcpus>& vcpus() const { return vcpus_; }
    /// When its vCPUs have forgotten what was taken out of its stage-2 table.
    [[nodiscard]] Grace& grace() { return grace_; }
    /// The vCPU with that number, or nullptr.
    [[nodiscard]] Vcpu* vcpu(VcpuId id) const;

    /// Which of its vCPUs sleep until some port is raised, masked or not. Any CPU.
    void set_polling(VcpuId vcpu) { pollers_.fetch_or(1u << vcpu.raw()); }
    void clear_polling(VcpuId vcpu) {
        if ((pollers_.load(std::memory_order_relaxed) >> vcpu.raw() & 1) != 0)
            pollers_.fetch_and(~(1u << vcpu.raw()));
    }
    void wake_pollers() {
        if (pollers_.load() != 0)
            tell_pollers();
    }

    /// Stops the domain: its vCPUs are not entered again, those that run leave. The first report
    /// stays. Any CPU.
    void stop(const StopReport& report);
    void stop(StopReason reason) { stop(StopReport{reason, "", 0, 0}); }
    [[nodiscard]] bool running() const { return !stopped_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::optional<StopReason> stop_reason() const;
    /// Precondition: stop_reason() is there.
    [[nodiscard]] const StopReport& stop_report() const { return report_; }

    /// Keeps vCPUs from being entered, and makes those that run leave, until as many unpause().
    /// Returns at once: is_off_cpus() tells when the last one has left. Any CPU.
    void pause();
    void unpause();
    [[nodiscard]] bool is_paused() const { return paused_.load(std::memory_order_acquire) != 0; }
    /// Whether vCPUs may be entered: neither stopped nor paused.
    [[nodiscard]] bool may_run() const { return running() && !is_paused(); }
    /// Whether no physical CPU runs one of its vCPUs; stays so while it is paused or stopped.
    [[nodiscard]] bool is_off_cpus() const;
    /// Stops the domain when no vCPU of it can ever be woken: the way Linux powers off.
    void stop_if_all_rest_for_good();

    /// Reference's (hv/domain/directory.hpp). Any CPU.
    void retain() { users_.fetch_add(1, std::memory_order_relaxed); }
    void release() { users_.fetch_sub(1, std::memory_order_release); }
    /// References alive; teardown waits for zero after the directory stopped giving new ones out.
    [[nodiscard]] u32 users() const { return users_.load(std::memory_order_acquire); }

  private:
    Identity identity_;
    stage2::PageTable stage2_;
    guest::Memory memory_;
    IoBus io_bus_;
    GuestAbi& guest_abi_;
    FixedVector<MemoryRegion, 32> memory_map_;
    abi::DomainState* abi_state_{};
    FixedVector<Vcpu*, max_vcpus> vcpus_;
    Grace grace_;
    void tell_vcpus();
    void tell_pollers();

    std::atomic<u32> pollers_{0};

    std::atomic<bool> claimed_{false}; ///< whoever sets it writes report_
    std::atomic<bool> stopped_{false}; ///< report_ is written
    StopReport report_;
    std::atomic<u32> paused_{0};
    std::atomic<u32> users_{0};
};

} // namespace ravelin::hv::domain
