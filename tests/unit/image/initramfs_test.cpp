// SPDX-License-Identifier: Apache-2.0
#include <tools/image/initramfs.hpp>
#include <tools/server/error.hpp>

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string_view>

namespace ravelin::tools {
namespace {

using testing::ElementsAre;

constexpr const char* modules_dep = "kernel/net/virtio_net.ko: kernel/net/failover.ko "
                                    "kernel/virtio/ring.ko kernel/virtio/virtio.ko\n"
                                    "kernel/net/failover.ko:\n"
                                    "kernel/virtio/ring.ko: kernel/virtio/virtio.ko\n"
                                    "kernel/virtio/virtio.ko:\n"
                                    "kernel/xen/xen-evtchn.ko:\n";

TEST(ModuleClosure, DependenciesComeFirstAndOnce) {
    EXPECT_THAT(module_closure(modules_dep, {"virtio_net", "ring"}),
                ElementsAre("kernel/virtio/virtio.ko",
                            "kernel/virtio/ring.ko",
                            "kernel/net/failover.ko",
                            "kernel/net/virtio_net.ko"));
}

TEST(ModuleClosure, DashAndUnderscoreAreOne) {
    EXPECT_THAT(module_closure(modules_dep, {"xen_evtchn"}),
                ElementsAre("kernel/xen/xen-evtchn.ko"));
}

TEST(ModuleClosure, MissingModuleIsNamed) {
    EXPECT_THROW(static_cast<void>(module_closure(modules_dep, {"nvme"})), ServerError);
}

TEST(Initramfs, IsReproducibleAndHoldsWhatInitNeeds) {
    InitramfsConfig config;
    config.modules = stock_kernel_modules();
    config.programs = {"/usr/bin/openssl"};
    const std::vector<u8> archive = build_initramfs(config);
    EXPECT_EQ(archive, build_initramfs(config));
    const std::string_view text{reinterpret_cast<const char*>(archive.data()), archive.size()};
    for (const std::string_view name : {"init",
                                        "bin/busybox",
                                        "dev/console",
                                        "lib/modules/virtio_pci.ko",
                                        "lib/modules/xen-privcmd.ko",
                                        "usr/bin/openssl",
                                        "lib64/ld-linux-x86-64.so.2"})
        EXPECT_NE(text.find(std::string{name} + '\0'), std::string_view::npos) << name;
}

TEST(Initramfs, BackendsBringTheStoreAndTheirModules) {
    InitramfsConfig config;
    config.modules = stock_kernel_modules();
    const auto holds = [](const std::vector<u8>& archive, std::string_view name) {
        const std::string_view text{reinterpret_cast<const char*>(archive.data()), archive.size()};
        return text.find(std::string{name} + '\0') != std::string_view::npos;
    };
    const std::vector<u8> without = build_initramfs(config);
    config.backends = Backends::present;
    const std::vector<u8> with = build_initramfs(config);
    for (const std::string_view name : {"usr/bin/xenstored",
                                        "usr/bin/xenstore-write",
                                        "lib/modules/xenfs.ko",
                                        "lib/modules/xen-blkback.ko",
                                        "lib/modules/xen-netback.ko",
                                        "lib/modules/bridge.ko",
                                        "lib/modules/loop.ko"}) {
        EXPECT_TRUE(holds(with, name)) << name;
        EXPECT_FALSE(holds(without, name)) << name;
    }
}

} // namespace
} // namespace ravelin::tools
