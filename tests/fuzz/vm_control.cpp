// SPDX-License-Identifier: Apache-2.0
// Hostile control messages about domains: what decodes, encodes to the same bytes. The first byte
// picks the message.
#include <wire/vm_control.hpp>

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <vector>

using namespace ravelin;
using namespace ravelin::wire::control;

template <typename Message> void check(std::span<const u8> bytes) {
    const auto message = decode<Message>(bytes);
    if (!message.is_ok())
        return;
    std::vector<u8> buffer(bytes.size());
    const auto encoded = encode(message.value(), buffer);
    if (!encoded.is_ok() || !std::ranges::equal(encoded.value(), bytes))
        std::abort();
}

template <typename... Messages> void pick(u8 which, std::span<const u8> bytes) {
    u8 number = 0;
    ((which == number++ ? check<Messages>(bytes) : void()), ...);
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size != 0)
        pick<VmCreate,
             VmReference,
             VmLoad,
             LaunchDigest,
             VmListRequest,
             VmSummary,
             VmStop,
             VmInfo,
             VmMemory,
             VmSchedule,
             ConsoleRead,
             ConsoleText,
             ConsoleWrite,
             ConsoleTaken,
             HostMemory>(data[0], std::span{data, size}.subspan(1));
    return 0;
}
