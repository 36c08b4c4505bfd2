/* Each unit by itself, as zinit reads it; then what they say of each other: a name after which nothing of that name is,
 * and circles, one for each way back that a search depth first comes upon. */

#include "zinit/check.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "zinit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <yaml.h>

struct entry {
    char *name, *path, *text;
    size_t size;
    bool good; /* `unit` is there */
    struct unit unit;
    enum { UNSEEN, ON_PATH, DONE } search;
    struct entry *from; /* on the path: who comes after this one */
};

struct check {
    FILE *out;
    struct entry *entries;
    size_t count;
    unsigned errors, warnings;
};

static void tell(void *context, enum unit_tale tale, const char *text)
{
    struct check *check = context;

    fprintf(check->out, "%s: %s\n", tale == UNIT_ERROR ? "error" : "warning", text);
    check->errors += tale == UNIT_ERROR;
    check->warnings += tale == UNIT_WARNING;
}

/* ---- each by itself */

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name), length = strlen(suffix);

    return size > length && strcmp(name + size - length, suffix) == 0;
}

static bool open_entry(struct check *check, const char *dir, const char *file)
{
    struct entry *entry = &check->entries[check->count];
    struct reason reason = { "" };
    unsigned before = check->errors;
    char text[600];
    int result;

    *entry = (struct entry){ .name = strndup(file, strlen(file) - strlen(".yaml")) };
    if (asprintf(&entry->path, "%s/%s", dir, file) < 0)
        entry->path = NULL;
    if (!entry->name || !entry->path)
        return false;
    check->count++;
    result = file_read(entry->path, UNIT_FILE_BYTES_MAX, &entry->text, &entry->size);
    if (result == 0)
        result = unit_parse(entry->name, entry->path, entry->text, entry->size, &entry->unit, tell, check, &reason);
    else
        reason_refuse(&reason, entry->path, "%s",
                      result == -EFBIG ? "is larger than a unit may be (65536 bytes)" : strerror(-result));
    entry->good = result == 0;
    snprintf(text, sizeof text, "%s", reason.text[0] ? reason.text : entry->path);
    if (result && check->errors == before)
        tell(check, UNIT_ERROR, text);
    return result != -ENOMEM;
}

static void warn_of_other(struct check *check, const char *dir, const char *file)
{
    char text[640];

    snprintf(text, sizeof text, "%.300s/%.255s: isn't read: the file of a unit ends in .yaml", dir, file);
    tell(check, UNIT_WARNING, text);
}

/* ---- of each other */

static struct entry *find(struct check *check, const char *name)
{
    size_t low = 0, high = check->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, check->entries[middle].name);
        if (order == 0)
            return &check->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool is_text(const yaml_node_t *node, const char *text)
{
    return node && node->type == YAML_SCALAR_NODE && strcmp((const char *)node->data.scalar.value, text) == 0;
}

/* The node of `after` that says this name. */
static const yaml_node_t *find_after(yaml_document_t *document, const char *name)
{
    const yaml_node_t *root = yaml_document_get_root_node(document), *value = NULL;

    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++)
        if (is_text(yaml_document_get_node(document, pair->key), "after"))
            value = yaml_document_get_node(document, pair->value);
    if (!value || value->type != YAML_SEQUENCE_NODE)
        return value;
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++)
        if (is_text(yaml_document_get_node(document, *item), name))
            return yaml_document_get_node(document, *item);
    return value;
}

/* The line on which the unit, which is a good one, says that it comes after that name. */
static size_t find_line(const struct entry *entry, const char *name)
{
    yaml_parser_t parser;
    yaml_document_t document;
    size_t line = 1;

    if (!yaml_parser_initialize(&parser))
        return line;
    yaml_parser_set_input_string(&parser, (const unsigned char *)entry->text, entry->size);
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *node = find_after(&document, name);
        line = node ? node->start_mark.line + 1 : 1;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return line;
}

static void tell_at(struct check *check, const struct entry *entry, const char *name, const char *what)
{
    cleanup_free char *text = NULL;

    if (asprintf(&text, "%s:%zu: after: %s", entry->path, find_line(entry, name), what) >= 0)
        tell(check, UNIT_ERROR, text);
}

/* From `first`, which is on the path, along it to `last`, and back to the first. */
static void tell_circle(struct check *check, const struct entry *first, const struct entry *last)
{
    cleanup_free char *way = NULL;
    size_t size;
    FILE *out = open_memstream(&way, &size);
    const struct entry **path = calloc(check->count, sizeof *path);
    size_t length = 0;

    for (const struct entry *each = last; path && each != first; each = each->from)
        path[length++] = each;
    if (out && path) {
        fprintf(out, "a circle: %s", first->name);
        while (length > 0)
            fprintf(out, " → %s", path[--length]->name);
        fprintf(out, " → %s (→: comes after): break it", first->name);
    }
    free(path);
    if (out && fclose(out) == 0 && size > 0)
        tell_at(check, last, first->name, way);
}

static void follow(struct check *check, struct entry *entry)
{
    entry->search = ON_PATH;
    for (char **name = entry->good ? entry->unit.after : NULL; name && *name; name++) {
        struct entry *other = find(check, *name);
        if (!other)
            continue;
        if (other->search == ON_PATH) {
            tell_circle(check, other, entry);
        } else if (other->search == UNSEEN) {
            other->from = entry;
            follow(check, other);
        }
    }
    entry->search = DONE;
}

static void look_at_order(struct check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        struct entry *entry = &check->entries[i];
        for (char **name = entry->good ? entry->unit.after : NULL; name && *name; name++) {
            char text[UNIT_NAME_BYTES_MAX + 64];
            snprintf(text, sizeof text, "there is no unit %s: add it, or take this out", *name);
            if (!find(check, *name))
                tell_at(check, entry, *name, text);
        }
    }
    for (size_t i = 0; i < check->count; i++)
        if (check->entries[i].search == UNSEEN)
            follow(check, &check->entries[i]);
}

/* ---- the whole */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void close_all(struct check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        struct entry *entry = &check->entries[i];
        if (entry->good)
            unit_close(&entry->unit);
        free(entry->name);
        free(entry->path);
        free(entry->text);
    }
    free(check->entries);
}

static void look_at_file(struct check *check, const char *dir, const char *name)
{
    if (!ends_in(name, ".yaml"))
        warn_of_other(check, dir, name);
    else if (!open_entry(check, dir, name))
        tell(check, UNIT_ERROR, "out of memory");
}

int check_folder(const char *dir, FILE *out)
{
    struct check check = { .out = out };
    struct dirent **files = NULL;
    int count = scandir(dir, &files, is_shown, alphasort);

    check.entries = count < 0 ? NULL : calloc((size_t)count + 1, sizeof *check.entries);
    if (!check.entries)
        fprintf(out, "error: %s: %s\n", dir, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (check.entries)
            look_at_file(&check, dir, files[i]->d_name);
        free(files[i]);
    }
    free(files);
    if (!check.entries)
        return 2;
    qsort(check.entries, check.count, sizeof *check.entries, compare); /* "a.yaml" and "a-b.yaml" sort otherwise */
    look_at_order(&check);
    fprintf(out, "%s: %zu unit%s, %u error%s, %u warning%s\n", dir, check.count, check.count == 1 ? "" : "s",
            check.errors, check.errors == 1 ? "" : "s", check.warnings, check.warnings == 1 ? "" : "s");
    close_all(&check);
    return check.errors ? 1 : 0;
}
