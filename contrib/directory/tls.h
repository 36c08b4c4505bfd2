#pragma once

/* The server's certificate and key, for TLS by libmicrohttpd's GnuTLS. They can be read again while it runs. */

#include "lib/reason.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

struct tls;

/* `certificate` is a PEM file, the server's own first, then those up to the authority; `key` its private key, PEM,
 * without a password. Both names are kept. 0, REFUSED, or -ENOMEM. One a process. */
int tls_open(const char *certificate, const char *key, struct tls **ret_tls, struct reason *reason);
/* Reads both files again: handshakes that begin from now on have what they hold. Not 0: REFUSED, or -ENOMEM, and all
 * stays as it was. */
int tls_reload(struct tls *tls, struct reason *reason);
/* No session may be left. NULL is passed over. */
void tls_close(struct tls *tls);

/* A gnutls_certificate_retrieve_function2: hands out what was read last. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count, gnutls_pcert_st **ret_chain,
                 unsigned *ret_count, gnutls_privkey_t *ret_key);
