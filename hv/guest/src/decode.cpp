// SPDX-License-Identifier: Apache-2.0
#include <base/cursor.hpp>
#include <hv/guest/decode.hpp>

namespace ravelin::hv::guest {

namespace {

struct Rex {
    using W = BitFlag<u8, 3>;
    using R = BitFlag<u8, 2>;
};
struct ModRm {
    using Mod = BitField<u8, 7, 6>;
    using Reg = BitField<u8, 5, 3>;
    using Rm = BitField<u8, 2, 0>;
};

struct Prefixes {
    u8 rex{};
    bool has_rex{};
    bool operand_size{};
    bool address_size{};
};

constexpr u64 mask(u8 bytes) {
    return bytes == 8 ? ~u64{0} : (u64{1} << bytes * 8) - 1;
}
constexpr u64 sign_extend(u64 value, u8 bytes) {
    const unsigned shift = 64 - bytes * 8u;
    return static_cast<u64>(static_cast<i64>(value << shift) >> shift);
}

class Decoder {
  public:
    Decoder(std::span<const u8> bytes, cpu::CodeSize code)
        : reader_{bytes.first(bytes.size() < longest_instruction ? bytes.size()
                                                                 : longest_instruction)},
          code_{code} {}

    Result<MmioInstruction, DecodeError> run() {
        u8 opcode = RAVELIN_TRY(prefixes());
        const bool two_bytes = opcode == 0x0f;
        if (two_bytes)
            opcode = RAVELIN_TRY(byte());
        return two_bytes ? extending(opcode) : plain(opcode);
    }

  private:
    Result<u8, DecodeError> byte() {
        const auto next = reader_.byte();
        if (!next)
            return Failure{DecodeError::truncated};
        return next.value();
    }

    /// Consumes prefixes and returns the byte after them. Segment overrides change only the
    /// address; LOCK and REP on a MOV are refused.
    Result<u8, DecodeError> prefixes() {
        for (;;) {
            const u8 next = RAVELIN_TRY(byte());
            switch (next) {
            case 0x66:
                prefixes_.operand_size = true;
                break;
            case 0x67:
                prefixes_.address_size = true;
                break;
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e:
            case 0x64:
            case 0x65:
                break;
            default:
                if (code_ == cpu::CodeSize::bits64 && (next & 0xf0) == 0x40) {
                    prefixes_.rex = next;
                    prefixes_.has_rex = true;
                    return byte(); // REX stands directly before the opcode
                }
                return next;
            }
        }
    }

    [[nodiscard]] u8 operand_bytes() const {
        if (Rex::W::get(prefixes_.rex))
            return 8;
        const bool wide = code_ != cpu::CodeSize::bits16;
        return wide != prefixes_.operand_size ? 4 : 2;
    }
    [[nodiscard]] u8 address_bytes() const {
        if (code_ == cpu::CodeSize::bits64)
            return prefixes_.address_size ? 4 : 8;
        const bool wide = code_ == cpu::CodeSize::bits32;
        return wide != prefixes_.address_size ? 4 : 2;
    }

    /// ModRM, SIB and displacement; only memory operands are accepted.
    Result<u8, DecodeError> memory_operand() {
        const u8 modrm = RAVELIN_TRY(byte());
        const u8 mod = ModRm::Mod::get(modrm);
        const u8 rm = ModRm::Rm::get(modrm);
        if (mod == 3)
            return Failure{DecodeError::unsupported};
        usize displacement = mod == 1 ? 1 : 0;
        if (address_bytes() == 2) {
            if (mod == 2 || (mod == 0 && rm == 6))
                displacement = 2;
        } else {
            if (mod == 2 || (mod == 0 && rm == 5))
                displacement = 4;
            if (rm == 4) {
                const u8 sib = RAVELIN_TRY(byte());
                if (mod == 0 && (sib & 7) == 5)
                    displacement = 4;
            }
        }
        if (!reader_.skip(displacement))
            return Failure{DecodeError::truncated};
        return modrm;
    }

    [[nodiscard]] cpu::Register reg(u8 modrm) const {
        const unsigned extended = Rex::R::get(prefixes_.rex) ? 8 : 0;
        return static_cast<cpu::Register>(ModRm::Reg::get(modrm) + extended);
    }

    MmioInstruction with_register(MmioKind kind, u8 modrm, u8 size, u8 destination, Extension how) {
        MmioInstruction out{};
        out.kind = kind;
        out.size = size;
        out.destination_bytes = destination;
        out.extension = how;
        out.register_ = reg(modrm);
        return out;
    }

    /// The byte registers 4-7 without REX are the second bytes of registers 0-3.
    void name_byte_register(MmioInstruction& out) const {
        const u8 number = static_cast<u8>(out.register_);
        if (!prefixes_.has_rex && number >= 4 && number < 8) {
            out.register_ = static_cast<cpu::Register>(number - 4);
            out.high_byte = true;
        }
    }

    Result<MmioInstruction, DecodeError> finish(MmioInstruction out) {
        out.length = static_cast<u8>(reader_.offset());
        return out;
    }

    Result<MmioInstruction, DecodeError> plain(u8 opcode) {
        const u8 wide = operand_bytes();
        const Extension how = wide >= 4 ? Extension::zero : Extension::none;
        switch (opcode) {
        case 0x88:
        case 0x8a: {
            const u8 modrm = RAVELIN_TRY(memory_operand());
            auto out = with_register(
                opcode == 0x88 ? MmioKind::store : MmioKind::load, modrm, 1, 1, Extension::none);
            name_byte_register(out);
            return finish(out);
        }
        case 0x89:
            return finish(with_register(
                MmioKind::store, RAVELIN_TRY(memory_operand()), wide, wide, Extension::none));
        case 0x8b:
            return finish(
                with_register(MmioKind::load, RAVELIN_TRY(memory_operand()), wide, wide, how));
        case 0xa0:
        case 0xa1:
        case 0xa2:
        case 0xa3: {
            if (!reader_.skip(address_bytes()))
                return Failure{DecodeError::truncated};
            const bool load = opcode < 0xa2;
            const u8 size = (opcode & 1) != 0 ? wide : 1;
            MmioInstruction out{};
            out.kind = load ? MmioKind::load : MmioKind::store;
            out.size = size;
            out.destination_bytes = size;
            out.extension = load && size >= 4 ? Extension::zero : Extension::none;
            out.register_ = cpu::Register::rax;
            return finish(out);
        }
        case 0xc6:
        case 0xc7: {
            const u8 modrm = RAVELIN_TRY(memory_operand());
            if (ModRm::Reg::get(modrm) != 0)
                return Failure{DecodeError::unsupported};
            return immediate(opcode == 0xc6 ? u8{1} : wide);
        }
        case 0x63:
            if (code_ != cpu::CodeSize::bits64)
                return Failure{DecodeError::unsupported};
            return finish(with_register(
                MmioKind::load, RAVELIN_TRY(memory_operand()), 4, wide, Extension::sign));
        default:
            return Failure{DecodeError::unsupported};
        }
    }

    Result<MmioInstruction, DecodeError> extending(u8 opcode) {
        if (opcode != 0xb6 && opcode != 0xb7 && opcode != 0xbe && opcode != 0xbf)
            return Failure{DecodeError::unsupported};
        const u8 size = (opcode & 1) != 0 ? 2 : 1;
        const u8 wide = operand_bytes();
        const Extension how = opcode < 0xb8 ? Extension::zero : Extension::sign;
        return finish(
            with_register(MmioKind::load, RAVELIN_TRY(memory_operand()), size, wide, how));
    }

    Result<MmioInstruction, DecodeError> immediate(u8 size) {
        const u8 encoded = size == 8 ? 4 : size;
        u64 value = 0;
        for (unsigned i = 0; i < encoded; ++i)
            value |= u64{RAVELIN_TRY(byte())} << 8 * i;
        MmioInstruction out{};
        out.kind = MmioKind::store;
        out.size = size;
        out.destination_bytes = size;
        out.immediate = sign_extend(value, encoded) & mask(size);
        return finish(out);
    }

    LittleReader reader_;
    cpu::CodeSize code_;
    Prefixes prefixes_;
};

} // namespace

Result<MmioInstruction, DecodeError> decode_mmio(std::span<const u8> bytes, cpu::CodeSize code) {
    return Decoder{bytes, code}.run();
}

u64 store_value(const MmioInstruction& instruction, const cpu::GeneralRegisters& registers) {
    if (instruction.immediate)
        return *instruction.immediate;
    const u64 value = registers[instruction.register_];
    return (instruction.high_byte ? value >> 8 : value) & mask(instruction.size);
}

void complete_load(const MmioInstruction& instruction,
                   u64 value,
                   cpu::GeneralRegisters& registers) {
    value &= mask(instruction.size);
    if (instruction.extension == Extension::sign)
        value = sign_extend(value, instruction.size);
    const u8 bytes = instruction.destination_bytes;
    u64& target = registers[instruction.register_];
    if (bytes >= 4) {
        target = value & mask(bytes);
        return;
    }
    const unsigned shift = instruction.high_byte ? 8 : 0;
    target = (target & ~(mask(bytes) << shift)) | (value & mask(bytes)) << shift;
}

} // namespace ravelin::hv::guest
