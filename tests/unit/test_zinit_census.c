/* zinit/census: what /proc says, read from a small tree made for it. */

#include "zinit/census.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define HEADING "  sl  local_address rem_address   st tx_queue rx_queue\n"

static char root[] = "/tmp/test_zinit_census.XXXXXX";

static void put(const char *path, const char *content)
{
    char whole[128], folder[128];

    snprintf(whole, sizeof whole, "%s/proc/%s", root, path);
    snprintf(folder, sizeof folder, "%s", whole);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_folders(folder, 0755), 0);
    assert_int_equal(file_write(whole, content, strlen(content), 0644), 0);
}

static int make_tree(void **state)
{
    return mkdtemp(root) ? 0 : -1;
}

static int remove_tree(void **state)
{
    return file_remove_tree(root);
}

static void nothing_listens_when_there_is_nothing(void **state)
{
    cleanup_free char *text = census_listening(root);

    assert_string_equal(text, "none");
}

static void a_listener_and_a_bound_socket_are_told_and_connections_are_not(void **state)
{
    cleanup_free char *text = NULL;

    put("net/tcp", HEADING "   0: 0100007F:1F90 00000000:0000 0A 0:0\n   1: 0F02000A:8000 0202000A:20E4 01 0:0\n");
    put("net/udp", HEADING " 100: 00000000:CA6C 00000000:0000 07 0:0\n 101: 0F02000A:8001 0202000A:0035 01 0:0\n");
    put("net/tcp6",
        HEADING "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0\n");
    text = census_listening(root);
    assert_string_equal(text, "tcp 127.0.0.1:8080, tcp [::]:22, udp 0.0.0.0:51820");
}

static void the_dhcp_client_stands_apart(void **state)
{
    cleanup_free char *text = NULL;

    put("net/tcp", HEADING);
    put("net/tcp6", HEADING);
    put("net/udp", HEADING " 100: 00000000:0044 00000000:0000 07 0:0\n");
    text = census_listening(root);
    assert_string_equal(text, "none (DHCP client: udp 0.0.0.0:68)");
}

static void memory_in_use_is_what_isnt_available(void **state)
{
    cleanup_free char *text = NULL;

    put("meminfo", "MemTotal:         491520 kB\nMemFree:          300000 kB\nMemAvailable:     449536 kB\n");
    text = census_memory(root);
    assert_string_equal(text, "41 MiB of 480 MiB used");
}

static void processes_of_one_name_are_summed_and_kernel_threads_left_out(void **state)
{
    cleanup_free char *text = NULL;

    put("1/comm", "zinit\n");
    put("1/statm", "500 128 100 1 0 1 0\n");
    put("2/comm", "kthreadd\n");
    put("2/statm", "0 0 0 0 0 0 0\n");
    put("7/comm", "zinit\n");
    put("7/statm", "500 256 100 1 0 1 0\n");
    text = census_resident(root);
    assert_string_equal(text, "zinit 1.5 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_listens_when_there_is_nothing),
        cmocka_unit_test(a_listener_and_a_bound_socket_are_told_and_connections_are_not),
        cmocka_unit_test(the_dhcp_client_stands_apart),
        cmocka_unit_test(memory_in_use_is_what_isnt_available),
        cmocka_unit_test(processes_of_one_name_are_summed_and_kernel_threads_left_out),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
