/* What the settings say as token buckets: an address may save up ten seconds' worth, a key a minute's. */

#include "contrib/directory/limits.h"

#include <errno.h>
#include <string.h>

#define ADDRESS_BURST_S 10
#define KEY_BURST_S 60

int limits_open(struct limits *limits, const struct limits_options *options)
{
    *limits = (struct limits){ 0 };
    if (options->address_per_s)
        limits->addresses = limiter_new(60 * options->address_per_s, ADDRESS_BURST_S);
    if (options->key_per_min)
        limits->keys = limiter_new(options->key_per_min, KEY_BURST_S);
    if (options->beats_per_min)
        limits->beats = limiter_new(options->beats_per_min, KEY_BURST_S);
    if ((options->address_per_s && !limits->addresses) || (options->key_per_min && !limits->keys) ||
        (options->beats_per_min && !limits->beats))
        return -ENOMEM;
    return 0;
}

void limits_close(struct limits *limits)
{
    limiter_free(limits->addresses);
    limiter_free(limits->keys);
    limiter_free(limits->beats);
    *limits = (struct limits){ 0 };
}

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

bool limits_admit_request(struct limits *limits, struct request *request)
{
    struct address network = address_network(&request->client);

    if (!limits->addresses || address_is_loopback(&request->client))
        return true;
    unsigned wait_s = limiter_take(limits->addresses, &network, sizeof network, now_us());
    if (!wait_s)
        return true;
    limits->addresses_refused++;
    request_problem(request, 429, "too many requests come from your address");
    request->retry_after_s = wait_s;
    return false;
}

unsigned limits_admit_statement(struct limits *limits, const char *signer_id, bool is_beat)
{
    struct limiter *limiter = is_beat ? limits->beats : limits->keys;
    unsigned wait_s = limiter ? limiter_take(limiter, signer_id, strlen(signer_id), now_us()) : 0;

    if (wait_s)
        *(is_beat ? &limits->beats_refused : &limits->keys_refused) += 1;
    return wait_s;
}
