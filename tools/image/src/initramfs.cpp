// SPDX-License-Identifier: Apache-2.0
// See the header. `ldd` finds the shared libraries; it runs the dynamic loader, so only programs of
// ours and of the distribution go in.
#include "tools/image/initramfs.hpp"

#include "init_script.hpp"
#include "tools/image/cpio.hpp"

#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace ravelin::tools {
namespace {

namespace fs = std::filesystem;

std::vector<u8> read_file(const fs::path& path) {
    if (!fs::is_regular_file(path))
        throw ServerError{path.string() + " is not a file"};
    const std::string content = read_text_file(path);
    return {content.begin(), content.end()};
}

/// The module's name as modprobe has it: no folder, no ending, '_' for '-'.
std::string module_name(const std::string& path) {
    std::string name = fs::path{path}.filename().string();
    name = name.substr(0, name.find(".ko"));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

void add_with_dependencies(const std::map<std::string, std::vector<std::string>>& dependencies,
                           const std::string& path,
                           std::vector<std::string>& order) {
    if (std::find(order.begin(), order.end(), path) != order.end())
        return;
    if (const auto found = dependencies.find(path); found != dependencies.end())
        for (const std::string& needed : found->second)
            add_with_dependencies(dependencies, needed, order);
    order.push_back(path);
}

/// Absolute paths of the shared libraries that a program needs, its loader included.
std::set<std::string> shared_libraries(const fs::path& program) {
    const PrivateDirectory scratch;
    const fs::path output = scratch.path() / "ldd";
    run({.arguments = {"ldd", program.string()},
         .output = output,
         .inherited = {},
         .environment = {"LC_ALL=C"}},
        std::chrono::seconds{20});
    std::set<std::string> libraries;
    std::istringstream lines{read_text_file(output)};
    for (std::string word; lines >> word;) {
        if (word == "not")
            throw ServerError{program.string() + " misses a shared library:\n" +
                              last_lines(read_text_file(output))};
        if (word.starts_with('/') && !word.ends_with(':'))
            libraries.insert(word);
    }
    return libraries;
}

/// A program without its symbols and debug information: what is not run need not be loaded, hashed
/// and unpacked.
std::vector<u8> stripped(const fs::path& program) {
    const PrivateDirectory scratch;
    const fs::path output = scratch.path() / "program";
    run({.arguments = {"strip", "--strip-all", "-o", output.string(), program.string()},
         .output = {},
         .inherited = {},
         .environment = {}},
        std::chrono::seconds{20});
    return read_file(output);
}

void add_kernel_modules(CpioArchive& archive, const InitramfsConfig& config) {
    std::vector<std::string> names = config.kernel_modules;
    if (config.backends == Backends::present)
        names.insert(names.end(), backend_modules().begin(), backend_modules().end());
    std::string list;
    for (const std::string& path :
         module_closure(read_text_file(config.modules / "modules.dep"), names)) {
        const std::string target = "/lib/modules/" + fs::path{path}.filename().string();
        archive.add_file(target, read_file(config.modules / path));
        list += target + "\n";
    }
    archive.add_file("/etc/modules", {list.begin(), list.end()});
}

void add_program(CpioArchive& archive, const fs::path& program) {
    archive.add_file("/usr/bin/" + program.filename().string(), stripped(program), 0755);
    for (const std::string& library : shared_libraries(program))
        archive.add_file(library, read_file(library), 0755);
}

/// Debian keeps it in a folder of Xen's version.
fs::path xenstored_program() {
    std::set<fs::path> found;
    for (const auto& entry : fs::directory_iterator{"/usr/lib"})
        if (const fs::path program = entry.path() / "bin/xenstored";
            entry.path().filename().string().starts_with("xen-") && fs::exists(program))
            found.insert(program);
    if (found.empty())
        throw ServerError{"no xenstored is installed: tools/packages.txt names xen-utils-4.17"};
    return *found.rbegin();
}

void add_store(CpioArchive& archive) {
    add_program(archive, xenstored_program());
    add_program(archive, "/usr/bin/xenstore");
    // It is what it is called as.
    for (const char* command : {"ls", "read", "write", "list", "exists", "rm", "watch"})
        archive.add_link(std::string{"/usr/bin/xenstore-"} + command, "xenstore");
    for (const char* directory : {"/var/lib/xenstored", "/var/run/xenstored"})
        archive.add_directory(directory);
}

} // namespace

const std::vector<std::string>& backend_modules() {
    static const std::vector<std::string> names{"xenfs",
                                                "xen-gntdev",
                                                "virtio_blk",
                                                "nvme",
                                                "loop",
                                                "bridge",
                                                "xen-blkback",
                                                "xen-netback"};
    return names;
}

std::vector<std::string> module_closure(const std::string& modules_dep,
                                        const std::vector<std::string>& names) {
    std::map<std::string, std::vector<std::string>> dependencies;
    std::map<std::string, std::string> path_of;
    std::istringstream lines{modules_dep};
    for (std::string line; std::getline(lines, line);) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos)
            continue;
        const std::string path = line.substr(0, colon);
        path_of[module_name(path)] = path;
        std::istringstream words{line.substr(colon + 1)};
        for (std::string word; words >> word;)
            dependencies[path].push_back(word);
        // modules.dep lists the nearest first; loading wants the farthest first.
        std::reverse(dependencies[path].begin(), dependencies[path].end());
    }
    std::vector<std::string> order;
    for (const std::string& name : names) {
        const auto found = path_of.find(module_name(name));
        if (found == path_of.end())
            throw ServerError{"kernel module " + name + " is not in modules.dep"};
        add_with_dependencies(dependencies, found->second, order);
    }
    return order;
}

namespace {

struct FlavourFacts {
    std::string_view series; ///< Debian has several kernels: domain 0's is not the newest
    bool is_cloud;
    const char* package;
};
FlavourFacts facts_of(Flavour flavour) {
    switch (flavour) {
    case Flavour::cloud:
        return {"6.1.", true, "linux-image-cloud-amd64"};
    case Flavour::generic_6_12:
        return {"6.12.", false, "linux-image-6.12-amd64"};
    case Flavour::generic:
        break;
    }
    return {"6.1.", false, "linux-image-amd64"};
}

} // namespace

fs::path stock_kernel_modules(Flavour flavour) {
    const FlavourFacts wanted = facts_of(flavour);
    std::set<std::string> versions;
    for (const auto& entry : fs::directory_iterator{"/lib/modules"}) {
        const std::string version = entry.path().filename().string();
        const bool is_cloud = version.find("cloud") != std::string::npos;
        const bool is_plain = version.ends_with(is_cloud ? "-cloud-amd64" : "-amd64") &&
                              version.find("-rt-") == std::string::npos;
        if (version.starts_with(wanted.series) && is_plain && is_cloud == wanted.is_cloud &&
            fs::exists(entry.path() / "modules.dep") && fs::exists("/boot/vmlinuz-" + version))
            versions.insert(version);
    }
    if (versions.empty())
        throw ServerError{std::string{"no stock kernel "} + std::string{wanted.series} +
                          "* is installed: tools/packages.txt names " + wanted.package};
    return fs::path{"/lib/modules"} / *versions.rbegin();
}

fs::path stock_kernel_image(Flavour flavour) {
    return "/boot/vmlinuz-" + stock_kernel_modules(flavour).filename().string();
}

std::vector<u8> build_initramfs(const InitramfsConfig& config) {
    CpioArchive archive;
    for (const char* directory : {"/dev", "/proc", "/sys", "/run", "/tmp", "/root", "/var/lib"})
        archive.add_directory(directory);
    // The kernel opens it before anything is mounted.
    archive.add_character_device("/dev/console", 5, 1);
    archive.add_file("/bin/busybox", read_file("/bin/busybox"), 0755);
    archive.add_link("/bin/sh", "busybox");
    const std::string script{config.init.empty() ? init_script : std::string_view{config.init}};
    archive.add_file("/init", {script.begin(), script.end()}, 0755);
    add_kernel_modules(archive, config);
    for (const fs::path& program : config.programs)
        add_program(archive, program);
    if (config.backends == Backends::present)
        add_store(archive);
    for (const ExtraFile& file : config.files) {
        const auto permissions = fs::status(file.source).permissions();
        const bool executable = (permissions & fs::perms::owner_exec) != fs::perms::none;
        archive.add_file(file.target, read_file(file.source), executable ? 0755 : 0644);
    }
    return archive.encode();
}

} // namespace ravelin::tools
