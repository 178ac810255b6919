// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <tboot/request.hpp>

namespace ravelin::tboot {
namespace {

TEST(TbootRequest, WhatTbootAppends) {
    const Request request = parse_request("launch=drtm tboot=0x2473000");
    EXPECT_EQ(request.asked, Asked::drtm);
    EXPECT_EQ(request.shared_page, HostPhysical{0x2473000});
    EXPECT_FALSE(request.problem);
    EXPECT_TRUE(request.wants_dynamic());
}

TEST(TbootRequest, NothingIsAskedFor) {
    for (const char* line : {"", " ", "quiet", "nottboot=0x1000", "x=launch=drtm"}) {
        const Request request = parse_request(line);
        EXPECT_FALSE(request.wants_dynamic()) << line;
    }
}

TEST(TbootRequest, TheStricterWishStays) {
    EXPECT_EQ(parse_request("launch=drtm-or-stop launch=drtm").asked, Asked::drtm_or_stop);
    EXPECT_EQ(parse_request("launch=drtm launch=drtm-or-stop").asked, Asked::drtm_or_stop);
}

TEST(TbootRequest, WhatCannotBeFollowedIsAProblem) {
    for (const char* line : {"tboot=0x1000 tboot=0x2000",
                             "tboot=",
                             "tboot=0x",
                             "tboot=4096",
                             "tboot=0x10g0",
                             "tboot=0x11112222333344445",
                             "launch=",
                             "launch=srtm",
                             "launch=DRTM"}) {
        const Request request = parse_request(line);
        EXPECT_TRUE(request.problem) << line;
        EXPECT_TRUE(request.wants_dynamic()) << line;
    }
}

} // namespace
} // namespace ravelin::tboot
