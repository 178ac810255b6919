// SPDX-License-Identifier: Apache-2.0
// Last words. The trace follows frame pointers inside the image's stacks only, so that a broken
// chain ends it instead of faulting again.
#include "hv/machine/panic.hpp"

#include "hv/machine/console.hpp"
#include "hv/machine/instructions.hpp"
#include "hv/machine/power.hpp"
#include "hv/machine/symbols.hpp"

#include <atomic>

namespace ravelin::hv::machine {
namespace {

std::atomic<bool> has_panicked{false};
std::atomic<StopOthers> stop_others{nullptr};

void print_address(u64 address) {
    const Symbol symbol = find_symbol(address);
    if (symbol.name.empty())
        log("  {x}", address);
    else
        log("  {x} {} + {x}", address, symbol.name, address - symbol.address);
}

void print_trace(u64 rip, u64 rbp) {
    log("trace:");
    if (rip != 0)
        print_address(rip);
    constexpr int deepest = 32;
    for (int depth = 0; depth < deepest && is_stack_address(rbp) && rbp % 8 == 0; ++depth) {
        // SAFETY: both words lie in a mapped stack of ours.
        const auto* frame = reinterpret_cast<const u64*>(rbp);
        if (frame[1] == 0)
            break;
        print_address(frame[1]);
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

void print_registers(const InterruptFrame& f) {
    log("vector {} error {x} rip {x} cs {x} rflags {x} rsp {x} cr2 {x} cr3 {x}",
        f.vector,
        f.error_code,
        f.rip,
        f.cs,
        f.rflags,
        f.rsp,
        read_cr2(),
        read_cr3());
    log("rax {x} rbx {x} rcx {x} rdx {x} rsi {x} rdi {x} rbp {x}",
        f.rax,
        f.rbx,
        f.rcx,
        f.rdx,
        f.rsi,
        f.rdi,
        f.rbp);
    log("r8 {x} r9 {x} r10 {x} r11 {x} r12 {x} r13 {x} r14 {x} r15 {x}",
        f.r8,
        f.r9,
        f.r10,
        f.r11,
        f.r12,
        f.r13,
        f.r14,
        f.r15);
}

void on_ensure(const char* what, const SourceLocation& where) {
    log("{}:{}: {}", where.file, where.line, where.function);
    panic(what);
}

} // namespace

void install_panic() {
    set_ensure_handler(on_ensure);
}
void set_stop_others(StopOthers stop) {
    stop_others.store(stop);
}
bool panicking() {
    return has_panicked.load();
}
void halt_this_cpu() {
    if (has_leave())
        stop_for_the_end();
    halt_for_ever();
}

void panic(std::string_view what, const InterruptFrame* frame) {
    disable_interrupts();
    if (has_panicked.exchange(true))
        halt_for_ever(); // another CPU speaks already, or this one failed while it spoke
    if (const StopOthers stop = stop_others.load())
        stop();
    seize_console();
    log("PANIC: {}", what);
    if (frame != nullptr) {
        print_registers(*frame);
        print_trace(frame->rip, frame->rbp);
    } else {
        // SAFETY: the value is only compared with the stacks' bounds before it is followed.
        print_trace(0, reinterpret_cast<u64>(__builtin_frame_address(0)));
    }
    leave_environment(End::halt);
    log("stopped. The machine does not go on after a failed invariant; reset it.");
    halt_for_ever();
}

} // namespace ravelin::hv::machine
