#pragma once

/* The page on a screen (console_codes(4), ECMA-48): it stands at the top, the last warnings below it, and under a line
 * the rest of the screen is left to whoever else writes there, and scrolls by itself. Pure. */

#include "zinit/qr.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* A screen of at least 20 rows and 60 columns, and what was drawn there last. */
struct frame {
    unsigned rows, columns;
    unsigned height; /* rows that the page takes; 0: nothing was drawn yet */
};

/* How wide and how high a page may be there above the warnings, beside a code if there is room for one: then
 * *ret_with_qr. `qr` may be NULL. */
void frame_room(const struct frame *frame, const struct qr *qr, const cJSON *warnings, unsigned *ret_columns,
                unsigned *ret_rows, bool *ret_with_qr);

/* What to write to the screen, in one write, to have `page` (within the room; lines that end in a newline) there, in
 * the place of the one before; `qr` (NULL: none) to its right; as many of the newest of `warnings` (strings, the newest
 * last; NULL: none) as fit below it. Updates the frame. The caller's, free(); NULL when memory is out. */
char *frame_draw(struct frame *frame, const char *page, const struct qr *qr, const cJSON *warnings);

/* Gives the whole screen back to whoever else writes there. The caller's, free(); NULL when memory is out, or nothing
 * was drawn. */
char *frame_end(struct frame *frame);
