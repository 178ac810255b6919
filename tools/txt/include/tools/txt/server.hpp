// SPDX-License-Identifier: Apache-2.0
// An emulated server with Intel TXT: a Machine whose SMX instructions, TXT registers, BIOS part,
// SINIT and RLP wake-up the model plays, for an unmodified tboot and whatever tboot launches.
#pragma once

#include "tools/txt/acm.hpp"

#include <tools/server/machine.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace ravelin::tools::txt {

/// The processor: Intel's by name, because tboot asks; SMX although TCG has none (what it would do
/// is the model's); without what TCG's EPYC has and no Intel processor with tboot could use.
inline constexpr const char* txt_processor =
    "EPYC,vendor=GenuineIntel,+svm,+smx,x-force-features=on,-rdtscp,-rdseed,-sha-ni,-fxsr-opt,"
    "-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec";

struct TxtConfig {
    /// Its processor, power_on and memory_file are the model's; its boot is an ISO whose GRUB has
    /// the BIOS's part (boot_medium.hpp).
    MachineConfig machine;
    std::filesystem::path tboot{"/boot/tboot.gz"};
    Bytes sinit;                       ///< what the BIOS leaves at SINIT.BASE; may be empty
    std::array<u8, 32> sinit_key_hash; ///< fused into the chipset
};

/// Something that happened, for people: "SENTER: …".
using EventListener = std::function<void(const std::string&)>;

class TxtServer {
  public:
    /// Powers the server on. `tpm` lives longer. `listener` is called from the model's threads.
    TxtServer(const TxtConfig& config,
              SoftwareTpm& tpm,
              Console::Echo echo = Console::Echo::silent,
              EventListener listener = {});
    TxtServer(const TxtServer&) = delete;
    TxtServer& operator=(const TxtServer&) = delete;
    ~TxtServer();

    [[nodiscard]] Machine& machine();
    [[nodiscard]] Console& console() { return machine().console(); }
    /// All that happened so far, a line each.
    [[nodiscard]] std::string events() const;
    /// Waits for an event in which the ECMAScript `pattern` is found; ServerError with all events
    /// when none came.
    void wait_for_event(const std::string& pattern, std::chrono::milliseconds timeout);
    /// SHA-256 of the environment that was measured last; zeros before.
    [[nodiscard]] std::array<u8, 32> mle_hash() const;
    /// Any TXT register as the chipset has it, by its offset.
    [[nodiscard]] u64 txt_register(u32 offset) const;
    /// RAM, as the chipset sees it.
    [[nodiscard]] Bytes read_memory(u64 address, std::size_t size);

  private:
    class Model;
    std::unique_ptr<Model> model_;
};

} // namespace ravelin::tools::txt
