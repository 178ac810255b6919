// SPDX-License-Identifier: Apache-2.0
// What SINIT does between the processor's SENTER and the measured environment's first instruction:
// reads the heap, measures the environment into PCR 17 (details) and 18 (authorities), writes the
// event log and SinitMleData. The table of what is extended is in docs/TXT-EMULATOR.md.
#pragma once

#include "tools/txt/acm.hpp"
#include "tools/txt/heap.hpp"
#include "tools/txt/mle.hpp"

#include <base/types.hpp>
#include <wire/tcg_log.hpp>

namespace ravelin::tools::txt {

/// The TPM as processor and SINIT use it.
class LaunchTpm {
  public:
    virtual ~LaunchTpm() = default;
    virtual void measure_dynamic_root(std::span<const u8> data) = 0;                 ///< locality 4
    virtual void extend(PcrIndex pcr, std::span<const wire::LogDigest> digests) = 0; ///< locality 3
    [[nodiscard]] virtual std::vector<wire::tpm::Algorithm> banks() = 0;
};

/// Where SINIT gave up; TXT.ERRORCODE shows it as progress 1, 2, … of module type 1.
enum class SinitFailure : u8 {
    heap = 1,
    os_sinit_data = 2,
    measured_environment = 3,
    event_log = 4,
};
[[nodiscard]] constexpr u32 error_code(SinitFailure failure) {
    return 0xc000'0001U | static_cast<u32>(failure) << 4;
}
inline constexpr u32 sinit_succeeded = 0xc000'0001;

struct SinitError {
    SinitFailure failure;
    std::string reason;
};

struct LaunchPlatform {
    u64 heap_base{};
    u64 heap_size{};
    u64 wakeup{}; ///< in memory of the chipset's own
    std::vector<MemoryDescriptor> memory;
    std::vector<u8> dmar;
};

struct Launched {
    u64 entry{};
    u64 page_table{};
    std::array<u8, 32> mle_hash{}; ///< SHA-256
};

/// `acm` was authenticated; `module` is what it views. `edx` is SENTER's.
[[nodiscard]] Result<Launched, SinitError> run_sinit(PhysicalMemory& memory,
                                                     LaunchTpm& tpm,
                                                     const LaunchPlatform& platform,
                                                     const wire::Acm& acm,
                                                     std::span<const u8> module,
                                                     u32 edx);

} // namespace ravelin::tools::txt
