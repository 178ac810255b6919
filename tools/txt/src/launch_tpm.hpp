// SPDX-License-Identifier: Apache-2.0
// The software TPM as the processor and SINIT use it.
#pragma once

#include "tools/txt/sinit.hpp"

#include <tools/server/tpm.hpp>

namespace ravelin::tools::txt {

class SoftwareLaunchTpm final : public LaunchTpm {
  public:
    explicit SoftwareLaunchTpm(SoftwareTpm& tpm) : tpm_{tpm} {}
    void measure_dynamic_root(std::span<const u8> data) override;
    void extend(PcrIndex pcr, std::span<const wire::LogDigest> digests) override;
    [[nodiscard]] std::vector<wire::tpm::Algorithm> banks() override;

  private:
    SoftwareTpm& tpm_;
};

} // namespace ravelin::tools::txt
