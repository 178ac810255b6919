// SPDX-License-Identifier: Apache-2.0
// Units, domains and interrupts against the model: what a device reaches, at every state.
#include "unit_model.hpp"

#include <iommu/dma_domain.hpp>
#include <iommu/interrupt_remapper.hpp>

#include <gtest/gtest.h>

namespace ravelin::iommu {
namespace {

using test::ModelMemory;
using test::UnitModel;
using Direction = UnitModel::Direction;

constexpr PciAddress edu{0, 0, 4, 0};
constexpr PciAddress nic{0, 0, 2, 0};

struct Machine {
    explicit Machine(u64 more_capabilities = 0)
        : writer{memory, memory, Coherency::written_back},
          unit{with(more_capabilities), memory, memory}, remapper{writer} {}
    void enable() {
        ASSERT_TRUE(remapper.initialise());
        ASSERT_TRUE(unit.enable_deny_all(remapper.table()));
        ASSERT_TRUE(remapper.add_unit(unit));
    }
    [[nodiscard]] Geometry geometry() const {
        const std::array units{unit.capabilities()};
        return common_geometry(units).value();
    }

    ModelMemory memory;
    UnitModel model{memory};
    TableWriter writer;
    RemappingUnit unit;
    InterruptRemapper remapper;

  private:
    UnitModel& with(u64 capabilities) {
        model.cap |= capabilities;
        return model;
    }
};

TEST(RemappingUnit, DeniesEverythingFromTheStart) {
    Machine m;
    m.model.protected_memory = 1u << 31;
    m.enable();
    EXPECT_EQ(m.model.status >> 31, 1u);
    EXPECT_EQ(m.model.protected_memory, 0u);
    EXPECT_FALSE(m.model.dma(edu.source_id(), 0x200000, Direction::write).address);
    EXPECT_FALSE(m.model.message(edu.source_id(), 0xfee00000, 0x41)) << "compatibility format";
    EXPECT_FALSE(m.model.message(edu.source_id(), 0xfee00010, 0)) << "no entry";
    const FaultBatch batch = m.unit.take_faults();
    ASSERT_EQ(batch.faults.size(), 3u);
    EXPECT_EQ(batch.faults[0], (Fault{edu.source_id(), FaultType::write, 1, 0x200000}));
    EXPECT_EQ(batch.faults[1].reason, 0x25);
    EXPECT_EQ(batch.faults[2].reason, 0x22);
    EXPECT_EQ(batch.faults[2].type, FaultType::interrupt);
    EXPECT_TRUE(m.unit.take_faults().faults.empty()) << "each is reported once";
}

TEST(RemappingUnit, TakesOverFromFirmwareThatLeftItOn) {
    Machine m;
    m.model.status = 1u << 26 | 1u << 25 | 1u << 23;
    m.enable();
    EXPECT_EQ(m.model.status & 1u << 23, 0u) << "compatibility interrupts stay blocked";
    EXPECT_NE(m.model.status & 1u << 25, 0u);
}

TEST(RemappingUnit, NothingIsReachedWhileItIsTurnedOn) {
    Machine m;
    bool was_on = false;
    m.memory.after_store = [&] {
        if (m.model.status >> 31 != 0)
            was_on = true;
        if (was_on) {
            EXPECT_FALSE(m.model.walk(edu.source_id(), 0, Direction::read).address);
        }
    };
    m.enable();
    EXPECT_TRUE(was_on);
}

TEST(RemappingUnit, RefusesUnitsThatCannotProtect) {
    struct Lack {
        u64 cap;
        u64 ecap;
        Error error;
    };
    ModelMemory memory;
    const UnitModel whole{memory};
    for (const Lack& lack : {Lack{whole.cap, 1 << 3, Error::no_queued_invalidation},
                             Lack{whole.cap, 1 << 1, Error::no_interrupt_remapping},
                             Lack{whole.cap & ~u64{0x1f00}, whole.ecap, Error::no_address_width}}) {
        UnitModel model{memory};
        model.cap = lack.cap;
        model.ecap = lack.ecap;
        RemappingUnit unit{model, memory, memory};
        const auto enabled = unit.enable_deny_all(HostFrame{1});
        ASSERT_FALSE(enabled);
        EXPECT_EQ(enabled.error(), lack.error);
        EXPECT_EQ(model.status, 0u) << "untouched";
    }
}

TEST(RemappingUnit, EveryCommandThatIsNotConfirmedEndsInBoundedTime) {
    for (const u32 bit : {26u, 30u, 31u, 24u, 25u}) {
        Machine m;
        m.model.dead_commands = 1u << bit;
        ASSERT_TRUE(m.remapper.initialise());
        const auto enabled = m.unit.enable_deny_all(m.remapper.table());
        ASSERT_FALSE(enabled) << bit;
        EXPECT_EQ(enabled.error(), Error::timed_out);
        EXPECT_TRUE(m.unit.failed());
    }
}

TEST(RemappingUnit, EveryAllocationMayFailWhileItIsTurnedOn) {
    for (usize fail_at = 0;; ++fail_at) {
        Machine m;
        ASSERT_TRUE(m.remapper.initialise());
        m.memory.allocations_left = fail_at;
        const auto enabled = m.unit.enable_deny_all(m.remapper.table());
        if (enabled) {
            EXPECT_EQ(fail_at, 3u) << "root, queue, status";
            break;
        }
        EXPECT_EQ(enabled.error(), Error::out_of_frames);
        EXPECT_EQ(m.model.status >> 31, 0u);
    }
}

TEST(RemappingUnit, FaultsBeyondItsRecordsAreCountedAsLost) {
    Machine m;
    m.enable();
    for (u64 i = 0; i < 6; ++i)
        (void)m.model.dma(edu.source_id(), i << 12, Direction::read);
    const FaultBatch batch = m.unit.take_faults();
    EXPECT_EQ(batch.faults.size(), 4u);
    EXPECT_TRUE(batch.lost);
    (void)m.model.dma(edu.source_id(), 0x9000, Direction::read);
    const FaultBatch next = m.unit.take_faults();
    ASSERT_EQ(next.faults.size(), 1u);
    EXPECT_EQ(next.faults[0].address, 0x9000u);
    EXPECT_FALSE(next.lost);
}

TEST(DmaDomain, ADeviceReachesExactlyItsDomainsMemory) {
    Machine m;
    m.enable();
    DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
    ASSERT_TRUE(domain.initialise());
    ASSERT_TRUE(domain.map(
        GuestPhysical{0}, HostPhysical{0x1000'0000}, Bytes{0x400000}, Access::read_write));
    ASSERT_TRUE(domain.map(
        GuestPhysical{0x400000}, HostPhysical{0x2000'0000}, Bytes{0x1000}, Access::read));
    ASSERT_TRUE(domain.attach(edu, m.unit));
    const u16 id = edu.source_id();
    EXPECT_EQ(m.model.dma(id, 0x123456, Direction::write).address, 0x1012'3456u);
    EXPECT_EQ(m.model.dma(id, 0x400010, Direction::read).address, 0x2000'0010u);
    EXPECT_EQ(m.model.dma(id, 0x400010, Direction::write).reason, 5);
    EXPECT_EQ(m.model.dma(id, 0x401000, Direction::read).reason, 6);
    EXPECT_EQ(m.model.dma(nic.source_id(), 0x1000, Direction::read).reason, 2) << "another device";
    EXPECT_EQ(m.model.dma(0x100, 0x1000, Direction::read).reason, 1) << "another bus";
    EXPECT_FALSE(domain.attach(edu, m.unit)) << "one device, one domain";
}

TEST(DmaDomain, TwoDomainsNeverSeeEachOther) {
    Machine m;
    m.enable();
    DmaDomain first{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
    DmaDomain second{DomainId{1}, DomainTag{2}, m.geometry(), m.writer};
    ASSERT_TRUE(first.initialise() && second.initialise());
    ASSERT_TRUE(first.map(GuestPhysical{0}, HostPhysical{0x10000}, Bytes{4096}, Access::read));
    ASSERT_TRUE(second.map(GuestPhysical{0}, HostPhysical{0x20000}, Bytes{4096}, Access::read));
    ASSERT_TRUE(first.attach(edu, m.unit) && second.attach(nic, m.unit));
    EXPECT_EQ(m.model.dma(edu.source_id(), 0, Direction::read).address, 0x10000u);
    EXPECT_EQ(m.model.dma(nic.source_id(), 0, Direction::read).address, 0x20000u);
    const auto taken = second.attach(edu, m.unit);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), Error::already_attached);
}

TEST(DmaDomain, WhatIsUnmappedIsForgottenBeforeUnmapReturns) {
    Machine m;
    m.enable();
    DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
    ASSERT_TRUE(domain.initialise());
    ASSERT_TRUE(domain.map(GuestPhysical{0}, HostPhysical{0}, Bytes{0x200000}, Access::read));
    ASSERT_TRUE(domain.attach(edu, m.unit));
    EXPECT_TRUE(m.model.dma(edu.source_id(), 0x5000, Direction::read).address) << "now cached";
    ASSERT_TRUE(domain.unmap(GuestPhysical{0x5000}, Bytes{0x1000}));
    EXPECT_FALSE(m.model.dma(edu.source_id(), 0x5000, Direction::read).address);
    EXPECT_TRUE(m.model.dma(edu.source_id(), 0x6000, Direction::read).address);
    ASSERT_TRUE(domain.detach(edu));
    EXPECT_FALSE(m.model.dma(edu.source_id(), 0x6000, Direction::read).address);
    ASSERT_TRUE(domain.attach(edu, m.unit)) << "and it can come back";
    EXPECT_TRUE(m.model.dma(edu.source_id(), 0x6000, Direction::read).address);
}

/// After every store a walk finds for each page what it found before, or what it will find.
TEST(DmaDomain, EveryIntermediateStateIsOldOrNew) {
    Machine m;
    m.enable();
    DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
    ASSERT_TRUE(domain.initialise());
    ASSERT_TRUE(domain.attach(edu, m.unit));
    constexpr std::array<u64, 6> probes{0, 0x1000, 0x1ff000, 0x200000, 0x3ff000, 0x400000};
    const auto look = [&] {
        std::array<std::optional<u64>, probes.size()> out;
        for (usize i = 0; i < probes.size(); ++i)
            out[i] = m.model.walk(edu.source_id(), probes[i], Direction::read).address;
        return out;
    };
    const auto replay = [&](auto operation) {
        const auto before = look();
        std::vector<std::array<std::optional<u64>, probes.size()>> history;
        m.memory.after_store = [&] { history.push_back(look()); };
        operation();
        m.memory.after_store = [] {};
        const auto after = look();
        EXPECT_FALSE(history.empty());
        for (const auto& state : history)
            for (usize i = 0; i < probes.size(); ++i)
                EXPECT_TRUE(state[i] == before[i] || state[i] == after[i]) << probes[i];
    };
    replay([&] {
        ASSERT_TRUE(domain.map(
            GuestPhysical{0}, HostPhysical{0x4000'0000}, Bytes{0x400000}, Access::read_write));
    });
    replay([&] { ASSERT_TRUE(domain.unmap(GuestPhysical{0x1000}, Bytes{0x1fe000})); });
    replay([&] { ASSERT_TRUE(domain.unmap(GuestPhysical{0x200000}, Bytes{0x200000})); });
    replay([&] {
        ASSERT_TRUE(
            domain.map(GuestPhysical{0x400000}, HostPhysical{0x1000}, Bytes{0x1000}, Access::read));
    });
    replay([&] { ASSERT_TRUE(domain.detach(edu)); });
}

TEST(DmaDomain, AUnitThatStopsAnsweringIsNotTrustedAgain) {
    for (const bool refuses : {false, true}) {
        Machine m;
        m.enable();
        DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
        ASSERT_TRUE(domain.initialise());
        ASSERT_TRUE(domain.map(GuestPhysical{0}, HostPhysical{0}, Bytes{4096}, Access::read));
        ASSERT_TRUE(domain.attach(edu, m.unit));
        (refuses ? m.model.refuse_descriptors : m.model.dead_queue) = true;
        const auto unmapped = domain.unmap(GuestPhysical{0}, Bytes{4096});
        ASSERT_FALSE(unmapped);
        EXPECT_EQ(unmapped.error(), refuses ? Error::invalidation_refused : Error::timed_out);
        const auto attached = domain.attach(nic, m.unit);
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error(), Error::unit_failed);
    }
}

// A unit that caches absence is asked after map() too: what it does not confirm is not mapped.
TEST(DmaDomain, AMappingThatIsNotConfirmedIsGone) {
    constexpr u64 caches_absence = 1 << 7; // CM
    for (const bool refuses : {false, true}) {
        Machine m{caches_absence};
        m.enable();
        DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
        ASSERT_TRUE(domain.initialise());
        ASSERT_TRUE(domain.attach(edu, m.unit));
        ASSERT_TRUE(domain.map(GuestPhysical{0}, HostPhysical{0}, Bytes{4096}, Access::read));
        (refuses ? m.model.refuse_descriptors : m.model.dead_queue) = true;
        const auto mapped =
            domain.map(GuestPhysical{0x1000}, HostPhysical{0}, Bytes{4096}, Access::read);
        ASSERT_FALSE(mapped);
        EXPECT_EQ(mapped.error(), Error::not_forgotten);
        EXPECT_FALSE(domain.table().translate(GuestPhysical{0x1000}));
        EXPECT_TRUE(domain.table().translate(GuestPhysical{0}));
    }
}

TEST(DmaDomain, TheQueueGoesRoundMoreThanOnce) {
    Machine m;
    m.enable();
    DmaDomain domain{DomainId{0}, DomainTag{1}, m.geometry(), m.writer};
    ASSERT_TRUE(domain.initialise());
    ASSERT_TRUE(domain.attach(edu, m.unit));
    for (unsigned i = 0; i < 400; ++i) {
        ASSERT_TRUE(domain.map(GuestPhysical{0}, HostPhysical{0}, Bytes{4096}, Access::read));
        ASSERT_TRUE(m.model.dma(edu.source_id(), 0, Direction::read).address);
        ASSERT_TRUE(domain.unmap(GuestPhysical{0}, Bytes{4096}));
        ASSERT_FALSE(m.model.dma(edu.source_id(), 0, Direction::read).address);
        (void)m.unit.take_faults();
    }
}

TEST(Capabilities, GeometryIsWhatAllUnitsWalk) {
    ModelMemory memory;
    UnitModel model{memory};
    Capabilities wide = Capabilities::decode(model.cap, model.ecap);
    Capabilities narrow = wide;
    narrow.four_levels = false;
    narrow.page_sizes = 1;
    narrow.address_bits = 39;
    const Geometry both = common_geometry(std::array{wide, narrow}).value();
    EXPECT_EQ(both.levels, 3u);
    EXPECT_EQ(both.largest_leaf, 2u);
    EXPECT_EQ(both.address_bits, 39u);
    wide.three_levels = false;
    EXPECT_EQ(common_geometry(std::array{wide, narrow}).error(), Error::no_address_width);
}

TEST(InterruptRemapper, ADeviceRaisesItsOwnInterruptsOnly) {
    Machine m;
    m.enable();
    const auto handle = m.remapper.allocate(edu, Vector{0x41}, ApicId{1});
    ASSERT_TRUE(handle);
    const RemappedMessage message = InterruptRemapper::message(handle.value());
    const auto raised = m.model.message(edu.source_id(), message.address, message.data);
    ASSERT_TRUE(raised);
    EXPECT_EQ(*raised, (UnitModel::Interrupt{0x41, 1}));
    EXPECT_FALSE(m.model.message(nic.source_id(), message.address, message.data));
    EXPECT_EQ(m.unit.take_faults().faults[0].reason, 0x26);
    ASSERT_TRUE(m.remapper.release(handle.value()));
    EXPECT_FALSE(m.model.message(edu.source_id(), message.address, message.data));
    EXPECT_FALSE(m.remapper.release(handle.value())) << "a stale handle";
}

TEST(InterruptRemapper, RunsOutInWords) {
    Machine m;
    m.enable();
    for (unsigned i = 0; i < 256; ++i)
        ASSERT_TRUE(m.remapper.allocate(edu, Vector{0x41}, ApicId{0}));
    const auto more = m.remapper.allocate(edu, Vector{0x41}, ApicId{0});
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error(), Error::out_of_interrupts);
    EXPECT_EQ(m.remapper.allocate(edu, Vector{2}, ApicId{0}).error(), Error::bad_interrupt);
    EXPECT_EQ(m.remapper.allocate(edu, Vector{0x41}, ApicId{255}).error(), Error::bad_interrupt);
}

} // namespace
} // namespace ravelin::iommu
