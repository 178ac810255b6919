// SPDX-License-Identifier: Apache-2.0
#include <tools/vm/layout.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <map>

namespace ravelin::vm {
namespace {

constexpr DomainId guest{3};

std::map<std::string, Node> by_path(const std::vector<Node>& nodes) {
    std::map<std::string, Node> map;
    for (const Node& node : nodes)
        map[node.path] = node;
    return map;
}

TEST(Layout, GuestOwnsItsEndAndReadsTheOther) {
    const auto nodes =
        by_path(disk_nodes(guest, {"/srv/a", "xvda", 51712, Access::read_only}, "7:0"));
    const Node& front = nodes.at("/local/domain/3/device/vbd/51712");
    ASSERT_EQ(front.permissions.size(), 2u);
    EXPECT_EQ(front.permissions[0].domain, guest);
    EXPECT_EQ(front.permissions[1].domain, backend_domain);
    const Node& back = nodes.at("/local/domain/0/backend/vbd/3/51712");
    ASSERT_EQ(back.permissions.size(), 2u);
    EXPECT_EQ(back.permissions[0].domain, backend_domain);
    EXPECT_EQ(back.permissions[1].domain, guest);
    EXPECT_EQ(back.permissions[1].may, Permission::May::read);
    EXPECT_EQ(nodes.at(back.path + "/frontend").value, front.path);
    EXPECT_EQ(nodes.at(front.path + "/backend").value, back.path);
    EXPECT_EQ(nodes.at(back.path + "/physical-device").value, "7:0");
    EXPECT_EQ(nodes.at(back.path + "/mode").value, "r");
    EXPECT_EQ(nodes.at(back.path + "/state").value, "1");
}

TEST(Layout, FoldersComeBeforeWhatIsInThem) {
    Config config;
    config.name = "web";
    config.vcpus = 2;
    auto nodes = domain_nodes(guest, config);
    const auto nic = nic_nodes(guest, 0, {"00:16:3e:00:00:01"}, "rv-guest");
    nodes.insert(nodes.end(), nic.begin(), nic.end());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].permissions.empty())
            continue;
        for (std::size_t before = 0; before < i; ++before)
            EXPECT_FALSE(nodes[before].path.starts_with(nodes[i].path + "/"))
                << nodes[before].path << " had other permissions when it was made";
    }
}

TEST(Layout, DomainHearsOfItsMemoryAndShutdown) {
    Config config;
    config.name = "web";
    config.memory_mib = 192;
    config.max_memory_mib = 256;
    config.vcpus = 2;
    const auto nodes = by_path(domain_nodes(guest, config));
    EXPECT_EQ(nodes.at("/local/domain/3/memory/target").value, "196608");
    EXPECT_EQ(nodes.at("/local/domain/3/memory/static-max").value, "196608");
    EXPECT_EQ(nodes.at("/local/domain/3/cpu/1/availability").value, "online");
    EXPECT_EQ(nodes.count("/local/domain/3/cpu/2/availability"), 0u);
    EXPECT_EQ(nodes.at("/local/domain/3/control/shutdown").permissions.at(0).domain, guest);
}

TEST(Bridge, IsOfOneLabelAndFitsAnInterfaceName) {
    EXPECT_EQ(bridge_of("guest"), "rv-guest");
    const std::string first = bridge_of("confidential:medical");
    const std::string second = bridge_of("confidential:finance");
    EXPECT_NE(first, second);
    EXPECT_LE(first.size(), 15u);
    EXPECT_LE(bridge_of("exactly-12-c").size(), 15u);
}

} // namespace
} // namespace ravelin::vm
