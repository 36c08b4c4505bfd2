/* The record's head is numbers and commas up to a semicolon; what a newer kernel adds before it is passed over. */

#include "zinit/kmsg.h"

#include <string.h>

/* A decimal number that ends at `end` or a comma; moves *from behind the comma. */
static bool read_number(const char **from, const char *end, uint64_t *ret_number)
{
    const char *at = *from;
    uint64_t number = 0;

    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (at == *from || (at < end && *at != ','))
        return false;
    *from = at < end ? at + 1 : at;
    *ret_number = number;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that \xNN stands for; -1: it isn't that, or stays as it is. */
static int escaped_byte(const char *at, const char *end)
{
    int high, low;

    if (end - at < 4 || at[0] != '\\' || at[1] != 'x')
        return -1;
    high = hex_digit(at[2]);
    low = hex_digit(at[3]);
    if (high < 0 || low < 0 || high * 16 + low < 0x20 || high * 16 + low == 0x7f)
        return -1;
    return high * 16 + low;
}

static size_t unescape(const char *from, const char *end, char text[static RING_LINE_BYTES_MAX + 1])
{
    size_t size = 0;

    while (from < end && size < RING_LINE_BYTES_MAX) {
        int byte = escaped_byte(from, end);
        text[size++] = byte < 0 ? *from : (char)byte;
        from += byte < 0 ? 1 : 4;
    }
    text[size] = '\0';
    return size;
}

bool kmsg_parse(const char *record, size_t size, struct kmsg *ret_kmsg)
{
    const char *text = memchr(record, ';', size), *end = record + size, *line_end;
    uint64_t priority, sequence, time_us;

    if (!text || !read_number(&record, text, &priority) || !read_number(&record, text, &sequence) ||
        !read_number(&record, text, &time_us) || priority > INT32_MAX)
        return false;
    text++;
    line_end = memchr(text, '\n', (size_t)(end - text));
    ret_kmsg->level = (int)(priority & 7);
    ret_kmsg->facility = (int)(priority >> 3);
    ret_kmsg->sequence = sequence;
    ret_kmsg->time_us = time_us;
    ret_kmsg->size = unescape(text, line_end ? line_end : end, ret_kmsg->text);
    return true;
}
