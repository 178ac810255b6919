// SPDX-License-Identifier: Apache-2.0
// ravelin-vm: `ravelin vm` as a program of its own, for a domain 0 that attests nothing.
#include <tools/vm/commands.hpp>

#include <iostream>

int main(int argc, char** argv) try {
    CLI::App app{"VMs of this server, from its domain 0. Exit status: 0 done, 2 it could not be."};
    ravelin::vm::add_commands(app);
    CLI11_PARSE(app, argc, argv);
    return 0;
} catch (const std::exception& error) {
    std::cerr << "ravelin vm: " << error.what() << "\n";
    return 2;
}
