/* Client certificates for tests, signed by `signer`, which the test creates. Include after
 * cmocka.h. */
#ifndef TESTS_CERT_MAKE_H
#define TESTS_CERT_MAKE_H

#include <openssl/evp.h>

#include "base/span.h"

extern EVP_PKEY *signer;

struct made {
	unsigned char *der;
	int n;
};

/* `subject`: "CN=a,OU=b"; `san`: in the form of OpenSSL's configuration, or NULL. */
struct made make_cert(const char *subject, const char *san, int64_t from_s, int64_t to_s);

/* Returns the bytes of a certificate, which belong to `m`. */
struct span der_of(struct made m);

#endif
