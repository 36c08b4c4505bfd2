/* A thousand services: they start, crash, stop and go, in order, and nothing of them stays. */

#include "tests/unit/zinit_bed.h"

#include <dirent.h>

#ifdef __SANITIZE_ADDRESS__
#define SERVICES 200 /* a process under the sanitizers is some times slower to make */
#else
#define SERVICES 1000
#endif
#define GROUP 10 /* services that come after one another */
#define ROUNDS_OF_PATIENCE 12

static char name[16];

static struct service *number(size_t n)
{
    snprintf(name, sizeof name, "s%04zu", n);
    return bed_get(name);
}

static size_t count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static bool are_up(void)
{
    for (size_t n = 0; n < SERVICES; n++)
        if (number(n)->state != MACHINE_RUNNING || number(n)->pid == 0)
            return false;
    return true;
}

static bool are_down(void)
{
    for (size_t n = 0; n < SERVICES; n++)
        if (number(n)->pid)
            return false;
    return true;
}

static bool are_restarted(void)
{
    for (size_t n = 0; n < SERVICES; n++)
        if (number(n)->restarts != 1)
            return false;
    return are_up();
}

/* bed_comes's patience is for one service. */
static bool come(bool (*condition)(void))
{
    for (int round = 0; round < ROUNDS_OF_PATIENCE; round++)
        if (bed_comes(condition))
            return true;
    return false;
}

/* Each of a group comes after the one before it, whose name is greater: they're loaded in the opposite order. */
static void write_units(void)
{
    for (size_t n = 0; n < SERVICES; n++) {
        char text[64] = "exec: /bin/sleep 1000\n";
        if (n % GROUP != GROUP - 1)
            snprintf(text, sizeof text, "exec: /bin/sleep 1000\nafter: [s%04zu]\n", n + 1);
        snprintf(name, sizeof name, "s%04zu", n);
        bed_unit(name, text);
    }
}

static void a_thousand_services_live_and_leave_nothing(void **state)
{
    size_t before = count_descriptors();

    write_units();
    assert_int_equal(supervisor_load(&bed), SERVICES);
    assert_true(come(are_up));
    for (size_t n = 0; n < SERVICES; n++)
        if (n % GROUP != GROUP - 1)
            assert_true(number(n)->started_ms >= number(n + 1)->started_ms);
    for (size_t n = 0; n < SERVICES; n++)
        kill(number(n)->pid, SIGKILL);
    assert_true(come(are_restarted));
    for (size_t n = 0; n < SERVICES; n++)
        service_stop(number(n));
    assert_true(come(are_down));
    for (size_t n = 0; n < SERVICES; n++)
        supervisor_remove(&bed, number(n));
    assert_null(bed.services);
    assert_null(bed.last_service);
    assert_null(bed.due);
    assert_null(bed.loop.timers.first);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BED_TEST(a_thousand_services_live_and_leave_nothing) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
