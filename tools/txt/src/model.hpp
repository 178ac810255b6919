// SPDX-License-Identifier: Apache-2.0
// The model behind TxtServer. One thread holds the debugger and does everything but two things,
// which the TPM's threads ask for: whether a locality is open, and what a platform reset does.
#pragma once

#include "launch_tpm.hpp"
#include "tools/txt/boot_medium.hpp"
#include "tools/txt/debugger.hpp"
#include "tools/txt/registers.hpp"
#include "tools/txt/server.hpp"
#include "tools/txt/tboot_image.hpp"

#include <atomic>
#include <condition_variable>
#include <set>

namespace ravelin::tools::txt {

class TxtServer::Model {
  public:
    Model(const TxtConfig& config, SoftwareTpm& tpm, Console::Echo echo, EventListener listener);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;
    ~Model();

    [[nodiscard]] Machine& machine() { return *machine_; }
    [[nodiscard]] std::string events() const;
    void wait_for_event(const std::string& pattern, std::chrono::milliseconds timeout);
    [[nodiscard]] std::array<u8, 32> mle_hash() const;
    [[nodiscard]] RegisterFile& registers() { return registers_; }
    [[nodiscard]] MachineMemory& memory() { return memory_; }

  private:
    /// Where the boot is; decides which breakpoints are set.
    enum class Stage { firmware, loader, tboot, payload };
    enum class Stop { handled, not_ours };

    void say(const std::string& event);
    void run();
    void poll();
    void on_stop(const StopReply& stop);
    Stop on_breakpoint(unsigned processor, const Registers& registers);
    void note(const Settled& settled);

    // Platform (model.cpp)
    void platform_reset(); // from the TPM's thread
    void after_reset();
    void firmware_done();
    void map_registers();
    void tboot_entered();
    void handed_over(u64 payload);
    void shutdown_entered();
    void set_stage(Stage stage);
    void set_traps(bool on);
    void set_watches(bool on);
    void reset_platform(u32 code, const std::string& why);
    [[nodiscard]] std::optional<u32> find_shutdown_entry();
    [[nodiscard]] std::vector<u8> find_dmar();

    // Processor (smx.cpp)
    void getsec(unsigned processor, const Registers& registers);
    void parameters(const Registers& registers);
    void senter(const Registers& registers);
    void wake_rlps(const Registers& registers);
    Stop on_wakeup_breakpoint(unsigned processor, const Registers& registers);
    void read_cr4(unsigned processor, const Registers& registers, unsigned target);
    void write_cr4(unsigned processor, const Registers& registers, unsigned source);

    const TxtConfig config_;
    const FirmwareMemory firmware_;
    const TbootImage tboot_;
    SharedFile private_window_{"txt-private", space_size};
    SharedFile public_window_{"txt-public", space_size};
    RegisterFile registers_;
    MachineMemory memory_;
    SoftwareTpm& tpm_;
    EventListener listener_;

    mutable std::mutex events_lock_; // events_, mle_hash_, ended_
    std::condition_variable happened_;
    std::vector<std::string> events_;
    std::array<u8, 32> mle_hash_{};
    bool ended_{false};

    // The model's thread alone, from here.
    Stage stage_{Stage::firmware};
    std::set<u64> breakpoints_;
    std::set<u64> watchpoints_;
    std::optional<u32> shutdown_entry_;
    std::set<unsigned> smx_enabled_; ///< processors whose CR4 shows SMXE
    struct Wakeup {
        Registers caller;
        unsigned processor;
        u64 stub_end;
        u64 join_entry;
        std::vector<u8> low_page;
        std::set<unsigned> arrived;
    };
    std::optional<Wakeup> wakeup_;

    std::atomic<bool> was_reset_{false};
    std::atomic<bool> reset_asked_{false};
    std::atomic<bool> stopping_{false};
    PrivateDirectory directory_;
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Debugger> debugger_;
    std::thread thread_;
};

} // namespace ravelin::tools::txt
