// SPDX-License-Identifier: Apache-2.0
#include "tboot/memory.hpp"

#include <algorithm>

namespace ravelin::tboot {
namespace {

bool holds(const MemoryRange& range, u64 at) {
    return at >= range.start.raw() && at - range.start.raw() < range.size.raw();
}

} // namespace

bool UsableMemory::is_usable(u64 at) const {
    bool good = false;
    for (const MemoryDescriptor& descriptor : descriptors_) {
        if (!holds(descriptor.range, at))
            continue;
        if (descriptor.use != wire::txt::MemoryUse::good)
            return false;
        good = true;
    }
    return good && std::none_of(kept_.begin(), kept_.end(), [at](const MemoryRange& range) {
               return holds(range, at);
           });
}

u64 UsableMemory::next_boundary(u64 at, u64 end) const {
    const auto consider = [&end, at](const MemoryRange& range) {
        for (const u64 edge : {range.start.raw(), range.start.raw() + range.size.raw()})
            if (edge > at)
                end = std::min(end, edge);
    };
    for (const MemoryDescriptor& descriptor : descriptors_)
        consider(descriptor.range);
    for (const MemoryRange& range : kept_)
        consider(range);
    return end;
}

bool UsableMemory::covers(const MemoryRange& range) const {
    bool all = true;
    split(range, [&all](const MemoryRange&, bool usable) { all = all && usable; });
    return all;
}

} // namespace ravelin::tboot
