/* What every service's environment begins with. */

#include "zinit/environment.h"

#include "lib/file.h"
#include "zinit/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char **env;

static int forget(void **state)
{
    words_free(env);
    env = NULL;
    return 0;
}

static const char *value_of(const char *name)
{
    const char *value = NULL;
    int found = 0;

    for (char **variable = env; variable && *variable; variable++)
        if (strncmp(*variable, name, strlen(name)) == 0 && (*variable)[strlen(name)] == '=') {
            value = *variable + strlen(name) + 1;
            found++;
        }
    assert_in_range(found, 0, 1);
    return value;
}

static void parse(const char *text)
{
    char *copy = strdup(text);

    environment_parse("/etc/environment", copy, &env);
    free(copy);
}

static void lines_are_read_as_zinit_and_pam_env_read_them(void **state)
{
    static const struct {
        const char *line, *value; /* of A; NULL: not set */
    } cases[] = {
        { "A=b", "b" },
        { "A=", "" },
        { "  export A=b c  ", "b c" },
        { "export\tA=b\r", "b" },
        { "A=\"b # c\" # d", "b # c" },
        { "A='b \"c\"'", "b \"c\"" },
        { "A=\"\"", "" },
        { "A=b=c", "b=c" },
        { "A=http://b/#c", "http://b/#c" },
        { "A=b # c", "b" },
        { "A=# c", "" },
        { "#A=b", NULL },
        { " # A=b", NULL },
        { "A", NULL },
        { "A =b", NULL },
        { "A-B=c", NULL },
        { "1A=b", NULL },
        { "=b", NULL },
        { "export", NULL },
        { "export A", NULL },
        { "A=\"b", NULL },
        { "A='b", NULL },
        { "A=b\nA=c", "c" },
        { "A=b\n\nA='", "b" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *value;
        parse(cases[i].line);
        value = value_of("A");
        if ((value == NULL) != (cases[i].value == NULL) || (value && strcmp(value, cases[i].value) != 0))
            fail_msg("%s: A is %s", cases[i].line, value ? value : "not set");
        forget(NULL);
    }
}

static void a_path_with_a_folder_that_is_not_absolute_is_passed_over(void **state)
{
    static const char *const unsafe[] = { "", ".", "bin", ":/bin", "/bin:", "/bin::/sbin", "/bin:.", "\"/bin:x\"" };
    char line[64];

    parse("PATH=/opt/bin:/bin");
    assert_string_equal(value_of("PATH"), "/opt/bin:/bin");
    for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++) {
        snprintf(line, sizeof line, "PATH=%s\nA=%zu", unsafe[i], i);
        parse(line);
        assert_string_equal(value_of("PATH"), "/opt/bin:/bin");
        assert_int_equal(atoi(value_of("A")), i); /* the rest counts */
    }
}

static void a_container_has_zinits_own_and_a_machine_has_none_of_it(void **state)
{
    static const char text[] = "OWN=file\nPATH=/first:/bin\n";
    char file[] = "/tmp/zinit-environment-XXXXXX", *path = strdup(getenv("PATH"));
    int fd = mkstemp(file);

    close(fd);
    assert_int_equal(file_write(file, text, strlen(text), 0600), 0);
    setenv("OWN", "process", 1);
    setenv("INHERITED", "yes", 1);
    setenv("NOTIFY_SOCKET", "/run/of/another", 1);
    setenv("ZINIT_SERVICE", "outer", 1);

    environment_read("/nonexistent/environment", true, &env);
    assert_string_equal(value_of("OWN"), "process");
    assert_string_equal(value_of("INHERITED"), "yes");
    assert_string_equal(value_of("PATH"), path);
    assert_null(value_of("NOTIFY_SOCKET"));
    assert_null(value_of("ZINIT_SERVICE"));
    forget(NULL);
    environment_read(file, true, &env);
    assert_string_equal(value_of("OWN"), "file");
    assert_string_equal(value_of("INHERITED"), "yes");
    assert_string_equal(getenv("PATH"), "/first:/bin");
    forget(NULL);
    environment_read("/nonexistent/environment", false, &env);
    assert_int_equal(words_count(env), 1);
    assert_null(strstr(value_of("PATH"), "/first"));
    setenv("PATH", path, 1);
    free(path);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_are_read_as_zinit_and_pam_env_read_them, forget),
        cmocka_unit_test_teardown(a_path_with_a_folder_that_is_not_absolute_is_passed_over, forget),
        cmocka_unit_test_teardown(a_container_has_zinits_own_and_a_machine_has_none_of_it, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
