// SPDX-License-Identifier: Apache-2.0
// What tboot launches in the tests: says on the serial line what it got and what the TPM holds, and
// does what the words of its command line ask: `attack` tries what a chipset must refuse, `plant`
// leaves a pattern in memory, `reset` resets the machine without a word to tboot, `shutdown` goes
// back to tboot. Otherwise it turns the machine off.
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

namespace {

// SAFETY: port and memory accesses of a program that owns the machine: paging is off, and every
// address below is a device of the emulated server, RAM that nobody else uses, or what the boot
// loader and tboot point to.

void out8(u16 port, u8 value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
void out16(u16 port, u16 value) {
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
volatile u8& byte_at(u32 address) {
    return *reinterpret_cast<volatile u8*>(address);
}
volatile u32& word_at(u32 address) {
    return *reinterpret_cast<volatile u32*>(address);
}

void put(char c) {
    while ((in8(0x3fd) & 0x20) == 0) {
    }
    out8(0x3f8, static_cast<u8>(c));
}
void put(const char* text) {
    for (; *text != 0; ++text)
        put(*text);
}
void put_byte(u8 value) {
    constexpr const char* digits = "0123456789abcdef";
    put(digits[value >> 4]);
    put(digits[value & 15]);
}
void put_word(u32 value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        put_byte(static_cast<u8>(value >> shift));
}
void say(const char* what, u32 value) {
    put("payload: ");
    put(what);
    put(' ');
    put_word(value);
    put("\r\n");
}

/// Whether `word` is in `text`; behind it, in `rest`.
bool find(const char* text, const char* word, const char** rest = nullptr) {
    for (; *text != 0; ++text) {
        const char* a = text;
        const char* b = word;
        while (*b != 0 && *a == *b) {
            ++a;
            ++b;
        }
        if (*b == 0) {
            if (rest != nullptr)
                *rest = a;
            return true;
        }
    }
    return false;
}

u32 hexadecimal(const char* text) {
    u32 value = 0;
    if (text[0] == '0' && text[1] == 'x')
        text += 2;
    for (;; ++text) {
        if (*text >= '0' && *text <= '9')
            value = value << 4 | static_cast<u32>(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value << 4 | static_cast<u32>(*text - 'a' + 10);
        else
            return value;
    }
}

// ---- TPM, TIS [TCG PTP 6]

/// Sends a command in a locality; the response's size, 0 when the locality is not granted.
u32 transmit(u32 locality, const u8* command, u32 size, u8* response, u32 room) {
    const u32 base = 0xfed4'0000 + locality * 0x1000;
    byte_at(base) = 2; // request use
    for (u32 i = 0; i < 100000 && (byte_at(base) & 0x20) == 0; ++i) {
    }
    if ((byte_at(base) & 0x20) == 0)
        return 0;
    word_at(base + 0x18) = 0x40; // command ready
    while ((word_at(base + 0x18) & 0x40) == 0) {
    }
    for (u32 i = 0; i < size; ++i)
        byte_at(base + 0x24) = command[i];
    word_at(base + 0x18) = 0x20; // go
    while ((word_at(base + 0x18) & 0x90) != 0x90) {
    }
    u32 got = 0;
    while ((word_at(base + 0x18) & 0x10) != 0 && got < room)
        response[got++] = byte_at(base + 0x24);
    word_at(base + 0x18) = 0x40;
    byte_at(base) = 0x20; // relinquish
    return got;
}

u32 code_of(const u8* response) {
    return static_cast<u32>(response[6]) << 24 | static_cast<u32>(response[7]) << 16 |
           static_cast<u32>(response[8]) << 8 | response[9];
}

void say_pcr(u8 pcr) {
    const u8 command[20]{0x80, 1, 0, 0, 0, 20,   0, 0, 1, 0x7e,
                         0,    0, 0, 1, 0, 0x0b, 3, 0, 0, static_cast<u8>(1 << (pcr - 16))};
    u8 response[128];
    const u32 size = transmit(0, command, sizeof(command), response, sizeof(response));
    put("payload: PCR");
    put_byte(static_cast<u8>(pcr / 10 << 4 | pcr % 10));
    put(' ');
    for (u32 i = 32; i > 0 && size > 32; --i)
        put_byte(response[size - i]);
    put("\r\n");
}

void try_extend(u32 locality, u8 pcr) {
    u8 command[65]{0x80, 2,    0, 0, 0, 65, 0, 0, 1, 0x82, 0, 0, 0, pcr, 0, 0,   0,
                   9,    0x40, 0, 0, 9, 0,  0, 0, 0, 0,    0, 0, 0, 1,   0, 0x0b};
    u8 response[64];
    const u32 size = transmit(locality, command, sizeof(command), response, sizeof(response));
    say(locality == 0   ? "locality 0 answers"
        : locality == 1 ? "locality 1 answers"
        : locality == 2 ? "locality 2 answers"
                        : "locality 3 answers",
        size == 0 ? ~0U : code_of(response));
}

void attack() {
    constexpr u32 txt_private = 0xfed2'0000;
    constexpr u32 txt_public = 0xfed3'0000;
    for (u32 locality = 0; locality < 4; ++locality)
        try_extend(locality, 23);
    // The public space is not writable, and STS, ERRORCODE's neighbours and the key are not
    // anywhere.
    word_at(txt_public + 0x8e8) = 1;
    word_at(txt_public) = 0xffff'ffff;
    word_at(txt_private) = 0xffff'ffff;
    word_at(txt_private + 0x110) = 0;
    word_at(txt_private + 0x400) = 0;
    for (u32 i = 0; i < 2000000; ++i)
        asm volatile("pause");
    say("STS", word_at(txt_public));
    say("E2STS", word_at(txt_public + 0x8f0));
    say("DIDVID", word_at(txt_private + 0x110));
    // Locality 1 closes; its next command is refused.
    word_at(txt_private + 0x388) = 1;
    try_extend(1, 23);
}

struct Tag {
    u32 type;
    u32 size;
};

} // namespace

extern "C" void payload_main(u32 magic, u32 information) {
    say("magic", magic);
    const char* command_line = "";
    const u32 end = information + word_at(information);
    for (u32 at = information + 8; at < end;) {
        const u32 type = word_at(at);
        const u32 size = word_at(at + 4);
        if (type == 1)
            command_line = reinterpret_cast<const char*>(at + 8);
        if (type == 3)
            say("module", word_at(at + 12) - word_at(at + 8));
        if (type == 0)
            break;
        at += (size + 7) & ~7U;
    }
    put("payload: command line ");
    put(command_line);
    put("\r\n");
    const char* shared = nullptr;
    const u32 page = find(command_line, "tboot=", &shared) ? hexadecimal(shared) : 0;
    if (page != 0) {
        say("shared page version", word_at(page + 16));
        say("processors waiting", word_at(page + 0x234));
        say("STS", word_at(0xfed3'0000));
    } else {
        put("payload: no shared page\r\n");
    }
    say_pcr(17);
    say_pcr(18);
    if (find(command_line, "attack"))
        attack();
    if (find(command_line, "plant"))
        for (u32 i = 0; i < 4096; i += 4)
            word_at(0x1000'0000 + i) = 0x5ec2'e700;
    put("payload: done\r\n");
    if (find(command_line, "reset")) {
        out8(0xcf9, 2);
        out8(0xcf9, 6);
    }
    if (find(command_line, "shutdown") && page != 0) {
        word_at(page + 28) = 0; // reboot
        asm volatile("jmp *%0" : : "r"(word_at(page + 24)));
    }
    out16(0x604, 0x2000); // q35's soft-off
}
