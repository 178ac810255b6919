// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/memory.hpp"

#include <tools/server/error.hpp>

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ravelin::tools::txt {
namespace {

constexpr u64 above_hole = 1ULL << 32;

u64 low_end_of(u64 size) {
    constexpr u64 configuration_space = 0xb000'0000;
    constexpr u64 large_machine = 0x8000'0000;
    return size < configuration_space ? size : large_machine;
}

u64 little(std::span<const u8> bytes) {
    u64 value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

} // namespace

std::optional<std::vector<u8>> PhysicalMemory::read(u64 address, u64 size) {
    const std::span<const u8> bytes = at(address, size);
    if (bytes.size() != size)
        return std::nullopt;
    return std::vector<u8>{bytes.begin(), bytes.end()};
}

std::optional<u32> PhysicalMemory::read32(u64 address) {
    const auto bytes = read(address, 4);
    return bytes ? std::optional{static_cast<u32>(little(*bytes))} : std::nullopt;
}

std::optional<u64> PhysicalMemory::read64(u64 address) {
    const auto bytes = read(address, 8);
    return bytes ? std::optional{little(*bytes)} : std::nullopt;
}

bool PhysicalMemory::write(u64 address, std::span<const u8> bytes) {
    const std::span<u8> target = at(address, bytes.size());
    if (target.size() != bytes.size())
        return false;
    std::copy(bytes.begin(), bytes.end(), target.begin());
    return true;
}

SharedFile::SharedFile(const char* name, u64 size) : file_{::memfd_create(name, MFD_CLOEXEC)} {
    if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(size)) != 0)
        throw_errno("memory of the machine");
    void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (mapped == MAP_FAILED)
        throw_errno("memory of the machine");
    bytes_ = {static_cast<u8*>(mapped), size};
}

SharedFile::~SharedFile() {
    ::munmap(bytes_.data(), bytes_.size());
}

void SharedFile::scrub() {
    if (::fallocate(file_.get(),
                    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    0,
                    static_cast<off_t>(bytes_.size())) != 0)
        throw_errno("scrubbing the machine's memory");
}

MachineMemory::MachineMemory(unsigned mib)
    : file_{"ravelin-machine", u64{mib} << 20}, low_end_{low_end_of(u64{mib} << 20)} {}

std::span<u8> MachineMemory::at(u64 address, u64 size) {
    u64 offset = address;
    u64 end = low_end_;
    if (address >= above_hole) {
        offset = address - above_hole + low_end_;
        end = file_.bytes().size();
    }
    if (offset > end || size > end - offset)
        return {};
    return file_.bytes().subspan(offset, size);
}

} // namespace ravelin::tools::txt
