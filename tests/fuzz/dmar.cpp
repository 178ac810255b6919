// SPDX-License-Identifier: Apache-2.0
// Hostile DMAR tables: what decodes has every range inside its pool.
#include <wire/dmar.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    static wire::Dmar dmar;
    const auto decoded = wire::decode_dmar({data, size}, dmar);
    if (!decoded) {
        if (decoded.error().offset > size)
            std::abort();
        return 0;
    }
    const auto check = [](const auto& structures) {
        for (const auto& structure : structures)
            for (const auto& scope : dmar.of(structure.scopes))
                if (scope.path.empty())
                    std::abort();
    };
    check(dmar.units);
    check(dmar.reserved);
    check(dmar.root_ports);
    return 0;
}
