// SPDX-License-Identifier: Apache-2.0
// See the header. One thread: judging takes a millisecond, and the store is single-threaded.
#include "attest/http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <iostream>

namespace ravelin::attest {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

namespace {

constexpr usize largest_body = usize{3} << 20; // two logs of a MiB, in base64
constexpr u32 largest_header = 8192;
constexpr std::chrono::seconds patience{20};
constexpr usize most_connections = 256;

} // namespace

struct HttpServer::State {
    State(const Config& config, Service& the_service)
        : service{the_service}, tls{asio::ssl::context::tls_server},
          acceptor{io, Tcp::endpoint{asio::ip::make_address(config.address), config.port}},
          signals{io, SIGINT, SIGTERM} {
        SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_3_VERSION);
        tls.use_certificate_chain_file(config.identity.certificate.string());
        tls.use_private_key_file(config.identity.key.string(), asio::ssl::context::pem);
    }

    Service& service;
    asio::io_context io{1};
    asio::ssl::context tls;
    Tcp::acceptor acceptor;
    asio::signal_set signals;
    usize connections{0};
};

namespace {

/// One connection; keeps itself alive through the handlers that wait for it.
template <typename State> class Session : public std::enable_shared_from_this<Session<State>> {
  public:
    Session(Tcp::socket socket, std::shared_ptr<State> state)
        : state_{std::move(state)}, stream_{std::move(socket), state_->tls} {
        ++state_->connections;
    }
    ~Session() { --state_->connections; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start() {
        expect();
        stream_.async_handshake(asio::ssl::stream_base::server,
                                [self = this->shared_from_this()](beast::error_code error) {
                                    if (!error)
                                        self->read();
                                });
    }

  private:
    void expect() { beast::get_lowest_layer(stream_).expires_after(patience); }

    void read() {
        expect();
        parser_.emplace();
        parser_->body_limit(largest_body);
        parser_->header_limit(largest_header);
        http::async_read(stream_,
                         buffer_,
                         *parser_,
                         [self = this->shared_from_this()](beast::error_code error, usize) {
                             self->have_read(error);
                         });
    }

    void have_read(beast::error_code error) {
        if (error == http::error::body_limit || error == http::error::header_limit)
            return write({413, "application/json", "{\"error\":\"too large\"}\n"}, false);
        if (error)
            return; // gone, too slow, or not HTTP
        const auto& request = parser_->get();
        write(respond({std::string{request.method_string()},
                       std::string{request.target()},
                       request.body()}),
              request.keep_alive());
    }

    HttpResponse respond(const HttpRequest& request) {
        try {
            return state_->service.handle(request, Clock::now());
        } catch (const std::exception& problem) {
            std::cerr << "verifier: " << problem.what() << "\n";
            return {503, "application/json", "{\"error\":\"the verifier has a problem\"}\n"};
        }
    }

    void write(HttpResponse answer, bool keep_alive) {
        expect();
        response_ = {};
        response_.result(answer.status);
        response_.version(11);
        response_.set(http::field::content_type, answer.content_type);
        response_.set(http::field::cache_control, "no-store");
        response_.keep_alive(keep_alive && state_->acceptor.is_open());
        response_.body() = std::move(answer.body);
        response_.prepare_payload();
        http::async_write(
            stream_, response_, [self = this->shared_from_this()](beast::error_code error, usize) {
                if (error)
                    return;
                if (self->response_.keep_alive())
                    self->read();
                else
                    self->shut_down();
            });
    }

    void shut_down() {
        expect();
        stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {});
    }

    std::shared_ptr<State> state_;
    beast::ssl_stream<beast::tcp_stream> stream_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
};

template <typename State> void accept(const std::shared_ptr<State>& state) {
    state->acceptor.async_accept([state](beast::error_code error, Tcp::socket socket) {
        if (!state->acceptor.is_open())
            return;
        if (!error && state->connections < most_connections)
            std::make_shared<Session<State>>(std::move(socket), state)->start();
        accept(state);
    });
}

} // namespace

HttpServer::HttpServer(const Config& config, Service& service)
    : state_{std::make_shared<State>(config, service)} {
    state_->signals.async_wait([this](beast::error_code error, int) {
        if (!error)
            stop();
    });
    accept(state_);
}

HttpServer::~HttpServer() = default;

u16 HttpServer::port() const {
    return state_->acceptor.local_endpoint().port();
}

void HttpServer::run() {
    state_->io.run();
}

void HttpServer::stop() {
    // Nothing new; what is under way is finished, then run() has nothing left to wait for.
    asio::post(state_->io, [state = state_] {
        beast::error_code ignored;
        state->acceptor.close(ignored);
        state->signals.cancel(ignored);
    });
}

} // namespace ravelin::attest
