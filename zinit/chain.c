/* Two daemons know a part each: netd the way out (link, lease, route, and whether a DNS server is known), provisiond
 * what comes behind. The advice is what a person in front of the machine can do about it. */

#include "zinit/chain.h"

#include <stdio.h>
#include <string.h>

/* A cause is known by its words, which netd/README.md and lib/http.c have; the first that fits counts. */
struct chain_advice {
    enum chain_step step;
    const char *words, *advice;
};

static const struct chain_advice ADVICE[] = {
    { CHAIN_LINK, "no network interface", "the kernel knows no network card in this machine" },
    { CHAIN_LINK, "", "" },
    { CHAIN_LEASE, "", "is there a DHCP server on that network? Settings can give an address instead" },
    { CHAIN_ROUTE, "", "the lease or the settings must name a gateway" },
    { CHAIN_DNS, "no DNS server is known", "the lease or the settings must name one" },
    { CHAIN_DNS, "no DNS server answers", "is it up, and let through?" },
    { CHAIN_DNS, "", "is the directory's name right?" },
    { CHAIN_TCP, "refused", "does the directory run there?" },
    { CHAIN_TCP, "no answer", "is its address right, and does a firewall let the node out?" },
    { CHAIN_TCP, "", "" },
    { CHAIN_TLS, "trusted CA", "if the authority is your own, the settings must have it as directory_ca" },
    { CHAIN_TLS, "expired", "is the clock right? Else the directory's owner has to renew it" },
    { CHAIN_TLS, "Common Name", "the certificate is for another name than the settings have" },
    { CHAIN_TLS, "", "" },
    { CHAIN_DIRECTORY, "isn't the directory's key", "does directory_key in the settings belong to this directory?" },
    { CHAIN_DIRECTORY, "HTTP status 5", "it isn't well; the node tries on" },
    { CHAIN_DIRECTORY, "", "" },
    { CHAIN_CLOCK, "", "" },
};

const char *chain_name(enum chain_step step)
{
    static const char *const names[] = { "link", "lease", "route", "DNS", "TCP", "TLS", "directory", "clock" };

    return step < CHAIN_STEPS ? names[step] : "";
}

/* CHAIN_STEPS when it is none of them. */
static enum chain_step step_of(const char *name)
{
    enum chain_step step = 0;

    while (step < CHAIN_STEPS && !(name && strcmp(name, chain_name(step)) == 0))
        step++;
    return step;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text ? text : "";
}

static const char *advice_for(enum chain_step step, const char *problem)
{
    const struct chain_advice *advice = ADVICE;

    while (advice->step != step || !strstr(problem, advice->words))
        advice++; /* each step has one that fits always */
    return advice->advice;
}

/* " for 34 s" of a problem that netd has had for a while. */
static void since(const cJSON *network, char *ret_text, size_t size)
{
    double seconds = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(network, "problem_s"));

    ret_text[0] = '\0';
    if (seconds >= 1)
        snprintf(ret_text, size, " for %.0f s", seconds);
}

/* The DNS servers asked, which only netd knows: " (asked: 10.0.2.3)". */
static void list_servers(const cJSON *network, char *ret_text, size_t size)
{
    const cJSON *uplink = cJSON_GetObjectItemCaseSensitive(network, "uplink"), *server;
    size_t used = 0;

    ret_text[0] = '\0';
    cJSON_ArrayForEach(server, cJSON_GetObjectItemCaseSensitive(uplink, "dns"))
        if (cJSON_IsString(server) && used < size)
            used +=
                (size_t)snprintf(ret_text + used, size - used, "%s%s", used ? ", " : " (asked: ", server->valuestring);
    if (used && used < size)
        snprintf(ret_text + used, size - used, ")");
}

static void fail(struct chain *chain, enum chain_step step, const char *problem, const char *more)
{
    const char *advice = advice_for(step, problem);
    size_t named = strlen(chain_name(step));

    if (strncmp(problem, chain_name(step), named) == 0 && problem[named] == ' ') /* "TLS with", behind "TLS: " */
        problem += named + 1;
    chain->done = step;
    chain->failed = true;
    snprintf(chain->text, sizeof chain->text, "%.400s%.80s%s%s", problem, more, *advice ? ": " : "", advice);
}

/* What only netd can tell: true when the way out itself is broken. */
static bool find_in_network(const cJSON *network, bool reached, bool ages, struct chain *chain)
{
    enum chain_step step = step_of(text_of(network, "step"));
    char more[40];

    if (step == CHAIN_STEPS || (step == CHAIN_DNS && reached))
        return false;
    since(network, more, sizeof more);
    fail(chain, step, text_of(network, "problem"), ages && step == CHAIN_LEASE ? more : "");
    return true;
}

void chain_find(const cJSON *network, const cJSON *provision, bool ages, struct chain *ret_chain)
{
    const cJSON *directory = cJSON_GetObjectItemCaseSensitive(provision, "directory");
    bool reachable = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(directory, "reachable"));
    enum chain_step step = step_of(text_of(directory, "step"));
    char more[80] = "";

    *ret_chain = (struct chain){ 0 };
    if (!network)
        snprintf(ret_chain->text, sizeof ret_chain->text, "netd doesn't answer");
    if (find_in_network(network, reachable || (step > CHAIN_DNS && step < CHAIN_STEPS), ages, ret_chain))
        return;
    if (step == CHAIN_DNS)
        list_servers(network, more, sizeof more);
    if (step < CHAIN_STEPS)
        fail(ret_chain, step, text_of(directory, "detail"), more);
    else if (reachable)
        ret_chain->done = CHAIN_STEPS;
    else if (network)
        ret_chain->done = CHAIN_DNS;
    if (!provision && network)
        snprintf(ret_chain->text, sizeof ret_chain->text, "provisiond doesn't answer");
}
