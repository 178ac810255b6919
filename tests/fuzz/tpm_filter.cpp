// SPDX-License-Identifier: Apache-2.0
// Hostile commands against domain 0's TPM filter: what it permits refers to nothing but what the
// domain owns.
#include <hv/tpm/filter.hpp>

#include <cstdlib>

using namespace ravelin;
using namespace ravelin::hv::tpm;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    static const VirtualHandles owned = [] {
        VirtualHandles handles;
        handles.take(*handles.free_object());
        handles.take(*handles.free_session(), wire::tpm::Handle{0x0300'0000});
        return handles;
    }();
    const auto decision = permit({data, size}, owned);
    if (!decision.is_ok())
        return 0;
    for (const auto& reference : decision.value().references) {
        using Kind = Permitted::Reference::Kind;
        const bool own = reference.kind == Kind::object ? owned.object(reference.handle) != nullptr
                         : reference.kind == Kind::session
                             ? owned.session(reference.handle) != nullptr
                             : true;
        if (!own || usize{reference.offset} + 4 > size)
            std::abort();
    }
    const auto code = decision.value().code;
    if (code == wire::tpm::CommandCode::quote || code == wire::tpm::CommandCode::pcr_extend)
        std::abort();
    return 0;
}
