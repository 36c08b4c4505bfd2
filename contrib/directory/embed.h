#pragma once

/* A file of the source tree in the executable: `name` to `name_end`, with a NUL behind it. */

#define EMBED(name, path)                                                                                              \
    __asm__(".section .rodata\n" #name ":\n.incbin \"" path "\"\n" #name "_end:\n.byte 0\n.previous\n");               \
    extern const char name[], name##_end[]
