// SPDX-License-Identifier: Apache-2.0
// What outlives one command: a VM's file, which is kept while the VM lives so that it can be made
// again, and what a VM that is gone said last. One command at a time does something to a VM.
#pragma once

#include "tools/vm/toolstack.hpp"

#include <filesystem>
#include <memory>
#include <set>
#include <string>

namespace ravelin::vm {

/// The hypervisor alone; lists that need no store find names by themselves.
struct Machine {
    Machine();
    std::unique_ptr<Channel> channel;
    Hypervisor hypervisor;
};

struct Domain0 : Machine {
    Domain0();
    std::unique_ptr<Store> store;
    std::unique_ptr<HostDevices> devices;
    Toolstack toolstack;
};

/// While it lives no other command changes that VM.
class VmLock {
  public:
    enum class Wait { yes, no };
    explicit VmLock(const std::string& name, Wait wait = Wait::yes);
    ~VmLock();
    VmLock(const VmLock&) = delete;
    VmLock& operator=(const VmLock&) = delete;
    [[nodiscard]] bool held() const { return file_ >= 0; }

  private:
    int file_;
};

/// The name of the VM of a file.
[[nodiscard]] std::string name_in_file(const std::filesystem::path& file);
/// Makes the VM of the file, under its lock.
DomainId create_from(Domain0& domain0, const std::filesystem::path& file, Start start);
/// Takes a VM away, and forgets its file. Under its lock.
void destroy(Domain0& domain0, const Summary& vm, Force force);
/// Asks it to reboot, and makes it again. The new domain. Under its lock.
DomainId reboot(Domain0& domain0, const Summary& vm, std::chrono::seconds limit);
/// How the last VM of this name ended, in words; nothing when none is known.
[[nodiscard]] std::string last_end(const std::string& name);

/// Does to VMs that ended by themselves what their files say, and prints it.
class Supervisor {
  public:
    explicit Supervisor(Domain0& domain0) : domain0_{domain0} {}
    /// Looks at all of them once.
    void look();
    /// For ever.
    [[noreturn]] void watch();

  private:
    void look_after(const Summary& vm);
    void look_after_nics(const Summary& vm);

    Domain0& domain0_;
    std::set<u16> settled_; ///< domains about which nothing is left to do or say
};

} // namespace ravelin::vm
