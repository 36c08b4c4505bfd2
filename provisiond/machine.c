/* /proc/meminfo, /proc/cpuinfo, /proc/stat (proc(5)), /sys/class/dmi/id, and the hypervisor's name by CPUID leaf
 * 0x40000000 (the convention that KVM, Xen, VMware, Hyper-V and QEMU's TCG all keep). */

#include "provisiond/machine.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/version.h"
#include "provisiond/paths.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define PROC_BYTES_MAX (1024 * 1024)

static char *read_below(const char *root, const char *path)
{
    char whole[PATH_BYTES];
    char *content = NULL;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    return file_read(whole, PROC_BYTES_MAX, &content, NULL) == 0 ? content : NULL;
}

/* Printable ASCII of the first line, without blanks at the ends: firmware writes what it likes. */
static void clean_line(const char *from, char *ret_text, size_t size)
{
    size_t used = 0;

    while (*from == ' ' || *from == '\t')
        from++;
    for (; *from && *from != '\n' && used + 1 < size; from++)
        if (*from >= 0x20 && *from < 0x7f)
            ret_text[used++] = *from;
    while (used && ret_text[used - 1] == ' ')
        used--;
    ret_text[used] = '\0';
}

static void read_line(const char *root, const char *path, char *ret_text, size_t size)
{
    cleanup_free char *content = read_below(root, path);

    clean_line(content ? content : "", ret_text, size);
}

/* The value of "Name: 123 kB", in bytes. */
static int64_t meminfo(const char *content, const char *name)
{
    const char *line = content ? strstr(content, name) : NULL;
    long long kib;

    return line && sscanf(line + strlen(name), ": %lld kB", &kib) == 1 ? kib * 1024 : 0;
}

static void read_cpu(const char *root, struct machine *machine)
{
    cleanup_free char *content = read_below(root, "/proc/cpuinfo");
    int count = 0;

    for (const char *line = content; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *colon = strchr(line, ':');
        if (!strncmp(line, "processor", 9))
            count++;
        if (!strncmp(line, "model name", 10) && colon && !machine->cpu[0])
            clean_line(colon + 1, machine->cpu, sizeof machine->cpu);
    }
    machine->cru_milli = (count ? count : 1) * 1000;
}

static void read_hypervisor(struct machine *machine)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    char name[13] = "";

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 31)))
        return;
    __cpuid(0x40000000, a, b, c, d);
    memcpy(name, &b, 4);
    memcpy(name + 4, &c, 4);
    memcpy(name + 8, &d, 4);
    clean_line(name[0] ? name : "unknown", machine->hypervisor, sizeof machine->hypervisor);
#endif
}

int64_t machine_offered_bytes(int64_t total_bytes)
{
    int64_t reserve = MACHINE_RESERVE_BYTES + total_bytes / MACHINE_RESERVE_SHARE;

    return total_bytes > reserve ? total_bytes - reserve : 0;
}

void machine_read(const char *root, struct machine *ret_machine)
{
    cleanup_free char *memory = read_below(root, "/proc/meminfo");
    struct utsname name = { 0 };

    *ret_machine = (struct machine){ 0 };
    read_cpu(root, ret_machine);
    read_hypervisor(ret_machine);
    ret_machine->mru_bytes = machine_offered_bytes(meminfo(memory, "MemTotal"));
    read_line(root, "/sys/class/dmi/id/sys_vendor", ret_machine->vendor, sizeof ret_machine->vendor);
    read_line(root, "/sys/class/dmi/id/product_name", ret_machine->product, sizeof ret_machine->product);
    read_line(root, "/sys/class/dmi/id/bios_version", ret_machine->bios, sizeof ret_machine->bios);
    uname(&name);
    snprintf(ret_machine->os_version, sizeof ret_machine->os_version, "zos %s, linux %.64s", ZOS_VERSION, name.release);
}

struct resources machine_used(const char *root, int64_t cru_milli, uint64_t *busy, uint64_t *total)
{
    cleanup_free char *memory = read_below(root, "/proc/meminfo"), *stat = read_below(root, "/proc/stat");
    unsigned long long t[8] = { 0 };
    uint64_t all = 0, idle;
    struct resources used = { .mru_bytes = meminfo(memory, "MemTotal") - meminfo(memory, "MemAvailable") };

    if (!stat || sscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
                        &t[6], &t[7]) < 4)
        return used;
    for (int i = 0; i < 8; i++)
        all += t[i];
    idle = t[3] + t[4];
    if (all > *total && all - idle >= *busy)
        used.cru_milli = (int64_t)((double)cru_milli * (double)(all - idle - *busy) / (double)(all - *total));
    *total = all;
    *busy = all - idle;
    return used;
}
