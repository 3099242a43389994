/* TLS of admin.tls by GnuTLS, which libmicrohttpd speaks it with. Certificate, key and the
 * clients' authorities are read again when their files change; files that are wrong leave in
 * force what was. On the thread of that door alone, but for start and stop. */
#ifndef OPERATOR_ADMIN_TLS_H
#define OPERATOR_ADMIN_TLS_H

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "policy/config/config.h"

struct tls;

/* NULL with a message in *why. One at a time. *end_s: when the certificate in force ends,
 * seconds since 1970, written again when its file changes; lives as long as the struct tls. */
struct tls *tls_new(const struct admin_tls *files, _Atomic int64_t *end_s, struct buf *why);
/* The files are as they should be, key and clients too; when the certificate ends, else 0 with
 * a message in *why. */
int64_t tls_look(const struct admin_tls *files, struct buf *why);
void tls_free(struct tls **t);
/* For MHD_start_daemon: MHD_OPTION_HTTPS_CERT_CALLBACK, _PRIORITIES and, where it is not NULL,
 * _MEM_TRUST, which lives as long as *t. */
int tls_on_handshake(gnutls_session_t s, const gnutls_datum_t *dn, int n,
	const gnutls_pk_algorithm_t *algos, int nalgos, gnutls_pcert_st **chain,
	unsigned *length, gnutls_privkey_t *key);
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
const char *tls_trust(const struct tls *t);

/* The name in a certificate that the client proved, and that an authority of admin.tls.clients
 * signed for clients: its CN, else the first DNS name or mail address. False: it has none. */
bool tls_client(struct MHD_Connection *c, char *name, size_t size);

#endif
