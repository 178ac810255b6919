// SPDX-License-Identifier: Apache-2.0
// memcpy, memmove, memset and memcmp, which the compiler calls by name in freestanding code too
// (GCC manual, 2.1 "Standards"). String instructions: short code, and as fast as anything on CPUs
// with ERMS.
#include "base/int.hpp"

extern "C" {

void* memcpy(void* destination, const void* source, ravelin::usize count) {
    void* out = destination;
    ravelin::usize words = count / 8;
    count %= 8;
    // SAFETY: the caller owns both ranges; DF is clear by the ABI.
    asm volatile("rep movsq" : "+D"(destination), "+S"(source), "+c"(words)::"memory");
    // SAFETY: as above, for the up to seven bytes behind.
    asm volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(count)::"memory");
    return out;
}

void* memmove(void* destination, const void* source, ravelin::usize count) {
    auto* to = static_cast<ravelin::u8*>(destination);
    const auto* from = static_cast<const ravelin::u8*>(source);
    if (to <= from || to >= from + count)
        return memcpy(destination, source, count);
    const ravelin::u8* last_from = from + count - 1;
    ravelin::u8* last_to = to + count - 1;
    // SAFETY: as memcpy(), backwards because the ranges overlap; DF is clear again afterwards.
    asm volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(count)::"memory");
    return destination;
}

void* memset(void* destination, int value, ravelin::usize count) {
    void* out = destination;
    const ravelin::u64 pattern = 0x0101010101010101 * static_cast<ravelin::u8>(value);
    ravelin::usize words = count / 8;
    count %= 8;
    // SAFETY: as memcpy().
    asm volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(pattern) : "memory");
    // SAFETY: as memcpy().
    asm volatile("rep stosb" : "+D"(destination), "+c"(count) : "a"(pattern) : "memory");
    return out;
}

int memcmp(const void* left, const void* right, ravelin::usize count) {
    const auto* a = static_cast<const ravelin::u8*>(left);
    const auto* b = static_cast<const ravelin::u8*>(right);
    for (ravelin::usize i = 0; i < count; ++i) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

// Not the compiler's but std::string_view's, when it takes a pointer.
ravelin::usize strlen(const char* text) {
    ravelin::usize count = 0;
    while (text[count] != 0)
        ++count;
    return count;
}

} // extern "C"
