// SPDX-License-Identifier: Apache-2.0
// Life of a DMA, attacked: the `edu` device, driven by domain 0's user space, is aimed at the
// hypervisor's memory, at another domain's frame and at its own. Only the last arrives; the others
// are faults that name device and address. The negative control is the same program on plain Linux
// without VT-d, where it overwrites memory: the test can see an overwrite.
#include <tools/image/initramfs.hpp>

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <system/domain0.hpp>
#include <system/fixture.hpp>
#include <thread>

namespace ravelin::system_test {
namespace {

const std::string pattern = "DMA was here!!!\n";
const std::string marker = "this page belongs to the other domain, nobody else writes it.";
constexpr u64 page = 4096;
constexpr unsigned memory_mib = 2048;

std::string hex(u64 value) {
    std::ostringstream text;
    text << std::hex << value;
    return text.str();
}

class DmaTest : public SystemTest {
  protected:
    static constexpr std::size_t seen_size = 64;

    std::filesystem::path file(const std::string& name, const std::string& content, u64 size) {
        const auto path = directory() / name;
        std::ofstream{path, std::ios::binary} << content;
        std::filesystem::resize_file(path, size);
        return path;
    }
    static void write(Machine& machine, u64 address) {
        machine.console().send("write " + hex(address) + "\n");
    }
    static bool overwritten(Machine& machine, u64 address) {
        const auto bytes = machine.read_physical(address, seen_size);
        return std::equal(pattern.begin(), pattern.end(), bytes.begin(), [](char c, u8 byte) {
            return static_cast<u8>(c) == byte;
        });
    }
    /// The end of the boot modules in memory, as the hypervisor reports them.
    static u64 end_of_modules(Machine& machine, usize count) {
        u64 end = 0;
        for (usize i = 0; i < count; ++i) {
            const auto module =
                machine.console().wait_for("module [^ ]+: ([0-9]+) bytes at 0x([0-9a-f]+)", 60s);
            end = std::max<u64>(end,
                                std::stoull(module.at(2), nullptr, 16) + std::stoull(module.at(1)));
        }
        return (end + page - 1) / page * page;
    }
    /// Where the other domain's ramdisk was copied to; domains' memory is taken from the top.
    static u64 other_domains_frame(Machine& machine, u64 lowest) {
        constexpr u64 step = 64 << 20;
        for (u64 at = u64{memory_mib} << 20; at >= lowest + step;) {
            at -= step;
            const auto bytes = machine.read_physical(at, step);
            for (u64 offset = 0; offset < step; offset += page)
                if (std::equal(marker.begin(),
                               marker.end(),
                               bytes.begin() + static_cast<std::ptrdiff_t>(offset)))
                    return at + offset;
        }
        return 0;
    }
    /// The hypervisor and domain 0 speak in either order.
    static void expect_both(Machine& machine, const std::string& one, const std::string& other) {
        const auto said = [&machine](const std::string& what) {
            return machine.console().text().find(what) != std::string::npos;
        };
        for (int tries = 0; tries < 600 && !(said(one) && said(other)); ++tries)
            std::this_thread::sleep_for(100ms);
        EXPECT_TRUE(said(one)) << one;
        EXPECT_TRUE(said(other)) << other;
    }
    /// Aims the device at an address that is not domain 0's: nothing changes, the fault is named.
    static void expect_fault(Machine& machine, u64 address) {
        const auto before = machine.read_physical(address, seen_size);
        write(machine, address);
        expect_both(machine,
                    "iommu: fault: device " + edu_device + " of domain 0: write 0x" +
                        hex(address & ~(page - 1)) + ", reason 5 (not writable in its domain)",
                    "dma-attack: write " + hex(address) + " done");
        EXPECT_EQ(machine.read_physical(address, seen_size), before);
    }
    static inline std::string edu_device;
};

TEST_F(DmaTest, ADeviceOfDomainZeroReachesDomainZeroOnly) {
    Domain0Test domain0{"dma", built("tests/system/dma/dma-attacker")};
    domain0.more_manifest = "\n[[domain]]\nid = 1\nname = \"other\"\nrole = \"guest\"\n"
                            "kernel = \"other.kernel\"\nramdisk = \"other.initrd\"\n"
                            "command_line = \"\"\nmemory_mib = 32\nvcpus = 1\n"
                            "devices = \"none\"\nlabel = \"other\"\n";
    auto modules = domain0_modules(domain0, directory());
    modules.push_back({built("tests/guests/hello.elf"), "other.kernel"});
    modules.push_back({file("other.initrd", marker, page), "other.initrd"});
    // A large module pushes all that comes behind it, the hypervisor's frame table first, beyond
    // what domain 0 calls its own: an address below is translated to domain 0's own memory.
    modules.push_back({file("unused", "", u64{256} << 20), "unused"});
    MachineConfig config = direct_boot("", modules);
    config.memory_mib = memory_mib;
    config.attacker = DmaAttacker::present;
    Machine machine{config};
    const u64 frame_table = end_of_modules(machine, modules.size());
    machine.console().wait_for("DMA protected: 1 VT-d unit", 60s);
    const auto edu =
        machine.console().wait_for("dma-attack: edu at 0000:([0-9a-f]{2}:[0-9a-f]{2}\\.0)", 240s);
    edu_device = edu.at(1);
    machine.console().wait_for("dma-attack: ready", 30s);

    machine.console().send("own\n");
    machine.console().wait_for("dma-attack: own works", 60s);

    // What the hypervisor knows of every frame: the first is reserved and its own.
    const auto first = machine.read_physical(frame_table, 4);
    ASSERT_EQ(first, (std::vector<u8>{0xff, 0x7f, 1, 0})) << "not the frame table";
    expect_fault(machine, frame_table);

    const u64 frame = other_domains_frame(machine, frame_table);
    ASSERT_NE(frame, 0u) << "the other domain's ramdisk is nowhere";
    expect_fault(machine, frame + 128);

    // The unit's own registers are no memory of a device either.
    write(machine, 0xfed90000);
    machine.console().wait_for("iommu: fault: device .*: write 0xfed90000,", 60s);

    machine.console().send("own\n");
    machine.console().wait_for("dma-attack: own works", 60s);
    machine.console().send("quit\n");
    machine.console().wait_for("ravelin-init: test dma ended 0", 30s);
}

TEST_F(DmaTest, WithoutVtdTheSameAttackOverwritesMemory) {
    constexpr u64 target = 0x1000'0000;
    InitramfsConfig initramfs;
    initramfs.modules = stock_kernel_modules();
    initramfs.kernel_modules = {};
    initramfs.files = {{built("tests/system/dma/dma-attacker"), "/tests/dma"}};
    const auto archive = build_initramfs(initramfs);
    const auto ramdisk = directory() / "initrd";
    // SAFETY: bytes are written as bytes.
    std::ofstream{ramdisk, std::ios::binary}.write(reinterpret_cast<const char*>(archive.data()),
                                                   static_cast<std::streamsize>(archive.size()));
    MachineConfig config;
    // The target is kept from the kernel, so that only the device can write it.
    config.boot = DirectKernel{
        stock_kernel_image(),
        "console=ttyS0 panic=1 memmap=64K$0x10000000 ravelin.mode=test ravelin.test=dma",
        {}};
    config.iommu = Iommu::absent;
    config.attacker = DmaAttacker::present;
    config.extra_arguments = {"-initrd", ramdisk.string()};
    Machine machine{config};
    machine.console().wait_for("dma-attack: ready", 240s);
    machine.console().send("own\n");
    machine.console().wait_for("dma-attack: own works", 60s);
    EXPECT_FALSE(overwritten(machine, target));
    write(machine, target);
    machine.console().wait_for("dma-attack: write 10000000 done", 60s);
    EXPECT_TRUE(overwritten(machine, target));
    machine.console().send("quit\n");
    machine.console().wait_for("ravelin-init: test dma ended 0", 30s);
}

TEST_F(DmaTest, MachinesThatCannotProtectSayWhy) {
    MachineConfig config = direct_boot("");
    config.iommu = Iommu::absent;
    {
        Machine machine{config};
        machine.console().wait_for("DMA UNPROTECTED: .*no DMAR table.*: no device is given", 60s);
    }
    config.extra_arguments = {"-device", "intel-iommu,intremap=off"};
    Machine machine{config};
    machine.console().wait_for("DMA UNPROTECTED: interrupts cannot be remapped", 60s);
}

} // namespace
} // namespace ravelin::system_test
