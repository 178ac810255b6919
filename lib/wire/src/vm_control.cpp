// SPDX-License-Identifier: Apache-2.0
// fields() lists each message once; Reader and Writer walk the same list. valid() is what a message
// must satisfy beyond its layout.
#include "wire/vm_control.hpp"

#include <algorithm>
#include <concepts>
#include <optional>

namespace ravelin::wire::control {
namespace {

/// Takes fields out of bytes; sticky: after the first error nothing more is read.
class Reader {
  public:
    explicit Reader(LittleReader& reader) : reader_{reader} {}
    template <std::unsigned_integral T> void operator()(T& value) {
        store(value, reader_.integer<T>());
    }
    void operator()(DomainId& id) {
        u16 raw = 0;
        (*this)(raw);
        id = DomainId{raw};
    }
    template <typename Enum> void enumerator(Enum& value, Enum last) {
        u8 raw = 0;
        (*this)(raw);
        if (raw > static_cast<u8>(last))
            error_ = error_.value_or(CursorError::bad_value);
        else
            value = static_cast<Enum>(raw);
    }
    void text(std::string_view& value, usize longest) {
        u16 size = 0;
        (*this)(size);
        if (size > longest)
            error_ = error_.value_or(CursorError::bad_value);
        std::span<const u8> raw;
        bytes(raw, size);
        // SAFETY: char may alias any byte.
        value = {reinterpret_cast<const char*>(raw.data()), raw.size()};
    }
    void bytes(std::span<const u8>& value, usize size) {
        if (!error_)
            store(value, reader_.bytes(size));
    }
    void rest(std::span<const u8>& value) { bytes(value, reader_.remaining()); }
    void array(std::array<u8, 32>& value) {
        std::span<const u8> raw;
        bytes(raw, value.size());
        std::copy(raw.begin(), raw.end(), value.begin());
    }
    [[nodiscard]] std::optional<CursorError> error() const { return error_; }

  private:
    template <typename T> void store(T& value, const Result<T, CursorError>& read) {
        if (error_)
            return;
        if (read.is_ok())
            value = read.value();
        else
            error_ = read.error();
    }
    LittleReader& reader_;
    std::optional<CursorError> error_{};
};

class Writer {
  public:
    explicit Writer(std::span<u8> buffer) : writer_{buffer} {}
    template <std::unsigned_integral T> void operator()(const T& value) { writer_.integer(value); }
    void operator()(const DomainId& id) { writer_.integer(id.raw()); }
    template <typename Enum> void enumerator(const Enum& value, Enum) {
        writer_.integer(static_cast<u8>(value));
    }
    void text(const std::string_view& value, usize) {
        writer_.integer(static_cast<u16>(value.size()));
        // SAFETY: char may alias any byte.
        writer_.bytes({reinterpret_cast<const u8*>(value.data()), value.size()});
    }
    void rest(const std::span<const u8>& value) { writer_.bytes(value); }
    void array(const std::array<u8, 32>& value) { writer_.bytes(value); }
    [[nodiscard]] auto finish() const { return writer_.finish(); }

  private:
    LittleWriter writer_;
};

/// Message or const Message: one list for both directions.
template <typename M, typename T>
concept Is = std::same_as<std::remove_const_t<M>, T>;

void fields(auto& with, Is<Schedule> auto& m) {
    with(m.weight), with(m.cap), with(m.reservation);
}
void fields(auto& with, Is<VmCreate> auto& m) {
    with.text(m.name, max_vm_name);
    with(m.memory_mib), with(m.max_memory_mib), with(m.vcpus);
    with.text(m.label, max_vm_label);
    fields(with, m.schedule);
    with.text(m.command_line, max_vm_command_line);
    with(m.flags), with(m.store_domain), with(m.device_domain);
}
void fields(auto& with, Is<VmReference> auto& m) {
    with(m.domain);
}
void fields(auto& with, Is<VmLoad> auto& m) {
    with(m.domain);
    with.enumerator(m.image, Image::ramdisk);
    with(m.total), with(m.offset), with(m.address), with(m.length);
}
void fields(auto& with, Is<LaunchDigest> auto& m) {
    with.array(m.sha256);
}
void fields(auto& with, Is<VmListRequest> auto& m) {
    with(m.first);
}
void fields(auto& with, Is<VmSummary> auto& m) {
    with(m.domain);
    with.enumerator(m.state, VmState::dying);
    with.enumerator(m.end, VmEnd::fault);
    with(m.vcpus), with(m.memory_kib), with(m.cpu_time_ns);
    with.text(m.name, max_vm_name);
}
void fields(auto& with, Is<VmStop> auto& m) {
    with.enumerator(m.state, VmState::dying);
    with.enumerator(m.end, VmEnd::fault);
    with(m.rip), with(m.detail);
    with.text(m.cause, max_vm_cause);
}
void fields(auto& with, Is<VmInfo> auto& m) {
    fields(with, m.summary), fields(with, m.stop);
    with(m.max_memory_kib), with(m.target_kib);
    fields(with, m.schedule), fields(with, m.digest);
    with.text(m.label, max_vm_label);
    with(m.store_domain), with(m.device_domain);
    with(m.store_port), with(m.store_frame), with(m.console_port), with(m.console_frame);
}
void fields(auto& with, Is<VmMemory> auto& m) {
    with(m.domain), with(m.target_mib);
}
void fields(auto& with, Is<VmSchedule> auto& m) {
    with(m.domain);
    fields(with, m.schedule);
}
void fields(auto& with, Is<ConsoleRead> auto& m) {
    with(m.domain), with(m.offset);
}
void fields(auto& with, Is<ConsoleText> auto& m) {
    with(m.offset);
    with.rest(m.bytes);
}
void fields(auto& with, Is<ConsoleWrite> auto& m) {
    with(m.domain);
    with.rest(m.bytes);
}
void fields(auto& with, Is<ConsoleTaken> auto& m) {
    with(m.count);
}
void fields(auto& with, Is<HostMemory> auto& m) {
    with(m.total_frames), with(m.free_frames);
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}
bool is_text(std::string_view text, usize longest) {
    return text.size() <= longest && is_printable(text);
}
bool is_name(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !text.empty() && text.size() <= max_vm_name && std::ranges::all_of(text, allowed);
}

template <typename Message> bool valid(const Message&) {
    return true;
}
bool valid(const Schedule& m) {
    return m.weight >= 1 && m.weight <= 0xffff && m.cap <= 100 * max_vm_vcpus &&
           m.reservation <= 100 * max_vm_vcpus && (m.cap == 0 || m.reservation <= m.cap);
}
bool valid(const VmCreate& m) {
    return is_name(m.name) && m.memory_mib >= 1 && m.memory_mib <= m.max_memory_mib &&
           m.max_memory_mib <= max_vm_memory_mib && m.vcpus >= 1 && m.vcpus <= max_vm_vcpus &&
           is_text(m.label, max_vm_label) && valid(m.schedule) &&
           is_text(m.command_line, max_vm_command_line) && m.flags == 0;
}
bool valid(const VmLoad& m) {
    return m.length >= 1 && m.length <= max_load && m.length <= m.total &&
           m.offset <= m.total - m.length;
}
bool valid(const VmSummary& m) {
    return is_name(m.name);
}
bool valid(const VmStop& m) {
    return is_text(m.cause, max_vm_cause);
}
bool valid(const VmInfo& m) {
    return valid(m.summary) && valid(m.stop) && valid(m.schedule) && is_text(m.label, max_vm_label);
}
bool valid(const VmMemory& m) {
    return m.target_mib >= 1 && m.target_mib <= max_vm_memory_mib;
}
bool valid(const VmSchedule& m) {
    return valid(m.schedule);
}
bool valid(const ConsoleWrite& m) {
    return !m.bytes.empty() && m.bytes.size() <= max_console_input;
}

} // namespace

template <typename Message> Result<Message, CursorError> decode_next(LittleReader& bytes) {
    Reader reader{bytes};
    Message message{};
    fields(reader, message);
    if (reader.error())
        return Failure{*reader.error()};
    if (!valid(message))
        return Failure{CursorError::bad_value};
    return message;
}

template <typename Message> Result<Message, CursorError> decode(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    auto message = decode_next<Message>(reader);
    if (message.is_ok())
        (void)RAVELIN_TRY(reader.expect_end());
    return message;
}

template <typename Message>
Result<std::span<const u8>, CursorError> encode(const Message& message, std::span<u8> buffer) {
    if (!valid(message))
        return Failure{CursorError::bad_value};
    Writer writer{buffer};
    fields(writer, message);
    return writer.finish();
}

#define RAVELIN_MESSAGE(Message)                                                                   \
    template Result<Message, CursorError> decode<Message>(std::span<const u8>);                    \
    template Result<Message, CursorError> decode_next<Message>(LittleReader&);                     \
    template Result<std::span<const u8>, CursorError> encode<Message>(const Message&,              \
                                                                      std::span<u8>);
RAVELIN_MESSAGE(VmCreate)
RAVELIN_MESSAGE(VmReference)
RAVELIN_MESSAGE(VmLoad)
RAVELIN_MESSAGE(LaunchDigest)
RAVELIN_MESSAGE(VmListRequest)
RAVELIN_MESSAGE(VmSummary)
RAVELIN_MESSAGE(VmStop)
RAVELIN_MESSAGE(VmInfo)
RAVELIN_MESSAGE(VmMemory)
RAVELIN_MESSAGE(VmSchedule)
RAVELIN_MESSAGE(ConsoleRead)
RAVELIN_MESSAGE(ConsoleText)
RAVELIN_MESSAGE(ConsoleWrite)
RAVELIN_MESSAGE(ConsoleTaken)
RAVELIN_MESSAGE(HostMemory)
#undef RAVELIN_MESSAGE

} // namespace ravelin::wire::control
