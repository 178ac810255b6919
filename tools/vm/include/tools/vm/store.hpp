// SPDX-License-Identifier: Apache-2.0
// The xenstore as the toolstack uses it. An interface, so that the toolstack is tested against a
// store that is a class.
#pragma once

#include <base/types.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ravelin::vm {

/// Who may do what with a node: the first entry is its owner, and what everybody else may.
struct Permission {
    enum class May { nothing, read };
    DomainId domain;
    May may{May::nothing};
};

/// All of it throws VmError with the store's reason and the path.
class Store {
  public:
    Store() = default;
    virtual ~Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    virtual void write(const std::string& path, const std::string& value) = 0;
    [[nodiscard]] virtual std::optional<std::string> read(const std::string& path) = 0;
    /// The names below it; none when it is not there.
    [[nodiscard]] virtual std::vector<std::string> list(const std::string& path) = 0;
    /// With all below it; nothing happens when it is not there.
    virtual void remove(const std::string& path) = 0;
    virtual void set_permissions(const std::string& path,
                                 const std::vector<Permission>& permissions) = 0;
    /// The domain's ring page and its end of the event channel: from now on it can use the store.
    virtual void introduce(DomainId domain, u64 frame, u32 port) = 0;
    /// The store lets go of the domain.
    virtual void release(DomainId domain) = 0;
    /// Sleeps until some domain ended or was introduced, or the time is over.
    virtual void wait_for_news(std::chrono::milliseconds limit) = 0;
};

/// Through libxenstore.
[[nodiscard]] std::unique_ptr<Store> open_store();

} // namespace ravelin::vm
