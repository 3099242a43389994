/* Reads a client's X.509 certificate (RFC 5280), which HAProxy passes as DER after it verified
 * the certificate in the handshake. This code only reads; HAProxy's `verify` decides about
 * trust. */
#ifndef BASE_CODEC_CERT_H
#define BASE_CODEC_CERT_H

#include "base/arena.h"
#include "base/sha256.h"
#include "base/span.h"

/* clang-format off */
/* The fields that a rule can name. A field can have several values: names of subject and issuer
 * by attribute, names of subjectAltName by kind. `spiffe` is the one URI of that scheme. */
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
	unsigned char fingerprint[SHA256_BYTES]; /* of the DER bytes: x5t#S256 (RFC 8705 3.1) */
	int64_t not_before_s, not_after_s;	 /* wall seconds */
};

/* Returns true for "subject.CN", "issuer.O", "san.uri", "spiffe", … */
bool cert_field_known(struct span name);
/* Returns the names, separated by commas, for messages. */
const char *cert_field_names(void);

/* Returns 0; ERR_SYNTAX for bytes that are not a certificate, for a name that cannot be printed,
 * or for two URIs of the scheme spiffe; or ERR_NOMEM. */
int cert_read(struct span der, struct arena *a, struct cert *out);
/* Sets *end_s to the earliest end of the certificates in a PEM text. Keys and other blocks are
 * ignored. Returns false if the text has no certificate. */
bool cert_pem_end(struct span pem, int64_t *end_s);
/* Returns the only value of that field, or an empty span if the field is absent. *several is set
 * if there are more values; the first one is returned. */
struct span cert_one(const struct cert *c, const char *field, bool *several);

#endif
