/* The page's lines, from the node outward: who it is, the way to the directory, disks, contracts, and what is wrong.
 * Each line begins with what it is about, so that it can be found in a serial log too. When they are too many, the page
 * is made again with less detail and shorter lists, until it fits. */

#include "zinit/page.h"

#include "lib/version.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "  %-10s "
#define LABEL_COLUMNS 13
#define CONTRACT_DIGITS 20 /* of its id: as many as in the names of its containers' services, which the log has */
#define LIST_MAX 64        /* of a list where nothing bounds the page */
#define STATES_MAX 8       /* that contracts can be in: provisiond has seven */

struct page {
    FILE *out;
    const struct page_input *input;
    bool details;   /* what an operator can do without */
    size_t at_most; /* of each list */
};

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

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static const cJSON *list_of(const cJSON *object, const char *name)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, name);

    return list ? list->child : NULL;
}

__attribute__((format(printf, 3, 4))) static void line(const struct page *page, const char *label, const char *format,
                                                       ...)
{
    va_list arguments;

    fprintf(page->out, LABEL, label);
    va_start(arguments, format);
    vfprintf(page->out, format, arguments);
    va_end(arguments);
    fputc('\n', page->out);
}

/* A list's line goes through here: true while it may be printed; at the end list_end tells of the others. */
static bool list_has_room(const struct page *page, size_t *count)
{
    return ++*count <= page->at_most;
}

static void list_end(const struct page *page, size_t count, const char *what)
{
    if (count > page->at_most)
        line(page, "", "... and %zu more %s", count - page->at_most, what);
}

/* ---- who */

/* "3 d 4 h", "4 h 12 min", "12 min", "34 s". */
static void format_duration(double seconds, char *ret_text, size_t size)
{
    unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;

    if (s >= 86400)
        snprintf(ret_text, size, "%lu d %lu h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(ret_text, size, "%lu h %lu min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(ret_text, size, "%lu min", s / 60);
    else
        snprintf(ret_text, size, "%lu s", s);
}

static void print_system(const struct page *page)
{
    const struct page_input *input = page->input;
    char up[40], ages[128] = "";

    format_duration(input->uptime_s, up, sizeof up);
    if (input->ages)
        snprintf(ages, sizeof ages, ", up %s%s%s", up, input->load ? ", load " : "", input->load ? input->load : "");
    line(page, "Zero-OS", "%s on %s, Linux %s%s", ZOS_VERSION, input->host ? input->host : "?",
         input->kernel ? input->kernel : "?", ages);
    if (input->ages && page->details && input->memory)
        line(page, "memory", "%s", input->memory);
    if (input->ages && page->details && input->resident)
        line(page, "resident", "%s", input->resident);
}

static void print_node(const struct page *page)
{
    const cJSON *provision = page->input->provision;
    double farm = number_of(provision, "farm");
    char number[32] = "none yet";

    if (!provision) {
        line(page, "node", "provisiond doesn't answer yet");
        return;
    }
    line(page, "node", "%s", text_of(provision, "node_id", "has no identity yet"));
    if (farm > 0)
        snprintf(number, sizeof number, "%.0f, %s", farm,
                 is_true(provision, "registered") ? "registered" : "not registered yet");
    line(page, "farm", "%s; clock %sset by the directory%s%s", number, is_true(provision, "clock_set") ? "" : "not ",
         page->input->ages && page->input->time ? ": " : "",
         page->input->ages && page->input->time ? page->input->time : "");
}

/* ---- the way to the directory */

static void print_way(const struct page *page, const struct chain *chain)
{
    char way[160] = "";
    size_t used = 0;

    if (chain->done == CHAIN_STEPS)
        return;
    for (enum chain_step step = 0; step < chain->done; step++)
        used += (size_t)snprintf(way + used, sizeof way - used, "%s ok, ", chain_name(step));
    snprintf(way + used, sizeof way - used, "%s %s", chain_name(chain->done),
             chain->failed ? "FAILS" : "not known yet");
    line(page, "way", "%s", way);
    if (chain->failed)
        line(page, "fails", "%s: %s", chain_name(chain->done), chain->text);
}

static void print_directory(const struct page *page, const struct chain *chain)
{
    const cJSON *provision = page->input->provision,
                *directory = cJSON_GetObjectItemCaseSensitive(provision, "directory");
    const cJSON *heartbeat = cJSON_GetObjectItemCaseSensitive(provision, "heartbeat_age_s");
    char age[40], said[64] = "";

    if (!provision)
        return;
    if (page->input->ages && cJSON_IsNumber(heartbeat)) {
        format_duration(heartbeat->valuedouble, age, sizeof age);
        snprintf(said, sizeof said, ", last heartbeat %s ago", age);
    }
    line(page, "directory", "%s%s%s", text_of(directory, "url", "not set"),
         chain->done == CHAIN_STEPS ? ", reachable" : "", said);
}

/* Addresses, without those of IPv6 that are good on their link alone (RFC 4291 §2.5.6), which each link has. */
static void print_list(FILE *out, const cJSON *array)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
        if (!cJSON_IsString(item) || strncmp(item->valuestring, "fe80:", 5) != 0)
            fprintf(out, " %s", cJSON_IsString(item) ? item->valuestring : "?");
}

static void print_uplink(const struct page *page)
{
    const cJSON *uplink = cJSON_GetObjectItemCaseSensitive(page->input->network, "uplink");
    const cJSON *lease = cJSON_GetObjectItemCaseSensitive(uplink, "lease_age_s");
    char age[40];

    if (!cJSON_IsObject(uplink))
        return;
    fprintf(page->out, LABEL "%s, gateway %s, DNS", "uplink", text_of(uplink, "name", "?"),
            text_of(uplink, "gateway", "none"));
    print_list(page->out, cJSON_GetObjectItemCaseSensitive(uplink, "dns"));
    if (page->input->ages && cJSON_IsNumber(lease)) {
        format_duration(lease->valuedouble, age, sizeof age);
        fprintf(page->out, ", leased %s ago", age);
    }
    fputc('\n', page->out);
}

static void print_network(const struct page *page, const struct chain *chain)
{
    const cJSON *network = page->input->network;
    size_t count = 0;

    if (!network) {
        line(page, "network", "netd doesn't answer yet");
        return;
    }
    for (const cJSON *link = list_of(network, "links"); link; link = link->next) {
        if (!list_has_room(page, &count))
            continue;
        fprintf(page->out, LABEL "%s %s %s", "link", text_of(link, "name", "?"), text_of(link, "mac", ""),
                is_true(link, "carrier") ? "up" : "no carrier");
        print_list(page->out, cJSON_GetObjectItemCaseSensitive(link, "addresses"));
        fputc('\n', page->out);
    }
    list_end(page, count, "links");
    print_uplink(page);
    if (*text_of(network, "problem", "") && !strstr(chain->text, text_of(network, "problem", "")))
        line(page, "network", "%s", text_of(network, "problem", ""));
    if (page->details && page->input->listening)
        line(page, "listening", "%s", page->input->listening);
}

/* ---- what it has and does */

static void print_disk(const struct page *page, const cJSON *disk)
{
    const char *model = text_of(disk, "model", "");

    line(page, "disk", "%s %.1f GiB %s%s%s: %s", text_of(disk, "name", "?"), number_of(disk, "size_bytes") / (1 << 30),
         text_of(disk, "media", ""), *model ? " " : "", model, text_of(disk, "state", "?"));
}

static bool is_refused(const cJSON *disk)
{
    return strcmp(text_of(disk, "state", ""), "used") != 0;
}

/* Those that aren't used first: they are what somebody has to see to. */
static void print_disks(const struct page *page)
{
    const cJSON *disks = list_of(page->input->disks, "disks");
    size_t count = 0;

    if (!page->input->disks)
        line(page, "disks", "storaged doesn't answer yet");
    else if (!disks)
        line(page, "disks", "none");
    for (int refused = 1; refused >= 0; refused--)
        for (const cJSON *disk = disks; disk; disk = disk->next)
            if (is_refused(disk) == refused && list_has_room(page, &count))
                print_disk(page, disk);
    list_end(page, count, "disks");
}

struct page_states {
    const char *name[STATES_MAX];
    size_t count[STATES_MAX], used;
};

static void count_state(struct page_states *states, const char *name)
{
    size_t i = 0;

    while (i < states->used && strcmp(states->name[i], name) != 0)
        i++;
    if (i == STATES_MAX)
        return;
    if (i == states->used)
        states->name[states->used++] = name;
    states->count[i]++;
}

/* How many are in each state; of those with something to say, what. */
static void print_contracts(const struct page *page)
{
    const cJSON *contracts = list_of(page->input->provision, "contracts");
    struct page_states states = { 0 };
    size_t count = 0;

    for (const cJSON *contract = contracts; contract; contract = contract->next)
        count_state(&states, text_of(contract, "state", "?"));
    if (page->input->provision) {
        fprintf(page->out, LABEL "%s", "contracts", states.used ? "" : "none");
        for (size_t i = 0; i < states.used; i++)
            fprintf(page->out, "%s%zu %s", i ? ", " : "", states.count[i], states.name[i]);
        fputc('\n', page->out);
    }
    for (const cJSON *contract = contracts; contract; contract = contract->next)
        if (*text_of(contract, "message", "") && list_has_room(page, &count))
            line(page, "contract", "%.*s %s: %s", CONTRACT_DIGITS, text_of(contract, "id", "?"),
                 text_of(contract, "state", "?"), text_of(contract, "message", ""));
    list_end(page, count, "contracts");
}

/* What the chain says isn't said again: provisiond names it with words before. */
static void print_missing(const struct page *page, const struct chain *chain)
{
    const cJSON *directory = cJSON_GetObjectItemCaseSensitive(page->input->provision, "directory");
    const char *detail = chain->failed ? text_of(directory, "detail", "") : "";
    size_t count = 0;

    for (const cJSON *item = list_of(page->input->provision, "missing"); item; item = item->next) {
        const char *text = cJSON_IsString(item) ? item->valuestring : "?";
        if (!(*detail && strstr(text, detail)) && list_has_room(page, &count))
            line(page, "missing", "%s", text);
    }
    list_end(page, count, "things missing");
}

bool page_is_well(const cJSON *state)
{
    return cJSON_IsString(state) &&
           (strcmp(state->valuestring, "Running") == 0 || strcmp(state->valuestring, "Success") == 0);
}

static void print_services(const struct page *page)
{
    const cJSON *services = page->input->services, *service;
    size_t count = 0;

    if (!services)
        line(page, "services", "zinit doesn't answer");
    cJSON_ArrayForEach(service, services) {
        const char *reason = text_of(service, "reason", "");
        if (page_is_well(service) || page_is_well(cJSON_GetObjectItemCaseSensitive(service, "state")) ||
            !list_has_room(page, &count))
            continue;
        line(page, "service", "%s: %s%s%s", service->string,
             cJSON_IsString(service) ? service->valuestring : text_of(service, "state", "?"), *reason ? ", " : "",
             reason);
    }
    list_end(page, count, "services");
}

/* ---- the whole */

/* To ASCII: a control character, C1 ones in UTF-8 among them, could drive a terminal, and a sign of another width would
 * break the columns. Of a UTF-8 sequence the first byte is replaced, the others (RFC 3629 §3) go. */
static void make_plain(char *text)
{
    char *out = text;

    for (const char *c = text; *c; c++) {
        if (((unsigned char)*c & 0xc0) == 0x80)
            continue;
        *out++ = (*c >= 0x20 && *c < 0x7f) || *c == '\n' ? *c : '?';
    }
    *out = '\0';
}

static char *print_page(struct page *page)
{
    struct chain chain;
    char *text = NULL;
    size_t size;

    page->out = open_memstream(&text, &size);
    if (!page->out)
        return NULL;
    chain_find(page->input->network, page->input->provision, page->input->ages, &chain);
    print_node(page);
    print_system(page);
    print_directory(page, &chain);
    print_way(page, &chain);
    print_network(page, &chain);
    print_disks(page);
    print_contracts(page);
    print_services(page);
    print_missing(page, &chain);
    if (fclose(page->out) != 0) {
        free(text);
        return NULL;
    }
    make_plain(text);
    return text;
}

/* How many bytes of the line at `text` fit into `columns`: up to its end, else to the last space behind `from` that
 * fits, else in the middle of a word. */
static size_t fitting(const char *text, size_t from, size_t columns)
{
    size_t space = 0, i;

    for (i = 0; text[i] && text[i] != '\n' && i <= columns; i++)
        if (i > from && text[i] == ' ' && text[i - 1] != ' ')
            space = i;
    return i <= columns ? i : space ? space : columns;
}

static char *wrap(const char *text, size_t columns, unsigned *ret_lines)
{
    char *wrapped = NULL;
    size_t size, length, indent = 0;
    FILE *out = open_memstream(&wrapped, &size);

    for (*ret_lines = 0; out && *text; ++*ret_lines) {
        length = fitting(text, indent ? 0 : LABEL_COLUMNS, columns - indent);
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

/* Leaves `rows` lines, the last of which says how many went. */
static void cut(char *text, unsigned lines, unsigned rows)
{
    char *end = text;

    for (unsigned i = 0; i + 1 < rows; i++)
        end = strchr(end, '\n') + 1;
    if (strlen(end) > strlen("  ... and 4294967295 more lines\n"))
        sprintf(end, "  ... and %u more lines\n", lines - rows + 1);
    else
        *end = '\0';
}

char *page_make(const struct page_input *input, unsigned columns, unsigned rows)
{
    struct page page = { .input = input, .details = true, .at_most = LIST_MAX };

    for (;;) {
        unsigned lines = 0;
        char *text = print_page(&page), *wrapped = text ? wrap(text, columns, &lines) : NULL;
        free(text);
        if (!wrapped || rows == 0 || lines <= rows)
            return wrapped;
        if (page.at_most == 1) {
            cut(wrapped, lines, rows);
            return wrapped;
        }
        free(wrapped);
        if (page.details)
            page.details = false;
        else
            page.at_most /= 2;
    }
}
