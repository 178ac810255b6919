// SPDX-License-Identifier: Apache-2.0
// The way out when an invariant fails: the registered handler, then a trap.
#include "base/ensure.hpp"

namespace ravelin {
namespace {
// Written once at start-up by set_ensure_handler, read by any CPU that fails.
EnsureHandler registered_handler = nullptr;
} // namespace

void set_ensure_handler(EnsureHandler handler) {
    registered_handler = handler;
}

void ensure_failed(const char* what, const SourceLocation& where) {
    if (registered_handler != nullptr)
        registered_handler(what, where);
    __builtin_trap();
}

} // namespace ravelin
