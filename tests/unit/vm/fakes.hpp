// SPDX-License-Identifier: Apache-2.0
// A hypervisor, a store with its back ends, and devices, as classes that remember what was done to
// them, and in what order.
#pragma once

#include <tools/vm/error.hpp>
#include <tools/vm/toolstack.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace ravelin::vm::test {

namespace control = wire::control;
using control::Operation;

using Journal = std::vector<std::string>;

struct FakeDomain {
    std::string name;
    control::VmState state{control::VmState::building};
    control::VmEnd end{control::VmEnd::none};
    std::vector<u8> kernel;
    std::vector<u8> ramdisk;
    u32 target_mib{};
    control::Schedule schedule;
};

class FakeChannel final : public Channel {
  public:
    explicit FakeChannel(Journal& journal) : journal_{journal} {}

    std::map<u16, FakeDomain> domains;
    /// The operation that fails, and how.
    std::optional<std::pair<Operation, i64>> failure;
    /// How often seal and destroy say EAGAIN first.
    int unfinished{2};

    i64 call(Operation operation, std::span<const u8> request, std::span<u8> response) override {
        if (failure && failure->first == operation)
            return -failure->second;
        switch (operation) {
        case Operation::vm_create:
            return create(control::decode<control::VmCreate>(request).value(), response);
        case Operation::vm_load:
            return load(control::decode<control::VmLoad>(request).value());
        case Operation::vm_list:
            return list(control::decode<control::VmListRequest>(request).value(), response);
        case Operation::vm_memory:
            domains.at(1).target_mib =
                control::decode<control::VmMemory>(request).value().target_mib;
            return 0;
        default:
            return on_domain(
                operation, control::decode<control::VmReference>(request).value().domain, response);
        }
    }
    std::span<u8> staging() override { return staging_; }

  private:
    template <typename Message> static i64 answer(const Message& message, std::span<u8> response) {
        return static_cast<i64>(control::encode(message, response).value().size());
    }
    i64 create(const control::VmCreate& request, std::span<u8> response) {
        const u16 id = domains.empty() ? u16{1} : static_cast<u16>(domains.rbegin()->first + 1);
        domains[id].name = std::string{request.name};
        journal_.push_back("create");
        return answer(control::VmReference{DomainId{id}}, response);
    }
    i64 load(const control::VmLoad& request) {
        FakeDomain& domain = domains.at(request.domain.raw());
        auto& image = request.image == control::Image::kernel ? domain.kernel : domain.ramdisk;
        if (request.offset != image.size())
            return -control::einval;
        // SAFETY: the test's own staging memory.
        const auto* bytes = reinterpret_cast<const u8*>(request.address);
        image.insert(image.end(), bytes, bytes + request.length);
        return 0;
    }
    i64 list(const control::VmListRequest& request, std::span<u8> response) {
        // One a call: the toolstack has to go on.
        const auto found = domains.lower_bound(request.first.raw());
        if (found == domains.end())
            return 0;
        return answer(summary(found->first, found->second), response);
    }
    static control::VmSummary summary(u16 id, const FakeDomain& domain) {
        return {DomainId{id}, domain.state, domain.end, 1, 65536, 0, domain.name};
    }
    i64 on_domain(Operation operation, DomainId id, std::span<u8> response) {
        const auto found = domains.find(id.raw());
        if (found == domains.end())
            return -control::esrch;
        FakeDomain& domain = found->second;
        if (operation == Operation::vm_destroy && domain.state != control::VmState::dying) {
            domain.state = control::VmState::dying;
            journal_.push_back("die");
        }
        if ((operation == Operation::vm_seal || operation == Operation::vm_destroy) &&
            unfinished-- > 0)
            return -control::eagain;
        switch (operation) {
        case Operation::vm_seal:
            journal_.push_back("seal");
            domain.state = control::VmState::sealed;
            return answer(control::LaunchDigest{}, response);
        case Operation::vm_unpause:
            journal_.push_back("unpause");
            domain.state = control::VmState::running;
            return 0;
        case Operation::vm_pause:
            journal_.push_back("pause");
            domain.state = control::VmState::paused;
            return 0;
        case Operation::vm_destroy:
            journal_.push_back("destroy");
            domains.erase(found);
            return 0;
        case Operation::vm_info: {
            control::VmInfo info;
            info.summary = summary(id.raw(), domain);
            info.stop.state = domain.state;
            info.stop.end = domain.end;
            info.schedule = domain.schedule;
            info.label = "guest";
            info.store_port = 1;
            info.store_frame = 0xfeffc;
            return answer(info, response);
        }
        default:
            return -control::enosys;
        }
    }

    Journal& journal_;
    std::vector<u8> staging_ = std::vector<u8>(1000);
};

class FakeStore final : public Store {
  public:
    explicit FakeStore(Journal& journal) : journal_{journal} {}

    std::map<std::string, std::string> nodes;
    /// What the back ends of this type do with a device that appears.
    std::map<std::string, BusState> backends{{"vbd", BusState::init_wait},
                                             {"vif", BusState::init_wait}};
    std::function<void(const std::string& path, const std::string& value)> on_write;

    void write(const std::string& path, const std::string& value) override {
        nodes[path] = value;
        for (const auto& [type, state] : backends)
            if (path.starts_with("/local/domain/0/backend/" + type + "/") &&
                path.ends_with("/state"))
                nodes[path] = std::to_string(static_cast<int>(state));
        if (on_write)
            on_write(path, value);
    }
    std::optional<std::string> read(const std::string& path) override {
        const auto found = nodes.find(path);
        return found == nodes.end() ? std::nullopt : std::optional{found->second};
    }
    std::vector<std::string> list(const std::string& path) override {
        std::set<std::string> names;
        for (const auto& [node, value] : nodes)
            if (node.starts_with(path + "/")) {
                const std::string below = node.substr(path.size() + 1);
                names.insert(below.substr(0, below.find('/')));
            }
        return {names.begin(), names.end()};
    }
    void remove(const std::string& path) override {
        std::erase_if(nodes, [&](const auto& node) {
            return node.first == path || node.first.starts_with(path + "/");
        });
    }
    void set_permissions(const std::string& path, const std::vector<Permission>&) override {
        if (!nodes.contains(path))
            throw VmError{path + " is not there"};
    }
    void introduce(DomainId, u64 frame, u32 port) override {
        journal_.push_back("introduce " + std::to_string(frame) + " " + std::to_string(port));
    }
    void release(DomainId) override { journal_.push_back("release"); }
    void wait_for_news(std::chrono::milliseconds) override {}

  private:
    Journal& journal_;
};

class FakeDevices final : public HostDevices {
  public:
    explicit FakeDevices(Journal& journal) : journal_{journal} {}

    std::set<std::string> attached;
    bool interfaces_appear{true};
    bool backends_hold{false};
    std::set<std::string> joined;

    std::string attach(const Disk& disk) override {
        const std::string physical = "7:" + std::to_string(attached.size());
        journal_.push_back("attach " + disk.target);
        attached.insert(physical);
        return physical;
    }
    void detach(const std::string& physical) override {
        journal_.push_back("detach " + physical);
        attached.erase(physical);
    }
    bool has_interface(const std::string&) override { return interfaces_appear; }
    bool is_joined(const std::string& interface) override { return joined.contains(interface); }
    void join(const std::string& interface, const std::string& bridge) override {
        joined.insert(interface);
        journal_.push_back("join " + interface + " " + bridge);
    }
    bool has_backend(const std::string&, u32, u32) override { return backends_hold; }
    bool is_served(const std::string& type, u32, u32) override { return !unserved.contains(type); }
    std::string write_trouble(const std::string& target) override {
        return full.contains(target) ? "the file system of " + target + " is full" : "";
    }

    std::set<std::string> unserved; ///< types whose module is gone
    std::set<std::string> full;

  private:
    Journal& journal_;
};

} // namespace ravelin::vm::test
