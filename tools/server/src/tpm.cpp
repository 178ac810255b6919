// SPDX-License-Identifier: Apache-2.0
// The proxy between QEMU's TPM back end and swtpm, which has one client for life: us. Control
// messages of QEMU are answered here or passed on; commands are passed on one by one, in the
// locality that QEMU asked for, when the chipset's gate admits it.
#include "tools/server/tpm.hpp"

#include "tools/server/error.hpp"

#include <base/cursor.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace ravelin::tools {
namespace {

// Control channel of swtpm, 32-bit big-endian codes [swtpm, tpm_ioctl.h].
namespace control_code {
constexpr u32 init = 2;
constexpr u32 shutdown = 3;
constexpr u32 set_locality = 5;
constexpr u32 hash_start = 6;
constexpr u32 hash_data = 7;
constexpr u32 hash_end = 8;
constexpr u32 set_datafd = 16;
} // namespace control_code

constexpr u32 tpm_fail = 9;
constexpr std::size_t header_size = 10;
constexpr std::size_t largest_message = 65536;

/// The number at an offset the caller has checked.
u32 load32(std::span<const u8> bytes, std::size_t offset) {
    return BigReader{bytes.subspan(offset)}.integer<u32>().value();
}

void append32(std::vector<u8>& bytes, u32 value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<u8>(value >> shift));
}

std::vector<u8> result(u32 code) {
    std::vector<u8> bytes;
    append32(bytes, code);
    return bytes;
}

/// A TPM message: its header says how long it is. Empty when the stream ended.
std::vector<u8> read_message(const FileDescriptor& from) {
    std::vector<u8> message(header_size);
    if (!read_exactly(from, message))
        return {};
    const u32 size = load32(message, 2);
    if (size < header_size || size > largest_message)
        return {};
    message.resize(size);
    if (!read_exactly(from, std::span{message}.subspan(header_size)))
        return {};
    return message;
}

std::vector<u8> error_response(u32 code) {
    std::vector<u8> response{u8{0x80}, u8{0x01}};
    append32(response, header_size);
    append32(response, code);
    return response;
}

/// Room for one descriptor beside a message.
union Ancillary {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

void send_with_descriptor(const FileDescriptor& to, std::span<const u8> bytes, int passed) {
    Ancillary ancillary{};
    std::vector<u8> copy{bytes.begin(), bytes.end()};
    iovec part{copy.data(), copy.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (passed >= 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = sizeof(ancillary.bytes);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &passed, sizeof(int));
    }
    if (::sendmsg(to.get(), &message, MSG_NOSIGNAL) != static_cast<ssize_t>(copy.size()))
        throw_errno("TPM control channel");
}

/// One control message and the descriptor that may come with it; empty when the stream ended.
std::vector<u8> receive_with_descriptor(const FileDescriptor& from, FileDescriptor& passed) {
    Ancillary ancillary{};
    std::vector<u8> bytes(largest_message);
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.bytes;
    message.msg_controllen = sizeof(ancillary.bytes);
    ssize_t got = 0;
    do
        got = ::recvmsg(from.get(), &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(header), sizeof(int));
        passed = FileDescriptor{number};
    }
    return bytes;
}

} // namespace

SoftwareTpm::SoftwareTpm(const std::filesystem::path& state, const std::filesystem::path& log) {
    SocketPair pair = make_socket_pair();
    swtpm_.emplace(
        ProcessOptions{.arguments = {"swtpm",
                                     "socket",
                                     "--tpm2",
                                     "--tpmstate",
                                     "dir=" + std::filesystem::absolute(state).string(),
                                     "--ctrl",
                                     "type=unixio,clientfd=" + std::to_string(pair.theirs.get()),
                                     "--log",
                                     "level=1"},
                       .output = log,
                       .inherited = {pair.theirs.get()},
                       .environment = {}});
    control_ = std::move(pair.ours);
    pair.theirs.reset();
    SocketPair data = make_socket_pair();
    command(control_code::set_datafd, {}, data.theirs.get());
    data_ = std::move(data.ours);
}

SoftwareTpm::~SoftwareTpm() {
    unplug();
    try {
        command(control_code::shutdown, {});
        static_cast<void>(swtpm_->wait(std::chrono::seconds{2}));
    } catch (const ServerError&) {
        // It is gone already; its state files are complete after each command.
    }
}

FileDescriptor SoftwareTpm::plug_in() {
    unplug();
    SocketPair pair = make_socket_pair();
    qemu_control_ = std::move(pair.ours);
    guest_locality_ = 0;
    control_thread_ = std::thread{[this] { serve_control(); }};
    return std::move(pair.theirs);
}

void SoftwareTpm::unplug() {
    qemu_control_.shut_down();
    if (control_thread_.joinable())
        control_thread_.join();
    qemu_data_.shut_down();
    if (data_thread_.joinable())
        data_thread_.join();
    qemu_control_.reset();
    qemu_data_.reset();
}

void SoftwareTpm::power_on() {
    std::vector<u8> flags;
    append32(flags, 0);
    command(control_code::init, flags);
}

void SoftwareTpm::set_gate(std::function<bool(TpmLocality)> gate) {
    gate_ = std::move(gate);
}

void SoftwareTpm::set_on_reset(std::function<void()> listener) {
    on_reset_ = std::move(listener);
}

bool SoftwareTpm::admits(TpmLocality locality) const {
    if (!gate_)
        return locality_admits(locality, environment_);
    // Whatever a chipset says, 3 and 4 are its own.
    return locality.value == 0 || (locality.value <= 2 && gate_(locality));
}

std::vector<u8> SoftwareTpm::transmit_as_chipset(TpmLocality locality,
                                                 std::span<const u8> message) {
    return exchange(locality, message);
}

void SoftwareTpm::measure_dynamic_root(std::span<const u8> data) {
    const std::scoped_lock guard{data_lock_};
    command(control_code::hash_start, {});
    constexpr std::size_t piece = 2048; // below swtpm's own limit of 4096
    for (std::size_t offset = 0; offset < data.size(); offset += piece) {
        const auto part = data.subspan(offset, std::min(piece, data.size() - offset));
        std::vector<u8> body;
        append32(body, static_cast<u32>(part.size()));
        body.insert(body.end(), part.begin(), part.end());
        command(control_code::hash_data, body);
    }
    command(control_code::hash_end, {});
}

std::vector<u8> SoftwareTpm::transmit(TpmLocality locality, std::span<const u8> message) {
    if (!admits(locality)) {
        ++refused_;
        return error_response(tpm_rc_locality);
    }
    return exchange(locality, message);
}

std::vector<u8> SoftwareTpm::exchange(TpmLocality locality, std::span<const u8> message) {
    const std::scoped_lock guard{data_lock_};
    const u8 value{locality.value};
    command(control_code::set_locality, std::span{&value, 1});
    write_all(data_, message);
    std::vector<u8> response = read_message(data_);
    if (response.empty())
        throw ServerError{"swtpm closed its data channel"};
    return response;
}

std::vector<u8> SoftwareTpm::control(std::span<const u8> message, int passed) {
    const std::scoped_lock guard{control_lock_};
    send_with_descriptor(control_, message, passed);
    FileDescriptor none;
    std::vector<u8> reply = receive_with_descriptor(control_, none);
    if (reply.size() < 4)
        throw ServerError{"swtpm closed its control channel"};
    return reply;
}

void SoftwareTpm::command(u32 code, std::span<const u8> body, int passed) {
    std::vector<u8> message = result(code);
    message.insert(message.end(), body.begin(), body.end());
    const u32 status = load32(control(message, passed), 0);
    if (status != 0)
        throw ServerError{"swtpm refused control command " + std::to_string(code) + " with " +
                          std::to_string(status)};
}

void SoftwareTpm::serve_control() {
    try {
        while (true) {
            FileDescriptor passed;
            const std::vector<u8> request = receive_with_descriptor(qemu_control_, passed);
            if (request.size() < 4)
                return;
            write_all(qemu_control_, answer(request, std::move(passed)));
        }
    } catch (const ServerError&) {
        qemu_control_.shut_down(); // QEMU then reports the TPM as failed, in its own words
    }
}

std::vector<u8> SoftwareTpm::answer(std::span<const u8> request, FileDescriptor passed) {
    const u32 code = load32(request, 0);
    switch (code) {
    case control_code::set_datafd:
        if (!passed || data_thread_.joinable())
            return result(tpm_fail);
        qemu_data_ = std::move(passed);
        data_thread_ = std::thread{[this] { serve_data(); }};
        return result(0);
    case control_code::set_locality:
        if (request.size() < 5)
            return result(tpm_fail);
        guest_locality_ = request[4];
        return result(0);
    case control_code::shutdown:
        // A power-off of one machine: the TPM, and its PCRs, can still be asked.
        return result(0);
    case control_code::init:
        if (on_reset_)
            on_reset_();
        return control(request);
    default:
        // HASH_START to HASH_END are locality 4: the chipset's own.
        if (code >= control_code::hash_start && code <= control_code::hash_end)
            return result(tpm_fail);
        return control(request);
    }
}

void SoftwareTpm::serve_data() {
    try {
        while (true) {
            const std::vector<u8> message = read_message(qemu_data_);
            if (message.empty())
                return;
            write_all(qemu_data_, transmit(TpmLocality{guest_locality_}, message));
        }
    } catch (const ServerError&) {
        qemu_data_.shut_down();
    }
}

} // namespace ravelin::tools
