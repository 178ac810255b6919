// SPDX-License-Identifier: Apache-2.0
// The errno values of the guest ABI. [xen/errno.h]
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

namespace ravelin::hv::abi {

enum class Errno : i64 {
    not_permitted = 1,    // EPERM
    no_entry = 2,         // ENOENT
    no_such_domain = 3,   // ESRCH
    too_big = 7,          // E2BIG
    again = 11,           // EAGAIN
    no_memory = 12,       // ENOMEM
    access = 13,          // EACCES
    bad_version = 13,     // EACCES
    fault = 14,           // EFAULT
    busy = 16,            // EBUSY
    exists = 17,          // EEXIST
    invalid = 22,         // EINVAL
    no_space = 28,        // ENOSPC
    not_implemented = 38, // ENOSYS
    timed_out = 62,       // ETIME
    not_supported = 95,   // EOPNOTSUPP
};

/// What a hypercall returns: a value from 0 up, or an error, which the guest sees negated.
using Outcome = Result<i64, Errno>;

[[nodiscard]] inline i64 to_register(const Outcome& outcome) {
    return outcome.is_ok() ? outcome.value() : -static_cast<i64>(outcome.error());
}

} // namespace ravelin::hv::abi
