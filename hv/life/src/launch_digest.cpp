// SPDX-License-Identifier: Apache-2.0
#include "hv/life/launch_digest.hpp"

#include <string_view>

namespace ravelin::hv::life {
namespace {

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char may alias any byte.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

} // namespace

void measure_request(const wire::control::VmCreate& request, LaunchParts& parts) {
    parts.command_line = crypto::hash<crypto::Sha256>(bytes_of(request.command_line));
    wire::control::VmCreate configuration = request;
    configuration.command_line = {};
    configuration.schedule = {};
    std::array<u8, 256> buffer{};
    const auto encoded = wire::control::encode(configuration, buffer);
    ensure(encoded.is_ok(), "a request that decoded, without its longest part");
    parts.configuration = crypto::hash<crypto::Sha256>(encoded.value());
}

wire::control::LaunchDigest launch_digest(const LaunchParts& parts) {
    crypto::Sha256 hash;
    hash.update(bytes_of("ravelin-launch-v1"));
    hash.update(parts.kernel);
    hash.update(parts.ramdisk);
    hash.update(parts.command_line);
    hash.update(parts.configuration);
    return {hash.finish()};
}

} // namespace ravelin::hv::life
