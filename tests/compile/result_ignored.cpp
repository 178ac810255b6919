// SPDX-License-Identifier: Apache-2.0
// A failure that nobody looks at.
#include <base/cursor.hpp>

namespace ravelin {

void decode(LittleReader& reader) {
    reader.skip(4);
}

} // namespace ravelin
