// SPDX-License-Identifier: Apache-2.0
// The way from domain 0's user space to the hypervisor's control hypercall [wire/control.hpp]. An
// interface, so that the agent is tested against a hypervisor that is a class.
#pragma once

#include "attest/text.hpp"

#include <base/result.hpp>
#include <wire/control.hpp>

#include <memory>

namespace ravelin::attest {

class ControlChannel {
  public:
    ControlChannel() = default;
    virtual ~ControlChannel() = default;
    ControlChannel(const ControlChannel&) = delete;
    ControlChannel& operator=(const ControlChannel&) = delete;

    /// The response's length, or a negative errno of the Xen ABI.
    [[nodiscard]] virtual i64 call(wire::control::Operation operation,
                                   std::span<const u8> request,
                                   std::span<u8> response) = 0;
};

/// Through Linux's /dev/xen/privcmd. The error says what is missing.
[[nodiscard]] Result<std::unique_ptr<ControlChannel>, std::string> open_privcmd();

/// A log of the hypervisor's, whole.
[[nodiscard]] Result<Bytes, std::string> read_log(ControlChannel& channel, wire::control::Log log);

/// A statement about this platform with its evidence [wire/statement.hpp].
[[nodiscard]] Result<Bytes, std::string> request_statement(ControlChannel& channel,
                                                           std::span<const u8, 32> nonce);

} // namespace ravelin::attest
