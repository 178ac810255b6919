// SPDX-License-Identifier: Apache-2.0
// Hostile streams from a gdbstub: any input ends, and a body that was read is read again when it is
// encoded.
#include <tools/txt/packet.hpp>

#include <cstdlib>

using namespace ravelin;
using namespace ravelin::tools::txt;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    PacketReader reader;
    // SAFETY: bytes seen as characters.
    reader.feed({reinterpret_cast<const char*>(data), size});
    while (const auto body = reader.next()) {
        (void)parse_stop(*body);
        (void)from_hex(*body);
        PacketReader again;
        again.feed(encode_packet(*body));
        if (again.next() != body)
            std::abort();
    }
    return 0;
}
