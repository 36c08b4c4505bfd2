#pragma once

/* The part of a command line that says how to serve, which directory and mirror have in common. */

#include "contrib/directory/limits.h"

struct serving_options {
    /* The process's own strings. */
    const char *listen;
    const char *tls_certificate, *tls_key; /* NULL: plain HTTP */
    struct address_proxies proxies;
    size_t connections_max; /* 0: as many as the machine has room for */
    unsigned address_per_s; /* requests; 0: no limit */
};

#define SERVING_ADDRESS_PER_S                                                                                          \
    1000 /* unless told otherwise: behind one address may be a thousand nodes, or a campus                             \
          */

/* Values of getopt_long's for these options, above all characters. */
enum {
    SERVING_LISTEN = 256,
    SERVING_TLS_CERTIFICATE,
    SERVING_TLS_KEY,
    SERVING_BEHIND_PROXY,
    SERVING_CONNECTIONS,
    SERVING_RATE_ADDRESS,
};

#define SERVING_OPTIONS                                                                                                \
    { "listen", required_argument, NULL, SERVING_LISTEN },                                                             \
        { "tls-cert", required_argument, NULL, SERVING_TLS_CERTIFICATE },                                              \
        { "tls-key", required_argument, NULL, SERVING_TLS_KEY },                                                       \
        { "behind-proxy", required_argument, NULL, SERVING_BEHIND_PROXY },                                             \
        { "connections", required_argument, NULL, SERVING_CONNECTIONS },                                               \
    {                                                                                                                  \
        "rate-address", required_argument, NULL, SERVING_RATE_ADDRESS                                                  \
    }

/* For --help. */
#define SERVING_USAGE                                                                                                  \
    "  --listen ADDRESS:PORT    where to listen, as in 127.0.0.1:8080 or [::1]:8080; port 0 picks one\n"               \
    "  --tls-cert FILE          serves HTTPS with this certificate and those up to its authority (PEM); SIGHUP has "   \
    "it\n"                                                                                                             \
    "                           and the key read again\n"                                                              \
    "  --tls-key FILE           its private key (PEM)\n"                                                               \
    "  --behind-proxy ADDRESS   believes the X-Forwarded-For of requests from this address; up to 16 of them\n"        \
    "  --connections NUMBER     at most so many at once (as open files and half of the memory allow)\n"                \
    "  --rate-address NUMBER    requests a second from one address, IPv6: from a /64, not counting loopback; ten "     \
    "times\n"                                                                                                          \
    "                           as many at once; 0: no limit (1000)\n"

/* Takes one of these options. 0 or REFUSED. */
int serving_take(struct serving_options *options, int option, const char *text, struct reason *reason);
/* What each alone doesn't show. 0 or REFUSED. */
int serving_check(const struct serving_options *options, struct reason *reason);
/* A number in decimal digits, from `min` to `max`. */
bool serving_read_number(const char *text, long min, long max, long *ret_number);

/* Opens `server`, whose other members are there, as the options say, and its TLS (NULL without). 0, REFUSED or negative
 * errno. */
int serving_open(const struct serving_options *options, uv_loop_t *loop, struct server_options *server,
                 struct tls **ret_tls, struct server **ret_server, struct reason *reason);
/* SIGHUP: reads certificate and key again, and says how that went. */
void serving_reload(struct tls *tls);
