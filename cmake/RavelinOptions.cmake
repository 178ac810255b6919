# SPDX-License-Identifier: Apache-2.0
# Compiler settings of the two worlds: hosted (tools, tests) and freestanding (what runs in ring 0).

option(RAVELIN_HOSTED "Build the hosted half (attest, tools, tests)" ON)
option(RAVELIN_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
option(RAVELIN_COVERAGE "Instrument the hosted half for coverage" OFF)
set(RAVELIN_SANITIZE "" CACHE STRING "Sanitizers of the hosted half, e.g. address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# No path of the build machine may reach a binary: its hash is the measurement.
set(RAVELIN_REPRODUCIBLE
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=./build)

set(RAVELIN_WARNINGS
    -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wimplicit-fallthrough -Werror)

set(RAVELIN_FREESTANDING_OPTIONS
    -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit
    -fno-asynchronous-unwind-tables -fno-stack-protector -fno-pic -fno-pie -mcmodel=small
    -mno-red-zone -fcf-protection=none -fno-omit-frame-pointer -O2 -g
    $<$<COMPILE_LANGUAGE:CXX>:-Wframe-larger-than=2048>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND RAVELIN_FREESTANDING_OPTIONS -mgeneral-regs-only)
else()
    # clang 14 refuses libstdc++'s long double overloads without x87; nothing of ours uses it.
    list(APPEND RAVELIN_FREESTANDING_OPTIONS -mno-sse -mno-mmx)
endif()

set(RAVELIN_HOSTED_OPTIONS "")
set(RAVELIN_HOSTED_LINK_OPTIONS "")
if(RAVELIN_SANITIZE)
    list(APPEND RAVELIN_HOSTED_OPTIONS -fsanitize=${RAVELIN_SANITIZE} -fno-sanitize-recover=all
         -fno-omit-frame-pointer)
    list(APPEND RAVELIN_HOSTED_LINK_OPTIONS -fsanitize=${RAVELIN_SANITIZE})
endif()
if(RAVELIN_COVERAGE)
    list(APPEND RAVELIN_HOSTED_OPTIONS --coverage)
    list(APPEND RAVELIN_HOSTED_LINK_OPTIONS --coverage)
endif()
if(RAVELIN_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "RAVELIN_FUZZ needs clang: use the preset 'fuzz'")
    endif()
    list(APPEND RAVELIN_HOSTED_OPTIONS -fsanitize=fuzzer-no-link)
endif()
