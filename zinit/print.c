/* Block style, two spaces a level. A text that YAML would read as something else is quoted as JSON does it, which is
 * YAML too. */

#include "zinit/print.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <string.h>

static bool is_plain(const char *text)
{
    size_t size = strlen(text);

    if (size == 0 || strchr("-?:,[]{}#&*!|>'\"%@`~ ", text[0]) || text[size - 1] == ' ' || text[size - 1] == ':' ||
        strstr(text, ": ") || strstr(text, " #") || strspn(text, "0123456789+-.eExX_o") == size)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0 && strcasecmp(text, "null") != 0 &&
           strcasecmp(text, "yes") != 0 && strcasecmp(text, "no") != 0;
}

static void print_leaf(FILE *out, const cJSON *value)
{
    cleanup_free char *text = NULL;

    if (cJSON_IsString(value) && is_plain(value->valuestring)) {
        fprintf(out, "%s\n", value->valuestring);
        return;
    }
    text = json_print(value); /* empty objects and arrays too */
    fprintf(out, "%s\n", text ? text : "");
}

/* `begun`: the first line's indent is written already. */
static void print_block(FILE *out, const cJSON *value, int indent, bool begun)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, value) {
        bool block = item->child != NULL;
        if (!begun)
            fprintf(out, "%*s", indent, "");
        begun = false;
        if (cJSON_IsArray(value))
            fprintf(out, "- ");
        else
            fprintf(out, block ? "%s:\n" : "%s: ", item->string);
        if (!block)
            print_leaf(out, item);
        else
            print_block(out, item, indent + 2, cJSON_IsArray(value));
    }
}

void print_value(FILE *out, const cJSON *value)
{
    if (cJSON_IsString(value))
        fprintf(out, "%s\n", value->valuestring);
    else if (value->child)
        print_block(out, value, 0, false);
    else if (!cJSON_IsNull(value))
        print_leaf(out, value);
}
