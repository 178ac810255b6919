// SPDX-License-Identifier: Apache-2.0
// Domains made at run time on this machine, and the consoles of all domains.
#pragma once

#include "domains/domains.hpp"

#include <hv/abi/xen_abi.hpp>

#include <string_view>

namespace ravelin::hv {

/// Answers domain 0's control hypercalls: those about domains here, the others behind it.
[[nodiscard]] abi::ControlHandler& vm_control();

/// Gives a guest the pages and ports of its console and, when another domain keeps its store, of
/// that. Before it is filled.
[[nodiscard]] Status<Refusal> connect(DomainStorage& storage, std::optional<DomainId> store_domain);
/// The hypervisor keeps nothing of the guest's memory any more. It does not run.
void disconnect(DomainStorage& storage);

/// Repeats a domain's console on COM1, as it is when it has COM1 to itself, and lets the first one
/// hear what is typed there. While the manifest's domains are built.
void choose_echo(DomainStorage& storage, bool alone);
/// Text of a domain's that came by console_io.
void say_for(const domain::Domain& domain, std::string_view text);
/// Gives what was typed on COM1 to domain 0, or to the manifest's first domain.
void give_typed_input();
/// Tells the store's domain that some domain ended or began to die.
void tell_of_ended_domain();

} // namespace ravelin::hv
