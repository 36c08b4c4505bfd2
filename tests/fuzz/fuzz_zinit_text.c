/* A line of zinit's text protocol is refused with a reason that can be answered, or stands for a method that there is.
 */

#include "zinit/api.h"
#include "zinit/text.h"

#include "lib/json.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_method(const char *name)
{
    for (const struct rpc_method *method = API_METHODS; method->name; method++)
        if (strcmp(method->name, name) == 0)
            return true;
    return false;
}

static void answers_by_json(cJSON *result, const char *problem)
{
    char *line = text_answer(result, problem);
    cJSON *value = NULL;

    assert(line && line[strlen(line) - 1] == '\n' && strchr(line, '\n') == line + strlen(line) - 1);
    assert(json_parse(line, strlen(line), JSON_SIZE_MAX, &value, NULL) == 0);
    cJSON_Delete(value);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct text_request request;
    struct reason reason = { "" };
    int result = text_parse((const char *)bytes, size, &request, &reason);

    if (result) {
        assert(result == REFUSED && reason.text[0]);
        answers_by_json(NULL, reason.text);
    } else if (request.log) {
        assert(!request.method && (!request.name[0] || unit_name_fits(request.name)));
    } else {
        assert(is_method(request.method) && cJSON_GetArraySize(request.params) <= 2);
        answers_by_json(request.params, NULL);
    }
    return 0;
}
