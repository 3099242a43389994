/* AWS Signature Version 4 in the Authorization header (AWS Identity and Access Management
 * User Guide, "Signature Version 4 signing process").
 *
 * These are pure functions: they read no clock and no file. The path in the signature is
 * percent-encoded once more than the path that is sent, as AWS requires for all services
 * except S3. */
#ifndef GATE_AUTH_SIGV4_H
#define GATE_AUTH_SIGV4_H

#include "base/arena.h"
#include "base/codec/http.h"
#include "base/sha256.h"

#define SIGV4_DATE 17 /* 20261120T120000Z and a NUL */
#define SIGV4_HEX  (2 * SHA256_BYTES + 1)

struct sigv4_keys {
	struct span id, secret;
	struct span token; /* token of a temporary session; n 0: long-term keys */
};

struct sigv4_scope {
	const char *region, *service;
	int64_t at_s; /* wall clock, seconds since 1970 */
};

struct sigv4_request {
	struct span method, path, query; /* method, path and query as they are sent */
	/* the fields to sign, including host and x-amz-date */
	const struct http_field *fields;
	size_t nfields;
	unsigned char body[SHA256_BYTES]; /* SHA-256 of the bytes that are sent */
};

/* Writes the signature in hexadecimal to `out`, and the names of the signed fields to
 * *signed_names, in the arena. The arena then holds secrets and must be wiped. Returns 0;
 * ERR_NOMEM; ERR_LIMIT if there are more than SIGV4_FIELDS fields or CAP_HEADERS query
 * parameters. */
enum { SIGV4_FIELDS = 16 };
int sigv4_signature(struct arena *a, const struct sigv4_keys *keys,
	const struct sigv4_scope *scope, const struct sigv4_request *q, char out[SIGV4_HEX],
	struct span *signed_names);

/* The header fields of a signed request to a model. Of the caller's fields only content-type
 * is signed. The values are in the arena. */
struct sigv4_headers {
	struct span authorization, date, content_sha256;
	struct span token; /* n is 0 without a session token */
};
/* Signs a request that is sent to `host`. Returns 0, or ERR_AMBIGUOUS if the head has two
 * content types, ERR_NOMEM or ERR_LIMIT. */
int sigv4_headers(struct arena *a, const struct sigv4_keys *keys,
	const struct sigv4_scope *scope, const struct http_head *head, struct span host,
	const unsigned char body[SHA256_BYTES], struct sigv4_headers *out);

#endif
