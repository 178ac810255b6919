// SPDX-License-Identifier: Apache-2.0
// The pages and ports of guests' consoles and stores, and COM1 at their other end. A console's
// frame is the guest's own memory, pinned: the guest may hide it from itself, but cannot give it up
// while the hypervisor writes there.
#include "domains/storage.hpp"
#include "domains/vm.hpp"
#include "memory.hpp"

#include <hv/builder/plan.hpp>
#include <hv/machine/console.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv {
namespace {

class SerialPort final : public console::Echo {
  public:
    void echo(std::string_view text) override { machine::write_console(text); }
};

class ConsolePort final : public events::HypervisorPort {
  public:
    void notified(domain::Domain& domain, EventPort port) override {
        if (find_storage(domain.id())->console.serve() == console::Notify::yes)
            guest_abi().notify(domain, port);
    }
};

constinit SerialPort serial_port;
constinit ConsolePort console_port;

// Written while the manifest's domains are built; read only afterwards.
std::optional<DomainId> hears_serial_port;

/// A new page of the guest's at a fixed place outside its RAM.
Result<HostFrame, Refusal> give_page(domain::Domain& domain, GuestFrame at) {
    const auto frame =
        frames().allocate(mm::FrameOrder::size_4k, mm::FrameType::domain, domain.id());
    if (!frame || !domain.stage2().map(at.address(),
                                       frame.value().address(),
                                       Bytes{page_size},
                                       Access::read_write,
                                       stage2::MemoryType::write_back))
        return Failure{Refusal{domain.name(), "no memory for its console and store"}};
    return frame.value();
}

} // namespace

Status<Refusal> connect(DomainStorage& storage, std::optional<DomainId> store_domain) {
    domain::Domain& domain = storage.domain;
    auto& parameters = storage.state.parameters;
    const HostFrame console = RAVELIN_TRY(give_page(domain, builder::console_page));
    const auto port = guest_abi().allocate_hypervisor_port(domain, console_port);
    if (!port)
        return Failure{Refusal{domain.name(), "no port for its console"}};
    storage.console_port = port.value();
    parameters[HVM_PARAM_CONSOLE_PFN] = builder::console_page.raw();
    parameters[HVM_PARAM_CONSOLE_EVTCHN] = port.value().raw();
    if (store_domain) {
        (void)RAVELIN_TRY(give_page(domain, builder::store_page));
        const auto store = guest_abi().allocate_port(domain, *store_domain);
        if (!store || !storage.state.grants.prefill(
                          grants::GrantTable::reserved_store, *store_domain, builder::store_page))
            return Failure{Refusal{domain.name(), "no port for its store"}};
        storage.store_port = store.value();
        parameters[HVM_PARAM_STORE_PFN] = builder::store_page.raw();
        parameters[HVM_PARAM_STORE_EVTCHN] = store.value().raw();
    }
    ensure(frames().pin(console, domain.id()).is_ok(), "a page just given");
    storage.console_frame = console;
    storage.console.attach(
        std::span<u8, page_size>{mm::direct_map_pointer<u8>(console.address()), page_size});
    return Unit{};
}

void disconnect(DomainStorage& storage) {
    if (!storage.console_frame)
        return;
    storage.console.detach();
    frames().unpin(*storage.console_frame);
    storage.console_frame.reset();
}

void choose_echo(DomainStorage& storage, bool alone) {
    if (!hears_serial_port)
        hears_serial_port = storage.domain.id();
    storage.console.echo_to(serial_port,
                            alone ? console::EchoStyle::plain : console::EchoStyle::named_lines,
                            storage.domain.name());
}

void say_for(const domain::Domain& domain, std::string_view text) {
    // SAFETY: char may alias any byte.
    find_storage(domain.id())->console.say({reinterpret_cast<const u8*>(text.data()), text.size()});
}

void give_typed_input() {
    if (!hears_serial_port || !machine::console_has_input())
        return;
    const domain::Reference listener = directory().find(*hears_serial_port);
    if (!listener)
        return;
    if (listener->role() == domain::Role::domain0)
        return guest_abi().raise_virtual_interrupt(*listener, VIRQ_CONSOLE);
    DomainStorage& storage = *find_storage(listener->id());
    while (const auto typed = machine::read_console()) {
        const std::array<u8, 1> byte{static_cast<u8>(*typed)};
        if (storage.console.type(byte).notify == console::Notify::yes)
            guest_abi().notify(*listener, storage.console_port);
    }
}

void tell_of_ended_domain() {
    if (const domain::Reference domain0 = directory().find(DomainId{0}))
        guest_abi().raise_virtual_interrupt(*domain0, VIRQ_DOM_EXC);
}

} // namespace ravelin::hv
