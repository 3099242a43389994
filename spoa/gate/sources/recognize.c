/* Peers: what one worker knows of one recognizer. A call that fails counts towards
 * the breaker; once open, asks are refused at once until its time is over, then one
 * call probes. Nothing of a text is logged. */
#include "gate/sources/recognize.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/log.h"
#include "base/scoped.h"

enum { IDLE_CONNECTIONS = 16, SAY_AGAIN_US = 10000000 };

const char *const ask_outcome_names[ASK_OUTCOMES] = { "answered", "timeout", "error", "garbage",
	"breaker_open", "busy", "too_large", "missing", "out_of_memory" };

struct peer {
	struct peer *next;
	struct recognizers *r;
	char name[65];
	unsigned char print[SHA256_BYTES]; /* of its policy and name */
	size_t calls;
	struct ask *first, **last; /* waiting for a call's end */
	size_t waiting;
	uint64_t failures; /* in a row */
	bool open, probing;
	uint64_t retry_us, said_us;
	struct answers *answers; /* NULL: none are kept */
	struct recognizer_stats *stats;
};

struct recognizers {
	struct ev_loop *loop;
	struct http_client *http; /* made when first needed */
	struct peer *peers;
	size_t kept_bytes; /* of all answers */
	struct recognizer_stats stats[RECOGNIZER_STATS];
	struct recognizer_stats others; /* where no slot is left */
};

/* ---- peers ---- */

static void
count_recognizer(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static void
fingerprint(const struct policy *p, const struct external *x, unsigned char out[SHA256_BYTES])
{
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, span_str(p->version));
	sha256_add(&h, span_str(x->rec.name));
	sha256_end(&h, out);
}

static struct recognizer_stats *
stats_of(struct recognizers *r, const char *name)
{
	for (size_t i = 0; i < RECOGNIZER_STATS; i++) {
		struct recognizer_stats *s = &r->stats[i];
		if (!atomic_load_explicit(&s->used, memory_order_relaxed)) {
			memcpy(s->name, name, strlen(name) + 1); /* at most 64 */
			atomic_store_explicit(&s->used, true, memory_order_release);
		}
		if (!strcmp(s->name, name))
			return s;
	}
	return &r->others;
}

struct peer *
recognize_peer(struct recognizers *r, const struct policy *p, const struct external *x)
{
	unsigned char print[SHA256_BYTES];

	fingerprint(p, x, print);
	for (struct peer *e = r->peers; e; e = e->next)
		if (!memcmp(e->print, print, sizeof(print)))
			return e;
	struct peer *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	memcpy(e->print, print, sizeof(print));
	INVARIANT(strlen(x->rec.name) < sizeof(e->name));
	memcpy(e->name, x->rec.name, strlen(x->rec.name));
	e->r = r;
	e->last = &e->first;
	e->stats = stats_of(r, e->name);
	if (x->cache_entries)
		e->answers = answers_new(x->cache_entries, x->cache_ttl_us, &r->kept_bytes);
	e->next = r->peers;
	r->peers = e;
	return e;
}

static void
peer_free(struct peer **pp)
{
	struct peer *e = *pp;

	*pp = e->next;
	answers_free(&e->answers);
	free(e);
}

void
recognizers_keep(struct recognizers *r, const struct policy *p)
{
	for (struct peer **pp = &r->peers; *pp;) {
		struct peer *e = *pp;
		unsigned char print[SHA256_BYTES];
		bool keep = e->calls || e->waiting;
		for (size_t i = 0; i < p->nexternals && !keep; i++) {
			fingerprint(p, &p->externals[i], print);
			keep = !memcmp(e->print, print, sizeof(print));
		}
		if (keep) {
			pp = &e->next;
			continue;
		}
		atomic_store_explicit(&e->stats->open, false, memory_order_relaxed);
		peer_free(pp);
	}
}

struct recognizers *
recognizers_new(struct ev_loop *loop)
{
	struct recognizers *r = calloc(1, sizeof(*r));

	if (r)
		r->loop = loop;
	return r;
}

void
recognizers_abort(struct recognizers *r)
{
	if (r->http)
		http_client_abort(r->http);
}

void
recognizers_free(struct recognizers **rp)
{
	struct recognizers *r = *rp;

	if (!r)
		return;
	http_client_free(&r->http);
	while (r->peers)
		peer_free(&r->peers);
	free(r);
	*rp = NULL;
}

/* ---- the breaker ---- */

static void
say_recognizer(struct peer *e, const char *event, const char *why, int64_t status)
{
	uint64_t now = clock_mono_us();

	if (e->said_us && now - e->said_us < SAY_AGAIN_US)
		return;
	e->said_us = now;
	log_event(LOG_WARN, event, LS("name", e->name), LS("why", why), LI("status", status));
}

static void
recognizer_failed(struct ask *a, const char *why, int status)
{
	struct peer *e = a->peer;
	uint64_t now = clock_mono_us();

	e->failures++;
	if (e->failures < a->x->breaker_failures && !e->open) {
		say_recognizer(e, "recogniser.failed", why, status);
		return;
	}
	if (!e->open) {
		count_recognizer(&e->stats->opened, 1);
		e->said_us = 0;
		say_recognizer(e, "recogniser.open", why, status);
	}
	e->open = true;
	e->retry_us = now + a->x->breaker_open_us;
	atomic_store_explicit(&e->stats->open, true, memory_order_relaxed);
}

static void
recognizer_succeeded(struct peer *e)
{
	e->failures = 0;
	if (!e->open)
		return;
	e->open = false;
	e->said_us = 0;
	atomic_store_explicit(&e->stats->open, false, memory_order_relaxed);
	log_event(LOG_INFO, "recogniser.closed", LS("name", e->name));
}

/* ---- answers ---- */

enum ask_outcome
recognize_read(struct ask *a, struct span answer, const char **why)
{
	switch (recognizer_read(&a->x->rec, answer, a->texts, a->n, a->arena, a->found, why)) {
	case 0: return ASK_ANSWERED;
	case ERR_NOMEM: return ASK_NOMEM;
	default: return ASK_GARBAGE;
	}
}

/* What became of a call; texts are looked at only while somebody waits. */
static void
judge_recognizer(struct ask *a, const struct http_answer *h)
{
	const char *why = h->why ? h->why : "";

	if (h->err) {
		a->outcome = h->err == ERR_TIMEOUT			   ? ASK_TIMEOUT
			     : h->err == ERR_NOMEM			   ? ASK_NOMEM
			     : h->err == ERR_LIMIT || h->err == ERR_SYNTAX ? ASK_GARBAGE
									   : ASK_ERROR;
	} else if (h->status != 200) {
		a->outcome = ASK_ERROR;
		why = "another status than 200";
	} else if (a->over(a)) {
		a->outcome = ASK_ANSWERED;
	} else {
		a->outcome = recognize_read(a, h->body, &why);
	}
	count_recognizer(&a->peer->stats->outcomes[a->outcome], 1);
	if (a->outcome == ASK_ANSWERED)
		recognizer_succeeded(a->peer);
	else
		recognizer_failed(a, why, h->status);
	if (a->outcome != ASK_ANSWERED || a->over(a) || !a->peer->answers)
		return;
	uint64_t now = clock_mono_us();
	for (size_t i = 0; i < a->n; i++)
		answers_put(a->peer->answers, a->keys[i], now, &a->found[i]);
}

/* ---- calls ---- */

static void pump(struct peer *e);

static void
on_recognizer_answer(void *arg, const struct http_answer *h)
{
	struct ask *a = TAGGED(ask, arg);
	struct peer *e = a->peer;

	INVARIANT(e->calls > 0 && (!e->probing || e->open));
	e->calls--;
	e->probing = false;
	count_recognizer(&e->stats->latency_us, clock_mono_us() - a->sent_us);
	judge_recognizer(a, h);
	pump(e);
	TAG_CLEAR(ask, a);
	a->done(a);
}

static bool
send_now(struct ask *a, uint64_t now)
{
	struct peer *e = a->peer;
	struct recognizers *r = e->r;
	struct http_call_options o = { .url = a->x->url,
		.fields = a->x->fields,
		.nfields = a->x->nfields,
		.ca_file = a->x->ca_file,
		.deadline_us = a->deadline_us - now,
		.answer_bytes = CAP_RECOGNIZER_ANSWER };

	if (!r->http)
		r->http = http_client_new(r->loop, IDLE_CONNECTIONS);
	SCOPED_BUF(body, 0);
	recognizer_ask(&a->x->rec, a->texts, a->n, &body);
	o.body = buf_view(&body);
	a->sent_us = now;
	bool ok = r->http && !buf_failed(&body) &&
		  http_call(r->http, &o, on_recognizer_answer, a);
	if (!ok)
		return false;
	e->calls++;
	e->probing = e->open;
	return true;
}

/* False: it is not under way. */
static bool
end_ask(struct ask *a, enum ask_outcome outcome)
{
	a->outcome = outcome;
	count_recognizer(&a->peer->stats->outcomes[outcome], 1);
	return false;
}

/* Whether the circuit lets this one through. */
static bool
admitted(const struct peer *e, uint64_t now)
{
	return !e->open || (!e->probing && now >= e->retry_us);
}

/* Sends what waits as far as calls are free. Asks that end here are told. */
static void
pump(struct peer *e)
{
	uint64_t now = clock_mono_us();

	while (e->first && (e->calls < e->first->x->concurrency || e->open)) {
		struct ask *a = e->first;
		e->first = a->next;
		if (!e->first)
			e->last = &e->first;
		INVARIANT(e->waiting > 0);
		e->waiting--;
		if (a->over(a) || now >= a->deadline_us)
			end_ask(a, ASK_BUSY);
		else if (!admitted(e, now))
			end_ask(a, ASK_BREAKER);
		else if (send_now(a, now))
			continue;
		else
			end_ask(a, ASK_NOMEM);
		TAG_CLEAR(ask, a);
		a->done(a);
	}
}

bool
recognize_ask(struct recognizers *r, struct ask *a)
{
	uint64_t now = clock_mono_us();
	struct peer *e = a->peer = recognize_peer(r, a->policy, a->x);

	TAG(ask, a);
	a->next = NULL;
	if (!e) {
		a->outcome = ASK_NOMEM;
		return false;
	}
	if (!admitted(e, now))
		return end_ask(a, ASK_BREAKER);
	if (now >= a->deadline_us || e->waiting == CAP_RECOGNIZER_QUEUE)
		return end_ask(a, ASK_BUSY);
	if (e->calls >= a->x->concurrency) {
		INVARIANT(!*e->last && e->waiting < CAP_RECOGNIZER_QUEUE);
		*e->last = a;
		e->last = &a->next;
		e->waiting++;
		return true;
	}
	return send_now(a, now) || end_ask(a, ASK_NOMEM);
}

bool
recognizers_tick(struct recognizers *r, uint64_t now_us)
{
	bool waits = false;

	for (struct peer *e = r->peers; e; e = e->next)
		for (struct ask **at = &e->first; *at;) {
			struct ask *a = *at;
			if (now_us < a->deadline_us && !a->over(a)) {
				waits = true;
				at = &a->next;
				continue;
			}
			*at = a->next;
			if (!*at)
				e->last = at;
			INVARIANT(e->waiting > 0);
			e->waiting--;
			end_ask(a, ASK_BUSY);
			a->done(a);
			at = &e->first; /* done() may have asked again */
		}
	return waits;
}

/* ---- what is known ---- */

void
recognize_key(const struct peer *e, struct span text, unsigned char key[SHA256_BYTES])
{
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, span_of(e->print, sizeof(e->print)));
	sha256_add(&h, text);
	sha256_end(&h, key);
}

bool
recognize_known(struct peer *e, const unsigned char key[SHA256_BYTES], struct arena *a,
	struct findings *out)
{
	*out = (struct findings){ 0 };
	bool hit = e->answers && answers_get(e->answers, key, clock_mono_us(), a, out);
	count_recognizer(hit ? &e->stats->hits : &e->stats->misses, 1);
	return hit;
}

const struct recognizer_stats *
recognizers_stats(const struct recognizers *r)
{
	return r->stats;
}
