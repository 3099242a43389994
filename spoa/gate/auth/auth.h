/* Credentials that the daemon adds to requests of a provider: read from files, or fetched with
 * them, by a thread of their own that begins with the first one. A request reads the one in
 * force without a lock and never waits for a fetch. */
#ifndef GATE_AUTH_AUTH_H
#define GATE_AUTH_AUTH_H

#include "base/metrics.h"
#include "gate/auth/sigv4.h"
#include "policy/config/credentials.h"

struct auths; /* all of a process */
struct auth;  /* one, shared by the snapshots that say the same */

/* No thread yet. `m` may be NULL. NULL: out of memory. */
struct auths *auths_new(struct metrics *m);
/* Ends the thread; what is open keeps its last value. */
void auths_stop(struct auths *s);
/* After auths_stop(), when all are closed. */
void auths_free(struct auths **s);
/* Called with the provider's name where its file has another value or its token is a new one: by
 * the thread, and to be set once. */
void auths_tell(struct auths *s, void (*told)(void *arg, const char *provider), void *arg);
/* Until each has a value or has failed to get one, for so long at most. Main, never a worker.
 */
void auths_first(struct auths *s, uint64_t wait_us);

/* The one that is open and says the same, or a new one, whose file is read here. One that was
 * refused for good is tried anew. `s` NULL: the file is checked, and NULL is returned without a
 * word. NULL with *why. Not on a request's path. */
struct auth *auth_open(struct auths *s, const struct provider_credential *c, struct buf *why);
void auth_close(struct auth **a);

/* ---- any thread ---- */

/* Whether it has a value now. NULL: there is nothing to have. */
bool auth_usable(struct auth *a);

/* What of a caller's head must not go along: it is ours to say. */
bool auth_drops(const struct auth *a, struct span name);
/* Whether the hash of the body is part of it. */
bool auth_signs_body(const struct auth *a);

enum { AUTH_FIELDS = 4 };
struct auth_fields {
	struct http_field field[AUTH_FIELDS]; /* with CREDENTIAL_SET before the names */
	size_t n;
	unsigned generation; /* for auth_refused() */
};
/* The fields that go with this head and body, last of all that is made of a request; in the
 * arena, which is wiped. 0; ERR_CLOSED: it has none that may be used; ERR_NOMEM, ERR_LIMIT,
 * ERR_AMBIGUOUS: the head cannot be signed. */
int auth_fields(struct auth *a, struct arena *arena, const struct http_head *head,
	const unsigned char body[SHA256_BYTES], struct auth_fields *out);

/* The provider said 401 or 403 to what was sent with `generation`. A token that is still the
 * one in force is dropped and fetched anew; our clock is put right where a signature was
 * refused and its Date is far from ours. True: what is sent now may be taken. */
bool auth_refused(struct auth *a, unsigned generation, const struct http_head *head);

#endif
