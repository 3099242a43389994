/* Key sets of issuers at https URLs (RFC 7517; RFC 9110 8.8.3 ETag): fetched by a thread
 * of their own and refreshed in the background; verifying reads the set in force without
 * a lock. A set that cannot be refreshed stays in use up to a bound. */
#ifndef BASE_FETCH_KEYSET_H
#define BASE_FETCH_KEYSET_H

#include "base/fetch/jwks.h"
#include "base/mailbox.h"
#include "base/metrics.h"

struct keysets; /* all of a process */
struct keyset;	/* one URL, shared by the snapshots that name it */

/* Starts the thread. `m` may be NULL. NULL: out of memory. */
struct keysets *keysets_new(struct metrics *m);
/* Ends the thread; whoever waits is woken. What is open can still verify. */
void keysets_stop(struct keysets *s);
/* After keysets_stop(), when all are closed. */
void keysets_free(struct keysets **s);
/* Lines "URL: N keys, fetched S s ago" or "URL: no keys" for /readyz; false where one has
 * none that may be used. Any thread. */
bool keysets_ready(struct keysets *s, struct buf *out);

struct keyset_options {
	const char *url, *ca_file; /* ca_file NULL: the system's */
	uint64_t refresh_us;	   /* at the latest; Cache-Control: max-age may say sooner */
	uint64_t stale_us;	   /* since the last answer; then its keys verify nothing */
};

/* The one that is open with these options, or a new one, whose first fetch begins at
 * once. Not on a request's path. NULL: out of memory. */
struct keyset *keyset_open(struct keysets *s, const struct keyset_options *o);
void keyset_close(struct keyset **k);

/* Changes with the set; what was verified under another says nothing about now. 0: there
 * are no keys that may be used. Any thread. */
unsigned keyset_generation(struct keyset *k);

/* As jwks_verify(); ERR_CLOSED: there are no keys, or they are too old. Any thread. */
int keyset_verify(struct keyset *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature);

/* Who waits for a fetch. `mail.run` is called by the thread of `to`. */
struct keyset_waiter {
	struct mail mail;
	struct mailbox *to;
	uint64_t since_us; /* monotonic, before the set was looked at; 0: not known */
	struct keyset_waiter *next;
};
/* For a key that the set does not have: joins the fetch under way, or has one begun. False,
 * and the waiter is not touched, where the last attempt is so recent that another would
 * say the same (KEYSET_AGAIN_US): a stream of unknown keys costs the issuer nothing. One
 * that ended after since_us may have said something new: the waiter is woken at once. */
bool keyset_wait(struct keyset *k, struct keyset_waiter *w);

#define KEYSET_AGAIN_US 10000000u

#endif
