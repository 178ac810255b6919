// SPDX-License-Identifier: Apache-2.0
#include "tboot/shutdown.hpp"

#include <base/ensure.hpp>

#include <atomic>

namespace ravelin::tboot {

namespace offset = wire::tboot::offset;

namespace {

/// [ACPI 6.4 5.2.3.2] Generic address of a 16-bit I/O port: space, width, bit offset, access size.
constexpr u8 io_space = 1;
constexpr u8 word_bits = 16;
constexpr u8 word_access = 2;
constexpr u64 real_mode_limit = 0x10'0000;

} // namespace

void SharedPage::store(usize at, u32 value) {
    // SAFETY: offsets are the format's own, aligned to 4 in a page; the page is read by other
    // processors and by tboot, so each store happens, whole and in this order.
    auto* place = reinterpret_cast<u32*>(page_.data() + at);
    std::atomic_ref<u32>{*place}.store(value, std::memory_order_seq_cst);
}

void SharedPage::store_half(usize at, u16 value) {
    // SAFETY: as store(), aligned to 2.
    auto* place = reinterpret_cast<u16*>(page_.data() + at);
    std::atomic_ref<u16>{*place}.store(value, std::memory_order_seq_cst);
}

void SharedPage::store_port(usize at, u16 port) {
    const bool exists = port != 0;
    page_[at] = exists ? io_space : u8{0};
    page_[at + 1] = exists ? word_bits : u8{0};
    page_[at + 2] = 0;
    page_[at + 3] = exists ? word_access : u8{0};
    store(at + 4, port);
    store(at + 8, 0);
}

void SharedPage::wake(ApicId processor, HostPhysical entry) {
    ensure(entry.raw() < real_mode_limit && entry.is_aligned(page_size),
           "a start-up page below 1 MiB");
    store(offset::wake_address, static_cast<u32>(entry.raw()));
    store(offset::wake_address + 4, 0);
    store(offset::wake_trigger, processor.raw());
}

u32 SharedPage::waiting() const {
    // SAFETY: as store(); tboot's processors count here.
    auto* place = reinterpret_cast<u32*>(page_.data() + offset::waiting_processors);
    return std::atomic_ref<u32>{*place}.load(std::memory_order_acquire);
}

void SharedPage::request_end(wire::tboot::ShutdownType type, const SleepRequest& sleep) {
    store_port(offset::pm1a_control, sleep.pm1a_port);
    store_port(offset::pm1b_control, sleep.pm1b_port);
    store_half(offset::pm1a_control_value, sleep.pm1a_value);
    store_half(offset::pm1b_control_value, sleep.pm1b_value);
    store(offset::shutdown_type, static_cast<u32>(type));
}

} // namespace ravelin::tboot
