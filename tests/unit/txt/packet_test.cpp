// SPDX-License-Identifier: Apache-2.0
#include <tools/txt/packet.hpp>

#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

TEST(PacketTest, EncodesWithChecksum) {
    EXPECT_EQ(encode_packet("OK"), "$OK#9a");
    EXPECT_EQ(encode_packet(""), "$#00");
}

TEST(PacketTest, WhatIsEncodedIsRead) {
    for (const std::string body : {"", "g", "with } $ # * in it", "}"}) {
        PacketReader reader;
        reader.feed("+" + encode_packet(body) + "+");
        EXPECT_EQ(reader.next(), body);
        EXPECT_EQ(reader.next(), std::nullopt);
    }
}

TEST(PacketTest, AnyPiecesWillDo) {
    const std::string stream = encode_packet("T05thread:01;") + "+" + encode_packet("OK");
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        PacketReader reader;
        std::vector<std::string> bodies;
        for (const std::string& piece : {stream.substr(0, cut), stream.substr(cut)}) {
            reader.feed(piece);
            while (auto body = reader.next())
                bodies.push_back(*body);
        }
        EXPECT_EQ(bodies, (std::vector<std::string>{"T05thread:01;", "OK"})) << cut;
    }
}

TEST(PacketTest, AWrongChecksumIsDroppedAndTheNextPacketRead) {
    PacketReader reader;
    reader.feed("$OK#9b" + encode_packet("E01"));
    EXPECT_EQ(reader.next(), "E01");
    EXPECT_EQ(reader.dropped(), 1U);
}

TEST(PacketTest, StopReplies) {
    EXPECT_EQ(parse_stop("T05thread:02;"), (StopReply{5, 1, std::nullopt}));
    EXPECT_EQ(parse_stop("T05thread:01;watch:fed208e0;"), (StopReply{5, 0, 0xfed208e0}));
    EXPECT_EQ(parse_stop("S02"), (StopReply{2, 0, std::nullopt}));
    for (const char* other : {"", "OK", "W00", "T", "Txx", "T05thread:00;", "T05watch:zz;"})
        EXPECT_EQ(parse_stop(other), std::nullopt) << other;
}

TEST(PacketTest, Hexadecimal) {
    const std::vector<u8> bytes{0, 0x5a, 0xff};
    EXPECT_EQ(to_hex(bytes), "005aff");
    EXPECT_EQ(from_hex("005aFF"), bytes);
    for (const char* bad : {"0", "0g", "+1", " 1"})
        EXPECT_EQ(from_hex(bad), std::nullopt) << bad;
    EXPECT_EQ(hex_number(0xfed20000), "fed20000");
    EXPECT_EQ(parse_hex_number("fed20000"), 0xfed20000U);
    EXPECT_EQ(parse_hex_number("11112222333344445"), std::nullopt);
}

} // namespace
} // namespace ravelin::tools::txt
