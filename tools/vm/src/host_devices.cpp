// SPDX-License-Identifier: Apache-2.0
// See the header. Loop devices by LOOP_CONFIGURE, bridges by the bridge ioctls: a domain 0 of
// busybox has neither losetup -- with what we need -- nor brctl.
#include "tools/vm/host_devices.hpp"

#include "tools/vm/error.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/loop.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace ravelin::vm {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw VmError{what + ": " + std::strerror(errno)};
}

class Descriptor {
  public:
    Descriptor(int number, const std::string& what) : number_{number} {
        if (number_ < 0)
            fail(what);
    }
    ~Descriptor() { close(number_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return number_; }

  private:
    int number_;
};

constexpr unsigned loop_major = 7;

std::string loop_path(unsigned number) {
    return "/dev/loop" + std::to_string(number);
}

std::string physical_text(dev_t device) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%x:%x", major(device), minor(device));
    return text.data();
}

/// Somebody else may take the free one before us: then the next.
std::string attach_loop(const Disk& disk, const Descriptor& file) {
    const Descriptor control{open("/dev/loop-control", O_RDWR | O_CLOEXEC),
                             "/dev/loop-control (is the module loop loaded?)"};
    for (int tries = 0; tries < 16; ++tries) {
        const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0)
            fail("looking for a free loop device");
        const std::string path = loop_path(static_cast<unsigned>(number));
        const Descriptor loop{open(path.c_str(), O_RDWR | O_CLOEXEC), path};
        loop_config config{};
        config.fd = static_cast<u32>(file.get());
        config.info.lo_flags = disk.access == Access::read_only ? LO_FLAGS_READ_ONLY : 0;
        if (ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) {
            struct stat status {};
            if (fstat(loop.get(), &status) != 0)
                fail(path);
            return physical_text(status.st_rdev);
        }
        if (errno != EBUSY)
            fail(path + " for " + disk.target);
    }
    throw VmError{"no loop device stays free long enough for " + disk.target};
}

class LinuxDevices final : public HostDevices {
  public:
    std::string attach(const Disk& disk) override {
        const int mode = disk.access == Access::read_only ? O_RDONLY : O_RDWR;
        const Descriptor file{open(disk.target.c_str(), mode | O_CLOEXEC), disk.target};
        struct stat status {};
        if (fstat(file.get(), &status) != 0)
            fail(disk.target);
        if (S_ISBLK(status.st_mode))
            return physical_text(status.st_rdev);
        if (!S_ISREG(status.st_mode))
            throw VmError{disk.target + ": expected a file or a block device"};
        return attach_loop(disk, file);
    }

    void detach(const std::string& physical) override {
        unsigned device_major = 0;
        unsigned device_minor = 0;
        if (std::sscanf(physical.c_str(), "%x:%x", &device_major, &device_minor) != 2 ||
            device_major != loop_major)
            return;
        const std::string path = loop_path(device_minor);
        const Descriptor loop{open(path.c_str(), O_RDWR | O_CLOEXEC), path};
        if (ioctl(loop.get(), LOOP_CLR_FD) != 0 && errno != ENXIO)
            fail("freeing " + path);
    }

    bool has_interface(const std::string& interface) override {
        return if_nametoindex(interface.c_str()) != 0;
    }

    bool is_joined(const std::string& interface) override {
        return std::filesystem::exists("/sys/class/net/" + interface + "/master");
    }

    void join(const std::string& interface, const std::string& bridge) override {
        const Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "a socket"};
        std::array<char, IFNAMSIZ> raw_name{};
        bridge.copy(raw_name.data(), raw_name.size() - 1);
        if (ioctl(socket.get(), SIOCBRADDBR, raw_name.data()) != 0 && errno != EEXIST)
            fail("making the bridge " + bridge + " (is the module bridge loaded?)");
        ifreq request = request_for(bridge);
        request.ifr_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        if (ioctl(socket.get(), SIOCBRADDIF, &request) != 0 && errno != EBUSY)
            fail("putting " + interface + " into " + bridge);
        turn_on(socket, interface);
        turn_on(socket, bridge);
    }

    bool has_backend(const std::string& type, u32 domain, u32 device) override {
        return std::filesystem::exists(backend_folder(type, domain, device));
    }

    bool is_served(const std::string& type, u32 domain, u32 device) override {
        return std::filesystem::exists(backend_folder(type, domain, device) + "/driver");
    }

    std::string write_trouble(const std::string& target) override {
        struct stat status {};
        if (::stat(target.c_str(), &status) != 0)
            return target + ": " + std::strerror(errno);
        struct statvfs space {};
        if (!S_ISREG(status.st_mode) || statvfs(target.c_str(), &space) != 0)
            return "";
        constexpr i64 stat_block = 512; // whatever the file system's is
        const bool has_holes = status.st_blocks * stat_block < status.st_size;
        if (has_holes && space.f_bavail == 0)
            return "the file system of " + target + " is full";
        return "";
    }

  private:
    static std::string backend_folder(const std::string& type, u32 domain, u32 device) {
        return "/sys/bus/xen-backend/devices/" + type + "-" + std::to_string(domain) + "-" +
               std::to_string(device);
    }
    static ifreq request_for(const std::string& interface) {
        ifreq request{};
        interface.copy(request.ifr_name, IFNAMSIZ - 1);
        return request;
    }
    static void turn_on(const Descriptor& socket, const std::string& interface) {
        ifreq request = request_for(interface);
        if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
            fail(interface);
        request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
        if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
            fail("turning on " + interface);
    }
};

} // namespace

std::unique_ptr<HostDevices> open_host_devices() {
    return std::make_unique<LinuxDevices>();
}

} // namespace ravelin::vm
