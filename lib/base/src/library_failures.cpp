// SPDX-License-Identifier: Apache-2.0
// Where the standard library's own checks end in freestanding code (a substr() out of range, say):
// as a failed invariant of ours.
#include "base/ensure.hpp"

namespace std {
[[noreturn]] void __throw_out_of_range_fmt(const char* what, ...) {
    ravelin::ensure_failed(what, ravelin::SourceLocation::current());
}
} // namespace std

extern "C" [[noreturn]] void abort() {
    ravelin::ensure_failed("abort()", ravelin::SourceLocation::current());
}

extern "C" [[noreturn]] void __cxa_pure_virtual() {
    ravelin::ensure_failed("a pure virtual function was called",
                           ravelin::SourceLocation::current());
}
