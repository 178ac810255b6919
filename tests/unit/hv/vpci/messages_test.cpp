// SPDX-License-Identifier: Apache-2.0
// Interrupt messages: whatever a domain writes, the device holds only what the router made.
#include "pci_fixture.hpp"

namespace ravelin::hv::vpci {
namespace {

class MessagesTest : public PciTest {
  protected:
    void write_message(u32 address, u32 data) {
        function.write_config(msi + 4, 4, address);
        function.write_config(msi + 8, 4, 0);
        function.write_config(msi + 12, 2, data);
    }
    void write_entry(u16 index, u32 address, u32 data, u32 control) {
        const HostPhysical entry{table + index * 16u};
        function.write_table(entry, 8, address);
        function.write_table(entry + 8, 8, u64{control} << 32 | data);
    }
    u64 device(u16 index, u64 word) { return registers.words[table + index * 16u + word * 4]; }
};

TEST_F(MessagesTest, HandOverMasksEverything) {
    config.set(msi, 0x01f7'0005 | msix << 8);
    config.set(msix, 0x8000'0011 | (entries - 1u) << 16);
    config.set(4, 0x0010'0007);
    hand_over();
    EXPECT_EQ(config.read(at, msi + 2, 2) & 1, 0u);
    EXPECT_EQ(config.read(at, msix + 2, 2) & 0x8000, 0u);
    EXPECT_EQ(config.read(at, 4, 2), 0x400u);
    for (u16 i = 0; i < entries; ++i)
        EXPECT_EQ(device(i, 3), 1u) << i;
    EXPECT_EQ(function.read_config(msi + 2, 2) & 0x0f, 0u); // one message, off
}

TEST_F(MessagesTest, MsiIsReplacedByARoutedMessage) {
    hand_over();
    write_message(guest_address, guest_data);
    EXPECT_TRUE(config.writes.empty());
    function.write_config(msi + 2, 2, 1);
    ASSERT_EQ(router.routes.size(), 1u);
    EXPECT_EQ(router.routes[0].device, at);
    EXPECT_EQ(router.routes[0].apic, &apic);
    EXPECT_EQ(router.routes[0].vector, Vector{guest_data});
    EXPECT_EQ(config.read(at, msi + 4, 4), FakeRouter::message(0).address);
    EXPECT_EQ(config.read(at, msi + 12, 2), FakeRouter::message(0).data);
    EXPECT_EQ(config.written(msi + 2), (std::vector<u32>{1}));
    // The domain reads back its own.
    EXPECT_EQ(function.read_config(msi + 4, 4), guest_address);
    EXPECT_EQ(function.read_config(msi + 12, 2), guest_data);
    EXPECT_EQ(function.read_config(msi + 2, 2) & 1, 1u);
    // A change goes to the same route; the device sees nothing of it.
    config.forget();
    function.write_config(msi + 12, 2, 0x52);
    EXPECT_EQ(router.routes.size(), 1u);
    EXPECT_EQ(router.routes[0].vector, Vector{0x52});
    EXPECT_TRUE(config.writes.empty());
}

TEST_F(MessagesTest, AMessageThatNamesNoVcpuStaysOff) {
    hand_over();
    for (const auto& [address, data] :
         {std::pair{0x1000u, guest_data},                  // a write to memory
          std::pair{guest_address | 7u << 12, guest_data}, // another APIC
          std::pair{guest_address, 0x0fu},                 // a vector of exceptions
          std::pair{guest_address, 0x241u},                // SMI
          std::pair{guest_address, 0x441u}}) {             // NMI
        write_message(address, data);
        function.write_config(msi + 2, 2, 1);
        EXPECT_EQ(config.read(at, msi + 2, 2) & 1, 0u) << std::hex << address << ' ' << data;
        EXPECT_EQ(function.read_config(msi + 2, 2) & 1, 0u);
    }
    EXPECT_TRUE(router.routes.empty());
    EXPECT_TRUE(config.written(msi + 4).empty());
    EXPECT_TRUE(config.written(msi + 12).empty());
}

TEST_F(MessagesTest, HostileWritesOfTheCapabilitiesNeverPlaceAMessage) {
    router.room = 0;
    hand_over();
    for (const u16 capability : {msi, msix})
        for (u16 inner = 0; inner < (capability == msi ? 0x10 : 12); ++inner)
            for (const u8 size : {u8{1}, u8{2}, u8{4}})
                if (inner % size == 0)
                    function.write_config(static_cast<u16>(capability + inner), size, ~u32{0});
    for (const Write& write : config.writes) {
        const bool control =
            write.size == 2 && (write.offset == msi + 2 || write.offset == msix + 2);
        const bool reserved_data = write.offset >= msi + 13 && write.offset < msi + 16;
        EXPECT_TRUE(control || reserved_data) << std::hex << write.offset << ' ' << +write.size;
        if (write.offset == msi + 2) {
            EXPECT_EQ(write.value, 0u);
        }
        if (write.offset == msix + 2) {
            EXPECT_EQ(write.value, 0xc000u);
        }
    }
}

TEST_F(MessagesTest, MsixEntriesAreRoutedWhenUnmasked) {
    hand_over();
    write_entry(3, guest_address, guest_data, 1);
    EXPECT_TRUE(router.routes.empty());
    EXPECT_EQ(device(3, 3), 1u);
    EXPECT_EQ(device(3, 0), 0u);
    function.write_table(HostPhysical{table + 3 * 16 + 12}, 4, 0);
    ASSERT_EQ(router.routes.size(), 1u);
    EXPECT_EQ(router.routes[0].vector, Vector{guest_data});
    EXPECT_EQ(device(3, 0), FakeRouter::message(0).address & 0xffff'ffff);
    EXPECT_EQ(device(3, 1), 0u);
    EXPECT_EQ(device(3, 2), FakeRouter::message(0).data);
    EXPECT_EQ(device(3, 3), 0u);
    EXPECT_EQ(function.read_table(HostPhysical{table + 3 * 16}, 8), guest_address);
    EXPECT_EQ(function.read_table(HostPhysical{table + 3 * 16 + 8}, 4), guest_data);
    // Masked again, it is masked in the device.
    function.write_table(HostPhysical{table + 3 * 16 + 12}, 4, 1);
    EXPECT_EQ(device(3, 3), 1u);
}

TEST_F(MessagesTest, WithoutAVectorAnEntryStaysMasked) {
    router.room = 2;
    hand_over();
    for (u16 i = 0; i < 4; ++i)
        write_entry(i, guest_address, guest_data + i, 0);
    EXPECT_EQ(router.routes.size(), 2u);
    EXPECT_EQ(device(1, 3), 0u);
    EXPECT_EQ(device(2, 3), 1u);
    EXPECT_EQ(device(3, 3), 1u);
    EXPECT_EQ(device(2, 0), 0u);
}

TEST_F(MessagesTest, EntriesBeyondThoseKeptCannotBeWritten) {
    hand_over();
    for (u16 i = Function::max_vectors; i < entries; ++i) {
        write_entry(i, guest_address, guest_data, 0);
        EXPECT_EQ(function.read_table(HostPhysical{table + i * 16u}, 4), ~u64{0});
    }
    EXPECT_EQ(registers.writes, 0u);
    EXPECT_TRUE(router.routes.empty());
    // Bytes and words are no accesses of a table.
    function.write_table(HostPhysical{table + 12}, 1, 0);
    function.write_table(HostPhysical{table + 12}, 2, 0);
    EXPECT_EQ(registers.writes, 0u);
    // What shares the table's page is the device's.
    function.write_table(HostPhysical{table + entries * 16u}, 4, 7);
    EXPECT_EQ(registers.words[table + entries * 16u], 7u);
}

} // namespace
} // namespace ravelin::hv::vpci
