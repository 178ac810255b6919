// SPDX-License-Identifier: Apache-2.0
// Registers of the TPM Interface Specification (FIFO interface) in manual order, one set of 4 KiB a
// locality. [PTP] = TCG PC Client Platform TPM Profile for TPM 2.0, 1.05, section 6.5.
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

namespace ravelin::hv::tpm::tis {

/// Where the interface lies on every PC. [PTP 6.5.2]
constexpr HostPhysical base{0xfed4'0000};
constexpr u32 locality_stride = 0x1000;
constexpr u8 locality_count = 5;
constexpr Bytes size{u64{locality_stride} * locality_count};

// Offsets in a locality's page. [PTP table 17]
constexpr u32 access_offset = 0x000;
constexpr u32 interrupt_enable_offset = 0x008;
constexpr u32 status_offset = 0x018;
constexpr u32 data_fifo_offset = 0x024;
constexpr u32 interface_id_offset = 0x030;
constexpr u32 vendor_offset = 0xf00;

/// TPM_ACCESS_x. [PTP 6.5.2.4] Writing a flag acts, writing zero to it does nothing; reserved bit 6
/// reads zero.
struct Access {
    using Establishment = BitFlag<u8, 0>; ///< inverted: 0 after a dynamic launch
    using RequestUse = BitFlag<u8, 1>;
    using PendingRequest = BitFlag<u8, 2>;
    using Seize = BitFlag<u8, 3>;
    using BeenSeized = BitFlag<u8, 4>;
    using ActiveLocality = BitFlag<u8, 5>;
    using Reserved = BitFlag<u8, 6>;
    using ValidStatus = BitFlag<u8, 7>;
};

/// TPM_INT_ENABLE_x: only the bit that turns all of them off is used. [PTP 6.5.2.7]
struct InterruptEnable {
    using Global = BitFlag<u32, 31>;
};

/// TPM_STS_x. [PTP 6.5.2.5]
struct TpmStatus {
    using ResponseRetry = BitFlag<u32, 1>;
    using SelfTestDone = BitFlag<u32, 2>;
    using Expect = BitFlag<u32, 3>;
    using DataAvailable = BitFlag<u32, 4>;
    using Go = BitFlag<u32, 5>;
    using CommandReady = BitFlag<u32, 6>;
    using Valid = BitFlag<u32, 7>;
    using BurstCount = BitField<u32, 23, 8, u16>;
    using CommandCancel = BitFlag<u32, 24>;
    enum class Family : u8 { tpm12 = 0, tpm20 = 1 };
    using FamilyField = BitField<u32, 27, 26, Family>;
};

/// TPM_INTERFACE_ID_x: which interface is active. [PTP 6.4.2.2]
struct InterfaceId {
    enum class Type : u8 { fifo = 0, crb = 1, tis13 = 0xf };
    using TypeField = BitField<u32, 3, 0, Type>;
};

static_assert(Access::ValidStatus::mask == 0x80 && Access::Seize::mask == 0x08);
static_assert(TpmStatus::BurstCount::mask == 0x00ff'ff00 && TpmStatus::Go::mask == 0x20);
// Golden value: an idle TPM 2.0 with 4 KiB of burst, as QEMU shows it.
static_assert(TpmStatus::BurstCount::get(0x0410'00c4) == 0x1000 &&
              TpmStatus::FamilyField::get(0x0410'00c4) == TpmStatus::Family::tpm20 &&
              TpmStatus::CommandReady::get(0x0410'00c4));

/// Longest waits the specification allows, in microseconds. [PTP 6.5.1.3, table 15]
constexpr u64 timeout_a = 750'000;
constexpr u64 timeout_b = 2'000'000;
constexpr u64 timeout_c = 200'000;
constexpr u64 timeout_d = 30'000;

} // namespace ravelin::hv::tpm::tis
