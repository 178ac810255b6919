// SPDX-License-Identifier: Apache-2.0
// Just enough AML to describe a PCI root: names, devices, integers, buffers. [ACPI 6.4 20.2]
#pragma once

#include <base/cursor.hpp>
#include <base/types.hpp>

#include <string_view>

namespace ravelin::hv::builder {

class AmlWriter {
  public:
    explicit AmlWriter(std::span<u8> buffer) : out_{buffer} {}

    /// Opens Scope(\_SB_) or a device; close() patches its length. Packages are written with the
    /// four-byte length form.
    [[nodiscard]] usize open_scope(std::string_view name);
    [[nodiscard]] usize open_device(std::string_view name);
    void close(usize package);

    void name_integer(std::string_view name, u32 value);
    /// An EISA id such as "PNP0A08".
    void name_eisa_id(std::string_view name, std::string_view id);
    /// A sleep state's package: type for both control registers. [ACPI 6.4 7.4.2]
    void name_sleep_type(std::string_view name, u8 type);
    void name_buffer(std::string_view name, std::span<const u8> bytes);

    [[nodiscard]] usize offset() const { return out_.offset(); }
    [[nodiscard]] bool overflowed() const { return !out_.finish().is_ok(); }

  private:
    void put_name(std::string_view name);
    [[nodiscard]] usize open_package();

    LittleWriter out_;
};

[[nodiscard]] u32 eisa_id(std::string_view id);

} // namespace ravelin::hv::builder
