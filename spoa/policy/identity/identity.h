/* Identity of the caller: verifies the credential of a request against the policy's identity
 * entries, in order. The first credential that is present decides. Keys are loaded once for
 * each snapshot. */
#ifndef POLICY_IDENTITY_IDENTITY_H
#define POLICY_IDENTITY_IDENTITY_H

#include "base/codec/http.h"
#include "base/fetch/keyset.h"
#include "base/sha256.h"

struct apikeys;
struct cel_value;
struct diag;
struct limit;
struct nonce_window;
struct policy;

/* A caller. Strings are views of the request's arena or of the snapshot; empty if unknown. */
struct identity {
	const char
		*method; /* "jwt", "signed_headers", "client_certificate", "api_key", "none" */
	struct span person, agent, department, team, tier;
	const struct cel_value *roles; /* strings */
	size_t nroles;
	int64_t clearance;
	const char *const *scopes; /* API keys: names of routes; none: all */
	size_t nscopes;
	const char *const *models; /* API keys: patterns of models; none: all */
	size_t nmodels;
	const struct limit *limits; /* API keys: the key's own limits */
	size_t nlimits;
	const struct cel_value *attributes; /* 2 * nattributes values: key, value, key, … */
	size_t nattributes;
	/* names of attributes that records keep, from the policy */
	const char *const *recorded;
	size_t nrecorded;	    /* 0: see struct identity_entry */
	struct span issuer, key_id; /* recorded: iss and kid, or the API key's id */
	/* API keys: the id that stays the same when the key is rotated; else empty */
	struct span first_key_id;
	/* wall seconds from which the credential no longer verifies; 0: never */
	int64_t expires_s;
	bool verified; /* false if the method is "none" */
	bool bound;    /* RFC 8705 3: valid only with the certificate of this thumbprint */
	unsigned char thumbprint[SHA256_BYTES];
};
/* Returns true if one of the identity's patterns matches the model. For identities that have
 * patterns. */
bool identity_has_model(const struct identity *id, struct span model);

/* Copies an identity into another arena. Returns 0 or ERR_NOMEM. */
int identity_copy(const struct identity *from, struct arena *a, struct identity *to);

/* The parts of a request that may contain a credential. Members marked `out` are set by
 * identity_verify(). */
struct credentials {
	const struct http_head *head;
	/* asks for a WebSocket, whose key may be in other places too */
	bool handshake;
	struct span certificate;  /* DER, as HAProxy fetched it; empty: none */
	bool certificate_refused; /* HAProxy accepted the connection but not the certificate */
	struct nonce_window *nonces; /* NULL: replays are not detected (decide) */
	const struct apikeys *live;  /* keys made at run time; NULL: none */
	struct keyset *missed;	     /* out: see IDENTITY_MISSED */
	/* out: the verified token, key or signature, a view of the head */
	struct span verified;
	/* out: the id of the API key that exists but is refused, because it is revoked, has
	 * expired or has no owner; empty otherwise. In the arena. */
	struct span refused_key;
};

struct identity_keys; /* key sets and API keys of all entries; immutable, shared */

/* Loads the files that the entries name. Returns NULL with errors in *d. With `no_file_no_key`,
 * a file of API keys that does not exist contains no keys (decide, with a policy alone). `sets`
 * NULL: key sets at URLs are not fetched and contain no keys. */
struct identity_keys *identity_keys_load(
	const struct policy *p, bool no_file_no_key, struct keysets *sets, struct diag *d);
void identity_keys_free(struct identity_keys **k);
/* Fills *out with the identity of the API key with this id, made at run time (`live` may be
 * NULL) or from a file, valid or not. Lives in the arena. Returns 0, ERR_NOTFOUND or
 * ERR_NOMEM. */
int identity_of_key(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, struct span id, struct arena *a, struct identity *out);
/* Checks again an identity that was verified before, without its credential, as for a session.
 * An API key is looked up as it is now; for a token or certificate, only the time is checked.
 * *out has views of the arena and of `was`. Returns 0, ERR_AUTH with *why if it would no longer
 * verify, or ERR_NOMEM. */
int identity_again(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, const struct identity *was, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why);
/* Returns true if a file of API keys has a key with this id. */
bool identity_keys_have(const struct identity_keys *k, struct span id);

/* Returns the credential in a header field: X of "Bearer X". In fields other than
 * authorization, the scheme is optional. *foreign: authorization has another scheme or none, so
 * only the shape can show that *out is a credential of ours. *out is empty if there is none.
 * Returns 0, or ERR_AUTH if the field occurs twice. */
int identity_presented(
	const struct http_head *h, const char *header, struct span *out, bool *foreign);

/* Fills *out for callers without a credential. */
void identity_nobody(const struct policy *p, struct identity *out);

/* For one worker: verified tokens, by SHA-256 of the whole token. Bounded; the least recently
 * used entry is evicted. Failures are never cached. */
struct identity_cache;
struct identity_cache *identity_cache_new(size_t entries);
void identity_cache_free(struct identity_cache **c);

/* MISSED: the issuer's key set at a URL has no such key; answer 401 if this is still so after
 * keyset_wait(c->missed). KEYLESS: no usable key set; answer 503. */
enum { IDENTITY_MISSED = 1, IDENTITY_KEYLESS = 2 };

/* Verifies the credential. Returns 0 with *out filled; its views are of the arena or the
 * snapshot, never of the head. Returns ERR_AUTH if a credential is present and does not verify:
 * *why is then a fixed phrase that contains no part of the credential. Other results are
 * IDENTITY_MISSED, IDENTITY_KEYLESS and ERR_NOMEM. *hit is true if the cache had the identity.
 * `cache` may be NULL. */
int identity_verify(const struct policy *p, const struct identity_keys *k,
	struct identity_cache *cache, struct credentials *c, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why, bool *hit);

#endif
