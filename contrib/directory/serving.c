/* The options one by one, and the server opened by them. */

#include "contrib/directory/serving.h"

#include "contrib/directory/listen.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

#define RATE_ADDRESS_MAX 100000
#define CONNECTIONS_MIN 16
#define CONNECTIONS_MAX 1000000

bool serving_read_number(const char *text, long min, long max, long *ret_number)
{
    size_t length = strlen(text);
    long number = strtol(text, NULL, 10);

    if (length < 1 || strspn(text, "0123456789") != length || number < min || number > max)
        return false;
    *ret_number = number;
    return true;
}

static int add_proxy(struct address_proxies *proxies, const char *text, struct reason *reason)
{
    if (proxies->count == ADDRESS_PROXIES_MAX)
        return reason_refuse(reason, NULL, "--behind-proxy: there may be up to 16");
    if (!address_parse(text, &proxies->addresses[proxies->count]))
        return reason_refuse(reason, NULL, "--behind-proxy must be an IP address, as in 127.0.0.1 or ::1");
    proxies->count++;
    return 0;
}

int serving_take(struct serving_options *options, int option, const char *text, struct reason *reason)
{
    long number;

    switch (option) {
    case SERVING_LISTEN:
        options->listen = text;
        return listen_check(text, reason);
    case SERVING_TLS_CERTIFICATE:
        options->tls_certificate = text;
        return 0;
    case SERVING_TLS_KEY:
        options->tls_key = text;
        return 0;
    case SERVING_BEHIND_PROXY:
        return add_proxy(&options->proxies, text, reason);
    case SERVING_CONNECTIONS:
        if (!serving_read_number(text, CONNECTIONS_MIN, CONNECTIONS_MAX, &number))
            return reason_refuse(reason, NULL, "--connections must be a number from 16 to 1000000");
        options->connections_max = (size_t)number;
        return 0;
    default:
        if (!serving_read_number(text, 0, RATE_ADDRESS_MAX, &number))
            return reason_refuse(reason, NULL, "--rate-address must be a number from 0 to 100000");
        options->address_per_s = (unsigned)number;
        return 0;
    }
}

int serving_check(const struct serving_options *options, struct reason *reason)
{
    if (!options->listen)
        return reason_refuse(reason, NULL, "--listen is needed");
    if (!options->tls_certificate != !options->tls_key)
        return reason_refuse(reason, NULL, "--tls-cert and --tls-key go together");
    return 0;
}

int serving_open(const struct serving_options *options, uv_loop_t *loop, struct server_options *server,
                 struct tls **ret_tls, struct server **ret_server, struct reason *reason)
{
    int error = 0;

    server->listen = options->listen;
    server->proxies = options->proxies;
    server->connections_max = options->connections_max;
    if (options->tls_certificate)
        error = tls_open(options->tls_certificate, options->tls_key, ret_tls, reason);
    server->tls = *ret_tls;
    return error ? error : server_open(loop, server, ret_server, reason);
}

void serving_reload(struct tls *tls)
{
    struct reason reason = { 0 };

    if (!tls)
        log_info("SIGHUP: there is no certificate to read again");
    else if (tls_reload(tls, &reason))
        log_error("SIGHUP: the certificate stays as it was: %s", reason.text[0] ? reason.text : "out of memory");
    else
        log_info("SIGHUP: the certificate and its key were read again");
}
