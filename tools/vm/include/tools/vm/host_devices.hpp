// SPDX-License-Identifier: Apache-2.0
// What the back ends need of the domain they run in: block devices for files, bridges for NICs. An
// interface, so that the toolstack is tested without any.
#pragma once

#include "tools/vm/config.hpp"

#include <memory>
#include <string>

namespace ravelin::vm {

/// All of it throws VmError.
class HostDevices {
  public:
    HostDevices() = default;
    virtual ~HostDevices() = default;
    HostDevices(const HostDevices&) = delete;
    HostDevices& operator=(const HostDevices&) = delete;

    /// The block device for a disk as "MAJOR:MINOR" in hex: itself, or a loop device on the file.
    [[nodiscard]] virtual std::string attach(const Disk& disk) = 0;
    /// Frees the loop device that attach() made; nothing happens for another device.
    virtual void detach(const std::string& physical) = 0;
    /// Whether the network interface is there.
    [[nodiscard]] virtual bool has_interface(const std::string& interface) = 0;
    /// Whether some bridge has it.
    [[nodiscard]] virtual bool is_joined(const std::string& interface) = 0;
    /// Makes the bridge where there is none, puts the interface into it, and turns both on.
    virtual void join(const std::string& interface, const std::string& bridge) = 0;
    /// Whether the kernel's back end still has its device ("vbd", 3, 51712).
    [[nodiscard]] virtual bool has_backend(const std::string& type, u32 domain, u32 device) = 0;
    /// Whether a driver serves that device: not while the back end's module is unloaded.
    [[nodiscard]] virtual bool is_served(const std::string& type, u32 domain, u32 device) = 0;
    /// Why a disk on this file or device cannot be written to, in words; nothing when it can.
    [[nodiscard]] virtual std::string write_trouble(const std::string& target) = 0;
};

/// Linux's.
[[nodiscard]] std::unique_ptr<HostDevices> open_host_devices();

} // namespace ravelin::vm
