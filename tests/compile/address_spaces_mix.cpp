// SPDX-License-Identifier: Apache-2.0
// A guest's address taken for the machine's.
#include <base/types.hpp>

namespace ravelin {

constexpr GuestPhysical guest{0x1000};
constexpr HostPhysical host = guest;

} // namespace ravelin
