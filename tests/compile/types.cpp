// SPDX-License-Identifier: Apache-2.0
// The control of the tests beside it: the same types, used as they are meant.
#include <base/cursor.hpp>
#include <base/types.hpp>

namespace ravelin {

constexpr GuestPhysical guest{0x1000};
constexpr HostPhysical host{guest.raw()};
constexpr u32 extend(PcrIndex pcr) {
    return pcr.raw();
}
static_assert(extend(PcrIndex{12}) == 12 && host - HostPhysical{0x800} == 0x800);

Status<CursorError> decode(LittleReader& reader) {
    (void)RAVELIN_TRY(reader.skip(4));
    return Unit{};
}

} // namespace ravelin
