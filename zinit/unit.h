#pragma once

/* Units: what a service is, read from <name>.yaml. zinit/README.md has the keys in prose. */

#include "lib/reason.h"
#include "zinit/machine.h"

#define UNIT_FILE_BYTES_MAX 65536
#define UNIT_NAME_BYTES_MAX 128 /* NUL included */

enum unit_log {
    UNIT_LOG_RING,   /* kept, and copied to the console */
    UNIT_LOG_NONE,   /* thrown away */
    UNIT_LOG_STDOUT, /* the same as RING, shown as it is, without the service's name */
};

struct unit_limits {
    int64_t memory_bytes, cpu_milli, pids; /* 0: no limit */
};

struct unit {
    char *name;
    char **exec;  /* words, ending with NULL, as all lists here */
    char **test;  /* NULL: none */
    char **after; /* NULL: nothing */
    char **env;   /* "NAME=value"; NULL: none */
    char *dir;    /* NULL: / */
    bool oneshot;
    bool ready_fd; /* tells by a newline on a descriptor that it is ready */
    int stop_signal;
    int64_t shutdown_timeout_ms;
    enum unit_log log;
    enum machine_restart restart;
    struct unit_limits limits;
};

typedef void unit_warn(void *context, const char *text);

/* Parses a unit. `file` is what warnings and reasons call it. Keys that aren't known are told to `warn` ("file:line:
 * …"). 0 (unit_close), REFUSED ("file:line: what is wrong, and what would be right"), or -ENOMEM. */
int unit_parse(const char *name, const char *file, const char *text, size_t size, struct unit *ret_unit,
               unit_warn *warn, void *context, struct reason *reason);
/* The same of <dir>/<name>.yaml; REFUSED too when it can't be read. */
int unit_load(const char *dir, const char *name, struct unit *ret_unit, unit_warn *warn, void *context,
              struct reason *reason);
void unit_close(struct unit *unit);

/* True for 1 to 127 of [A-Za-z0-9._@-] that don't begin with a dot: a name makes a file and a cgroup. */
bool unit_name_fits(const char *name);
