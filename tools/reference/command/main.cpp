// SPDX-License-Identifier: Apache-2.0
// Reference pages from the tables that the hypervisor runs on, so that they cannot tell otherwise.
#include <hv/abi/table.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

namespace {

using namespace ravelin;
using hv::abi::Row;

std::string yes_or_no(bool value) {
    return value ? "yes" : "no";
}

std::string hypercalls() {
    std::ostringstream page;
    page << "# Hypercalls\n\n"
            "Written by `ravelin-reference` from the table in `hv/abi/src/table.cpp`; do not "
            "edit.\n\n"
            "The numbers and structures are those of Xen's public headers (ABI of version 4.17), "
            "but for `ravelin_control`, "
            "which is our own (`wire/control.hpp`). An operation that is not listed answers "
            "ENOSYS; one that its caller's "
            "role does not allow answers EPERM; any hypercall from outside CPL 0 answers EPERM.\n\n"
            "| number | operation | name | what it touches | domain 0 | guest "
            "|\n|---|---|---|---|---|---|\n";
    for (const Row& row : hv::abi::operation_table()) {
        const auto& line =
            *std::find_if(std::begin(hv::abi::policy_lines),
                          std::end(hv::abi::policy_lines),
                          [&](const auto& l) { return l.operation == row.operation; });
        page << "| " << row.number << " | ";
        if (row.sub_operation == hv::abi::any_sub_operation)
            page << "any";
        else
            page << row.sub_operation;
        page << " | `" << row.name << "` | " << line.meaning << " | " << yes_or_no(line.domain0)
             << " | " << yes_or_no(line.guest) << " |\n";
    }
    return page.str();
}

std::string read_file(const char* path) {
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

int main(int count, char** arguments) {
    const std::span<char*> words{arguments, static_cast<usize>(count)};
    const bool check = words.size() == 4 && std::string_view{words[2]} == "--check";
    if ((words.size() != 3 && !check) || std::string_view{words[1]} != "hypercalls") {
        std::fputs("usage: ravelin-reference hypercalls [--check] FILE\n", stderr);
        return 2;
    }
    const char* const path = words.back();
    const std::string page = hypercalls();
    if (check) {
        if (read_file(path) == page)
            return 0;
        std::fprintf(stderr, "%s is not what the table says: build the target 'reference'\n", path);
        return 1;
    }
    std::ofstream file{path};
    file << page;
    file.close();
    if (!file) {
        std::fprintf(stderr, "%s cannot be written\n", path);
        return 1;
    }
    return 0;
}
