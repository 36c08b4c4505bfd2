/* What /sys/block tells of the disks (Documentation/ABI/stable/sysfs-block of the kernel). Every value is one small
 * file; one that is missing counts as 0 or "". A '!' in a sysfs name stands for a '/' in /dev. */

#include "storaged/disk.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "storaged/path.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR_BYTES 512 /* the unit of `size`, whatever the device's own sectors */

bool disk_name_counts(const char *name)
{
    static const char *const others[] = {
        "loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock", "ubiblock"
    };

    if (strlen(name) >= DISK_NAME_BYTES)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strncmp(name, others[i], strlen(others[i])))
            return false;
    return name[0] != '.' && name[0] != '\0';
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int disk_list(const char *root, char ret_names[static DISKS_MAX][DISK_NAME_BYTES], size_t *ret_count)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    size_t count = 0;
    DIR *folder;

    path_under(root, path, "/sys/block");
    folder = opendir(path);
    if (!folder)
        return log_fail(-errno, "open %s", path);
    while ((entry = readdir(folder))) {
        if (!disk_name_counts(entry->d_name))
            continue;
        if (count == DISKS_MAX) {
            log_warning("disk %s and others are left out: there are more than %d", entry->d_name, DISKS_MAX);
            break;
        }
        snprintf(ret_names[count++], DISK_NAME_BYTES, "%.31s", entry->d_name);
    }
    closedir(folder);
    qsort(ret_names, count, DISK_NAME_BYTES, compare_names);
    *ret_count = count;
    return 0;
}

/* The first line of <root>/sys/block/<name>/<file>, "" when there is none. */
static void read_text(const char *root, const char *name, const char *file, char *text, size_t size)
{
    cleanup_close int fd = -1;
    char path[PATH_BYTES];
    ssize_t got = 0;

    path_under(root, path, "/sys/block/%s/%s", name, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        got = read(fd, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static int64_t read_number(const char *root, const char *name, const char *file)
{
    char text[32];

    read_text(root, name, file, text, sizeof text);
    return strtoll(text, NULL, 10);
}

/* Keeps printable ASCII and drops the spaces at both ends (SCSI and ATA pad with them): it goes into statements. */
static void tidy_text(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++)
        if (isprint((unsigned char)*in) && (*in != ' ' || out > text))
            *out++ = *in;
    while (out > text && out[-1] == ' ')
        out--;
    *out = '\0';
}

static bool has_holders(const char *root, const char *name)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    bool found = false;
    DIR *folder;

    path_under(root, path, "/sys/block/%s/holders", name);
    folder = opendir(path);
    if (!folder)
        return false;
    while (!found && (entry = readdir(folder)))
        found = entry->d_name[0] != '.';
    closedir(folder);
    return found;
}

int disk_observe(const char *root, const char *name, struct disk *ret_disk)
{
    struct disk disk = { .content = DISK_UNKNOWN };
    char path[PATH_BYTES];
    int64_t sectors;

    path_under(root, path, "/sys/block/%s/size", name);
    if (access(path, F_OK) < 0 || read_number(root, name, "hidden"))
        return -ENOENT;
    snprintf(disk.name, sizeof disk.name, "%s", name);
    sectors = read_number(root, name, "size");
    disk.size_bytes = sectors > 0 && sectors <= INT64_MAX / SECTOR_BYTES ? sectors * SECTOR_BYTES : 0;
    disk.sequence = (uint64_t)read_number(root, name, "diskseq");
    disk.rotational = read_number(root, name, "queue/rotational");
    disk.removable = read_number(root, name, "removable");
    disk.read_only = read_number(root, name, "ro");
    disk.in_use = has_holders(root, name);
    read_text(root, name, "device/model", disk.model, sizeof disk.model);
    tidy_text(disk.model);
    *ret_disk = disk;
    return 0;
}

void disk_each_partition(const char *root, const char *name, bool (*each)(void *context, const char *partition),
                         void *context)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    bool more = true;
    DIR *folder;

    path_under(root, path, "/sys/block/%s", name);
    folder = opendir(path);
    if (!folder)
        return;
    while (more && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= DISK_NAME_BYTES)
            continue;
        path_under(root, path, "/sys/block/%s/%s/partition", name, entry->d_name);
        if (access(path, F_OK) == 0)
            more = each(context, entry->d_name);
    }
    closedir(folder);
}

const char *disk_media_name(enum disk_media media)
{
    return media == DISK_SSD ? "ssd" : "hdd";
}

bool disk_media_parse(const char *text, enum disk_media *ret_media)
{
    bool ssd = !strcmp(text, "ssd");

    if (!ssd && strcmp(text, "hdd") != 0)
        return false;
    *ret_media = ssd ? DISK_SSD : DISK_HDD;
    return true;
}
