/* Credentials that the daemon adds to requests to a provider, and to calls of external recognizers
 * (`credentials` of tollgate.yaml).
 *
 * A thread named tg-credentials reads them from files, or exchanges what the files hold for
 * OAuth tokens. The thread starts with the first credential. A request reads the current
 * value without a lock and never waits for a fetch. */
#ifndef GATE_AUTH_AUTH_H
#define GATE_AUTH_AUTH_H

#include "base/metrics.h"
#include "gate/auth/sigv4.h"
#include "policy/config/credentials.h"

struct auths; /* all credentials of the process */
struct auth;  /* one credential, shared by all snapshots that configure it identically */

/* Returns an object without credentials; no thread runs yet. `m` may be NULL. Returns NULL if
 * memory is exhausted. */
struct auths *auths_new(struct metrics *m);
/* Stops the thread. Open credentials keep their last value. */
void auths_stop(struct auths *s);
/* Call after auths_stop(), when all credentials are closed. Sets *s to NULL. */
void auths_free(struct auths **s);
/* Sets the function to call with the provider's name each time that a provider's credential
 * has a new value. The thread calls `on_new_value`. Call auths_tell() once at most. */
void auths_tell(struct auths *s, void (*on_new_value)(void *arg, const char *provider), void *arg);
/* Waits until each credential has a value or its first fetch has failed, but at most wait_us.
 * For the main thread at start, never for a worker. */
void auths_first(struct auths *s, uint64_t wait_us);

/* Returns the open credential with the same configuration, or a new one. A new credential's
 * file is read in this call. If the provider refused the credential permanently before, the
 * thread tries again. If `s` is NULL, the file is only checked: the function returns NULL and
 * *why is empty if the file is good. Otherwise NULL means failure, with the reason in *why.
 * Not for a request's path. */
struct auth *auth_open(struct auths *s, const struct provider_credential *c, struct buf *why);
void auth_close(struct auth **a);

/* Drops one reference and sets *a to NULL. The thread frees a credential that has no
 * references left. */

/* Returns true if the credential has a value that may be sent now. If `a` is NULL, the
 * provider needs no credential and the result is true. */
bool auth_usable(struct auth *a);

/* Returns true if the caller's header `name` must not be forwarded because the gateway sets
 * headers of this kind itself (x-amz-* with SigV4). */
bool auth_drops(const struct auth *a, struct span name);
/* Returns true if the signature covers the hash of the body. */
bool auth_signs_body(const struct auth *a);
/* Returns the Host that a signature covers, or NULL if the credential does not sign. */
const char *auth_host(const struct auth *a);

enum { AUTH_FIELDS = 4 };
struct auth_fields {
	struct http_field field[AUTH_FIELDS]; /* names begin with CREDENTIAL_SET */
	size_t n;
	unsigned generation; /* generation of the value, for auth_refused() */
};
/* Writes the header fields that authenticate a request with this head and body. Call it after
 * all other changes to the request, because a signature covers them. The texts are in the
 * arena, which holds secrets and must be wiped. Returns 0; ERR_CLOSED if the credential has
 * no usable value; ERR_NOMEM, ERR_LIMIT or ERR_AMBIGUOUS if the head cannot be signed. */
int auth_fields(struct auth *a, struct arena *arena, const struct http_head *head,
	const unsigned char body[SHA256_BYTES], struct auth_fields *out);

/* Call if the provider returned 401 or 403 to a request that was sent with `generation`;
 * `head` is the head of the response. A token that is still in force is dropped and fetched
 * again. If a signature was refused and the provider's Date is far from our clock, signatures
 * use the provider's clock from now on. Returns true if a repeated request may succeed. */
bool auth_refused(struct auth *a, unsigned generation, const struct http_head *head);

#endif
