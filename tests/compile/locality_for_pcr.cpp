// SPDX-License-Identifier: Apache-2.0
// A locality where a PCR is wanted: both are small numbers, and mixing them up measures into the
// wrong register.
#include <base/types.hpp>

namespace ravelin {

constexpr u32 extend(PcrIndex pcr) {
    return pcr.raw();
}
constexpr u32 extended = extend(Locality{2});

} // namespace ravelin
