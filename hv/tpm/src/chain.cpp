// SPDX-License-Identifier: Apache-2.0
// Hash, extend, log. An event that is logged was extended; one that was extended and could not be
// logged is a failure, because its register can no longer be explained.
#include "hv/tpm/chain.hpp"

#include <algorithm>

namespace ravelin::hv::tpm {

using wire::EventType;
using wire::tpm::Algorithm;

namespace {

constexpr usize progress_step = 16 * 1024 * 1024;

/// A log without a TPM still needs a bank.
Banks banks_or_sha256(const Banks& banks) {
    Banks out = banks;
    if (out.known.empty())
        ensure(out.known.push_back(Algorithm::sha256), "room for one bank");
    return out;
}

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char and u8 are both bytes; the view only reads.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

} // namespace

std::string_view event_word(Measured what) {
    switch (what) {
    case Measured::manifest:
        return "manifest";
    case Measured::kernel:
        return "kernel";
    case Measured::ramdisk:
        return "ramdisk";
    case Measured::command_line:
        return "cmdline";
    case Measured::configuration:
        return "config";
    }
    return "unknown";
}

Chain::Chain(
    Tpm* tpm, const Banks& banks, std::span<u8> log_buffer, Console& console, const ChainPlan& plan)
    : tpm_{tpm}, banks_{banks_or_sha256(banks)}, console_{console}, plan_{plan} {
    start_log(log_buffer, plan.earlier);
    plan_.earlier = {};
}

void Chain::start_log(std::span<u8> buffer, std::span<const u8> earlier) {
    if (earlier.empty()) {
        const auto writer = wire::LogWriter::create(buffer, banks_.known.span());
        ensure(writer.is_ok(), "the log's buffer holds at least its header");
        log_ = writer.value();
        for (const Algorithm bank : banks_.known)
            ensure(logged_.push_back(bank), "as many algorithms as banks");
        return;
    }
    ensure(earlier.size() <= buffer.size(), "the log's buffer holds the earlier log");
    std::copy(earlier.begin(), earlier.end(), buffer.begin());
    const auto reader = wire::LogReader::open(earlier, wire::LogDigests::some);
    ensure(reader.is_ok(), "the earlier log was read before");
    for (const auto& algorithm : reader.value().algorithms())
        ensure(logged_.push_back(algorithm.algorithm), "both have the same bound");
    log_ = wire::LogWriter::resume(buffer, earlier.size());
}

std::optional<Text> Chain::record(PcrIndex pcr,
                                  EventType type,
                                  const MultiHash::Result& hashes,
                                  std::span<const u8> data) {
    if (tpm_ != nullptr) {
        const auto extended = tpm_->extend(pcr, hashes.digests);
        if (!extended.is_ok())
            return extended.error().describe();
    }
    FixedVector<wire::LogDigest, max_banks> digests;
    // A bank that an earlier log's header does not announce has no place in that log.
    for (const auto& digest : hashes.digests)
        if (std::find(logged_.begin(), logged_.end(), digest.algorithm) != logged_.end())
            ensure(digests.push_back({digest.algorithm, digest.span()}), "one digest a bank");
    if (!log_->append(pcr, type, digests.span(), data).is_ok())
        return Text{"the log is full"};
    return std::nullopt;
}

std::optional<MeasurementFailure>
Chain::measure(Measured what, std::string_view name, std::span<const u8> bytes) {
    ensure(!sealed_, "nothing is measured after the separator");
    Text label{"ravelin:"};
    label << event_word(what) << ":" << name;
    MultiHash hash{banks_};
    for (usize done = 0; done < bytes.size();) {
        const usize left = bytes.size() - done;
        const usize now = left < progress_step ? left : progress_step;
        hash.update(bytes.subspan(done, now));
        done += now;
        if (bytes.size() > progress_step) {
            Text progress{"measuring "};
            (progress << label.view() << ": ").decimal(done >> 20) << " of ";
            console_.line((progress.decimal(bytes.size() >> 20) << " MiB").view());
        }
    }
    const auto hashes = hash.finish();
    if (what == Measured::manifest)
        manifest_digest_ = hashes.sha256;
    const auto problem = record(plan_.pcr, EventType::ipl, hashes, bytes_of(label.view()));
    if (problem)
        return MeasurementFailure{*this,
                                  Text{"measuring "} << label.view() << ": " << problem->view()};
    console_.line((Text{"measured "} << label.view()).view());
    return std::nullopt;
}

std::optional<MeasurementFailure> Chain::seal() {
    ensure(!sealed_, "one separator");
    sealed_ = true;
    constexpr std::array<u8, 4> separator{};
    MultiHash hash{banks_};
    hash.update(separator);
    const auto problem = record(plan_.pcr, EventType::separator, hash.finish(), separator);
    if (problem)
        return MeasurementFailure{*this, Text{"the separator: "} << problem->view()};
    return std::nullopt;
}

void Chain::cap(std::string_view reason) {
    Text label{"ravelin:unmeasured:"};
    label << reason;
    MultiHash hash{banks_};
    hash.update(bytes_of(label.view()));
    const auto hashes = hash.finish();
    const u32 set = plan_.capped_with.raw() | u32{1} << plan_.pcr.raw();
    for (u32 pcr = 0; pcr < PcrValues::count; ++pcr) {
        if ((set >> pcr & 1) == 0)
            continue;
        const auto problem = record(PcrIndex{pcr}, EventType::ipl, hashes, bytes_of(label.view()));
        if (problem) {
            quotable_ = false;
            console_.line((Text{"capping PCR "}.decimal(pcr)
                           << " failed, no evidence will be given: " << problem->view())
                              .view());
        }
    }
}

void MeasurementFailure::run_unmeasured(LaunchVerdict& verdict) && {
    Chain& chain = *chain_;
    chain_ = nullptr;
    chain.cap(reason_.view());
    verdict.downgrade(Unmeasured::measurement_failed, reason_);
    chain.console_.line((Text{"UNMEASURED: "} << reason_.view()).view());
}

} // namespace ravelin::hv::tpm
