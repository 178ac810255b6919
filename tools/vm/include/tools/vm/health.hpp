// SPDX-License-Identifier: Apache-2.0
// How a VM's devices are, and in words why one does not work: what the operator is told by `list`
// and `info`.
#pragma once

#include "tools/vm/host_devices.hpp"
#include "tools/vm/layout.hpp"
#include "tools/vm/store.hpp"

#include <string>
#include <vector>

namespace ravelin::vm {

struct Device {
    std::string type; ///< "vbd" or "vif"
    u32 number{};
    std::string name;   ///< "xvda", or the NIC's interface in the back-end domain
    std::string target; ///< a disk's file or block device
    BusState back{BusState::unknown};
    BusState front{BusState::unknown};
    std::string trouble; ///< empty: none that is known
};

/// Those the store has for the domain, by type and number.
[[nodiscard]] std::vector<Device>
devices_of(DomainId domain, Store& store, HostDevices& host_devices);

/// A state as the store's node has it.
[[nodiscard]] BusState bus_state(const std::optional<std::string>& text);
/// A number as a store's node has it; nothing for anything else.
[[nodiscard]] std::optional<u32> store_number(const std::string& text);

} // namespace ravelin::vm
