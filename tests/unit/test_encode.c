/* Ids, base64 and hexadecimal: vectors, and everything that isn't the one text for its value. */

#include "lib/cleanup.h"
#include "lib/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

static void encodes_ids_as_base58(void **state)
{
    /* The last two are Bitcoin's arithmetic done elsewhere: 2^256 - 1, and RFC 8032's first public key. */
    static const struct {
        const char *hex, *text;
    } cases[] = {
        { "0000000000000000000000000000000000000000000000000000000000000000", "11111111111111111111111111111111" },
        { "0000000000000000000000000000000000000000000000000000000000000001", "11111111111111111111111111111112" },
        { "000000000000000000000000000000000000000000000000000000000000003a", "111111111111111111111111111111121" },
        { "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG" },
        { "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z" },
    };
    uint8_t bytes[ID_BYTES], again[ID_BYTES];
    char text[ID_TEXT_BYTES];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(decode_hex(cases[i].hex, bytes, sizeof bytes));
        encode_id(bytes, text);
        assert_string_equal(text, cases[i].text);
        assert_true(decode_id(text, again));
        assert_memory_equal(again, bytes, sizeof bytes);
    }
}

static void refuses_what_is_not_an_id(void **state)
{
    static const char *const bad[] = {
        "",
        "1",
        "1111111111111111111111111111111",              /* 31 bytes */
        "111111111111111111111111111111111",            /* 33 bytes */
        "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", /* 2^256 */
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWx", /* 31 bytes, without its 1 */
        "1FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z",
        "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS960",
        "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96O",
        "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96I",
        "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96l",
        " FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z",
        "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z\n",
        "FVen3X669xLzsi6N2V91Doiyz+zg1uAgqiT8jZ9nS96Z",
        "FVen3X669xLzsi6N2V91Doiyz\xc3\xa9g1uAgqiT8jZ9nS96Z",
    };
    uint8_t bytes[ID_BYTES];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(decode_id(bad[i], bytes));
}

static void ids_come_back_whatever_the_bytes(void **state)
{
    uint8_t bytes[ID_BYTES], again[ID_BYTES];
    char text[ID_TEXT_BYTES];

    for (size_t zeros = 0; zeros <= ID_BYTES; zeros++) {
        for (int i = 0; i < 50; i++) {
            randombytes_buf(bytes, sizeof bytes);
            memset(bytes, 0, zeros);
            encode_id(bytes, text);
            assert_true(decode_id(text, again));
            assert_memory_equal(again, bytes, sizeof bytes);
        }
    }
}

/* RFC 4648 §10, and what differs in the URL's alphabet. */
static void encodes_base64(void **state)
{
    static const struct {
        const char *bytes, *text, *url;
    } cases[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xfe", "+//+", "-__-" },
    };
    size_t size;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cleanup_free char *text = encode_base64(cases[i].bytes, strlen(cases[i].bytes));
        cleanup_free char *url = encode_base64_url(cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(text, cases[i].text);
        assert_string_equal(url, cases[i].url);
        cleanup_free char *bytes = decode_base64(text, &size);
        assert_string_equal(bytes, cases[i].bytes);
        assert_int_equal(size, strlen(cases[i].bytes));
        cleanup_free char *url_bytes = decode_base64_url(url, &size);
        assert_string_equal(url_bytes, cases[i].bytes);
        assert_int_equal(size, strlen(cases[i].bytes));
    }
}

static void refuses_base64_that_is_not_canonical(void **state)
{
    static const char *const bad[] = {
        "Z",     "Zg",    "Zg=",    "Zg===", "Zh==",   "Zm9=",     "Zm9v=", "Zm9v====",     "=",     "====",
        " Zg==", "Zg== ", "Zg==\n", "Z g==", "Z\ng==", "Zg==Zg==", "-__-",  "Zm9v\xc3\xa9", "Zm8==", "Zm8",
    };
    static const char *const bad_url[] = { "Z", "Zg==", "Zh", "Zm9", "+//+", "Zm8=", " Zg", "Zg\n", "Zm9vY" };
    size_t size;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(decode_base64(bad[i], &size));
    for (size_t i = 0; i < sizeof bad_url / sizeof *bad_url; i++)
        assert_null(decode_base64_url(bad_url[i], &size));
}

/* Every text of four of these characters is either refused, or the one text of its bytes. */
static void base64_has_one_text_for_one_value(void **state)
{
    static const char characters[] = "AQgwZ/+9=-_ \x80\xaf\xab\xff";
    const unsigned base = sizeof characters - 1;
    char text[5] = { 0 };
    size_t size, read = 0;

    for (unsigned i = 0; i < base * base * base * base; i++) {
        for (unsigned j = 0, n = i; j < 4; j++, n /= base)
            text[j] = characters[n % base];
        cleanup_free void *bytes = decode_base64(text, &size);
        cleanup_free char *again = bytes ? encode_base64(bytes, size) : NULL;
        if (bytes)
            assert_string_equal(again, text);
        read += bytes != NULL;
        cleanup_free void *url_bytes = decode_base64_url(text, &size);
        cleanup_free char *url_again = url_bytes ? encode_base64_url(url_bytes, size) : NULL;
        if (url_bytes)
            assert_string_equal(url_again, text);
    }
    assert_true(read > 4000);
}

static void hexadecimal_is_strict(void **state)
{
    static const char *const bad[] = { "", "0", "00f", "00FF", "00f ", " 0ff", "00fg", "00ff0", "00ff00", "0x0f" };
    uint8_t bytes[2] = { 1, 2 };
    char text[5];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(decode_hex(bad[i], bytes, sizeof bytes));
    assert_int_equal(bytes[0], 1); /* untouched on failure */
    assert_true(decode_hex("a0f9", bytes, sizeof bytes));
    assert_int_equal(bytes[0], 0xa0);
    assert_int_equal(bytes[1], 0xf9);
    encode_hex(bytes, sizeof bytes, text);
    assert_string_equal(text, "a0f9");
    assert_true(decode_hex("", bytes, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_ids_as_base58),
        cmocka_unit_test(refuses_what_is_not_an_id),
        cmocka_unit_test(ids_come_back_whatever_the_bytes),
        cmocka_unit_test(encodes_base64),
        cmocka_unit_test(refuses_base64_that_is_not_canonical),
        cmocka_unit_test(base64_has_one_text_for_one_value),
        cmocka_unit_test(hexadecimal_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
