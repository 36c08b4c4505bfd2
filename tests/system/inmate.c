/* A program of the tests alone, for zinit_units.py: one that tells what it is confined to, and tries to get out.
 *
 *     inmate show                     prints its ids, capabilities, limits, and whether it may write to /, /run and
 * /tmp inmate notify                   waits, then tells by $NOTIFY_SOCKET that it is ready, and sleeps inmate bomb
 * forks for ever, children too, each in a session of its own inmate daemon                   becomes a daemon: forks
 * twice, setsid, clears its environment, and ends; what it left ignores SIGTERM inmate hang SECONDS             works
 * so long, its file /run/pulse is new until then; sleeps on without a pulse inmate pulse                    ends with
 * code 0 if /run/pulse is younger than 2 s inmate count NAME               how many processes' command lines hold NAME
 * beside it, again and again */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int sleep_on(void)
{
    while (pause() < 0)
        continue;
    return 0;
}

static void show_status(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNew", 5) || !strncmp(line, "Groups", 6))
            printf("inmate: %s", line);
    if (status)
        fclose(status);
}

static void try_write(const char *folder)
{
    char path[100];
    int fd;

    snprintf(path, sizeof path, "%s/inmate-%d", folder, (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    printf("inmate: write to %s: %s\n", folder, fd < 0 ? strerror(errno) : "done");
    if (fd >= 0)
        close(fd);
}

static int show(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    printf("inmate: uid %d gid %d nofile %llu\n", (int)getuid(), (int)getgid(), (unsigned long long)limit.rlim_max);
    show_status();
    try_write("/");
    try_write("/run");
    try_write("/tmp");
    printf("inmate: that is all\n");
    return 0;
}

static int notify(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *name = getenv("NOTIFY_SOCKET");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (!name)
        return 1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    address.sun_path[0] = '\0';
    sleep(2);
    printf("inmate: tells that it is ready\n");
    if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) != 7)
        printf("inmate: %s\n", strerror(errno));
    return sleep_on();
}

static _Noreturn void bomb(void)
{
    printf("inmate: lights the fuse\n");
    for (;;) {
        pid_t child = fork();
        if (child == 0)
            setsid();
        if (child < 0 && access("/run/full", F_OK) < 0) {
            close(open("/run/full", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
            printf("inmate: no more forks\n");
        }
        if (child < 0)
            usleep(1000);
    }
}

static int become_daemon(void)
{
    if (fork() > 0) {
        sleep(1);
        return 0;
    }
    setsid();
    if (fork() > 0)
        _exit(0);
    signal(SIGTERM, SIG_IGN);
    clearenv();
    printf("inmate: is a daemon\n");
    return sleep_on();
}

static int hang(int seconds)
{
    for (int i = 0; i < seconds; i++) {
        int fd = open("/run/pulse", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, "", 1) != 1)
            return 1;
        close(fd);
        sleep(1);
    }
    printf("inmate: hangs\n");
    return sleep_on();
}

static int pulse(void)
{
    struct stat status;

    return stat("/run/pulse", &status) < 0 || time(NULL) - status.st_mtime >= 2;
}

static int holds(const char *pid, const char *name)
{
    char path[300], text[256] = "";
    int fd;
    ssize_t size;

    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return size > 0 && memmem(text, (size_t)size, name, strlen(name)) && !memmem(text, (size_t)size, "count", 5);
}

static _Noreturn void count(const char *name)
{
    for (;; sleep(1)) {
        struct dirent *entry;
        DIR *proc = opendir("/proc");
        int found = 0;
        while (proc && (entry = readdir(proc)))
            if (*entry->d_name >= '1' && *entry->d_name <= '9')
                found += holds(entry->d_name, name);
        if (proc)
            closedir(proc);
        printf("inmate: %d of %s\n", found, name);
    }
}

int main(int words_count, char **words)
{
    const char *what = words_count > 1 ? words[1] : "", *first = words_count > 2 ? words[2] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "show"))
        return show();
    if (!strcmp(what, "notify"))
        return notify();
    if (!strcmp(what, "bomb"))
        bomb();
    if (!strcmp(what, "absent"))
        return access(first, F_OK) == 0;
    if (!strcmp(what, "daemon"))
        return become_daemon();
    if (!strcmp(what, "hang"))
        return hang(atoi(first));
    if (!strcmp(what, "pulse"))
        return pulse();
    if (!strcmp(what, "count"))
        count(first);
    printf("inmate: it doesn't know \"%s\"\n", what);
    return 2;
}
