// SPDX-License-Identifier: Apache-2.0
// See the header. Values are checked by the encoder, which is the decoder's twin; here is what TOML
// adds: keys, types, places.
#include "tools/manifest/compile.hpp"

#include <wire/manifest.hpp>

#include <algorithm>
#include <charconv>
#include <limits>
#include <toml++/toml.h>

namespace ravelin::tools {
namespace {

using wire::DeviceClass;
using wire::DomainRole;
using wire::ManifestDomain;

[[noreturn]] void refuse(const toml::node& node, std::string message) {
    throw ManifestDiagnostic{
        node.source().begin.line, node.source().begin.column, std::move(message)};
}

/// One table: every key is asked for, and a key nobody asked for is an error.
class Table {
  public:
    explicit Table(const toml::table& table) : table_{table} {}

    const toml::node* find(std::string_view key) {
        asked_.push_back(key);
        return table_.get(key);
    }
    const toml::node& require(std::string_view key) {
        const toml::node* node = find(key);
        if (node == nullptr)
            refuse(table_, "'" + std::string{key} + "' is missing");
        return *node;
    }
    std::string_view text(std::string_view key) { return text(key, require(key)); }
    std::string_view text_or_nothing(std::string_view key) {
        const toml::node* node = find(key);
        return node == nullptr ? std::string_view{} : text(key, *node);
    }
    template <typename T> T number(std::string_view key) {
        const toml::node& node = require(key);
        const auto value = node.value_exact<i64>();
        if (!value || *value < 0 || *value > i64{std::numeric_limits<T>::max()})
            refuse(node,
                   "'" + std::string{key} + "' is not a number from 0 to " +
                       std::to_string(std::numeric_limits<T>::max()));
        return static_cast<T>(*value);
    }
    void finish() const {
        for (const auto& [key, node] : table_)
            if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end())
                throw ManifestDiagnostic{key.source().begin.line,
                                         key.source().begin.column,
                                         "unknown key '" + std::string{key.str()} + "'"};
    }

  private:
    static std::string_view text(std::string_view key, const toml::node& node) {
        const toml::value<std::string>* value = node.as_string();
        if (value == nullptr)
            refuse(node, "'" + std::string{key} + "' is not text");
        return value->get();
    }

    const toml::table& table_;
    std::vector<std::string_view> asked_;
};

template <typename T> T hexadecimal(const toml::node& node, std::string_view digits, u32 most) {
    u32 value = 0;
    const auto end = digits.data() + digits.size();
    const auto [stopped, error] = std::from_chars(digits.data(), end, value, 16);
    if (error != std::errc{} || stopped != end || value > most)
        refuse(node, "not a PCI address SEGMENT:BUS:DEVICE.FUNCTION, e.g. \"0000:00:1f.2\"");
    return static_cast<T>(value);
}

PciAddress pci_address(const toml::node& node) {
    const std::string text = node.value_exact<std::string>().value_or("");
    const std::string_view view = text;
    if (view.size() != 12 || view[4] != ':' || view[7] != ':' || view[10] != '.')
        refuse(node, "not a PCI address SEGMENT:BUS:DEVICE.FUNCTION, e.g. \"0000:00:1f.2\"");
    return {hexadecimal<u16>(node, view.substr(0, 4), 0xffff),
            hexadecimal<u8>(node, view.substr(5, 2), 0xff),
            hexadecimal<u8>(node, view.substr(8, 2), 31),
            hexadecimal<u8>(node, view.substr(11, 1), 7)};
}

void read_devices(const toml::node* node, ManifestDomain& domain) {
    if (node == nullptr || node->value_exact<std::string>() == name(DeviceClass::none))
        return;
    if (node->value_exact<std::string>() == name(DeviceClass::all_unassigned)) {
        domain.device_class = DeviceClass::all_unassigned;
        return;
    }
    const toml::array* list = node->as_array();
    if (list == nullptr || list->empty())
        refuse(*node, "'devices' is \"none\", \"all-unassigned\" or a list of PCI addresses");
    domain.device_class = DeviceClass::listed;
    for (const toml::node& item : *list)
        if (!domain.devices.push_back(pci_address(item)))
            refuse(item,
                   "more than " + std::to_string(ManifestDomain::max_devices) +
                       " devices for one domain");
}

DomainRole role_of(Table& table) {
    const std::string_view text = table.text("role");
    for (const DomainRole role : {DomainRole::domain0, DomainRole::guest})
        if (text == name(role))
            return role;
    refuse(table.require("role"), "'role' is \"domain0\" or \"guest\"");
}

ManifestDomain read_domain(const toml::node& node) {
    const toml::table* content = node.as_table();
    if (content == nullptr)
        refuse(node, "'domain' is not a table: write [[domain]]");
    Table table{*content};
    ManifestDomain domain;
    domain.id = DomainId{table.number<u16>("id")};
    domain.name = table.text("name");
    domain.role = role_of(table);
    domain.kernel = table.text("kernel");
    domain.ramdisk = table.text_or_nothing("ramdisk");
    domain.command_line = table.text_or_nothing("command_line");
    domain.memory_mib = table.number<u32>("memory_mib");
    domain.vcpus = table.number<u32>("vcpus");
    read_devices(table.find("devices"), domain);
    domain.label = table.text("label");
    table.finish();
    return domain;
}

std::vector<u8> encode(std::string_view platform, const std::vector<ManifestDomain>& domains) {
    std::vector<u8> buffer(usize{1} << 16);
    const auto encoded = wire::encode_manifest(platform, {}, domains, buffer);
    if (!encoded)
        throw ManifestDiagnostic{0, 0, std::string{wire::name(encoded.error().kind)}};
    buffer.resize(encoded.value().size());
    return buffer;
}

/// A domain that the encoder refuses is refused where it stands.
void check_alone(const toml::node& node, const ManifestDomain& domain) {
    std::vector<u8> buffer(usize{1} << 14);
    const auto encoded = wire::encode_manifest("p", {}, std::span{&domain, 1}, buffer);
    if (!encoded)
        refuse(node,
               "domain '" + std::string{domain.name} +
                   "': " + std::string{wire::name(encoded.error().kind)});
}

std::vector<u8> compile(const toml::table& document) {
    Table table{document};
    if (table.number<u32>("version") != wire::Manifest::version)
        refuse(table.require("version"), "'version' is not 1");
    const std::string_view platform = table.text("platform");
    const toml::node& domains = table.require("domain");
    const toml::array* list = domains.as_array();
    if (list == nullptr)
        refuse(domains, "'domain' is not a list: write [[domain]]");
    std::vector<ManifestDomain> decoded;
    for (const toml::node& node : *list) {
        decoded.push_back(read_domain(node));
        check_alone(node, decoded.back());
    }
    table.finish();
    return encode(platform, decoded);
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string devices_text(const ManifestDomain& domain) {
    if (domain.device_class != DeviceClass::listed)
        return quoted(name(domain.device_class));
    std::string text;
    for (const PciAddress& device : domain.devices) {
        std::array<char, 16> address{};
        std::snprintf(address.data(),
                      address.size(),
                      "%04x:%02x:%02x.%x",
                      unsigned{device.segment},
                      unsigned{device.bus},
                      unsigned{device.device},
                      unsigned{device.function});
        text += (text.empty() ? "" : ", ") + quoted(address.data());
    }
    return "[" + text + "]";
}

} // namespace

std::string describe(const ManifestDiagnostic& diagnostic, const std::string& file) {
    std::string text = file;
    if (diagnostic.line != 0)
        text += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
    return text + ": " + diagnostic.message;
}

Result<std::vector<u8>, ManifestDiagnostic> compile_manifest(std::string_view toml_text) {
    try {
        const toml::table document = toml::parse(toml_text);
        return compile(document);
    } catch (const toml::parse_error& error) {
        return Failure{ManifestDiagnostic{error.source().begin.line,
                                          error.source().begin.column,
                                          std::string{error.description()}}};
    } catch (const ManifestDiagnostic& diagnostic) {
        return Failure{diagnostic};
    }
}

Result<std::string, ManifestDiagnostic> show_manifest(std::span<const u8> bytes) {
    const auto manifest = wire::Manifest::decode(bytes);
    if (!manifest)
        return Failure{ManifestDiagnostic{0,
                                          0,
                                          std::string{wire::name(manifest.error().kind)} +
                                              " (offset " +
                                              std::to_string(manifest.error().offset) + ")"}};
    std::string text = "version = 1\nplatform = " + quoted(manifest.value().platform()) + "\n";
    for (usize i = 0; i < manifest.value().domain_count(); ++i) {
        const ManifestDomain domain = manifest.value().domain(i);
        text += "\n[[domain]]\nid = " + std::to_string(domain.id.raw());
        text += "\nname = " + quoted(domain.name);
        text += "\nrole = " + quoted(name(domain.role));
        text += "\nkernel = " + quoted(domain.kernel);
        if (!domain.ramdisk.empty())
            text += "\nramdisk = " + quoted(domain.ramdisk);
        text += "\ncommand_line = " + quoted(domain.command_line);
        text += "\nmemory_mib = " + std::to_string(domain.memory_mib);
        text += "\nvcpus = " + std::to_string(domain.vcpus);
        text += "\ndevices = " + devices_text(domain);
        text += "\nlabel = " + quoted(domain.label) + "\n";
    }
    return text;
}

} // namespace ravelin::tools
