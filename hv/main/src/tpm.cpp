// SPDX-License-Identifier: Apache-2.0
// The platform half of hv/tpm.
#include "tpm.hpp"

#include "account.hpp"
#include "measured.hpp"
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

/// The label under which a domain's statements go, copied from the manifest.
struct Label {
    DomainId id;
    wire::StatementText text;
};

/// Takes control hypercalls to the service.
class TpmControl final : public abi::ControlHandler {
  public:
    i64 control(domain::Vcpu& caller,
                u64 operation,
                std::span<const u8> request,
                std::span<u8> response) override;
};

constinit MappedRegisters registers;
constinit TscClock tsc_clock;
constinit MachineConsole console;
// Built by start_tpm() on the boot CPU; used by it alone until domains run, afterwards under
// `lock`.
constinit std::optional<tpm::Service> service;
constinit SpinLock lock;
constinit TpmControl control;
// Written by measure_launch(), read only afterwards.
FixedVector<Label, wire::Manifest::max_domains> labels;

i64 TpmControl::control(domain::Vcpu& caller,
                        u64 operation,
                        std::span<const u8> request,
                        std::span<u8> response) {
    const DomainId id = caller.domain().id();
    tpm::Submitter submitter{id, {}};
    for (const Label& label : labels)
        if (label.id == id)
            submitter.label = label.text.view();
    const LockGuard guard{lock};
    return tpm_service().handle(operation, submitter, request, response);
}

void measure(tpm::Measured what, std::string_view name, std::span<const u8> bytes) {
    const ExpenseTimer timer{Expense::measuring};
    auto failure = tpm_service().chain().measure(what, name, bytes);
    if (failure)
        std::move(*failure).run_unmeasured(tpm_service().verdict());
}

/// A module's bytes: its frames stay a module's until the builder has used them.
std::span<const u8> bytes_of(const boot::Module& module) {
    return mm::Mapping<const u8>{module.start, module.size.raw()}.span();
}

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char and u8 are both bytes; the view only reads.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

Status<tpm::Text> measure_module(const boot::BootInfo& info,
                                 tpm::Measured what,
                                 std::string_view domain,
                                 std::string_view name) {
    const boot::Module* module = info.module(name);
    if (module == nullptr)
        return Failure{tpm::Text{"domain "} << domain << " needs a module named \"" << name
                                            << "\" that was not loaded"};
    measure(what, domain, bytes_of(*module));
    return Unit{};
}

Status<tpm::Text> measure_domain(const boot::BootInfo& info, const wire::ManifestDomain& domain) {
    Label label{.id = domain.id, .text = {}};
    label.text.assign(domain.label);
    ensure(labels.push_back(label), "one label a domain");
    (void)RAVELIN_TRY(measure_module(info, tpm::Measured::kernel, domain.name, domain.kernel));
    if (!domain.ramdisk.empty())
        (void)RAVELIN_TRY(
            measure_module(info, tpm::Measured::ramdisk, domain.name, domain.ramdisk));
    measure(tpm::Measured::command_line, domain.name, bytes_of(domain.command_line));
    measure(tpm::Measured::configuration, domain.name, domain.record);
    return Unit{};
}

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
    service->start(log, "Ravelin " RAVELIN_VERSION, dynamic_facts());
}

void leave_tpm() {
    if (service)
        service->leave();
}

tpm::Service& tpm_service() {
    ensure(service.has_value(), "the TPM was taken over at start-up");
    return *service;
}

abi::ControlHandler& control_handler() {
    return control;
}

Result<wire::Manifest, tpm::Text> measure_launch(const boot::BootInfo& info) {
    const boot::Module* module = info.module("manifest");
    if (module == nullptr)
        return Failure{tpm::Text{"there is no module named \"manifest\""}};
    const auto bytes = bytes_of(*module);
    // Measured before it is looked at: a malformed one is in the register too.
    measure(tpm::Measured::manifest, "manifest", bytes);
    const auto manifest = wire::Manifest::decode(bytes);
    if (!manifest.is_ok())
        return Failure{
            (tpm::Text{"launch manifest: "} << wire::name(manifest.error().kind) << ", at byte ")
                .decimal(manifest.error().offset)};
    for (usize i = 0; i < manifest.value().domain_count(); ++i)
        (void)RAVELIN_TRY(measure_domain(info, manifest.value().domain(i)));
    auto failure = tpm_service().chain().seal();
    if (failure)
        std::move(*failure).run_unmeasured(tpm_service().verdict());
    return manifest.value();
}

} // namespace ravelin::hv
