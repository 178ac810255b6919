// SPDX-License-Identifier: Apache-2.0
// What a platform should look like: how it is launched, PCR values recorded of the firmware (SRTM),
// and the events that booting given files must leave, in order.
#pragma once

#include "attest/evidence.hpp"

#include <wire/statement.hpp>

namespace ravelin::attest {

struct ReferenceEvent {
    std::string name; ///< the event's text, as the log has it
    Digest digest;
    friend bool operator==(const ReferenceEvent&, const ReferenceEvent&) = default;
};

struct Reference {
    /// srtm or drtm: a platform that was launched otherwise is not the one that is meant.
    wire::Launch launch{wire::Launch::srtm};
    /// Firmware and boot loader, PCR 0-7: values, recorded. Empty for a DRTM launch, which does not
    /// rest on them.
    std::map<unsigned, Digest> firmware;
    /// Computed. SRTM: PCR 8 (GRUB's commands), 9 (files GRUB read), 12 (Ravelin). DRTM: PCR 17
    /// (SINIT, tboot, modules), 18 (their authorities), 19 (Ravelin); names of 17 and 18 are the
    /// predictor's, because SINIT and tboot log none.
    std::map<unsigned, std::vector<ReferenceEvent>> events;
    Digest manifest{};
};

/// A register, from zero, after these events.
[[nodiscard]] Digest value_after(std::span<const ReferenceEvent> events);

[[nodiscard]] Result<Reference, std::string> decode_reference(std::string_view json);
[[nodiscard]] std::string encode_reference(const Reference& reference);

/// PCR 0-7 as they were when the boot loader ran, {"sha256": {"0": hex, ...}}, and as they will be
/// once Ravelin has left boot services: firmware measures two actions into PCR 5 then [TCG PC
/// Client Platform Firmware Profile 1.05, 3.3.4.6].
[[nodiscard]] Result<std::map<unsigned, Digest>, std::string>
firmware_reference(std::string_view json);

/// PCR 8 and 9 of GRUB 2.06 that runs `config` (multiboot2, module2 and boot lines only) as
/// (hd0,gpt1)/boot/grub/grub.cfg, given the files by their names.
[[nodiscard]] Result<Reference, std::string>
predict_boot_loader(std::string_view config, const std::map<std::string, Bytes>& files);

/// The modules that grub.cfg loads, by the names that Ravelin knows them by.
[[nodiscard]] Result<std::map<std::string, Bytes>, std::string>
boot_modules(std::string_view config, const std::map<std::string, Bytes>& files);

/// How an EV_SEPARATOR with four zero bytes is called.
inline constexpr std::string_view separator_text = "separator";

struct Launch {
    std::vector<ReferenceEvent> events; ///< PCR 12, or 19 under DRTM
    Digest manifest;
};
/// What Ravelin measures of a manifest and the modules it names.
[[nodiscard]] Result<Launch, std::string>
predict_launch(const std::map<std::string, Bytes>& modules);

} // namespace ravelin::attest
