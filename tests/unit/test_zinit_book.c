/* The log on disk: how it is written, bounded, and read again. */

#include "lib/file.h"
#include "zinit/book_file.h"
#include "zinit/book_read.h"
#include "zinit/book_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int begin(void **state)
{
    strcpy(folder, "/tmp/zinit-book-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    return file_remove_tree(folder);
}

static void put(const char *name, const char *text)
{
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* All names in order, each followed by a space. */
static const char *names(void)
{
    static char text[4096];
    struct book_name *list = NULL;
    int fd = open(folder, O_RDONLY | O_DIRECTORY), count = book_list(fd, &list);

    text[0] = '\0';
    for (int i = 0; i < count; i++)
        sprintf(text + strlen(text), "%u-%u ", list[i].boot, list[i].file);
    free(list);
    close(fd);
    return text;
}

/* What is printed of a boot. */
static const char *boot_text(int boot, const char *name)
{
    static char text[65536];
    FILE *out = fmemopen(text, sizeof text, "w");
    int code;

    assert_non_null(out);
    text[0] = '\0';
    code = book_read_boot(folder, boot, name, out);
    fclose(out);
    return code ? NULL : text;
}

static void a_line_is_plain_text(void **state)
{
    struct ring_line line = { .time_ms = INT64_C(1764036243123), .level = 4, .size = 8 };
    char out[BOOK_LINE_BYTES_MAX], name[200], huge[RING_LINE_BYTES_MAX];

    size_t size = book_format_line(out, "netd", &line, "no cable and more");

    assert_int_equal(size, strlen(out));
    assert_string_equal(out, "2025-11-25T02:04:03.123Z warning netd: no cable\n");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(huge, 'x', sizeof huge);
    line = (struct ring_line){ .time_ms = INT64_C(253402300799999), .level = 0, .size = sizeof huge };
    assert_int_equal(book_format_line(out, name, &line, huge), BOOK_LINE_BYTES_MAX - 1);
}

static void only_our_names_are_taken(void **state)
{
    static const char *const wrong[] = { "",
                                         "00000001-000001.log.tmp",
                                         "0000001-000001.log",
                                         "00000000-000001.log",
                                         "00000001-000000.log",
                                         "00000001_000001.log",
                                         "0000000a-000001.log",
                                         "00000001-+00001.log",
                                         "00000001-000001.txt" };
    struct book_name name;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(book_parse_name(wrong[i], &name));
    assert_true(book_parse_name("00000012-000345.log", &name));
    assert_int_equal(name.boot, 12);
    assert_int_equal(name.file, 345);
}

static void a_boot_is_one_after_the_last_and_a_writer_goes_on_with_it(void **state)
{
    struct book_file book;

    put("00000007-000003.log", "# boot 7, file 3 of 01234567-89ab\n2026-01-01T00:00:00.000Z info a: b\n");
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(book_file_open(&book, folder), 0);
        assert_int_equal(book.name.boot, 8);
        assert_int_equal(book_file_add(&book, "x\n", 2), 0);
        assert_int_equal(book_file_sync(&book), 0);
        book_file_close(&book);
    }
    assert_string_equal(names(), "7-3 8-1 8-2 ");
}

static void this_boots_files_and_the_earlier_ones_are_bounded_apart(void **state)
{
    struct book_file book;
    char line[100], big[3000];

    for (unsigned i = 1; i <= 40; i++) { /* 32 at most are kept */
        char name[BOOK_NAME_BYTES];
        book_print_name((struct book_name){ i, 1 }, name);
        put(name, "# boot\n");
    }
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    put("00000041-000001.log", big);
    assert_int_equal(book_file_open(&book, folder), 0);
    assert_string_equal(
        names(), "10-1 11-1 12-1 13-1 14-1 15-1 16-1 17-1 18-1 19-1 20-1 21-1 22-1 23-1 24-1 25-1 26-1 27-1 28-1 "
                 "29-1 30-1 31-1 32-1 33-1 34-1 35-1 36-1 37-1 38-1 39-1 40-1 41-1 ");
    book.size_max = 600; /* four times that for those before: 41 alone is too much */
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    for (unsigned i = 0; i < 100; i++) {
        struct stat status;
        assert_int_equal(book_file_add(&book, line, sizeof line), 0);
        assert_int_equal(fstat(book.fd, &status), 0);
        assert_in_range(status.st_size, sizeof line, 600);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    assert_string_equal(names(), "42-17 42-18 42-19 42-20 ");
    book_file_close(&book);
}

static void what_others_put_there_does_no_harm(void **state)
{
    struct book_file book;
    char outside[] = "/tmp/zinit-book-outside-XXXXXX";
    int fd = mkstemp(outside);
    struct stat status;

    put("99999999-999999.log", "# boot 99999999, file 1 of x\n");
    put("notes.txt", "mine");
    snprintf(path, sizeof path, "%s/00000005-000001.log", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/00000006-000001.log", folder);
    assert_int_equal(symlink(outside, path), 0);
    snprintf(path, sizeof path, "%s/00000005-000002.log", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(book_file_open(&book, folder), 0);
    assert_int_equal(book.name.boot, 7);
    assert_int_equal(book_file_add(&book, "line\n", 5), 0);
    book_file_close(&book);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_non_null(boot_text(5, NULL));
    assert_string_equal(boot_text(6, NULL), "");
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    unlink(outside);
}

#define A "2026-01-01T00:00:00.000Z info netd: one\n"
#define B "2026-01-01T00:00:01.000Z error net: # end\n"
#define C "2026-01-01T00:00:02.000Z info netd: three\n"

static void the_boot_before_is_read_without_what_was_torn_off(void **state)
{
    struct book_file book;
    struct book_end how;

    assert_int_equal(book_read_last_end("/tmp/zinit-book-nothing", &how), -ENOENT);
    assert_null(boot_text(-1, NULL));
    put("00000003-000001.log", "# boot 3, file 1 of 3-3\n" A BOOK_END);
    put("00000004-000001.log", "# boot 4, file 1 of 4-4\n" A B);
    put("00000004-000002.log", "# boot 4, file 2 of 4-4\n" C "2026-01-01T00:00:03.000Z info netd: fo");
    assert_string_equal(boot_text(-1, NULL), A B C);
    assert_string_equal(boot_text(-1, "netd"), A C);
    assert_string_equal(boot_text(-1, "net"), B);
    assert_string_equal(boot_text(4, "netd"), A C);
    assert_string_equal(boot_text(-2, NULL), A);
    assert_null(boot_text(-3, NULL));
    assert_null(boot_text(0, NULL));
    assert_null(boot_text(9, NULL));

    /* the same once the boot that runs has a log of its own */
    assert_int_equal(book_file_open(&book, folder), 0);
    assert_int_equal(book_file_add(&book, B, strlen(B)), 0);
    book_file_close(&book);
    assert_string_equal(boot_text(0, NULL), B);
    assert_string_equal(boot_text(-1, NULL), A B C);
    assert_int_equal(book_read_last_end(folder, &how), 0);
    assert_int_equal(how.boot, 4);
    assert_false(how.clean);
    assert_string_equal(how.line, "2026-01-01T00:00:02.000Z info netd: three");

    put("00000004-000002.log", "# boot 4, file 2 of 4-4\n" C BOOK_END);
    assert_int_equal(book_read_last_end(folder, &how), 0);
    assert_true(how.clean);

    /* nothing but a head was written of the last file; the line before is in the one before */
    put("00000004-000002.log", "# boot 4, file 2 o");
    assert_int_equal(book_read_last_end(folder, &how), 0);
    assert_false(how.clean);
    assert_string_equal(how.line, "2026-01-01T00:00:01.000Z error net: # end");
}

static void files_of_garbage_are_read_as_nothing(void **state)
{
    struct book_end how;
    static char garbage[300000];

    for (size_t i = 0; i < sizeof garbage - 1; i++)
        garbage[i] = (char)(1 + (i * 7919 + i / 251) % 255);
    put("00000002-000001.log", garbage);
    put("00000003-000001.log", "");
    assert_non_null(boot_text(2, "netd"));
    assert_string_equal(boot_text(-1, NULL), "");
    assert_int_equal(book_read_last_end(folder, &how), 0);
    assert_false(how.clean);
}

/* ---- with a file system of our own */

static int in_own_mounts(void (*act)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            _exit(77);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        act();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#define DEMAND(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void fill_a_small_disk(void)
{
    static char lines[4096];
    struct book_file book;
    char filler[128];
    int fd;

    if (mount("none", folder, "tmpfs", 0, "size=256k") < 0)
        _exit(77);
    memset(lines, 'x', sizeof lines);
    lines[sizeof lines - 1] = '\n';
    DEMAND(book_file_open(&book, folder) == 0);
    book.size_max = 65536;
    for (int i = 0; i < 40; i++)
        DEMAND(book_file_add(&book, lines, sizeof lines) == 0);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    fd = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(fd, lines, sizeof lines) > 0)
        continue;
    DEMAND(strcmp(names(), "1-1 1-2 1-3 ") == 0);
    for (int i = 0; i < 15; i++) /* what is given up makes room for it */
        DEMAND(book_file_add(&book, lines, sizeof lines) == 0);
    while (write(fd, lines, sizeof lines) > 0)
        continue;
    book.size_max = 1 << 20;
    for (int i = 0; i < 100; i++)
        if (book_file_add(&book, lines, sizeof lines) == -ENOSPC)
            break;
    DEMAND(book_file_add(&book, lines, sizeof lines) == -ENOSPC); /* all that is left is being written */
    DEMAND(ftruncate(fd, 0) == 0);
    DEMAND(book_file_add(&book, "after\n", 6) == 0);
    DEMAND(lseek(book.fd, 0, SEEK_END) % 4096 > 0); /* behind a whole line */
    book_file_close(&book);
}

static void a_full_disk_costs_the_oldest_lines(void **state)
{
    int code = in_own_mounts(fill_a_small_disk);

    if (code == 77) {
        print_message("no mount namespace here: a full disk isn't tested\n");
        skip();
    }
    assert_int_equal(code, 0);
}

static void wait_for_names(const char *expected)
{
    for (int i = 0; i < 2000 && strcmp(names(), expected) != 0; i++)
        usleep(5000);
    DEMAND(strcmp(names(), expected) == 0);
}

/* The disk comes late, goes, and another comes. */
static void mount_under_a_writer(void)
{
    char mount_point[64], root[64];
    int lines[2], status;
    pid_t writer;

    strcpy(root, folder);
    snprintf(mount_point, sizeof mount_point, "%.40s/disk", root);
    snprintf(folder, sizeof folder, "%.40s/disk/log", root);
    mkdir(mount_point, 0700);
    DEMAND(pipe2(lines, O_NONBLOCK) == 0);
    DEMAND(write(lines[1], A, strlen(A)) == (ssize_t)strlen(A));
    writer = fork();
    if (writer == 0) {
        close(lines[1]);
        _exit(book_writer_run(mount_point, lines[0]));
    }
    usleep(50000);
    DEMAND(access(folder, F_OK) < 0); /* nothing is written beside the disk */
    if (mount("none", mount_point, "tmpfs", 0, NULL) < 0) {
        close(lines[0]);
        close(lines[1]);
        _exit(77);
    }
    wait_for_names("1-1 ");
    DEMAND(umount2(mount_point, MNT_DETACH) == 0);
    usleep(50000);
    DEMAND(access(folder, F_OK) < 0);
    DEMAND(write(lines[1], B "2026", strlen(B) + 4) == (ssize_t)strlen(B) + 4);
    DEMAND(mount("none", mount_point, "tmpfs", 0, NULL) == 0);
    wait_for_names("1-1 ");
    DEMAND(write(lines[1], C + 4, strlen(C) - 4) == (ssize_t)strlen(C) - 4);
    close(lines[0]);
    close(lines[1]);
    DEMAND(waitpid(writer, &status, 0) == writer && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(path, sizeof path, "%.60s/00000001-000001.log", folder);
    {
        char *text = NULL, *rest;
        DEMAND(file_read(path, 65536, &text, NULL) == 0);
        rest = strchr(text, '\n');
        DEMAND(rest && strcmp(rest + 1, B C BOOK_END) == 0);
        free(text);
    }
}

static void the_writer_waits_for_its_disk_and_follows_it(void **state)
{
    int code = in_own_mounts(mount_under_a_writer);

    if (code == 77) {
        print_message("no mount namespace here: the writer isn't tested\n");
        skip();
    }
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_plain_text),
        cmocka_unit_test(only_our_names_are_taken),
        cmocka_unit_test_setup_teardown(a_boot_is_one_after_the_last_and_a_writer_goes_on_with_it, begin, end),
        cmocka_unit_test_setup_teardown(this_boots_files_and_the_earlier_ones_are_bounded_apart, begin, end),
        cmocka_unit_test_setup_teardown(what_others_put_there_does_no_harm, begin, end),
        cmocka_unit_test_setup_teardown(the_boot_before_is_read_without_what_was_torn_off, begin, end),
        cmocka_unit_test_setup_teardown(files_of_garbage_are_read_as_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_the_oldest_lines, begin, end),
        cmocka_unit_test_setup_teardown(the_writer_waits_for_its_disk_and_follows_it, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
