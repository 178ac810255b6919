// SPDX-License-Identifier: Apache-2.0
// Random hypercalls of a domain 0 and of a guest: whatever they ask, frames that are not theirs
// stay as they were, and what stage 2 shows them is theirs or the ABI's.
#include <cstdlib>
#include <support/abi_world.hpp>

using namespace ravelin;
extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    LittleReader reader{{data, size}};
    const auto number = [&reader]() { return u64{reader.byte().value_or(0)}; };
    test::AbiWorld world{number() % 2 == 0 ? hv::domain::Role::domain0 : hv::domain::Role::guest};
    while (reader.remaining() != 0 && world.guest.running()) {
        const u64 call = number() % 64;
        std::array<u64, 6> arguments{
            number(), number() << 4, number() << 8, number(), number(), number()};
        // A structure of random bytes where most operations look for one.
        const auto structure = reader.bytes(std::min<usize>(32, reader.remaining())).value_or({});
        arguments[1 + number() % 2] = test::AbiWorld::scratch;
        (void)world.vcpu.copy_out(GuestVirtual{test::AbiWorld::scratch}, structure);
        (void)world.call(call, arguments);
        world.deliver();
    }
    if (!world.memory.foreign_frames_are_untouched() || !world.sees_only_its_own())
        std::abort();
    return 0;
}
