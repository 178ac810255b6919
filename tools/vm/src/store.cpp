// SPDX-License-Identifier: Apache-2.0
// See the header. libxenstore talks to the daemon's socket.
#include "tools/vm/store.hpp"

#include "tools/vm/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <poll.h>

extern "C" { // the header does not say so itself
#include <xenstore.h>
}

namespace ravelin::vm {
namespace {

struct Closer {
    void operator()(xs_handle* handle) const { xs_close(handle); }
};
struct Freer {
    void operator()(void* memory) const { std::free(memory); }
};

[[noreturn]] void fail(const std::string& what) {
    throw VmError{"the store: " + what + ": " + std::strerror(errno)};
}

class Xenstore final : public Store {
  public:
    explicit Xenstore(xs_handle* handle) : handle_{handle} {}

    void write(const std::string& path, const std::string& value) override {
        if (!xs_write(handle_.get(),
                      XBT_NULL,
                      path.c_str(),
                      value.data(),
                      static_cast<unsigned>(value.size())))
            fail("writing " + path);
    }
    std::optional<std::string> read(const std::string& path) override {
        unsigned size = 0;
        const std::unique_ptr<void, Freer> value{
            xs_read(handle_.get(), XBT_NULL, path.c_str(), &size)};
        if (value)
            return std::string{static_cast<const char*>(value.get()), size};
        if (errno != ENOENT)
            fail("reading " + path);
        return std::nullopt;
    }
    std::vector<std::string> list(const std::string& path) override {
        unsigned count = 0;
        const std::unique_ptr<char*, Freer> names{
            xs_directory(handle_.get(), XBT_NULL, path.c_str(), &count)};
        if (!names && errno != ENOENT)
            fail("listing " + path);
        return names ? std::vector<std::string>{names.get(), names.get() + count}
                     : std::vector<std::string>{};
    }
    void remove(const std::string& path) override {
        if (!xs_rm(handle_.get(), XBT_NULL, path.c_str()) && errno != ENOENT)
            fail("removing " + path);
    }
    void set_permissions(const std::string& path,
                         const std::vector<Permission>& permissions) override {
        std::vector<xs_permissions> raw;
        for (const Permission& one : permissions)
            raw.push_back(
                {one.domain.raw(),
                 one.may == Permission::May::read ? XS_PERM_READ : unsigned{XS_PERM_NONE}});
        if (!xs_set_permissions(handle_.get(),
                                XBT_NULL,
                                path.c_str(),
                                raw.data(),
                                static_cast<unsigned>(raw.size())))
            fail("setting who may use " + path);
    }
    void introduce(DomainId domain, u64 frame, u32 port) override {
        if (!xs_introduce_domain(handle_.get(), domain.raw(), frame, port))
            fail("introducing domain " + std::to_string(domain.raw()));
    }
    void release(DomainId domain) override {
        // One that was never introduced, or that the store saw die by itself, is gone already.
        if (!xs_release_domain(handle_.get(), domain.raw()) && errno != ENOENT)
            fail("releasing domain " + std::to_string(domain.raw()));
    }

    void wait_for_news(std::chrono::milliseconds limit) override {
        if (!watching_) {
            for (const char* path : {"@releaseDomain", "@introduceDomain"})
                if (!xs_watch(handle_.get(), path, path))
                    fail(std::string{"watching "} + path);
            watching_ = true;
        }
        pollfd events{xs_fileno(handle_.get()), POLLIN, 0};
        if (poll(&events, 1, static_cast<int>(limit.count())) <= 0)
            return;
        while (const std::unique_ptr<char*, Freer> event{xs_check_watch(handle_.get())}) {
        }
    }

  private:
    std::unique_ptr<xs_handle, Closer> handle_;
    bool watching_{false};
};

} // namespace

std::unique_ptr<Store> open_store() {
    xs_handle* handle = xs_open(0);
    if (handle == nullptr)
        fail("cannot be reached (this runs in domain 0, beside xenstored)");
    return std::make_unique<Xenstore>(handle);
}

} // namespace ravelin::vm
