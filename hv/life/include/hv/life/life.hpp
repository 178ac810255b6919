// SPDX-License-Identifier: Apache-2.0
// The life of domains made at run time: building → sealed → running ⇄ paused → dying → gone; a
// domain that stopped stays, with its reason, until it is destroyed. Requests are decoded before
// anything is done, and each either happens whole or leaves the domain where it was. Domains of the
// launch manifest are here only to be listed, paused and destroyed.
#pragma once

#include <base/lock.hpp>
#include <hv/life/image.hpp>
#include <hv/life/launch_digest.hpp>

#include <array>

namespace ravelin::hv::life {

/// One domain made at run time. Lives in frames of its own.
struct Record {
    enum class Stage : u8 {
        building,
        filling, ///< sealed for whoever asks: takes no more images
        failed,  ///< could not be built: can only be destroyed
        sealed,
        started,
        dying,
    };
    DomainId id{};
    Stage stage{Stage::building};
    bool paused{false}; ///< by vm_pause
    std::array<char, wire::control::max_vm_name> name{};
    std::array<char, wire::control::max_vm_label> label{};
    std::array<char, wire::control::max_vm_command_line> command_line{};
    wire::control::VmCreate request{}; ///< its texts point into the above
    StagedImage kernel;
    StagedImage ramdisk;
    LaunchParts parts;
    wire::control::LaunchDigest digest{};
    u64 target_kib = 0;
    HostFrame at{}; ///< of this record
};

/// Any CPU; one lock, under which the host's are taken.
class Life {
  public:
    /// Identifiers below are given out, and none again before all others were.
    static constexpr u16 first_reserved_id = 0x7ff0;

    constexpr Life(Host& host, mm::FrameAllocator& frames) : host_{host}, frames_{frames} {}
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;

    /// Carries out one of the control operations 16-29: the response's length, or an errno of
    /// wire/control.hpp, negated.
    [[nodiscard]] i64
    control(u64 operation, Caller& caller, std::span<const u8> request, std::span<u8> response);

  private:
    using Response = std::span<u8>;
    using Answer = Result<usize, Problem>; ///< the response's length

    [[nodiscard]] Answer
    dispatch(u64 operation, Caller& caller, std::span<const u8> request, Response response);
    [[nodiscard]] Answer create(const wire::control::VmCreate& request, Response response);
    [[nodiscard]] Answer load(const wire::control::VmLoad& request, Caller& caller);
    [[nodiscard]] Answer seal(DomainId id, Response response);
    [[nodiscard]] Answer unpause(DomainId id);
    [[nodiscard]] Answer pause(DomainId id, const Caller& caller);
    [[nodiscard]] Answer destroy(DomainId id, const Caller& caller);
    [[nodiscard]] Answer list(DomainId first, Response response);
    [[nodiscard]] Answer info(DomainId id, Response response);
    [[nodiscard]] Answer shutdown_reason(DomainId id, Response response);
    [[nodiscard]] Answer set_memory(const wire::control::VmMemory& request);
    [[nodiscard]] Answer set_schedule(const wire::control::VmSchedule& request);
    [[nodiscard]] Answer read_console(const wire::control::ConsoleRead& request, Response response);
    [[nodiscard]] Answer write_console(const wire::control::ConsoleWrite& request,
                                       Response response);

    [[nodiscard]] Record* find(DomainId id);
    [[nodiscard]] Result<Record*, Problem> new_record(const wire::control::VmCreate& request);
    void forget(Record& record);
    [[nodiscard]] bool is_name_taken(std::string_view name);
    [[nodiscard]] DomainId next_id();
    [[nodiscard]] Status<Problem> measure(Record& record);
    [[nodiscard]] std::optional<DomainId> next_domain(u32 from);
    [[nodiscard]] Result<wire::control::VmInfo, Problem> describe(DomainId id);

    Host& host_;
    mm::FrameAllocator& frames_;
    SpinLock lock_;
    FixedVector<Record*, max_domains> records_{};
    u16 last_id_{0};
    /// Manifest domains that vm_pause paused.
    FixedVector<DomainId, max_domains> paused_others_{};
};

} // namespace ravelin::hv::life
