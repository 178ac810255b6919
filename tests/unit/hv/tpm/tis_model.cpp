// SPDX-License-Identifier: Apache-2.0
// State machine of [PTP 6.5.3, table 24].
#include "tis_model.hpp"

namespace ravelin::hv::tpm::test {

using tis::Access;
using tis::TpmStatus;

bool TisModel::dead() const {
    return accesses_ > fault_at_ && (fault_ == Fault::stuck_ones || fault_ == Fault::stuck_zeros);
}

bool TisModel::faulty() {
    const bool now = accesses_++ == fault_at_;
    if (now && fault_ == Fault::seized) {
        holder = 4;
        state_ = State::idle;
    }
    if (now && fault_ == Fault::frozen)
        frozen_status_ = status();
    return (now && fault_ == Fault::once_ones) || dead();
}

u32 TisModel::status() {
    u32 value = TpmStatus::Valid::of(true) | TpmStatus::BurstCount::of(burst) |
                TpmStatus::FamilyField::of(family_12 ? TpmStatus::Family::tpm12
                                                     : TpmStatus::Family::tpm20) |
                TpmStatus::SelfTestDone::of(true);
    switch (state_) {
    case State::idle:
        break;
    case State::ready:
        value |= TpmStatus::CommandReady::of(true);
        break;
    case State::reception: {
        usize size = 10;
        if (command_.size() >= 6)
            size = usize{command_[2]} << 24 | usize{command_[3]} << 16 | usize{command_[4]} << 8 |
                   command_[5];
        value |= TpmStatus::Expect::of(command_.size() < size);
        break;
    }
    case State::execution:
        if (cancelled_) {
            response_ = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x09};
            state_ = State::completion;
        } else if (!never_completes && looks_++ >= latency) {
            response_ = executor_(command_, holder.value_or(0));
            state_ = State::completion;
        }
        value &= ~TpmStatus::BurstCount::mask;
        break;
    case State::completion:
        value |= TpmStatus::DataAvailable::of(read_at_ < response_.size());
        break;
    }
    return value;
}

u8 TisModel::read8(u32 offset) {
    const bool fails = faulty();
    const auto locality = static_cast<u8>(offset / tis::locality_stride);
    if (fails)
        return fault_ == Fault::stuck_zeros ? 0 : 0xff;
    if ((gated >> locality & 1) != 0)
        return 0xff;
    switch (offset % tis::locality_stride) {
    case tis::access_offset: {
        const bool others = [&] {
            for (u8 i = 0; i < 5; ++i)
                if (i != locality && waiting_[i])
                    return true;
            return false;
        }();
        return static_cast<u8>(
            Access::ValidStatus::of(true) | Access::ActiveLocality::of(holder == locality) |
            Access::PendingRequest::of(others) | Access::RequestUse::of(waiting_[locality]) |
            Access::Establishment::of(true));
    }
    case tis::data_fifo_offset:
        return holder == locality ? fifo_read() : 0xff;
    default:
        return 0xff;
    }
}

u32 TisModel::read32(u32 offset) {
    const bool fails = faulty();
    const auto locality = static_cast<u8>(offset / tis::locality_stride);
    if (fails)
        return fault_ == Fault::stuck_zeros ? 0 : ~u32{0};
    if ((gated >> locality & 1) != 0)
        return ~u32{0};
    switch (offset % tis::locality_stride) {
    case tis::status_offset:
        if (fault_ == Fault::frozen && accesses_ > fault_at_)
            return frozen_status_;
        return holder == locality ? status() : ~u32{0};
    case tis::vendor_offset:
        return 0x0001'1014;
    default:
        return 0;
    }
}

void TisModel::write8(u32 offset, u8 value) {
    const auto locality = static_cast<u8>(offset / tis::locality_stride);
    if (faulty() || (gated >> locality & 1) != 0)
        return;
    if (offset % tis::locality_stride == tis::access_offset)
        access_write(locality, value);
    else if (offset % tis::locality_stride == tis::data_fifo_offset && holder == locality)
        fifo_write(value);
}

void TisModel::write32(u32 offset, u32 value) {
    const auto locality = static_cast<u8>(offset / tis::locality_stride);
    if (faulty() || holder != locality)
        return;
    if (offset % tis::locality_stride == tis::status_offset)
        status_write(value);
}

void TisModel::access_write(u8 locality, u8 value) {
    if (Access::RequestUse::get(value)) {
        if (!holder)
            holder = locality;
        else if (holder != locality)
            waiting_[locality] = true;
    }
    if (Access::Seize::get(value) && holder && *holder < locality) {
        holder = locality;
        state_ = State::idle;
    }
    if (Access::ActiveLocality::get(value) && holder == locality) {
        holder.reset();
        state_ = State::idle;
        for (u8 i = 5; i-- > 0;)
            if (waiting_[i]) {
                waiting_[i] = false;
                holder = i;
                break;
            }
    }
}

void TisModel::status_write(u32 value) {
    if (TpmStatus::CommandReady::get(value)) {
        const bool was_busy =
            state_ == State::completion || state_ == State::reception || state_ == State::execution;
        state_ = was_busy ? State::idle : State::ready;
        command_.clear();
        response_.clear();
        read_at_ = 0;
    } else if (TpmStatus::Go::get(value) && state_ == State::reception) {
        state_ = State::execution;
        looks_ = 0;
        cancelled_ = false;
    } else if (TpmStatus::CommandCancel::get(value) && state_ == State::execution) {
        cancelled_ = !ignores_cancel;
    }
}

void TisModel::fifo_write(u8 value) {
    if (state_ == State::ready)
        state_ = State::reception;
    if (state_ == State::reception)
        command_.push_back(value);
}

u8 TisModel::fifo_read() {
    if (state_ != State::completion || read_at_ >= response_.size())
        return 0xff;
    return response_[read_at_++];
}

} // namespace ravelin::hv::tpm::test
