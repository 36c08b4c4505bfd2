/* A statement with a byte that isn't UTF-8 would be refused, and a control character costs six bytes in JSON and may do
 * things to a terminal. */

#include "provisiond/text.h"

#include <stddef.h>

/* The length of the UTF-8 character (RFC 3629 §4) at `text`, 0 when it isn't one. */
static size_t character(const unsigned char *text)
{
    size_t size = 0;

    if (text[0] < 0x80)
        size = 1;
    else if (text[0] >= 0xc2 && text[0] < 0xe0)
        size = 2;
    else if (text[0] >= 0xe0 && text[0] < 0xf0)
        size = 3;
    else if (text[0] >= 0xf0 && text[0] < 0xf5)
        size = 4;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

void text_clean(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at;) {
        size_t size = character(at);
        if (size == 0 || (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f)
            *at = '?';
        at += size ? size : 1;
    }
}
