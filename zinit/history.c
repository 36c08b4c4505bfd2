/* An array of the newest lines. The oldest are left out in two steps: those that can't fit by what they take in the
 * rings aren't even looked at, and what proves too much once it is escaped goes from the array's begin. */

#include "zinit/history.h"

#include "lib/rpc.h"
#include "zinit/merge.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LEVEL_ALL 7
#define ANSWER_BYTES_MAX (RPC_LINE_BYTES_MAX - 4096) /* what comes around the array */

bool history_has(const struct logs *logs, const char *name)
{
    for (const struct log_stream *stream = logs->streams; stream; stream = stream->next)
        if (strcmp(stream->name, name) == 0)
            return true;
    return false;
}

const char *history_dress(const char *name, int64_t time_ms, const char *text)
{
    static char whole[HISTORY_LINE_BYTES];
    time_t seconds = time_ms / 1000;
    struct tm utc;
    char time[32];

    gmtime_r(&seconds, &utc);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole, sizeof whole, "%s %.128s: %s", time, name, text);
    return whole;
}

/* At most what cJSON prints: "\u001b" for a control character. */
static size_t printed_size(const char *text)
{
    size_t size = sizeof "\"\"";

    for (; *text; text++)
        size += (unsigned char)*text < 0x20 ? 6 : *text == '"' || *text == '\\' ? 2 : 1;
    return size;
}

static bool add_text(cJSON *array, const char *text)
{
    cJSON *item = cJSON_CreateString(text);

    if (item && cJSON_AddItemToArray(array, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static size_t drop_first(cJSON *array)
{
    cJSON *first = cJSON_DetachItemViaPointer(array, array->child);
    size_t size = printed_size(first->valuestring);

    cJSON_Delete(first);
    return size;
}

/* What these lines take in their rings. */
static size_t kept_size(const struct merge *merge)
{
    size_t size = 0;

    for (size_t i = 0; i < merge->count; i++)
        size += merge->heap[i].stream->ring.used;
    return size;
}

static bool add_lines(cJSON *array, struct merge *merge, bool raw, int level, size_t count_max)
{
    static char text[RING_LINE_BYTES_MAX + 1];
    size_t left = kept_size(merge), size = 0, count = 0;
    struct log_stream *stream;
    struct ring_line line;

    while (merge_next(merge, &stream, &line, text)) {
        const char *whole;
        bool fits = left <= ANSWER_BYTES_MAX || level < LEVEL_ALL;
        left -= ring_bytes(&line);
        if (!fits || line.level > level)
            continue;
        whole = raw ? text : history_dress(stream->name, line.time_ms, text);
        if (!add_text(array, whole))
            return false;
        size += printed_size(whole);
        for (count++; size > ANSWER_BYTES_MAX || count > count_max; count--)
            size -= drop_first(array);
    }
    return true;
}

cJSON *history_to_json(const struct logs *logs, const char *name, bool raw, int level, size_t count_max)
{
    cJSON *array = cJSON_CreateArray();
    struct merge merge;

    if (!array || merge_open(&merge, logs, name, MERGE_ALL) < 0) {
        cJSON_Delete(array);
        return NULL;
    }
    if (!add_lines(array, &merge, raw, level, count_max)) {
        cJSON_Delete(array);
        array = NULL;
    }
    merge_close(&merge);
    return array;
}
