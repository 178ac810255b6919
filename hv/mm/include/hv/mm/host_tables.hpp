// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own page tables: 4 levels, never writable and executable at once. [AMD APM
// vol2 5.3] [SDM vol3 4.5]
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <base/types.hpp>

namespace ravelin::hv::mm {

enum class Protection : u8 { read_only, read_write, read_execute };
enum class Cache : u8 { write_back, uncached };

enum class HostTableError : u8 { out_of_frames, misaligned, already_mapped };

class HostTables {
  public:
    constexpr explicit HostTables(TableMemory& memory) : memory_{memory} {}

    [[nodiscard]] Status<HostTableError> initialise();
    [[nodiscard]] HostPhysical root() const { return root_.address(); }

    /// Maps [at, at + size) to [physical, ...) with 4 KiB pages, or 2 MiB and 1 GiB where `largest`
    /// and alignment allow.
    [[nodiscard]] Status<HostTableError> map(HostVirtual at,
                                             HostPhysical physical,
                                             Bytes size,
                                             Protection protection,
                                             Cache cache,
                                             u64 largest = page_size);

    struct Translation {
        HostPhysical address;
        Protection protection;
        Cache cache;
    };
    /// What an address translates to; false where nothing is mapped.
    [[nodiscard]] bool translate(HostVirtual at, Translation& out) const;

    [[nodiscard]] u64 tables() const { return tables_; }

  private:
    [[nodiscard]] Result<u64*, HostTableError> entry_for(u64 address, unsigned level);

    TableMemory& memory_;
    HostFrame root_{};
    u64 tables_{};
};

} // namespace ravelin::hv::mm
