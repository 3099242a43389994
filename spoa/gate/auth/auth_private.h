/* The parts of a credential that auth.c and its tests share. */
#ifndef GATE_AUTH_AUTH_PRIVATE_H
#define GATE_AUTH_AUTH_PRIVATE_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/caps.h"
#include "base/span.h"
#include "base/tag.h"
#include "gate/auth/auth.h"

struct http_call;

/* ---- the value of a credential ----
 *
 * One thread replaces a cell's value and all threads read it without a lock (a sequence lock
 * over words). The new value overwrites the old one, so that the old secret is gone from
 * memory. */

enum { CELL_PARTS = 3, CELL_BYTES = CAP_CREDENTIAL_BYTES + 1024 };

/* A secret: the reader erases its copy. */
struct cell_value {
	/* lengths of the parts, which stand one after the other in `text` */
	uint16_t n[CELL_PARTS];
	char text[CELL_BYTES];
};

struct cell {
	_Atomic unsigned sequence; /* odd while the writer is at work */
	_Atomic uint64_t words[sizeof(struct cell_value) / sizeof(uint64_t) + 1];
};

/* Replaces the value. Only one thread may write. Returns false and changes nothing if the
 * parts together are longer than CELL_BYTES. */
bool cell_put(struct cell *c, const struct span parts[CELL_PARTS]);
void cell_wipe(struct cell *c);
/* Copies the value. Any thread; a reader repeats its copy if a write interferes. */
void cell_get(struct cell *c, struct cell_value *out);
/* Returns part `i` as a view of *v. */
struct span cell_part(const struct cell_value *v, size_t i);

/* ---- a credential ---- */

struct auth {
	struct tag tag;
	struct auths *all;
	struct auth *next;
	struct arena a; /* owns the copy of the configuration, *c */
	const struct provider_credential *c;
	unsigned refs;	 /* guarded by all->lock; the thread frees the credential at 0 */
	int64_t read_ns; /* wall clock when the file was first read */

	/* BY_SIGV4: id, secret, session token; other kinds: the header's value */
	struct cell cell;
	/* monotonic: the value may be used before this time; 0: no value */
	_Atomic uint64_t until_us;
	_Atomic unsigned generation; /* incremented with each new value */
	_Atomic int64_t
		/* the provider's wall clock minus our monotonic clock; 0: our wall clock is
		 * used */
		clock_ns;
	/* monotonic, when a refused token was last dropped; 0: never */
	_Atomic uint64_t dropped_us;
	_Atomic bool tried;	     /* the first fetch has ended, with or without success */
	_Atomic bool asked;	     /* set by auth_fetch_soon(), reset by the thread */

	/* owner: the thread tg-credentials */
	unsigned char hash[SHA256_BYTES]; /* hash of the file from which the value was made */
	struct http_call *call;		  /* the fetch in flight, or NULL */
	ev_timer timer;
	/* monotonic, when the last fetch began; the wait before the next retry */
	uint64_t asked_us, backoff_us;
	/* monotonic, since when fetches fail; 0: the last one succeeded */
	uint64_t failing_us;
	bool started;	   /* the thread has seen this credential */
	bool final;	   /* the provider refused it permanently: no more fetches */
	bool expired_said; /* credential.missing is logged */
	bool clock_tried;  /* a retry with the endpoint's clock has been made */
	/* callers' tokens: failures in a row; monotonic: no question is sent before this */
	unsigned caller_failures;
	uint64_t caller_closed_until_us;
	/* why the file cannot be used, cut to fit; empty if the file is good */
	char unusable[512];
};

/* Returns true if the value is a token that has to be fetched. */
static inline bool
auth_fetches(const struct auth *a)
{
	return a->c->kind == BY_VERTEX || a->c->kind == BY_ENTRA;
}

/* owner: main for opening and closing; the thread for the state of each credential. */
struct auths {
	struct tag tag;
	pthread_mutex_t lock; /* guards the list and the references */
	struct auth *first;
	struct http_thread *http; /* starts with the first credential */
	bool running;
	struct watch *watch;
	struct metrics *metrics, own;
	void *on_new_value_arg; /* set before `on_new_value` */
	void (*_Atomic on_new_value)(void *arg, const char *provider);
	struct caller_tokens *callers; /* owner: the thread */
	_Atomic bool forgets;	       /* caller_tokens_forget() */
};

/* Keeps the credential, besides its openers, or gives it up; the latter on the thread. */
void auth_hold(struct auth *a);
void auth_let_go(struct auth *a);

/* caller_token.c, on the thread: drops the tokens if someone asked for that; ends. */
void caller_tokens_woken(struct auths *s);
void caller_tokens_free(struct caller_tokens **t);

/* Returns wall-clock seconds, by the provider's clock if its difference from ours is known.
 */
int64_t auth_now_s(struct auth *a);

#endif
