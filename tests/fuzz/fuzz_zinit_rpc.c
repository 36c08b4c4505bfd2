/* Bytes from the socket: they fall into the same requests however they come, in pieces or at once; each request is
 * answered by JSON that lib/json takes, or not at all; and no method sees parameters that its rules refuse. The methods
 * are zinit's by name and rules, but what they would do to services is left out. The first byte is the pieces' size. */

#include "zinit/api.h"
#include "zinit/framing.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define METHODS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct rpc_method methods[METHODS_MAX];

static void check_params(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    assert(cJSON_IsObject(params));
    *ret_result = cJSON_Duplicate(params, true);
    if (cJSON_GetArraySize(params) > 2)
        rpc_error_set(ret_error, API_UNKNOWN, "Service not found", json_string(params, "name"));
}

static void take_methods(void)
{
    for (size_t i = 0; API_METHODS[i].name; i++) {
        assert(i < METHODS_MAX - 1);
        methods[i] = API_METHODS[i];
        methods[i].call = check_params;
    }
}

/* What a client's bytes came to: a digest of the kinds and places of all requests. */
static uint64_t note(uint64_t digest, enum framing_kind kind, const char *bytes, size_t size)
{
    digest = (digest ^ (uint64_t)kind) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static void answer(const char *request, size_t size)
{
    char *reply = NULL;
    cJSON *value = NULL;
    struct reason reason = { "" };

    rpc_dispatch(methods, NULL, request, size, &reply);
    if (!reply)
        return;
    assert(!strchr(reply, '\n'));
    assert(json_parse(reply, strlen(reply), 64 * 1024 * 1024, &value, &reason) == 0);
    cJSON_Delete(value);
    free(reply);
}

/* Hands the bytes on in pieces, keeping what isn't done with, as a session does. */
static uint64_t converse(const char *bytes, size_t size, size_t piece, bool answers)
{
    struct framing framing = { 0 };
    struct framing_found found;
    uint64_t digest = 0;
    size_t begin = 0, end = 0;

    while (end < size) {
        enum framing_kind kind;
        end = size - end < piece ? size : end + piece;
        do {
            kind = framing_next(&framing, bytes + begin, end - begin, &found);
            assert(found.skip + found.size <= end - begin && found.used <= end - begin);
            if (kind == FRAMING_DEEP || kind == FRAMING_LONG)
                return note(digest, kind, NULL, 0);
            if (kind != FRAMING_NOTHING) {
                assert(found.used > 0 || kind == FRAMING_STRAY);
                digest = note(digest, kind, bytes + begin + found.skip, found.size);
            }
            if (kind == FRAMING_JSON && answers)
                answer(bytes + begin + found.skip, found.size);
            begin += found.used;
        } while (kind != FRAMING_NOTHING);
        assert(end - begin <= FRAMING_JSON_BYTES_MAX);
    }
    if (framing_last(&framing, end - begin, &found) == FRAMING_TEXT)
        digest = note(digest, FRAMING_TEXT, bytes + begin, found.size);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes + 1;

    if (!methods[0].name)
        take_methods();
    if (size > 1)
        assert(converse(text, size - 1, SIZE_MAX, true) == converse(text, size - 1, 1 + bytes[0] % 64, false));
    return 0;
}
