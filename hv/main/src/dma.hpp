// SPDX-License-Identifier: Apache-2.0
// DMA and interrupt remapping of this machine, over iommu/: everything denied before the first
// domain is built, then each device exactly its domain's memory.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/domain/domain.hpp>
#include <hv/grants/dma_mirror.hpp>
#include <hv/vpci/machine.hpp>

namespace ravelin::hv {

/// Finds the VT-d units, denies every device, turns DMA and interrupt remapping on and says so;
/// tells the TPM service. False, after saying why, when this machine cannot: then no device is
/// given away and the launch says DMA UNPROTECTED. Context: boot CPU, ACPI tables found, before
/// anything is measured.
[[nodiscard]] bool start_dma_protection();

/// Lets a device reach exactly the RAM of that domain, as its stage-2 table has it. False when it
/// cannot be attached. Context: boot CPU, domain built, start_dma_protection() was true.
[[nodiscard]] bool attach_device(PciAddress device, domain::Domain& domain);

/// Changes of a domain's memory after its devices were attached. Any CPU.
[[nodiscard]] grants::DmaMirror& dma_mirror();

/// A remapping entry that only `device` may use, to `host_vector` of the boot CPU.
[[nodiscard]] Result<vpci::InterruptMessage, vpci::RouteError> remap_interrupt(PciAddress device,
                                                                               Vector host_vector);

/// Prints faults that were recorded since the last call, with device, address, reason and owner.
/// Any CPU.
void report_dma_faults();

/// IOTLB invalidations so far.
[[nodiscard]] u64 iotlb_flushes();

} // namespace ravelin::hv
