/* kexec_file_load(2): the kernel reads and checks the image itself. musl has no wrapper for it. */

#include "zinit/kexec.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_BYTES_MAX 2048 /* COMMAND_LINE_SIZE of x86, NUL included */

bool kexec_is_loaded(void)
{
    cleanup_free char *text = NULL;

    return file_read("/sys/kernel/kexec_loaded", 16, &text, NULL) == 0 && text[0] == '1';
}

static const char *explain(int error)
{
    switch (error) {
    case EPERM:
        return "not allowed: only root may, and no kernel that is locked down";
    case ENOEXEC:
        return "it isn't a kernel image";
    case ENOSYS:
        return "this kernel can't load another (CONFIG_KEXEC_FILE)";
    default:
        return strerror(error);
    }
}

int kexec_load(const char *kernel, const char *line, struct reason *reason)
{
    cleanup_close int fd = open(kernel, O_RDONLY | O_CLOEXEC);
    cleanup_free char *own = NULL;
    int error;

    if (fd < 0)
        return reason_refuse(reason, kernel, "%s", strerror(errno));
    if (!line) {
        error = file_read("/proc/cmdline", LINE_BYTES_MAX, &own, NULL);
        if (error)
            return reason_refuse(reason, "/proc/cmdline", "%s", strerror(-error));
        own[strcspn(own, "\n")] = '\0';
        line = own;
    }
    if (strlen(line) >= LINE_BYTES_MAX)
        return reason_refuse(reason, "command line", "must be shorter than %d bytes", LINE_BYTES_MAX);
    if (syscall(SYS_kexec_file_load, fd, -1, strlen(line) + 1, line, KEXEC_FILE_NO_INITRAMFS) < 0)
        return reason_refuse(reason, kernel, "%s", explain(errno));
    return 0;
}
