/* Brackets are counted, strings passed over; whether it is JSON at all is for lib/json to say, when it is whole. A raw
 * line end within a string, which JSON forbids, ends the request at once: who sends a line a request is heard again
 * with the next one, whatever went wrong in this one. */

#include "zinit/framing.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum framing_kind end_request(struct framing *framing, enum framing_kind kind, size_t skip, size_t size,
                                     size_t used, struct framing_found *ret_found)
{
    *framing = (struct framing){ .protocol = framing->protocol };
    *ret_found = (struct framing_found){ skip, size, used };
    return kind;
}

/* One more byte of a JSON value. FRAMING_NOTHING: goes on; FRAMING_JSON: it was the last. */
static enum framing_kind take_byte(struct framing *framing, char c)
{
    if (framing->string) {
        if (c == '\n')
            return FRAMING_BROKEN;
        if (framing->escaped)
            framing->escaped = false;
        else if (c == '\\')
            framing->escaped = true;
        else if (c == '"')
            framing->string = false;
    } else if (c == '"') {
        framing->string = true;
    } else if (c == '{' || c == '[') {
        return ++framing->depth > FRAMING_DEPTH_MAX ? FRAMING_DEEP : FRAMING_NOTHING;
    } else if (c == '}' || c == ']') {
        return --framing->depth == 0 ? FRAMING_JSON : FRAMING_NOTHING;
    }
    return FRAMING_NOTHING;
}

static enum framing_kind next_json(struct framing *framing, const char *bytes, size_t size, size_t skip,
                                   struct framing_found *ret_found)
{
    while (skip + framing->seen < size) {
        enum framing_kind kind = take_byte(framing, bytes[skip + framing->seen++]);
        if (kind != FRAMING_NOTHING)
            return end_request(framing, kind, skip, framing->seen, skip + framing->seen, ret_found);
        if (framing->seen > FRAMING_JSON_BYTES_MAX)
            return end_request(framing, FRAMING_LONG, skip, framing->seen, skip + framing->seen, ret_found);
    }
    *ret_found = (struct framing_found){ .used = skip };
    return FRAMING_NOTHING;
}

static enum framing_kind next_line(struct framing *framing, const char *bytes, size_t size, size_t skip,
                                   struct framing_found *ret_found)
{
    size_t from = skip + framing->seen;
    const char *end = size > from ? memchr(bytes + from, '\n', size - from) : NULL;
    size_t length = end ? (size_t)(end - bytes) - skip : size - skip;

    if (length > FRAMING_LINE_BYTES_MAX)
        return end_request(framing, FRAMING_LONG, skip, length, size, ret_found);
    if (end)
        return end_request(framing, FRAMING_TEXT, skip, length, skip + length + 1, ret_found);
    framing->seen = length;
    *ret_found = (struct framing_found){ .used = skip };
    return FRAMING_NOTHING;
}

/* How many bytes stand before the next request: blanks, and the rest of a line that is passed over. */
static size_t count_skipped(struct framing *framing, const char *bytes, size_t size)
{
    size_t skip = 0;

    for (; skip < size && (framing->passing_over || is_blank(bytes[skip])); skip++)
        if (bytes[skip] == '\n')
            framing->passing_over = false;
    return skip;
}

enum framing_kind framing_next(struct framing *framing, const char *bytes, size_t size, struct framing_found *ret_found)
{
    size_t skip = framing->seen ? 0 : count_skipped(framing, bytes, size);
    bool opens = skip < size && (bytes[skip] == '{' || bytes[skip] == '[');

    if (skip < size && framing->protocol == FRAMING_UNDECIDED)
        framing->protocol = opens ? FRAMING_SPEAKS_JSON : FRAMING_SPEAKS_TEXT;
    if (skip < size && framing->protocol == FRAMING_SPEAKS_TEXT)
        return next_line(framing, bytes, size, skip, ret_found);
    if (skip < size && (framing->seen || opens))
        return next_json(framing, bytes, size, skip, ret_found);
    *ret_found = (struct framing_found){ .used = skip };
    if (skip == size)
        return FRAMING_NOTHING;
    framing->passing_over = true;
    return FRAMING_STRAY;
}

enum framing_kind framing_last(struct framing *framing, size_t size, struct framing_found *ret_found)
{
    if (size > 0 && framing->protocol == FRAMING_SPEAKS_TEXT)
        return end_request(framing, FRAMING_TEXT, 0, size, size, ret_found);
    *ret_found = (struct framing_found){ .used = size };
    return FRAMING_NOTHING;
}
