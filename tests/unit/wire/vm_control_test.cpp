// SPDX-License-Identifier: Apache-2.0
// Control messages about domains: both directions, every cut, every value that is refused.
#include <wire/vm_control.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace ravelin::wire::control {
namespace {

template <typename Message> std::vector<u8> bytes_of(const Message& message) {
    std::vector<u8> buffer(max_request);
    const auto encoded = encode(message, buffer);
    EXPECT_TRUE(encoded.is_ok());
    return {encoded.value().begin(), encoded.value().end()};
}

/// decode→encode is identity, every cut and a tail are errors.
template <typename Message> void expect_canonical(const Message& message) {
    auto bytes = bytes_of(message);
    const auto decoded = decode<Message>(bytes);
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(bytes_of(decoded.value()), bytes);
    for (usize cut = 0; cut < bytes.size(); ++cut)
        EXPECT_FALSE(decode<Message>(std::span{bytes}.first(cut)).is_ok()) << cut;
    bytes.push_back(0);
    EXPECT_EQ(decode<Message>(bytes).error(), CursorError::trailing);
    // One byte too little room is an error, not a cut message.
    std::vector<u8> small(bytes.size() - 2);
    EXPECT_EQ(encode(message, small).error(), CursorError::full);
}

template <typename Message> void expect_refused(const Message& message) {
    std::vector<u8> buffer(max_request);
    EXPECT_EQ(encode(message, buffer).error(), CursorError::bad_value);
}

VmCreate create() {
    VmCreate out;
    out.name = "web-1";
    out.memory_mib = 192;
    out.max_memory_mib = 256;
    out.vcpus = 2;
    out.label = "secret:finance";
    out.schedule = {512, 150, 20};
    out.command_line = "console=hvc0 root=/dev/xvda1";
    out.store_domain = DomainId{0};
    out.device_domain = DomainId{7};
    return out;
}

VmInfo info() {
    VmInfo out;
    out.summary = {DomainId{3}, VmState::stopped, VmEnd::fault, 2, 1 << 18, 77, "web-1"};
    out.stop = {VmState::stopped, VmEnd::fault, 0xffffffff81000000, 0x7f, "triple fault"};
    out.max_memory_kib = 1 << 19;
    out.digest.sha256.fill(9);
    out.label = "secret";
    out.store_port = 1;
    out.store_frame = 0xfeff0;
    return out;
}

TEST(VmControl, EveryMessageIsCanonical) {
    expect_canonical(create());
    expect_canonical(VmReference{DomainId{9}});
    expect_canonical(VmLoad{DomainId{9}, Image::ramdisk, 1 << 24, 1 << 21, 0x7f0000000000, 4096});
    LaunchDigest digest;
    digest.sha256.fill(5);
    expect_canonical(digest);
    expect_canonical(VmListRequest{DomainId{4}});
    expect_canonical(info().summary);
    expect_canonical(info().stop);
    expect_canonical(info());
    expect_canonical(VmMemory{DomainId{1}, 64});
    expect_canonical(VmSchedule{DomainId{1}, {1, 0, 0}});
    expect_canonical(ConsoleRead{DomainId{1}, 1 << 20});
    expect_canonical(ConsoleTaken{12});
    expect_canonical(HostMemory{1 << 19, 77});
}

TEST(VmControl, FieldsArriveWhereTheyWereSent) {
    const auto sent = bytes_of(create());
    const auto decoded = decode<VmCreate>(sent);
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().name, "web-1");
    EXPECT_EQ(decoded.value().max_memory_mib, 256u);
    EXPECT_EQ(decoded.value().schedule.cap, 150u);
    EXPECT_EQ(decoded.value().command_line, "console=hvc0 root=/dev/xvda1");
    EXPECT_EQ(decoded.value().device_domain, DomainId{7});
    const std::array<u8, 3> typed{'l', 's', '\n'};
    const auto console = bytes_of(ConsoleWrite{DomainId{2}, typed});
    const auto written = decode<ConsoleWrite>(console);
    ASSERT_TRUE(written.is_ok());
    EXPECT_TRUE(std::ranges::equal(written.value().bytes, typed));
}

TEST(VmControl, ValuesOutOfRangeAreRefusedOnBothSides) {
    const auto with = [](auto change) {
        VmCreate message = create();
        change(message);
        return message;
    };
    const std::string long_line(max_vm_command_line + 1, 'x');
    expect_refused(with([](VmCreate& m) { m.name = ""; }));
    expect_refused(with([](VmCreate& m) { m.name = "a b"; }));
    expect_refused(with([](VmCreate& m) { m.name = "../../etc/passwd"; }));
    expect_refused(with([](VmCreate& m) { m.name = "012345678901234567890123456789012"; }));
    expect_refused(with([](VmCreate& m) { m.memory_mib = 0; }));
    expect_refused(with([](VmCreate& m) { m.max_memory_mib = m.memory_mib - 1; }));
    expect_refused(with([](VmCreate& m) { m.max_memory_mib = ~0u; }));
    expect_refused(with([](VmCreate& m) { m.vcpus = 0; }));
    expect_refused(with([](VmCreate& m) { m.vcpus = max_vm_vcpus + 1; }));
    expect_refused(with([](VmCreate& m) { m.label = "a\nb"; }));
    expect_refused(with([](VmCreate& m) { m.schedule.weight = 0; }));
    expect_refused(with([](VmCreate& m) { m.schedule.reservation = m.schedule.cap + 1; }));
    expect_refused(with([&](VmCreate& m) { m.command_line = long_line; }));
    expect_refused(with([](VmCreate& m) { m.flags = 1; }));
    // A length of 2^64-1 must not overflow past the check of the end.
    expect_refused(VmLoad{DomainId{1}, Image::kernel, 100, 0, 0, 0});
    expect_refused(VmLoad{DomainId{1}, Image::kernel, 100, 1, 0, 100});
    expect_refused(VmLoad{DomainId{1}, Image::kernel, ~u64{0}, 0, 0, max_load + 1});
    expect_refused(VmLoad{DomainId{1}, Image::kernel, 100, ~u64{0}, 0, 1});
    expect_refused(VmMemory{DomainId{1}, 0});
    expect_refused(ConsoleWrite{DomainId{1}, {}});
    const std::vector<u8> typed(max_console_input + 1);
    expect_refused(ConsoleWrite{DomainId{1}, typed});
    auto raw = bytes_of(VmLoad{DomainId{1}, Image::ramdisk, 10, 0, 0, 10});
    raw[2] = 2; // an image that does not exist
    EXPECT_EQ(decode<VmLoad>(raw).error(), CursorError::bad_value);
}

TEST(VmControl, TheListIsReadRecordByRecord) {
    std::vector<u8> all;
    for (u16 id = 0; id < 3; ++id) {
        VmSummary summary = info().summary;
        summary.domain = DomainId{id};
        const auto one = bytes_of(summary);
        all.insert(all.end(), one.begin(), one.end());
    }
    LittleReader reader{all};
    for (u16 id = 0; id < 3; ++id)
        EXPECT_EQ(decode_next<VmSummary>(reader).value().domain, DomainId{id});
    EXPECT_EQ(reader.remaining(), 0u);
    EXPECT_FALSE(decode_next<VmSummary>(reader).is_ok());
}

TEST(VmControl, TheLongestMessagesFitARequest) {
    const std::string name(max_vm_name, 'n');
    const std::string label(max_vm_label, 'l');
    const std::string line(max_vm_command_line, 'c');
    VmCreate message = create();
    message.name = name;
    message.label = label;
    message.command_line = line;
    expect_canonical(message);
}

} // namespace
} // namespace ravelin::wire::control
