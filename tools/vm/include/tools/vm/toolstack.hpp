// SPDX-License-Identifier: Apache-2.0
// The life of a VM as domain 0 conducts it: images to the hypervisor, nodes to the store, devices
// to the back ends, in an order in which each finds what it needs; and back. What fails half-way is
// undone. Trusts the hypervisor; is trusted by nobody with a guest's memory.
#pragma once

#include "tools/vm/config.hpp"
#include "tools/vm/health.hpp"
#include "tools/vm/host_devices.hpp"
#include "tools/vm/hypervisor.hpp"
#include "tools/vm/layout.hpp"
#include "tools/vm/store.hpp"

#include <chrono>
#include <functional>

namespace ravelin::vm {

struct Images {
    std::vector<u8> kernel; ///< an ELF
    std::vector<u8> ramdisk;
};

/// How waiting is done; tests do not wait.
struct Patience {
    std::chrono::milliseconds limit{10'000};
    std::chrono::milliseconds step{20};
    std::function<void(std::chrono::milliseconds)> sleep;
};

enum class Start { running, paused };
enum class ShutDown { power_off, reboot };
/// `yes`: the domain ends first, with its grants in use, and then the back ends let go of it.
enum class Force { no, yes };

class Toolstack {
  public:
    Toolstack(Hypervisor& hypervisor, Store& store, HostDevices& devices, Patience patience);

    /// The new domain. VmError says which step failed; nothing of it is left then.
    DomainId create(const Config& config, const Images& images, Start start);
    /// Takes its devices, its nodes and the domain itself away, running or not. VmError names back
    /// ends that hold on; the domain is dying then, and another call goes on.
    void destroy(DomainId domain, Force force = Force::no);
    /// Puts NICs whose interface came back, because netback did, into their bridge again; how many.
    unsigned rejoin(DomainId domain);
    /// How its devices are.
    [[nodiscard]] std::vector<Device> devices(DomainId domain);
    /// Sleeps until some domain ended or came, or the time is over.
    void wait_for_news(std::chrono::milliseconds limit);
    /// Asks the guest, and waits until it stopped; VmError when it has not within `limit`.
    void shut_down(DomainId domain, ShutDown how, std::chrono::milliseconds limit);
    /// Tells the guest's balloon and the hypervisor.
    void set_memory(DomainId domain, u32 target_mib);
    /// By name or number; VmError when there is none.
    [[nodiscard]] Summary find(const std::string& name_or_number);

  private:
    void write(const std::vector<Node>& nodes);
    void add_disk(DomainId domain, const Disk& disk);
    void add_nic(DomainId domain, u32 index, const Nic& nic, const std::string& bridge);
    /// Those whose back ends do not let go.
    [[nodiscard]] std::string remove_devices(DomainId domain);
    void wait_for_backend(const std::string& type, DomainId domain, u32 device);
    /// Whether it became true within `limit`.
    bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit);

    Hypervisor& hypervisor_;
    Store& store_;
    HostDevices& devices_;
    Patience patience_;
};

} // namespace ravelin::vm
