// SPDX-License-Identifier: Apache-2.0
// SINIT without a machine: what it extends is what its log says, and every broken input is an error
// with its own code.
#include "fake_memory.hpp"

#include <tools/server/process.hpp>
#include <tools/txt/sinit.hpp>

#include <algorithm>
#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

using wire::tpm::Algorithm;

class RecordingTpm final : public LaunchTpm {
  public:
    struct Extend {
        u32 pcr;
        Bytes sha256;
    };
    void measure_dynamic_root(std::span<const u8> data) override {
        root.assign(data.begin(), data.end());
    }
    void extend(PcrIndex pcr, std::span<const wire::LogDigest> digests) override {
        ASSERT_EQ(digests.size(), 2U);
        extends.push_back({pcr.raw(), {digests[1].bytes.begin(), digests[1].bytes.end()}});
    }
    std::vector<Algorithm> banks() override { return {Algorithm::sha1, Algorithm::sha256}; }

    Bytes root;
    std::vector<Extend> extends;
};

constexpr u64 base = 0x80'0000;
constexpr u64 heap = base + 0x10'0000;
constexpr u64 log_at = base + 0x8'0000;
constexpr u64 os_at = heap + 0x58; // behind its size

class SinitTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        directory_ = std::make_unique<PrivateDirectory>();
        module_ = AcmAuthority{directory_->path()}.make_sinit();
    }
    static void TearDownTestSuite() { directory_.reset(); }

    SinitTest() {
        memory.put64(heap, 0x40);
        memory.put64(heap + 0x40, 0x10);
        memory.put64(heap + 0x50, 8 + 128);
        memory.put32(os_at, 7);
        memory.put64(os_at + 8, base);
        memory.put64(os_at + 16, 0x2000);
        memory.put64(os_at + 24, 0x1000);
        memory.put64(os_at + 32, base);
        memory.put64(os_at + 40, 0x20'0000);
        memory.put32(os_at + 80, 0x601);
        memory.put32(os_at + 92, 8);
        memory.put32(os_at + 96, 28);
        memory.put64(os_at + 100, log_at);
        memory.put32(os_at + 108, 0x2000);
        memory.put32(os_at + 124, 8);
        memory.put64(base, (base + 0x1000) | 1);
        memory.put64(base + 0x1000, (base + 0x2000) | 1);
        memory.put64(base + 0x2000, (base + 0x4000) | 1);
        memory.put64(base + 0x2008, (base + 0x5000) | 1);
        constexpr std::array<u8, 16> id{0x5a,
                                        0xac,
                                        0x82,
                                        0x90,
                                        0x6f,
                                        0x47,
                                        0xa7,
                                        0x74,
                                        0x0f,
                                        0x5c,
                                        0x55,
                                        0xa2,
                                        0xcb,
                                        0x51,
                                        0xb6,
                                        0x42};
        EXPECT_TRUE(memory.write(base + 0x5000, id));
        memory.put32(base + 0x5000 + 20, 0x2'0001);
        memory.put32(base + 0x5000 + 24, 0x10);
    }
    auto launch() {
        const auto acm = wire::decode_acm(module_);
        return run_sinit(memory,
                         tpm,
                         {.heap_base = heap,
                          .heap_size = 0x1'0000,
                          .wakeup = 0x1000,
                          .memory = {{0, base, MemoryKind::good}},
                          .dmar = {}},
                         acm.value(),
                         module_,
                         1);
    }
    SinitFailure failure() {
        const auto result = launch();
        EXPECT_FALSE(result);
        return result ? SinitFailure{} : result.error().failure;
    }

    inline static std::unique_ptr<PrivateDirectory> directory_;
    inline static Bytes module_;
    FakeMemory memory{base, 0x20'0000};
    RecordingTpm tpm;
};

TEST_F(SinitTest, LogSaysWhatWasExtended) {
    const auto launched = launch();
    ASSERT_TRUE(launched) << launched.error().reason;
    EXPECT_EQ(launched.value().entry, base + 0x4010);
    const u32 size = *memory.read32(os_at + 116);
    ASSERT_GT(size, 100U);
    auto log = wire::LogReader::open(memory.at(log_at, size));
    ASSERT_TRUE(log);
    auto event = log.value().next();
    ASSERT_TRUE(event && event.value());
    EXPECT_EQ(event.value()->pcr, PcrIndex{17}); // the dynamic root
    for (const RecordingTpm::Extend& extend : tpm.extends) {
        event = log.value().next();
        ASSERT_TRUE(event && event.value());
        EXPECT_EQ(event.value()->pcr, PcrIndex{extend.pcr});
        const auto digest = event.value()->digest(Algorithm::sha256);
        ASSERT_TRUE(digest);
        EXPECT_TRUE(std::equal(digest->begin(), digest->end(), extend.sha256.begin()));
    }
    event = log.value().next();
    ASSERT_TRUE(event);
    EXPECT_FALSE(event.value());
    EXPECT_EQ(std::count_if(tpm.extends.begin(),
                            tpm.extends.end(),
                            [](const auto& extend) { return extend.pcr == 18; }),
              5);
    EXPECT_EQ(*memory.read32(heap + 0x50 + 8 + 128 + 8), 9U); // SinitMleData's version
}

TEST_F(SinitTest, RootIsTheModuleAndSentersParameters) {
    ASSERT_TRUE(launch());
    EXPECT_EQ(tpm.root.size(), module_.size() - 256 - 4 - 256 - 572 + 4);
    EXPECT_EQ(tpm.root[tpm.root.size() - 4], 1);
}

TEST_F(SinitTest, BrokenInputs) {
    memory.put64(heap + 0x50, 7);
    EXPECT_EQ(failure(), SinitFailure::heap);
    memory.put64(heap + 0x50, 8 + 127);
    EXPECT_EQ(failure(), SinitFailure::os_sinit_data);
    memory.put64(heap + 0x50, 8 + 128);
    memory.put64(base + 0x2008, 0);
    EXPECT_EQ(failure(), SinitFailure::measured_environment);
    memory.put64(base + 0x2008, (base + 0x5000) | 1);
    EXPECT_TRUE(tpm.root.empty()); // nothing was measured so far
    memory.put32(os_at + 108, 100);
    EXPECT_EQ(failure(), SinitFailure::event_log);
    EXPECT_EQ(error_code(SinitFailure::event_log), 0xc000'0041U);
}

} // namespace
} // namespace ravelin::tools::txt
