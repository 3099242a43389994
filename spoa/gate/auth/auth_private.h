/* One credential as auth.c and auth_thread.c see it. */
#ifndef GATE_AUTH_AUTH_PRIVATE_H
#define GATE_AUTH_AUTH_PRIVATE_H

#include <ev.h>

#include "base/tag.h"
#include "gate/auth/auth.h"
#include "gate/auth/cell.h"

struct http_call;

struct auth {
	struct tag tag;
	struct auths *all;
	struct auth *next;
	struct arena a; /* of what it is */
	const struct provider_credential *c;
	unsigned refs;	 /* under all->lock */
	int64_t read_ns; /* wall, when its file was first read */

	struct cell cell;	   /* sigv4: id, secret, token; else the value of its header */
	_Atomic uint64_t until_us; /* monotonic: usable before it */
	_Atomic unsigned generation; /* of the value */
	_Atomic int64_t
		clock_ns; /* the provider's wall clock less our monotonic one; 0: ours */
	_Atomic uint64_t dropped_us; /* when a provider refused one */
	_Atomic bool tried;	     /* a first attempt has ended */
	_Atomic bool asked;	     /* by auth_fetch_soon() */

	/* owner: the thread */
	unsigned char hash[SHA256_BYTES]; /* of the file that the value came from */
	struct http_call *call;
	ev_timer timer;
	uint64_t asked_us, backoff_us;
	uint64_t failing_us; /* since when fetching fails; 0: it does not */
	bool started, final, expired_said, clock_tried;
	char unusable[512]; /* why the file cannot be used, or how that begins; "": it can */
};

/* Whether its value is a token. */
static inline bool
auth_fetches(const struct auth *a)
{
	return a->c->kind == BY_VERTEX || a->c->kind == BY_ENTRA;
}

/* Wall seconds, as its provider has them. */
int64_t auth_now_s(struct auth *a);
/* A Date that is far from ours is taken; `by`: whose it is, for the log. */
bool auth_clock(struct auth *a, struct span date, const char *by);
/* auth_thread.c: as soon as the thread comes to it. Any thread. */
void auth_fetch_soon(struct auth *a);

#endif
