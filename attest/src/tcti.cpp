// SPDX-License-Identifier: Apache-2.0
// See the header. The state machine: idle, transmit → waiting, receive of the whole → idle.
#include "attest/tcti.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <thread>

namespace ravelin::attest {

namespace control = wire::control;

struct HypercallTcti::State {
    TSS2_TCTI_CONTEXT_COMMON_V2 common{}; ///< first: tpm2-tss knows the context by its address
    ControlChannel* channel{nullptr};
    bool waiting{false};
    /// Taken from the hypervisor when the caller asked for the size only.
    std::optional<Bytes> response;
};

namespace {

constexpr u64 magic = 0x526176656c54434d;
constexpr std::chrono::milliseconds poll_interval{1};

using State = HypercallTcti::State;

State* state_of(TSS2_TCTI_CONTEXT* context) {
    // SAFETY: the context is the first member of the State that made it; the magic says it is ours.
    auto* state = reinterpret_cast<State*>(context);
    return state != nullptr && state->common.v1.magic == magic ? state : nullptr;
}

TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
    State* state = state_of(context);
    if (state == nullptr)
        return TSS2_TCTI_RC_BAD_CONTEXT;
    if (command == nullptr || size == 0)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (state->waiting)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    const i64 result = state->channel->call(control::Operation::tpm_submit, {command, size}, {});
    if (result == -control::ebusy)
        return TSS2_TCTI_RC_TRY_AGAIN;
    if (result == -control::e2big)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    if (result < 0)
        return TSS2_TCTI_RC_IO_ERROR;
    state->waiting = true;
    state->response.reset();
    return TSS2_RC_SUCCESS;
}

/// Polls until the response is here or the time is over; a negative time has no end.
TSS2_RC await(State& state, int32_t timeout) {
    const auto start = std::chrono::steady_clock::now();
    Bytes buffer(control::max_response);
    for (;;) {
        const i64 size = state.channel->call(control::Operation::tpm_poll, {}, buffer);
        if (size >= 0) {
            buffer.resize(static_cast<usize>(size));
            state.response = std::move(buffer);
            return TSS2_RC_SUCCESS;
        }
        if (size != -control::eagain) {
            state.waiting = false;
            return TSS2_TCTI_RC_IO_ERROR;
        }
        if (timeout >= 0 &&
            std::chrono::steady_clock::now() - start >= std::chrono::milliseconds{timeout})
            return TSS2_TCTI_RC_TRY_AGAIN;
        std::this_thread::sleep_for(poll_interval);
    }
}

TSS2_RC
receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout) {
    State* state = state_of(context);
    if (state == nullptr)
        return TSS2_TCTI_RC_BAD_CONTEXT;
    if (size == nullptr || timeout < TSS2_TCTI_TIMEOUT_BLOCK)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (!state->waiting)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!state->response) {
        if (const TSS2_RC result = await(*state, timeout); result != TSS2_RC_SUCCESS)
            return result;
    }
    const usize capacity = *size;
    *size = state->response->size();
    if (response == nullptr) // the caller wants to know the size only
        return TSS2_RC_SUCCESS;
    if (capacity < state->response->size())
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    std::ranges::copy(*state->response, response);
    state->response.reset();
    state->waiting = false;
    return TSS2_RC_SUCCESS;
}

void finalize(TSS2_TCTI_CONTEXT*) {}

TSS2_RC cancel(TSS2_TCTI_CONTEXT* context) {
    State* state = state_of(context);
    if (state == nullptr)
        return TSS2_TCTI_RC_BAD_CONTEXT;
    if (!state->waiting)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    const i64 result = state->channel->call(control::Operation::tpm_cancel, {}, {});
    return result < 0 ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

TSS2_RC poll_handles(TSS2_TCTI_CONTEXT*, TSS2_TCTI_POLL_HANDLE*, size_t*) {
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

TSS2_RC set_locality(TSS2_TCTI_CONTEXT* context, uint8_t locality) {
    const State* state = state_of(context);
    if (state == nullptr)
        return TSS2_TCTI_RC_BAD_CONTEXT;
    return locality == 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_BAD_VALUE;
}

TSS2_RC make_sticky(TSS2_TCTI_CONTEXT*, TPM2_HANDLE*, uint8_t) {
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

} // namespace

HypercallTcti::HypercallTcti(ControlChannel& channel) : state_{std::make_unique<State>()} {
    state_->channel = &channel;
    state_->common.v1 = {.magic = magic,
                         .version = 2,
                         .transmit = transmit,
                         .receive = receive,
                         .finalize = finalize,
                         .cancel = cancel,
                         .getPollHandles = poll_handles,
                         .setLocality = set_locality};
    state_->common.makeSticky = make_sticky;
}

HypercallTcti::~HypercallTcti() = default;

TSS2_TCTI_CONTEXT* HypercallTcti::context() {
    // SAFETY: tpm2-tss' opaque context is the common head that every TCTI begins with.
    return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&state_->common);
}

} // namespace ravelin::attest
