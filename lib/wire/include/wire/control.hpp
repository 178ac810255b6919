// SPDX-License-Identifier: Apache-2.0
// Ravelin's own hypercall: number, operations and their fixed-size requests. Arguments are
// (operation, request address, request length, response address, response capacity); the result is
// the response's length, or a negative errno of the Xen ABI. Little-endian.
#pragma once

#include <base/cursor.hpp>
#include <base/types.hpp>
#include <wire/statement.hpp>

#include <array>

namespace ravelin::wire::control {

/// __HYPERVISOR_arch_6: of the numbers Xen leaves to architectures, one x86 does not use.
constexpr u32 hypercall = 54;
constexpr u32 version = 1;

enum class Operation : u64 {
    info = 0,       ///< no request → Info
    tpm_submit = 1, ///< a TPM command → nothing
    tpm_poll = 2,   ///< nothing → the TPM's response; EAGAIN while it executes
    tpm_cancel = 3, ///< nothing → nothing
    statement = 4,  ///< StatementRequest → evidence, see wire/statement.hpp
    log_read = 5,   ///< LogRequest → bytes of the log from the offset on, empty at its end
    audit_read = 6,
    // Of domains: the messages are in wire/vm_control.hpp.
    vm_create = 16,          ///< VmCreate → VmReference
    vm_load = 17,            ///< VmLoad → nothing
    vm_seal = 18,            ///< VmReference → LaunchDigest; EAGAIN while it is being built
    vm_unpause = 19,         ///< VmReference → nothing
    vm_pause = 20,           ///< VmReference → nothing
    vm_destroy = 21,         ///< VmReference → nothing; EAGAIN while it is dying
    vm_list = 22,            ///< VmListRequest → VmSummary records
    vm_info = 23,            ///< VmReference → VmInfo
    vm_memory = 24,          ///< VmMemory → nothing
    vm_schedule = 25,        ///< VmSchedule → nothing
    console_read = 26,       ///< ConsoleRead → ConsoleText
    console_write = 27,      ///< ConsoleWrite → ConsoleTaken
    vm_shutdown_reason = 28, ///< VmReference → VmStop
    host_memory = 29,        ///< nothing → HostMemory
};

/// No request is longer (a TPM command), no response either.
constexpr usize max_request = 4096;
constexpr usize max_response = 4096;

/// Errors, as Linux and Xen number them; returned negated.
constexpr i64 eperm = 1;
constexpr i64 esrch = 3;
constexpr i64 eio = 5;
constexpr i64 enxio = 6;
constexpr i64 e2big = 7;
constexpr i64 eagain = 11;
constexpr i64 enomem = 12;
constexpr i64 efault = 14;
constexpr i64 ebusy = 16;
constexpr i64 eexist = 17;
constexpr i64 einval = 22;
constexpr i64 enobufs = 105;
constexpr i64 enosys = 38;

struct Info {
    static constexpr usize size = 4 + 1 + 1 + 1 + 1 + 16;
    u32 version = control::version;
    Launch launch{Launch::unmeasured};
    DmaState dma{DmaState::is_unprotected};
    bool has_tpm = false;
    std::array<u8, 16> boot_id{};
};
[[nodiscard]] std::array<u8, Info::size> encode(const Info& info);
[[nodiscard]] Result<Info, CursorError> decode_info(std::span<const u8> bytes);

struct StatementRequest {
    static constexpr usize size = 32 + 64;
    std::array<u8, 32> nonce{};
    std::array<u8, 64> caller_data{};
};
[[nodiscard]] Result<StatementRequest, CursorError>
decode_statement_request(std::span<const u8> bytes);

enum class Log : u32 { firmware = 0, ravelin = 1, console = 2 };
struct LogRequest {
    static constexpr usize size = 4 + 8;
    Log log{};
    u64 offset = 0;
};
[[nodiscard]] std::array<u8, LogRequest::size> encode(const LogRequest& request);
[[nodiscard]] Result<LogRequest, CursorError> decode_log_request(std::span<const u8> bytes);

} // namespace ravelin::wire::control
