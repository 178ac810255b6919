// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/registers.hpp"

#include <algorithm>
#include <cstring>

namespace ravelin::tools::txt {
namespace {

constexpr std::size_t window_size = 0x1000; // no register lies behind

/// Written with anything, each does one thing. In the order in which they are carried out when
/// several are found at once: what closes comes after what opens.
constexpr std::array commands{TxtRegister::open_locality1,
                              TxtRegister::open_locality2,
                              TxtRegister::no_secrets,
                              TxtRegister::secrets,
                              TxtRegister::unlock_memory,
                              TxtRegister::close_locality1,
                              TxtRegister::close_locality2,
                              TxtRegister::close_private,
                              TxtRegister::reset};
/// Hold what software writes.
constexpr std::array writable{TxtRegister::error_code,
                              TxtRegister::mle_join,
                              TxtRegister::sinit_base,
                              TxtRegister::sinit_size,
                              TxtRegister::heap_base,
                              TxtRegister::heap_size};

u64 load_from(std::span<const u8> window, TxtRegister which) {
    u64 value = 0;
    std::memcpy(&value, window.data() + static_cast<u32>(which), sizeof(value));
    return value;
}

} // namespace

std::string_view name(TxtRegister which) {
    switch (which) {
    case TxtRegister::status:
        return "STS";
    case TxtRegister::error_status:
        return "ESTS";
    case TxtRegister::error_code:
        return "ERRORCODE";
    case TxtRegister::reset:
        return "CMD.RESET";
    case TxtRegister::close_private:
        return "CMD.CLOSE-PRIVATE";
    case TxtRegister::fsb_interface:
        return "VER.FSBIF";
    case TxtRegister::device_id:
        return "DIDVID";
    case TxtRegister::memory_interface:
        return "VER.EMIF";
    case TxtRegister::unlock_memory:
        return "CMD.UNLOCK-MEM-CONFIG";
    case TxtRegister::sinit_base:
        return "SINIT.BASE";
    case TxtRegister::sinit_size:
        return "SINIT.SIZE";
    case TxtRegister::mle_join:
        return "MLE.JOIN";
    case TxtRegister::heap_base:
        return "HEAP.BASE";
    case TxtRegister::heap_size:
        return "HEAP.SIZE";
    case TxtRegister::dma_protected:
        return "DPR";
    case TxtRegister::open_locality1:
        return "CMD.OPEN.LOCALITY1";
    case TxtRegister::close_locality1:
        return "CMD.CLOSE.LOCALITY1";
    case TxtRegister::open_locality2:
        return "CMD.OPEN.LOCALITY2";
    case TxtRegister::close_locality2:
        return "CMD.CLOSE.LOCALITY2";
    case TxtRegister::public_key:
        return "PUBLIC.KEY";
    case TxtRegister::secrets:
        return "CMD.SECRETS";
    case TxtRegister::no_secrets:
        return "CMD.NO-SECRETS";
    case TxtRegister::extended_status:
        return "E2STS";
    }
    return "?";
}

RegisterFile::RegisterFile(std::span<u8> private_window, std::span<u8> public_window)
    : private_window_{private_window.first(window_size)}, public_window_{public_window.first(
                                                              window_size)},
      truth_(window_size) {
    constexpr u64 production_fused = 0x8000'0000;
    store(TxtRegister::fsb_interface, production_fused);
    store(TxtRegister::memory_interface, production_fused);
    show();
}

u64 RegisterFile::load(TxtRegister which) const {
    return load_from(truth_, which);
}

void RegisterFile::store(TxtRegister which, u64 value) {
    std::memcpy(truth_.data() + static_cast<u32>(which), &value, sizeof(value));
}

void RegisterFile::set_status(u64 bits) {
    store(TxtRegister::status, load(TxtRegister::status) | bits);
}

void RegisterFile::clear_status(u64 bits) {
    store(TxtRegister::status, load(TxtRegister::status) & ~bits);
}

void RegisterFile::show() {
    std::copy(truth_.begin(), truth_.end(), public_window_.begin());
    std::copy(truth_.begin(), truth_.end(), private_window_.begin());
}

u64 RegisterFile::get(TxtRegister which) const {
    const std::scoped_lock guard{lock_};
    return load(which);
}

void RegisterFile::set(TxtRegister which, u64 value) {
    const std::scoped_lock guard{lock_};
    store(which, value);
    show();
}

void RegisterFile::set_key_hash(const std::array<u8, 32>& hash) {
    const std::scoped_lock guard{lock_};
    std::copy(hash.begin(),
              hash.end(),
              truth_.begin() + static_cast<std::ptrdiff_t>(TxtRegister::public_key));
    show();
}

void RegisterFile::carry_out(TxtRegister command, Settled& settled) {
    using namespace status_bit;
    switch (command) {
    case TxtRegister::open_locality1:
        return set_status(locality1_open);
    case TxtRegister::open_locality2:
        return set_status(locality2_open);
    case TxtRegister::close_locality1:
        return clear_status(locality1_open);
    case TxtRegister::close_locality2:
        return clear_status(locality2_open);
    case TxtRegister::secrets:
        return store(TxtRegister::extended_status,
                     load(TxtRegister::extended_status) | secrets_in_memory);
    case TxtRegister::no_secrets:
        return store(TxtRegister::extended_status,
                     load(TxtRegister::extended_status) & ~secrets_in_memory);
    case TxtRegister::unlock_memory:
        return clear_status(memory_locked);
    case TxtRegister::close_private:
        return clear_status(private_open | locality1_open | locality2_open);
    case TxtRegister::reset:
        settled.reset_asked = true;
        return;
    default:
        return;
    }
}

Settled RegisterFile::settle() {
    const std::scoped_lock guard{lock_};
    Settled settled;
    if (std::memcmp(private_window_.data(), truth_.data(), window_size) == 0)
        return settled;
    // One look, and only what it saw is changed back: the machine goes on writing meanwhile.
    const std::vector<u8> seen{private_window_.begin(), private_window_.end()};
    std::vector<u8> found = seen;
    const auto put_back = [&](TxtRegister which) {
        const u64 value = load(which);
        std::memcpy(found.data() + static_cast<u32>(which), &value, sizeof(value));
    };
    if ((load(TxtRegister::status) & status_bit::private_open) != 0) {
        const std::vector<u8> before = truth_;
        for (const TxtRegister which : writable)
            if (const u64 value = load_from(found, which); value != load_from(before, which)) {
                store(which, value);
                settled.written.push_back(which);
            }
        if (const u64 ones = load_from(found, TxtRegister::error_status);
            ones != load_from(before, TxtRegister::error_status)) {
            store(TxtRegister::error_status, load(TxtRegister::error_status) & ~ones);
            settled.written.push_back(TxtRegister::error_status);
            put_back(TxtRegister::error_status);
        }
        for (const TxtRegister which : commands)
            if (load_from(found, which) != 0) {
                carry_out(which, settled);
                settled.written.push_back(which);
                put_back(which);
            }
        put_back(TxtRegister::status);
        put_back(TxtRegister::extended_status);
    }
    settled.refused = found != truth_;
    for (std::size_t lane = 0; lane < window_size; lane += sizeof(u64))
        if (std::memcmp(seen.data() + lane, truth_.data() + lane, sizeof(u64)) != 0)
            std::memcpy(private_window_.data() + lane, truth_.data() + lane, sizeof(u64));
    std::copy(truth_.begin(), truth_.end(), public_window_.begin());
    return settled;
}

void RegisterFile::enter() {
    const std::scoped_lock guard{lock_};
    using namespace status_bit;
    store(TxtRegister::status, senter_done | memory_locked | private_open | locality2_open);
    store(TxtRegister::error_status, 0);
    show();
}

void RegisterFile::leave() {
    const std::scoped_lock guard{lock_};
    using namespace status_bit;
    clear_status(senter_done | private_open | locality1_open | locality2_open);
    set_status(sexit_done);
    show();
}

void RegisterFile::record_error(u32 code) {
    const std::scoped_lock guard{lock_};
    store(TxtRegister::error_code, code);
    store(TxtRegister::error_status, load(TxtRegister::error_status) | txt_reset_happened);
    show();
}

RegisterFile::BeforeReset RegisterFile::reset() {
    const std::scoped_lock guard{lock_};
    const BeforeReset before{(load(TxtRegister::extended_status) & secrets_in_memory) != 0};
    store(TxtRegister::status, 0);
    store(TxtRegister::mle_join, 0);
    show();
    return before;
}

void RegisterFile::secrets_gone() {
    const std::scoped_lock guard{lock_};
    store(TxtRegister::extended_status, load(TxtRegister::extended_status) & ~secrets_in_memory);
    show();
}

} // namespace ravelin::tools::txt
