// SPDX-License-Identifier: Apache-2.0
// Records of the launch manifest. Every one is there, once, in the order of its tag.
#include "wire/manifest.hpp"

namespace ravelin::wire {

namespace {

using Kind = ManifestError::Kind;

enum class Tag : u16 { platform = 1, policy = 2, domain = 3 };
enum class DomainTag : u16 {
    id = 1,
    name,
    role,
    kernel,
    ramdisk,
    command_line,
    memory,
    vcpus,
    devices,
    label,
    flags,
};

enum class Emptiness : u8 { allowed, refused };
enum class Alphabet : u8 {
    text,
    word,
    name, ///< what the control interface takes for one: a domain that cannot be told of is refused
};

bool is_of(Alphabet alphabet, u8 c) {
    if (c < ' ' || c > '~')
        return false;
    switch (alphabet) {
    case Alphabet::text:
        return true;
    case Alphabet::word:
        return c != ' ' && c != ':';
    case Alphabet::name:
        break;
    }
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char and u8 are both bytes; the view only reads.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

/// Reads with the errors of this file; offsets are those of the whole manifest.
class Reader {
  public:
    Reader(std::span<const u8> bytes, usize base) : reader_{bytes}, base_{base} {}

    [[nodiscard]] usize offset() const { return base_ + reader_.offset(); }
    [[nodiscard]] usize remaining() const { return reader_.remaining(); }
    [[nodiscard]] Failure<ManifestError> fail(Kind kind) const {
        return Failure{ManifestError{kind, offset()}};
    }

    Result<std::span<const u8>, ManifestError> bytes(usize n) {
        const auto value = reader_.bytes(n);
        if (!value.is_ok())
            return fail(Kind::truncated);
        return value.value();
    }
    template <typename T> Result<T, ManifestError> integer() {
        const auto value = reader_.integer<T>();
        if (!value.is_ok())
            return fail(Kind::truncated);
        return value.value();
    }
    template <typename TagType> Result<std::span<const u8>, ManifestError> record(TagType tag) {
        const u16 found = RAVELIN_TRY(integer<u16>());
        const u32 size = RAVELIN_TRY(integer<u32>());
        if (found != static_cast<u16>(tag))
            return fail(Kind::bad_order);
        return bytes(size);
    }
    template <typename T> Result<T, ManifestError> number(DomainTag tag, T least, T most) {
        const auto value = RAVELIN_TRY(record(tag));
        LittleReader inner{value};
        const auto raw = inner.integer<T>();
        if (!raw.is_ok())
            return fail(Kind::truncated);
        if (!inner.expect_end().is_ok())
            return fail(Kind::trailing);
        if (raw.value() < least || raw.value() > most)
            return fail(Kind::bad_value);
        return raw.value();
    }
    template <typename TagType>
    Result<std::string_view, ManifestError>
    text(TagType tag, usize longest, Emptiness emptiness, Alphabet alphabet) {
        const auto value = RAVELIN_TRY(record(tag));
        if (value.size() > longest || (value.empty() && emptiness == Emptiness::refused))
            return fail(Kind::bad_text);
        for (const u8 c : value)
            if (!is_of(alphabet, c))
                return fail(Kind::bad_text);
        // SAFETY: char and u8 are both bytes; the view only reads.
        return std::string_view{reinterpret_cast<const char*>(value.data()), value.size()};
    }
    Status<ManifestError> expect_end() const {
        if (!reader_.expect_end().is_ok())
            return fail(Kind::trailing);
        return Unit{};
    }

  private:
    LittleReader reader_;
    usize base_;
};

Result<PciAddress, ManifestError> read_device(Reader& reader) {
    PciAddress address;
    address.segment = RAVELIN_TRY(reader.integer<u16>());
    address.bus = RAVELIN_TRY(reader.integer<u8>());
    address.device = RAVELIN_TRY(reader.integer<u8>());
    address.function = RAVELIN_TRY(reader.integer<u8>());
    if (address.device > 31 || address.function > 7)
        return reader.fail(Kind::bad_value);
    return address;
}

Status<ManifestError> read_devices(Reader& outer, ManifestDomain& domain) {
    const auto value = RAVELIN_TRY(outer.record(DomainTag::devices));
    Reader reader{value, outer.offset() - value.size()};
    const u8 raw_class = RAVELIN_TRY(reader.integer<u8>());
    const u16 count = RAVELIN_TRY(reader.integer<u16>());
    if (raw_class > static_cast<u8>(DeviceClass::all_unassigned))
        return reader.fail(Kind::bad_value);
    domain.device_class = static_cast<DeviceClass>(raw_class);
    if ((domain.device_class == DeviceClass::listed) == (count == 0))
        return reader.fail(Kind::bad_value);
    for (u16 i = 0; i < count; ++i) {
        const PciAddress address = RAVELIN_TRY(read_device(reader));
        for (const PciAddress& other : domain.devices)
            if (other == address)
                return reader.fail(Kind::duplicate);
        if (!domain.devices.push_back(address))
            return reader.fail(Kind::too_many);
    }
    return reader.expect_end();
}

Result<ManifestDomain, ManifestError> read_domain(std::span<const u8> record, usize base) {
    constexpr usize name_size = ManifestDomain::max_name;
    Reader reader{record, base};
    ManifestDomain domain;
    domain.record = record;
    domain.id = DomainId{RAVELIN_TRY(reader.number<u16>(DomainTag::id, 0, 0x7fef))};
    domain.name =
        RAVELIN_TRY(reader.text(DomainTag::name, name_size, Emptiness::refused, Alphabet::name));
    domain.role = static_cast<DomainRole>(
        RAVELIN_TRY(reader.number<u8>(DomainTag::role, u8{1}, static_cast<u8>(DomainRole::guest))));
    domain.kernel =
        RAVELIN_TRY(reader.text(DomainTag::kernel, name_size, Emptiness::refused, Alphabet::word));
    domain.ramdisk =
        RAVELIN_TRY(reader.text(DomainTag::ramdisk, name_size, Emptiness::allowed, Alphabet::word));
    domain.command_line = RAVELIN_TRY(reader.text(DomainTag::command_line,
                                                  ManifestDomain::max_command_line,
                                                  Emptiness::allowed,
                                                  Alphabet::text));
    domain.memory_mib =
        RAVELIN_TRY(reader.number<u32>(DomainTag::memory, u32{1}, ManifestDomain::max_memory_mib));
    domain.vcpus =
        RAVELIN_TRY(reader.number<u32>(DomainTag::vcpus, u32{1}, ManifestDomain::max_vcpus));
    (void)RAVELIN_TRY(read_devices(reader, domain));
    domain.label =
        RAVELIN_TRY(reader.text(DomainTag::label, name_size, Emptiness::refused, Alphabet::text));
    domain.flags = RAVELIN_TRY(reader.number<u32>(DomainTag::flags, u32{0}, u32{0}));
    (void)RAVELIN_TRY(reader.expect_end());
    return domain;
}

/// Writes a record whose size is known only behind it.
template <typename TagType, typename Body>
void write_record(LittleWriter& writer, TagType tag, Body&& body) {
    writer.integer(static_cast<u16>(tag));
    const usize size_at = writer.offset();
    writer.integer(u32{0});
    const usize start = writer.offset();
    body();
    writer.patch(size_at, static_cast<u32>(writer.offset() - start));
}

template <typename TagType>
void write_text(LittleWriter& writer, TagType tag, std::string_view text) {
    write_record(writer, tag, [&] { writer.bytes(bytes_of(text)); });
}

template <typename T> void write_number(LittleWriter& writer, DomainTag tag, T value) {
    write_record(writer, tag, [&] { writer.integer(value); });
}

void write_domain(LittleWriter& writer, const ManifestDomain& domain) {
    write_number(writer, DomainTag::id, domain.id.raw());
    write_text(writer, DomainTag::name, domain.name);
    write_number(writer, DomainTag::role, static_cast<u8>(domain.role));
    write_text(writer, DomainTag::kernel, domain.kernel);
    write_text(writer, DomainTag::ramdisk, domain.ramdisk);
    write_text(writer, DomainTag::command_line, domain.command_line);
    write_number(writer, DomainTag::memory, domain.memory_mib);
    write_number(writer, DomainTag::vcpus, domain.vcpus);
    write_record(writer, DomainTag::devices, [&] {
        writer.integer(static_cast<u8>(domain.device_class));
        writer.integer(static_cast<u16>(domain.devices.size()));
        for (const PciAddress& device : domain.devices)
            writer.integer(device.segment)
                .integer(device.bus)
                .integer(device.device)
                .integer(device.function);
    });
    write_text(writer, DomainTag::label, domain.label);
    write_number(writer, DomainTag::flags, domain.flags);
}

} // namespace

std::string_view name(DomainRole role) {
    return role == DomainRole::domain0 ? "domain0" : "guest";
}

std::string_view name(DeviceClass devices) {
    switch (devices) {
    case DeviceClass::none:
        return "none";
    case DeviceClass::listed:
        return "listed";
    case DeviceClass::all_unassigned:
        return "all-unassigned";
    }
    return "unknown";
}

std::string_view name(ManifestError::Kind kind) {
    switch (kind) {
    case Kind::truncated:
        return "a record ends early";
    case Kind::trailing:
        return "bytes behind the end of a record";
    case Kind::bad_magic:
        return "not a launch manifest";
    case Kind::bad_version:
        return "unknown format version";
    case Kind::bad_order:
        return "another record is due here";
    case Kind::bad_text:
        return "text that is empty, too long or not printable";
    case Kind::bad_value:
        return "a value out of range";
    case Kind::duplicate:
        return "the same thing twice";
    case Kind::bad_domain0:
        return "no domain, domain 0 not first, or id 0 without its role";
    case Kind::too_many:
        return "too many";
    case Kind::full:
        return "the buffer is full";
    }
    return "unknown error";
}

Result<Manifest, ManifestError> Manifest::decode(std::span<const u8> bytes) {
    Reader reader{bytes, 0};
    const auto found = RAVELIN_TRY(reader.bytes(magic.size()));
    for (usize i = 0; i < magic.size(); ++i)
        if (found[i] != magic[i])
            return reader.fail(Kind::bad_magic);
    if (RAVELIN_TRY(reader.integer<u32>()) != version)
        return reader.fail(Kind::bad_version);
    Manifest manifest;
    manifest.platform_ = RAVELIN_TRY(
        reader.text(wire::Tag::platform, max_platform, Emptiness::refused, Alphabet::text));
    manifest.policy_ = RAVELIN_TRY(reader.record(wire::Tag::policy));
    if (manifest.policy_.size() > max_policy)
        return reader.fail(Kind::bad_value);
    while (reader.remaining() != 0) {
        const auto record = RAVELIN_TRY(reader.record(wire::Tag::domain));
        if (!manifest.records_.push_back(record) ||
            !manifest.offsets_.push_back(reader.offset() - record.size()))
            return reader.fail(Kind::too_many);
    }
    (void)RAVELIN_TRY(manifest.check_domains());
    return manifest;
}

/// Each record by itself, then against those before it.
Status<ManifestError> Manifest::check_domains() const {
    for (usize i = 0; i < records_.size(); ++i) {
        const ManifestDomain domain = RAVELIN_TRY(read_domain(records_[i], offsets_[i]));
        const bool is_domain0 = domain.role == DomainRole::domain0;
        if (is_domain0 != (domain.id == DomainId{0}) || (is_domain0 && i != 0))
            return Failure{ManifestError{Kind::bad_domain0, offsets_[i]}};
        for (usize j = 0; j < i; ++j) {
            const ManifestDomain other = this->domain(j);
            bool clash = other.id == domain.id || other.name == domain.name ||
                         (other.device_class == DeviceClass::all_unassigned &&
                          domain.device_class == DeviceClass::all_unassigned);
            for (const PciAddress& mine : domain.devices)
                for (const PciAddress& its : other.devices)
                    clash = clash || mine == its;
            if (clash)
                return Failure{ManifestError{Kind::duplicate, offsets_[i]}};
        }
    }
    if (records_.empty())
        return Failure{ManifestError{Kind::bad_domain0, 0}};
    return Unit{};
}

ManifestDomain Manifest::domain(usize index) const {
    const auto decoded = read_domain(records_[index], offsets_[index]);
    ensure(decoded.is_ok(), "a manifest that was checked decodes");
    return decoded.value();
}

Result<std::span<const u8>, ManifestError> encode_manifest(std::string_view platform,
                                                           std::span<const u8> policy,
                                                           std::span<const ManifestDomain> domains,
                                                           std::span<u8> buffer) {
    LittleWriter writer{buffer};
    writer.bytes(Manifest::magic).integer(Manifest::version);
    write_text(writer, Tag::platform, platform);
    write_record(writer, Tag::policy, [&] { writer.bytes(policy); });
    for (const ManifestDomain& domain : domains)
        write_record(writer, Tag::domain, [&] { write_domain(writer, domain); });
    const auto written = writer.finish();
    if (!written.is_ok())
        return Failure{ManifestError{Kind::full, buffer.size()}};
    (void)RAVELIN_TRY(Manifest::decode(written.value()));
    return written.value();
}

} // namespace ravelin::wire
