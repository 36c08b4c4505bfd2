/* A program of the tests alone: kills the node's daemons while a story goes on. It never gets into the product's image:
 * a story packs it, with a unit that starts it, into an archive of its own that the kernel unpacks beside
 * (kill_daemons.py).
 *
 *     chaos --seed N --kills N --every MIN-MAX TARGET…
 *
 * Every MIN to MAX milliseconds one of the targets, drawn by the seed, gets SIGKILL. A target is the name of a program
 * in /bin, `container` (some container's first process), or TARGET@PROGRAM: besides the draw, TARGET is killed as soon
 * as PROGRAM is seen to run, once. When all kills are done it says so, and from then on tells what lies around on the
 * node, whenever that changes: volumes, services of containers, network namespaces, bundles. */

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX 16
#define LOOK_MS 3
#define PIDS_MAX 64
#define LOOK_AROUND_MS 500

struct target {
    const char *name, *trigger; /* trigger: the program after the @, NULL when there is none */
    bool done;                  /* of one with a trigger */
};

static struct target targets[TARGETS_MAX];
static size_t targets_count;
static uint64_t seed = 1;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* crun runs from a sealed copy of itself, a memfd. */
static bool is_program(const char *pid, const char *name)
{
    char path[64], exe[512], wanted[128], copy[128];
    ssize_t size;

    snprintf(path, sizeof path, "/proc/%.16s/exe", pid);
    size = readlink(path, exe, sizeof exe - 1);
    snprintf(wanted, sizeof wanted, "/bin/%.100s", name);
    snprintf(copy, sizeof copy, "/memfd:%.100s", name);
    exe[size > 0 ? size : 0] = '\0';
    return !strcmp(exe, wanted) || !strncmp(exe, copy, strlen(copy));
}

/* Whether it is process 1 of a pid namespace below ours (proc_pid_status(5): NSpid has a number for each level). */
static bool is_container(const char *pid)
{
    char path[64], line[256];
    bool is = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.16s/status", pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        int outer, inner;
        if (sscanf(line, "NSpid: %d %d", &outer, &inner) == 2)
            is = inner == 1;
    }
    if (file)
        fclose(file);
    return is;
}

static size_t find(const char *name, pid_t pids[static PIDS_MAX])
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (folder && count < PIDS_MAX && (entry = readdir(folder))) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid > 1 && (!strcmp(name, "container") ? is_container(entry->d_name) : is_program(entry->d_name, name)))
            pids[count++] = pid;
    }
    if (folder)
        closedir(folder);
    return count;
}

/* Kills one of the processes of that name; false when there is none. */
static bool kill_one(const char *name, const char *why)
{
    pid_t pids[PIDS_MAX];
    size_t count = find(name, pids), at = count ? draw() % count : 0;

    if (count == 0 || kill(pids[at], SIGKILL) < 0)
        return false;
    printf("chaos: killed %s (%d)%s%s\n", name, (int)pids[at], *why ? " at the sight of " : "", why);
    return true;
}

static void look_for_triggers(void)
{
    for (size_t i = 0; i < targets_count; i++) {
        pid_t pids[PIDS_MAX];
        struct target *target = &targets[i];
        if (target->trigger && !target->done && find(target->trigger, pids) > 0)
            target->done = kill_one(target->name, target->trigger);
    }
}

/* Kills a drawn one; false when it doesn't run just now. */
static bool kill_drawn(void)
{
    const struct target *target = &targets[draw() % targets_count];

    return !target->trigger && kill_one(target->name, "");
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void rage(unsigned kills, long min_ms, long max_ms)
{
    for (unsigned i = 0; i < kills;) {
        long until = now_ms() + min_ms + (long)(draw() % (uint64_t)(max_ms - min_ms + 1));
        while (now_ms() < until) {
            look_for_triggers();
            sleep_ms(LOOK_MS);
        }
        i += kill_drawn();
    }
    printf("chaos: done, %u kills\n", kills);
}

/* ---- what lies around */

static char seen[16384];
static size_t seen_size;

static void add(const char *kind, const char *name)
{
    int size = snprintf(seen + seen_size, sizeof seen - seen_size, " %s=%.200s", kind, name);

    if (size > 0 && seen_size + (size_t)size < sizeof seen)
        seen_size += (size_t)size;
}

static void add_entries(const char *kind, const char *path, const char *prefix)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)))
            add(kind, entry->d_name);
    if (folder)
        closedir(folder);
}

static void add_volumes(void)
{
    DIR *folder = opendir("/mnt");
    struct dirent *entry;
    char path[300];

    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/mnt/%.200s/volumes", entry->d_name);
        add_entries("volume", path, "");
    }
    if (folder)
        closedir(folder);
}

static void add_mounts(void)
{
    FILE *file = fopen("/proc/self/mounts", "re");
    char line[4096], point[512];

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%*s %500s", point) == 1 && !strncmp(point, "/run/zos/containers/", 20))
            add("mount", point + 20);
    if (file)
        fclose(file);
}

static void look_around(void)
{
    seen_size = 0;
    seen[0] = '\0';
    add_volumes();
    add_mounts();
    add_entries("service", "/sys/fs/cgroup/zinit", "c-");
    add_entries("unit", "/etc/zinit", "c-");
    add_entries("netns", "/run/netns", "");
    add_entries("bundle", "/run/zos/containers", "");
    add_entries("crun", "/run/crun", "");
    add_entries("blob", "/var/lib/zos/images/blobs/sha256", "");
}

static void watch(void)
{
    static char before[sizeof seen] = "?";

    for (;;) {
        look_around();
        if (strcmp(before, seen) != 0)
            printf("chaos: sees%s.\n", seen);
        memcpy(before, seen, sizeof before);
        sleep_ms(LOOK_AROUND_MS);
    }
}

static void add_target(char *word)
{
    char *at = strchr(word, '@');

    if (at)
        *at = '\0';
    if (targets_count < TARGETS_MAX)
        targets[targets_count++] = (struct target){ .name = word, .trigger = at ? at + 1 : NULL };
}

int main(int count, char **words)
{
    long min_ms = 500, max_ms = 3000;
    unsigned kills = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < count; i++) {
        if (!strcmp(words[i], "--seed") && i + 1 < count)
            seed = strtoull(words[++i], NULL, 10);
        else if (!strcmp(words[i], "--kills") && i + 1 < count)
            kills = (unsigned)strtoul(words[++i], NULL, 10);
        else if (!strcmp(words[i], "--every") && i + 1 < count && sscanf(words[++i], "%ld-%ld", &min_ms, &max_ms) == 2)
            ;
        else
            add_target(words[i]);
    }
    if (max_ms < min_ms || min_ms < 0 || (kills && targets_count == 0)) {
        printf("chaos: usage: chaos --seed N --kills N --every MIN-MAX TARGET[@PROGRAM]…\n");
        return 2;
    }
    rage(kills, min_ms, max_ms);
    watch();
}
