// SPDX-License-Identifier: Apache-2.0
// From a description of a machine to QEMU's arguments.
#include "tools/server/error.hpp"
#include "tools/server/machine.hpp"

namespace ravelin::tools {
namespace {

using Arguments = std::vector<std::string>;

void add(Arguments& arguments, std::initializer_list<std::string> words) {
    arguments.insert(arguments.end(), words);
}

/// A comma ends an option's value; two stand for one.
std::string escaped(const std::filesystem::path& path) {
    std::string text;
    for (const char c : std::filesystem::absolute(path).string()) {
        text += c;
        if (c == ',')
            text += c;
    }
    return text;
}

std::string number(unsigned long value) {
    return std::to_string(value);
}

void add_boot(Arguments& arguments, const UefiDisk& disk, const MachineWiring& wiring) {
    add(arguments,
        {"-drive",
         "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
         "-drive",
         "if=pflash,unit=1,format=raw,file=" + escaped(wiring.firmware_variables),
         "-drive",
         "if=none,id=disk,format=raw,readonly=on,file=" + escaped(disk.image),
         "-device",
         "virtio-blk-pci,drive=disk,bootindex=0,iommu_platform=on,disable-legacy=on"});
}

void add_boot(Arguments& arguments, const BiosIso& iso, const MachineWiring&) {
    add(arguments,
        {"-drive",
         "if=none,id=disk,media=cdrom,format=raw,readonly=on,file=" + escaped(iso.image),
         "-device",
         "ide-cd,drive=disk,bootindex=0"});
}

void add_boot(Arguments& arguments, const DirectKernel& direct, const MachineWiring&) {
    add(arguments,
        {"-kernel",
         std::filesystem::absolute(direct.kernel).string(),
         "-append",
         direct.command_line});
    std::string modules;
    for (const DirectKernel::Module& module : direct.modules) {
        // QEMU splits "file arguments" at the first blank.
        if (module.file.string().find(' ') != std::string::npos)
            throw ServerError{"a module's path may not hold a blank: " + module.file.string()};
        modules += (modules.empty() ? "" : ",") + escaped(module.file) + " " + module.name;
    }
    if (!modules.empty())
        add(arguments, {"-initrd", modules});
}

void add_boot(Arguments& arguments, const NativeKernel& native, const MachineWiring&) {
    add(arguments,
        {"-kernel",
         std::filesystem::absolute(native.kernel).string(),
         "-append",
         native.command_line});
    if (!native.ramdisk.empty())
        add(arguments, {"-initrd", std::filesystem::absolute(native.ramdisk).string()});
}

void add_clock(Arguments& arguments, Clock clock) {
    switch (clock) {
    case Clock::deterministic:
        add(arguments, {"-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"});
        break;
    case Clock::steady:
        add(arguments, {"-icount", "shift=0,sleep=on", "-rtc", "base=utc"});
        break;
    case Clock::real:
        add(arguments, {"-rtc", "base=utc"});
        break;
    }
}

void add_network(Arguments& arguments, const MachineConfig& config, const MachineWiring& wiring) {
    if (config.nic == Nic::none)
        return;
    std::string network = "user,id=net,restrict=on";
    for (const Forward& forward : config.forwards)
        network += ",guestfwd=tcp:" + forward.guest_address + ":" + number(forward.guest_port) +
                   "-cmd:" + escaped(wiring.relay_program) + " relay " + number(forward.host_port);
    add(arguments, {"-netdev", network, "-device"});
    // iommu_platform makes the device's DMA go through VT-d like that of any other.
    arguments.emplace_back(config.nic == Nic::virtio
                               ? "virtio-net-pci,netdev=net,iommu_platform=on,"
                                 "disable-legacy=on,romfile="
                               : "e1000e,netdev=net,romfile=");
}

} // namespace

Arguments command_line(const MachineConfig& config, const MachineWiring& wiring) {
    Arguments arguments{"qemu-system-x86_64", "-nodefaults", "-no-user-config"};
    if (config.reset == Reset::ends)
        add(arguments, {"-no-reboot"});
    if (config.power_on == PowerOn::waits)
        add(arguments, {"-S"});
    add(arguments,
        {"-display",
         "none",
         "-machine",
         "q35,kernel-irqchip=split",
         "-accel",
         "tcg,thread=single",
         "-cpu",
         config.processor,
         "-smp",
         number(config.processors),
         "-m",
         number(config.memory_mib)});
    if (config.memory_file)
        add(arguments,
            {"-object",
             "memory-backend-file,id=ram,share=on,size=" + number(config.memory_mib) +
                 "M,mem-path=/dev/fd/" + number(static_cast<unsigned long>(*config.memory_file)),
             "-machine",
             "memory-backend=ram"});
    add_clock(arguments, config.clock);
    if (config.iommu == Iommu::present)
        add(arguments, {"-device", "intel-iommu,intremap=on,caching-mode=off,aw-bits=48"});
    std::visit([&](const auto& boot) { add_boot(arguments, boot, wiring); }, config.boot);
    if (wiring.tpm)
        add(arguments,
            {"-chardev",
             "socket,id=tpm,fd=" + number(static_cast<unsigned long>(*wiring.tpm)),
             "-tpmdev",
             "emulator,id=tpm0,chardev=tpm",
             "-device",
             "tpm-tis,tpmdev=tpm0"});
    add_network(arguments, config, wiring);
    if (config.attacker == DmaAttacker::present)
        add(arguments, {"-device", "edu,dma_mask=0xffffffffffffffff"});
    add(arguments,
        {"-chardev",
         "socket,id=serial,fd=" + number(static_cast<unsigned long>(wiring.serial)),
         "-serial",
         "chardev:serial",
         "-chardev",
         "socket,id=monitor,fd=" + number(static_cast<unsigned long>(wiring.monitor)),
         "-mon",
         "chardev=monitor,mode=control"});
    arguments.insert(arguments.end(), config.extra_arguments.begin(), config.extra_arguments.end());
    return arguments;
}

} // namespace ravelin::tools
