/* The environment. A machine's PID 1 has one of the kernel's making (HOME, TERM, and what it didn't understand of its
 * command line), which no service is to see; in a container it is who starts it who chose it. */

#include "zinit/environment.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "zinit/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/bin:/sbin:/usr/bin:/usr/sbin"
#define FILE_BYTES_MAX 65536
#define BLANKS " \t\r"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

/* In place of what has the same name. */
static void set(char ***env, const char *variable)
{
    size_t size = strcspn(variable, "=") + 1;
    char **old = *env, *copy;

    while (old && *old && strncmp(*old, variable, size) != 0)
        old++;
    if (!old || !*old) {
        words_append(env, variable);
        return;
    }
    copy = strdup(variable);
    if (copy) {
        free(*old);
        *old = copy;
    }
}

/* Ends a value in place, and gives where it begins; NULL: a quote is left open. */
static char *cut_value(char *text)
{
    char *end = text;

    if (*text == '"' || *text == '\'') {
        end = strchr(text + 1, *text);
        if (end)
            *end = '\0';
        return end ? text + 1 : NULL;
    }
    while (*end && !(*end == '#' && (end == text || strchr(BLANKS, end[-1]))))
        end++;
    while (end > text && strchr(BLANKS, end[-1]))
        end--;
    *end = '\0';
    return text;
}

/* A folder that isn't absolute, as the empty one, is another in every working directory. */
static bool is_safe_path(const char *path)
{
    for (;; path++) {
        if (*path != '/')
            return false;
        path += strcspn(path, ":");
        if (!*path)
            return true;
    }
}

/* What is wrong with the line; NULL: nothing. */
static const char *parse_line(char *line, char ***env)
{
    cleanup_free char *variable = NULL;
    size_t name_size;
    char *value;

    if (strncmp(line, "export", 6) == 0 && line[6] && strchr(BLANKS, line[6]))
        line += 6 + strspn(line + 6, BLANKS);
    name_size = strspn(line, LETTERS "0123456789");
    if (name_size == 0 || strchr("0123456789", line[0]) || line[name_size] != '=')
        return "must be NAME=value";
    line[name_size] = '\0';
    value = cut_value(line + name_size + 1);
    if (!value)
        return "a quote is left open: close it";
    if (strcmp(line, "PATH") == 0 && !is_safe_path(value))
        return "each folder of PATH must begin with /";
    if (asprintf(&variable, "%s=%s", line, value) < 0) {
        variable = NULL;
        return "out of memory";
    }
    set(env, variable);
    return NULL;
}

void environment_parse(const char *file, char *text, char ***env)
{
    char *line;

    for (int number = 1; (line = strsep(&text, "\n")); number++) {
        const char *why;
        line += strspn(line, BLANKS);
        why = *line && *line != '#' ? parse_line(line, env) : NULL;
        if (why)
            log_warning("%s:%d: passed over: %s", file, number, why);
    }
}

/* What is between zinit and who supervises it, and would mislead who reads it in a service (sd_notify(3),
 * sd_listen_fds(3), sd_watchdog_enabled(3), and zinit's own). */
static bool is_ours_alone(const char *variable)
{
    static const char *const names[] = { "NOTIFY_SOCKET=", "LISTEN_PID=",    "LISTEN_FDS=",     "LISTEN_FDNAMES=",
                                         "WATCHDOG_PID=",  "WATCHDOG_USEC=", "ZINIT_READY_FD=", "ZINIT_SERVICE=" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static const char *find_path(char *const *env)
{
    for (; env && *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return NULL;
}

void environment_read(const char *file, bool container, char ***env)
{
    cleanup_free char *text = NULL;
    size_t size;
    int error;

    for (char **own = environ; container && own && *own; own++)
        if (strchr(*own, '=') && !is_ours_alone(*own))
            set(env, *own);
    if (!find_path(*env))
        set(env, "PATH=" DEFAULT_PATH);
    error = file_read(file, FILE_BYTES_MAX, &text, &size);
    if (error == 0)
        environment_parse(file, text, env);
    else if (error != -ENOENT)
        log_warning("%s: passed over: %s", file, strerror(error < 0 ? -error : EFBIG));
    if (find_path(*env))
        setenv("PATH", find_path(*env), 1);
}
