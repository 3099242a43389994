/* Makes client certificates with OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "support/cert_make.h"

EVP_PKEY *signer;

struct made
make_cert(const char *subject, const char *san, int64_t from_s, int64_t to_s)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x), *ca = X509_NAME_new();
	struct span rest = span_str(subject);
	struct made m = { NULL, 0 };

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	ASN1_TIME_set(X509_getm_notBefore(x), from_s);
	ASN1_TIME_set(X509_getm_notAfter(x), to_s);
	while (rest.n) {
		struct span one = span_next(&rest, ',');
		struct span key = span_next(&one, '=');
		char field[32];
		snprintf(field, sizeof(field), "%.*s", SPAN_ARG(key));
		assert_int_equal(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
					 (const unsigned char *)one.p, (int)one.n, -1, 0),
			1);
	}
	X509_NAME_add_entry_by_txt(
		ca, "CN", MBSTRING_UTF8, (const unsigned char *)"Acme CA", -1, -1, 0);
	X509_set_issuer_name(x, ca);
	X509_NAME_free(ca);
	X509_set_pubkey(x, signer);
	if (san) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
		assert_non_null(e);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	m.n = i2d_X509(x, &m.der);
	X509_free(x);
	return m;
}

struct span
der_of(struct made m)
{
	return span_of(m.der, (size_t)m.n);
}
