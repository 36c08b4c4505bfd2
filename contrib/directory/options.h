#pragma once

/* The command line. */

#include "contrib/directory/gather.h"
#include "contrib/directory/limits.h"

struct options {
    /* The process's own strings. */
    const char *store, *key, *listen, *name;
    int64_t heartbeat_s;
    struct gather_options gather;
    const char *tls_certificate, *tls_key; /* NULL: plain HTTP */
    struct address_proxies proxies;
    size_t connections_max; /* 0: as many as the machine has room for */
    struct limits_options limits;
};

/* 0; or, after saying why on stderr (--help: the usage, on stdout), the exit code plus one. */
int options_read(int argc, char **argv, struct options *ret_options);
