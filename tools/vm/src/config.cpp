// SPDX-License-Identifier: Apache-2.0
// See the header. What only the hypervisor can judge (is there memory?) is left to it.
#include "tools/vm/config.hpp"

#include "tools/vm/error.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <toml++/toml.h>

namespace ravelin::vm {
namespace {

namespace control = wire::control;

/// Says where. Keys are remembered as they are asked for, so that the rest can be refused.
class Document {
  public:
    Document(const toml::table& table, std::string file) : table_{table}, file_{std::move(file)} {}

    [[noreturn]] void refuse(const toml::source_position& at, const std::string& what) const {
        throw VmError{file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                      ": " + what};
    }
    [[noreturn]] void refuse(const toml::node& node, const std::string& what) const {
        refuse(node.source().begin, what);
    }
    const toml::node* find(std::string_view key) {
        asked_.insert(std::string{key});
        return table_.get(key);
    }
    std::optional<std::string> text(std::string_view key) {
        const toml::node* node = find(key);
        if (node == nullptr)
            return std::nullopt;
        if (!node->is_string())
            refuse(*node, "'" + std::string{key} + "': expected text in quotes");
        return node->value<std::string>();
    }
    std::string required_text(std::string_view key) {
        const auto value = text(key);
        if (!value)
            throw VmError{file_ + ": '" + std::string{key} + "' is missing"};
        return *value;
    }
    std::optional<u32> number(std::string_view key, u32 least, u32 most) {
        const toml::node* node = find(key);
        if (node == nullptr)
            return std::nullopt;
        const auto value = node->value_exact<i64>();
        if (!value || *value < i64{least} || *value > i64{most})
            refuse(*node,
                   "'" + std::string{key} + "': expected a number from " + std::to_string(least) +
                       " to " + std::to_string(most));
        return static_cast<u32>(*value);
    }
    /// A list of texts; the function gets each with its place.
    template <typename Use> void texts(std::string_view key, Use use) {
        const toml::node* node = find(key);
        if (node == nullptr)
            return;
        const toml::array* list = node->as_array();
        if (list == nullptr)
            refuse(*node, "'" + std::string{key} + "': expected a list, [\"...\", ...]");
        for (const toml::node& item : *list) {
            const auto value = item.value_exact<std::string>();
            if (!value)
                refuse(item, "'" + std::string{key} + "': expected text in quotes");
            use(item, *value);
        }
    }
    void finish() const {
        for (const auto& [key, node] : table_)
            if (!asked_.contains(std::string{key.str()}))
                refuse(key.source().begin, "unknown key '" + std::string{key.str()} + "'");
    }
    [[nodiscard]] const std::string& file() const { return file_; }

  private:
    const toml::table& table_;
    std::string file_;
    std::set<std::string> asked_;
};

std::vector<std::string> split_commas(std::string_view text) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == ',')
            parts.emplace_back();
        else if (c != ' ' || !parts.back().empty())
            parts.back() += c;
    }
    for (std::string& part : parts)
        while (part.ends_with(' '))
            part.pop_back();
    return parts;
}

Disk read_disk(Document& document, const toml::node& at, const std::string& text) {
    constexpr const char* form = "expected \"TARGET,raw,xvda,rw\", found \"";
    const std::vector<std::string> parts = split_commas(text);
    if (parts.size() < 3 || parts.size() > 4 || parts[0].empty())
        document.refuse(at, "'disk': " + std::string{form} + text + "\"");
    if (!parts[1].empty() && parts[1] != "raw")
        document.refuse(at, "'disk': only the format raw is known, found '" + parts[1] + "'");
    if (!parts[0].starts_with('/'))
        document.refuse(at, "'disk': expected an absolute path, found '" + parts[0] + "'");
    Disk disk{parts[0], parts[2], disk_number(parts[2]), Access::read_write};
    if (disk.number == 0)
        document.refuse(at, "'disk': expected xvda to xvdz, found '" + parts[2] + "'");
    const std::string access = parts.size() == 4 ? parts[3] : "rw";
    if (access == "r" || access == "ro")
        disk.access = Access::read_only;
    else if (access != "rw" && access != "w")
        document.refuse(at, "'disk': expected r or rw, found '" + access + "'");
    return disk;
}

bool is_mac(std::string_view text) {
    if (text.size() != 17)
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (i % 3 == 2 ? c != ':' : std::isxdigit(static_cast<unsigned char>(c)) == 0)
            return false;
    }
    return true;
}

/// Stable, so that a VM that is created again is the same to its network: Xen's prefix and a hash
/// (FNV-1a) of the VM's name and the NIC's place.
std::string default_mac(const std::string& name, std::size_t index) {
    u32 hash = 2166136261u;
    for (const char c : name + "/" + std::to_string(index))
        hash = (hash ^ static_cast<u8>(c)) * 16777619u;
    std::array<char, 18> mac{};
    std::snprintf(mac.data(),
                  mac.size(),
                  "00:16:3e:%02x:%02x:%02x",
                  hash >> 16 & 0x7f,
                  hash >> 8 & 0xff,
                  hash & 0xff);
    return mac.data();
}

Nic read_nic(Document& document,
             const toml::node& at,
             const std::string& text,
             const std::string& mac_without) {
    Nic nic{mac_without};
    for (const std::string& part : split_commas(text)) {
        if (part.empty())
            continue;
        if (!part.starts_with("mac="))
            document.refuse(at,
                            "'vif': expected mac=XX:XX:XX:XX:XX:XX, found '" + part +
                                "' (the bridge follows from the label)");
        nic.mac = part.substr(4);
        if (!is_mac(nic.mac))
            document.refuse(at, "'vif': expected mac=XX:XX:XX:XX:XX:XX, found '" + part + "'");
        if ((std::stoi(nic.mac.substr(0, 2), nullptr, 16) & 1) != 0)
            document.refuse(at, "'vif': " + nic.mac + " is a group address, no NIC's");
    }
    return nic;
}

void check_name(Document& document, const std::string& name) {
    const bool good = !name.empty() && name.size() <= control::max_vm_name &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                      });
    if (!good)
        document.refuse(*document.find("name"),
                        "'name': expected 1 to 32 of A-Z, a-z, 0-9, '.', '_', '-'");
}

void read_memory(Document& document, Config& config) {
    const auto memory = document.number("memory", 1, control::max_vm_memory_mib);
    if (!memory)
        throw VmError{document.file() + ": 'memory' is missing (MiB)"};
    config.memory_mib = *memory;
    config.max_memory_mib =
        document.number("maxmem", 1, control::max_vm_memory_mib).value_or(*memory);
    if (config.max_memory_mib < config.memory_mib)
        document.refuse(*document.find("maxmem"),
                        "'maxmem': expected at least 'memory', which is " +
                            std::to_string(config.memory_mib));
}

/// Back ends run in domain 0, which is not trusted with more than the guest grants: the front ends
/// shall copy what they are given. Measured with the rest of the command line.
constexpr const char* untrusting = "xen_blkfront.trusted=0 xen_netfront.trusted=0";

void read_images(Document& document, Config& config) {
    config.kernel = document.required_text("kernel");
    config.ramdisk = document.text("ramdisk").value_or("");
    const std::string extra = document.text("extra").value_or("");
    config.command_line = (extra.empty() ? "" : extra + " ") + untrusting;
    if (config.command_line.size() > control::max_vm_command_line)
        document.refuse(*document.find("extra"),
                        "'extra': expected at most " +
                            std::to_string(control::max_vm_command_line) + " characters with \"" +
                            untrusting + "\", found " + std::to_string(config.command_line.size()));
    const bool printable =
        std::all_of(extra.begin(), extra.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!printable)
        document.refuse(*document.find("extra"), "'extra': expected printable ASCII");
}

void read_devices(Document& document, Config& config) {
    document.texts("disk", [&](const toml::node& at, const std::string& text) {
        Disk disk = read_disk(document, at, text);
        for (const Disk& other : config.disks)
            if (other.number == disk.number)
                document.refuse(at, "'disk': " + disk.device + " is there twice");
        config.disks.push_back(std::move(disk));
    });
    document.texts("vif", [&](const toml::node& at, const std::string& text) {
        config.nics.push_back(
            read_nic(document, at, text, default_mac(config.name, config.nics.size())));
    });
}

Afterwards read_afterwards(Document& document, const char* key, Afterwards otherwise) {
    const auto text = document.text(key);
    if (!text)
        return otherwise;
    constexpr std::array known{std::pair{"destroy", Afterwards::destroy},
                               std::pair{"restart", Afterwards::restart},
                               std::pair{"preserve", Afterwards::preserve}};
    for (const auto& [name, action] : known)
        if (*text == name)
            return action;
    document.refuse(*document.find(key),
                    "'" + std::string{key} + "': expected destroy, restart or preserve, found '" +
                        *text + "'");
}

Config read(Document& document) {
    Config config;
    config.name = document.required_text("name");
    check_name(document, config.name);
    read_memory(document, config);
    config.vcpus = document.number("vcpus", 1, control::max_vm_vcpus).value_or(1);
    read_images(document, config);
    config.label = document.text("label").value_or("guest");
    if (config.label.empty() || config.label.size() > control::max_vm_label)
        document.refuse(*document.find("label"), "'label': expected 1 to 64 characters");
    config.schedule.weight = document.number("cpu_weight", 1, 65535).value_or(256);
    config.schedule.cap = document.number("cap", 0, 100 * config.vcpus).value_or(0);
    config.schedule.reservation = document.number("reservation", 0, 100 * config.vcpus).value_or(0);
    read_devices(document, config);
    config.on_poweroff = read_afterwards(document, "on_poweroff", config.on_poweroff);
    config.on_reboot = read_afterwards(document, "on_reboot", config.on_reboot);
    config.on_crash = read_afterwards(document, "on_crash", config.on_crash);
    if (const toml::node* vtpm = document.find("vtpm"))
        document.refuse(*vtpm, "'vtpm': guests have no virtual TPM yet; leave the key out");
    document.finish();
    return config;
}

} // namespace

u32 disk_number(std::string_view device) {
    constexpr u32 xvd_major = 202;
    constexpr u32 extended = 1u << 28;
    if (device.size() != 4 || !device.starts_with("xvd") || device[3] < 'a' || device[3] > 'z')
        return 0;
    const auto index = static_cast<u32>(device[3] - 'a');
    return index < 16 ? xvd_major << 8 | index << 4 : extended | index << 8;
}

Afterwards afterwards(const Config& config, control::VmEnd end) {
    switch (end) {
    case control::VmEnd::power_off:
        return config.on_poweroff;
    case control::VmEnd::reboot:
        return config.on_reboot;
    case control::VmEnd::crash:
    case control::VmEnd::watchdog:
    case control::VmEnd::fault:
        return config.on_crash;
    case control::VmEnd::none:
    case control::VmEnd::suspend:
        break;
    }
    return Afterwards::preserve;
}

Config parse_config(std::string_view toml_text, const std::string& file) {
    try {
        const toml::table table = toml::parse(toml_text);
        Document document{table, file};
        return read(document);
    } catch (const toml::parse_error& error) {
        throw VmError{file + ":" + std::to_string(error.source().begin.line) + ":" +
                      std::to_string(error.source().begin.column) + ": " +
                      std::string{error.description()}};
    }
}

} // namespace ravelin::vm
