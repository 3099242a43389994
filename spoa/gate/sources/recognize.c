/* The memory of responses, the calls, and the metrics of external recognizers.
 *
 * The memory is a hash table with a list in the order of use. The keys are hashes, so their
 * first bytes choose the slot. It holds no text. Memories of all recognizers of a worker
 * share CAP_RECOGNIZER_CACHE bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/fnv.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/scoped.h"
#include "budget/tally/names.h"
#include "gate/auth/auth_call.h"
#include "gate/sources/recognize.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "scan/recognizer/recognizer.h"

enum { SLOTS_MAX = 1 << 16 };

struct answer {
	struct answer *next; /* the next in the slot */
	TAILQ_ENTRY(answer) by_use;
	unsigned char key[SHA256_BYTES];
	uint64_t until_us;
	size_t n;
	struct finding v[];
};

struct answers {
	size_t entries, n, slots;
	uint64_t ttl_us;
	size_t *total;
	TAILQ_HEAD(, answer) uses; /* least recently used first */
	struct answer *slot[];
};

static struct answers *
answers_new(size_t entries, uint64_t ttl_us, size_t *total)
{
	size_t slots = 64;

	while (slots < entries && slots < SLOTS_MAX)
		slots *= 2;
	struct answers *a = calloc(1, sizeof(*a) + slots * sizeof(struct answer *));
	if (!a)
		return NULL;
	a->entries = entries;
	a->slots = slots;
	a->ttl_us = ttl_us;
	a->total = total;
	TAILQ_INIT(&a->uses);
	return a;
}

static size_t
bytes_of(size_t n)
{
	return sizeof(struct answer) + n * sizeof(struct finding);
}

static struct answer **
answer_place(struct answers *a, const unsigned char key[SHA256_BYTES])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	struct answer **p = &a->slot[h & (a->slots - 1)];
	while (*p && memcmp((*p)->key, key, SHA256_BYTES) != 0)
		p = &(*p)->next;
	return p;
}

static void
drop_old_answer(struct answers *a, struct answer *e)
{
	*answer_place(a, e->key) = e->next;
	TAILQ_REMOVE(&a->uses, e, by_use);
	a->n--;
	*a->total -= bytes_of(e->n);
	free(e);
}

static void
answers_free(struct answers **ap)
{
	struct answers *a = *ap;

	if (!a)
		return;
	while (!TAILQ_EMPTY(&a->uses))
		drop_old_answer(a, TAILQ_FIRST(&a->uses));
	free(a);
	*ap = NULL;
}

static bool
answers_get(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	struct arena *arena, struct findings *out)
{
	struct answer *e = *answer_place(a, key);

	*out = (struct findings){ 0 };
	if (e && e->until_us <= now_us) {
		drop_old_answer(a, e);
		e = NULL;
	}
	if (!e)
		return false;
	TAILQ_REMOVE(&a->uses, e, by_use);
	TAILQ_INSERT_TAIL(&a->uses, e, by_use);
	if (e->n == 0)
		return true;
	struct finding *v = arena_array(arena, e->n, sizeof(*v));
	if (!v)
		return false;
	memcpy(v, e->v, e->n * sizeof(*v));
	*out = (struct findings){ .v = v, .n = e->n };
	return true;
}

static void
answers_put(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	const struct findings *f)
{
	size_t bytes = bytes_of(f->n);
	struct answer *old = *answer_place(a, key);

	if (old)
		drop_old_answer(a, old);
	while (a->n && (a->n >= a->entries || *a->total + bytes > CAP_RECOGNIZER_CACHE))
		drop_old_answer(a, TAILQ_FIRST(&a->uses));
	if (a->n >= a->entries || *a->total + bytes > CAP_RECOGNIZER_CACHE)
		return;
	struct answer *e = malloc(bytes);
	if (!e)
		return;
	memcpy(e->key, key, SHA256_BYTES);
	e->until_us = now_us + a->ttl_us;
	e->n = f->n;
	if (f->n)
		memcpy(e->v, f->v, f->n * sizeof(*f->v));
	struct answer **p = answer_place(a, key);
	e->next = *p; /* the slot was empty, so this is NULL */
	*p = e;
	TAILQ_INSERT_TAIL(&a->uses, e, by_use);
	a->n++;
	*a->total += bytes;
}

/* ---- peers: the state of one recognizer on one worker ----
 *
 * A failed call counts towards the breaker. An open breaker refuses asks at once until its
 * time is over; then one call probes. Nothing of a text is logged. */

enum { IDLE_CONNECTIONS = 16, SAY_AGAIN_US = 10000000 };

const char *const ask_outcome_names[ASK_OUTCOMES] = { "answered", "timeout", "error", "garbage",
	"breaker_open", "busy", "too_large", "missing", "out_of_memory" };

struct peer {
	struct peer *next;
	struct recognizers *r;
	char name[65];
	unsigned char print[SHA256_BYTES]; /* hash of the policy's version and the name */
	size_t calls;
	struct ask *first, **last; /* asks that wait for a free call */
	size_t waiting;
	uint64_t failures; /* calls that failed in a row */
	bool open, probing;
	uint64_t retry_us, said_us;
	struct answers *answers; /* NULL: responses are not remembered */
	struct recognizer_stats *stats;
};

struct recognizers {
	struct ev_loop *loop;
	struct http_client *http; /* created with the first call */
	struct peer *peers;
	size_t kept_bytes; /* bytes of all remembered responses */
	struct recognizer_stats stats[RECOGNIZER_STATS];
	struct recognizer_stats others; /* for recognizers beyond RECOGNIZER_STATS */
};


static void
count_recognizer(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static void
peer_fingerprint(const struct policy *p, const struct external *x, unsigned char out[SHA256_BYTES])
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
			/* names have at most 64 bytes */
			memcpy(s->name, name, strlen(name) + 1);
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

	peer_fingerprint(p, x, print);
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
			peer_fingerprint(p, &p->externals[i], print);
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
log_recognizer(struct peer *e, const char *event, const char *why, int64_t status)
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
		log_recognizer(e, "recogniser.failed", why, status);
		return;
	}
	if (!e->open) {
		count_recognizer(&e->stats->opened, 1);
		e->said_us = 0;
		log_recognizer(e, "recogniser.open", why, status);
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

/* ---- responses ---- */

/* Returns true if the process logs this label of this recognizer for the first time. The table is
 * shared by all workers; once it is full, no further label is logged. */
static bool
label_is_new(const struct peer *e, struct span label)
{
	enum { LABELS = 256 };
	static _Atomic uint64_t logged[LABELS];
	uint64_t key = fnv64_bytes(fnv64_bytes(FNV64_BASIS, e->print, sizeof(e->print)), label.p,
			       label.n) |
		       1;

	for (size_t i = 0; i < LABELS; i++) {
		uint64_t was = 0;
		if (atomic_compare_exchange_strong(&logged[i], &was, key))
			return true;
		if (was == key)
			return false;
	}
	return false;
}

/* Returns true if the log may have the label: it is a short name, and repeats no part of a text. */
static bool
label_may_be_logged(const struct ask *a, struct span label)
{
	enum { LABEL_MAX = 48 };

	if (label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_letter_or_digit(label.p[i]) && !memchr("_-./:", label.p[i], 5))
			return false;
	for (size_t i = 0; i < a->n; i++)
		if (memmem(a->texts[i].p, a->texts[i].n, label.p, label.n))
			return false;
	return true;
}

static void
report_unknown(struct ask *a)
{
	struct peer *e = a->peer;
	bool named = label_may_be_logged(a, a->unknown);

	count_recognizer(&e->stats->unknown, 1);
	atomic_store_explicit(&e->stats->unknown_us, clock_mono_us(), memory_order_relaxed);
	if (label_is_new(e, named ? a->unknown : SPAN_LIT("")))
		log_event(LOG_WARN, "recogniser.unknown", LS("name", e->name),
			LSP("label", named ? a->unknown : SPAN_LIT("(a text)")),
			LS("why", "the label is not in map and counts as nothing found: add it, "
				  "with null if it is harmless"));
}

enum ask_outcome
recognize_read(struct ask *a, struct span answer, const char **why)
{
	switch (recognizer_read(
		&a->x->rec, answer, a->texts, a->n, a->arena, a->found, &a->unknown, why)) {
	case 0: return ASK_ANSWERED;
	case ERR_NOMEM: return ASK_NOMEM;
	default: return ASK_GARBAGE;
	}
}

/* Evaluates the end of a call. Texts are read only while the request waits. */
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
		why = "the response has a status other than 200";
	} else if (a->over(a)) {
		a->outcome = ASK_ANSWERED;
	} else {
		a->outcome = recognize_read(a, h->body, &why);
		if (a->outcome == ASK_ANSWERED && a->unknown.n)
			report_unknown(a);
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

static void send_waiting_asks(struct peer *e);

static void
on_recognizer_answer(void *arg, const struct http_answer *h)
{
	struct ask *a = TAGGED(ask, arg);
	struct peer *e = a->peer;

	INVARIANT(e->calls > 0 && (!e->probing || e->open));
	e->calls--;
	e->probing = false;
	count_recognizer(&e->stats->latency_us, clock_mono_us() - a->sent_us);
	if (a->auth)
		auth_call_refused(a->auth, a->generation, h);
	judge_recognizer(a, h);
	send_waiting_asks(e);
	TAG_CLEAR(ask, a);
	a->done(a);
}

/* Ends an ask that is not in flight. Always returns false. */
static bool
end_ask(struct ask *a, enum ask_outcome outcome)
{
	a->outcome = outcome;
	count_recognizer(&a->peer->stats->outcomes[outcome], 1);
	return false;
}

/* Sends the ask, or ends it and returns false. */
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
	int err = 0;

	if (!r->http)
		r->http = http_client_new(r->loop, IDLE_CONNECTIONS);
	SCOPED_BUF(body, 0);
	SCOPED_ARENA(secrets, 0, true);
	recognizer_ask(&a->x->rec, a->texts, a->n, &body);
	o.body = buf_view(&body);
	a->sent_us = now;
	if (a->auth)
		err = auth_call_options(a->auth, &secrets, &o, &a->generation);
	if (err == ERR_CLOSED) {
		recognizer_failed(a, "its credential has no usable value", 0);
		return end_ask(a, ASK_ERROR);
	}
	bool ok = !err && r->http && !buf_failed(&body) &&
		  http_call(r->http, &o, on_recognizer_answer, a);
	if (!ok)
		return end_ask(a, ASK_NOMEM);
	e->calls++;
	e->probing = e->open;
	return true;
}

/* Returns true if the breaker lets this ask pass. */
static bool
breaker_admits(const struct peer *e, uint64_t now)
{
	return !e->open || (!e->probing && now >= e->retry_us);
}

/* Sends waiting asks while calls are free. Calls done() for asks that end. */
static void
send_waiting_asks(struct peer *e)
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
		else if (!breaker_admits(e, now))
			end_ask(a, ASK_BREAKER);
		else if (send_now(a, now))
			continue;
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
	if (!breaker_admits(e, now))
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
	return send_now(a, now);
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
			at = &e->first; /* done() may have added an ask */
		}
	return waits;
}

/* ---- remembered responses ---- */

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

/* ---- metrics ----
 *
 * Counters for /metrics and /status: names of the policy, and numbers. They are read while
 * the workers count. */

/* The sums of one recognizer over all workers. */
struct total {
	const char *name;
	uint64_t outcomes[ASK_OUTCOMES], hits, misses, latency_us, opened, unknown;
	unsigned open; /* number of workers with an open breaker */
};

static size_t
sum_workers(const struct recognizers *const *r, size_t n, struct total out[RECOGNIZER_STATS])
{
	size_t made = 0;

	for (size_t w = 0; w < n; w++)
		for (size_t i = 0; i < RECOGNIZER_STATS; i++) {
			const struct recognizer_stats *s = recognizers_stats(r[w]) + i;
			size_t k = 0;
			if (!atomic_load_explicit(&s->used, memory_order_acquire))
				break;
			while (k < made && strcmp(out[k].name, s->name))
				k++;
			if (k == RECOGNIZER_STATS)
				continue;
			if (k == made)
				out[made++] = (struct total){ .name = s->name };
			struct total *t = &out[k];
			for (size_t o = 0; o < ASK_OUTCOMES; o++)
				t->outcomes[o] += tally_value(&s->outcomes[o]);
			t->hits += tally_value(&s->hits);
			t->misses += tally_value(&s->misses);
			t->latency_us += tally_value(&s->latency_us);
			t->opened += tally_value(&s->opened);
			t->unknown += tally_value(&s->unknown);
			t->open += atomic_load_explicit(&s->open, memory_order_relaxed);
		}
	return made;
}

/* The families' names and help texts. `%s` is the spelling of the word. */
enum family { CALLS, TEXTS, SECONDS, OPENED, OPEN, UNKNOWN, FAMILIES };

static const struct {
	const char *name, *type, *help;
} families[FAMILIES] = {
	[CALLS] = { "calls_total", "counter",
		"Counts calls of external recognizers, and calls refused before sending, by "
		"outcome." },
	[TEXTS] = { "texts_total", "counter",
		"Counts segments for external recognizers, by whether the cache had the "
		"result." },
	[SECONDS] = { "seconds_total", "counter",
		"Total time of calls of external recognizers, in seconds." },
	[OPENED] = { "opened_total", "counter",
		"Counts how often a circuit breaker of an external recognizer opened." },
	[OPEN] = { "open", "gauge",
		"Number of workers whose circuit breaker for the external recognizer is "
		"open." },
	[UNKNOWN] = { "unknown_total", "counter",
		"Counts responses of external recognizers with a label that the policy's map "
		"does not have." },
};

/* Appends a series of `recognizer` without its value: the name and the labels. */
static void
put_recognizer(struct buf *out, const char *spelling, enum family family, const char *recognizer,
	const char *label, const char *value)
{
	buf_printf(out, "tollgate_%s_%s{%s=\"%s\"", spelling, families[family].name, spelling,
		recognizer);
	if (label)
		buf_printf(out, ",%s=\"%s\"", label, value);
	buf_printf(out, "} ");
}

static void
put_total(struct buf *out, const char *spelling, enum family family, const struct total *t)
{
	switch (family) {
	case CALLS:
		for (size_t i = 0; i < ASK_OUTCOMES; i++) {
			if (i == ASK_MISSING)
				continue;
			put_recognizer(out, spelling, family, t->name, "outcome", ask_outcome_names[i]);
			buf_printf(out, "%" PRIu64 "\n", t->outcomes[i]);
		}
		break;
	case TEXTS:
		put_recognizer(out, spelling, family, t->name, "cache", "hit");
		buf_printf(out, "%" PRIu64 "\n", t->hits);
		put_recognizer(out, spelling, family, t->name, "cache", "miss");
		buf_printf(out, "%" PRIu64 "\n", t->misses);
		break;
	case SECONDS:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", t->latency_us / 1000000,
			t->latency_us % 1000000);
		break;
	case OPENED:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%" PRIu64 "\n", t->opened);
		break;
	case OPEN:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%u\n", t->open);
		break;
	case UNKNOWN:
		put_recognizer(out, spelling, family, t->name, NULL, NULL);
		buf_printf(out, "%" PRIu64 "\n", t->unknown);
		break;
	case FAMILIES:
		break;
	}
}

void
recognizers_metrics(struct buf *out, const struct recognizers *const *r, size_t n)
{
	/* Version 0.2 had the second spelling. Remove it in 0.4. */
	static const char *const spellings[] = { "recognizer", "recogniser" };
	struct total t[RECOGNIZER_STATS];
	size_t made = sum_workers(r, n, t);

	if (made == 0)
		return;
	for (size_t s = 0; s < sizeof spellings / sizeof *spellings; s++)
		for (enum family f = 0; f < FAMILIES; f++) {
			char name[48];
			snprintf(name, sizeof name, "%s_%s", spellings[s], families[f].name);
			metrics_head(out, name, families[f].type, families[f].help);
			for (size_t k = 0; k < made; k++)
				put_total(out, spellings[s], f, &t[k]);
		}
}

void
recognizers_status(struct buf *out, const struct recognizers *const *r, size_t n)
{
	struct total t[RECOGNIZER_STATS];
	size_t made = sum_workers(r, n, t);

	buf_putc(out, '[');
	for (size_t k = 0; k < made; k++) {
		uint64_t failed = 0;
		for (size_t i = ASK_ANSWERED + 1; i < ASK_OUTCOMES; i++)
			failed += t[k].outcomes[i];
		json_put_open(out, NULL, '{');
		json_put_str(out, "name", t[k].name);
		json_put_uint(out, "answered", t[k].outcomes[ASK_ANSWERED]);
		json_put_uint(out, "failed", failed);
		json_put_uint(out, "open", t[k].open);
		json_put_uint(out, "opened", t[k].opened);
		json_put_uint(out, "unknown", t[k].unknown);
		json_put_uint(out, "cache_hits", t[k].hits);
		json_put_uint(out, "cache_misses", t[k].misses);
		json_put_close(out, '}');
	}
	buf_putc(out, ']');
}
