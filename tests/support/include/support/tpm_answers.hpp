// SPDX-License-Identifier: Apache-2.0
// A transport that answers any command with the next of some given responses, and a clock that
// leaps, so that no retry waits.
#pragma once

#include <base/cursor.hpp>
#include <hv/tpm/platform.hpp>
#include <hv/tpm/transport.hpp>

namespace ravelin::test {

/// Each response stands behind its size in two bytes; at their end nothing answers any more.
class GivenAnswers final : public hv::tpm::Transport {
  public:
    using Error = hv::tpm::TransportError;
    explicit GivenAnswers(std::span<const u8> bytes) : reader_{bytes} {}
    Status<Error> start(std::span<const u8>) override { return Unit{}; }
    Result<hv::tpm::Progress, Error> poll() override { return hv::tpm::Progress::complete; }
    Status<Error> cancel() override { return Unit{}; }
    Status<Error> use(Locality) override { return Unit{}; }
    Result<std::span<const u8>, Error> finish(std::span<u8> buffer) override {
        const auto size = reader_.integer<u16>();
        const auto bytes = reader_.bytes(size.is_ok() ? size.value() : 1);
        if (!size.is_ok() || !bytes.is_ok() || bytes.value().size() > buffer.size())
            return Failure{Error::absent};
        return BigWriter{buffer}.bytes(bytes.value()).finish().value();
    }
    Result<std::span<const u8>, Error>
    transact(std::span<const u8>, std::span<u8> buffer, hv::tpm::Patience) override {
        return finish(buffer);
    }

  private:
    BigReader reader_;
};

class LeapingClock final : public hv::tpm::Clock {
  public:
    u64 microseconds() override { return now_ += 1'000'000; }
    void relax() override {}

  private:
    u64 now_ = 0;
};

} // namespace ravelin::test
