// SPDX-License-Identifier: Apache-2.0
// One PCI function that a domain owns, as the domain sees it: real registers where they are its own
// business, emulated ones where they name addresses or interrupts. BARs stay where the firmware put
// them; INTx does not exist. [PCI 3.0 6.1, 6.2.5, 6.8]
#pragma once

#include <base/fixed_vector.hpp>
#include <hv/vlapic/bus.hpp>
#include <hv/vpci/machine.hpp>

#include <array>
#include <optional>
#include <span>

namespace ravelin::hv::vpci {

struct Bar {
    u8 index{}; ///< 0-5; a 64-bit BAR takes the next one too
    bool is_64{};
    HostPhysical address{};
    Bytes size{};
    u32 flags{};       ///< the low four bits
    bool sizing_low{}; ///< the guest wrote all ones and reads the size next
    bool sizing_high{};
};

enum class Unfit : u8 {
    fits,
    absent,
    bridge,      ///< bridges stay the hypervisor's
    no_messages, ///< neither MSI nor MSI-X: its interrupts cannot be remapped
    bad_bars,    ///< a BAR that the firmware left unassigned, or smaller than a page
};
[[nodiscard]] std::string_view text(Unfit reason);

/// Physical addresses that no device may decode.
struct Reserved {
    HostPhysical start{};
    u64 size{};
};

struct MsixTable {
    HostPhysical start{};
    u16 entries{};
};

class Function {
  public:
    static constexpr usize max_vectors = 64; ///< MSI-X entries beyond stay masked for ever

    Function() = default;
    /// Looks at a physical function and sizes its BARs. `fits` when a domain may own it.
    [[nodiscard]] Unfit probe(PciAddress at, ConfigSpace& config);
    /// Resets what the domain will see, masks every interrupt and turns bus mastering off.
    void hand_over(ConfigSpace& config,
                   DeviceMemory& memory,
                   InterruptRouter& router,
                   vlapic::ApicBus& apics);

    [[nodiscard]] PciAddress at() const { return at_; }
    [[nodiscard]] const FixedVector<Bar, 6>& bars() const { return bars_; }
    [[nodiscard]] const std::optional<MsixTable>& msix_table() const { return msix_table_; }
    /// Whether every BAR ends, and decodes none of these addresses.
    [[nodiscard]] bool keeps_clear_of(std::span<const Reserved> reserved) const;

    /// The domain's configuration accesses; size 1, 2 or 4, aligned.
    [[nodiscard]] u32 read_config(u16 offset, u8 size);
    void write_config(u16 offset, u8 size, u32 value);
    /// The domain's accesses to the pages that hold the MSI-X table.
    [[nodiscard]] u64 read_table(HostPhysical at, u8 size);
    void write_table(HostPhysical at, u8 size, u64 value);

  private:
    struct Message {
        u64 address{};
        u32 data{};
        u32 control{1}; ///< MSI-X vector control: masked
        std::optional<InterruptMessage> routed{};
    };
    [[nodiscard]] Unfit probe_bars(ConfigSpace& config);
    void find_capabilities(ConfigSpace& config);
    [[nodiscard]] u32 read_bar(u8 index);
    void write_bar(u8 index, u32 value);
    [[nodiscard]] u32 read_msi(u16 offset);
    void write_msi(u16 offset, u8 size, u32 value);
    void write_command(u32 value);
    [[nodiscard]] bool in_msi(u16 offset) const;
    [[nodiscard]] bool connect(Message& message);
    void program_entry(u16 index);

    PciAddress at_{};
    FixedVector<Bar, 6> bars_{};
    u16 msi_{}; ///< offset of the capability, 0: none
    u16 msix_{};
    bool msi_64_{};
    bool msi_masks_{};
    u16 msi_control_{};
    std::optional<MsixTable> msix_table_{};
    Message msi_message_{};
    std::array<Message, max_vectors> messages_{};
    ConfigSpace* config_{};
    DeviceMemory* memory_{};
    InterruptRouter* router_{};
    vlapic::ApicBus* apics_{};
};

} // namespace ravelin::hv::vpci
