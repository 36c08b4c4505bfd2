/* Tiles, bundles and proofs out of the store. Bundles are text, so they go out as gzip to whoever takes it (tlog-tiles,
 * "Log entries"); hashes don't compress. */

#include "contrib/directory/log_api.h"

#include "contrib/directory/proven.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define IMMUTABLE "public, max-age=31536000, immutable"
#define PARTIAL                                                                                                        \
    "public, max-age=3600, immutable" /* never changes either, but nobody asks for it any more once it's full */
#define SHORT "public, max-age=1"     /* tlog-tiles, "Checkpoints": at most a few seconds */

/* ---- The checkpoint */

void log_get_checkpoint(struct directory *directory, struct request *request)
{
    char *note = strdup(directory_public_head(directory)->note);

    if (!note) {
        request_problem(request, 503, "out of memory");
        return;
    }
    request->cache_control = SHORT;
    request->tagged = true;
    request_answer_bytes(request, "text/plain; charset=utf-8", note, strlen(note));
}

/* ---- Tiles and bundles */

static void answer_tile(struct directory *directory, struct request *request, const struct tile *tile)
{
    size_t size;
    void *bytes = tlog_tile(directory->reader, tile, &size);

    store_clear(directory->reader);
    if (!bytes) {
        request_problem(request, 503, "the tile can't be read now");
        return;
    }
    request->cache_control = tile->width == TILE_WIDTH ? IMMUTABLE : PARTIAL;
    request->tagged = true;
    request_answer_bytes(request, "application/octet-stream", bytes, size);
    if (tile->level == TILE_ENTRIES)
        directory_gzip(directory, request);
}

void log_get_tile(struct directory *directory, struct request *request)
{
    struct tile tile;

    if (!tile_parse(request->path + strlen(LOG_TILES_PREFIX), &tile))
        request_problem(request, 404, "this isn't the name of a tile");
    else if (!tile_is_within(&tile, directory->head.checkpoint.size))
        request_problem(request, 404, "the log doesn't reach that far yet");
    else
        answer_tile(directory, request, &tile);
}

/* ---- Proofs */

const struct parameter LOG_PROOF_PARAMETERS[] = {
    { "index", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "size", PARAMETER_INTEGER, 1, JSON_INTEGER_MAX },
    { 0 },
};

const struct parameter LOG_CONSISTENCY_PARAMETERS[] = {
    { "from", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "to", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { 0 },
};

/* The second of two parameters is at most the log's size, and the first at most `first_max`. */
static bool check_range(struct directory *directory, struct request *request, const struct parameter *parameters,
                        int64_t first_less)
{
    const struct parameter_value *values = request->values;
    int64_t size = (int64_t)directory->head.checkpoint.size;

    for (int i = 0; i < 2; i++) {
        if (!values[i].given)
            return request_problem(request, 400, "%s: is missing", parameters[i].name), false;
    }
    if (values[1].integer > size)
        return request_problem(request, 400, "%s: must be at most the log's size, which is %" PRId64,
                               parameters[1].name, size),
               false;
    if (values[0].integer > values[1].integer - first_less)
        return request_problem(request, 400, "%s: must be %s %s", parameters[0].name,
                               first_less ? "less than" : "at most", parameters[1].name),
               false;
    return true;
}

static void answer_proof(struct directory *directory, struct request *request, const struct parameter *parameters,
                         const struct merkle_proof *proof)
{
    cJSON *answer = cJSON_CreateObject();

    json_add_integer(answer, parameters[0].name, request->values[0].integer);
    json_add_integer(answer, parameters[1].name, request->values[1].integer);
    cJSON_AddItemToObject(answer, "proof", merkle_proof_to_json(proof));
    request->cache_control = IMMUTABLE;
    request->tagged = true;
    request_answer_json(request, 200, answer);
}

void log_get_proof(struct directory *directory, struct request *request)
{
    struct merkle_proof proof;

    if (!check_range(directory, request, LOG_PROOF_PARAMETERS, 1))
        return;
    if (proven_inclusion(directory->reader, &directory->head.checkpoint, (uint64_t)request->values[0].integer,
                         (uint64_t)request->values[1].integer, &proof) == 0)
        answer_proof(directory, request, LOG_PROOF_PARAMETERS, &proof);
    else
        request_problem(request, 503, "the proof can't be made now");
    store_clear(directory->reader);
}

void log_get_consistency(struct directory *directory, struct request *request)
{
    struct merkle_proof proof = { 0 };
    int64_t from = request->values[0].integer, to = request->values[1].integer;

    if (!check_range(directory, request, LOG_CONSISTENCY_PARAMETERS, 0))
        return;
    if (proven_consistency(directory->reader, &directory->head.checkpoint, (uint64_t)from, (uint64_t)to, &proof) == 0)
        answer_proof(directory, request, LOG_CONSISTENCY_PARAMETERS, &proof);
    else
        request_problem(request, 503, "the proof can't be made now");
    store_clear(directory->reader);
}
