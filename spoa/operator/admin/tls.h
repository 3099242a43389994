/* TLS of admin.tls with GnuTLS, which libmicrohttpd uses. Certificate, key and the clients'
 * authorities are read again when their files change; if the new files are invalid, the
 * previous ones stay in use. All calls are on the thread of that door, except at start and
 * stop. */
#ifndef OPERATOR_ADMIN_TLS_H
#define OPERATOR_ADMIN_TLS_H

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "policy/config/config.h"

struct tls;

/* Checks the files, including key and authorities. Returns the end of the certificate in Unix
 * seconds, or 0 with a message in *why. */
int64_t tls_look(const struct admin_tls *files, struct buf *why);
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Stores the name in the client's certificate if the client proved its key and an authority of
 * admin.tls.clients signed it for clients: the CN, otherwise the first DNS name or mail
 * address. Returns false if there is no such name. */
bool tls_client(struct MHD_Connection *c, char *name, size_t size);

#endif
