// SPDX-License-Identifier: Apache-2.0
// A VM as its operator writes it: TOML with the keys that an `xl` user expects. An unknown key is
// an error: a misspelt one must not pass for its absence.
#pragma once

#include <base/int.hpp>
#include <wire/vm_control.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace ravelin::vm {

enum class Access { read_only, read_write };

/// "TARGET,raw,xvda,rw" as in xl-disk-configuration(5): a file or a block device of domain 0.
struct Disk {
    std::string target;
    std::string device; ///< the guest's name for it, "xvda"
    u32 number{};       ///< what that name is in the protocol
    Access access{Access::read_write};
};

/// "mac=00:16:3e:01:02:03" as in xl-network-configuration(5); it may be empty.
struct Nic {
    std::string mac;
};

/// What becomes of a VM that ended by itself, as in xl.cfg(5).
enum class Afterwards { destroy, restart, preserve };

struct Config {
    std::string name;
    u32 memory_mib{};
    u32 max_memory_mib{};
    u32 vcpus{1};
    std::string kernel; ///< a bzImage or a PVH ELF, a path in domain 0
    std::string ramdisk;
    std::string command_line;
    std::string label;
    wire::control::Schedule schedule;
    std::vector<Disk> disks;
    std::vector<Nic> nics;
    Afterwards on_poweroff{Afterwards::destroy};
    Afterwards on_reboot{Afterwards::restart};
    Afterwards on_crash{Afterwards::destroy};
};

/// `file` is for messages: "FILE:LINE:COLUMN: what is wrong, what was expected". Throws VmError.
[[nodiscard]] Config parse_config(std::string_view toml, const std::string& file);

/// What the file says to do after this end. A suspended VM is kept: nobody resumes it yet.
[[nodiscard]] Afterwards afterwards(const Config& config, wire::control::VmEnd end);

/// The protocol's number of a disk's name: xvda to xvdp by the old scheme, xvdq to xvdz by the
/// extended one [Xen, docs/misc/vbd-interface]. 0: no such name.
[[nodiscard]] u32 disk_number(std::string_view device);

} // namespace ravelin::vm
