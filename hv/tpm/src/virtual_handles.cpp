// SPDX-License-Identifier: Apache-2.0
// The table of domain 0's objects and sessions.
#include "hv/tpm/virtual_handles.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::Handle;

namespace {

/// A session's handle without its type.
constexpr u32 number(Handle handle) {
    return handle.raw() & 0x00ff'ffff;
}

} // namespace

Handle VirtualHandles::handle_of(const Object& object) const {
    const auto index = static_cast<u32>(&object - objects_.data());
    return Handle{virtual_object_base | u32{object.generation} << 8 | index};
}

const VirtualHandles::Object* VirtualHandles::object(Handle handle) const {
    const u32 index = handle.raw() & 0xff;
    if (index >= objects_.size())
        return nullptr;
    const Object& candidate = objects_[index];
    return candidate.used && handle_of(candidate) == handle ? &candidate : nullptr;
}

VirtualHandles::Object* VirtualHandles::object(Handle handle) {
    const auto& self = *this;
    const Object* found = self.object(handle);
    return found == nullptr ? nullptr : &objects_[static_cast<usize>(found - objects_.data())];
}

const VirtualHandles::Session* VirtualHandles::session(Handle handle) const {
    for (const auto& candidate : sessions_)
        if (candidate.used && candidate.handle == handle)
            return &candidate;
    return nullptr;
}

VirtualHandles::Session* VirtualHandles::session(Handle handle) {
    const auto& self = *this;
    const Session* found = self.session(handle);
    return found == nullptr ? nullptr : &sessions_[static_cast<usize>(found - sessions_.data())];
}

VirtualHandles::Object* VirtualHandles::free_object() {
    for (auto& candidate : objects_)
        if (!candidate.used)
            return &candidate;
    return nullptr;
}

VirtualHandles::Session* VirtualHandles::free_session() {
    for (auto& candidate : sessions_)
        if (!candidate.used)
            return &candidate;
    return nullptr;
}

void VirtualHandles::take(Object& object) {
    object.used = true;
    ++object.generation;
}

void VirtualHandles::take(Session& session, Handle handle) {
    session.used = true;
    session.handle = handle;
}

VirtualHandles::Session* VirtualHandles::oldest_session(std::span<const Handle> in_use) {
    Session* oldest = nullptr;
    for (auto& candidate : sessions_) {
        bool eligible = candidate.used;
        for (const Handle handle : in_use)
            eligible = eligible && handle != candidate.handle;
        if (eligible && (oldest == nullptr || candidate.saved_at < oldest->saved_at))
            oldest = &candidate;
    }
    return oldest;
}

bool VirtualHandles::has_session_number(Handle handle) const {
    for (const auto& candidate : sessions_)
        if (candidate.used && number(candidate.handle) == number(handle))
            return true;
    return false;
}

void VirtualHandles::keep_sessions(std::span<const Handle> saved) {
    for (auto& candidate : sessions_) {
        bool found = false;
        for (const Handle handle : saved)
            found = found || number(handle) == number(candidate.handle);
        candidate.used = candidate.used && found;
    }
}

} // namespace ravelin::hv::tpm
