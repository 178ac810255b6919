// SPDX-License-Identifier: Apache-2.0
// A guest that does what its console is told: says so through the PV console's ring, waits for a
// line, and then powers off ("off"), breaks itself ("crash") or asks to be started again
// ("reboot").
#include "guest.hpp"

namespace ravelin::guest_test {
namespace {

constexpr u64 hypercall_event_channel = 32;
constexpr u64 hypercall_hvm = 34;
constexpr u64 parameter_console_page = 17;
constexpr u64 parameter_console_port = 18;

/// xencons_interface. [xen/io/console.h]
struct Ring {
    char in[1024];
    char out[2048];
    u32 in_cons, in_prod, out_cons, out_prod;
};

u64 parameter(u32 index) {
    struct {
        u16 domain;
        u16 pad;
        u32 index;
        u64 value;
    } request{0x7ff0, 0, index, 0}; // DOMID_SELF
    // SAFETY: identity-mapped argument.
    return hypercall(hypercall_hvm, 1, reinterpret_cast<u64>(&request)) == 0 ? request.value : 0;
}

void yield() {
    (void)hypercall(hypercall_sched_op, 0);
}

class Console {
  public:
    Console()
        // SAFETY: the page is the hypervisor's promise; all four gigabytes are identity-mapped.
        : ring_{reinterpret_cast<volatile Ring*>(parameter(parameter_console_page) << 12)},
          port_{static_cast<u32>(parameter(parameter_console_port))} {}
    void say(std::string_view text) {
        for (const char c : text) {
            ring_->out[ring_->out_prod % sizeof(ring_->out)] = c;
            ring_->out_prod = ring_->out_prod + 1;
        }
        // SAFETY: identity-mapped argument.
        (void)hypercall(hypercall_event_channel, 4, reinterpret_cast<u64>(&port_)); // send
    }
    char hear() {
        while (ring_->in_cons == ring_->in_prod)
            yield();
        const char c = ring_->in[ring_->in_cons % sizeof(ring_->in)];
        ring_->in_cons = ring_->in_cons + 1;
        return c;
    }

  private:
    volatile Ring* ring_;
    u32 port_;
};

[[noreturn]] void end(u32 reason) {
    for (;;)
        // SAFETY: identity-mapped argument.
        (void)hypercall(hypercall_sched_op, 2, reinterpret_cast<u64>(&reason));
}

void triple_fault() {
    const struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } nothing{0, 0};
    // SAFETY: without an interrupt table the next exception is the last.
    asm volatile("lidt %0; ud2" : : "m"(nothing));
}

} // namespace

Verdict guest_main() {
    Console console;
    console.say("ready\n");
    // The line's first letter says it all.
    const char wish = console.hear();
    while (console.hear() != '\n') {
    }
    console.say("heard ");
    console.say({&wish, 1});
    console.say("\n");
    if (wish == 'c')
        triple_fault();
    end(wish == 'r' ? 1 : 0);
}

} // namespace ravelin::guest_test
