/* Makes the certificates of the admin server and of its clients in the test's folder. */
#ifndef TESTS_ADMIN_CERTS_H
#define TESTS_ADMIN_CERTS_H

#include <openssl/x509v3.h>

#include "base/span.h"
#include "support/temp_dir.h"

/* Writes a certificate, a private key, or both into a file of the folder, with mode 0600. */
void write_pem(const char *name, X509 *x, EVP_PKEY *key);

/* Makes an authority, the server's key pair, the clients alice and mallory, and a certificate
 * that the authority did not sign. */
void make_certificates(void);

#endif
