// SPDX-License-Identifier: Apache-2.0
// The platform half of hv/tpm.
#include "tpm.hpp"

#include "account.hpp"
#include "memory.hpp"

#include <base/lock.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/timer.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv {
namespace {

/// The FIFO interface's registers. Precondition: map_device() of the range.
class MappedRegisters final : public tpm::RegisterSpace {
  public:
    u8 read8(u32 offset) override { return *at<u8>(offset); }
    u32 read32(u32 offset) override { return *at<u32>(offset); }
    void write8(u32 offset, u8 value) override { *at<u8>(offset) = value; }
    void write32(u32 offset, u32 value) override { *at<u32>(offset) = value; }

  private:
    template <typename T> static volatile T* at(u32 offset) {
        ensure(offset + sizeof(T) <= tpm::tis::size.raw(), "TPM register out of range");
        // SAFETY: device registers, mapped uncached; each access is one the device must see.
        return mm::direct_map_pointer<volatile T>(tpm::tis::base + offset);
    }
};

class TscClock final : public tpm::Clock {
  public:
    u64 microseconds() override { return machine::tsc_to_nanoseconds(machine::read_tsc()) / 1000; }
    void relax() override { __builtin_ia32_pause(); }
};

class MachineConsole final : public tpm::Console {
  public:
    void line(std::string_view text) override { machine::log("{}", text); }
    usize history(u64 offset, std::span<u8> into) override {
        return machine::read_console_history(offset, into);
    }
};

constinit MappedRegisters registers;
constinit TscClock tsc_clock;
constinit MachineConsole console;
// Built by start_tpm() on the boot CPU; used by it alone until domains run, afterwards under
// `lock`.
constinit std::optional<tpm::Service> service;
constinit SpinLock lock;

} // namespace

void start_tpm(const boot::BootInfo& info) {
    const ExpenseTimer timer{Expense::measuring};
    const bool mapped = map_device(tpm::tis::base, tpm::tis::size).is_ok();
    ensure(mapped, "the TPM's registers can be mapped");
    service.emplace(registers, tsc_clock, console);
    tpm::FirmwareLog log;
    if (info.firmware_log) {
        // The log's frames are reserved for as long as the hypervisor runs.
        const mm::Mapping<u8> bytes{info.firmware_log->start, info.firmware_log->size.raw()};
        log.bytes = bytes.span();
        log.truncated = info.firmware_log->truncated;
    }
    service->start(log, "Ravelin " RAVELIN_VERSION);
}

tpm::Service& tpm_service() {
    ensure(service.has_value(), "the TPM was taken over at start-up");
    return *service;
}

i64 tpm_control(u64 operation,
                const tpm::Submitter& submitter,
                std::span<const u8> request,
                std::span<u8> response) {
    const LockGuard guard{lock};
    return tpm_service().handle(operation, submitter, request, response);
}

void measure(tpm::Measured what, std::string_view name, std::span<const u8> bytes) {
    const ExpenseTimer timer{Expense::measuring};
    auto failure = tpm_service().chain().measure(what, name, bytes);
    if (failure)
        std::move(*failure).run_unmeasured(tpm_service().verdict());
}

void seal_measurements() {
    const ExpenseTimer timer{Expense::measuring};
    auto failure = tpm_service().chain().seal();
    if (failure)
        std::move(*failure).run_unmeasured(tpm_service().verdict());
}

} // namespace ravelin::hv
