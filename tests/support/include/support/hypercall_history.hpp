// SPDX-License-Identifier: Apache-2.0
// Random histories of hypercalls of three domains on one host, through the real dispatch table: a
// domain 0 and two guests of two vCPUs each, whose memory holds anything and changes while the
// hypervisor looks, and which end and begin anew in the middle. After each step nobody but the
// caller has been touched, and frames and pins are accounted for. The choices come from the caller:
// a random generator, or a fuzzer's bytes.
#pragma once

#include <set>
#include <support/hypercall_requests.hpp>

namespace ravelin::test {

class HypercallHistory final : domain::Directory {
  public:
    static constexpr usize domains = HypercallRequests::domains;

    explicit HypercallHistory(Choose choose) : choose_{std::move(choose)} {
        free_ = host_.frames.counts().free;
        for (usize i = 0; i < domains; ++i)
            begin(i);
        host_.meanwhile = [this] { interfere(); };
    }
    ~HypercallHistory() { host_.meanwhile = nullptr; }
    HypercallHistory(const HypercallHistory&) = delete;
    HypercallHistory& operator=(const HypercallHistory&) = delete;

    /// One step of somebody's; nullptr, or which rule was broken.
    [[nodiscard]] const char* step() {
        const usize who = choose_(domains);
        const u64 what = choose_(16);
        machine_.console.clear();
        remember(who);
        if (domains_[who] != nullptr && !domains_[who]->dying)
            act(who, what);
        else if (domains_[who] != nullptr)
            end(who);
        else if (choose_(2) == 0)
            begin(who);
        if (const char* const broken = others_changed(who))
            return broken;
        return broken_rule();
    }

    /// The end of all; whether everything is as it was before they began.
    [[nodiscard]] const char* finish() {
        host_.meanwhile = nullptr;
        host_.failing.never();
        devices_.failing.never();
        for (unsigned rounds = 0; rounds < 100; ++rounds)
            for (usize i = 0; i < domains; ++i)
                end(i);
        for (const auto& domain : domains_)
            if (domain != nullptr)
                return "a domain does not end";
        if (pins() != 0)
            return "a pin outlives all domains";
        return host_.frames.counts().free == free_ ? nullptr : "frames are lost";
    }

  private:
    using Words = HypercallRequests::Words;

    domain::Reference find(DomainId id) override {
        for (auto& domain : domains_)
            if (domain != nullptr && !domain->dying && domain->domain.id() == id)
                return domain::Reference{domain->domain};
        return {};
    }

    void begin(usize who) {
        constexpr u64 enough = 64;
        if (host_.frames.counts().free < enough)
            return;
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        host_.failing.never();
        devices_.failing.never();
        // Two guests of one label or of two.
        const u8 label = who == 2 ? static_cast<u8>(choose_(2)) : u8{0};
        domains_[who] =
            std::make_unique<HistoryDomain>(static_cast<u16>(who), label, host_, devices_, xen_);
        host_.meanwhile = meanwhile;
    }

    /// One attempt to take a domain down, as hv/main does.
    void end(usize who) {
        if (domains_[who] == nullptr)
            return;
        HistoryDomain& own = *domains_[who];
        own.dying = true;
        own.domain.stop(domain::StopReason::destroyed);
        own.first.set_on_cpu(false);
        own.second.set_on_cpu(false);
        if (own.domain.users() != 0 || !xen_.let_go(own.domain) ||
            host_.frames.release_unpinned(HostFrame{0}, host_.frames.size(), own.domain.id()) != 0)
            return;
        xen_.tear_down(own.domain, host_);
        std::erase_if(devices_.reached,
                      [who](const auto& entry) { return entry.first.first == who; });
        domains_[who].reset();
    }

    void write_grant(HistoryDomain& own) {
        const u64 flags = choose_(4) == 0 ? choose_(0x40) : 1 | choose_(2) << 2;
        const u64 word = flags | u64{requests_.domain_id()} << 16 | requests_.place() << 32;
        std::memcpy(host_.at(own.grants).data() + choose_(8) * 8, &word, sizeof(word));
        seen_[own.domain.id().raw()].granted.insert(word >> 32);
    }

    /// Other vCPUs, in the middle of a hypercall: rarely, and never from within itself.
    void interfere() {
        if (caller_ == nullptr || ++looks_ % 16 != 0)
            return;
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        const u64 word = choose_(4) << 29 | requests_.number();
        switch (choose_(3)) {
        case 0: // anyone's grants
            if (auto& any = domains_[choose_(domains)]; any != nullptr)
                write_grant(*any);
            break;
        default: { // the caller's own memory
            const u64 at = choose_(HistoryDomain::ram);
            const u64 offset = choose_(8) == 0 ? choose_(512) * 8 : choose_(72) * 8;
            const auto frame = caller_->frame(at);
            if (frame && host_.frames.info(*frame).owner == caller_->domain.id())
                std::memcpy(host_.at(*frame).data() + offset, &word, sizeof(word));
        }
        }
        host_.meanwhile = meanwhile;
    }

    // One step of one domain.
    void act(usize who, u64 what) {
        HistoryDomain& own = *domains_[who];
        domain::Vcpu& vcpu = choose_(4) == 0 ? own.second : own.first;
        switch (what) {
        case 0:
            write_grant(own);
            return;
        case 1: { // its memory
            const u64 word = requests_.number() | choose_(8) << 28;
            requests_.put(own, requests_.address(), &word, sizeof(word));
            return;
        }
        case 2:
            come_and_go(own);
            return;
        case 3:
            if (choose_(8) == 0)
                end(who);
            else if (choose_(4) == 0)
                (choose_(2) == 0 ? host_.failing : devices_.failing).after(choose_(4));
            else
                host_.failing.never(), devices_.failing.never();
            return;
        case 4:
            raise(own, vcpu);
            return;
        default:
            break;
        }
        caller_ = &own;
        const u64 call = choose_(64);
        u64 rows = 0;
        const auto table = abi::operation_table();
        Words arguments{requests_.number(),
                        requests_.number(),
                        requests_.number(),
                        requests_.number(),
                        requests_.number(),
                        requests_.number()};
        u64 hypercall = call;
        if (what != 5) { // a row of the table
            const abi::Row& row = table[choose_(table.size())];
            hypercall = row.number;
            arguments = requests_.request(own, row);
        }
        while (rows++ < 6) {
            (void)xen_.hypercall(vcpu, {hypercall, arguments});
            if (!vcpu.take_repeat())
                break;
            arguments[0] = vcpu.registers()[cpu::Register::rdi];
            arguments[1] = vcpu.registers()[cpu::Register::rsi];
            arguments[2] = vcpu.registers()[cpu::Register::rdx];
        }
        (void)vcpu.take_rest();
        caller_ = nullptr;
        // A guest that stopped itself is taken down by its maker.
        own.dying = !own.domain.running();
    }

    /// vCPUs enter and leave CPUs and their guest, between which they hold no translations.
    void come_and_go(HistoryDomain& own) {
        domain::Vcpu& vcpu = choose_(2) == 0 ? own.first : own.second;
        switch (choose_(3)) {
        case 0:
            vcpu.set_on_cpu(true);
            return;
        case 1:
            vcpu.set_on_cpu(false);
            return;
        default:
            vcpu.entering_guest();
            vcpu.left_guest();
        }
    }

    void raise(HistoryDomain& own, domain::Vcpu& vcpu) {
        switch (choose_(5)) {
        case 4:
            (void)xen_.write_msr(vcpu, 0x4000'0000, requests_.address());
            return;
        case 0:
            xen_.raise_virtual_interrupt(own.domain, static_cast<u32>(choose_(24)));
            return;
        case 1:
            xen_.timer_expired(vcpu);
            return;
        case 2:
            xen_.turn_begins(vcpu);
            return;
        default:
            xen_.deliver_events(vcpu);
        }
    }

    // The rules.
    struct Seen {
        bool running;
        u64 current;
        u64 maximum;
        std::vector<std::optional<HostFrame>> places;
        std::set<u64> granted;                           ///< guest frames that others may write to
        std::map<u64, std::array<u8, page_size>> memory; ///< by guest frame: what must not change
    };

    void remember(usize who) {
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        for (usize i = 0; i < domains; ++i) {
            if (i == who || domains_[i] == nullptr)
                continue;
            HistoryDomain& other = *domains_[i];
            Seen& seen = seen_[i];
            seen = {other.domain.running(),
                    other.state->balloon.current(),
                    other.state->balloon.maximum(),
                    {},
                    {},
                    {}};
            for (u32 table = 0; table < other.state->grants.frame_count(); ++table)
                for (const u64 word : host_.page(other.state->grants.frame(table).value()))
                    if (word != 0)
                        seen.granted.insert(word >> 32);
            other.for_each_place([&](u64 at) {
                const auto frame = other.frame(at);
                seen.places.push_back(frame);
                if (frame && host_.frames.info(*frame).owner == other.domain.id() &&
                    host_.frames.info(*frame).pins == 0)
                    std::ranges::copy(host_.at(*frame), seen.memory[at].begin());
            });
        }
        host_.meanwhile = meanwhile;
    }

    [[nodiscard]] const char* others_changed(usize who) {
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        const char* broken = nullptr;
        for (usize i = 0; i < domains; ++i) {
            if (i == who || domains_[i] == nullptr)
                continue;
            HistoryDomain& other = *domains_[i];
            const Seen& seen = seen_[i];
            if (other.domain.running() != seen.running ||
                other.state->balloon.current() != seen.current ||
                other.state->balloon.maximum() != seen.maximum)
                broken = "another domain was stopped or lost memory";
            usize place = 0;
            other.for_each_place([&](u64 at) {
                if (other.frame(at) != seen.places[place++])
                    broken = "another domain's memory map changed";
            });
            for (const auto& [at, bytes] : seen.memory) {
                const HostFrame frame = *other.frame(at);
                if (host_.frames.info(frame).pins == 0 && !seen.granted.contains(at) &&
                    std::memcmp(bytes.data(), host_.at(frame).data(), page_size) != 0)
                    broken = "another domain's memory was written to";
            }
        }
        host_.meanwhile = meanwhile;
        return broken;
    }

    [[nodiscard]] u64 pins() {
        u64 sum = 0;
        for (u64 i = 0; i < SharedHost::frame_count; ++i)
            sum += host_.frames.info(HostFrame{i}).pins;
        return sum;
    }

    [[nodiscard]] bool shows_table(HistoryDomain& own, HostFrame frame) {
        if (own.state->shared_info == frame)
            return true;
        for (u32 i = 0; i < own.state->grants.frame_count(); ++i)
            if (own.state->grants.frame(i).value() == frame)
                return true;
        return false;
    }

    /// What holds at any time; looked at now and then, for it takes long.
    [[nodiscard]] const char* broken_rule() {
        if (++steps_ % 4 != 0)
            return nullptr;
        const auto meanwhile = std::exchange(host_.meanwhile, nullptr);
        const char* broken = nullptr;
        u64 expected = 0;
        std::map<u64, u64> uses; ///< of a host frame as its owner's memory
        std::array<u64, domains> owned{};
        u64 pins = 0;
        for (u64 i = 0; i < SharedHost::frame_count; ++i) {
            const mm::FrameInfo info = host_.frames.info(HostFrame{i});
            pins += info.pins;
            if (info.type == mm::FrameType::domain)
                ++owned.at(info.owner.raw());
        }
        for (auto& domain : domains_) {
            if (domain == nullptr)
                continue;
            HistoryDomain& own = *domain;
            expected += own.state->grants.entries_in_use();
            for (const abi::VcpuState& vcpu : own.state->vcpus)
                for (const auto* place : {&vcpu.info, &vcpu.time})
                    expected += *place && (*place)->pinned ? 1u : 0u;
            own.state->events.with(
                [&](const events::Channels& channels) { expected += channels.pinned_frames(); });
            own.for_each_place([&](u64 at) {
                const auto frame = own.frame(at);
                if (!frame)
                    return;
                const mm::FrameInfo info = host_.frames.info(*frame);
                const auto reached = devices_.reached.find({own.domain.id().raw(), at});
                if (shows_table(own, *frame)) {
                    if (reached != devices_.reached.end())
                        broken = "devices reach the hypervisor's page";
                    return;
                }
                if (info.type != mm::FrameType::domain)
                    broken = "a domain sees a frame that is nobody's memory";
                else if (reached == devices_.reached.end() || reached->second != *frame)
                    broken = "devices reach something else than their domain";
                else if (info.owner == own.domain.id()) {
                    // Twice only where the domain maps what it granted to itself.
                    if (++uses[frame->raw()] > 1 && info.pins == 0)
                        broken = "a frame is in two places of its owner";
                } else if (info.pins == 0)
                    broken = "a frame of another domain is mapped and not pinned";
            });
            if (!own.dying && owned[own.domain.id().raw()] != own.state->balloon.current())
                broken = "a domain's memory is not what it counts";
            if (own.state->balloon.current() > own.state->balloon.maximum())
                broken = "a domain has more than it may";
        }
        if (pins != expected)
            broken = "pins are not what uses them";
        host_.meanwhile = meanwhile;
        return broken;
    }

    Choose choose_;
    SharedHost host_;
    HypercallRequests requests_{choose_, host_};
    SharedDevices devices_;
    TestMachine machine_;
    abi::XenAbi xen_{machine_, nullptr, abi::Surroundings{*this, host_.frames, devices_}};
    std::array<std::unique_ptr<HistoryDomain>, domains> domains_;
    std::array<Seen, domains> seen_;
    HistoryDomain* caller_{};
    u64 looks_{};
    u64 steps_{};
    u64 free_{};
};

} // namespace ravelin::test
