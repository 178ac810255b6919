// SPDX-License-Identifier: Apache-2.0
// A TCTI (version 2) for tpm2-tss over the control hypercall, so that stock TPM software talks to
// domain 0's filtered channel. Locality 0 only. [TCG TSS 2.0 TPM Command Transmission Interface]
#pragma once

#include "attest/control_channel.hpp"

#include <tss2/tss2_tcti.h>

namespace ravelin::attest {

/// The context outlives every ESYS or SYS context made from it, the channel outlives the context.
class HypercallTcti {
  public:
    struct State;
    explicit HypercallTcti(ControlChannel& channel);
    ~HypercallTcti();
    HypercallTcti(const HypercallTcti&) = delete;
    HypercallTcti& operator=(const HypercallTcti&) = delete;

    [[nodiscard]] TSS2_TCTI_CONTEXT* context();

  private:
    std::unique_ptr<State> state_;
};

} // namespace ravelin::attest
