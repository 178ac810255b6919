// SPDX-License-Identifier: Apache-2.0
// How statements become the qualifying data of one quote: a Merkle tree with separate tags for leaf
// and node, so that no node can pass for a leaf. An odd last node moves up unchanged.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>
#include <crypto/sha.hpp>

#include <optional>
#include <span>

namespace ravelin::evidence {

using Hash = crypto::Sha256::Digest;

/// One quote stands for at most so many statements.
constexpr usize max_leaves = 1024;
constexpr usize max_path = 10;
using Path = FixedVector<Hash, max_path>;

/// SHA-256(0x00 ‖ "ravelin-leaf-v1" ‖ statement).
[[nodiscard]] Hash leaf(std::span<const u8> statement);

/// The root over 1 to max_leaves leaves; `leaves` is used as scratch and holds nothing afterwards.
[[nodiscard]] Hash root_in_place(std::span<Hash> leaves);
/// As root_in_place, and the siblings on the way from leaf `index` to the root.
[[nodiscard]] Hash root_in_place(std::span<Hash> leaves, usize index, Path& path);

/// The root that leaf `index` of `count` implies with this path; none when the path has not exactly
/// the length that index and count demand.
[[nodiscard]] std::optional<Hash>
root_of(const Hash& leaf, usize index, usize count, std::span<const Hash> path);

/// SHA-256("ravelin-quote-v1" ‖ version 1 ‖ count ‖ root), integers of 32 bits, big-endian.
[[nodiscard]] Hash qualifying_data(u32 count, const Hash& root);

} // namespace ravelin::evidence
