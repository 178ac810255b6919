// SPDX-License-Identifier: Apache-2.0
// A back end that plays a script of exits, a local APIC of one request, a machine with a clock, and
// a guest ABI that records. Enough to run the loop hosted.
#pragma once

#include "../guest/machine.hpp"

#include <hv/domain/run_loop.hpp>

#include <deque>
#include <functional>

namespace ravelin::test {

using namespace hv;

class ScriptedCpu final : public cpu::VirtualCpu {
  public:
    using Step = std::function<cpu::Exit(cpu::GeneralRegisters&)>;
    std::deque<Step> script;
    std::function<void()> at_end;

    void load() override {}
    void unload() override {}
    cpu::Exit run(cpu::GeneralRegisters& registers) override {
        entered_with.push_back(injected);
        injected.reset();
        if (script.empty()) {
            at_end();
            return cpu::ResumeExit{};
        }
        const Step step = script.front();
        script.pop_front();
        return step(registers);
    }
    void reset_to_flat_protected_mode(u32) override {}
    void reset_to_start_up(Vector page) override { started_at = page.raw(); }
    u8 hypercall_opcode() const override { return 0xd9; }
    u64 rip() const override { return rip_; }
    u64 cr4() const override { return cr4_; }
    void skip(u8 bytes) override { rip_ += bytes; }
    void set_next_rip(u64 rip) override { rip_ = rip; }
    cpu::PagingState paging_state() const override { return {1, 0, cr4_, efer_, 2, cpl}; }
    u8 privilege_level() const override { return cpl; }
    bool in_64bit_kernel() const override { return cpl == 0 && code == cpu::CodeSize::bits64; }
    cpu::CodeSize code_size() const override { return code; }
    cpu::Segment segment(cpu::SegmentName) const override { return {}; }
    u64 efer() const override { return efer_; }
    void set_efer(u64 value) override { efer_ = value; }
    u64 xcr0() const override { return xcr0_; }
    void set_xcr0(u64 value) override { xcr0_ = value; }
    bool can_take_interrupt() const override { return interrupt_flag && !injected; }
    bool has_event() const override { return injected.has_value(); }
    bool interrupts_enabled() const override { return interrupt_flag; }
    void inject_interrupt(Vector vector) override { injected = vector.raw(); }
    void inject_exception(cpu::Exception exception, std::optional<u32>) override {
        injected = static_cast<u8>(exception);
    }
    void inject_page_fault(GuestVirtual, u32) override { injected = u8{14}; }
    void request_interrupt_window(cpu::InterruptWindow wanted) override {
        window = wanted == cpu::InterruptWindow::wanted;
    }
    u8 task_priority() const override { return cr8; }
    void set_task_priority(u8 value) override { cr8 = value; }
    void set_tsc_offset(u64 offset) override { offset_ = offset; }
    u64 tsc_offset() const override { return offset_; }
    void flush_translations() override {}
    const cpu::SwitchCounters& counters() const override { return counters_; }

    u8 cpl = 0;
    cpu::CodeSize code = cpu::CodeSize::bits64;
    bool interrupt_flag = true;
    bool window = false;
    u8 cr8 = 0;
    u64 rip_ = 0x1000;
    u64 cr4_ = 0;
    u64 efer_ = 0x500;
    u64 xcr0_ = 1;
    std::optional<u8> injected;
    std::optional<u8> started_at;
    std::vector<std::optional<u8>> entered_with;

  private:
    u64 offset_ = 0;
    cpu::SwitchCounters counters_;
};

class SimpleApic final : public cpu::LocalApic {
  public:
    std::optional<Vector> pending_vector() const override {
        return requested && requested->raw() >> 4 > priority ? requested : std::nullopt;
    }
    void accept(Vector) override { requested.reset(); }
    u8 task_priority() const override { return priority; }
    void set_task_priority(u8 cr8) override { priority = cr8; }
    u32 read(u32 offset, cpu::Tsc) override { return offset; }
    void write(u32 offset, u32 value, cpu::Tsc) override { written = {offset, value}; }
    std::optional<u64> read_msr(u32, cpu::Tsc) override { return 0x77; }
    bool write_msr(u32, u64, cpu::Tsc) override {
        if (tells_of_writes)
            notify();
        return true;
    }
    std::optional<cpu::Tsc> deadline() const override { return fires_at; }
    void expire(cpu::Tsc) override {
        fires_at.reset();
        raise(Vector{0x40});
    }
    void reset() override { requested.reset(); }
    void request(Vector vector) override { requested = vector; }

    std::optional<Vector> requested;
    std::optional<cpu::Tsc> fires_at;
    std::pair<u32, u32> written{};
    u8 priority = 0;
    bool tells_of_writes = false;
};

class TestPhysicalCpu final : public domain::PhysicalCpu {
  public:
    cpu::Tsc now() const override { return cpu::Tsc{time}; }
    void set_timer(std::optional<cpu::Tsc> deadline) override { armed = deadline; }
    void service_interrupts() override {}
    void wait_for_interrupt() override {
        ++waits;
        if (on_wait)
            on_wait();
        else if (armed)
            time = armed->raw();
    }
    domain::CpuidResult native_cpuid(u32 leaf, u32) const override {
        if (leaf == 0x8000'0008)
            return {0x3034, ~0u, ~0u, ~0u};
        if (leaf == 0x8000'0000)
            return {0x8000'001f, 0, 0, 0};
        return leaf == 0 ? domain::CpuidResult{0x1f, 1, 2, 3}
                         : domain::CpuidResult{~0u, ~0u, ~0u, ~0u};
    }
    void flush_caches() override { ++flushes; }

    u64 time = 1000;
    std::optional<cpu::Tsc> armed;
    int waits = 0;
    int flushes = 0;
    std::function<void()> on_wait;
};

class RecordingAbi final : public domain::GuestAbi {
  public:
    i64 hypercall(domain::Vcpu& vcpu, const domain::HypercallArguments& arguments) override {
        calls.push_back(arguments);
        if (arguments.number == 29)
            vcpu.domain().stop(domain::StopReason::power_off);
        return answer;
    }
    domain::CpuidResult cpuid(const domain::Vcpu&, u32 leaf, u32) const override {
        return {leaf, 4, 5, 6};
    }
    domain::MsrOutcome write_msr(domain::Vcpu&, u32, u64) override {
        return domain::MsrOutcome::done;
    }
    void timer_expired(domain::Vcpu& vcpu) override {
        ++expired;
        vcpu.raise_upcall(Vector{0xf3});
    }
    void deliver_events(domain::Vcpu& vcpu) override {
        ++deliveries;
        if (upcall != 0)
            vcpu.set_upcall(Vector{upcall});
    }
    void turn_begins(domain::Vcpu&) override { ++turns; }

    std::vector<domain::HypercallArguments> calls;
    i64 answer = 0;
    int expired = 0;
    int deliveries = 0;
    u8 upcall = 0; ///< what deliver_events() makes of events
    int turns = 0;
};

} // namespace ravelin::test
