// SPDX-License-Identifier: Apache-2.0
// What of a VM stands in the store [Xen, docs/misc/xenstore-paths and public/io headers]: a pure
// list, in the order of writing. A node without permissions of its own has its parent's.
#pragma once

#include "tools/vm/config.hpp"
#include "tools/vm/store.hpp"

namespace ravelin::vm {

/// Back ends run here. One back-end domain a label is configuration to come.
inline constexpr DomainId backend_domain{0};

/// The types of devices, in the order in which they are taken away.
inline constexpr const char* device_types[] = {"vbd", "vif"};

struct Node {
    std::string path;
    std::string value;
    std::vector<Permission> permissions; ///< empty: the parent's
};

[[nodiscard]] std::string domain_path(DomainId domain);
/// `type` is "vbd" or "vif".
[[nodiscard]] std::string backend_path(const std::string& type, DomainId domain, u32 device);
[[nodiscard]] std::string frontend_path(const std::string& type, DomainId domain, u32 device);

/// The domain's own folder: name, memory target, CPUs, where it hears of a shutdown.
[[nodiscard]] std::vector<Node> domain_nodes(DomainId domain, const Config& config);
/// Both ends of a disk whose block device in the back-end domain is `physical` ("7:0", hex).
[[nodiscard]] std::vector<Node>
disk_nodes(DomainId domain, const Disk& disk, const std::string& physical);
/// Both ends of a NIC.
[[nodiscard]] std::vector<Node>
nic_nodes(DomainId domain, u32 index, const Nic& nic, const std::string& bridge);

/// The bridge that joins the NICs of one label, and of no other: its name is the label's, or, where
/// Linux would not take that as an interface's name, a hash of it.
[[nodiscard]] std::string bridge_of(const std::string& label);
/// What netback calls a NIC in its own domain.
[[nodiscard]] std::string vif_name(DomainId domain, u32 index);

/// XenbusState [public/io/xenbus.h].
enum class BusState {
    unknown = 0,
    initialising = 1,
    init_wait = 2,
    initialised = 3,
    connected = 4,
    closing = 5,
    closed = 6,
};
[[nodiscard]] const char* name(BusState state);

} // namespace ravelin::vm
