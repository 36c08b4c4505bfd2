#pragma once

/* What people see: every console of the kernel (screen, serial), or zinit's own output when it isn't PID 1. Never
 * blocks: what a slow line hasn't taken yet waits in a bounded buffer, and what doesn't fit there is dropped and
 * counted. */

#include "zinit/loop.h"

#include <stddef.h>

#define SCREEN_LINES_MAX 4
#define SCREEN_BUFFER_BYTES (128UL * 1024)

struct screen_line {
    struct loop_source source;
    struct loop *loop;
    bool watched; /* waits for the line to take more */
    size_t used, dropped;
    char *buffer; /* SCREEN_BUFFER_BYTES while the line is behind, else NULL */
};

struct screen {
    struct screen_line lines[SCREEN_LINES_MAX];
    size_t count;
};

/* Opens the kernel's active consoles (as `console` does, when true), or takes standard output. */
void screen_open(struct screen *screen, struct loop *loop, bool console);
/* Writes text as it is. */
void screen_write(struct screen *screen, const char *text, size_t size);
/* Waits, a second at most, until all is out. */
void screen_flush(struct screen *screen);
