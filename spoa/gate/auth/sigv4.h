/* AWS Signature Version 4, in the Authorization header (AWS Identity and Access Management
 * User Guide, "Signature Version 4 signing process"). Pure: no clock, no file, no key of its
 * own. The path is encoded once more than it is sent, as for all services but S3. */
#ifndef GATE_AUTH_SIGV4_H
#define GATE_AUTH_SIGV4_H

#include "base/arena.h"
#include "base/codec/http.h"
#include "base/sha256.h"

#define SIGV4_DATE 17 /* 20261120T120000Z and a NUL */
#define SIGV4_HEX  (2 * SHA256_BYTES + 1)

struct sigv4_keys {
	struct span id, secret;
	struct span token; /* of a session; n 0: long-term keys */
};

struct sigv4_scope {
	const char *region, *service;
	int64_t at_s; /* wall seconds */
};

struct sigv4_request {
	struct span method, path, query; /* as they are sent */
	const struct http_field *fields; /* what is signed, host and x-amz-date too */
	size_t nfields;
	unsigned char body[SHA256_BYTES]; /* hash of the bytes that are sent */
};

/* The signature in hexadecimal, and the names of the fields that it covers, in the arena, which
 * holds secrets after it: wiped with it. 0; ERR_NOMEM; ERR_LIMIT (over SIGV4_FIELDS fields or
 * CAP_HEADERS parameters). */
enum { SIGV4_FIELDS = 16 };
int sigv4_signature(struct arena *a, const struct sigv4_keys *keys,
	const struct sigv4_scope *scope, const struct sigv4_request *q, char out[SIGV4_HEX],
	struct span *signed_names);

/* What a request to a model carries: nothing of the caller's but host and content type is
 * signed. Views of the arena. */
struct sigv4_headers {
	struct span authorization, date, content_sha256;
	struct span token; /* n 0: none */
};
int sigv4_headers(struct arena *a, const struct sigv4_keys *keys,
	const struct sigv4_scope *scope, const struct http_head *head, struct span host,
	const unsigned char body[SHA256_BYTES], struct sigv4_headers *out);

#endif
