// SPDX-License-Identifier: Apache-2.0
// Which vCPU runs where, and for how long. Pure: time and CPUs are parameters, nothing waits,
// nothing is allocated. The caller holds one lock around every call and interrupts the CPUs it is
// told.
//
// Domains (groups) share by weight: each has a virtual time that advances by what its vCPUs ran,
// divided by its weight, and the least goes first. On top of that a group may have a reservation, a
// budget in every period that is served first, the earliest end of period before the others (EDF),
// and a cap, a budget that it does not exceed. Within a group the vCPUs take turns.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <array>
#include <optional>
#include <utility>

namespace ravelin::hv::scheduler {

using Time = u64; ///< ticks of the clock that the caller reads
constexpr Time never = ~Time{0};

/// One bit a physical CPU.
using CpuSet = u64;
constexpr usize max_cpus = 64;

struct Settings {
    Time slice;  ///< a turn, when others wait
    Time period; ///< of caps and reservations
    Time grain;  ///< how far ahead somebody must be to cut a turn short
};

/// What the operator gives a domain. Percent are of one CPU.
struct Share {
    u32 weight{256};    ///< 1 to 65535, relative to the others'
    u32 cap{0};         ///< at most that much; 0 is no limit
    u32 reservation{0}; ///< at least that much, when it has that much to do
};

class Entity;
class Scheduler;

/// A domain.
class Group {
  public:
    explicit Group(LabelId label) : label_{label} {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    [[nodiscard]] const Share& share() const { return share_; }
    /// Ticks its vCPUs have run, up to their last turns' ends.
    [[nodiscard]] Time ran() const { return ran_; }

  private:
    friend class Scheduler;
    Share share_{};
    LabelId label_;
    u64 tag_{};       ///< virtual time; compared by difference, so that it may wrap
    Entity* first_{}; ///< the queue of those that wait for a CPU
    Entity* last_{};
    u64 running_{};  ///< how many run
    Time started_{}; ///< the sum of their turns' starts
    Time period_end_{};
    Time used_{}; ///< in this period; what was too much stays for the next
    Time ran_{};
    bool listed_{}; ///< in the scheduler's list of groups with a queue
};

/// A vCPU.
class Entity {
  public:
    explicit Entity(Group& group) : group_{group} {}
    Entity(const Entity&) = delete;
    Entity& operator=(const Entity&) = delete;
    [[nodiscard]] Group& group() const { return group_; }
    [[nodiscard]] bool is_running() const { return state_ == State::running; }
    [[nodiscard]] bool is_blocked() const { return state_ == State::blocked; }
    /// When it last became what it is: for run-state accounts.
    [[nodiscard]] Time since() const { return since_; }

  private:
    friend class Scheduler;
    enum class State : u8 { blocked, waiting, running, removed };
    Group& group_;
    Entity* next_{}; ///< in its group's queue, or among a CPU's sleepers
    Entity* previous_{};
    Time wake_at_{never};
    Time since_{};
    Time left_{}; ///< of its slice
    Time ran_{};
    u8 cpu_{}; ///< where it last ran, or sleeps
    State state_{State::blocked};
};

/// Who runs next, or nobody, and when to ask again at the latest.
struct Decision {
    Entity* entity;
    Time until;
};

/// What a vCPU whose turn ended wants.
enum class After : u8 { again, others_first, sleep };

class Scheduler {
  public:
    constexpr Scheduler() = default;
    constexpr explicit Scheduler(const Settings& settings) : settings_{settings} {}
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    /// Before the first CPU is added.
    void set_settings(const Settings& settings) { settings_ = settings; }
    /// Adds a CPU that asks for work; `siblings` are those of its core, itself included.
    void add_cpu(CpuId cpu, CpuSet siblings);
    /// False, and nothing changed, when a value is out of range or more is reserved than there are
    /// CPUs for.
    [[nodiscard]] bool set_share(Group& group, const Share& share, Time now);
    /// Forgets a vCPU that does not run, and a group none of whose vCPUs does.
    void remove(Entity& entity);
    void remove(Group& group);

    /// Gives that CPU, which runs nobody, its next turn.
    [[nodiscard]] Decision pick(CpuId cpu, Time now);
    /// Ends that CPU's turn. A sleeper wakes at `wake_at` or by wake().
    void put(CpuId cpu, Time now, After after, Time wake_at = never);
    /// Lets `target` of the same group, if it waits, have the CPU's next turn. Before put().
    void favour(CpuId cpu, Entity& target);
    /// Makes a blocked vCPU wait for a CPU; nothing when it is not blocked.
    void wake(Entity& entity, Time now);

    /// Whether somebody wants a CPU and has none.
    [[nodiscard]] bool is_anybody_waiting() const { return !waiting_.empty(); }

    /// CPUs that must ask again now, because of the calls since the last take: those in idle, and
    /// those whose turn is over early.
    [[nodiscard]] CpuSet take_interrupts() { return std::exchange(interrupts_, 0); }

  private:
    struct Cpu {
        Entity* running{};
        Entity* favoured{};
        Entity* sleepers{};   ///< by time
        Group* last_choice{}; ///< yielded: others first
        Time started{};
        CpuSet siblings{};
        bool present{};
    };
    struct Best {
        Group* group{};
        bool urgent{};
        u64 key{};
    };

    [[nodiscard]] static u64 scaled(Time ticks, const Group& group);
    [[nodiscard]] static bool before(u64 a, u64 b) { return static_cast<i64>(a - b) < 0; }
    [[nodiscard]] Time budget(u32 percent) const { return settings_.period / 100 * percent; }
    [[nodiscard]] static Time running_time(const Group& group, Time now);
    [[nodiscard]] static u64 key(const Group& group, Time now);
    void renew(Group& group, Time now) const;
    [[nodiscard]] bool is_capped(const Group& group, Time now) const;
    [[nodiscard]] bool is_urgent(const Group& group, Time now) const;
    [[nodiscard]] bool goes_first(const Best& a, const Best& b) const;
    [[nodiscard]] std::optional<LabelId> label_beside(usize cpu) const;
    [[nodiscard]] bool is_behind(const Best& waiting, const Best& allowed, usize cpu, Time now);
    [[nodiscard]] Decision start(usize cpu, Entity& entity, Time now, Time look);
    [[nodiscard]] Entity& choose(Group& group, usize cpu) const;
    void enqueue_first(Entity& entity);
    void enqueue_last(Entity& entity);
    void take_out(Entity& entity);
    void make_waiting(Entity& entity, Time now);
    void wake_sleepers(usize cpu, Time now);
    void sleep(Entity& entity, usize cpu, Time wake_at);
    void stop_sleeping(Entity& entity);
    void find_cpu_for(Entity& entity, Time now);
    void offer_the_rest(Time now);
    void interrupt(usize cpu) {
        interrupts_ |= CpuSet{1} << cpu;
        idle_ &= ~interrupts_; // it is taken; the next one that wakes finds another
    }

    Settings settings_{};
    u64 clock_{}; ///< virtual time of the last that went by weight
    u32 reserved_{};
    u32 cpus_{};
    CpuSet interrupts_{};
    CpuSet idle_{};
    std::array<Cpu, max_cpus> cpu_{};
    FixedVector<Group*, 64> waiting_{}; ///< groups with a queue
};

} // namespace ravelin::hv::scheduler
