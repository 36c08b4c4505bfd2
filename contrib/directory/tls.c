/* GnuTLS asks for the certificate at each handshake and keeps no copy, nor does it say when it is done with it. So what
 * was replaced stays until the end: a few KiB for each renewal. */

#include "contrib/directory/tls.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 10
#define KEY_ID_BYTES 64 /* more than any hash that GnuTLS makes one with */

struct identity {
    struct identity *previous;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
};

struct tls {
    const char *certificate, *key;
    struct identity *identity;
};

static struct tls *serving; /* GnuTLS hands no context to who it asks */

static void free_identity(struct identity *identity)
{
    if (!identity)
        return;
    for (unsigned i = 0; i < identity->count; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    gnutls_privkey_deinit(identity->key);
    free(identity);
}

static int refuse(struct reason *reason, const char *option, const char *file, int error)
{
    return reason_refuse(reason, option, "%s: %s", file, gnutls_strerror(error));
}

static int read_chain(struct identity *identity, const char *file, struct reason *reason)
{
    gnutls_datum_t text;
    unsigned count = CHAIN_MAX;
    int error = gnutls_load_file(file, &text);

    if (error < 0)
        return refuse(reason, "tls-cert", file, error);
    error = gnutls_pcert_list_import_x509_raw(identity->chain, &count, &text, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(text.data);
    if (error < 0)
        return refuse(reason, "tls-cert", file, error);
    identity->count = count;
    return count ? 0 : reason_refuse(reason, "tls-cert", "%s: holds no certificate", file);
}

static int read_key(struct identity *identity, const char *file, struct reason *reason)
{
    gnutls_datum_t text;
    int error = gnutls_load_file(file, &text);

    if (error < 0)
        return refuse(reason, "tls-key", file, error);
    error = gnutls_privkey_import_x509_raw(identity->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return error < 0 ? refuse(reason, "tls-key", file, error) : 0;
}

static int id_of(gnutls_pubkey_t key, uint8_t id[static KEY_ID_BYTES])
{
    size_t size = KEY_ID_BYTES;

    return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &size);
}

static int check_pair(const struct identity *identity, const char *file, struct reason *reason)
{
    uint8_t certificate[KEY_ID_BYTES] = { 0 }, key[KEY_ID_BYTES] = { 0 };
    gnutls_pubkey_t public;
    int error = gnutls_pubkey_init(&public);

    if (error < 0)
        return -ENOMEM;
    error = gnutls_pubkey_import_privkey(public, identity->key, 0, 0);
    if (error >= 0)
        error = id_of(public, key);
    if (error >= 0)
        error = id_of(identity->chain[0].pubkey, certificate);
    gnutls_pubkey_deinit(public);
    if (error < 0)
        return refuse(reason, "tls-key", file, error);
    if (memcmp(certificate, key, sizeof key) == 0)
        return 0;
    return reason_refuse(reason, "tls-key", "%s: isn't the key of the first certificate in --tls-cert", file);
}

int tls_reload(struct tls *tls, struct reason *reason)
{
    struct identity *identity = calloc(1, sizeof *identity);

    if (!identity || gnutls_privkey_init(&identity->key) < 0) {
        free(identity);
        return -ENOMEM;
    }
    int error = read_chain(identity, tls->certificate, reason);
    if (!error)
        error = read_key(identity, tls->key, reason);
    if (!error)
        error = check_pair(identity, tls->key, reason);
    if (error) {
        free_identity(identity);
        return error;
    }
    identity->previous = tls->identity;
    tls->identity = identity;
    return 0;
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count, gnutls_pcert_st **ret_chain,
                 unsigned *ret_count, gnutls_privkey_t *ret_key)
{
    struct identity *identity = serving->identity;

    *ret_chain = identity->chain;
    *ret_count = identity->count;
    *ret_key = identity->key;
    return 0;
}

int tls_open(const char *certificate, const char *key, struct tls **ret_tls, struct reason *reason)
{
    struct tls *tls = calloc(1, sizeof *tls);
    int error = -ENOMEM;

    if (tls) {
        *tls = (struct tls){ .certificate = certificate, .key = key };
        error = tls_reload(tls, reason);
    }
    if (error) {
        free(tls);
        return error;
    }
    *ret_tls = serving = tls;
    return 0;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    for (struct identity *identity = tls->identity, *previous; identity; identity = previous) {
        previous = identity->previous;
        free_identity(identity);
    }
    serving = NULL;
    free(tls);
}
