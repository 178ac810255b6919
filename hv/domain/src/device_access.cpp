// SPDX-License-Identifier: Apache-2.0
// Exits that reach a device: IN and OUT with their string forms, and memory accesses that stage 2
// does not map.
#include <hv/domain/run_loop.hpp>
#include <hv/guest/decode.hpp>

#include <algorithm>

namespace ravelin::hv::domain {

namespace {

using cpu::Register;

/// Elements of a repeated string moved in one exit; the guest re-executes the rest, so that a long
/// one cannot keep the CPU.
constexpr u64 string_batch = 64;

constexpr u64 ones(u8 bytes) {
    return bytes == 8 ? ~u64{0} : (u64{1} << bytes * 8) - 1;
}

/// Replaces the low `bytes` of a register as an instruction of that operand or address size does.
void set_low(u64& target, u64 value, u8 bytes) {
    target = bytes >= 4 ? value & ones(bytes) : (target & ~ones(bytes)) | (value & ones(bytes));
}

} // namespace

void RunLoop::handle_port(const cpu::IoExit& io) {
    ++counters_.port_io;
    if (io.form != cpu::IoForm::single)
        return handle_port_string(io);
    u64& rax = registers_[Register::rax];
    cpu_.set_next_rip(io.next_rip);
    if (io.direction == cpu::IoDirection::out)
        domain_.io_bus().write_port(vcpu_, io.port, io.size, static_cast<u32>(rax & ones(io.size)));
    else
        set_low(rax, domain_.io_bus().read_port(vcpu_, io.port, io.size), io.size);
}

void RunLoop::handle_port_string(const cpu::IoExit& io) {
    const cpu::PagingState paging = cpu_.paging_state();
    const bool out = io.direction == cpu::IoDirection::out;
    const bool long_mode = cpu_.code_size() == cpu::CodeSize::bits64;
    // Without decode assists the segment override is unknown: DS for OUTS as everybody writes it.
    const u64 base =
        long_mode ? 0 : cpu_.segment(out ? cpu::SegmentName::ds : cpu::SegmentName::es).base;
    u64& index = registers_[out ? Register::rsi : Register::rdi];
    u64& count = registers_[Register::rcx];
    const u64 address_mask = ones(io.address_size);
    const bool repeated = io.form == cpu::IoForm::repeated_string;
    const u64 step = cpu::Rflags::DirectionFlag::get(paging.rflags) ? u64{0} - io.size : io.size;

    u64 left = repeated ? count & address_mask : 1;
    for (u64 done = 0; left != 0 && done < string_batch; ++done) {
        u64 linear = base + (index & address_mask);
        if (!long_mode)
            linear &= ones(4);
        std::array<u8, 4> raw{};
        const std::span<u8> element = std::span{raw}.first(io.size);
        const GuestVirtual at{linear};
        const auto reachable = guest::walk(
            domain_.memory(), paging, at, out ? guest::Purpose::read : guest::Purpose::write);
        if (!reachable)
            return cpu_.inject_page_fault(reachable.error().address, reachable.error().error_code);
        bool copied = false;
        if (out) {
            copied = vcpu_.copy_in(at, element).is_ok();
            if (copied)
                domain_.io_bus().write_port(vcpu_, io.port, io.size, std::bit_cast<u32>(raw));
        } else {
            raw = std::bit_cast<std::array<u8, 4>>(
                domain_.io_bus().read_port(vcpu_, io.port, io.size));
            copied = vcpu_.copy_out(at, element).is_ok();
        }
        if (!copied)
            return cpu_.inject_exception(cpu::Exception::general_protection, 0);
        set_low(index, index + step, io.address_size);
        --left;
        if (repeated)
            set_low(count, left, io.address_size);
    }
    if (left == 0)
        cpu_.set_next_rip(io.next_rip);
}

void RunLoop::handle_stage2_fault(const cpu::Stage2FaultExit& fault) {
    ++counters_.mmio;
    if (fault.during == cpu::Stage2FaultExit::During::page_walk)
        return fail("page tables outside its memory", fault.address.raw());
    if (fault.wanted == Access::execute)
        return fail("execution outside its memory", fault.address.raw());

    std::array<u8, guest::longest_instruction> bytes{};
    const usize available = fetch(bytes);
    const auto decoded =
        guest::decode_mmio(std::span<const u8>{bytes}.first(available), cpu_.code_size());
    if (!decoded)
        return fail("an instruction on device memory that is not decoded", fault.address.raw());
    const guest::MmioInstruction& instruction = decoded.value();
    const bool store = instruction.kind == guest::MmioKind::store;
    if (store != (fault.wanted == Access::write))
        return fail("code that changes while it runs", fault.address.raw());

    const auto range = domain_.io_bus().find_mmio(fault.address, instruction.size);
    if (store) {
        if (range)
            range->device->write_mmio(vcpu_,
                                      fault.address,
                                      instruction.size,
                                      guest::store_value(instruction, registers_));
    } else {
        const u64 value =
            range ? range->device->read_mmio(vcpu_, fault.address, instruction.size) : ~u64{0};
        guest::complete_load(instruction, value, registers_);
    }
    cpu_.skip(instruction.length);
}

} // namespace ravelin::hv::domain
