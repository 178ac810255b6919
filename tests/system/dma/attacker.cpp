// SPDX-License-Identifier: Apache-2.0
// Domain 0's user space as a DMA attacker: drives QEMU's `edu` device through its BAR and does what
// it is told on standard input, one word a line:
//   own         device memory to and from pages of this program
//   write ADDR  the device writes the pattern to bus address ADDR
//   quit
// The same program attacks plain Linux in the negative control. [QEMU docs/specs/edu.txt]
#include <base/int.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <sys/klog.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

namespace {

using namespace ravelin;

constexpr usize bar_size = 1 << 20;
constexpr u64 device_buffer = 0x40000;
constexpr std::array<char, 16> pattern{
    'D', 'M', 'A', ' ', 'w', 'a', 's', ' ', 'h', 'e', 'r', 'e', '!', '!', '!', '\n'};

std::string read_line(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

class Edu {
  public:
    /// Finds the device, turns its memory and bus mastering on and maps its registers.
    bool open() {
        for (const auto& entry : std::filesystem::directory_iterator{"/sys/bus/pci/devices"}) {
            if (read_line(entry.path() / "vendor") != "0x1234" ||
                read_line(entry.path() / "device") != "0x11e8")
                continue;
            std::printf("dma-attack: edu at %s\n", entry.path().filename().c_str());
            std::ofstream{entry.path() / "enable"} << "1";
            const int config = ::open((entry.path() / "config").c_str(), O_RDWR | O_CLOEXEC);
            constexpr u16 memory_and_bus_master = 6;
            const bool enabled = config >= 0 && pwrite(config, &memory_and_bus_master, 2, 4) == 2;
            const int file = ::open((entry.path() / "resource0").c_str(), O_RDWR | O_CLOEXEC);
            if (!enabled || file < 0)
                return false;
            void* const mapped =
                mmap(nullptr, bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            bar_ = static_cast<u8*>(mapped);
            return mapped != MAP_FAILED;
        }
        return false;
    }
    enum class Direction : u64 { to_device = 0, to_memory = 2 };
    /// One transfer of the pattern's size; false when the device does not finish.
    bool transfer(u64 bus_address, Direction direction) {
        const bool to_device = direction == Direction::to_device;
        store(0x80, to_device ? bus_address : device_buffer);
        store(0x88, to_device ? device_buffer : bus_address);
        store(0x90, pattern.size());
        store(0x98, 1 | static_cast<u64>(direction));
        for (int tries = 0; tries < 200; ++tries) {
            const timespec pause{0, 20'000'000};
            nanosleep(&pause, nullptr);
            if ((load(0x98) & 1) == 0)
                return true;
        }
        return false;
    }

  private:
    u32 load(usize offset) {
        // SAFETY: device registers, inside the mapped BAR.
        return *reinterpret_cast<volatile u32*>(bar_ + offset);
    }
    void store(usize offset, u64 value) {
        // SAFETY: as load(); these registers take 64 bits.
        *reinterpret_cast<volatile u64*>(bar_ + offset) = value;
    }
    u8* bar_{};
};

/// A page that stays where it is, and where that is.
struct Page {
    char* bytes{};
    u64 physical{};
};
Page locked_page() {
    void* const memory = mmap(nullptr,
                              4096,
                              PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE,
                              -1,
                              0);
    if (memory == MAP_FAILED)
        return {};
    std::memset(memory, 0, 4096);
    const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    u64 entry = 0;
    // SAFETY: the address as a number, to index the page map with.
    const auto at = static_cast<off_t>(reinterpret_cast<u64>(memory) / 4096 * 8);
    const bool known = pagemap >= 0 && pread(pagemap, &entry, 8, at) == 8;
    if (pagemap >= 0)
        close(pagemap);
    constexpr u64 frame_mask = (u64{1} << 55) - 1;
    return {static_cast<char*>(memory), known ? (entry & frame_mask) << 12 : 0};
}

const char* try_own(Edu& edu) {
    const Page from = locked_page();
    const Page to = locked_page();
    if (from.physical == 0 || to.physical == 0)
        return "no page";
    std::memcpy(from.bytes, pattern.data(), pattern.size());
    if (!edu.transfer(from.physical, Edu::Direction::to_device) ||
        !edu.transfer(to.physical, Edu::Direction::to_memory))
        return "did not finish";
    return std::memcmp(to.bytes, pattern.data(), pattern.size()) == 0 ? "works" : "lost";
}

} // namespace

int main() {
    // Neither the kernel's messages nor an echo of what is typed belong between our lines.
    constexpr int console_off = 6; // SYSLOG_ACTION_CONSOLE_OFF
    klogctl(console_off, nullptr, 0);
    termios terminal{};
    if (tcgetattr(STDIN_FILENO, &terminal) == 0) {
        terminal.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    Edu edu;
    if (!edu.open()) {
        std::puts("dma-attack: no edu device");
        return 2;
    }
    std::puts("dma-attack: ready");
    for (std::string word; std::cin >> word && word != "quit";) {
        if (word == "own") {
            std::printf("dma-attack: own %s\n", try_own(edu));
        } else if (word == "write") {
            u64 address = 0;
            std::cin >> std::hex >> address;
            const bool done = edu.transfer(address, Edu::Direction::to_memory);
            std::printf("dma-attack: write %llx %s\n",
                        static_cast<unsigned long long>(address),
                        done ? "done" : "did not finish");
        }
    }
    return 0;
}
