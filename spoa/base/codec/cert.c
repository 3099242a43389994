/* Reads certificates with OpenSSL's X509 functions. All values are copied to the caller's arena
 * as pairs of field and text, at most CERT_VALUES_MAX. */
#include "base/codec/cert.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <limits.h>
#include <sodium.h>
#include <time.h>

#include "base/attr.h"
#include "base/utf8.h"
#include "base/err.h"

enum { CERT_VALUES_MAX = 128, CERT_BYTES_MAX = 64 << 10 };

static const char *const attributes[] = {
#define X(name) name,
	CERT_ATTRIBUTE_TABLE(X)
#undef X
};
static const char *const subject_fields[] = {
#define X(name) "subject." name,
	CERT_ATTRIBUTE_TABLE(X)
#undef X
};
static const char *const issuer_fields[] = {
#define X(name) "issuer." name,
	CERT_ATTRIBUTE_TABLE(X)
#undef X
};
static const char *const other_fields[] = {
#define X(name) name,
	CERT_OTHER_TABLE(X)
#undef X
};
enum { NATTRIBUTES = COUNT_OF(attributes) };
enum { NOTHER = COUNT_OF(other_fields) };

bool
cert_field_known(struct span name)
{
	for (size_t i = 0; i < NATTRIBUTES; i++)
		if (span_is(name, subject_fields[i]) || span_is(name, issuer_fields[i]))
			return true;
	return SPAN_IN(name, other_fields);
}

const char *
cert_field_names(void)
{
#define X(name) name ", "
	return "subject. or issuer. with " CERT_ATTRIBUTE_TABLE(X) "or " CERT_OTHER_TABLE(
		X) "nothing else";
#undef X
}

/* The certificate that is being read. owner: cert_read(), for the duration of a call. */
struct reader {
	struct arena *a;
	struct cert *out;
	int err;
};

static void
add_cert_field(struct reader *r, const char *field, struct span text)
{
	/* A NUL or a line break in a name could make another program read another name. */
	if (!utf8_line(text) || r->out->n == CERT_VALUES_MAX) {
		r->err = ERR_SYNTAX;
		return;
	}
	r->out->v[r->out->n++] = (struct cert_value){ field, arena_dup(r->a, text) };
}

static void
add_names(struct reader *r, const X509_NAME *name, const char *const *fields)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
		const char *sn = OBJ_nid2sn(OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)));
		unsigned char *utf8 = NULL;
		for (size_t k = 0; k < NATTRIBUTES; k++) {
			if (strcmp(sn, attributes[k]))
				continue;
			int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e));
			add_cert_field(r, fields[k], span_of(utf8, n > 0 ? (size_t)n : 0));
			OPENSSL_free(utf8);
			break;
		}
	}
}

static void
add_alternatives(struct reader *r, const X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	unsigned spiffe = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const char *field = g->type == GEN_DNS	   ? "san.dns"
				    : g->type == GEN_EMAIL ? "san.email"
				    : g->type == GEN_URI   ? "san.uri"
							   : NULL;
		if (!field)
			continue;
		const ASN1_IA5STRING *s = g->d.ia5; /* all three have this type */
		struct span text =
			span_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
		add_cert_field(r, field, text);
		if (g->type == GEN_URI && span_starts(text, SPAN_LIT("spiffe://")) &&
			spiffe++ == 0)
			add_cert_field(r, "spiffe", text);
	}
	/* An X509-SVID has exactly one URI (X509-SVID 2). */
	if (spiffe > 1)
		r->err = ERR_SYNTAX;
	GENERAL_NAMES_free(names);
}

static int64_t
asn1_seconds(struct reader *r, const ASN1_TIME *t)
{
	struct tm tm;

	if (t && ASN1_TIME_to_tm(t, &tm) == 1)
		return (int64_t)timegm(&tm);
	r->err = ERR_SYNTAX;
	return 0;
}

int
cert_read(struct span der, struct arena *a, struct cert *out)
{
	const unsigned char *p = (const unsigned char *)der.p;
	struct reader r = { .a = a, .out = out };

	*out = (struct cert){ .v = arena_array(a, CERT_VALUES_MAX, sizeof(*out->v)) };
	if (!out->v)
		return ERR_NOMEM;
	X509 *x = der.n <= CERT_BYTES_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
	if (!x || p != (const unsigned char *)der.p + der.n) {
		X509_free(x);
		return ERR_SYNTAX;
	}
	char hex[2 * SHA256_BYTES + 1];
	sha256(der, out->fingerprint);
	sodium_bin2hex(hex, sizeof(hex), out->fingerprint, SHA256_BYTES);
	add_cert_field(&r, "fingerprint", span_str(hex));
	add_names(&r, X509_get_subject_name(x), subject_fields);
	add_names(&r, X509_get_issuer_name(x), issuer_fields);
	add_alternatives(&r, x);
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *digits = serial ? BN_bn2hex(serial) : NULL;
	add_cert_field(&r, "serial", span_str(digits));
	OPENSSL_free(digits);
	BN_free(serial);
	out->not_before_s = asn1_seconds(&r, X509_get0_notBefore(x));
	out->not_after_s = asn1_seconds(&r, X509_get0_notAfter(x));
	X509_free(x);
	return arena_failed(a) ? ERR_NOMEM : r.err;
}

/* Makes OpenSSL skip an encrypted block instead of asking for a password. */
static int
no_key_password(char *to UNUSED, int size UNUSED, int writes UNUSED, void *arg UNUSED)
{
	return -1;
}

bool
cert_pem_end(struct span pem, int64_t *end_s)
{
	BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	struct cert out = { .n = 0 };
	struct reader r = { .out = &out };
	bool some = false;
	X509 *x;

	while (bio && (x = PEM_read_bio_X509(bio, NULL, no_key_password, NULL)) != NULL) {
		r.err = 0;
		int64_t end = asn1_seconds(&r, X509_get0_notAfter(x));
		if (!r.err && (!some || end < *end_s))
			*end_s = end;
		some |= !r.err;
		X509_free(x);
	}
	ERR_clear_error();
	BIO_free(bio);
	return some;
}

struct span
cert_one(const struct cert *c, const char *field, bool *several)
{
	struct span found = { NULL, 0 };

	*several = false;
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].field, field)) {
			*several = found.p != NULL;
			found = found.p ? found : c->v[i].text;
		}
	return found;
}
