/* Strict JSON from anyone: what is read must print to what is read again as the same, and cJSON must agree with us on
 * what we let through. */

#include "lib/cleanup.h"
#include "lib/json.h"

#include <string.h>

#define SIZE_MAX_TRIED (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json cJSON *value = NULL, *again = NULL;
    struct reason reason = { 0 };

    if (json_parse((const char *)data, size, SIZE_MAX_TRIED, &value, &reason) != 0) {
        if (!reason.text[0] || value)
            abort();
        return 0;
    }
    cleanup_free char *text = json_print(value);
    if (!text || json_parse(text, strlen(text), 4 * SIZE_MAX_TRIED, &again, &reason) != 0)
        abort();
    cleanup_free char *text_again = json_print(again);
    if (!text_again || strcmp(text, text_again) != 0)
        abort();
    return 0;
}
