// SPDX-License-Identifier: Apache-2.0
// A TPM that answers what it likes: every command of the hypervisor ends, with a value or an error.
// Input: a byte that chooses the command, then responses, each behind its size in two.
#include <hv/tpm/tpm.hpp>

#include <support/tpm_answers.hpp>

using namespace ravelin;
using namespace ravelin::hv::tpm;
template <typename T> static int end(const Result<T, TpmError>& result) {
    if (!result.is_ok())
        (void)result.error().describe();
    return 0;
}
extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> bytes{data, size};
    test::GivenAnswers answers{bytes.empty() ? bytes : bytes.subspan(1)};
    test::LeapingClock clock;
    Tpm tpm{answers, clock};
    constexpr wire::tpm::Handle handle{0x8000'0000};
    HandleList handles;
    PcrValues values;
    Key key;
    Quote quote;
    std::array<u8, 48> random{};
    // clang-format off
    switch (bytes.empty() ? 0 : bytes[0] % 9) {
    case 0: return end(tpm.make_ready());
    case 1: return end(tpm.active_banks());
    case 2: return end(tpm.list_handles(handle, handles));
    case 3: return end(tpm.read(PcrSet{0xff'ffff}, values));
    case 4: return end(tpm.random(random));
    case 5: return end(tpm.create_primary(handle, random, key));
    case 6: return end(tpm.quote(handle, handle, random, PcrSet{0x53ff}, quote));
    case 7: return end(tpm.context_save(handle));
    default: return end(tpm.start_policy_session());
    }
    // clang-format on
}
