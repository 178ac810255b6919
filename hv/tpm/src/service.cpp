// SPDX-License-Identifier: Apache-2.0
// Start-up in the order of trust, and the dispatch of control operations.
#include "hv/tpm/service.hpp"

namespace ravelin::hv::tpm {

namespace control = wire::control;
using control::Operation;

namespace {

/// What the verdict may rest on.
constexpr PcrSet looked_at{firmware_pcrs.raw() | dynamic_pcrs.raw() |
                           u32{1} << dynamic_measurement_pcr.raw()};
constexpr Locality dynamic_locality{2};
constexpr Locality static_locality{0};

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char and u8 are both bytes; the view only reads.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

} // namespace

Service::Service(RegisterSpace& registers, Clock& clock, Console& console)
    : console_{console}, tis_{std::in_place, registers, clock}, tpm_{*tis_, clock},
      channel_{tpm_, console}, attestor_{tpm_} {}

Service::Service(Transport& transport, Clock& clock, Console& console)
    : console_{console}, tpm_{transport, clock}, channel_{tpm_, console}, attestor_{tpm_} {}

void Service::take_over(LaunchFacts& facts) {
    if (tis_) {
        const auto found = tis_->probe();
        if (!found.is_ok()) {
            facts.tpm_problem = Text{"no TPM 2.0: "} << name(found.error());
            return;
        }
        console_.line((Text{"TPM "}.hex(tis_->vendor()) << ", FIFO interface, locality 0").view());
    }
    facts.has_tpm = true;
    const auto taken = [&]() -> Status<TpmError> {
        facts.startup = RAVELIN_TRY(tpm_.make_ready());
        // What firmware or loader left loaded would take the slots that are ours.
        (void)RAVELIN_TRY(channel_.sweep());
        banks_ = RAVELIN_TRY(tpm_.active_banks());
        facts.has_sha256_bank = banks_.has(wire::tpm::Algorithm::sha256);
        if (facts.has_sha256_bank)
            (void)RAVELIN_TRY(tpm_.read(looked_at, pcrs_));
        return tpm_.random(boot_id_);
    }();
    if (!taken.is_ok()) {
        facts.tpm_problem = taken.error().describe();
        return;
    }
    facts.pcrs = &pcrs_;
    has_tpm_ = true;
    if (banks_.unknown)
        console_.line("a PCR bank is on in an algorithm Ravelin does not have: it stays as it is");
}

void Service::take_dynamic_locality(DynamicLaunch& dynamic) {
    const auto problem = [&]() -> std::optional<Text> {
        const auto moved = tpm_.transport().use(dynamic_locality);
        if (!moved.is_ok())
            return Text{name(moved.error())};
        // Where the chipset keeps it closed, a command tells.
        const auto answered = tpm_.random(boot_id_);
        return answered.is_ok() ? std::nullopt : std::optional{answered.error().describe()};
    }();
    has_dynamic_locality_ = !problem;
    if (problem && !dynamic.problem)
        dynamic.problem = Text{"the TPM's locality 2 is closed: "} << problem->view();
}

void Service::start(const FirmwareLog& firmware,
                    std::string_view version,
                    const DynamicLaunch& dynamic) {
    firmware_ = firmware;
    version_.assign(version);
    LaunchFacts facts;
    facts.firmware_log = firmware.bytes;
    facts.log_truncated = firmware.truncated;
    facts.dynamic = dynamic;
    if (dynamic.log.size() > largest_earlier_log && !dynamic.problem)
        facts.dynamic.problem = Text{"SINIT's and tboot's log is longer than any known"};
    take_over(facts);
    if (has_tpm_ && dynamic.wanted)
        take_dynamic_locality(facts.dynamic);
    verdict_ = decide_launch(facts);
    const bool drtm = verdict_->launch() == wire::Launch::drtm;
    if (has_dynamic_locality_ && !drtm && !cap_dynamic_pcrs(verdict_->reason()))
        console_.line("capping PCR 17-19 failed");
    const Locality own = drtm ? dynamic_locality : static_locality;
    if (has_tpm_ && dynamic.wanted && !tpm_.transport().use(own).is_ok())
        has_tpm_ = false;
    channel_.set_own_locality(own);
    chain_.emplace(has_tpm_ ? &tpm_ : nullptr,
                   banks_,
                   log_buffer_,
                   console_,
                   drtm ? ChainPlan{dynamic_measurement_pcr, dynamic.log, dynamic_pcrs}
                        : ChainPlan{});
    if (verdict_->launch() == wire::Launch::unmeasured) {
        console_.line((Text{"UNMEASURED: "} << verdict_->reason()).view());
        chain_->cap(verdict_->reason());
    } else {
        console_.line((Text{"launch: "} << wire::name(verdict_->launch())).view());
    }
    if (has_tpm_)
        make_key();
}

bool Service::cap_dynamic_pcrs(std::string_view why) {
    Text text{"ravelin:end:"};
    text << why;
    MultiHash hash{banks_};
    hash.update(bytes_of(text.view()));
    const auto hashes = hash.finish();
    for (const u32 pcr : {17u, 18u, dynamic_measurement_pcr.raw()})
        if (!tpm_.extend(PcrIndex{pcr}, hashes.digests).is_ok())
            return false;
    return true;
}

void Service::leave() {
    if (!has_dynamic_locality_)
        return;
    if (tis_)
        tis_->abandon();
    const bool capped = tpm_.transport().use(dynamic_locality).is_ok() && cap_dynamic_pcrs("left");
    console_.line(capped ? "PCR 17-19 capped" : "PCR 17-19 could not be capped");
    if (tis_)
        (void)tis_->relinquish();
}

void Service::make_key() {
    const auto made = attestor_.make_key(verdict_->launch());
    if (!made.is_ok()) {
        console_.line(
            (Text{"no attestation key, no evidence: "} << made.error().describe().view()).view());
        return;
    }
    channel_.set_attestation_key(attestor_.key().handle);
    console_.line("attestation key ready");
}

i64 Service::handle(u64 operation,
                    const Submitter& submitter,
                    std::span<const u8> request,
                    std::span<u8> response) {
    switch (static_cast<Operation>(operation)) {
    case Operation::info:
        return info(request, response);
    case Operation::tpm_submit:
        return submit(request);
    case Operation::tpm_poll:
        return request.empty() ? poll(response) : -control::einval;
    case Operation::tpm_cancel:
        if (!request.empty())
            return -control::einval;
        return channel_.cancel().is_ok() ? 0 : -control::einval;
    case Operation::statement:
        return state(submitter, request, response);
    case Operation::log_read:
        return read_log(request, response);
    case Operation::audit_read:
    default: // those of domains are not the TPM's
        return -control::enosys;
    }
}

i64 Service::info(std::span<const u8> request, std::span<u8> response) const {
    if (!request.empty())
        return -control::einval;
    const auto encoded = control::encode(
        {.launch = verdict_->launch(), .dma = dma_, .has_tpm = has_tpm_, .boot_id = boot_id_});
    if (response.size() < encoded.size())
        return -control::enobufs;
    for (usize i = 0; i < encoded.size(); ++i)
        response[i] = encoded[i];
    return static_cast<i64>(encoded.size());
}

i64 Service::submit(std::span<const u8> request) {
    if (!has_tpm_)
        return -control::enxio;
    const auto submitted = channel_.submit(request);
    if (submitted.is_ok())
        return 0;
    return submitted.error() == ChannelError::busy ? -control::ebusy : -control::e2big;
}

i64 Service::poll(std::span<u8> response) {
    if (!has_tpm_)
        return -control::enxio;
    const auto progress = channel_.poll();
    if (!progress.is_ok())
        return -control::einval;
    if (progress.value() == Progress::executing)
        return -control::eagain;
    const auto taken = channel_.take(response);
    if (!taken.is_ok())
        return -control::enobufs;
    return static_cast<i64>(taken.value().size());
}

Status<TpmError> Service::quote_window() {
    (void)RAVELIN_TRY(channel_.settle());
    auto closed = attestor_.close();
    // Sessions of the domain that were saved long ago can stand in the way of a new one.
    while (!closed.is_ok() && closed.error().kind == TpmError::Kind::refused &&
           closed.error().code == wire::tpm::rc::context_gap && channel_.drop_oldest_session())
        closed = attestor_.close();
    return closed;
}

i64 Service::state(const Submitter& submitter,
                   std::span<const u8> request,
                   std::span<u8> response) {
    if (!has_tpm_ || !attestor_.has_key() || !chain_->quotable())
        return -control::enxio;
    const auto decoded = control::decode_statement_request(request);
    if (!decoded.is_ok())
        return -control::einval;
    wire::Statement statement{.launch = verdict_->launch(),
                              .dma = dma_,
                              .boot_id = boot_id_,
                              .manifest_digest = chain_->manifest_digest(),
                              .version = version_,
                              .submitter = submitter.id,
                              .nonce = decoded.value().nonce,
                              .caller_data = decoded.value().caller_data};
    statement.label.assign(submitter.label);
    // One submitter today: its statement opens and closes the window.
    attestor_.open();
    const auto place = attestor_.add(statement);
    ensure(place.has_value(), "an open window has room");
    const auto closed = quote_window();
    if (!closed.is_ok()) {
        console_.line((Text{"quote failed: "} << closed.error().describe().view()).view());
        return -control::eio;
    }
    const auto encoded = attestor_.evidence(*place, response);
    if (!encoded.is_ok())
        return -control::enobufs;
    return static_cast<i64>(encoded.value().size());
}

i64 Service::read_log(std::span<const u8> request, std::span<u8> response) {
    const auto decoded = control::decode_log_request(request);
    if (!decoded.is_ok())
        return -control::einval;
    const u64 offset = decoded.value().offset;
    if (decoded.value().log == control::Log::console)
        return static_cast<i64>(console_.history(offset, response));
    const auto log = decoded.value().log == control::Log::ravelin
                         ? chain_->log()
                         : firmware_.bytes.value_or(std::span<const u8>{});
    if (offset >= log.size())
        return 0;
    const auto rest = log.subspan(offset);
    const usize count = rest.size() < response.size() ? rest.size() : response.size();
    for (usize i = 0; i < count; ++i)
        response[i] = rest[i];
    return static_cast<i64>(count);
}

} // namespace ravelin::hv::tpm
