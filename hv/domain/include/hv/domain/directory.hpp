// SPDX-License-Identifier: Apache-2.0
// How one domain's exit reaches another domain: by identifier, through a reference that keeps the
// other alive while it is used. Whoever owns the domains implements Directory.
#pragma once

#include <hv/domain/domain.hpp>

#include <utility>

namespace ravelin::hv::domain {

/// Keeps a domain from being torn down; empty when there was none. Short-lived: never stored beyond
/// the exit that asked, so that teardown, which waits for zero references, ends.
class Reference {
  public:
    Reference() = default;
    explicit Reference(Domain& domain) : domain_{&domain} { domain.retain(); }
    Reference(Reference&& other) noexcept : domain_{std::exchange(other.domain_, nullptr)} {}
    Reference& operator=(Reference&& other) noexcept {
        std::swap(domain_, other.domain_);
        return *this;
    }
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;
    ~Reference() {
        if (domain_ != nullptr)
            domain_->release();
    }

    explicit operator bool() const { return domain_ != nullptr; }
    [[nodiscard]] Domain& operator*() const { return *domain_; }
    [[nodiscard]] Domain* operator->() const { return domain_; }

  private:
    Domain* domain_{};
};

class Directory {
  public:
    /// The live domain with that identifier, or an empty reference: unknown, or being torn down.
    /// Any CPU; takes the directory's lock, which is the outermost.
    [[nodiscard]] virtual Reference find(DomainId id) = 0;

  protected:
    ~Directory() = default;
};

} // namespace ravelin::hv::domain
