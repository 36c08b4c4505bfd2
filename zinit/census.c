/* /proc/net/{tcp,udp,…}: a heading, then a line each socket: number, local and remote address as hexadecimal words in
 * host order, ":", port, and the state (proc_net(5); the kernel's tcp4_seq_show). /proc/<pid>/statm: pages, the second
 * is what is resident. */

#include "zinit/census.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PROC_BYTES_MAX (1024 * 1024)
#define TCP_LISTEN 0x0A /* include/net/tcp_states.h */
#define UDP_UNCONNECTED 0x07
#define DHCP_CLIENT_PORT 68
#define DHCP6_CLIENT_PORT 546
#define PROGRAMS_MAX 16
#define NAME_BYTES 16 /* TASK_COMM_LEN */

/* ---- what listens */

struct census_table {
    const char *file, *name;
    bool ipv6;
    unsigned state;
};

static const struct census_table TABLES[] = {
    { "tcp", "tcp", false, TCP_LISTEN },
    { "tcp6", "tcp", true, TCP_LISTEN },
    { "udp", "udp", false, UDP_UNCONNECTED },
    { "udp6", "udp", true, UDP_UNCONNECTED },
    { "udplite", "udplite", false, UDP_UNCONNECTED },
    { "udplite6", "udplite", true, UDP_UNCONNECTED },
};

static char *read_proc(const char *root, const char *path)
{
    char whole[320];
    char *content = NULL;

    snprintf(whole, sizeof whole, "%.200s/proc/%.100s", root, path);
    return file_read(whole, PROC_BYTES_MAX, &content, NULL) == 0 ? content : NULL;
}

static bool format_address(const char *hex, bool ipv6, char ret_text[static INET6_ADDRSTRLEN + 2])
{
    uint32_t words[4] = { 0 };
    char address[INET6_ADDRSTRLEN];

    for (int i = 0; i < (ipv6 ? 4 : 1); i++)
        if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
            return false;
    if (!inet_ntop(ipv6 ? AF_INET6 : AF_INET, words, address, sizeof address))
        return false;
    snprintf(ret_text, INET6_ADDRSTRLEN + 2, ipv6 ? "[%s]" : "%s", address);
    return true;
}

/* Adds the sockets of a table that count, each to the one list or the other. */
static void list_table(const struct census_table *table, char *content, FILE *others, FILE *dhcp)
{
    char *rest = content, *line;

    strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n")) && *line) {
        char local[40], text[INET6_ADDRSTRLEN + 2];
        unsigned port, state;
        FILE *list;
        if (sscanf(line, " %*u: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x", local, &port, &state) != 3 ||
            state != table->state || !format_address(local, table->ipv6, text))
            continue;
        list = port == (table->ipv6 ? DHCP6_CLIENT_PORT : DHCP_CLIENT_PORT) && table->name[0] == 'u' ? dhcp : others;
        fprintf(list, "%s%s %s:%u", ftell(list) > 0 ? ", " : "", table->name, text, port);
    }
}

char *census_listening(const char *root)
{
    cleanup_free char *others_text = NULL, *dhcp_text = NULL;
    size_t others_size = 0, dhcp_size = 0;
    FILE *others = open_memstream(&others_text, &others_size), *dhcp = open_memstream(&dhcp_text, &dhcp_size);
    char *text = NULL;

    for (size_t i = 0; others && dhcp && i < sizeof TABLES / sizeof *TABLES; i++) {
        char path[32];
        snprintf(path, sizeof path, "net/%s", TABLES[i].file);
        cleanup_free char *content = read_proc(root, path);
        if (content)
            list_table(&TABLES[i], content, others, dhcp);
    }
    if (others)
        fclose(others);
    if (dhcp)
        fclose(dhcp);
    if (!others_text || !dhcp_text ||
        asprintf(&text, "%s%s%s%s", *others_text ? others_text : "none", *dhcp_text ? " (DHCP client: " : "", dhcp_text,
                 *dhcp_text ? ")" : "") < 0)
        return NULL;
    return text;
}

/* ---- memory */

static long long meminfo_kib(const char *content, const char *name)
{
    const char *line = strstr(content, name);
    long long kib = 0;

    return line && sscanf(line + strlen(name), ": %lld", &kib) == 1 ? kib : 0;
}

char *census_memory(const char *root)
{
    cleanup_free char *content = read_proc(root, "meminfo");
    char *text = NULL;
    long long total = content ? meminfo_kib(content, "MemTotal") : 0;
    long long available = content ? meminfo_kib(content, "MemAvailable") : 0;

    return asprintf(&text, "%lld MiB of %lld MiB used", (total - available) / 1024, total / 1024) < 0 ? NULL : text;
}

char *census_load(const char *root)
{
    cleanup_free char *content = read_proc(root, "loadavg");
    char one[16] = "?", five[16] = "?", fifteen[16] = "?", *text = NULL;

    if (content)
        sscanf(content, "%15s %15s %15s", one, five, fifteen);
    return asprintf(&text, "%s %s %s", one, five, fifteen) < 0 ? NULL : text;
}

struct census_program {
    char name[NAME_BYTES];
    long long resident_kib;
};

/* A kernel thread has no resident pages; a container's process has another mount namespace, and so another /bin: it is
 * left out by comparing with our own. */
static bool observe_process(const char *root, const char *pid, struct census_program *ret_program)
{
    char path[64];
    long long pages;
    cleanup_free char *comm = NULL, *statm = NULL;

    snprintf(path, sizeof path, "%.16s/comm", pid);
    comm = read_proc(root, path);
    snprintf(path, sizeof path, "%.16s/statm", pid);
    statm = read_proc(root, path);
    if (!comm || !statm || sscanf(statm, "%*d %lld", &pages) != 1 || pages == 0)
        return false;
    comm[strcspn(comm, "\n")] = '\0';
    *ret_program = (struct census_program){ .resident_kib = pages * 4 };
    snprintf(ret_program->name, NAME_BYTES, "%s", comm);
    return true;
}

static bool in_our_namespace(const char *root, const char *pid)
{
    char path[320], ours[64] = "", theirs[64] = "";

    snprintf(path, sizeof path, "%.200s/proc/self/ns/mnt", root);
    if (readlink(path, ours, sizeof ours - 1) < 0)
        return true; /* a test's tree */
    snprintf(path, sizeof path, "%.200s/proc/%.16s/ns/mnt", root, pid);
    return readlink(path, theirs, sizeof theirs - 1) > 0 && !strcmp(ours, theirs);
}

static void add_program(struct census_program *programs, size_t *count, const struct census_program *program)
{
    for (size_t i = 0; i < *count; i++) {
        if (!strcmp(programs[i].name, program->name)) {
            programs[i].resident_kib += program->resident_kib;
            return;
        }
    }
    if (*count < PROGRAMS_MAX)
        programs[(*count)++] = *program;
}

char *census_resident(const char *root)
{
    struct census_program programs[PROGRAMS_MAX], program;
    size_t count = 0, size;
    char path[256], *text = NULL;
    FILE *out = open_memstream(&text, &size);
    DIR *proc;

    snprintf(path, sizeof path, "%.200s/proc", root);
    proc = opendir(path);
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !in_our_namespace(root, entry->d_name))
            continue;
        if (observe_process(root, entry->d_name, &program))
            add_program(programs, &count, &program);
    }
    if (proc)
        closedir(proc);
    for (size_t i = 0; out && i < count; i++)
        fprintf(out, "%s%s %lld.%lld MiB", i ? ", " : "", programs[i].name, programs[i].resident_kib / 1024,
                programs[i].resident_kib % 1024 * 10 / 1024);
    if (out)
        fclose(out);
    return text;
}
