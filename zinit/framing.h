#pragma once

/* Where one request ends and the next begins in what a client sends. Pure.
 *
 * The first byte that isn't blank tells the protocol of the whole connection: `{` or `[` is JSON-RPC, whose values
 * stand on lines of their own or back to back; all else is zinit's text protocol, a line a command. */

#include <stdbool.h>
#include <stddef.h>

#define FRAMING_JSON_BYTES_MAX (128 * 1024) /* two whole units: what is read of it takes up to 32 times as much */
#define FRAMING_LINE_BYTES_MAX 4096
#define FRAMING_DEPTH_MAX 32 /* lib/json's */

enum framing_kind {
    FRAMING_NOTHING, /* no whole request is there */
    FRAMING_JSON,    /* an object or array, by its brackets */
    FRAMING_TEXT,    /* a line of the text protocol, without its end */
    FRAMING_STRAY,   /* between requests stands what begins none: it is passed over, up to the line's end */
    FRAMING_BROKEN,  /* a line ends within a string: no JSON can come of it */
    FRAMING_DEEP,    /* nested deeper than FRAMING_DEPTH_MAX: where it ends nobody can tell */
    FRAMING_LONG,    /* likewise, too long */
};

/* Zeroed to begin with. */
struct framing {
    enum { FRAMING_UNDECIDED, FRAMING_SPEAKS_JSON, FRAMING_SPEAKS_TEXT } protocol;
    size_t seen; /* bytes of the present request that were looked at */
    unsigned depth;
    bool string, escaped, passing_over;
};

/* What a call found: the request is `size` bytes from `skip` on; the first `used` bytes are done with. */
struct framing_found {
    size_t skip, size, used;
};

/* Looks on for the end of the present request in all `size` bytes that aren't done with, `bytes[0]` being the first of
 * them. FRAMING_NOTHING has `used` too: blanks and what is passed over needn't be kept. After FRAMING_DEEP and
 * FRAMING_LONG there is nothing to go on with. Each byte is looked at once. */
enum framing_kind framing_next(struct framing *framing, const char *bytes, size_t size,
                               struct framing_found *ret_found);
/* No more will come: what is left of a command without its line end is one all the same. */
enum framing_kind framing_last(struct framing *framing, size_t size, struct framing_found *ret_found);
