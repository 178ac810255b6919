// SPDX-License-Identifier: Apache-2.0
// What the demo was asked to do.
#pragma once

#include <set>
#include <string>

namespace ravelin::demo {

/// What is altered, one bit of it: a file that is booted, or a piece of the evidence on its way;
/// `ek` is a TPM of another manufacturer.
enum class Tamper { hypervisor, kernel, initrd, cmdline, manifest, nonce, log, quote, ek };

/// After the verdict: end, or leave the server running with its console on the terminal.
enum class Afterwards { end, keep };

/// Whether domain 0, once it has attested, makes two stock guests with disk and network.
enum class WithGuests { no, yes };

struct Options {
    std::set<Tamper> tampers;
    Afterwards afterwards{Afterwards::end};
    WithGuests guests{WithGuests::no};
    std::string build; ///< the build folder with everything in it
};

} // namespace ravelin::demo
