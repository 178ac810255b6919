// SPDX-License-Identifier: Apache-2.0
// Instructions as compilers encode them; the encodings are the assembler's.
#include <hv/guest/decode.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace ravelin::hv::guest {
namespace {

using cpu::CodeSize;
using cpu::Register;
using Code = std::vector<u8>;

MmioInstruction decoded(const Code& bytes, CodeSize code = CodeSize::bits64) {
    const auto result = decode_mmio(bytes, code);
    EXPECT_TRUE(result.is_ok());
    return result ? result.value() : MmioInstruction{};
}
u64 loaded(const Code& bytes, u64 value, Register into, CodeSize code = CodeSize::bits64) {
    cpu::GeneralRegisters registers;
    registers.values.fill(0xaaaa'aaaa'aaaa'aaaa);
    const MmioInstruction instruction = decoded(bytes, code);
    EXPECT_EQ(instruction.kind, MmioKind::load);
    EXPECT_EQ(instruction.length, bytes.size());
    complete_load(instruction, value, registers);
    return registers[into];
}
u64 stored(const Code& bytes, u8 size, CodeSize code = CodeSize::bits64) {
    cpu::GeneralRegisters registers;
    for (u8 i = 0; i < 16; ++i)
        registers.values[i] = 0x1122'3344'5566'7700 + i;
    const MmioInstruction instruction = decoded(bytes, code);
    EXPECT_EQ(instruction.kind, MmioKind::store);
    EXPECT_EQ(instruction.size, size);
    EXPECT_EQ(instruction.length, bytes.size());
    return store_value(instruction, registers);
}

TEST(Decode, Loads) {
    // mov (%rdi),%eax; mov (%rdi),%rax; mov 0x8(%rdi),%r9; mov (%rdi),%ax; mov (%rdi),%ah
    EXPECT_EQ(loaded({0x8b, 0x07}, ~u64{0}, Register::rax), 0xffff'ffffu);
    EXPECT_EQ(loaded({0x48, 0x8b, 0x07}, 0x123456789abcdef0, Register::rax), 0x123456789abcdef0u);
    EXPECT_EQ(loaded({0x4c, 0x8b, 0x4f, 0x08}, 7, Register::r9), 7u);
    EXPECT_EQ(loaded({0x66, 0x8b, 0x07}, 0x1234, Register::rax), 0xaaaa'aaaa'aaaa'1234u);
    EXPECT_EQ(loaded({0x8a, 0x27}, 0x55, Register::rax), 0xaaaa'aaaa'aaaa'55aau);
    // mov (%rdi),%spl needs REX and is then the low byte of RSP
    EXPECT_EQ(loaded({0x40, 0x8a, 0x27}, 0x55, Register::rsp), 0xaaaa'aaaa'aaaa'aa55u);
    // movabs 0x1122334455667788,%eax
    EXPECT_EQ(loaded({0xa1, 1, 2, 3, 4, 5, 6, 7, 8}, 9, Register::rax), 9u);
}

TEST(Decode, Extensions) {
    // movzbl (%rdi),%ecx; movsbl; movzwl; movswq; movslq
    EXPECT_EQ(loaded({0x0f, 0xb6, 0x0f}, 0x80, Register::rcx), 0x80u);
    EXPECT_EQ(loaded({0x0f, 0xbe, 0x0f}, 0x80, Register::rcx), 0xffff'ff80u);
    EXPECT_EQ(loaded({0x0f, 0xb7, 0x0f}, 0xfffe, Register::rcx), 0xfffeu);
    EXPECT_EQ(loaded({0x48, 0x0f, 0xbf, 0x0f}, 0xfffe, Register::rcx), ~u64{1});
    EXPECT_EQ(loaded({0x48, 0x63, 0x0f}, 0xffff'fffe, Register::rcx), ~u64{1});
}

TEST(Decode, Stores) {
    // mov %ecx,(%rdi); mov %rcx,(%rdi); mov %cl,(%rdi); mov %ch,(%rdi); mov %r10w,0x10(%rdi,%rax,4)
    EXPECT_EQ(stored({0x89, 0x0f}, 4), 0x5566'7701u);
    EXPECT_EQ(stored({0x48, 0x89, 0x0f}, 8), 0x1122'3344'5566'7701u);
    EXPECT_EQ(stored({0x88, 0x0f}, 1), 0x01u);
    EXPECT_EQ(stored({0x88, 0x2f}, 1), 0x77u);
    EXPECT_EQ(stored({0x66, 0x44, 0x89, 0x54, 0x87, 0x10}, 2), 0x770au);
    // movl $0x12345678,(%rdi); movq $-2,(%rdi); movb $7,0x1000(%rip); movw $0x1234,(%rdi)
    EXPECT_EQ(stored({0xc7, 0x07, 0x78, 0x56, 0x34, 0x12}, 4), 0x1234'5678u);
    EXPECT_EQ(stored({0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff}, 8), ~u64{1});
    EXPECT_EQ(stored({0xc6, 0x05, 0x00, 0x10, 0x00, 0x00, 0x07}, 1), 7u);
    EXPECT_EQ(stored({0x66, 0xc7, 0x07, 0x34, 0x12}, 2), 0x1234u);
}

TEST(Decode, OtherCodeSizes) {
    EXPECT_EQ(loaded({0x8b, 0x07}, 5, Register::rax, CodeSize::bits32), 5u);
    // In 16-bit code 8b 47 08 is mov 8(%bx),%ax, and 66 makes it 32 bits wide.
    EXPECT_EQ(loaded({0x8b, 0x47, 0x08}, 5, Register::rax, CodeSize::bits16),
              0xaaaa'aaaa'aaaa'0005u);
    EXPECT_EQ(stored({0x66, 0x89, 0x0e, 0x00, 0x10}, 4, CodeSize::bits16), 0x5566'7701u);
}

TEST(Decode, RefusesTheRest) {
    for (const Code& bytes : {Code{0x01, 0x07},             // add
                              Code{0xf3, 0xa4},             // rep movsb
                              Code{0xf0, 0x89, 0x07},       // lock
                              Code{0x89, 0xc0},             // register to register
                              Code{0xc7, 0x0f, 0, 0, 0, 0}, // c7 /1
                              Code{0x0f, 0x0b},
                              Code{0x48, 0x66, 0x89, 0x07}}) // REX not before the opcode
        EXPECT_EQ(decode_mmio(bytes, CodeSize::bits64).error(), DecodeError::unsupported);
    EXPECT_EQ(decode_mmio(Code{0x63, 0x07}, CodeSize::bits32).error(), DecodeError::unsupported);
}

TEST(Decode, EveryPrefixOfAnInstructionIsTruncated) {
    const Code whole{0x66, 0x48, 0xc7, 0x84, 0x87, 1, 2, 3, 4, 5, 6, 7, 8};
    ASSERT_TRUE(decode_mmio(whole, CodeSize::bits64));
    for (usize n = 0; n < whole.size(); ++n)
        EXPECT_EQ(decode_mmio(std::span{whole}.first(n), CodeSize::bits64).error(),
                  DecodeError::truncated);
    EXPECT_EQ(decode_mmio(Code(15, 0x66), CodeSize::bits64).error(), DecodeError::truncated);
    EXPECT_EQ(decode_mmio(Code(16, 0x66), CodeSize::bits64).error(), DecodeError::truncated);
}

} // namespace
} // namespace ravelin::hv::guest
