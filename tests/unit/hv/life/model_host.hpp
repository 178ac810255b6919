// SPDX-License-Identifier: Apache-2.0
// A machine of a few megabytes whose domains are frames and flags, and a caller with memory.
#pragma once

#include <hv/life/life.hpp>

#include <map>
#include <string>
#include <vector>

namespace ravelin::hv::life {

class ModelHost final : public Host, public mm::Scrubber {
  public:
    explicit ModelHost(u64 frame_count);

    Status<Problem> create(const NewDomain& domain) override;
    Status<Problem> fill(DomainId id, const builder::Plan& plan) override;
    void pause(DomainId id) override { ++domains_.at(id.raw()).paused; }
    void unpause(DomainId id) override { --domains_.at(id.raw()).paused; }
    Status<Problem> destroy(DomainId id) override;
    std::optional<Facts> facts(DomainId id) override;
    FixedVector<DomainId, max_domains> domains() override;
    Status<Problem> set_schedule(DomainId id, const wire::control::Schedule& schedule) override;
    void set_memory_limit(DomainId id, Bytes limit) override {
        domains_.at(id.raw()).limit = limit;
    }
    usize read_console(DomainId id, u64& offset, std::span<u8> into) override;
    u32 type(DomainId id, std::span<const u8> bytes) override;
    std::span<u8> bytes(HostFrame first, u64 count) override;
    void say(std::string_view, std::string_view, std::span<const u8>) override {}
    void scrub(HostFrame first, u64 count) override;

    struct Domain {
        std::string name;
        u32 vcpus{};
        int paused{};
        u64 built{};
        std::vector<u8> kernel; ///< what the builder saw
        std::vector<u8> ramdisk;
        std::string command_line;
        std::vector<HostFrame> frames;
        wire::control::Schedule schedule;
        wire::control::VmEnd end{};
        Bytes limit{};
        std::string said;
        std::string typed;
        bool dying{};
    };
    /// One that the manifest made.
    void add_manifest_domain(u16 id, const std::string& name) { domains_[id].name = name; }
    [[nodiscard]] Domain& domain(DomainId id) { return domains_.at(id.raw()); }
    [[nodiscard]] u64 free_frames() { return frames.counts().free; }

    mm::FrameAllocator frames;
    bool in_use{}; ///< something still holds a reference: destroy() has to come again

  private:
    [[nodiscard]] Status<Problem> take(Domain& domain, u64 count);
    std::vector<mm::FrameInfo> table_;
    std::vector<u8> memory_;
    std::map<u16, Domain> domains_;
};

class ModelCaller final : public Caller {
  public:
    static constexpr u64 base = 0x7f00'0000'0000;
    DomainId id() const override { return DomainId{0}; }
    bool copy_in(GuestVirtual from, std::span<u8> into) override;
    std::vector<u8> memory;
};

} // namespace ravelin::hv::life
