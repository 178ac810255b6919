// SPDX-License-Identifier: Apache-2.0
// Instruction bytes are the guest's: decoding them must stay in bounds and yield what can be done.
#include <hv/guest/decode.hpp>

#include <cstdlib>

using namespace ravelin;
using namespace ravelin::hv;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size == 0)
        return 0;
    const auto code = static_cast<cpu::CodeSize>(data[0] % 3);
    const auto result = guest::decode_mmio({data + 1, size - 1}, code);
    if (!result)
        return 0;
    const guest::MmioInstruction& instruction = result.value();
    if (instruction.length == 0 || instruction.length > guest::longest_instruction ||
        instruction.length > size - 1)
        std::abort();
    if (instruction.size != 1 && instruction.size != 2 && instruction.size != 4 &&
        instruction.size != 8)
        std::abort();
    cpu::GeneralRegisters registers;
    if (instruction.kind == guest::MmioKind::load)
        guest::complete_load(instruction, ~u64{0}, registers);
    else
        (void)guest::store_value(instruction, registers);
    return 0;
}
