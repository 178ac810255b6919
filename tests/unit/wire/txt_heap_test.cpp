// SPDX-License-Identifier: Apache-2.0
// The heap of a launch, built field by field, and everything that may be wrong with one.
#include <wire/txt_heap.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace ravelin::wire::txt {
namespace {

using Kind = HeapError::Kind;
using ByteVector = std::vector<u8>;

template <typename T> void put(ByteVector& bytes, T value) {
    for (usize i = 0; i < sizeof(T); ++i)
        bytes.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
}
template <typename T> void patch(ByteVector& bytes, usize at, T value) {
    for (usize i = 0; i < sizeof(T); ++i)
        bytes.at(at + i) = static_cast<u8>(static_cast<u64>(value) >> (8 * i));
}
void zeros(ByteVector& bytes, usize count) {
    bytes.insert(bytes.end(), count, u8{0});
}
void end_element(ByteVector& bytes) {
    put<u32>(bytes, 0);
    put<u32>(bytes, 8);
}
ByteVector table(const ByteVector& body) {
    ByteVector out;
    put<u64>(out, body.size() + 8);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

ByteVector bios_data() {
    ByteVector b;
    put<u32>(b, 6);
    put<u32>(b, 0x4000);
    zeros(b, 16);
    put<u32>(b, 4);
    zeros(b, 8);
    put<u32>(b, 1); // BIOS_SPEC_VER
    put<u32>(b, 14);
    zeros(b, 6);
    end_element(b);
    return table(b);
}

ByteVector event_log_element(u32 next = 200) {
    ByteVector b;
    put<u32>(b, 8);
    put<u32>(b, 28);
    put<u64>(b, 0x3f000100);
    put<u32>(b, 0x5000);
    put<u32>(b, 0);
    put<u32>(b, next);
    return b;
}

ByteVector os_sinit_body(const ByteVector& extra) {
    ByteVector b;
    put<u32>(b, 7);
    put<u32>(b, 0);
    put<u64>(b, 0x800000);
    put<u64>(b, 0x49000);
    put<u64>(b, 0x20);
    put<u64>(b, 0);
    put<u64>(b, 0x2e00000);
    put<u64>(b, 0);
    put<u64>(b, 0);
    zeros(b, 16);
    put<u32>(b, 0x225);
    put<u64>(b, 0xf5aa0);
    b.insert(b.end(), extra.begin(), extra.end());
    end_element(b);
    return b;
}

constexpr usize fixed = 148;
constexpr u8 dmar[]{'D', 'M', 'A', 'R', 1, 2, 3};

ByteVector sinit_mle_body(u32 version = 9) {
    ByteVector b;
    put<u32>(b, version);
    zeros(b, 116);
    put<u32>(b, 0x3ee00ff0);
    put<u32>(b, 0);
    put<u32>(b, 2);
    put<u32>(b, 8 + fixed + 8);
    put<u32>(b, sizeof dmar);
    put<u32>(b, 8 + fixed + 8 + 48);
    put<u32>(b, 0);
    end_element(b);
    put<u64>(b, 0x100000);
    put<u64>(b, 0x3df00000);
    put<u64>(b, 0);
    put<u64>(b, 0xb0000000);
    put<u64>(b, 0x10000000);
    put<u64>(b, 3);
    b.insert(b.end(), std::begin(dmar), std::end(dmar));
    return b;
}

struct Parts {
    ByteVector bios = bios_data();
    ByteVector os_mle = table(ByteVector(24, 0x5a));
    ByteVector os_sinit = table(os_sinit_body(event_log_element()));
    ByteVector sinit_mle = table(sinit_mle_body());
    [[nodiscard]] ByteVector join() const {
        ByteVector heap;
        for (const ByteVector* part : {&bios, &os_mle, &os_sinit, &sinit_mle})
            heap.insert(heap.end(), part->begin(), part->end());
        heap.insert(heap.end(), 64, u8{0xee}); // the rest of the heap
        return heap;
    }
    [[nodiscard]] usize os_sinit_at() const { return bios.size() + os_mle.size(); }
    [[nodiscard]] usize sinit_mle_at() const { return os_sinit_at() + os_sinit.size(); }
};

std::optional<HeapError> error_of(const ByteVector& heap) {
    const auto out = std::make_unique<Heap>();
    const auto decoded = decode_heap(heap, *out);
    return decoded ? std::nullopt : std::optional{decoded.error()};
}

TEST(TxtHeap, ALaunchDecodes) {
    const ByteVector heap = Parts{}.join();
    const auto out = std::make_unique<Heap>();
    ASSERT_TRUE(decode_heap(heap, *out).is_ok());
    EXPECT_EQ(out->bios.version, 6u);
    EXPECT_EQ(out->bios.logical_processors, 4u);
    EXPECT_EQ(out->bios.sinit_size, 0x4000u);
    EXPECT_EQ(out->os_mle.size(), 24u);
    EXPECT_EQ(out->os_sinit.mle_size, Bytes{0x49000});
    EXPECT_EQ(out->os_sinit.low_pmr->size, Bytes{0x2e00000});
    EXPECT_FALSE(out->os_sinit.high_pmr);
    EXPECT_EQ(out->os_sinit.capabilities, 0x225u);
    ASSERT_TRUE(out->os_sinit.event_log);
    EXPECT_EQ(out->os_sinit.event_log->start, HostPhysical{0x3f000100});
    EXPECT_EQ(out->os_sinit.event_log->next, 200u);
    EXPECT_EQ(out->sinit_mle.rlp_wakeup, 0x3ee00ff0u);
    ASSERT_EQ(out->sinit_mle.memory.size(), 2u);
    EXPECT_EQ(out->sinit_mle.memory[0].use, MemoryUse::good);
    EXPECT_EQ(out->sinit_mle.memory[0].range.size, Bytes{0x3df00000});
    EXPECT_EQ(out->sinit_mle.memory[1].use, MemoryUse::pcie_configuration);
    ASSERT_EQ(out->sinit_mle.dmar.size(), sizeof dmar);
    EXPECT_EQ(out->sinit_mle.dmar[0], 'D');
}

TEST(TxtHeap, EveryShorterHeapIsRefused) {
    const Parts parts;
    const ByteVector heap = parts.join();
    const usize whole = parts.sinit_mle_at() + parts.sinit_mle.size();
    for (usize size = 0; size < whole; ++size)
        EXPECT_TRUE(error_of(ByteVector(heap.begin(), heap.begin() + static_cast<long>(size))))
            << size;
    EXPECT_FALSE(error_of(ByteVector(heap.begin(), heap.begin() + static_cast<long>(whole))));
}

TEST(TxtHeap, TableSizesThatCannotBe) {
    const Parts parts;
    for (const usize at : {usize{0}, parts.bios.size(), parts.os_sinit_at(), parts.sinit_mle_at()})
        for (const u64 size : {u64{0}, u64{7}, u64{8} << 32, ~u64{0}, ~u64{7}}) {
            ByteVector heap = parts.join();
            patch<u64>(heap, at, size);
            EXPECT_EQ(error_of(heap), (HeapError{Kind::truncated, at})) << at << " " << size;
        }
}

TEST(TxtHeap, VersionsThatAreNotKnown) {
    const Parts parts;
    const auto refused = [&](usize at, u32 version) {
        ByteVector heap = parts.join();
        patch<u32>(heap, at + 8, version);
        return error_of(heap) == HeapError{Kind::bad_version, at};
    };
    EXPECT_TRUE(refused(0, 4));
    EXPECT_TRUE(refused(0, 7));
    EXPECT_TRUE(refused(parts.os_sinit_at(), 5));
    EXPECT_TRUE(refused(parts.os_sinit_at(), 8));
    EXPECT_TRUE(refused(parts.sinit_mle_at(), 7));
    EXPECT_TRUE(refused(parts.sinit_mle_at(), 10));
}

TEST(TxtHeap, EventLogThatLeavesItsBuffer) {
    Parts parts;
    parts.os_sinit = table(os_sinit_body(event_log_element(0x5001)));
    EXPECT_EQ(error_of(parts.join())->kind, Kind::bad_offset);
    parts.os_sinit = table(os_sinit_body(event_log_element(0x5000)));
    EXPECT_FALSE(error_of(parts.join()));
    ByteVector element = event_log_element();
    patch<u32>(element, 20, 201); // the first event behind the last
    parts.os_sinit = table(os_sinit_body(element));
    EXPECT_EQ(error_of(parts.join())->kind, Kind::bad_offset);
    ByteVector two = event_log_element();
    const ByteVector other = event_log_element();
    two.insert(two.end(), other.begin(), other.end());
    parts.os_sinit = table(os_sinit_body(two));
    EXPECT_EQ(error_of(parts.join())->kind, Kind::twice);
}

TEST(TxtHeap, ElementsThatCannotBe) {
    for (const u32 size : {u32{0}, u32{7}, u32{27}, u32{29}, u32{0xffff'ffff}}) {
        Parts parts;
        ByteVector element = event_log_element();
        patch<u32>(element, 4, size);
        parts.os_sinit = table(os_sinit_body(element));
        EXPECT_TRUE(error_of(parts.join())) << size;
    }
}

TEST(TxtHeap, OffsetsThatLeadOutside) {
    const auto refused = [](usize field, u32 value) {
        Parts parts;
        ByteVector body = sinit_mle_body();
        patch<u32>(body, field, value);
        parts.sinit_mle = table(body);
        const auto error = error_of(parts.join());
        return error && error->kind == Kind::bad_offset;
    };
    constexpr usize count = 128, memory = 132, dmar_size = 136, dmar_at = 140;
    EXPECT_TRUE(refused(count, 0xffff'ffff));
    EXPECT_TRUE(refused(count, 64));
    EXPECT_TRUE(refused(memory, 8)); // into the fixed part
    EXPECT_TRUE(refused(memory, 0xffff'fff0));
    EXPECT_TRUE(refused(dmar_size, sizeof dmar + 1));
    EXPECT_TRUE(refused(dmar_size, 0xffff'ffff));
    EXPECT_TRUE(refused(dmar_at, 0));
    EXPECT_TRUE(refused(dmar_at, 0xffff'ffff));
}

TEST(TxtHeap, MemoryRangesThatCannotBe) {
    constexpr usize first = fixed + 8;
    const auto kind_with = [](usize at, u64 value) {
        Parts parts;
        ByteVector body = sinit_mle_body();
        patch<u64>(body, at, value);
        parts.sinit_mle = table(body);
        const auto error = error_of(parts.join());
        return error ? std::optional{error->kind} : std::nullopt;
    };
    EXPECT_EQ(kind_with(first, ~u64{0}), Kind::bad_range);
    EXPECT_EQ(kind_with(first + 8, 0), Kind::bad_range);
    EXPECT_EQ(kind_with(first + 8, ~u64{0}), Kind::bad_range);
    EXPECT_EQ(kind_with(first + 16, 5), Kind::bad_range);
    EXPECT_EQ(kind_with(first + 16, 4), std::nullopt);
}

TEST(TxtHeap, MoreDescriptorsThanRoom) {
    Parts parts;
    ByteVector body = sinit_mle_body();
    patch<u32>(body, 128, 65);
    patch<u32>(body, 132, 8 + static_cast<u32>(body.size()));
    for (int i = 0; i < 65; ++i) {
        put<u64>(body, 0x1000);
        put<u64>(body, 0x1000);
        put<u64>(body, 0);
    }
    parts.sinit_mle = table(body);
    EXPECT_EQ(error_of(parts.join())->kind, Kind::too_many);
}

TEST(TxtHeap, WithoutDmarAndOfVersion8) {
    Parts parts;
    ByteVector body = sinit_mle_body(8);
    patch<u32>(body, 136, 0);
    parts.sinit_mle = table(body);
    const ByteVector heap = parts.join();
    const auto out = std::make_unique<Heap>();
    ASSERT_TRUE(decode_heap(heap, *out).is_ok());
    EXPECT_TRUE(out->sinit_mle.dmar.empty());
    EXPECT_EQ(out->sinit_mle.memory.size(), 2u);
}

} // namespace
} // namespace ravelin::wire::txt
