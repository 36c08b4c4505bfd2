/* Lengths are in the machine's own order: the file is read where it was written. */

#include "contrib/bench/records.h"

#include "lib/file.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (4UL << 30)

static void fail(const char *what)
{
    log_error("records: %s", what);
    exit(EXIT_FAILURE);
}

void records_write(FILE *file, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);

    if (fwrite(&size, sizeof size, 1, file) != 1 || fwrite(text, 1, size, file) != size)
        fail("they can't be written");
}

void records_read(const char *path, struct records *ret_records)
{
    struct records records = { 0 };
    size_t size, room = 0;
    uint32_t length;

    if (file_read(path, FILE_BYTES_MAX, &records.content, &size) < 0)
        fail("they can't be read");
    for (size_t at = 0; at + sizeof length <= size; at += sizeof length + length) {
        memcpy(&length, records.content + at, sizeof length);
        if (length > size - at - sizeof length)
            fail("the file has no end");
        if (records.count == room) {
            room = 2 * room + 1024;
            records.items = realloc(records.items, room * sizeof *records.items);
            if (!records.items)
                fail("out of memory");
        }
        records.items[records.count++] = (struct record){ records.content + at + sizeof length, length };
    }
    *ret_records = records;
}
