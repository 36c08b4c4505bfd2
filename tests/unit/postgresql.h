#pragma once

/* A PostgreSQL of a test's own, by contrib/run/postgresql.py. */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct postgresql {
    pid_t pid;
    int input; /* the helper serves until this is closed */
};

/* Fills in the URL of an empty database; "" when it can't run here: the helper has said why. */
static inline struct postgresql postgresql_start(char *ret_url, size_t size)
{
    struct postgresql server = { .input = -1 };
    int in[2], out[2];

    *ret_url = '\0';
    if (pipe(in) < 0 || pipe(out) < 0)
        return server;
    fflush(NULL);
    server.pid = fork();
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl("contrib/run/postgresql.py", "postgresql.py", NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    server.input = in[1];
    FILE *lines = fdopen(out[0], "r");
    if (lines && fgets(ret_url, (int)size, lines))
        ret_url[strcspn(ret_url, "\n")] = '\0';
    if (lines)
        fclose(lines);
    return server;
}

/* The helper's exit code: 0, 77 when it can't run here, or what went wrong. */
static inline int postgresql_stop(struct postgresql server)
{
    int status = 0;

    close(server.input);
    waitpid(server.pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
