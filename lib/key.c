/* Keys on libsodium. The whole struct lies in sodium_malloc'ed memory: locked, between guard pages, wiped when freed.
 */

#include "lib/key.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

#define KEY_FILE_BYTES (2 * KEY_SEED_BYTES + 1) /* the digits and the newline */

struct key {
    uint8_t seed[KEY_SEED_BYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t public[KEY_PUBLIC_BYTES];
    char id[ID_TEXT_BYTES];
};

static struct key *key_allocate(void)
{
    return sodium_init() < 0 ? NULL : sodium_malloc(sizeof(struct key));
}

/* Fills in all that follows from the seed. */
static void key_complete(struct key *key)
{
    crypto_sign_seed_keypair(key->public, key->secret, key->seed);
    encode_id(key->public, key->id);
}

int key_generate(struct key **ret_key)
{
    struct key *key = key_allocate();

    if (!key)
        return -ENOMEM;
    randombytes_buf(key->seed, sizeof key->seed);
    key_complete(key);
    *ret_key = key;
    return 0;
}

int key_from_seed(const uint8_t seed[static KEY_SEED_BYTES], struct key **ret_key)
{
    struct key *key = key_allocate();

    if (!key)
        return -ENOMEM;
    memcpy(key->seed, seed, sizeof key->seed);
    key_complete(key);
    *ret_key = key;
    return 0;
}

void key_free(struct key *key)
{
    sodium_free(key);
}

/* Content of a key file → key; wipes the content. 0, -EINVAL, -ENOMEM. */
static int key_from_text(char *text, size_t size, struct key **ret_key)
{
    struct key *key = key_allocate();
    bool good = false;

    if (key && size == KEY_FILE_BYTES && text[size - 1] == '\n') {
        text[size - 1] = '\0';
        good = decode_hex(text, key->seed, sizeof key->seed);
    }
    sodium_memzero(text, size);
    if (!good) {
        key_free(key);
        return key ? -EINVAL : -ENOMEM;
    }
    key_complete(key);
    *ret_key = key;
    return 0;
}

static int key_read(const char *path, struct key **ret_key)
{
    cleanup_free char *text = NULL;
    size_t size;
    int r = file_read(path, KEY_FILE_BYTES, &text, &size);

    if (r == -ENOENT)
        return r;
    if (r == -EFBIG)
        r = -EINVAL;
    if (r == 0)
        r = key_from_text(text, size, ret_key);
    if (r == -EINVAL)
        return log_fail(r, "key file %s doesn't hold 64 hexadecimal digits and a newline", path);
    return r < 0 ? log_fail(r, "read %s", path) : 0;
}

int key_load(const char *path, int create, struct key **ret_key)
{
    struct key *key;
    int r = key_read(path, ret_key);

    if (r != -ENOENT || !create)
        return r;
    r = key_generate(&key);
    if (r < 0)
        return log_fail(r, "make a key");
    r = key_save(key, path);
    if (r == 0)
        *ret_key = key;
    else
        key_free(key);
    return r == -EEXIST ? key_read(path, ret_key) : r; /* another process was faster: its key is the key */
}

static int sync_folder(const char *folder)
{
    cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return log_fail(-errno, "sync %s", folder);
    return 0;
}

/* Writes the seed to `path`, which nobody reads yet. */
static int key_write(const struct key *key, const char *path)
{
    char *text = sodium_malloc(KEY_FILE_BYTES + 1);
    int r;

    if (!text)
        return log_fail(-ENOMEM, "write %s", path);
    encode_hex(key->seed, sizeof key->seed, text);
    text[KEY_FILE_BYTES - 1] = '\n';
    r = file_write(path, text, KEY_FILE_BYTES, 0600);
    sodium_free(text);
    return r;
}

/* link(2), not rename(2), gives the file its name: it fails when the name is taken, so that no key is ever replaced. */
int key_save(const struct key *key, const char *path)
{
    char temporary[PATH_MAX], folder_copy[PATH_MAX];
    const char *folder;
    int r;

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new-%08x", path, randombytes_random()) >= sizeof temporary)
        return log_fail(-ENAMETOOLONG, "write %s", path);
    if (access(path, F_OK) == 0)
        return -EEXIST;
    snprintf(folder_copy, sizeof folder_copy, "%s", path);
    folder = dirname(folder_copy);
    r = file_make_folders(folder, 0700);
    if (r == 0)
        r = key_write(key, temporary);
    if (r < 0)
        return r;
    if (link(temporary, path) < 0)
        r = errno == EEXIST ? -EEXIST : log_fail(-errno, "link %s", path);
    unlink(temporary);
    return r == 0 ? sync_folder(folder) : r;
}

const uint8_t *key_public(const struct key *key)
{
    return key->public;
}

const char *key_id(const struct key *key)
{
    return key->id;
}

void key_sign(const struct key *key, const void *message, size_t size,
              uint8_t ret_signature[static KEY_SIGNATURE_BYTES])
{
    crypto_sign_detached(ret_signature, NULL, message, size, key->secret);
}

void key_derive_x25519(const struct key *key, const char name[static 8], uint8_t ret_public[static 32],
                       uint8_t ret_secret[static 32])
{
    crypto_kdf_derive_from_key(ret_secret, 32, 1, name, key->seed);
    crypto_scalarmult_base(ret_public, ret_secret);
}

void key_as_x25519(const struct key *key, uint8_t ret_public[static 32], uint8_t ret_secret[static 32])
{
    crypto_sign_ed25519_sk_to_curve25519(ret_secret, key->secret);
    crypto_scalarmult_base(ret_public, ret_secret);
}

int key_public_as_x25519(const uint8_t public[static KEY_PUBLIC_BYTES], uint8_t ret_public[static 32])
{
    return crypto_sign_ed25519_pk_to_curve25519(ret_public, public) == 0 ? 0 : 1;
}
