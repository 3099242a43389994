/* Issuers' key sets at https URLs (RFC 7517; RFC 9110 8.8.3 ETag). A separate thread fetches and
 * refreshes them. Verifying reads the current set without a lock. A set that cannot be refreshed
 * stays in use for a limited time. */
#ifndef BASE_FETCH_KEYSET_H
#define BASE_FETCH_KEYSET_H

#include "base/fetch/jwks.h"
#include "base/mailbox.h"
#include "base/metrics.h"

struct keysets; /* all key sets of a process */
struct keyset;	/* the key set of one URL, shared by the snapshots that name it */

/* Starts the thread. `m` may be NULL. Returns NULL if memory is exhausted. */
struct keysets *keysets_new(struct metrics *m);
/* Ends the thread and wakes all waiters. Open sets can still verify. */
void keysets_stop(struct keysets *s);
/* Frees everything. Call it after keysets_stop(), when all sets are closed. */
void keysets_free(struct keysets **s);
/* Writes a line for each set, with its URL and its age or that it has no usable keys, for
 * /readyz. Returns false if a set has no usable keys. Any thread. */
bool keysets_ready(struct keysets *s, struct buf *out);

struct keyset_options {
	const char *url, *ca_file; /* ca_file NULL: the system's certificate authorities */
	/* longest time between fetches; Cache-Control: max-age may shorten it */
	uint64_t refresh_us;
	/* after this time without a valid response, the keys are no longer used */
	uint64_t stale_us;
};

/* Returns the open set with these options, or a new one, whose first fetch begins immediately. Do
 * not call it on the path of a request. Returns NULL if memory is exhausted. */
struct keyset *keyset_open(struct keysets *s, const struct keyset_options *o);
void keyset_close(struct keyset **k);

/* Returns a number that changes with the set: a verification under another number does not hold
 * any more. 0: there are no usable keys. Any thread. */
unsigned keyset_generation(struct keyset *k);

/* As jwks_verify(); returns ERR_CLOSED if there are no keys, or they are too old. Any thread. */
int keyset_verify(struct keyset *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature);

/* A waiter for a fetch. The thread of `to` calls `mail.run`. */
struct keyset_waiter {
	struct mail mail;
	struct mailbox *to;
	uint64_t since_us; /* monotonic, before the caller looked at the set; 0: unknown */
	struct keyset_waiter *next;
};
/* For a key that the set does not have: joins the fetch in progress, or starts one. Returns
 * false, without touching the waiter, if the last attempt is less than KEYSET_AGAIN_US ago, so
 * that a stream of unknown keys costs the issuer nothing. If an attempt ended after since_us,
 * the set may be new: the waiter is woken immediately. */
bool keyset_wait(struct keyset *k, struct keyset_waiter *w);

#define KEYSET_AGAIN_US 10000000u

#endif
