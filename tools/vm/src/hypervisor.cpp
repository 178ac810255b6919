// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/vm/hypervisor.hpp"

#include "tools/vm/error.hpp"

#include <algorithm>
#include <cstring>

namespace ravelin::vm {
namespace {

namespace control = wire::control;
using control::Operation;

/// An operation that is never done after this many tries is given up: a grant of the domain is held
/// by somebody who does not let go.
constexpr int most_tries = 3000;

std::string reason(i64 error) {
    switch (error) {
    case control::eperm:
        return "refused by the policy (this domain may not)";
    case control::esrch:
        return "there is no such domain";
    case control::enosys:
        return "this hypervisor does not know the operation";
    case control::enomem:
        return "not enough free memory";
    case control::eagain:
        return "something of the domain is still in use";
    default:
        return std::strerror(static_cast<int>(error));
    }
}

std::string domain_text(DomainId domain) {
    return "domain " + std::to_string(domain.raw());
}

template <typename Message>
Message decoded(Result<Message, CursorError> result, const std::string& what) {
    if (!result)
        throw VmError{what + ": the hypervisor's answer does not decode"};
    return result.value();
}

template <typename Message>
std::span<const u8>
encoded(const Message& message, std::vector<u8>& buffer, const std::string& what) {
    const auto result = control::encode(message, std::span<u8>{buffer});
    if (!result)
        throw VmError{what + ": a value is out of its range"};
    return result.value();
}

Summary own(const control::VmSummary& view) {
    return {view.domain,
            view.state,
            view.end,
            view.vcpus,
            view.memory_kib,
            view.cpu_time_ns,
            std::string{view.name}};
}

} // namespace

const char* name(control::VmState state) {
    switch (state) {
    case control::VmState::building:
        return "building";
    case control::VmState::sealed:
        return "sealed";
    case control::VmState::running:
        return "running";
    case control::VmState::paused:
        return "paused";
    case control::VmState::stopped:
        return "stopped";
    case control::VmState::dying:
        return "dying";
    }
    return "unknown";
}

const char* name(control::VmEnd end) {
    switch (end) {
    case control::VmEnd::none:
        return "none";
    case control::VmEnd::power_off:
        return "power off";
    case control::VmEnd::reboot:
        return "reboot";
    case control::VmEnd::suspend:
        return "suspend";
    case control::VmEnd::crash:
        return "crash";
    case control::VmEnd::watchdog:
        return "watchdog";
    case control::VmEnd::fault:
        return "stopped by the hypervisor";
    }
    return "unknown";
}

Hypervisor::Hypervisor(Channel& channel, std::function<void()> pause)
    : channel_{channel}, pause_{std::move(pause)}, request_(control::max_request),
      response_(control::max_response) {}

std::span<const u8>
Hypervisor::call(Operation operation, std::span<const u8> request, const std::string& what) {
    i64 result = channel_.call(operation, request, response_);
    for (int tries = 1; result == -control::eagain && tries < most_tries; ++tries) {
        if (pause_)
            pause_();
        result = channel_.call(operation, request, response_);
    }
    if (result < 0)
        throw VmError{what + ": " + reason(-result)};
    return std::span{response_}.first(static_cast<usize>(result));
}

std::span<const u8> Hypervisor::on_domain(Operation operation, DomainId domain, const char* what) {
    const std::string doing = what + (" " + domain_text(domain));
    return call(operation, encoded(control::VmReference{domain}, request_, doing), doing);
}

DomainId Hypervisor::create(const control::VmCreate& request) {
    const std::string doing = "creating " + std::string{request.name};
    const auto answer = call(Operation::vm_create, encoded(request, request_, doing), doing);
    return decoded(control::decode<control::VmReference>(answer), doing).domain;
}

void Hypervisor::load(DomainId domain, control::Image image, std::span<const u8> bytes) {
    const std::string doing =
        (image == control::Image::kernel ? "loading the kernel of " : "loading the ramdisk of ") +
        domain_text(domain);
    const std::span<u8> staging = channel_.staging();
    const usize most = std::min<usize>(staging.size(), control::max_load);
    for (usize offset = 0; offset < bytes.size();) {
        const auto piece = bytes.subspan(offset, std::min(most, bytes.size() - offset));
        std::ranges::copy(piece, staging.begin());
        // SAFETY: an address as the number that the operation takes.
        const auto address = reinterpret_cast<u64>(staging.data());
        const control::VmLoad request{domain, image, bytes.size(), offset, address, piece.size()};
        call(Operation::vm_load, encoded(request, request_, doing), doing);
        offset += piece.size();
    }
}

control::LaunchDigest Hypervisor::seal(DomainId domain) {
    const auto answer = on_domain(Operation::vm_seal, domain, "sealing");
    return decoded(control::decode<control::LaunchDigest>(answer), "sealing");
}

void Hypervisor::unpause(DomainId domain) {
    on_domain(Operation::vm_unpause, domain, "unpausing");
}

void Hypervisor::pause(DomainId domain) {
    on_domain(Operation::vm_pause, domain, "pausing");
}

void Hypervisor::destroy(DomainId domain) {
    on_domain(Operation::vm_destroy, domain, "destroying");
}

bool Hypervisor::begin_to_destroy(DomainId domain) {
    const std::string doing = "destroying " + domain_text(domain);
    const i64 result = channel_.call(
        Operation::vm_destroy, encoded(control::VmReference{domain}, request_, doing), response_);
    if (result < 0 && result != -control::eagain)
        throw VmError{doing + ": " + reason(-result)};
    return result >= 0;
}

std::vector<Summary> Hypervisor::list() {
    std::vector<Summary> all;
    control::VmListRequest request{};
    while (true) {
        const auto answer =
            call(Operation::vm_list, encoded(request, request_, "listing"), "listing");
        if (answer.empty())
            return all;
        LittleReader reader{answer};
        while (reader.remaining() != 0)
            all.push_back(own(decoded(control::decode_next<control::VmSummary>(reader), "list")));
        if (all.back().domain.raw() == 0xffff)
            return all;
        const DomainId next{static_cast<u16>(all.back().domain.raw() + 1)};
        if (next.raw() <= request.first.raw())
            throw VmError{"listing: the hypervisor's answer does not go on"};
        request.first = next;
    }
}

control::HostMemory Hypervisor::host_memory() {
    const std::string doing = "asking about the machine's memory";
    return decoded(control::decode<control::HostMemory>(call(Operation::host_memory, {}, doing)),
                   doing);
}

Details Hypervisor::info(DomainId domain) {
    const auto answer = on_domain(Operation::vm_info, domain, "asking about");
    const auto view = decoded(control::decode<control::VmInfo>(answer), "asking about");
    return {own(view.summary),
            std::string{view.stop.cause},
            view.stop.rip,
            view.stop.detail,
            view.max_memory_kib,
            view.target_kib,
            view.schedule,
            view.digest,
            std::string{view.label},
            view.store_port,
            view.store_frame};
}

void Hypervisor::set_memory(DomainId domain, u32 target_mib) {
    const std::string doing = "setting the memory of " + domain_text(domain);
    call(Operation::vm_memory,
         encoded(control::VmMemory{domain, target_mib}, request_, doing),
         doing);
}

void Hypervisor::set_schedule(DomainId domain, const control::Schedule& schedule) {
    const std::string doing = "setting the share of " + domain_text(domain);
    call(Operation::vm_schedule,
         encoded(control::VmSchedule{domain, schedule}, request_, doing),
         doing);
}

ConsolePiece Hypervisor::console_read(DomainId domain, u64 offset) {
    const std::string doing = "reading the console of " + domain_text(domain);
    const auto answer = call(Operation::console_read,
                             encoded(control::ConsoleRead{domain, offset}, request_, doing),
                             doing);
    const auto view = decoded(control::decode<control::ConsoleText>(answer), doing);
    return {view.offset, std::string{view.bytes.begin(), view.bytes.end()}};
}

usize Hypervisor::console_write(DomainId domain, std::string_view text) {
    const std::string doing = "typing at " + domain_text(domain);
    const std::string_view piece = text.substr(0, control::max_console_input);
    const std::vector<u8> bytes{piece.begin(), piece.end()};
    const auto answer = call(Operation::console_write,
                             encoded(control::ConsoleWrite{domain, bytes}, request_, doing),
                             doing);
    return decoded(control::decode<control::ConsoleTaken>(answer), doing).count;
}

} // namespace ravelin::vm
