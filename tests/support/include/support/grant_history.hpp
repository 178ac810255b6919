// SPDX-License-Identifier: Apache-2.0
// Random histories of three domains that grant, map, copy and balloon, against a model of what each
// may reach. The choices come from the caller: a random generator, or a fuzzer's bytes.
#pragma once

#include <support/grant_world.hpp>

namespace ravelin::test {

template <typename Choose> class GrantHistory {
  public:
    static constexpr u64 hole = 0x1000;
    static constexpr u64 holes = 16;
    static constexpr u64 secret = GrantDomain::ram - 1; ///< a page that is never granted

    explicit GrantHistory(Choose choose) : choose_{choose} {
        for (u64 i = 0; i < domains_.size(); ++i)
            std::ranges::fill(host_.bytes(*domains_[i].frame(secret)), static_cast<u8>(0xc0 + i));
    }

    /// One operation; false when something reached what it should not.
    [[nodiscard]] bool step() {
        switch (choose_(8)) {
        case 0:
        case 1:
            write_entry();
            return true;
        case 2:
        case 3:
            return map();
        case 4:
            return unmap();
        case 5:
            return copy();
        case 6:
            balloon();
            return true;
        default:
            if (choose_(16) == 0)
                end_mappings(choose_(3));
            return true;
        }
    }

    /// What each domain reaches is its own or what the model says; pins and marks are the model's.
    [[nodiscard]] bool holds() {
        std::map<std::pair<usize, u32>, u64> in_use;
        for (const Mapped& m : mapped_)
            ++in_use[{m.granter, m.reference}];
        bool good = host_.pins() == in_use.size() && devices_.order_was_kept;
        for (usize d = 0; d < domains_.size(); ++d) {
            const auto of_d = std::ranges::count_if(
                in_use, [d](const auto& use) { return use.first.first == d; });
            good = good && domains_[d].grants.entries_in_use() == static_cast<u64>(of_d);
            for (u64 at = 0; at < GrantDomain::ram; ++at)
                good = good && reaches_its_own(d, at);
            for (u64 at = hole; at < hole + holes; ++at)
                good = good && reaches_its_own(d, at);
            good = good && std::ranges::all_of(host_.bytes(*domains_[d].frame(secret)),
                                               [d](u8 byte) { return byte == 0xc0 + d; });
        }
        return good;
    }

    /// The end of all three; whether nothing stays behind.
    [[nodiscard]] bool end() {
        for (usize d = 0; d < domains_.size(); ++d)
            end_mappings(d);
        return holds() && host_.pins() == 0;
    }

  private:
    struct Mapped {
        usize mapper;
        usize granter;
        u32 reference;
        grants::Handle handle;
        u64 at;
        HostFrame frame;
        Access access;
    };

    GrantDomain& domain() { return domains_[choose_(3)]; }
    u32 reference() { return static_cast<u32>(choose_(32) == 0 ? choose_(2000) : choose_(6)); }
    u64 place() { return choose_(8) == 0 ? choose_(GrantDomain::ram) : hole + choose_(holes); }
    u64 page() {
        const u64 page = choose_(12) == 0 ? hole + choose_(holes) : choose_(8);
        return choose_(40) == 0 ? 0xffff'ffff - choose_(2) : page;
    }

    void write_entry() {
        const u64 flags = choose_(3) == 0 ? choose_(0x40) : 1;
        domain().grant(
            static_cast<u32>(choose_(6)), static_cast<u16>(1 + choose_(3)), page(), flags);
    }

    bool map() {
        const usize by = choose_(3);
        const usize of = choose_(3);
        const u32 at = reference();
        const Access access = choose_(2) == 0 ? Access::read : Access::read_write;
        const u64 where = place();
        const u64 word = at < 512 ? domains_[of].entry(at).load() : 0;
        const auto handle =
            domains_[by].grants.map(GuestFrame{where}, domains_[of].grants, GrantRef{at}, access);
        if (!handle)
            return true;
        const auto frame = domains_[of].frame(word >> 32);
        const bool granted = (word & 3) == 1 && (word >> 16 & 0xffff) == by + 1 &&
                             (access == Access::read || (word & 4) == 0);
        mapped_.push_back({by, of, at, handle.value(), where, frame.value_or(HostFrame{}), access});
        return granted && frame && domains_[by].frame(where) == frame &&
               host_.frames.info(*frame).owner == domains_[of].domain.id();
    }

    bool unmap() {
        if (mapped_.empty() || choose_(4) == 0) {
            // A guess succeeds only where the model has it, which the search below would tell.
            const usize by = choose_(3);
            const grants::Handle guess{static_cast<u32>(choose_(64) << 15 | choose_(32))};
            const u64 where = place();
            if (!domains_[by].grants.unmap(guess, GuestFrame{where}.address()))
                return true;
            return std::erase_if(mapped_, [&](const Mapped& m) {
                       return m.mapper == by && m.handle == guess && m.at == where;
                   }) == 1;
        }
        const usize index = choose_(mapped_.size());
        const Mapped m = mapped_[index];
        mapped_.erase(mapped_.begin() + static_cast<std::ptrdiff_t>(index));
        return domains_[m.mapper].grants.unmap(m.handle, GuestFrame{m.at}.address()).is_ok() &&
               !domains_[m.mapper].frame(m.at);
    }

    grants::GrantTable::CopyEnd copy_end() {
        const auto offset = static_cast<u16>(choose_(2) == 0 ? 0 : choose_(0x1100));
        if (choose_(2) == 0)
            return {nullptr, {}, GuestFrame{choose_(2) == 0 ? choose_(8) : place()}, offset};
        return {&domain().grants, GrantRef{reference()}, {}, offset};
    }
    bool copy() {
        GrantDomain& by = domain();
        const auto source = copy_end();
        auto target = copy_end();
        // Nobody's secret is a target: a domain may overwrite its own, which says nothing.
        if (target.granter == nullptr && target.frame.raw() == secret)
            target.frame = GuestFrame{0};
        (void)by.grants.copy(source, target, static_cast<u16>(choose_(0x1100))).is_ok();
        return true;
    }

    void balloon() {
        GrantDomain& of = domain();
        if (choose_(4) == 0)
            of.balloon.set_maximum(GrantDomain::ram + choose_(4));
        const u64 at = choose_(2) == 0 ? choose_(8) : hole + choose_(holes);
        if (choose_(2) == 0)
            (void)of.balloon.release(GuestFrame{at}).is_ok();
        else
            (void)of.balloon.populate(GuestFrame{at}).is_ok();
    }

    void end_mappings(usize d) {
        while (!domains_[d].grants.release_mappings(3)) {
        }
        std::erase_if(mapped_, [d](const Mapped& m) { return m.mapper == d; });
    }

    bool reaches_its_own(usize d, u64 at) {
        const auto found = domains_[d].domain.stage2().translate(GuestFrame{at}.address());
        const auto frame = domains_[d].frame(at);
        if (devices_.reached(domains_[d].domain.id(), at) != frame)
            return false;
        if (!frame || host_.frames.info(*frame).owner == domains_[d].domain.id())
            return true;
        return std::ranges::any_of(mapped_, [&](const Mapped& m) {
            return m.mapper == d && m.at == at && m.frame == *frame && found->access == m.access;
        });
    }

    Choose choose_;
    Host host_;
    Devices devices_{host_};
    std::array<GrantDomain, 3> domains_{GrantDomain{1, host_, devices_},
                                        GrantDomain{2, host_, devices_},
                                        GrantDomain{3, host_, devices_}};
    std::vector<Mapped> mapped_;
};

} // namespace ravelin::test
