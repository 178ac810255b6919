// SPDX-License-Identifier: Apache-2.0
// Tree hashing.
#include "evidence/merkle.hpp"

#include <string_view>

namespace ravelin::evidence {

namespace {

constexpr std::string_view leaf_tag = "ravelin-leaf-v1";
constexpr std::string_view quote_tag = "ravelin-quote-v1";

void update(crypto::Sha256& stream, std::string_view text) {
    for (const char c : text) {
        const u8 byte = static_cast<u8>(c);
        stream.update({&byte, 1});
    }
}

void update(crypto::Sha256& stream, u32 value) {
    const std::array<u8, 4> bytes{static_cast<u8>(value >> 24),
                                  static_cast<u8>(value >> 16),
                                  static_cast<u8>(value >> 8),
                                  static_cast<u8>(value)};
    stream.update(bytes);
}

Hash node(const Hash& left, const Hash& right) {
    constexpr std::array<u8, 1> tag{0x01};
    crypto::Sha256 stream;
    stream.update(tag);
    stream.update(left);
    stream.update(right);
    return stream.finish();
}

/// One level up: pairs become nodes, an odd last one moves up. The number that is left.
usize climb(std::span<Hash> level) {
    const usize pairs = level.size() / 2;
    for (usize i = 0; i < pairs; ++i)
        level[i] = node(level[2 * i], level[2 * i + 1]);
    if (level.size() % 2 != 0)
        level[pairs] = level.back();
    return pairs + level.size() % 2;
}

} // namespace

Hash leaf(std::span<const u8> statement) {
    constexpr std::array<u8, 1> tag{0x00};
    crypto::Sha256 stream;
    stream.update(tag);
    update(stream, leaf_tag);
    stream.update(statement);
    return stream.finish();
}

Hash root_in_place(std::span<Hash> leaves) {
    ensure(!leaves.empty() && leaves.size() <= max_leaves, "leaves of one quote");
    usize size = leaves.size();
    while (size > 1)
        size = climb(leaves.first(size));
    return leaves[0];
}

Hash root_in_place(std::span<Hash> leaves, usize index, Path& path) {
    ensure(!leaves.empty() && leaves.size() <= max_leaves && index < leaves.size(),
           "leaves of one quote");
    path.clear();
    usize size = leaves.size();
    while (size > 1) {
        const usize sibling = index ^ 1;
        if (sibling < size)
            ensure(path.push_back(leaves[sibling]), "a path of at most max_path");
        size = climb(leaves.first(size));
        index /= 2;
    }
    return leaves[0];
}

std::optional<Hash>
root_of(const Hash& leaf, usize index, usize count, std::span<const Hash> path) {
    if (index >= count || count > max_leaves)
        return std::nullopt;
    Hash current = leaf;
    usize used = 0;
    while (count > 1) {
        if ((index ^ 1) < count) {
            if (used == path.size())
                return std::nullopt;
            const Hash& sibling = path[used++];
            current = index % 2 == 0 ? node(current, sibling) : node(sibling, current);
        }
        index /= 2;
        count = count / 2 + count % 2;
    }
    return used == path.size() ? std::optional{current} : std::nullopt;
}

Hash qualifying_data(u32 count, const Hash& root) {
    crypto::Sha256 stream;
    update(stream, quote_tag);
    update(stream, u32{1});
    update(stream, count);
    stream.update(root);
    return stream.finish();
}

} // namespace ravelin::evidence
