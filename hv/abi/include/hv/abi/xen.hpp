// SPDX-License-Identifier: Apache-2.0
// Xen's public headers (Debian's libxen-dev): the numbers and layouts of the guest ABI. Included
// here only, with their C ways kept out of our warnings.
#pragma once

#include <cstddef>
#include <cstdint>

// The newest interface: structures with all their fields, guest handles as structures.
#define __XEN_INTERFACE_VERSION__ 0x00040e00
// A toolstack's operations too: their structures, and 64-bit handles.
#define __XEN_TOOLS__ 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
extern "C" {
#include <xen/arch-x86/cpuid.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>
// Its anonymous unions are an extension that both compilers have.
#pragma push_macro("__STRICT_ANSI__")
#undef __STRICT_ANSI__
#include <xen/domctl.h>
#pragma pop_macro("__STRICT_ANSI__")
}
#pragma GCC diagnostic pop
