// SPDX-License-Identifier: Apache-2.0
// What the first instruction of a domain finds, and what never becomes a domain.
#include <hv/builder/build.hpp>

#include <gtest/gtest.h>
#include <support/abi_world.hpp>
#include <support/pvh_elf.hpp>

namespace ravelin::hv::builder {
namespace {

using test::PvhElf;

constexpr u64 mib = 1024 * 1024;

/// 40 MiB of host memory under the real frame allocator.
class Host final : public TableMemory, public guest::FrameAccess, public mm::Scrubber {
  public:
    static constexpr u64 frame_count = 40 * mib / page_size;
    explicit Host(u64 usable = frame_count) {
        frames.initialise(info_, *this);
        frames.add_ram(HostFrame{0}, usable);
    }
    Result<HostFrame, TableMemoryError> allocate() override {
        const auto frame = frames.allocate(
            mm::FrameOrder::size_4k, mm::FrameType::page_table, mm::hypervisor_owner);
        if (!frame)
            return Failure{TableMemoryError::out_of_frames};
        return frame.value();
    }
    void release(HostFrame frame) override {
        EXPECT_TRUE(frames.release(frame, 1, mm::hypervisor_owner).is_ok());
    }
    TablePage page(HostFrame frame) override {
        // SAFETY: 512 words of a page-aligned array.
        return TablePage{reinterpret_cast<u64*>(bytes(frame).data()), 512};
    }
    std::span<u8, page_size> bytes(HostFrame frame) override { return memory_.at(frame.raw()); }
    void scrub(HostFrame first, u64 count) override {
        for (u64 i = 0; i < count; ++i)
            memory_.at(first.raw() + i).fill(0);
    }

    mm::FrameAllocator frames;

  private:
    struct alignas(page_size) Page : std::array<u8, page_size> {
        Page() { fill(0xcc); } // what a former owner left
    };
    std::vector<Page> memory_{frame_count};
    std::vector<mm::FrameInfo> info_{frame_count};
};

class Silent final : public BuildObserver {
  public:
    void copying(bool) override {}
};

class Build : public testing::Test {
  protected:
    Build() { use(std::make_unique<Host>()); }
    void use(std::unique_ptr<Host> with) {
        domain.reset();
        host = std::move(with);
        domain = std::make_unique<domain::Domain>(
            domain::Identity{DomainId{5}, domain::Name{"test"}, domain::Role::domain0, LabelId{0}},
            stage2::Layout{},
            *host,
            *host,
            abi);
        ASSERT_TRUE(domain->stage2().initialise().is_ok());
    }
    Plan plan(u64 memory = 16 * mib) {
        Plan out{};
        out.kernel = kernel;
        out.ramdisk = ramdisk;
        out.command_line = "console=hvc0";
        out.memory = Bytes{memory};
        out.initial_domain = true;
        return out;
    }
    Result<Entry, BuildFailure> build(const Plan& what) {
        Progress progress;
        return builder::build(what, *domain, host->frames, progress, observer);
    }
    std::string_view refusal(const Plan& what) {
        const auto result = build(what);
        return result ? "built" : text(result.error());
    }
    u64 number(u64 at, usize size) {
        std::array<u8, 8> raw{};
        EXPECT_TRUE(domain->memory().read(GuestPhysical{at}, std::span{raw}.first(size)).is_ok());
        return std::bit_cast<u64>(raw);
    }

    test::TestMachine machine;
    mm::FrameAllocator no_frames;
    test::NoDevices no_devices;
    test::OneDomain directory;
    abi::XenAbi abi{machine, nullptr, abi::Surroundings{directory, no_frames, no_devices}};
    std::vector<u8> kernel = PvhElf{}.file();
    std::vector<u8> ramdisk = std::vector<u8>(5000, u8{0x77});
    Silent observer;
    std::unique_ptr<Host> host;
    std::unique_ptr<domain::Domain> domain;
};

TEST_F(Build, the_first_instruction_finds_what_pvh_promises) {
    const auto entry = build(plan());
    ASSERT_TRUE(entry.is_ok());
    EXPECT_EQ(entry.value().rip, 0x10'0010u);
    const u64 info = entry.value().start_info;
    EXPECT_EQ(number(info, 4), 0x336ec578u);
    EXPECT_EQ(number(info + 4, 4), 1u);
    EXPECT_EQ(number(info + 8, 4), 3u) << "privileged initial domain";
    ASSERT_EQ(number(info + 12, 4), 1u);
    const u64 module = number(info + 16, 8);
    const u64 ramdisk_at = number(module, 8);
    EXPECT_EQ(number(module + 8, 8), ramdisk.size());
    for (u64 i = 0; i < ramdisk.size(); i += 999)
        EXPECT_EQ(number(ramdisk_at + i, 1), 0x77u);
    std::string command_line;
    for (u64 at = number(info + 24, 8); number(at, 1) != 0; ++at)
        command_line.push_back(static_cast<char>(number(at, 1)));
    EXPECT_EQ(command_line, "console=hvc0");
    EXPECT_EQ(number(number(info + 32, 8), 8), 0x2052'5450'2044'5352u) << "RSD PTR";
    const u64 entries = number(info + 48, 4);
    u64 previous_end = 0;
    for (u64 i = 0; i < entries; ++i) {
        const u64 at = number(info + 40, 8) + 24 * i;
        EXPECT_EQ(number(at, 8), previous_end) << "ascending, without holes";
        previous_end = number(at, 8) + number(at + 8, 8);
    }
    EXPECT_EQ(previous_end, 16 * mib);
}

TEST_F(Build, memory_is_the_domains_and_holds_nothing_of_a_former_owner) {
    ASSERT_TRUE(build(plan()).is_ok());
    EXPECT_EQ(number(0x10'0000, 1), 0x90u);
    EXPECT_EQ(number(0x10'0000 + 64, 8), 0u) << "what the file does not fill is zero";
    for (u64 at = 0; at < 16 * mib; at += page_size) {
        const auto found = domain->stage2().translate(GuestPhysical{at});
        ASSERT_TRUE(found.has_value());
        const auto info = host->frames.info(HostFrame::of(found->address));
        EXPECT_EQ(info.owner, DomainId{5});
        EXPECT_EQ(info.type, mm::FrameType::domain);
        const auto page = host->bytes(HostFrame::of(found->address));
        EXPECT_EQ(std::ranges::find(page, 0xcc), page.end()) << at;
    }
    EXPECT_FALSE(domain->stage2().translate(GuestPhysical{16 * mib}).has_value());
}

TEST_F(Build, a_guest_is_not_told_it_is_privileged) {
    Plan guest = plan();
    guest.initial_domain = false;
    guest.ramdisk = {};
    const auto entry = build(guest);
    ASSERT_TRUE(entry.is_ok());
    EXPECT_EQ(number(entry.value().start_info + 8, 4), 0u);
    EXPECT_EQ(number(entry.value().start_info + 12, 4), 0u);
    const domain::MemoryRegion& last = domain->memory_map()[domain->memory_map().size() - 1];
    EXPECT_EQ(last.kind, domain::MemoryKind::reserved);
    for (const GuestFrame page : {store_page, console_page}) {
        EXPECT_GE(page.address(), last.start);
        EXPECT_LT(page.address() - last.start, last.size.raw());
    }
}

TEST_F(Build, memory_and_images_come_in_parts_when_the_builder_must_not_take_long) {
    ramdisk.assign(20 * mib, u8{0});
    for (usize at = 0; at < ramdisk.size(); at += 1000)
        ramdisk[at] = static_cast<u8>(at / 1000);
    Plan large = plan(32 * mib);
    Progress progress;
    const auto next = [&] {
        return give_next_part(large, *domain, host->frames, progress).value();
    };
    EXPECT_FALSE(next());
    EXPECT_TRUE(domain->stage2().translate(GuestPhysical{0}));
    EXPECT_FALSE(domain->stage2().translate(GuestPhysical{20 * mib}));
    EXPECT_FALSE(next());
    EXPECT_TRUE(domain->stage2().translate(GuestPhysical{20 * mib}));
    EXPECT_EQ(progress.copied, 0u);
    EXPECT_FALSE(next());
    EXPECT_EQ(progress.copied, 16 * mib);
    EXPECT_TRUE(next());
    const auto entry = builder::build(large, *domain, host->frames, progress, observer);
    ASSERT_TRUE(entry.is_ok());
    const u64 at = number(number(entry.value().start_info + 16, 8), 8);
    std::vector<u8> there(ramdisk.size());
    ASSERT_TRUE(domain->memory().read(GuestPhysical{at}, there).is_ok());
    EXPECT_EQ(there, ramdisk);
}

TEST_F(Build, what_cannot_fit_takes_no_memory) {
    ramdisk.assign(40 * mib, u8{1});
    Progress progress;
    const u64 free = host->frames.counts().free;
    EXPECT_FALSE(give_next_part(plan(32 * mib), *domain, host->frames, progress).is_ok());
    EXPECT_EQ(host->frames.counts().free, free);
}

TEST_F(Build, a_corrupt_kernel_is_refused_in_words) {
    Plan bad = plan();
    const auto with = [&](auto change) {
        std::vector<u8> file = PvhElf{}.file();
        change(file);
        bad.kernel = file;
        const std::string words{refusal(bad)};
        use(std::make_unique<Host>());
        return words;
    };
    EXPECT_EQ(with([](auto& f) { f[0] = 'M'; }),
              "not an ELF file (a bzImage must be unpacked first: ravelin kernel extract)");
    EXPECT_EQ(with([](auto& f) { f[18] = 40; }), "not a little-endian x86 executable");
    EXPECT_EQ(with([](auto& f) { f.pop_back(); }), "the file ends before what its headers promise");
    EXPECT_EQ(with([](auto& f) { f[PvhElf::note_offset + 8] = 17; }),
              "no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY)");
    EXPECT_EQ(with([](auto& f) { f[PvhElf::note_offset + 19] = 0x7f; }),
              "the PVH entry lies in no segment");
    EXPECT_EQ(with([](auto& f) { f.clear(); }),
              "not an ELF file (a bzImage must be unpacked first: ravelin kernel extract)");
}

TEST_F(Build, every_single_byte_change_of_the_headers_builds_or_is_refused) {
    const std::vector<u8> good = PvhElf{}.file();
    for (usize at = 0; at < PvhElf::code_offset; ++at) {
        for (const u8 value : {u8{0}, u8{0x7f}, u8{0xff}}) {
            std::vector<u8> file = good;
            file[at] = value;
            const auto decoded = wire::decode_pvh_kernel(file);
            if (!decoded)
                continue;
            for (const auto& segment : decoded.value().segments) {
                EXPECT_LE(segment.bytes.size(), segment.size.raw());
                EXPECT_LE(segment.address.raw() + segment.size.raw(), u64{1} << 32);
            }
        }
    }
}

TEST_F(Build, what_does_not_fit_is_refused) {
    PvhElf elf;
    elf.extra_memory = 16 * mib;
    kernel = elf.file();
    EXPECT_EQ(refusal(plan()), "kernel, ramdisk and tables do not fit the domain's memory");
    elf = PvhElf{.entry = 0xa'0010, .address = 0xa'0000};
    kernel = elf.file();
    EXPECT_EQ(refusal(plan()), "kernel, ramdisk and tables do not fit the domain's memory");
    kernel = PvhElf{}.file();
    ramdisk.resize(16 * mib);
    EXPECT_EQ(refusal(plan()), "kernel, ramdisk and tables do not fit the domain's memory");
    ramdisk.resize(15 * mib - 4 * page_size);
    EXPECT_EQ(refusal(plan()), "kernel, ramdisk and tables do not fit the domain's memory");
    ramdisk.clear();
    const std::string text(2 * page_size, 'x');
    Plan long_line = plan();
    long_line.command_line = text;
    EXPECT_EQ(refusal(long_line), "the command line is too long");
}

TEST_F(Build, sizes_of_memory_that_are_none) {
    for (const u64 size : {u64{0}, 14 * mib, 17 * mib, 16 * mib + page_size, 4096 * mib, ~u64{0}})
        EXPECT_EQ(refusal(plan(size)), "memory must be a multiple of 2 MiB, from 16 MiB to 3 GiB")
            << size;
}

TEST_F(Build, too_little_host_memory_is_refused) {
    for (const u64 frames : {u64{2}, u64{600}, 16 * mib / page_size}) {
        use(std::make_unique<Host>(frames));
        const auto words = refusal(plan());
        EXPECT_TRUE(words == "not enough free memory" ||
                    words == "the domain's memory could not be mapped")
            << words;
    }
}

TEST_F(Build, scattered_frames_serve_as_well) {
    for (u64 frame = 256; frame < 3 * 512; frame += 512)
        host->frames.reserve(HostFrame{frame}, 1, mm::FrameType::reserved);
    EXPECT_TRUE(build(plan(32 * mib)).is_ok());
}

} // namespace
} // namespace ravelin::hv::builder
