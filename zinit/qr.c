/* The code itself is libqrencode's. */

#include "zinit/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MARGIN 4
#define VERSION_MAX 8 /* 49 modules a side: what fits beside the page on the smallest screen that has room for one */

/* Whether a place is light: the margin, and modules whose lowest bit isn't set (qrencode.h). */
static bool is_light(const QRcode *code, int x, int y)
{
    x -= MARGIN;
    y -= MARGIN;
    return x < 0 || y < 0 || x >= code->width || y >= code->width || !(code->data[y * code->width + x] & 1);
}

static void print_line(FILE *out, const QRcode *code, int y)
{
    static const char *const signs[] = { " ", "\u2584", "\u2580", "\u2588" }; /* by upper × 2 + lower */
    bool last = y + 1 >= code->width + 2 * MARGIN;

    for (int x = 0; x < code->width + 2 * MARGIN; x++)
        fputs(signs[is_light(code, x, y) * 2 + (!last && is_light(code, x, y + 1))], out);
    fputc('\n', out);
}

int qr_make(const char *text, struct qr *ret_qr)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    struct qr qr = { 0 };
    size_t size;
    FILE *out;

    if (!code || code->version > VERSION_MAX) {
        int error = code || errno == ERANGE ? -ERANGE : -ENOMEM;
        QRcode_free(code);
        return error;
    }
    out = open_memstream(&qr.text, &size);
    qr.columns = (unsigned)code->width + 2 * MARGIN;
    for (int y = 0; out && y < (int)qr.columns; y += 2, qr.lines++)
        print_line(out, code, y);
    QRcode_free(code);
    if (!out || fclose(out) != 0) {
        free(qr.text);
        return -ENOMEM;
    }
    *ret_qr = qr;
    return 0;
}
