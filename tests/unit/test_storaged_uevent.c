/* Messages of the kernel about devices. */

#include "storaged/uevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses a message of exactly that size, so that the sanitizer sees a byte too many. */
static bool parse(const char *message, size_t size, struct uevent *event)
{
    char *copy = malloc(size ? size : 1);
    bool is_block;

    memcpy(copy, message, size);
    is_block = uevent_parse(copy, size, event);
    free(copy);
    return is_block;
}

#define PARSE(literal, event) parse(literal, sizeof(literal), event)

static void a_disk_that_is_plugged_in_is_told(void **state)
{
    struct uevent event;

    assert_true(PARSE("add@/devices/pci0/virtio1/block/vdb\0ACTION=add\0DEVPATH=/devices/pci0/virtio1/block/vdb\0"
                      "SUBSYSTEM=block\0MAJOR=253\0MINOR=16\0DEVNAME=vdb\0DEVTYPE=disk\0DISKSEQ=9\0SEQNUM=1",
                      &event));
    assert_string_equal(event.action, "add");
    assert_string_equal(event.device, "vdb");
    assert_true(event.is_disk);
}

static void a_partition_is_no_disk(void **state)
{
    struct uevent event;

    assert_true(PARSE("add@/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda1\0DEVTYPE=partition", &event));
    assert_false(event.is_disk);
}

static void other_devices_and_broken_messages_are_passed_over(void **state)
{
    struct uevent event;

    assert_false(PARSE("add@/x\0ACTION=add\0SUBSYSTEM=net\0DEVNAME=sda\0DEVTYPE=disk", &event));
    assert_false(PARSE("add@/x\0ACTION=add\0SUBSYSTEM=block\0DEVTYPE=disk", &event));
    assert_false(parse("", 0, &event));
    assert_false(parse("\0", 1, &event));
    assert_false(parse("SUBSYSTEM=block\0DEVNAME=sda", 27, &event)); /* cut off */
}

static void values_that_are_too_long_are_cut(void **state)
{
    struct uevent event;

    assert_true(PARSE("SUBSYSTEM=block\0ACTION=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"
                      "DEVNAME=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                      &event));
    assert_int_equal(strlen(event.action), sizeof event.action - 1);
    assert_int_equal(strlen(event.device), sizeof event.device - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_is_plugged_in_is_told),
        cmocka_unit_test(a_partition_is_no_disk),
        cmocka_unit_test(other_devices_and_broken_messages_are_passed_over),
        cmocka_unit_test(values_that_are_too_long_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
