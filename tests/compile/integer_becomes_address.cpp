// SPDX-License-Identifier: Apache-2.0
// A raw integer that enters a space without saying so.
#include <base/types.hpp>

namespace ravelin {

constexpr HostPhysical address = u64{0x1000};

} // namespace ravelin
