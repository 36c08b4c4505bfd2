/* A k-way merge over a binary heap of the streams that have more, so that a line costs the logarithm of their number.
 */

#include "zinit/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void sink_down(struct merge *merge, size_t at)
{
    struct merge_place place = merge->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < merge->count && merge->heap[child + 1].order < merge->heap[child].order)
            child++;
        if (child >= merge->count || merge->heap[child].order > place.order)
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = place;
}

static size_t first_cursor(const struct log_stream *stream, enum merge_part part)
{
    return part == MERGE_FRESH ? ring_fresh(&stream->ring) : 0;
}

static bool is_wanted(const struct log_stream *stream, const char *name, enum merge_part part)
{
    return (!name || strcmp(stream->name, name) == 0) && first_cursor(stream, part) < stream->ring.used;
}

int merge_open(struct merge *merge, const struct logs *logs, const char *name, enum merge_part part)
{
    size_t count = 0;

    *merge = (struct merge){ .part = part };
    for (struct log_stream *stream = logs->streams; stream; stream = stream->next)
        count += is_wanted(stream, name, part);
    if (count == 0)
        return 0;
    merge->heap = malloc(count * sizeof *merge->heap);
    if (!merge->heap)
        return -ENOMEM;
    for (struct log_stream *stream = logs->streams; stream; stream = stream->next) {
        size_t cursor = first_cursor(stream, part), after = cursor;
        struct ring_line line;
        if (is_wanted(stream, name, part) && ring_next(&stream->ring, &after, &line, NULL))
            merge->heap[merge->count++] = (struct merge_place){ line.order, cursor, stream };
    }
    for (size_t at = merge->count / 2; at-- > 0;)
        sink_down(merge, at);
    return 0;
}

bool merge_next(struct merge *merge, struct log_stream **ret_stream, struct ring_line *ret_line, char *ret_text)
{
    struct merge_place *place = &merge->heap[0];
    struct ring_line following;
    size_t after;

    if (merge->count == 0)
        return false;
    *ret_stream = place->stream;
    ring_next(&place->stream->ring, &place->cursor, ret_line, ret_text);
    if (merge->part == MERGE_FRESH)
        ring_passed_on(&place->stream->ring, place->cursor);
    after = place->cursor;
    if (ring_next(&place->stream->ring, &after, &following, NULL))
        place->order = following.order;
    else
        *place = merge->heap[--merge->count];
    sink_down(merge, 0);
    return true;
}

void merge_close(struct merge *merge)
{
    free(merge->heap);
    *merge = (struct merge){ 0 };
}
