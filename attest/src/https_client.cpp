// SPDX-License-Identifier: Apache-2.0
// The agent's HTTPS: a connection a request, each step with a deadline, the answer bounded.
#include "attest/agent.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>

namespace ravelin::attest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::chrono::seconds patience{30};
constexpr usize largest_answer = usize{1} << 20;

class HttpsLink final : public VerifierLink {
  public:
    HttpsLink(Tcp::endpoint endpoint, std::string address, const std::string& ca)
        : endpoint_{std::move(endpoint)}, address_{std::move(address)},
          tls_{asio::ssl::context::tls_client} {
        SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_3_VERSION);
        tls_.add_certificate_authority(asio::buffer(ca));
        tls_.set_verify_mode(asio::ssl::verify_peer);
        tls_.set_verify_callback(asio::ssl::host_name_verification{address_});
    }

    Result<Answer, std::string> post(const std::string& target, const std::string& body) override {
        asio::io_context io{1};
        beast::ssl_stream<beast::tcp_stream> stream{io, tls_};
        beast::error_code error;
        // Deadlines work on asynchronous operations only: each is started, then waited for.
        const auto step = [&](auto start) {
            beast::get_lowest_layer(stream).expires_after(patience);
            start([&error](beast::error_code result, auto&&...) { error = result; });
            io.restart();
            io.run();
            return !error;
        };
        http::request<http::string_body> request{http::verb::post, target, 11};
        request.set(http::field::host, address_);
        request.set(http::field::content_type, "application/json");
        request.keep_alive(false);
        request.body() = body;
        request.prepare_payload();
        beast::flat_buffer buffer;
        http::response_parser<http::string_body> parser;
        parser.body_limit(largest_answer);
        const bool done =
            step([&](auto done_handler) {
                beast::get_lowest_layer(stream).async_connect(endpoint_, done_handler);
            }) &&
            step([&](auto done_handler) {
                stream.async_handshake(asio::ssl::stream_base::client, done_handler);
            }) &&
            step([&](auto done_handler) { http::async_write(stream, request, done_handler); }) &&
            step(
                [&](auto done_handler) { http::async_read(stream, buffer, parser, done_handler); });
        if (!done)
            return Failure{"the verifier at " + address_ + ": " + error.message()};
        (void)step([&](auto done_handler) { stream.async_shutdown(done_handler); });
        return Answer{parser.get().result_int(), parser.get().body()};
    }

  private:
    Tcp::endpoint endpoint_;
    std::string address_;
    asio::ssl::context tls_;
};

} // namespace

Result<std::unique_ptr<VerifierLink>, std::string> connect_https(const std::string& url,
                                                                 const std::string& ca) {
    constexpr std::string_view scheme = "https://";
    const std::size_t colon = url.rfind(':');
    if (!url.starts_with(scheme) || colon < scheme.size())
        return Failure{"expected https://ADDRESS:PORT, found " + url};
    const std::string address = url.substr(scheme.size(), colon - scheme.size());
    const std::string digits = url.substr(colon + 1);
    beast::error_code error;
    const auto numeric = asio::ip::make_address(address, error);
    const bool is_port = !digits.empty() && digits.size() <= 5 &&
                         digits.find_first_not_of("0123456789") == std::string::npos &&
                         std::stoul(digits) <= 65535;
    if (error || !is_port)
        return Failure{"expected https://ADDRESS:PORT with a numeric address, found " + url};
    try {
        return std::unique_ptr<VerifierLink>{std::make_unique<HttpsLink>(
            Tcp::endpoint{numeric, static_cast<u16>(std::stoul(digits))}, address, ca)};
    } catch (const boost::system::system_error& problem) {
        return Failure{std::string{"the verifier's CA: "} + problem.what()};
    }
}

} // namespace ravelin::attest
