// SPDX-License-Identifier: Apache-2.0
// What the operator is promised, over ten simulated seconds of each load.
#include "machine_model.hpp"

#include <numeric>

namespace ravelin::test {
namespace {

constexpr Time ten_seconds = 10'000 * ms;

double share_of(const MachineModel::Vcpu& vcpu) {
    return static_cast<double>(vcpu.ran) / static_cast<double>(ten_seconds);
}

TEST(Scheduler, HogsShareByWeight) {
    MachineModel machine{1};
    const auto& light = machine.vcpu(machine.group(256), hog());
    const auto& middle = machine.vcpu(machine.group(512), hog());
    const auto& heavy = machine.vcpu(machine.group(1280), hog());
    machine.run_until(machine.now + ten_seconds);
    EXPECT_NEAR(share_of(light), 0.125, 0.02 * 0.125);
    EXPECT_NEAR(share_of(middle), 0.25, 0.02 * 0.25);
    EXPECT_NEAR(share_of(heavy), 0.625, 0.02 * 0.625);
}

TEST(Scheduler, ADomainsShareDoesNotGrowWithItsVcpus) {
    MachineModel machine{2};
    Group& many = machine.group();
    for (int i = 0; i < 8; ++i)
        machine.vcpu(many, hog());
    Group& few = machine.group();
    machine.vcpu(few, hog());
    machine.vcpu(few, hog());
    machine.run_until(machine.now + ten_seconds);
    double sum = 0;
    for (usize i = 0; i < 8; ++i) {
        sum += share_of(*machine.vcpus()[i]);
        EXPECT_NEAR(share_of(*machine.vcpus()[i]), 0.125, 0.02) << i;
    }
    EXPECT_NEAR(sum, 1.0, 0.02);
}

/// What each is due: its demand, or its part by weight of what the others leave.
std::vector<double>
due(const std::vector<double>& demand, const std::vector<u32>& weight, double capacity) {
    std::vector<double> out(demand.size());
    std::vector<bool> settled(demand.size());
    for (;;) {
        double weights = 0;
        for (usize i = 0; i < demand.size(); ++i)
            weights += settled[i] ? 0 : weight[i];
        bool changed = false;
        double left = capacity;
        for (usize i = 0; i < demand.size(); ++i)
            left -= settled[i] ? out[i] : 0;
        for (usize i = 0; i < demand.size(); ++i) {
            if (settled[i])
                continue;
            out[i] = left * weight[i] / weights;
            if (demand[i] <= out[i]) {
                out[i] = demand[i];
                settled[i] = changed = true;
                break;
            }
        }
        if (!changed)
            return out;
    }
}

TEST(Scheduler, MixedLoadsGetWhatTheyAreDueWithinTwoPercent) {
    for (u32 seed = 1; seed <= 20; ++seed) {
        std::mt19937 random{seed};
        const auto between = [&random](u64 low, u64 high) {
            return std::uniform_int_distribution<u64>{low, high}(random);
        };
        MachineModel machine{1};
        std::vector<double> demand;
        std::vector<u32> weights;
        const u64 domains = between(2, 8);
        for (u64 i = 0; i < domains; ++i) {
            weights.push_back(static_cast<u32>(between(1, 8) * 64));
            Group& group = machine.group(weights.back());
            // Hogs, and sleepers whose demand is well below what they are due: one between is due
            // what no scheduler can give it, because it is not there all the time.
            const bool is_hog = i == 0 || between(0, 1) == 0;
            const Time burst = between(ms / 10, 3 * ms);
            const Time pause = burst * between(30, 60);
            machine.vcpu(group, is_hog ? hog() : periodic(burst, pause));
            demand.push_back(
                is_hog ? 2.0 : static_cast<double>(burst) / static_cast<double>(burst + pause));
        }
        machine.run_until(machine.now + ten_seconds);
        const auto expected = due(demand, weights, 1.0);
        for (usize i = 0; i < expected.size(); ++i)
            EXPECT_NEAR(share_of(*machine.vcpus()[i]), expected[i], 0.02 * expected[i] + 0.002)
                << "seed " << seed << " domain " << i << " demand " << demand[i];
    }
}

TEST(Scheduler, WhoSleptDoesNotCatchUp) {
    MachineModel machine{1};
    const auto& steady = machine.vcpu(machine.group(), hog());
    const auto& late = machine.vcpu(
        machine.group(),
        {[n = 0]() mutable { return ++n == 1 ? ms : never / 4; }, [] { return 5000 * ms; }});
    machine.run_until(machine.now + ten_seconds);
    EXPECT_NEAR(share_of(steady), 0.75, 0.01);
    EXPECT_NEAR(share_of(late), 0.25, 0.01);
}

TEST(Scheduler, ACapIsKeptOnAnIdleMachineAndAmongOthers) {
    MachineModel machine{2};
    Group& capped = machine.group(1024, 0, 30);
    machine.vcpu(capped, hog());
    machine.vcpu(capped, hog());
    machine.run_until(machine.now + ten_seconds);
    EXPECT_NEAR(share_of(*machine.vcpus()[0]) + share_of(*machine.vcpus()[1]), 0.30, 0.006);
    const Time before = capped.ran();
    machine.vcpu(machine.group(64), hog());
    machine.run_until(machine.now + ten_seconds);
    EXPECT_NEAR(static_cast<double>(capped.ran() - before) / ten_seconds, 0.30, 0.006);
}

TEST(Scheduler, AReservationIsKeptAgainstEveryWeight) {
    MachineModel machine{1};
    const auto& reserved = machine.vcpu(machine.group(1, 0, 0, 40), hog());
    const auto& second = machine.vcpu(machine.group(1, 0, 0, 25), hog());
    for (int i = 0; i < 5; ++i)
        machine.vcpu(machine.group(65535), hog());
    machine.run_until(machine.now + ten_seconds);
    EXPECT_GE(share_of(reserved), 0.40 * 0.99);
    EXPECT_LE(share_of(reserved), 0.40 * 1.03);
    EXPECT_GE(share_of(second), 0.25 * 0.99);
}

TEST(Scheduler, WhoIsDueMoreThanItsReservationStillGetsIt) {
    MachineModel machine{1};
    const auto& reserved = machine.vcpu(machine.group(256, 0, 0, 20), hog());
    const auto& other = machine.vcpu(machine.group(256), hog());
    machine.run_until(machine.now + ten_seconds);
    EXPECT_NEAR(share_of(reserved), 0.5, 0.01);
    EXPECT_NEAR(share_of(other), 0.5, 0.01);
}

TEST(Scheduler, ReservationsBeyondTheMachineAreRefused) {
    Scheduler scheduler{settings};
    scheduler.add_cpu(CpuId{0}, 1);
    Group one{LabelId{0}};
    Group two{LabelId{0}};
    EXPECT_TRUE(scheduler.set_share(one, {256, 0, 70}, 0));
    EXPECT_FALSE(scheduler.set_share(two, {256, 0, 31}, 0));
    EXPECT_TRUE(scheduler.set_share(two, {256, 0, 30}, 0));
    EXPECT_TRUE(scheduler.set_share(one, {256, 0, 10}, 0));
    scheduler.remove(two);
    EXPECT_TRUE(scheduler.set_share(one, {256, 0, 100}, 0));
    EXPECT_FALSE(scheduler.set_share(one, {0, 0, 0}, 0));
    EXPECT_FALSE(scheduler.set_share(one, {256, 10, 20}, 0));
}

TEST(Scheduler, WhoUsesLittleIsServedAtOnce) {
    MachineModel machine{1};
    for (int i = 0; i < 8; ++i)
        machine.vcpu(machine.group(), hog());
    auto& light = machine.vcpu(machine.group(), periodic(ms / 2, 9 * ms));
    machine.run_until(machine.now + 1000 * ms); // at first it waits for the others' first turns
    light.worst_latency = light.ran = 0;
    machine.run_until(machine.now + ten_seconds);
    EXPECT_LE(light.worst_latency, ms);
    EXPECT_NEAR(share_of(light), 0.5 / 9.5, 0.02 * 0.053);
}

TEST(Scheduler, AReservedDomainWakesAtOnceHoweverLight) {
    MachineModel machine{1};
    for (int i = 0; i < 8; ++i)
        machine.vcpu(machine.group(65535), hog());
    const auto& reserved = machine.vcpu(machine.group(1, 0, 0, 30), periodic(2 * ms, 18 * ms));
    machine.run_until(machine.now + ten_seconds);
    EXPECT_LE(reserved.worst_latency, ms);
}

TEST(Scheduler, NobodyStarves) {
    MachineModel machine{4};
    std::mt19937 random{7};
    constexpr usize domains = 64;
    constexpr usize vcpus = 16;
    for (usize d = 0; d < domains; ++d) {
        Group& group = machine.group();
        for (usize v = 0; v < vcpus; ++v)
            machine.vcpu(group, random() % 2 == 0 ? hog() : periodic(ms, 5 * ms));
    }
    machine.run_until(machine.now + 2 * ten_seconds);
    // 1024 slices on 4 CPUs go round in 2.6 s.
    for (const auto& vcpu : machine.vcpus()) {
        EXPECT_GT(vcpu->ran, 0u);
        EXPECT_LE(vcpu->longest_wait, 4 * 2600 * ms);
    }
}

TEST(Scheduler, IdleCpusTakeWhatWaits) {
    MachineModel machine{4};
    Group& group = machine.group();
    for (int i = 0; i < 4; ++i)
        machine.vcpu(group, hog());
    machine.run_until(machine.now + ten_seconds);
    for (const auto& vcpu : machine.vcpus())
        EXPECT_GE(share_of(*vcpu), 0.999);
    EXPECT_LE(machine.switches, 4 * 1100u);
}

TEST(Scheduler, SiblingsNeverRunTwoLabelsAndEveryLabelGetsItsShare) {
    for (const usize cores : {1u, 2u}) {
        MachineModel machine{2 * cores, 2};
        for (u16 label = 0; label < 3; ++label) {
            Group& group = machine.group(256, label);
            machine.labels[&group] = label;
            for (int i = 0; i < 4; ++i)
                machine.vcpu(group, i < 2 ? hog() : periodic(ms, 7 * ms));
        }
        machine.run_until(machine.now + ten_seconds);
        for (usize label = 0; label < 3; ++label) {
            double sum = 0;
            for (usize i = 0; i < 4; ++i)
                sum += share_of(*machine.vcpus()[label * 4 + i]);
            EXPECT_NEAR(sum, 2.0 * static_cast<double>(cores) / 3, 0.1) << cores << " " << label;
        }
    }
}

TEST(Scheduler, YieldLetsOthersGoFirst) {
    Scheduler scheduler{settings};
    scheduler.add_cpu(CpuId{0}, 1);
    Group a{LabelId{0}};
    Group b{LabelId{0}};
    Entity one{a};
    Entity two{a};
    Entity other{b};
    for (Entity* entity : {&one, &two, &other})
        scheduler.wake(*entity, 100);
    Decision first = scheduler.pick(CpuId{0}, 100);
    ASSERT_EQ(first.entity, &one);
    scheduler.favour(CpuId{0}, two);
    scheduler.put(CpuId{0}, 101, After::others_first);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 101).entity, &two);
    scheduler.remove(one);
    scheduler.put(CpuId{0}, 102, After::others_first); // alone in its domain
    EXPECT_EQ(scheduler.pick(CpuId{0}, 102).entity, &other);
    scheduler.put(CpuId{0}, 103, After::sleep);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 103).entity, &two);
    scheduler.put(CpuId{0}, 104, After::others_first);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 104).entity, &two) << "nobody else wants it";
}

TEST(Scheduler, AWakeInterruptsTheIdleCpuItKnows) {
    Scheduler scheduler{settings};
    scheduler.add_cpu(CpuId{0}, 1);
    scheduler.add_cpu(CpuId{1}, 2);
    Group group{LabelId{0}};
    Entity entity{group};
    EXPECT_EQ(scheduler.pick(CpuId{0}, 1).entity, nullptr);
    EXPECT_EQ(scheduler.pick(CpuId{1}, 1).entity, nullptr);
    scheduler.wake(entity, 2);
    EXPECT_EQ(scheduler.take_interrupts(), 1u);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 2).entity, &entity);
    scheduler.put(CpuId{0}, 3, After::sleep, 50);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 3).until, 50u);
    scheduler.wake(entity, 10); // before its time
    EXPECT_EQ(scheduler.take_interrupts(), 1u);
    EXPECT_EQ(scheduler.pick(CpuId{0}, 10).entity, &entity);
}

} // namespace
} // namespace ravelin::test
