/* The power button is an input device (ACPI's, or a keyboard's key). The devices that are there at boot are watched. */

#include "zinit/power.h"

#include "lib/log.h"
#include "zinit/shutdown.h"

#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICES_MAX 32
#define BUTTONS_MAX 4

static struct loop_source buttons[BUTTONS_MAX];

static bool has_power_key(int fd)
{
    unsigned char keys[KEY_MAX / 8 + 1] = { 0 };

    return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys) >= 0 && keys[KEY_POWER / 8] & (1 << KEY_POWER % 8);
}

static void on_button(struct loop_source *source, uint32_t events)
{
    struct supervisor *supervisor = source->context;
    struct input_event event;
    ssize_t size = read(source->fd, &event, sizeof event);

    if (size < 0 && events & (EPOLLHUP | EPOLLERR)) {
        loop_remove(&supervisor->loop, source);
    } else if (size == sizeof event && event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
        log_info("power button pressed");
        shutdown_begin(supervisor, SHUTDOWN_POWER_OFF);
    }
}

size_t power_watch(struct supervisor *supervisor)
{
    size_t count = 0;

    for (int number = 0; number < DEVICES_MAX && count < BUTTONS_MAX; number++) {
        char path[32];
        int fd;
        snprintf(path, sizeof path, "/dev/input/event%d", number);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (!has_power_key(fd)) {
            close(fd);
            continue;
        }
        buttons[count] = (struct loop_source){ .fd = fd, .on_event = on_button, .context = supervisor };
        if (loop_add(&supervisor->loop, &buttons[count], EPOLLIN) == 0)
            count++;
        else
            close(fd);
    }
    return count;
}
