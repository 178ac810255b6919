// SPDX-License-Identifier: Apache-2.0
// What a domain was launched as, in one digest: SHA-256 over the text "ravelin-launch-v1" and the
// SHA-256 digests of kernel, ramdisk (of nothing, when there is none), command line (its bytes,
// without a terminator) and configuration, in this order. The configuration is the creation request
// in its wire form, with an empty command line and the default schedule, which may change while the
// domain runs.
#pragma once

#include <crypto/sha.hpp>
#include <wire/vm_control.hpp>

namespace ravelin::hv::life {

struct LaunchParts {
    crypto::Sha256::Digest kernel{};
    crypto::Sha256::Digest ramdisk{};
    crypto::Sha256::Digest command_line{};
    crypto::Sha256::Digest configuration{};
};

/// The two parts that a creation request decides.
void measure_request(const wire::control::VmCreate& request, LaunchParts& parts);
[[nodiscard]] wire::control::LaunchDigest launch_digest(const LaunchParts& parts);

} // namespace ravelin::hv::life
