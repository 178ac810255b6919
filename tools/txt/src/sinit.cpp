// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/sinit.hpp"

#include <crypto/sha.hpp>

namespace ravelin::tools::txt {
namespace {

using wire::LogDigest;
using wire::tpm::Algorithm;

/// Event types of a TXT launch. [TXT SDG, table F-1]
enum class TxtEvent : u32 {
    hash_start = 0x402,
    mle_hash = 0x404,
    bios_module = 0x40a,
    processor_status = 0x40b,
    policy_control = 0x40c,
    stm_hash = 0x40e,
    capabilities = 0x40f,
    sinit_key = 0x410,
    policy_details = 0x412,
    policy_authorities = 0x413,
};

template <typename Hash> Bytes digest(std::span<const u8> data) {
    const auto value = crypto::hash<Hash>(data);
    return {value.begin(), value.end()};
}

Bytes digest_by(Algorithm algorithm, std::span<const u8> data) {
    switch (algorithm) {
    case Algorithm::sha1:
        return digest<crypto::Sha1>(data);
    case Algorithm::sha256:
        return digest<crypto::Sha256>(data);
    case Algorithm::sha384:
        return digest<crypto::Sha384>(data);
    default:
        return digest<crypto::Sha512>(data);
    }
}

Bytes number(u32 value) {
    return {static_cast<u8>(value),
            static_cast<u8>(value >> 8),
            static_cast<u8>(value >> 16),
            static_cast<u8>(value >> 24)};
}

/// Extends every bank and keeps the log.
class Measurer {
  public:
    Measurer(LaunchTpm& tpm, std::span<u8> log)
        : tpm_{tpm}, banks_{tpm.banks()}, log_{wire::LogWriter::create(log, banks_)} {}

    /// The dynamic root: the TPM has hashed it already.
    void dynamic_root(std::span<const u8> data) {
        tpm_.measure_dynamic_root(data);
        record(PcrIndex{17}, TxtEvent::hash_start, data);
    }
    void measure(u32 pcr, TxtEvent type, std::span<const u8> data) {
        tpm_.extend(PcrIndex{pcr}, record(PcrIndex{pcr}, type, data));
    }
    /// The log's bytes; empty when it did not fit.
    [[nodiscard]] std::span<const u8> log() const {
        return full_ || !log_ ? std::span<const u8>{} : log_.value().bytes();
    }

  private:
    std::span<const LogDigest> record(PcrIndex pcr, TxtEvent type, std::span<const u8> data) {
        digests_.clear();
        values_.clear();
        for (const Algorithm bank : banks_)
            values_.push_back(digest_by(bank, data));
        for (std::size_t i = 0; i < banks_.size(); ++i)
            digests_.push_back({banks_[i], values_[i]});
        if (!log_ || !log_.value().append(pcr, static_cast<wire::EventType>(type), digests_, {}))
            full_ = true;
        return digests_;
    }

    LaunchTpm& tpm_;
    std::vector<Algorithm> banks_;
    Result<wire::LogWriter, wire::LogFull> log_;
    bool full_{false};
    std::vector<Bytes> values_;
    std::vector<LogDigest> digests_;
};

Failure<SinitError> failed(SinitFailure failure, std::string reason) {
    return {{failure, std::move(reason)}};
}

std::array<u8, 20> sha1_of(std::span<const u8> data) {
    return crypto::hash<crypto::Sha1>(data);
}

} // namespace

Result<Launched, SinitError> run_sinit(PhysicalMemory& memory,
                                       LaunchTpm& tpm,
                                       const LaunchPlatform& platform,
                                       const wire::Acm& acm,
                                       std::span<const u8> module,
                                       u32 edx) {
    const auto parts = find_heap_parts(memory, platform.heap_base, platform.heap_size);
    if (!parts)
        return failed(SinitFailure::heap, "the heap's sizes do not fit it");
    const u64 os_at = parts.value().address[2];
    const auto os_bytes = memory.read(os_at, parts.value().size[2]);
    const auto os = os_bytes ? decode_os_sinit_data(*os_bytes, os_at)
                             : Result<OsSinitData, HeapError>{Failure{HeapError::outside}};
    if (!os)
        return failed(SinitFailure::os_sinit_data, "OsSinitData does not decode");
    const OsSinitData& data = os.value();
    const auto mle = read_mle(memory,
                              data.page_table,
                              data.mle_size,
                              data.mle_header,
                              acm.least_mle_version,
                              {data.low_protected_base, data.low_protected_size});
    if (!mle)
        return failed(SinitFailure::measured_environment, std::string{text(mle.error())});
    if (!data.event_log)
        return failed(SinitFailure::event_log, "OsSinitData asks for no TCG event log");
    const std::span<u8> log = memory.at(data.event_log->address, data.event_log->size);

    Measurer measurer{tpm, log};
    Bytes root = measured_part(acm);
    const Bytes control = number(edx);
    root.insert(root.end(), control.begin(), control.end());
    measurer.dynamic_root(root);
    const Bytes none;
    const Bytes capabilities = number(data.capabilities);
    const Bytes no_module(20); // the heap's bios_acm_id
    measurer.measure(17, TxtEvent::bios_module, no_module);
    measurer.measure(17, TxtEvent::processor_status, number(0));
    measurer.measure(17, TxtEvent::policy_details, none);
    measurer.measure(17, TxtEvent::stm_hash, none);
    measurer.measure(17, TxtEvent::capabilities, capabilities);
    measurer.measure(17, TxtEvent::mle_hash, mle.value().bytes);
    Bytes key{acm.public_key.begin(), acm.public_key.end()};
    const Bytes exponent = number(acm.public_exponent);
    key.insert(key.end(), exponent.begin(), exponent.end());
    measurer.measure(18, TxtEvent::sinit_key, key);
    measurer.measure(18, TxtEvent::processor_status, number(0));
    measurer.measure(18, TxtEvent::capabilities, capabilities);
    measurer.measure(18, TxtEvent::policy_control, number(0));
    measurer.measure(18, TxtEvent::policy_authorities, none);
    if (measurer.log().empty() ||
        !memory.write(data.event_log->next_at, number(static_cast<u32>(measurer.log().size()))))
        return failed(SinitFailure::event_log, "the event log does not fit its buffer");

    const Bytes to_mle = encode(SinitMleData{.edx = edx,
                                             .sinit_hash = sha1_of(module),
                                             .mle_hash = sha1_of(mle.value().bytes),
                                             .wakeup = platform.wakeup,
                                             .memory = platform.memory,
                                             .dmar = platform.dmar});
    const u64 used = parts.value().sinit_mle_data - platform.heap_base;
    if (to_mle.size() > platform.heap_size - used ||
        !memory.write(parts.value().sinit_mle_data, to_mle))
        return failed(SinitFailure::heap, "no room for SinitMleData");
    return Launched{.entry = mle.value().entry,
                    .page_table = data.page_table,
                    .mle_hash = crypto::hash<crypto::Sha256>(mle.value().bytes)};
}

} // namespace ravelin::tools::txt
