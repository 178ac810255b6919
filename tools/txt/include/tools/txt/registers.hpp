// SPDX-License-Identifier: Apache-2.0
// The chipset's TXT registers: two windows of 64 KiB that the machine maps, private at 0xfed20000
// and public at 0xfed30000, and the rules of what a write does. Software's writes land in the
// private window's memory; settle() finds them there and carries them out, at a watchpoint's stop,
// at each TPM command and a thousand times a second. The public window is memory that the machine
// cannot write. Locked: the model's thread and the TPM's use it. [TXT SDG, appendix B.1]
#pragma once

#include <base/int.hpp>

#include <array>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools::txt {

inline constexpr u64 private_space = 0xfed2'0000;
inline constexpr u64 public_space = 0xfed3'0000;
inline constexpr u64 space_size = 0x1'0000;

/// Offsets in either space.
enum class TxtRegister : u32 {
    status = 0x000,           // TXT.STS
    error_status = 0x008,     // TXT.ESTS
    error_code = 0x030,       // TXT.ERRORCODE
    reset = 0x038,            // TXT.CMD.RESET
    close_private = 0x048,    // TXT.CMD.CLOSE-PRIVATE
    fsb_interface = 0x100,    // TXT.VER.FSBIF
    device_id = 0x110,        // TXT.DIDVID
    memory_interface = 0x200, // TXT.VER.EMIF
    unlock_memory = 0x218,    // TXT.CMD.UNLOCK-MEM-CONFIG
    sinit_base = 0x270,       // TXT.SINIT.BASE
    sinit_size = 0x278,       // TXT.SINIT.SIZE
    mle_join = 0x290,         // TXT.MLE.JOIN
    heap_base = 0x300,        // TXT.HEAP.BASE
    heap_size = 0x308,        // TXT.HEAP.SIZE
    dma_protected = 0x330,    // TXT.DPR
    open_locality1 = 0x380,   // TXT.CMD.OPEN.LOCALITY1
    close_locality1 = 0x388,  // TXT.CMD.CLOSE.LOCALITY1
    open_locality2 = 0x390,   // TXT.CMD.OPEN.LOCALITY2
    close_locality2 = 0x398,  // TXT.CMD.CLOSE.LOCALITY2
    public_key = 0x400,       // TXT.PUBLIC.KEY, 32 bytes
    secrets = 0x8e0,          // TXT.CMD.SECRETS
    no_secrets = 0x8e8,       // TXT.CMD.NO-SECRETS
    extended_status = 0x8f0,  // TXT.E2STS
};
[[nodiscard]] std::string_view name(TxtRegister which);

namespace status_bit { // TXT.STS
inline constexpr u64 senter_done = 1 << 0;
inline constexpr u64 sexit_done = 1 << 1;
inline constexpr u64 memory_locked = 1 << 6;
inline constexpr u64 private_open = 1 << 7;
inline constexpr u64 locality1_open = 1 << 15;
inline constexpr u64 locality2_open = 1 << 16;
} // namespace status_bit
inline constexpr u64 txt_reset_happened = 1 << 0; // TXT.ESTS
inline constexpr u64 secrets_in_memory = 1 << 1;  // TXT.E2STS

/// What writes that were found amount to.
struct Settled {
    std::vector<TxtRegister> written;
    bool reset_asked{false};
    bool refused{false}; ///< a write to a closed space or a read-only register was undone
};

class RegisterFile {
  public:
    /// `private_window` and `public_window` are the memories that the machine maps.
    RegisterFile(std::span<u8> private_window, std::span<u8> public_window);

    [[nodiscard]] u64 get(TxtRegister which) const;
    /// The chipset's own change: no rule applies.
    void set(TxtRegister which, u64 value);
    void set_key_hash(const std::array<u8, 32>& hash);

    /// Carries out what software wrote since the last time.
    Settled settle();

    /// SENTER has begun the measured environment.
    void enter();
    /// SEXIT has ended it.
    void leave();
    /// The processor or a code module found a reason to reset the platform.
    void record_error(u32 code);
    /// Platform reset: everything but what must survive it, and what it found.
    struct BeforeReset {
        bool secrets;
    };
    BeforeReset reset();
    /// The BIOS found no secrets, or has scrubbed the memory.
    void secrets_gone();

  private:
    [[nodiscard]] u64 load(TxtRegister which) const;
    void store(TxtRegister which, u64 value);
    void clear_status(u64 bits);
    void set_status(u64 bits);
    void carry_out(TxtRegister command, Settled& settled);
    void show();

    mutable std::mutex lock_;
    std::span<u8> private_window_;
    std::span<u8> public_window_;
    std::vector<u8> truth_; ///< what the registers are; the windows follow
};

} // namespace ravelin::tools::txt
