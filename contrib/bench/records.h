#pragma once

/* A file of things to be sent, each behind its length in 4 bytes: written once, then read whole, so that nothing has to
 * be made while it is measured. Errors end the program. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct record {
    const char *bytes;
    uint32_t size;
};

struct records {
    struct record *items;
    size_t count;
    char *content;
};

void records_write(FILE *file, const char *text);
void records_read(const char *path, struct records *ret_records);
