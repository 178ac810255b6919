// SPDX-License-Identifier: Apache-2.0
// The decisions: who goes first, whether a core's labels allow it, for how long. The walk is over
// the groups that have somebody waiting, of whom there are at most 64.
#include <base/ensure.hpp>
#include <hv/scheduler/scheduler.hpp>

#include <algorithm>

namespace ravelin::hv::scheduler {
namespace {

constexpr u64 virtual_unit = 1024; ///< virtual time of one tick at weight 1
constexpr u32 most_weight = 65535;

} // namespace

u64 Scheduler::scaled(Time ticks, const Group& group) {
    return ticks * virtual_unit / group.share_.weight;
}

/// What its turns that have not ended took so far.
Time Scheduler::running_time(const Group& group, Time now) {
    return group.running_ * now - group.started_;
}

u64 Scheduler::key(const Group& group, Time now) {
    return group.tag_ + scaled(running_time(group, now), group);
}

/// A period begins when there is something to do and the last one is over.
void Scheduler::renew(Group& group, Time now) const {
    if (now < group.period_end_)
        return;
    // What a cap was exceeded by is paid for in the period that follows at once.
    const Time allowed = budget(group.share_.cap);
    const bool pays = allowed != 0 && now - group.period_end_ < settings_.period;
    group.used_ = pays && group.used_ > allowed ? group.used_ - allowed : 0;
    group.period_end_ = now + settings_.period;
}

bool Scheduler::is_capped(const Group& group, Time now) const {
    return group.share_.cap != 0 &&
           group.used_ + running_time(group, now) >= budget(group.share_.cap);
}

bool Scheduler::is_urgent(const Group& group, Time now) const {
    return group.used_ + running_time(group, now) < budget(group.share_.reservation);
}

bool Scheduler::goes_first(const Best& a, const Best& b) const {
    if (b.group == nullptr || a.urgent != b.urgent)
        return b.group == nullptr || a.urgent;
    return a.urgent && a.group->period_end_ != b.group->period_end_
               ? a.group->period_end_ < b.group->period_end_
               : before(a.key, b.key);
}

void Scheduler::add_cpu(CpuId cpu, CpuSet siblings) {
    Cpu& added = cpu_[cpu.raw()];
    cpus_ += added.present ? 0 : 1;
    added.present = true;
    added.siblings = siblings & ~(CpuSet{1} << cpu.raw());
}

bool Scheduler::set_share(Group& group, const Share& share, Time now) {
    const u32 others = reserved_ - group.share_.reservation;
    if (share.weight == 0 || share.weight > most_weight ||
        (share.cap != 0 && share.cap < share.reservation) ||
        u64{others} + share.reservation > u64{cpus_} * 100)
        return false;
    // Virtual time so far was at the old weight; it starts level with the others.
    if (share.weight != group.share_.weight && group.running_ == 0)
        group.tag_ = clock_;
    reserved_ = others + share.reservation;
    group.share_ = share;
    group.period_end_ = std::min(group.period_end_, now + settings_.period);
    return true;
}

void Scheduler::enqueue_first(Entity& entity) {
    Group& group = entity.group_;
    entity.previous_ = nullptr;
    entity.next_ = group.first_;
    (group.first_ != nullptr ? group.first_->previous_ : group.last_) = &entity;
    group.first_ = &entity;
}

void Scheduler::enqueue_last(Entity& entity) {
    Group& group = entity.group_;
    entity.next_ = nullptr;
    entity.previous_ = group.last_;
    (group.last_ != nullptr ? group.last_->next_ : group.first_) = &entity;
    group.last_ = &entity;
}

void Scheduler::take_out(Entity& entity) {
    Group& group = entity.group_;
    (entity.previous_ != nullptr ? entity.previous_->next_ : group.first_) = entity.next_;
    (entity.next_ != nullptr ? entity.next_->previous_ : group.last_) = entity.previous_;
    if (group.first_ != nullptr)
        return;
    group.listed_ = false;
    waiting_.swap_remove(
        static_cast<usize>(std::find(waiting_.begin(), waiting_.end(), &group) - waiting_.begin()));
}

/// Who has some of its slice left goes on with it; who has none gets a new one, behind the others.
void Scheduler::make_waiting(Entity& entity, Time now) {
    Group& group = entity.group_;
    if (!group.listed_) {
        group.listed_ = true;
        ensure(waiting_.push_back(&group), "more than 64 domains wait");
    }
    // Nobody saves up more than half a slice by sleeping, nor owes more than a period.
    const u64 least = clock_ - scaled(settings_.slice / 2, group);
    const u64 most = clock_ + scaled(settings_.period, group);
    if (const u64 at = key(group, now); before(at, least))
        group.tag_ += least - at;
    if (before(most, group.tag_))
        group.tag_ = most;
    entity.state_ = Entity::State::waiting;
    entity.since_ = now;
    if (entity.left_ > settings_.grain)
        return enqueue_first(entity);
    entity.left_ = settings_.slice;
    enqueue_last(entity);
}

void Scheduler::sleep(Entity& entity, usize cpu, Time wake_at) {
    entity.state_ = Entity::State::blocked;
    entity.wake_at_ = wake_at;
    entity.cpu_ = static_cast<u8>(cpu);
    if (wake_at == never)
        return;
    Entity* before_it = nullptr;
    Entity* behind = cpu_[cpu].sleepers;
    while (behind != nullptr && behind->wake_at_ <= wake_at) {
        before_it = behind;
        behind = behind->next_;
    }
    entity.previous_ = before_it;
    entity.next_ = behind;
    (before_it != nullptr ? before_it->next_ : cpu_[cpu].sleepers) = &entity;
    if (behind != nullptr)
        behind->previous_ = &entity;
}

void Scheduler::stop_sleeping(Entity& entity) {
    if (entity.wake_at_ == never)
        return;
    (entity.previous_ != nullptr ? entity.previous_->next_ : cpu_[entity.cpu_].sleepers) =
        entity.next_;
    if (entity.next_ != nullptr)
        entity.next_->previous_ = entity.previous_;
    entity.wake_at_ = never;
}

void Scheduler::remove(Entity& entity) {
    ensure(entity.state_ != Entity::State::running, "removing a vCPU that runs");
    if (entity.state_ == Entity::State::waiting)
        take_out(entity);
    else
        stop_sleeping(entity);
    entity.state_ = Entity::State::removed;
    for (Cpu& cpu : cpu_)
        if (cpu.favoured == &entity)
            cpu.favoured = nullptr;
}

void Scheduler::remove(Group& group) {
    ensure(group.running_ == 0 && group.first_ == nullptr, "removing a domain that is in use");
    reserved_ -= group.share_.reservation;
    group.share_.reservation = 0;
    for (Cpu& cpu : cpu_)
        if (cpu.last_choice == &group)
            cpu.last_choice = nullptr;
}

void Scheduler::wake(Entity& entity, Time now) {
    if (entity.state_ != Entity::State::blocked)
        return;
    stop_sleeping(entity);
    make_waiting(entity, now);
    find_cpu_for(entity, now);
}

void Scheduler::wake_sleepers(usize cpu, Time now) {
    while (cpu_[cpu].sleepers != nullptr && cpu_[cpu].sleepers->wake_at_ <= now) {
        Entity& entity = *cpu_[cpu].sleepers;
        stop_sleeping(entity);
        make_waiting(entity, now);
    }
}

/// An idle CPU, the one it knows first; else the one whose turn it most deserves.
void Scheduler::find_cpu_for(Entity& entity, Time now) {
    Group& group = entity.group_;
    renew(group, now);
    if (is_capped(group, now))
        return;
    const Best own{&group, is_urgent(group, now), key(group, now)};
    usize victim = max_cpus;
    Best worst = own;
    worst.key += scaled(settings_.grain, group);
    for (usize step = 0; step < max_cpus; ++step) {
        const usize at = (entity.cpu_ + step) % max_cpus;
        Cpu& cpu = cpu_[at];
        if (!cpu.present)
            continue;
        const auto label = label_beside(at);
        if ((idle_ >> at & 1) != 0 && (!label || *label == group.label_))
            return interrupt(at);
        if (cpu.running == nullptr)
            continue;
        Group& other = cpu.running->group_;
        const Best its{&other, is_urgent(other, now), key(other, now)};
        if (&other != &group && goes_first(worst, its)) {
            worst = its;
            victim = at;
        }
    }
    if (victim != max_cpus)
        interrupt(victim);
}

/// What the CPU's siblings run; all of them run one label.
std::optional<LabelId> Scheduler::label_beside(usize cpu) const {
    for (CpuSet left = cpu_[cpu].siblings; left != 0; left &= left - 1) {
        const Entity* const running = cpu_[static_cast<usize>(__builtin_ctzll(left))].running;
        if (running != nullptr)
            return running->group_.label_;
    }
    return std::nullopt;
}

/// Whether the core must change its label for the sake of `waiting`: it is a slice behind what the
/// core would run otherwise.
bool Scheduler::is_behind(const Best& waiting, const Best& allowed, usize cpu, Time now) {
    Best patient = waiting;
    patient.key += scaled(settings_.slice, *waiting.group);
    if (allowed.group != nullptr)
        return goes_first(patient, allowed);
    for (CpuSet left = cpu_[cpu].siblings; left != 0; left &= left - 1) {
        const Entity* const running = cpu_[static_cast<usize>(__builtin_ctzll(left))].running;
        if (running == nullptr)
            continue;
        Group& group = running->group_;
        if (goes_first(patient, Best{&group, is_urgent(group, now), key(group, now)}))
            return true;
    }
    return false;
}

/// The first of the queue, or one that the CPU still knows and that is not ahead of it.
Entity& Scheduler::choose(Group& group, usize cpu) const {
    Entity* const first = group.first_;
    constexpr int look = 4;
    int at = 0;
    for (Entity* entity = first; entity != nullptr && at < look; entity = entity->next_, ++at) {
        if (entity->cpu_ == cpu && entity->ran_ <= first->ran_ + settings_.slice)
            return *entity;
    }
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): its caller saw one waiting.
    return *first;
}

/// Somebody who still waits may fit a CPU that is idle; that one then looks further in its turn.
void Scheduler::offer_the_rest(Time now) {
    for (CpuSet left = idle_; left != 0; left &= left - 1) {
        const usize at = static_cast<usize>(__builtin_ctzll(left));
        const auto label = label_beside(at);
        for (const Group* const group : waiting_) {
            if ((!label || *label == group->label_) && !is_capped(*group, now))
                return interrupt(at);
        }
    }
}

Decision Scheduler::start(usize cpu, Entity& entity, Time now, Time look) {
    Cpu& own = cpu_[cpu];
    Group& group = entity.group_;
    take_out(entity);
    Time turn = entity.left_;
    const Time used = group.used_ + running_time(group, now);
    if (group.share_.cap != 0 && used < budget(group.share_.cap))
        turn = std::min(turn, (budget(group.share_.cap) - used) / (group.running_ + 1));
    if (is_urgent(group, now))
        turn = std::min(turn, budget(group.share_.reservation) - used);
    entity.state_ = Entity::State::running;
    entity.cpu_ = static_cast<u8>(cpu);
    entity.since_ = now;
    own.running = &entity;
    own.started = now;
    ++group.running_;
    group.started_ += now;
    offer_the_rest(now);
    const Time least = std::max<Time>(turn, settings_.grain / 4);
    return {&entity, std::min(now + least, look)};
}

Decision Scheduler::pick(CpuId cpu, Time now) {
    Cpu& own = cpu_[cpu.raw()];
    ensure(own.present && own.running == nullptr, "a CPU asks for work that has some");
    interrupts_ &= ~(CpuSet{1} << cpu.raw());
    idle_ &= ~(CpuSet{1} << cpu.raw());
    wake_sleepers(cpu.raw(), now);
    Group* const last_choice = std::exchange(own.last_choice, nullptr);
    Entity* const favoured = std::exchange(own.favoured, nullptr);
    Time look = own.sleepers != nullptr ? own.sleepers->wake_at_ : never;
    const auto label = label_beside(cpu.raw());
    if (favoured != nullptr && favoured->state_ == Entity::State::waiting &&
        (!label || *label == favoured->group_.label_) && !is_capped(favoured->group_, now))
        return start(cpu.raw(), *favoured, now, look);

    Best any;
    Best allowed;
    for (Group* const group : waiting_) {
        renew(*group, now);
        const bool urgent = is_urgent(*group, now);
        if (group->share_.cap != 0 || (group->share_.reservation != 0 && !urgent))
            look = std::min(look, group->period_end_);
        if (is_capped(*group, now))
            continue;
        Best candidate{group, urgent, key(*group, now)};
        if (group == last_choice) { // behind everybody, this once
            candidate.urgent = false;
            candidate.key = clock_ + (u64{1} << 62);
        }
        if (goes_first(candidate, any))
            any = candidate;
        if ((!label || *label == group->label_) && goes_first(candidate, allowed))
            allowed = candidate;
    }
    if (any.group != allowed.group && is_behind(any, allowed, cpu.raw(), now)) {
        for (CpuSet left = own.siblings; left != 0; left &= left - 1) {
            const usize sibling = static_cast<usize>(__builtin_ctzll(left));
            if (cpu_[sibling].running != nullptr)
                interrupt(sibling);
        }
        allowed = {};
    }
    if (allowed.group == nullptr) {
        idle_ |= CpuSet{1} << cpu.raw();
        // A label that waits is looked at again by whoever leaves the core; by us after a slice.
        return {nullptr, any.group != nullptr ? std::min(look, now + settings_.slice) : look};
    }
    if (!allowed.urgent && allowed.group != last_choice && before(clock_, allowed.key))
        clock_ = allowed.key;
    return start(cpu.raw(), choose(*allowed.group, cpu.raw()), now, look);
}

void Scheduler::put(CpuId cpu, Time now, After after, Time wake_at) {
    Cpu& own = cpu_[cpu.raw()];
    Entity& entity = *own.running;
    Group& group = entity.group_;
    const Time ran = now - own.started;
    own.running = nullptr;
    --group.running_;
    group.started_ -= own.started;
    renew(group, own.started);
    group.used_ += ran;
    group.ran_ += ran;
    entity.ran_ += ran;
    group.tag_ += scaled(ran, group);
    entity.left_ = entity.left_ > ran ? entity.left_ - ran : 0;
    entity.since_ = now;
    if (after == After::sleep)
        return sleep(entity, cpu.raw(), wake_at);
    if (after == After::others_first) {
        entity.left_ = 0;
        if (group.first_ == nullptr)
            own.last_choice = &group;
    }
    make_waiting(entity, now);
}

void Scheduler::favour(CpuId cpu, Entity& target) {
    Cpu& own = cpu_[cpu.raw()];
    if (own.running != nullptr && &own.running->group_ == &target.group_ &&
        target.state_ == Entity::State::waiting)
        own.favoured = &target;
}

} // namespace ravelin::hv::scheduler
