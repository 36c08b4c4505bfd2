#pragma once

/* Signed notes and their verifier keys as C2SP has them (c2sp.org/signed-note). What a checkpoint is: lib/checkpoint.h;
 * what a witness adds to one: lib/cosignature.h. */

#include "lib/key.h"
#include "lib/reason.h"

#define NOTE_NAME_MAX 127
/* A checkpoint with 16 signatures, which everybody has to take, has some 4 KiB; post-quantum ones have 5 kB each. */
#define NOTE_BYTES_MAX 65536
#define NOTE_SIGNATURES_MAX 100
#define NOTE_VKEY_BYTES (NOTE_NAME_MAX + 64) /* name+8 hex digits+base64 of 33 bytes, NUL included */
#define NOTE_SIGNATURE_MARK "\xe2\x80\x94 "  /* em dash and space, before each signature */

/* Signature types (c2sp.org/signed-note, "Signature types"): which key is made for what. */
enum note_algorithm {
    NOTE_ED25519 = 0x01,     /* a log's */
    NOTE_COSIGNATURE = 0x04, /* a witness's: with a time (c2sp.org/tlog-cosignature) */
};

/* A verifier key: `name+hash+base64(algorithm | public key)`. */
struct note_verifier {
    char name[NOTE_NAME_MAX + 1];
    enum note_algorithm algorithm;
    uint32_t hash; /* first 4 bytes, big endian, of SHA-256(name "\n" algorithm public key) */
    uint8_t public[KEY_PUBLIC_BYTES];
};

/* A log's key. 0, or REFUSED when it isn't a well-formed verifier key of NOTE_ED25519 or the hash doesn't fit. */
int note_verifier_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason);
/* Name: 1 to NOTE_NAME_MAX visible ASCII characters, no '+' (C2SP would allow all of Unicode but space). 0, or REFUSED.
 */
int note_verifier_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                       struct note_verifier *ret_verifier, struct reason *reason);
/* The same for a witness's key, NOTE_COSIGNATURE. */
int note_witness_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason);
int note_witness_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                      struct note_verifier *ret_verifier, struct reason *reason);
/* Of either. */
void note_verifier_format(const struct note_verifier *verifier, char ret_text[static NOTE_VKEY_BYTES]);

/* One signature of a note. */
struct note_signature {
    const char *body; /* the signed text, its newline included */
    size_t body_size;
    char name[NOTE_NAME_MAX + 1];
    uint32_t hash;
    const uint8_t *bytes; /* behind the hash; at least one */
    size_t size;
};

/* true when that signature claims to be of this key. */
bool note_signature_is_of(const struct note_signature *signature, const struct note_verifier *verifier);

/* The line that stands in a note for a signature of `size` bytes; the caller's, free(); NULL when memory is out. */
char *note_signature_line(const struct note_verifier *verifier, const void *signature, size_t size);

/* Walks over the signatures of a note, which a visitor looks at one by one: 0 goes on, what else it returns ends it and
 * is passed on. 0, what a visitor returned, or REFUSED when the text isn't a signed note. Reasons are about `place`. */
typedef int note_visit(void *context, const struct note_signature *signature, struct reason *reason);
int note_walk(const char *text, const char *place, note_visit *visit, void *context, struct reason *reason);

/* The signed text of a note and its size, without a look at the signatures; NULL when there is none. */
const char *note_body(const char *text, size_t *ret_size);
