#pragma once

/* A text as a QR code (ISO/IEC 18004) of signs: each line holds two rows of modules as UTF-8 half blocks (U+2580,
 * U+2584, U+2588), light where the screen is lit, with the light margin of four modules (§6.3.8) around it. The console
 * fonts of the kernel have these signs. Pure. */

struct qr {
    char *text;       /* lines that each end in a newline; the caller's, free() */
    unsigned columns; /* of each line */
    unsigned lines;
};

/* 0, or negative errno: -ENOMEM, -ERANGE when it is too much for a code of 57 columns (about 130 bytes). */
int qr_make(const char *text, struct qr *ret_qr);
