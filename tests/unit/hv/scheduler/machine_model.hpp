// SPDX-License-Identifier: Apache-2.0
// A machine of simulated CPUs that run what the scheduler says, under loads that run and sleep.
// Time moves from event to event; every step checks that siblings run one label.
#pragma once

#include <hv/scheduler/scheduler.hpp>

#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace ravelin::test {

using namespace hv::scheduler;

constexpr Time ms = 1'000'000;
constexpr Settings settings{10 * ms, 100 * ms, ms / 2};

/// A vCPU's program: runs for `burst`, sleeps for `pause`, again and again; a pause of 0 is a hog.
struct Load {
    std::function<Time()> burst;
    std::function<Time()> pause;
};
inline Load hog() {
    return {[] { return never / 4; }, [] { return Time{0}; }};
}
inline Load periodic(Time burst, Time pause) {
    return {[burst] { return burst; }, [pause] { return pause; }};
}

class MachineModel {
  public:
    struct Vcpu {
        Vcpu(Group& group, Load its_load) : entity{group}, load{std::move(its_load)} {}
        Entity entity;
        Load load;
        Time burst_left = 0;
        Time woken = 0;
        Time worst_latency = 0;
        Time last_ran = 0;
        Time longest_wait = 0;
        Time ran = 0;
        bool fresh = false;
    };

    explicit MachineModel(usize cpus, usize threads_a_core = 1)
        : cpus_(cpus), threads_{threads_a_core} {
        for (usize i = 0; i < cpus; ++i) {
            const CpuSet all = (CpuSet{1} << threads_a_core) - 1;
            scheduler.add_cpu(CpuId{static_cast<u32>(i)},
                              all << (i / threads_a_core * threads_a_core));
        }
    }
    Group& group(u32 weight = 256, u16 label = 0, u32 cap = 0, u32 reservation = 0) {
        groups_.push_back(std::make_unique<Group>(LabelId{label}));
        EXPECT_TRUE(scheduler.set_share(*groups_.back(), {weight, cap, reservation}, now));
        return *groups_.back();
    }
    Vcpu& vcpu(Group& group, Load load) {
        vcpus_.push_back(std::make_unique<Vcpu>(group, std::move(load)));
        wake(*vcpus_.back());
        return *vcpus_.back();
    }
    void run_until(Time end) {
        while (now < end) {
            serve_interrupts();
            Time next = end;
            for (const Cpu& cpu : cpus_)
                next = std::min(next, cpu.until);
            now = std::max(now + 1, next);
            for (usize i = 0; i < cpus_.size(); ++i)
                if (cpus_[i].until <= now)
                    turn(i);
        }
    }
    [[nodiscard]] const auto& vcpus() const { return vcpus_; }

    Scheduler scheduler{settings};
    Time now = 1000 * ms;
    u64 switches = 0;

  private:
    struct Cpu {
        Vcpu* running = nullptr;
        Time started = 0;
        Time until = 0;
    };
    Vcpu& owner(Entity& entity) {
        for (const auto& vcpu : vcpus_)
            if (&vcpu->entity == &entity)
                return *vcpu;
        throw std::logic_error{"an entity nobody has"};
    }
    void wake(Vcpu& vcpu) {
        vcpu.burst_left = vcpu.load.burst();
        vcpu.woken = vcpu.last_ran = now;
        vcpu.fresh = true;
        scheduler.wake(vcpu.entity, now);
    }
    void serve_interrupts() {
        for (CpuSet set = scheduler.take_interrupts(); set != 0; set = scheduler.take_interrupts())
            for (usize i = 0; i < cpus_.size(); ++i)
                if ((set >> i & 1) != 0)
                    turn(i);
    }
    void turn(usize at) {
        Cpu& cpu = cpus_[at];
        const CpuId id{static_cast<u32>(at)};
        if (cpu.running != nullptr) {
            Vcpu& vcpu = *cpu.running;
            const Time ran = now - cpu.started;
            vcpu.ran += ran;
            vcpu.burst_left -= std::min(ran, vcpu.burst_left);
            vcpu.last_ran = now;
            if (vcpu.burst_left == 0) {
                const Time wake_at = now + std::max<Time>(vcpu.load.pause(), 1);
                scheduler.put(id, now, After::sleep, wake_at);
                vcpu.burst_left = vcpu.load.burst();
                vcpu.woken = vcpu.last_ran = wake_at;
                vcpu.fresh = true;
            } else {
                scheduler.put(id, now, After::again);
            }
            cpu.running = nullptr;
        }
        const Decision decision = scheduler.pick(id, now);
        cpu.started = now;
        cpu.until = decision.until;
        if (decision.entity == nullptr)
            return;
        ++switches;
        cpu.running = &owner(*decision.entity);
        if (cpu.running->fresh)
            cpu.running->worst_latency =
                std::max(cpu.running->worst_latency, now - cpu.running->woken);
        cpu.running->longest_wait =
            std::max(cpu.running->longest_wait, now - cpu.running->last_ran);
        cpu.running->fresh = false;
        ASSERT_GT(decision.until, now);
        cpu.until = std::min(cpu.until, now + cpu.running->burst_left);
        check_labels(at);
    }
    void check_labels(usize at) {
        const usize first = at / threads_ * threads_;
        for (usize i = first; i < first + threads_; ++i) {
            if (cpus_[i].running != nullptr) {
                ASSERT_EQ(label_of(cpus_[i]), label_of(cpus_[at])) << "at " << now;
            }
        }
    }
    /// Each test numbers its groups' labels by the group's place.
    u64 label_of(const Cpu& cpu) const {
        return labels.empty() ? 0 : labels.at(&cpu.running->entity.group());
    }

    std::vector<Cpu> cpus_;
    usize threads_;
    std::vector<std::unique_ptr<Group>> groups_;
    std::vector<std::unique_ptr<Vcpu>> vcpus_;

  public:
    std::map<const Group*, u64> labels; ///< for check_labels(); empty: not checked
};

} // namespace ravelin::test
