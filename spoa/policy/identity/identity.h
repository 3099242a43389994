/* Who is asking: verifies the credential a request carries against the policy's
 * identity entries, in order; the first credential that is present decides
 * (design rule 6). Keys are loaded once per snapshot. */
#ifndef POLICY_IDENTITY_IDENTITY_H
#define POLICY_IDENTITY_IDENTITY_H

#include "base/codec/http.h"
#include "base/fetch/keyset.h"
#include "base/sha256.h"
#include "policy/policy.h"

struct nonce_window;
struct apikeys;

struct identity {
	const char
		*method; /* "jwt", "signed_headers", "client_certificate", "api_key", "none" */
	struct span person, agent, department, team, tier;
	const struct cel_value *roles; /* strings */
	size_t nroles;
	int64_t clearance;
	const char *const *scopes; /* API keys: names of routes, the key file's; none: all */
	size_t nscopes;
	const char *const *models; /* API keys: patterns of models; none: all */
	size_t nmodels;
	const struct limit *limits; /* API keys: the key's own */
	size_t nlimits;
	const struct cel_value *attributes; /* 2n values, key then value */
	size_t nattributes;
	const char *const *recorded; /* names of attributes that records keep; of the policy */
	size_t nrecorded;	     /* 0: see struct identity_entry */
	struct span issuer, key_id; /* for the record: iss and kid, or the API key's id */
	int64_t expires_s; /* wall seconds: it verifies no more from then on, 0: for ever */
	bool verified;		    /* false for none */
	bool bound; /* RFC 8705 3: only with the certificate of this thumbprint */
	unsigned char thumbprint[SHA256_BYTES];
};
/* Its patterns of models take it; for identities that have some. */
bool identity_has_model(const struct identity *id, struct span model);

/* A copy in another arena. */
int identity_copy(const struct identity *from, struct arena *a, struct identity *to);

/* What a request brings to be identified by. */
struct credentials {
	const struct http_head *head;
	bool handshake;		  /* it asks for a WebSocket, whose key may be elsewhere, too */
	struct span certificate;  /* DER, from HAProxy's own fetch; empty: none */
	bool certificate_refused; /* HAProxy let the connection in, not the certificate */
	struct nonce_window *nonces; /* NULL: replays are not seen (decide) */
	const struct apikeys *live;  /* keys made at run time; NULL: none */
	struct keyset *missed;	     /* out: see IDENTITY_MISSED */
	struct span verified; /* out: the token, key or signature that did; of the head */
};

struct identity_keys; /* immutable, shared: key sets and API keys of all entries */

/* Loads the files that the entries name; NULL with *d filled. With `no_file_no_key` a
 * file of API keys that does not exist holds none (decide, on a policy alone). `sets` NULL:
 * key sets at URLs are not asked for, and hold no key. */
struct identity_keys *identity_keys_load(
	const struct policy *p, bool no_file_no_key, struct keysets *sets, struct diag *d);
void identity_keys_free(struct identity_keys **k);
/* Who the API key of that id is, made at run time (`live` may be NULL) or of a file, live or
 * not; in the arena. 0, ERR_NOTFOUND or ERR_NOMEM. */
int identity_of_key(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, struct span id, struct arena *a, struct identity *out);
/* Who was verified before and is asking again, without his credential: *out is of the arena and
 * of `was`. 0; ERR_AUTH with *why: it would not verify now; ERR_NOMEM. An API key is looked up as
 * it is now, of a token or a certificate its time; the issuer's keys are not asked again. */
int identity_again(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, const struct identity *was, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why);
/* Whether a file of API keys has one of that id. */
bool identity_keys_have(const struct identity_keys *k, struct span id);

/* The credential in that header field: X of "Bearer X"; in fields other than authorization the
 * scheme may be left out. *foreign: authorization has another scheme or none, so that *out holds
 * a credential of ours only by its shape. *out is empty if there is none. 0, or ERR_AUTH: the
 * field is there twice. */
int identity_presented(
	const struct http_head *h, const char *header, struct span *out, bool *foreign);

/* Who shows no credential. */
void identity_nobody(const struct policy *p, struct identity *out);

/* Per worker: verified tokens by SHA-256 of the whole token and the key set's
 * identity; bounded, least recently used leaves. Failures are never cached. */
struct identity_cache;
struct identity_cache *identity_cache_new(size_t entries);
void identity_cache_free(struct identity_cache **c);

/* The issuer's set at a URL has no such key (MISSED: a 401 where it is still so after
 * keyset_wait(c->missed)), or there is no set that may be used (KEYLESS: a 503). */
enum { IDENTITY_MISSED = 1, IDENTITY_KEYLESS = 2 };

/* 0 with *out filled (its views are of the arena or the snapshot, never of the head); ERR_AUTH:
 * a credential is present and does not verify, *why a fixed English phrase without any of the
 * token; `hit` tells a cache hit. `cache` may be NULL. */
int identity_verify(const struct policy *p, const struct identity_keys *k,
	struct identity_cache *cache, struct credentials *c, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why, bool *hit);

#endif
