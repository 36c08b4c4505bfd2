/* The page's lines, from the node outward: who it is, the way to the directory, disks, contracts, and what is wrong.
 * Each line begins with what it is about, so that it can be found in a serial log too. */

#include "zinit/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "  %-10s "
#define LABEL_COLUMNS 13
#define CONTRACT_DIGITS 20 /* of its id: as many as in the names of its containers' services, which the log has */

/* What is absent or empty is `otherwise`. */
static const char *text_of(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(value) && *value->valuestring ? value->valuestring : otherwise;
}

static double number_of(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static void print_list(FILE *page, const cJSON *array)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
        fprintf(page, " %s", cJSON_IsString(item) ? item->valuestring : "?");
}

static bool is_missing(const cJSON *provision, const char *text)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(provision, "missing"))
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    return false;
}

/* ---- who and where */

static void print_node(FILE *page, const cJSON *provision)
{
    const cJSON *directory = cJSON_GetObjectItemCaseSensitive(provision, "directory");
    const char *detail = text_of(directory, "detail", "");
    double farm = number_of(provision, "farm");

    if (!provision) {
        fprintf(page, LABEL "provisiond doesn't answer yet\n", "node");
        return;
    }
    fprintf(page, LABEL "%s\n", "node", text_of(provision, "node_id", "has no identity yet"));
    fprintf(page, LABEL, "farm");
    if (farm > 0)
        fprintf(page, "%.0f\n", farm);
    else
        fprintf(page, "none yet\n");
    fprintf(page, LABEL "%s, %s", "directory", text_of(directory, "url", "not set"),
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(provision, "registered")) ? "registered" : "not registered");
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(directory, "reachable")) && *detail &&
        !is_missing(provision, detail)) /* which is said below */
        fprintf(page, " (%s: %s)", text_of(directory, "step", "?"), detail);
    fprintf(page, "\n" LABEL "%s\n", "clock",
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(provision, "clock_set")) ? "set by the directory"
                                                                                   : "not set");
}

static void print_link(FILE *page, const cJSON *link)
{
    fprintf(page, LABEL "%s %s %s", "link", text_of(link, "name", "?"), text_of(link, "mac", ""),
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(link, "carrier")) ? "up" : "no carrier");
    print_list(page, cJSON_GetObjectItemCaseSensitive(link, "addresses"));
    fputc('\n', page);
}

static void print_network(FILE *page, const cJSON *network)
{
    const cJSON *uplink = cJSON_GetObjectItemCaseSensitive(network, "uplink"), *link;

    if (!network) {
        fprintf(page, LABEL "netd doesn't answer yet\n", "network");
        return;
    }
    cJSON_ArrayForEach(link, cJSON_GetObjectItemCaseSensitive(network, "links"))
        print_link(page, link);
    if (cJSON_IsObject(uplink)) {
        fprintf(page, LABEL "%s %s, gateway %s, dns", "uplink", text_of(uplink, "name", "?"),
                text_of(uplink, "address", "?"), text_of(uplink, "gateway", "none"));
        print_list(page, cJSON_GetObjectItemCaseSensitive(uplink, "dns"));
        fputc('\n', page);
    }
    if (*text_of(network, "problem", ""))
        fprintf(page, LABEL "%s\n", "network", text_of(network, "problem", ""));
}

/* ---- what it has and does */

static void print_disks(FILE *page, const cJSON *answer)
{
    const cJSON *disks = cJSON_GetObjectItemCaseSensitive(answer, "disks"), *disk;

    if (!answer)
        fprintf(page, LABEL "storaged doesn't answer yet\n", "disks");
    else if (cJSON_GetArraySize(disks) == 0)
        fprintf(page, LABEL "none\n", "disks");
    cJSON_ArrayForEach(disk, disks) {
        fprintf(page, LABEL "%s %.1f GiB %s%s%s: %s\n", "disk", text_of(disk, "name", "?"),
                number_of(disk, "size_bytes") / (1 << 30), text_of(disk, "media", ""),
                *text_of(disk, "model", "") ? " " : "", text_of(disk, "model", ""), text_of(disk, "state", "?"));
    }
}

static void print_contracts(FILE *page, const cJSON *provision)
{
    const cJSON *contracts = cJSON_GetObjectItemCaseSensitive(provision, "contracts"), *contract;

    cJSON_ArrayForEach(contract, contracts) {
        const char *message = text_of(contract, "message", "");
        fprintf(page, LABEL "%.*s %s%s%s\n", "contract", CONTRACT_DIGITS, text_of(contract, "id", "?"),
                text_of(contract, "state", "?"), *message ? ": " : "", message);
    }
}

static void print_missing(FILE *page, const cJSON *provision)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(provision, "missing"))
        fprintf(page, LABEL "%s\n", "missing", cJSON_IsString(item) ? item->valuestring : "?");
}

bool page_is_well(const cJSON *state)
{
    return cJSON_IsString(state) &&
           (strcmp(state->valuestring, "Running") == 0 || strcmp(state->valuestring, "Success") == 0);
}

static void print_services(FILE *page, const cJSON *services)
{
    const cJSON *service;

    if (!services)
        fprintf(page, LABEL "zinit doesn't answer\n", "services");
    cJSON_ArrayForEach(service, services) {
        const char *reason = text_of(service, "reason", "");
        if (page_is_well(service) || page_is_well(cJSON_GetObjectItemCaseSensitive(service, "state")))
            continue;
        fprintf(page, LABEL "%s: %s%s%s\n", "service", service->string,
                cJSON_IsString(service) ? service->valuestring : text_of(service, "state", "?"), *reason ? ", " : "",
                reason);
    }
}

char *page_make(const struct page_input *input)
{
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);

    if (!page)
        return NULL;
    print_node(page, input->provision);
    print_network(page, input->network);
    if (input->listening)
        fprintf(page, LABEL "%s\n", "listening", input->listening);
    print_disks(page, input->disks);
    print_contracts(page, input->provision);
    print_services(page, input->services);
    print_missing(page, input->provision);
    if (fclose(page) != 0) {
        free(text);
        return NULL;
    }
    for (char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f)
            *c = '?';
    return text;
}

/* ---- how it fits on a screen */

/* How many bytes of the line at `text` fit into `columns`: up to its end, else to the last space behind `from` that
 * fits, else to the first one. A byte that continues a UTF-8 sequence takes no column (RFC 3629 §3). */
static size_t fitting(const char *text, size_t from, size_t columns)
{
    size_t space = 0, column = 0, i;

    for (i = 0; text[i] && text[i] != '\n'; i++) {
        if (i > from && text[i] == ' ' && text[i - 1] != ' ')
            space = i;
        if (((unsigned char)text[i] & 0xc0) == 0x80)
            continue;
        if (column >= columns && space)
            return space;
        column++;
    }
    return column > columns && space ? space : i;
}

char *page_wrap(const char *text)
{
    char *wrapped = NULL;
    size_t size, length, indent = 0;
    FILE *out = open_memstream(&wrapped, &size);

    while (out && *text) {
        length = fitting(text, indent ? 0 : LABEL_COLUMNS, PAGE_COLUMNS - indent);
        fprintf(out, "%*s%.*s\n", (int)indent, "", (int)length, text);
        text += length;
        text += strspn(text, " ");
        indent = *text && *text != '\n' ? LABEL_COLUMNS : 0;
        text += *text == '\n';
    }
    if (out && fclose(out) == 0)
        return wrapped;
    free(wrapped);
    return NULL;
}
