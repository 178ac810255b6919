// SPDX-License-Identifier: Apache-2.0
// The verifier's own keys, made once: a CA and a TLS certificate under it, so that an agent that
// was built with the CA talks to this verifier only, and the key that signs tokens.
#pragma once

#include "attest/text.hpp"

#include <base/result.hpp>

#include <chrono>
#include <filesystem>
#include <memory>

namespace ravelin::attest {

/// What is in a verifier's directory.
struct IdentityFiles {
    std::filesystem::path ca;           ///< certificate, for agents
    std::filesystem::path certificate;  ///< of the server
    std::filesystem::path key;          ///< of the server, mode 0600
    std::filesystem::path token_key;    ///< private, mode 0600
    std::filesystem::path token_public; ///< for those who check tokens
    std::filesystem::path store;        ///< SQLite
};
[[nodiscard]] IdentityFiles identity_files(const std::filesystem::path& directory);

/// Makes them for a server reached under these addresses (IP addresses or names). The CA's key is
/// forgotten: it signs this one certificate. Refuses a directory that has an identity.
[[nodiscard]] Status<std::string> make_identity(const std::filesystem::path& directory,
                                                const std::vector<std::string>& addresses);

/// Signs short-lived tokens: JWT with ES256, the claims of an EAT where there are any. [RFC 7519,
/// RFC 9711]
class TokenSigner {
  public:
    [[nodiscard]] static Result<TokenSigner, std::string> load(const std::filesystem::path& key);
    TokenSigner(TokenSigner&&) noexcept;
    TokenSigner& operator=(TokenSigner&&) noexcept;
    ~TokenSigner();

    /// `claims`: a JSON object.
    [[nodiscard]] Result<std::string, std::string> sign(const std::string& claims) const;

  private:
    TokenSigner();
    struct Key;
    std::unique_ptr<Key> key_;
};

} // namespace ravelin::attest
