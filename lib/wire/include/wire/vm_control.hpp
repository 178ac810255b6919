// SPDX-License-Identifier: Apache-2.0
// The messages of the control hypercall's operations on domains: what a request holds, and what is
// valid. One description of a message's fields serves both directions, so that what decodes encodes
// to the same bytes. Little-endian; texts are printable ASCII behind a 16-bit length. A decoded
// text is a view into the bytes.
#pragma once

#include <base/cursor.hpp>
#include <base/types.hpp>
#include <wire/control.hpp>

#include <array>
#include <span>
#include <string_view>

namespace ravelin::wire::control {

constexpr usize max_vm_name = 32;
constexpr usize max_vm_label = 64;
constexpr usize max_vm_command_line = 2048;
constexpr usize max_vm_cause = 96;
constexpr u32 max_vm_memory_mib = 1 << 20;
constexpr u32 max_vm_vcpus = 64;
/// The most bytes of an image one vm_load takes.
constexpr u64 max_load = u64{2} << 20;
/// The most bytes of console input one console_write takes.
constexpr usize max_console_input = 1024;

/// A share of the CPUs. The cap and the reservation are in percent of one CPU; 0 is none.
struct Schedule {
    u32 weight = 256; ///< 1-65535, relative to the others'
    u32 cap = 0;
    u32 reservation = 0;
};

/// vm_create's; answered with a VmReference.
struct VmCreate {
    std::string_view name{}; ///< 1 to max_vm_name of [A-Za-z0-9._-]
    u32 memory_mib = 0;
    u32 max_memory_mib = 0; ///< where ballooning up ends; at least memory_mib
    u32 vcpus = 1;
    std::string_view label{};
    Schedule schedule{};
    std::string_view command_line{};
    u32 flags = 0;            ///< none is defined: zero
    DomainId store_domain{};  ///< may bind the store's port and map its page
    DomainId device_domain{}; ///< where the back ends are, as the guest's owner wants them known
};

/// Names one domain: the request of vm_seal, vm_unpause, vm_pause, vm_destroy, vm_info and
/// vm_shutdown_reason, and vm_create's answer. vm_seal and vm_destroy answer EAGAIN until they are
/// done: the same call again goes on.
struct VmReference {
    DomainId domain{};
};

enum class Image : u8 { kernel = 0, ramdisk = 1 };

/// vm_load: `length` bytes from the caller's virtual address become bytes [offset, offset + length)
/// of the image. Chunks come in order, without gaps; the first one fixes the total.
struct VmLoad {
    DomainId domain{};
    Image image{Image::kernel};
    u64 total = 0;
    u64 offset = 0;
    u64 address = 0;
    u64 length = 0; ///< 1 to max_load, within the total
};

/// vm_seal's answer: what the domain is, in one digest. See docs on the launch digest.
struct LaunchDigest {
    std::array<u8, 32> sha256{};
};

enum class VmState : u8 {
    building = 0, ///< takes images
    sealed = 1,   ///< measured and built, has not run
    running = 2,
    paused = 3,
    stopped = 4, ///< its vCPUs are not entered again; says why until it is destroyed
    dying = 5,   ///< being taken apart
};

enum class VmEnd : u8 {
    none = 0, ///< it has not stopped
    power_off = 1,
    reboot = 2,
    suspend = 3,
    crash = 4,
    watchdog = 5,
    fault = 6, ///< the hypervisor stopped it
};

/// vm_list's request: the identifiers from there on.
struct VmListRequest {
    DomainId first{};
};

/// vm_list's answer is as many of these as fit, ascending, by VmSummary records one behind the
/// other.
struct VmSummary {
    DomainId domain{};
    VmState state{VmState::building};
    VmEnd end{VmEnd::none};
    u32 vcpus = 0;
    u64 memory_kib = 0;
    u64 cpu_time_ns = 0;
    std::string_view name{};
};

/// vm_shutdown_reason's answer.
struct VmStop {
    VmState state{VmState::building};
    VmEnd end{VmEnd::none};
    u64 rip = 0;    ///< of the vCPU that stopped it, for a fault
    u64 detail = 0; ///< the CPU's exit code, or the guest-physical address
    std::string_view cause{};
};

/// vm_info's answer. A port or frame number of 0 is none.
struct VmInfo {
    VmSummary summary{};
    VmStop stop{};
    u64 max_memory_kib = 0;
    u64 target_kib = 0; ///< vm_memory's last word
    Schedule schedule{};
    LaunchDigest digest{}; ///< zero before it is sealed
    std::string_view label{};
    DomainId store_domain{};
    DomainId device_domain{};
    u32 store_port = 0; ///< of the guest
    u64 store_frame = 0;
    u32 console_port = 0;
    u64 console_frame = 0;
};

/// vm_memory: where the guest's balloon shall go.
struct VmMemory {
    DomainId domain{};
    u32 target_mib = 0;
};

/// vm_schedule.
struct VmSchedule {
    DomainId domain{};
    Schedule schedule{};
};

/// console_read: what the guest said from byte `offset` of everything it ever said.
struct ConsoleRead {
    DomainId domain{};
    u64 offset = 0;
};

/// console_read's answer: `offset` is later than the one asked for when bytes in between were
/// overwritten.
struct ConsoleText {
    u64 offset = 0;
    std::span<const u8> bytes{};
};

/// console_write: what the operator types. Answered with ConsoleTaken.
struct ConsoleWrite {
    DomainId domain{};
    std::span<const u8> bytes{}; ///< 1 to max_console_input
};
struct ConsoleTaken {
    u32 count = 0; ///< of the bytes; the rest did not fit the guest's queue
};

/// host_memory's answer: what the machine has, and what is nobody's.
struct HostMemory {
    u64 total_frames = 0;
    u64 free_frames = 0;
};

/// Decodes one message, all of `bytes`. Message is one of the above.
template <typename Message>
[[nodiscard]] Result<Message, CursorError> decode(std::span<const u8> bytes);
/// Decodes a message and leaves what follows in the reader: for vm_list's answer.
template <typename Message>
[[nodiscard]] Result<Message, CursorError> decode_next(LittleReader& reader);
/// Writes a message; a view into `buffer`. What would not decode is an error here already.
template <typename Message>
[[nodiscard]] Result<std::span<const u8>, CursorError> encode(const Message& message,
                                                              std::span<u8> buffer);

} // namespace ravelin::wire::control
