/* The page on a screen: what is written is read by a small terminal, and the screen is what counts. */

#include "zinit/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 60
#define COLUMNS_MAX 200

/* ---- a terminal: CUP, EL, SGR 0, DECSTBM, DECSC, DECRC (console_codes(4)) */

static struct {
    unsigned rows, columns, row, column, saved_row, saved_column, top, bottom;
    unsigned scrolled;
    char cells[ROWS_MAX][COLUMNS_MAX]; /* '#' for what isn't ASCII */
} screen;

static void screen_reset(unsigned rows, unsigned columns)
{
    memset(&screen, 0, sizeof screen);
    memset(screen.cells, '.', sizeof screen.cells);
    screen.rows = screen.bottom = rows;
    screen.columns = columns;
    screen.top = 1;
    screen.row = 7;
    screen.column = 3;
}

static void scroll(void)
{
    for (unsigned row = screen.top; row < screen.bottom; row++)
        memcpy(screen.cells[row - 1], screen.cells[row], COLUMNS_MAX);
    memset(screen.cells[screen.bottom - 1], ' ', COLUMNS_MAX);
    screen.scrolled++;
}

/* Gives what is behind the sequence. */
static const char *control(const char *text)
{
    unsigned numbers[2] = { 0 }, count = 0;

    if (*text == '7' || *text == '8') {
        unsigned *from = *text == '7' ? &screen.row : &screen.saved_row,
                 *to = *text == '7' ? &screen.saved_row : &screen.row;
        memcpy(to, from, 2 * sizeof *to);
        return text + 1;
    }
    assert_int_equal(*text++, '[');
    for (; (*text >= '0' && *text <= '9') || *text == ';'; text++)
        if (*text == ';')
            assert_true(++count < 2);
        else
            numbers[count] = numbers[count] * 10 + (unsigned)(*text - '0');
    if (*text == 'H') {
        screen.row = numbers[0];
        screen.column = numbers[1];
    } else if (*text == 'K') {
        memset(&screen.cells[screen.row - 1][screen.column - 1], ' ', COLUMNS_MAX - screen.column);
    } else if (*text == 'r') {
        screen.top = numbers[0] ? numbers[0] : 1;
        screen.bottom = numbers[1] ? numbers[1] : screen.rows;
        screen.row = screen.column = 1;
    } else {
        assert_int_equal(*text, 'm');
    }
    return text + 1;
}

static void show(const char *text)
{
    while (*text) {
        unsigned char c = (unsigned char)*text;
        if (c == '\033') {
            text = control(text + 1);
            continue;
        }
        text++;
        if ((c & 0xc0) == 0x80)
            continue;
        if (c == '\n') {
            screen.column = 1;
            screen.row == screen.bottom ? scroll() : (void)screen.row++;
            continue;
        }
        assert_in_range(screen.row, 1, screen.rows);
        assert_in_range(screen.column, 1, screen.columns);
        assert_true(c >= 0x20 && c != 0x7f);
        screen.cells[screen.row - 1][screen.column++ - 1] = c < 0x80 ? (char)c : '#';
    }
}

static void row_is(unsigned row, const char *text)
{
    size_t size = strlen(text);

    if (memcmp(screen.cells[row - 1], text, size) != 0)
        fail_msg("row %u is \"%.80s\", not \"%s\"", row, screen.cells[row - 1], text);
    for (; size < screen.columns - 1; size++)
        assert_true(screen.cells[row - 1][size] == ' ' || screen.cells[row - 1][size] == '.');
}

/* ---- the frame */

static struct frame frame;

static void draw(const char *page, const struct qr *qr, const char *warnings)
{
    cJSON *list = cJSON_Parse(warnings);
    char *text = frame_draw(&frame, page, qr, list);

    assert_non_null(text);
    show(text);
    free(text);
    cJSON_Delete(list);
}

static void begin(unsigned rows, unsigned columns)
{
    screen_reset(rows, columns);
    frame = (struct frame){ .rows = rows, .columns = columns };
}

static void the_page_is_above_and_the_rest_scrolls(void **state)
{
    begin(25, 80);
    draw("one\ntwo\n", NULL,
         "[\"2026-11-25T10:00:01 netd: netd: no carrier\",\"2026-11-25T10:00:02 kernel: a\\u001b[2J\\u009b\"]");
    row_is(1, "one");
    row_is(2, "two");
    row_is(3, "  10:00:01 netd: no carrier");
    row_is(4, "  10:00:02 kernel: a?[2J?");
    assert_memory_equal(screen.cells[4], "------", 6);
    assert_int_equal(frame.height, 5);
    assert_int_equal(screen.top, 6);
    assert_int_equal(screen.bottom, 25);
    assert_int_equal(screen.row, 25);
    for (int i = 0; i < 50; i++)
        show("a line of the log\n");
    row_is(1, "one");
    row_is(24, "a line of the log");
}

static void drawn_again_it_moves_nothing_but_itself(void **state)
{
    begin(25, 80);
    draw("one\ntwo is long\n", NULL, "[]");
    show("a line of the log\nhalf a li");
    draw("three\nfour\n", NULL, "[]");
    show("ne\n");
    row_is(1, "three");
    row_is(2, "four");
    row_is(24, "half a line");
    assert_int_equal(screen.scrolled, 2);
}

static void a_page_that_shrinks_leaves_nothing_behind(void **state)
{
    begin(25, 80);
    draw("one\ntwo\nthree\nfour\n", NULL, "[\"x\",\"y\"]");
    assert_int_equal(screen.top, 8);
    draw("one\n", NULL, "[]");
    row_is(1, "one");
    for (unsigned row = 3; row <= 7; row++)
        row_is(row, "");
    assert_int_equal(screen.top, 3);
    draw("one\ntwo\nthree\n", NULL, NULL);
    assert_int_equal(screen.top, 5);
    assert_int_equal(screen.row, 25);
}

static void warnings_take_what_the_page_leaves_and_the_newest_stay(void **state)
{
    unsigned columns, rows;
    bool with_qr;
    cJSON *warnings = cJSON_Parse("[\"1\",\"2\",\"3\",\"4\",\"5\"]");
    char page[64] = "";

    begin(25, 80);
    frame_room(&frame, NULL, warnings, &columns, &rows, &with_qr);
    assert_int_equal(columns, 79);
    assert_int_equal(rows, 13); /* of 25, 8 are left to others, one is the border, and three warnings have room */
    assert_false(with_qr);
    for (unsigned i = 0; i < rows; i++)
        strcat(page, "p\n");
    draw(page, NULL, "[\"1\",\"2\",\"3\",\"4\",\"5\"]");
    row_is(13, "p");
    row_is(14, "  3");
    row_is(16, "  5");
    assert_int_equal(screen.top, 18);
    cJSON_Delete(warnings);
}

static void the_screen_is_given_back_at_the_end(void **state)
{
    char *text;

    begin(25, 80);
    assert_null(frame_end(&frame));
    draw("one\n", NULL, "[]");
    text = frame_end(&frame);
    show(text);
    free(text);
    assert_int_equal(screen.top, 1);
    assert_int_equal(screen.bottom, 25);
    assert_int_equal(screen.row, 25);
}

/* ---- the code */

#define ID "3i28FpJtrZCQjeZFf56mEHZGrMweDLQyaHp6aKyr3dup"

static void a_code_stands_beside_the_page_where_there_is_room(void **state)
{
    static const struct {
        unsigned rows, columns;
        bool with_qr;
    } sizes[] = { { 25, 80, false }, { 37, 100, true },  { 48, 128, true },
                  { 50, 160, true }, { 25, 132, false }, { 60, 96, false } };
    struct qr qr;
    unsigned columns, rows;
    bool with_qr;

    assert_int_equal(qr_make(ID, &qr), 0);
    assert_int_equal(qr.columns, 37);
    assert_int_equal(qr.lines, 19);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        begin(sizes[i].rows, sizes[i].columns);
        frame_room(&frame, &qr, NULL, &columns, &rows, &with_qr);
        assert_int_equal(with_qr, sizes[i].with_qr);
        assert_true(columns >= 60 && columns + (with_qr ? qr.columns : 0) < sizes[i].columns);
    }
    begin(48, 128);
    draw("one\n", &qr, "[\"w\"]");
    assert_memory_equal(screen.cells[0], "one ", 4);
    assert_memory_equal(&screen.cells[0][128 - 1 - 37], "#####################################", 37);
    assert_int_equal(screen.cells[0][127], '.');
    row_is(20, "  w");
    assert_int_equal(frame.height, 21);
    free(qr.text);
}

/* The finder in the corner (ISO/IEC 18004 §6.3.3) below the margin: 7 dark modules, then 1 0 0 0 0 0 1, two rows a
 * line. */
static void a_code_has_margin_and_finder(void **state)
{
    struct qr qr;
    const char *line;

    assert_int_equal(qr_make(ID, &qr), 0);
    line = qr.text;
    for (int i = 0; i < 2; i++, line = strchr(line, '\n') + 1)
        for (int x = 0; x < 37; x++)
            assert_memory_equal(line + 3 * x, "\u2588", 3);
    assert_memory_equal(line, "\u2588\u2588\u2588\u2588 \u2584\u2584\u2584\u2584\u2584 \u2588",
                        3 * 4 + 1 + 3 * 5 + 1 + 3);
    free(qr.text);
    assert_int_equal(qr_make("x", &qr), 0);
    assert_int_equal(qr.columns, 29);
    free(qr.text);
}

static void too_much_for_a_code_is_refused(void **state)
{
    static char text[3000];
    struct qr qr;

    memset(text, 'x', 300);
    assert_int_equal(qr_make(text, &qr), -34);
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(qr_make(text, &qr), -34); /* ERANGE */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_above_and_the_rest_scrolls),
        cmocka_unit_test(drawn_again_it_moves_nothing_but_itself),
        cmocka_unit_test(a_page_that_shrinks_leaves_nothing_behind),
        cmocka_unit_test(warnings_take_what_the_page_leaves_and_the_newest_stay),
        cmocka_unit_test(the_screen_is_given_back_at_the_end),
        cmocka_unit_test(a_code_stands_beside_the_page_where_there_is_room),
        cmocka_unit_test(a_code_has_margin_and_finder),
        cmocka_unit_test(too_much_for_a_code_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
