/* zinit check: all that is wrong in a folder, in one look. */

#include "zinit/check.h"

#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];

static int make_folder(void **state)
{
    strcpy(dir, "/tmp/zinit-check-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return file_remove_tree(dir);
}

static void unit(const char *file, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
}

/* Runs it; what it says, without the folder's name. */
static char *check(int expected)
{
    static char said[8192];
    char *text = NULL, *at;
    size_t size, length = strlen(dir);
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(check_folder(dir, out), expected);
    fclose(out);
    while ((at = strstr(text, dir)))
        memmove(at, at + length, strlen(at + length) + 1);
    snprintf(said, sizeof said, "%s", text);
    free(text);
    return said;
}

static void has(const char *said, const char *line)
{
    if (!strstr(said, line))
        fail_msg("\"%s\"\ndoesn't contain %s", said, line);
}

static void good_units_are_counted(void **state)
{
    unit("a.yaml", "exec: a\n");
    unit("a-b.yaml", "exec: b\nafter: [a, c]\n");
    unit("c.yaml", "exec: c\nafter: a\n");
    assert_string_equal(check(0), ": 3 units, 0 errors, 0 warnings\n");
}

static void warnings_alone_are_no_failure(void **state)
{
    unit("a.yaml", "exec: a\ncolour: red\n");
    unit("b.yml", "exec: b\n");
    char *said = check(0);
    has(said, "warning: /a.yaml:2: unknown key colour");
    has(said, "warning: /b.yml: isn't read");
    has(said, ": 1 unit, 0 errors, 2 warnings\n");
}

static void every_error_is_told_with_its_line(void **state)
{
    unit("a.yaml", "exec: 'a\noneshot: perhaps\n");
    unit("b.yaml", "exec: sh -c 'b\nshutdown_timeout: soon\nlog: loud\n");
    unit("c.yaml", "after: [nobody]\n");
    unit("d.yaml", "exec: d\nafter:\n  - a\n  - nobody\n  - no-one\n");
    unit("e f.yaml", "exec: e\n");
    char *said = check(1);
    has(said, "error: /a.yaml:");
    has(said, "error: /b.yaml:1: exec");
    has(said, "error: /b.yaml:2: shutdown_timeout");
    has(said, "error: /b.yaml:3: log");
    has(said, "error: /c.yaml");
    has(said, "error: /d.yaml:4: after: there is no unit nobody: add it, or take this out\n");
    has(said, "error: /d.yaml:5: after: there is no unit no-one");
    has(said, "error: /e f.yaml");
    assert_null(strstr(said, "no unit a:"));
}

static void every_circle_is_told(void **state)
{
    unit("a.yaml", "exec: a\nafter: [b]\n");
    unit("b.yaml", "exec: b\nafter:\n- c\n");
    unit("c.yaml", "exec: c\n\nafter: [a, d]\n");
    unit("d.yaml", "exec: d\nafter: d\n");
    unit("e.yaml", "exec: e\nafter: [a]\n");
    char *said = check(1);
    has(said, "error: /c.yaml:3: after: a circle: a → b → c → a (→: comes after): break it\n");
    has(said, "error: /d.yaml:2: after: a circle: d → d (→: comes after): break it\n");
    has(said, ": 5 units, 2 errors, 0 warnings\n");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(check_folder("/nonexistent/units", out), 2);
    fclose(out);
    has(text, "/nonexistent/units: No such file");
    free(text);
}

static void what_is_too_large_or_no_file_is_told(void **state)
{
    char *huge = malloc(100000);
    char path[128];

    memset(huge, '#', 99999);
    huge[99999] = '\0';
    unit("a.yaml", huge);
    free(huge);
    snprintf(path, sizeof path, "%s/b.yaml", dir);
    assert_int_equal(file_make_folders(path, 0700), 0);
    char *said = check(1);
    has(said, "error: /a.yaml: is larger than a unit may be");
    has(said, "error: /b.yaml: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_units_are_counted, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(warnings_alone_are_no_failure, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_error_is_told_with_its_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_circle_is_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_too_large_or_no_file_is_told, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
