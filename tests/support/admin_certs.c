/* Makes the certificates of the admin server and of its clients with OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "support/admin_certs.h"

static X509 *
certificate(const char *name, EVP_PKEY *key, X509 *by, EVP_PKEY *by_key, const char *usage)
{
	X509 *x = X509_new();
	static long serial = 1;

	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(by ? by : x));
	X509_EXTENSION *e = usage ? X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage)
				  : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
					    "critical,CA:TRUE");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(x, by_key, EVP_sha256());
	return x;
}

void
write_pem(const char *name, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	if (x)
		PEM_write_X509(f, x);
	if (key)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	assert_int_equal(chmod(path(name), 0600), 0);
}

void
make_certificates(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *ca = certificate("ca", key, NULL, key, NULL);
	static const struct {
		const char *file, *name, *usage;
		bool self;
	} rows[] = { { "server", "localhost", "serverAuth", false },
		{ "alice", "alice", "clientAuth", false },
		{ "mallory", "mallory", "clientAuth", false },
		{ "forged", "alice", "clientAuth", true },
		{ "misused", "alice", "serverAuth", false } };
	char file[64];

	write_pem("ca.pem", ca, NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		X509 *x = certificate(rows[i].name, other, rows[i].self ? NULL : ca,
			rows[i].self ? other : key, rows[i].usage);
		snprintf(file, sizeof(file), "%s.crt", rows[i].file);
		write_pem(file, x, NULL);
		X509_free(x);
	}
	write_pem("other.key", NULL, other);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}
