#pragma once

/* zinit's command line, in zinit's spelling. */

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_DIR "/etc/zinit"
#define OPTIONS_SOCKET "/run/zinit.sock"

struct options {
    const char *dir;         /* -c */
    const char *socket_path; /* -s, before the command or behind it */
    const char *boot;        /* whose log; NULL: what is running keeps it */
    uint32_t lines;          /* -b; 0: by bytes alone */
    bool container, snapshot, help;
    int words_at; /* argv[words_at] is the command, its words follow: options are moved behind what isn't one; `argc`:
                     none */
};

/* `argv` is put in order as getopt does. False when it isn't understood, which is told on standard error. */
bool options_read(int argc, char **argv, struct options *ret_options);
/* Whether the command is `init`, silently: what the kernel hands PID 1 may be anything. */
bool options_name_init(int argc, char **argv);
