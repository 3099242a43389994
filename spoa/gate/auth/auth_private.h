/* One credential as auth.c and auth_thread.c see it. */
#ifndef GATE_AUTH_AUTH_PRIVATE_H
#define GATE_AUTH_AUTH_PRIVATE_H

#include <ev.h>
#include <stdatomic.h>

#include "base/caps.h"
#include "base/span.h"
#include "base/tag.h"
#include "gate/auth/auth.h"

struct http_call;

/* ---- the value of a credential ---- */

enum { CELL_PARTS = 3, CELL_BYTES = CAP_CREDENTIAL_BYTES + 1024 };

/* Secret: its reader zeroes it. */
struct cell_value {
	uint16_t n[CELL_PARTS]; /* lengths of the texts, one after the other */
	char text[CELL_BYTES];
};

struct cell {
	_Atomic unsigned sequence; /* odd while it is being written */
	_Atomic uint64_t words[sizeof(struct cell_value) / sizeof(uint64_t) + 1];
};

/* One thread. The texts together are CELL_BYTES at most; false: they are more, and nothing
 * changes. */
bool cell_put(struct cell *c, const struct span parts[CELL_PARTS]);
void cell_wipe(struct cell *c);
/* Any thread. */
void cell_get(struct cell *c, struct cell_value *out);
struct span cell_part(const struct cell_value *v, size_t i);

/* ---- a credential ---- */

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
