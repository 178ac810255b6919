// SPDX-License-Identifier: Apache-2.0
// The server's TPM 2.0: swtpm, manufactured as a vendor does (EK certificate from a CA of its own),
// behind a proxy that gates localities as a chipset does. The TPM outlives the machines that are
// plugged into it: its state stays through power cycles.
#pragma once

#include "tools/server/file_descriptor.hpp"
#include "tools/server/process.hpp"

#include <base/int.hpp>

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace ravelin::tools {

/// Locality 0-4 as in TCG PTP; who may use which is the chipset's business.
struct TpmLocality {
    u8 value;
    friend constexpr bool operator==(TpmLocality, TpmLocality) = default;
};

/// Whether the chipset lets software use localities 1 and 2. Under SRTM nothing ever opens them;
/// after SENTER the TXT registers do.
enum class MeasuredEnvironment { closed, open };

/// The chipset's rule for a command that software sends.
[[nodiscard]] constexpr bool locality_admits(TpmLocality locality,
                                             MeasuredEnvironment environment) {
    return locality.value == 0 || (locality.value <= 2 && environment == MeasuredEnvironment::open);
}

/// What a command in a closed locality is answered with [TPM 2.0 part 2, TPM_RC_LOCALITY].
inline constexpr u32 tpm_rc_locality = 0x907;

/// Makes TPMs and signs their endorsement keys: a root and an issuing CA in `directory`, created at
/// first use.
class TpmManufacturer {
  public:
    explicit TpmManufacturer(const std::filesystem::path& directory);
    /// New state in `state`, which must not hold a TPM yet; `banks` as swtpm_setup has them
    /// ("sha256" or "sha256,sha384").
    void manufacture(const std::filesystem::path& state, const std::string& banks = "sha256") const;
    [[nodiscard]] std::filesystem::path root_certificate() const;
    [[nodiscard]] std::filesystem::path issuer_certificate() const;

  private:
    std::filesystem::path directory_;
};

/// True when `state` holds a TPM already.
[[nodiscard]] bool holds_tpm(const std::filesystem::path& state);

/// A running TPM. plug_in() gives the end that one QEMU takes; between QEMU's commands anybody may
/// send his own with transmit().
class SoftwareTpm {
  public:
    SoftwareTpm(const std::filesystem::path& state, const std::filesystem::path& log);
    SoftwareTpm(const SoftwareTpm&) = delete;
    SoftwareTpm& operator=(const SoftwareTpm&) = delete;
    ~SoftwareTpm();

    /// The control channel for a new QEMU; the one before must have ended.
    [[nodiscard]] FileDescriptor plug_in();
    void set_environment(MeasuredEnvironment environment) { environment_ = environment; }
    /// A chipset that opens and closes localities itself: asked for each command above locality 0,
    /// from the TPM's thread, in place of the rule above. Set while no machine is plugged in.
    void set_gate(std::function<bool(TpmLocality)> gate);
    /// Called, from the TPM's thread, before the TPM is reset: the machine's power-on or reset.
    void set_on_reset(std::function<void()> listener);
    /// The chipset's own access, in any locality, past the gate.
    [[nodiscard]] std::vector<u8> transmit_as_chipset(TpmLocality locality,
                                                      std::span<const u8> command);
    /// The dynamic root of trust: _TPM_Hash_Start, _Data and _End at locality 4, which resets PCR
    /// 17-22 and extends 17 with the digest of `data`. [TPM 2.0 part 1, 34.3]
    void measure_dynamic_root(std::span<const u8> data);
    /// Powers the TPM on (TPM_Init), for use without a machine; the caller then sends TPM2_Startup.
    void power_on();
    /// Sends a command as software in `locality` would, through the chipset's gate.
    [[nodiscard]] std::vector<u8> transmit(TpmLocality locality, std::span<const u8> command);
    /// Commands refused for their locality since the start.
    [[nodiscard]] unsigned refused() const { return refused_; }

  private:
    std::vector<u8> control(std::span<const u8> message, int passed = -1);
    void command(u32 code, std::span<const u8> body, int passed = -1);
    void serve_control();
    void serve_data();
    std::vector<u8> answer(std::span<const u8> request, FileDescriptor passed);
    std::vector<u8> exchange(TpmLocality locality, std::span<const u8> command);
    [[nodiscard]] bool admits(TpmLocality locality) const;
    void unplug();

    std::optional<Process> swtpm_; // first: it ends last
    FileDescriptor control_;
    FileDescriptor data_;
    std::mutex control_lock_; // one request and its reply on control_
    std::mutex data_lock_;    // one command and its response on data_; taken before control_lock_
    std::atomic<u8> guest_locality_{0}; // what QEMU asked for last
    std::atomic<MeasuredEnvironment> environment_{MeasuredEnvironment::closed};
    std::atomic<unsigned> refused_{0};
    std::function<bool(TpmLocality)> gate_; // both set while nothing is plugged in
    std::function<void()> on_reset_;
    FileDescriptor qemu_control_;
    FileDescriptor qemu_data_;
    std::thread control_thread_;
    std::thread data_thread_;
};

} // namespace ravelin::tools
