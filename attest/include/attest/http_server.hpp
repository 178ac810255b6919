// SPDX-License-Identifier: Apache-2.0
// HTTPS for the service: TLS 1.3 only, one request a connection at a time, small bounds on
// everything a stranger can send, a deadline on everything he can delay.
#pragma once

#include "attest/service.hpp"

namespace ravelin::attest {

class HttpServer {
  public:
    struct Config {
        IdentityFiles identity;
        std::string address{"127.0.0.1"};
        u16 port{8443};
    };
    HttpServer(const Config& config, Service& service);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] u16 port() const;
    /// Serves until stop(), SIGINT or SIGTERM; answers under way are finished.
    void run();
    /// From any thread, also from within the service's watch.
    void stop();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace ravelin::attest
