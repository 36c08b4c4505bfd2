#pragma once

/* Units: what a service is, read from <name>.yaml. zinit/README.md has the keys in prose. */

#include "lib/reason.h"
#include "zinit/machine.h"

#include <stddef.h>

#define UNIT_FILE_BYTES_MAX 65536
#define UNIT_NAME_BYTES_MAX 128 /* NUL included */

enum unit_log {
    UNIT_LOG_RING,   /* kept, and copied to the console */
    UNIT_LOG_NONE,   /* thrown away */
    UNIT_LOG_STDOUT, /* the same as RING, shown as it is, without the service's name */
};

/* How a service tells that it is ready. */
enum unit_ready {
    UNIT_READY_BORN,   /* it is when its program has begun, or when its test succeeds */
    UNIT_READY_FD,     /* by a newline on a descriptor (s6) */
    UNIT_READY_NOTIFY, /* by READY=1 sent to $NOTIFY_SOCKET (sd_notify(3)) */
};

struct unit_limits {
    int64_t memory_bytes, cpu_milli, pids, nofile; /* 0: no limit */
};

/* A command that is run again and again while the service is Running. */
struct unit_health {
    char **exec;       /* NULL: none */
    unsigned every_ms; /* from one's end to the next one's start, and how long one may take */
    unsigned failures; /* in a row after which the service is restarted */
};

struct unit {
    char *name;
    char **exec;     /* words, ending with NULL, as all lists here */
    char **test;     /* NULL: none */
    char **after;    /* NULL: nothing */
    char **env;      /* "NAME=value"; NULL: none */
    char *dir;       /* NULL: / */
    char *user;      /* "name", "name:group", numbers or both; NULL: zinit's own */
    char **writable; /* absolute paths that stay writable though read_only; NULL: none */
    struct unit_health health;
    struct unit_limits limits;
    uint64_t capabilities; /* a bit each that it keeps (capabilities(7), linux/capability.h), when they are given */
    unsigned shutdown_timeout_ms;
    int stop_signal;
    enum unit_ready ready;
    enum unit_log log;
    enum machine_restart restart;
    bool oneshot;
    bool critical; /* the machine isn't well while this isn't */
    bool capabilities_given;
    bool no_new_privs;
    bool read_only;
};

enum unit_tale { UNIT_WARNING, UNIT_ERROR };
/* Is told each thing that is wrong in a unit, with its place: "web.yaml:3: unknown key colour, passed over". */
typedef void unit_tell(void *context, enum unit_tale tale, const char *text);

/* Parses a unit. `file` is what messages call it. `tell` (may be NULL) gets every warning and every error: all that is
 * wrong, not the first only, unless it isn't YAML at all. 0 (unit_close), REFUSED (`reason` holds the first error:
 * "file:line: key: what would be right"), or -ENOMEM. */
int unit_parse(const char *name, const char *file, const char *text, size_t size, struct unit *ret_unit,
               unit_tell *tell, void *context, struct reason *reason);
/* The same of <dir>/<name>.yaml; REFUSED too when it can't be read. */
int unit_load(const char *dir, const char *name, struct unit *ret_unit, unit_tell *tell, void *context,
              struct reason *reason);
void unit_close(struct unit *unit);

/* True for 1 to 127 of [A-Za-z0-9._@-] that don't begin with a dot: a name makes a file and a cgroup. */
bool unit_name_fits(const char *name);
