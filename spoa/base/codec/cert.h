/* A client's X.509 certificate (RFC 5280) as HAProxy passes it: the DER bytes of what it
 * verified in the handshake. Reading only; trust is HAProxy's `verify`. */
#ifndef BASE_CODEC_CERT_H
#define BASE_CODEC_CERT_H

#include "base/arena.h"
#include "base/sha256.h"
#include "base/span.h"

/* clang-format off */
/* Fields that hold one value or several: names of subject and issuer by attribute, names
 * of subjectAltName by kind; `spiffe` is the one URI of that scheme. */
#define CERT_ATTRIBUTE_TABLE(X) \
  X("CN") X("O") X("OU") X("C") X("L") X("ST") X("UID") X("emailAddress") X("serialNumber")
#define CERT_OTHER_TABLE(X) \
  X("san.dns") X("san.email") X("san.uri") X("spiffe") X("serial") X("fingerprint")
/* clang-format on */

struct cert_value {
	const char *field; /* "subject.CN", "san.dns", … */
	struct span text;  /* UTF-8 without control characters, in the arena */
};

struct cert {
	struct cert_value *v;
	size_t n;
	unsigned char fingerprint[SHA256_BYTES]; /* of the DER: RFC 8705 3.1 x5t#S256 */
	int64_t not_before_s, not_after_s;	 /* wall seconds */
};

/* True for "subject.CN", "issuer.O", "san.uri", "spiffe", … */
bool cert_field_known(struct span name);
/* The names, comma separated, for messages. */
const char *cert_field_names(void);

/* 0; ERR_SYNTAX: no certificate, or one with names that no one could print or with two
 * URIs of scheme spiffe; ERR_NOMEM. */
int cert_read(struct span der, struct arena *a, struct cert *out);
/* When the first of the certificates in a PEM text ends, keys and other blocks aside; false: it
 * has none. */
bool cert_pem_end(struct span pem, int64_t *end_s);
/* The only value of that field; empty where absent; *several where there are more. */
struct span cert_one(const struct cert *c, const char *field, bool *several);

#endif
