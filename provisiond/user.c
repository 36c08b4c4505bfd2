/* passwd(5) and group(5): name:x:number:… */

#include "provisiond/user.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FILE_BYTES_MAX (256u * 1024)
#define NUMBER_MAX 0x7ffffffe

/* The file's content, NULL when it can't be had. The caller's, free(). */
static char *read_file(int rootfs, const char *path)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    cleanup_close int fd = rootfs < 0 ? -1 : (int)syscall(SYS_openat2, rootfs, path, &how, sizeof how);
    struct stat status;
    char *content;
    ssize_t n;

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return NULL;
    content = calloc(1, FILE_BYTES_MAX + 1);
    n = content ? read(fd, content, FILE_BYTES_MAX) : -1;
    if (n < 0) {
        free(content);
        return NULL;
    }
    return content;
}

static bool is_number(const char *text, uint32_t *ret_number)
{
    uint64_t number = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > NUMBER_MAX)
            return false;
    }
    *ret_number = (uint32_t)number;
    return true;
}

/* The n-th field (from 0) of a line as a number. */
static bool field(const char *line, int n, uint32_t *ret_number)
{
    char text[16];
    size_t size;

    for (; n > 0; n--) {
        line += strcspn(line, ":\n");
        if (*line++ != ':')
            return false;
    }
    size = strcspn(line, ":\n");
    if (size >= sizeof text)
        return false;
    memcpy(text, line, size);
    text[size] = '\0';
    return is_number(text, ret_number);
}

/* The line whose name, or whose number in field 2, is wanted; NULL when there is none. */
static const char *find_line(const char *content, const char *name, uint32_t number)
{
    size_t size = name ? strlen(name) : 0;

    for (const char *line = content; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        uint32_t other;
        if (name ? !strncmp(line, name, size) && line[size] == ':' : field(line, 2, &other) && other == number)
            return line;
    }
    return NULL;
}

int user_find(const char *text, int rootfs, struct user *ret_user, struct reason *reason)
{
    cleanup_free char *passwd = read_file(rootfs, "etc/passwd"), *group = NULL;
    char name[128];
    const char *colon = strchr(text, ':'), *line;
    struct user user = { 0 };

    if (!*text) {
        *ret_user = user;
        return 0;
    }
    if (strlen(text) >= sizeof name)
        return reason_refuse(reason, "user", "is too long");
    snprintf(name, sizeof name, "%.*s", (int)(colon ? colon - text : (long)strlen(text)), text);
    if (is_number(name, &user.uid)) {
        line = find_line(passwd, NULL, user.uid);
    } else {
        line = find_line(passwd, name, 0);
        if (!line || !field(line, 2, &user.uid))
            return reason_refuse(reason, "user", "%s isn't in the image's /etc/passwd", name);
    }
    if (!line || !field(line, 3, &user.gid))
        user.gid = 0;
    if (colon && !is_number(colon + 1, &user.gid)) {
        group = read_file(rootfs, "etc/group");
        line = find_line(group, colon + 1, 0);
        if (!line || !field(line, 2, &user.gid))
            return reason_refuse(reason, "user", "the group %s isn't in the image's /etc/group", colon + 1);
    }
    *ret_user = user;
    return 0;
}
