/* An image layer of any bytes is applied or refused, and nothing outside the root is touched. Seeds:
 * corpus/provisiond_layer. */

#include "lib/file.h"
#include "provisiond/layer.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char folder[] = "/tmp/fuzz-layer-XXXXXX", root[64], outside[64];

static void remove_folder(void)
{
    file_remove_tree(folder);
}

static void set_up(void)
{
    assert(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(root, sizeof root, "%s/root", folder);
    snprintf(outside, sizeof outside, "%s/outside", folder);
    assert(file_write(outside, "outside", 7, 0644) == 0);
}

static int entries(void)
{
    DIR *list = opendir(folder);
    struct dirent *entry;
    int count = 0;

    assert(list);
    while ((entry = readdir(list)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct layer_budget budget = { 4096, BYTES_MAX };
    struct reason reason;
    char path[64], *content;
    int fd = memfd_create("layer", MFD_CLOEXEC), top;

    if (!root[0])
        set_up();
    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && mkdir(root, 0755) == 0);
    top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    layer_apply(path, top, &budget, NULL, NULL, &reason);
    close(top);
    close(fd);
    assert(file_remove_tree(root) == 0);
    assert(file_read(outside, 100, &content, NULL) == 0 && !strcmp(content, "outside"));
    free(content);
    assert(entries() == 1); /* nothing has come beside the root */
    return 0;
}
