/* libyaml's tree of nodes, walked. */

#include "zinit/yaml.h"

#include "lib/encode.h"
#include "lib/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct walk {
    yaml_document_t document;
    size_t values;
    struct reason *reason;
};

static bool is_utf8(const char *text, size_t size)
{
    for (size_t i = 0, step; i < size; i += step) {
        step = utf8_length(text + i, size - i);
        if (step == 0 || !text[i])
            return false;
    }
    return true;
}

static const char *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->type == YAML_SCALAR_NODE && is_utf8(text, node->data.scalar.length) ? text : NULL;
}

/* A number as JSON spells it is one in YAML too; other spellings (0x10, .5, 1_000) stay texts. */
static cJSON *number(const char *text)
{
    cJSON *value = NULL;

    if (strchr("-0123456789", text[0]) && json_parse(text, strlen(text), 63, &value, NULL) == 0)
        return value;
    return NULL;
}

static cJSON *convert_scalar(const yaml_node_t *node, const char *text)
{
    cJSON *value = NULL;

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return cJSON_CreateString(text);
    if (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0)
        return cJSON_CreateNull();
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
        return cJSON_CreateBool(strcasecmp(text, "true") == 0);
    value = number(text);
    return value ? value : cJSON_CreateString(text);
}

static int refuse(struct walk *walk, const yaml_node_t *node, const char *rule)
{
    char place[32];

    snprintf(place, sizeof place, "line %zu", node->start_mark.line + 1);
    return reason_refuse(walk->reason, place, "%s", rule);
}

static int convert(struct walk *walk, const yaml_node_t *node, int depth, cJSON **ret_value);

static int convert_sequence(struct walk *walk, const yaml_node_t *node, int depth, cJSON *array)
{
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        cJSON *value = NULL;
        int result = convert(walk, yaml_document_get_node(&walk->document, *item), depth, &value);
        if (result)
            return result;
        cJSON_AddItemToArray(array, value);
    }
    return 0;
}

static int convert_mapping(struct walk *walk, const yaml_node_t *node, int depth, cJSON *object)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&walk->document, pair->key);
        const char *name = scalar(key);
        cJSON *value = NULL;
        int result;
        if (!name || cJSON_GetObjectItemCaseSensitive(object, name))
            return refuse(walk, key, name ? "a key stands there twice" : "a key must be a text");
        result = convert(walk, yaml_document_get_node(&walk->document, pair->value), depth, &value);
        if (result)
            return result;
        if (!cJSON_AddItemToObject(object, name, value)) {
            cJSON_Delete(value);
            return -ENOMEM;
        }
    }
    return 0;
}

static int convert(struct walk *walk, const yaml_node_t *node, int depth, cJSON **ret_value)
{
    const char *text = node->type == YAML_SCALAR_NODE ? scalar(node) : "";
    int result = 0;

    if (!text)
        return refuse(walk, node, "a text must be UTF-8 without NUL");
    if (++walk->values > YAML_VALUES_MAX || depth > YAML_DEPTH_MAX)
        return refuse(walk, node, "there are too many values, or they are nested too deep");
    *ret_value = node->type == YAML_SCALAR_NODE     ? convert_scalar(node, text)
                 : node->type == YAML_SEQUENCE_NODE ? cJSON_CreateArray()
                                                    : cJSON_CreateObject();
    if (!*ret_value)
        return -ENOMEM;
    if (node->type == YAML_SEQUENCE_NODE)
        result = convert_sequence(walk, node, depth + 1, *ret_value);
    else if (node->type == YAML_MAPPING_NODE)
        result = convert_mapping(walk, node, depth + 1, *ret_value);
    if (result) {
        cJSON_Delete(*ret_value);
        *ret_value = NULL;
    }
    return result;
}

static int load(struct walk *walk, const char *text, size_t size)
{
    yaml_parser_t parser;
    int result = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &walk->document))
        result = parser.error == YAML_MEMORY_ERROR
                     ? -ENOMEM
                     : reason_refuse(walk->reason, NULL, "line %zu: isn't YAML: %s", parser.problem_mark.line + 1,
                                     parser.problem ? parser.problem : "unreadable");
    yaml_parser_delete(&parser);
    return result;
}

int yaml_to_json(const char *text, size_t size, cJSON **ret_value, struct reason *reason)
{
    struct walk walk = { .reason = reason };
    const yaml_node_t *root;
    cJSON *value = NULL;
    int result = load(&walk, text, size);

    if (result)
        return result;
    root = yaml_document_get_root_node(&walk.document);
    result = root ? convert(&walk, root, 0, &value) : reason_refuse(reason, NULL, "there is nothing in it");
    yaml_document_delete(&walk.document);
    if (result == 0)
        *ret_value = value;
    return result;
}
