/* The vectors of tests/fixtures/ed25519.py: see ed25519_vectors.h. */

#include "tests/unit/ed25519_vectors.h"

#include "lib/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTORS "tests/fixtures/ed25519.vectors"
#define MESSAGE_BYTES_MAX 64

struct vector {
    int accept;
    uint8_t public[KEY_PUBLIC_BYTES], message[MESSAGE_BYTES_MAX], signature[KEY_SIGNATURE_BYTES];
    size_t size;
    const char *why;
};

/* verdict public message signature why; splits the line. */
static void read_vector(char *line, struct vector *ret_vector)
{
    const char *verdict = strtok(line, " "), *public = strtok(NULL, " "), *message = strtok(NULL, " "),
               *signature = strtok(NULL, " ");

    ret_vector->why = strtok(NULL, "\n");
    assert_non_null(ret_vector->why);
    ret_vector->accept = strcmp(verdict, "accept") == 0;
    assert_true(ret_vector->accept || strcmp(verdict, "refuse") == 0);
    ret_vector->size = strcmp(message, "-") == 0 ? 0 : strlen(message) / 2;
    assert_in_range(ret_vector->size, 0, MESSAGE_BYTES_MAX);
    assert_true(decode_hex(ret_vector->size ? message : "", ret_vector->message, ret_vector->size));
    assert_true(decode_hex(public, ret_vector->public, sizeof ret_vector->public));
    assert_true(decode_hex(signature, ret_vector->signature, sizeof ret_vector->signature));
}

void ed25519_vectors_check(const char *name)
{
    FILE *stream = fopen(VECTORS, "r");
    char line[1024];
    size_t accepted = 0, refused = 0;
    struct vector vector;

    if (!stream)
        fail_msg("%s can't be read: run this from the top of the tree", VECTORS);
    while (fgets(line, sizeof line, stream)) {
        if (*line == '#')
            continue;
        read_vector(line, &vector);
        if (key_verify(vector.public, vector.message, vector.size, vector.signature) != vector.accept)
            fail_msg("must %s: %s (%s)", vector.accept ? "accept" : "refuse", vector.why, name);
        *(vector.accept ? &accepted : &refused) += 1;
    }
    fclose(stream);
    assert_true(accepted >= 10 && refused >= 60);
}
