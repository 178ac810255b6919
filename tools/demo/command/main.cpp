// SPDX-License-Identifier: Apache-2.0
// ravelin-demo: an emulated server boots Ravelin, measured, and proves it to a verifier; or
// something is altered, and the verifier says what.
#include <tools/demo/stage.hpp>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <optional>
#include <string>

namespace {

/// The verdict is what the demo ends with, whatever becomes of the guests.
class ShownLast {
  public:
    explicit ShownLast(const std::string& text) : text_{text} {}
    ShownLast(const ShownLast&) = delete;
    ShownLast& operator=(const ShownLast&) = delete;
    ~ShownLast() { std::cout << text_ << std::flush; }

  private:
    const std::string& text_;
};

} // namespace

int main(int argc, char** argv) try {
    using ravelin::demo::Afterwards;
    using ravelin::demo::Tamper;

    CLI::App app{
        "Boots Ravelin on an emulated server and attests it to a verifier.\n"
        "Exit status: 0 the platform is TRUSTED, 1 it is UNTRUSTED, 2 the demo itself failed.\n"
        "./demo run --kernel FILE boots a kernel of yours as a guest: see ./demo run --help."};
    ravelin::demo::Options options;
    const std::map<std::string, Tamper> tampers{{"hypervisor", Tamper::hypervisor},
                                                {"kernel", Tamper::kernel},
                                                {"initrd", Tamper::initrd},
                                                {"cmdline", Tamper::cmdline},
                                                {"manifest", Tamper::manifest},
                                                {"nonce", Tamper::nonce},
                                                {"log", Tamper::log},
                                                {"quote", Tamper::quote},
                                                {"ek", Tamper::ek}};
    std::optional<Tamper> tamper;
    bool keep = false;
    bool no_guests = false;
    app.add_flag("--keep", keep, "leave the server up, its console on this terminal; Ctrl-] ends");
    app.add_option("--tamper",
                   tamper,
                   "alter one bit: of the hypervisor, domain 0's kernel, initrd or cmdline, or the "
                   "manifest, before\n"
                   "the boot; of the nonce, log or quote on their way to the verifier; or ek: use "
                   "a TPM of a\n"
                   "manufacturer that the verifier does not know")
        ->transform(CLI::CheckedTransformer(tampers).description("PIECE"));
    app.add_flag("--no-guests", no_guests, "end with the verdict: no guests are made");
    app.add_option("--build", options.build, "the build folder")->required()->group("");
    CLI11_PARSE(app, argc, argv);
    if (tamper)
        options.tampers.insert(*tamper);
    options.guests =
        no_guests || tamper ? ravelin::demo::WithGuests::no : ravelin::demo::WithGuests::yes;
    options.afterwards = keep ? Afterwards::keep : Afterwards::end;

    ravelin::demo::Stage stage{options};
    stage.make_platform();
    stage.make_files();
    stage.commission();
    stage.predict();
    stage.tamper_with_files();
    stage.start_verifier();
    stage.boot();
    const ravelin::demo::Judgement judgement = stage.play_to_the_end();
    {
        const ShownLast verdict{judgement.table};
        if (!stage.play_guests())
            throw std::runtime_error{"the guests did not do what they are there for"};
    }
    stage.hand_over_console();
    return judgement.status;
} catch (const std::exception& error) {
    std::cerr << "demo: " << error.what() << "\n";
    return 2;
}
