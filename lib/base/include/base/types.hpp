// SPDX-License-Identifier: Apache-2.0
// Strong types for addresses, frame numbers, identifiers and sizes. Two spaces never convert into
// one another; a raw integer enters through an explicit constructor and leaves through raw(), at
// the edges only (registers, wire formats).
#pragma once

#include "base/int.hpp"

#include <compare>

namespace ravelin {

/// An integer that belongs to one space, told apart by Tag. Explicit in, explicit out.
template <typename Tag, typename Raw> class Strong {
  public:
    using raw_type = Raw;
    constexpr Strong() = default;
    constexpr explicit Strong(Raw value) : value_{value} {}
    [[nodiscard]] constexpr Raw raw() const { return value_; }
    friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

  private:
    Raw value_{};
};

constexpr u64 page_size = 4096;
constexpr unsigned page_shift = 12;

/// A count of bytes.
struct BytesTag;
using Bytes = Strong<BytesTag, u64>;

/// An address in space Tag. Offsets are plain byte counts; two addresses of one space subtract to
/// one.
template <typename Tag> class Address : public Strong<Tag, u64> {
  public:
    using Strong<Tag, u64>::Strong;
    [[nodiscard]] constexpr Address operator+(u64 offset) const {
        return Address{this->raw() + offset};
    }
    [[nodiscard]] constexpr Address operator-(u64 offset) const {
        return Address{this->raw() - offset};
    }
    [[nodiscard]] constexpr u64 operator-(Address other) const { return this->raw() - other.raw(); }
    constexpr Address& operator+=(u64 offset) { return *this = *this + offset; }
    [[nodiscard]] constexpr u64 page_offset() const { return this->raw() & (page_size - 1); }
    [[nodiscard]] constexpr bool is_aligned(u64 alignment) const {
        return (this->raw() & (alignment - 1)) == 0;
    }
    [[nodiscard]] constexpr Address align_down(u64 alignment) const {
        return Address{this->raw() & ~(alignment - 1)};
    }
    [[nodiscard]] constexpr Address align_up(u64 alignment) const {
        return (*this + (alignment - 1)).align_down(alignment);
    }
};

struct HostPhysicalTag;
struct GuestPhysicalTag;
struct HostVirtualTag;
struct GuestVirtualTag;
using HostPhysical = Address<HostPhysicalTag>;
using GuestPhysical = Address<GuestPhysicalTag>;
using HostVirtual = Address<HostVirtualTag>;
using GuestVirtual = Address<GuestVirtualTag>;

/// The number of a 4 KiB frame in the space of AddressType.
template <typename AddressType> class Frame : public Strong<AddressType, u64> {
  public:
    using Strong<AddressType, u64>::Strong;
    [[nodiscard]] static constexpr Frame of(AddressType address) {
        return Frame{address.raw() >> page_shift};
    }
    [[nodiscard]] constexpr AddressType address() const {
        return AddressType{this->raw() << page_shift};
    }
    [[nodiscard]] constexpr Frame operator+(u64 count) const { return Frame{this->raw() + count}; }
    [[nodiscard]] constexpr u64 operator-(Frame other) const { return this->raw() - other.raw(); }
    constexpr Frame& operator++() { return *this = *this + 1; }
};
using HostFrame = Frame<HostPhysical>;
using GuestFrame = Frame<GuestPhysical>;

struct PcrIndexTag;
using PcrIndex = Strong<PcrIndexTag, u32>; ///< 0-23
struct LocalityTag;
using Locality = Strong<LocalityTag, u8>; ///< TPM locality 0-4
struct CpuIdTag;
using CpuId = Strong<CpuIdTag, u32>; ///< dense number of a physical CPU, boot CPU is 0
struct ApicIdTag;
using ApicId = Strong<ApicIdTag, u32>;
struct VcpuIdTag;
using VcpuId = Strong<VcpuIdTag, u32>;
struct DomainIdTag;
using DomainId = Strong<DomainIdTag, u16>; ///< the Xen ABI's domid
struct EventPortTag;
using EventPort = Strong<EventPortTag, u32>;
struct GrantRefTag;
using GrantRef = Strong<GrantRefTag, u32>;
struct LabelIdTag;
using LabelId = Strong<LabelIdTag, u16>; ///< index of a label in the compiled access matrix
struct VectorTag;
using Vector = Strong<VectorTag, u8>; ///< x86 interrupt vector

/// PCI requester: segment, bus, device, function.
struct PciAddress {
    u16 segment{};
    u8 bus{};
    u8 device{};   ///< 0-31
    u8 function{}; ///< 0-7
    /// The 16-bit source-id (requester id) as VT-d and PCIe carry it.
    [[nodiscard]] constexpr u16 source_id() const {
        return static_cast<u16>((unsigned{bus} << 8) | (unsigned{device} << 3) |
                                unsigned{function});
    }
    [[nodiscard]] static constexpr PciAddress from_source_id(u16 segment, u16 id) {
        return PciAddress{segment,
                          static_cast<u8>(id >> 8),
                          static_cast<u8>((id >> 3) & 31),
                          static_cast<u8>(id & 7)};
    }
    friend constexpr auto operator<=>(const PciAddress&, const PciAddress&) = default;
};

/// What an access may do. Combined with | and tested with allows().
enum class Access : u8 {
    none = 0,
    read = 1,
    write = 2,
    execute = 4,
    read_write = 3,
    read_execute = 5,
    all = 7
};
[[nodiscard]] constexpr Access operator|(Access a, Access b) {
    return static_cast<Access>(static_cast<u8>(a) | static_cast<u8>(b));
}
[[nodiscard]] constexpr Access operator&(Access a, Access b) {
    return static_cast<Access>(static_cast<u8>(a) & static_cast<u8>(b));
}
[[nodiscard]] constexpr bool allows(Access granted, Access wanted) {
    return (granted & wanted) == wanted;
}

} // namespace ravelin
