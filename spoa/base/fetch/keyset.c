/* Fetches key sets and publishes them to the threads that verify.
 *
 * One thread fetches each set when it is old, or when a waiter needs a key that the set does
 * not have. A new set is published with one atomic store, so verifying takes no lock. The
 * replaced set stays in memory until SLOTS further ones were published. */
#include "base/fetch/keyset.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/timer.h"

/* A replaced set is freed after this many further replacements: verifying takes a millisecond,
 * and a set is replaced at most every KEYSET_AGAIN_US. */
enum { SLOTS = 8, ETAG_MAX = 256, ANSWER_MAX = 4 << 20 };
enum { FETCH_US = 5000000, RETRY_US = 5000000, FRESH_MIN_US = 30000000 };

struct keyset {
	struct tag tag;
	struct keysets *all;
	struct keyset *next;
	struct keyset_options o;
	unsigned refs; /* guarded by all->lock */

	_Atomic(struct jwks *) now;
	_Atomic unsigned generation;  /* of `now`, from 1 */
	_Atomic uint64_t answered_us; /* monotonic, of the last valid response */
	_Atomic uint64_t tried_us;    /* when the last attempt ended */
	_Atomic bool busy;	      /* an attempt is in progress */
	_Atomic(struct keyset_waiter *) waiters;

	/* Members of the thread. */
	struct jwks *slots[SLOTS];
	unsigned turn;
	char etag[ETAG_MAX];
	struct http_call *call;
	ev_timer timer;
	uint64_t backoff_us;
	bool started, failing;
};

struct keysets {
	struct tag tag;
	pthread_mutex_t lock; /* the list and its references */
	struct keyset *first;
	struct http_thread *http;
	struct metrics *metrics, own;
};

/* ---- publishing ---- */

static void
publish_keyset(struct keyset *k, struct jwks *set)
{
	struct jwks **slot = &k->slots[k->turn++ % SLOTS];

	jwks_free(slot);
	*slot = set;
	atomic_store_explicit(&k->now, set, memory_order_release);
	atomic_fetch_add(&k->generation, 1);
}

static void
wake_waiters(struct keyset *k)
{
	struct keyset_waiter *w = atomic_exchange(&k->waiters, NULL);

	while (w) {
		struct keyset_waiter *next = w->next; /* after sending, it belongs to its owner */
		mailbox_send(w->to, &w->mail);
		w = next;
	}
}

/* ---- fetching ---- */

/* Returns how long the set is fresh. Cache-Control: max-age=N (RFC 9111 5.2.2.1) may shorten the
 * time, but not below FRESH_MIN_US. */
static uint64_t
fresh_for(const struct keyset *k, struct span control)
{
	uint64_t us = k->o.refresh_us;

	while (control.n) {
		struct span one = span_trim(span_next(&control, ','), " \t");
		if (!span_starts(one, SPAN_LIT("max-age=")))
			continue;
		uint64_t s = strtoull(one.p + strlen("max-age="), NULL, 10);
		if (s < us / 1000000)
			us = s * 1000000;
	}
	uint64_t least = k->o.refresh_us < FRESH_MIN_US ? k->o.refresh_us : FRESH_MIN_US;
	return us > least ? us : least;
}

static void
keyset_refused(struct keyset *k, const char *why, struct span detail)
{
	metric_inc(k->all->metrics, M_KEYS_FAILED);
	if (!k->failing)
		log_event(LOG_WARN, "keys.fetch_failed", LS("url", k->o.url), LS("why", why),
			LSP("detail", detail));
	k->failing = true;
	k->backoff_us = wait_doubled(k->backoff_us, RETRY_US, k->o.refresh_us);
	timer_after(k->all->http->loop, &k->timer, k->backoff_us);
}

static void
keyset_accepted(struct keyset *k, const struct http_answer *a)
{
	if (k->failing)
		log_event(LOG_INFO, "keys.fetched_again", LS("url", k->o.url));
	k->failing = false;
	k->backoff_us = 0;
	metric_inc(k->all->metrics, M_KEYS_FETCHED);
	atomic_store(&k->answered_us, clock_mono_us());
	timer_after(k->all->http->loop, &k->timer,
		fresh_for(k, http_answer_field(a, "cache-control")));
}

static void
take_set(struct keyset *k, const struct http_answer *a)
{
	SCOPED_BUF(why, 1024);
	struct jwks *set = jwks_load(a->body, &why);
	if (set) {
		struct span etag = http_answer_field(a, "etag");
		publish_keyset(k, set);
		snprintf(k->etag, sizeof(k->etag), "%.*s",
			(int)(etag.n < sizeof(k->etag) ? etag.n : 0), etag.p ? etag.p : "");
		log_event(LOG_INFO, "keys.replaced", LS("url", k->o.url),
			LI("keys", jwks_count(set)));
		keyset_accepted(k, a);
	} else {
		keyset_refused(k, "not a usable key set", buf_view(&why));
	}
}

static void
attempt_ended(struct keyset *k)
{
	atomic_store(&k->tried_us, clock_mono_us());
	atomic_store(&k->busy, false);
	wake_waiters(k);
}

static void
on_keyset_answer(void *arg, const struct http_answer *a)
{
	struct keyset *k = TAGGED(keyset, arg);

	INVARIANT(k->call && atomic_load(&k->busy));
	k->call = NULL;
	if (a->err)
		keyset_refused(k, a->why, span_str(err_str(a->err)));
	else if (a->status == 304 && atomic_load(&k->now))
		keyset_accepted(k, a);
	else if (a->status == 200)
		take_set(k, a);
	else
		keyset_refused(k, "the response has a status other than 200",
			(struct span){ NULL, 0 });
	attempt_ended(k);
}

static void
fetch_keyset(struct keyset *k)
{
	char match[ETAG_MAX + 32];
	const char *fields[2] = { "Accept: application/jwk-set+json, application/json" };
	struct http_call_options o = { .url = k->o.url,
		.ca_file = k->o.ca_file,
		.fields = fields,
		.nfields = 1,
		.deadline_us = FETCH_US,
		.answer_bytes = ANSWER_MAX };

	INVARIANT(!k->call || atomic_load(&k->busy));
	if (k->call)
		return;
	if (k->etag[0]) {
		snprintf(match, sizeof(match), "If-None-Match: %s", k->etag);
		fields[o.nfields++] = match;
	}
	atomic_store(&k->busy, true);
	k->call = http_call(k->all->http->client, &o, on_keyset_answer, k);
	if (k->call)
		return;
	keyset_refused(k, "out of memory", (struct span){ NULL, 0 });
	attempt_ended(k);
}

static void
on_keyset_timer(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	fetch_keyset(TAGGED(keyset, w->data));
}

static bool
too_soon(struct keyset *k)
{
	uint64_t tried = atomic_load(&k->tried_us);

	return tried && clock_mono_us() - tried < KEYSET_AGAIN_US;
}

/* ---- the thread ---- */

static void
keyset_destroy(struct keyset *k)
{
	ev_timer_stop(k->all->http->loop, &k->timer);
	http_call_cancel(&k->call);
	wake_waiters(k);
	for (unsigned i = 0; i < SLOTS; i++)
		jwks_free(&k->slots[i]);
	free((char *)(uintptr_t)k->o.url);
	free((char *)(uintptr_t)k->o.ca_file);
	TAG_CLEAR(keyset, k);
	free(k);
}

/* Frees sets without references, fetches new ones, and serves waiters. */
static bool
keysets_woken(void *arg, bool stopping UNUSED)
{
	struct keysets *s = TAGGED(keysets, arg);

	SCOPED_LOCK(&s->lock);
	for (struct keyset **at = &s->first; *at;) {
		struct keyset *k = *at;
		if (k->refs == 0) {
			*at = k->next;
			keyset_destroy(k);
			continue;
		}
		if (!k->started || (atomic_load(&k->waiters) && !k->call && !too_soon(k))) {
			k->started = true;
			fetch_keyset(k);
		} else if (!k->call) {
			wake_waiters(k);
		}
		at = &k->next;
	}
	return true;
}

struct keysets *
keysets_new(struct metrics *m)
{
	struct keysets *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	TAG(keysets, s);
	pthread_mutex_init(&s->lock, NULL);
	s->metrics = m ? m : &s->own;
	s->http = http_thread_new(keysets_woken, s);
	if (!s->http || http_thread_start(s->http, "tg-keys"))
		keysets_free(&s);
	return s;
}

void
keysets_stop(struct keysets *s)
{
	if (!s)
		return;
	http_thread_stop(s->http);
	SCOPED_LOCK(&s->lock);
	for (struct keyset *k = s->first; k; k = k->next) {
		http_call_cancel(&k->call);
		atomic_store(&k->busy, false);
		wake_waiters(k);
	}
}

void
keysets_free(struct keysets **sp)
{
	struct keysets *s = *sp;

	if (!s)
		return;
	keysets_stop(s);
	for (struct keyset *k = s->first, *next; k; k = next) {
		next = k->next;
		keyset_destroy(k);
	}
	http_thread_free(&s->http);
	pthread_mutex_destroy(&s->lock);
	TAG_CLEAR(keysets, s);
	free(s);
	*sp = NULL;
}

/* ---- opening ---- */

static struct keyset *
make_keyset(struct keysets *s, const struct keyset_options *o)
{
	struct keyset *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	TAG(keyset, k);
	k->all = s;
	k->o = *o;
	ev_timer_init(&k->timer, on_keyset_timer, 0., 0.);
	k->timer.data = k;
	k->o.url = strdup(o->url);
	k->o.ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
	if (!k->o.url || (o->ca_file && !k->o.ca_file)) {
		keyset_destroy(k);
		return NULL;
	}
	k->next = s->first;
	s->first = k;
	return k;
}

struct keyset *
keyset_open(struct keysets *s, const struct keyset_options *o)
{
	pthread_mutex_lock(&s->lock);
	struct keyset *k = s->first;
	while (k && (!str_same(k->o.url, o->url) || !str_same(k->o.ca_file, o->ca_file) ||
			    k->o.refresh_us != o->refresh_us || k->o.stale_us != o->stale_us))
		k = k->next;
	if (!k)
		k = make_keyset(s, o);
	if (k)
		k->refs++;
	pthread_mutex_unlock(&s->lock);
	if (k)
		http_thread_wake(s->http);
	return k;
}

void
keyset_close(struct keyset **kp)
{
	struct keyset *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	struct keysets *s = k->all;
	pthread_mutex_lock(&s->lock);
	INVARIANT(k->refs > 0);
	k->refs--;
	pthread_mutex_unlock(&s->lock);
	http_thread_wake(s->http);
}

/* ---- any thread ---- */

static bool
keyset_usable(struct keyset *k)
{
	return atomic_load_explicit(&k->now, memory_order_acquire) &&
	       clock_mono_us() - atomic_load(&k->answered_us) <= k->o.stale_us;
}

unsigned
keyset_generation(struct keyset *k)
{
	return keyset_usable(k) ? atomic_load(&k->generation) : 0;
}

int
keyset_verify(struct keyset *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature)
{
	struct jwks *set = atomic_load_explicit(&k->now, memory_order_acquire);

	return keyset_usable(k) ? jwks_verify(set, kid, alg, text, signature) : ERR_CLOSED;
}

bool
keyset_wait(struct keyset *k, struct keyset_waiter *w)
{
	bool idle = !atomic_load(&k->busy);
	bool news = w->since_us && atomic_load(&k->tried_us) >= w->since_us;

	if (atomic_load(&k->all->http->stopping) || (idle && !news && too_soon(k)))
		return false;
	w->next = atomic_load(&k->waiters);
	while (!atomic_compare_exchange_weak(&k->waiters, &w->next, w))
		;
	/* If the thread has ended meanwhile, nothing else would wake the waiters. */
	if (atomic_load(&k->all->http->stopping))
		wake_waiters(k);
	else
		http_thread_wake(k->all->http);
	return true;
}

bool
keysets_ready(struct keysets *s, struct buf *out)
{
	bool all = true;

	SCOPED_LOCK(&s->lock);
	for (struct keyset *k = s->first; k; k = k->next) {
		bool ok = keyset_usable(k);
		if (k->refs == 0)
			continue;
		all = all && ok;
		buf_printf(out, "keys: %s: ", k->o.url);
		if (ok)
			buf_printf(out, "answered %llu s ago\n",
				(unsigned long long)((clock_mono_us() -
							     atomic_load(&k->answered_us)) /
						     1000000));
		else
			buf_str(out, "no usable keys: its tokens are refused\n");
	}
	return all;
}
