/* Before a request is sent to the model, it may wait for the response to an identical request in
 * flight, or for a look at the stored responses to prompts of the same meaning.
 *
 * Of identical requests, the first one (the leader) is sent to the model. The others wait in the
 * relay, before anything of theirs is sent, and receive the leader's response from the cache. If
 * the leader fails, the next one leads and the others wait for it. Daemons that share Redis use a
 * key there to agree on one leader. A request that waited too long continues alone, as if there
 * were no cache.
 *
 * For a prompt of the same meaning, the prompt's vector is requested from an embedding model
 * through HAProxy's inner bind. The nearest stored vector is searched in a vector set of the
 * cache's Redis (Redis documentation, "Vector sets"), and its response is looked up. Any failure
 * is a miss. */
#include <math.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/json_put.h"
#include "base/random.h"
#include "base/scoped.h"
#include "gate/cache/cache_store.h"
#include "gate/cache/meaning.h"
#include "gate/engine/engine.h"
#include "gate/engine/join.h"
#include "policy/prices.h"

/* Returns how long in µs the request may wait now, so that enough time is left to send it
 * afterwards: a share of the time left, at most `most_us`. */
static uint64_t together_share_us(const struct exchange *x, uint64_t now_us, uint64_t most_us);

/* The result of a question arrived. Returns false if the relay released the request meanwhile:
 * it may be freed. */
static bool together_still_waits(struct request *r);

/* ---- prompts of the same meaning ---- */

enum {
	IDLE_HTTP = 8,		 /* connections kept open */
	WITHIN_US = 1000000,	 /* longest wait for a vector */
	ANSWER_MOST = 256 << 10, /* bytes of the embedding response */
	FAILURES = 3,		 /* after this many failures in a row, no vector is requested */
	REST_US = 10000000,	 /* µs without vectors after these failures */
	VECTOR_OVERHEAD = 256	 /* bytes that an entry takes in the set besides its vector */
};

static const struct cache_semantic *
semantic_of(const struct request *r)
{
	return r->found.route->cache.semantic;
}

static void
meaning_done(struct exchange *x, bool found)
{
	void (*then)(struct exchange *, bool) = x->together.meant;

	x->together.meant = NULL;
	then(x, found);
}

/* ---- the set ---- */

/* Removes a vector whose response is not stored any more. */
static void
forget_meaning(const struct request *r)
{
	const struct found_cache *f = &r->found.cache;
	unsigned char element[CACHE_BOUND_BYTES];

	cache_bind(cache_keys(r->gate->shared->cache), f->meaning_key, f->look_key, element);
	cache_store_drop_vector(&r->gate->cache_store, f->meaning_key, element);
}

static void
looked_at_meant(struct request *r)
{
	bool found = r->found.cache.state == CACHED_HIT;

	if (!found && r->found.cache.gone)
		forget_meaning(r);
	meaning_done(r->x, found);
}

/* Takes the nearest vector and its score: 1 is the same direction, 0 the opposite. */
static void
nearest_came(void *arg, int err, const struct span *pairs, size_t n)
{
	struct request *r = TAGGED(request, arg);
	char text[32] = "", *end = text;

	if (err)
		metric_inc(r->gate->metrics, M_CACHE_FAILED);
	if (!together_still_waits(r))
		return;
	double score = 0;
	if (!err && n == 1 && pairs[1].n < sizeof(text) &&
		cache_is_bound(cache_keys(r->gate->shared->cache), r->found.cache.meaning_key,
			pairs[0])) {
		memcpy(text, pairs[1].p, pairs[1].n);
		text[pairs[1].n] = '\0';
		score = strtod(text, &end);
	}
	double cosine = 2 * score - 1;
	if (*end || !(cosine >= semantic_of(r)->similarity) || cosine > 1.001)
		meaning_done(r->x, false);
	else
		request_cache_look_at(r, (const unsigned char *)pairs[0].p,
			cosine < 1 ? 1 - cosine : 0, looked_at_meant);
}

static void
look_for_nearest(struct exchange *x)
{
	struct request *r = x->r;

	request_asked(r);
	cache_store_nearest(&r->gate->cache_store, r->found.cache.meaning_key,
		buf_view(&x->together.vector), nearest_came, r);
}

/* ---- the vector ---- */

static void
charge_embedding(struct request *r, uint64_t tokens)
{
	const struct target *at = &semantic_of(r)->at;
	const struct usage u = { .known = true, .input_tokens = (int64_t)tokens };
	const struct price_asked any = { 0 };
	struct priced p;

	r->found.cache.embedded.tokens = tokens;
	if (policy_cost(
		    r->snap->policy, at, span_str(at->model), r->now_wall_ns, &any, &u, &p) &&
		!p.cost.unpriced)
		r->found.cache.embedded.nanousd = p.cost.nanousd;
	metric_add(r->gate->metrics, M_CACHE_EMBEDDED_TOKENS, tokens);
	metric_add(r->gate->metrics, M_CACHE_EMBEDDED_NANOUSD, r->found.cache.embedded.nanousd);
}

/* Counts failures in a row; after FAILURES, no vector is requested for REST_US. */
static void
count_failure(struct gate *g, bool failed)
{
	g->vectors.failures = failed ? g->vectors.failures + 1 : 0;
	if (g->vectors.failures >= FAILURES)
		g->vectors.until_us = clock_mono_us() + REST_US;
}

static void
vector_came(void *arg, const struct http_answer *a)
{
	struct exchange *x = TAGGED(exchange, arg);
	struct request *r = x->r;
	uint64_t tokens = 0;

	bool ok = !a->err && a->status == 200 &&
		  !meaning_vector(a->body, &x->together.vector, &tokens);
	metric_inc(r->gate->metrics, ok ? M_CACHE_EMBEDDED : M_CACHE_UNEMBEDDED);
	count_failure(r->gate, !ok);
	/* A late response is charged, too. If the token count is unknown, the prompt's bytes
	 * are an upper bound. */
	if (ok || a->err == ERR_TIMEOUT)
		charge_embedding(r, ok && tokens ? tokens : r->out.prompt.n);
	if (!ok)
		buf_free(&x->together.vector);
	if (!together_still_waits(r))
		return;
	if (ok && cache_store_is_up(&r->gate->cache_store))
		look_for_nearest(x);
	else
		meaning_done(x, false);
}

static struct http_call *
ask_for_vector(struct exchange *x, uint64_t within_us)
{
	struct request *r = x->r;
	struct gate *g = r->gate;
	const struct target *at = &semantic_of(r)->at;

	SCOPED_BUF(body, 0);
	SCOPED_BUF(url, 0);
	SCOPED_BUF(backend, 0);
	SCOPED_BUF(id, 0);
	json_put_open(&body, NULL, '{');
	json_put_str(&body, "model", at->model);
	json_put_text(&body, "input", buf_view(&r->out.prompt));
	json_put_str(&body, "encoding_format", "float");
	json_put_close(&body, '}');
	buf_printf(&url, "unix:%s:/v1/embeddings", gate_cfg(g)->relay_egress.path);
	buf_printf(&backend, "x-tollgate-backend: %s", at->backend);
	buf_printf(&id, "x-tollgate-id: %s", r->id);
	buf_putc(&url, '\0');
	buf_putc(&backend, '\0');
	buf_putc(&id, '\0');
	if (buf_failed(&body) || buf_failed(&url) || buf_failed(&backend) || buf_failed(&id))
		return NULL;
	const char *const fields[] = { "content-type: application/json", backend.p, id.p };
	const struct http_call_options o = { .url = url.p,
		.body = buf_view(&body),
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.deadline_us = within_us,
		.answer_bytes = ANSWER_MOST };
	return http_call(g->http, &o, vector_came, x);
}

/* Calls then(x, true) if the cache holds a response to a prompt of the same meaning,
 * which is in out.replay then; else then(x, false). Never inside the call. Returns false if it
 * does not look. */
static bool
meaning_look(struct exchange *x, void (*then)(struct exchange *x, bool found))
{
	struct request *r = x->r;
	struct gate *g = r->gate;

	if (!r->found.cache.has_meaning || !cache_store_is_up(&g->cache_store))
		return false;
	uint64_t now_us = clock_mono_us();
	if (g->vectors.until_us > now_us)
		return false;
	if (!g->http && !(g->http = http_client_new(g->loop, IDLE_HTTP)))
		return false;
	x->together.meant = then;
	if (!ask_for_vector(x, together_share_us(x, now_us, WITHIN_US)))
		return false;
	r->found.cache.embedded.by = &semantic_of(r)->at;
	request_asked(r);
	return true;
}

/* ---- storing ---- */

void
meaning_keep(struct exchange *x)
{
	struct request *r = x->r;
	const struct found_cache *f = &r->found.cache;
	const struct cache_store *to = &r->gate->cache_store;
	struct span vector = buf_view(&x->together.vector);
	unsigned char element[CACHE_BOUND_BYTES];

	if (!vector.n || !cache_store_is_shared(to) || !cache_store_is_up(to) ||
		!cache_may_keep(r->gate->shared->cache, f->stamp.who,
			vector.n + sizeof(element) + VECTOR_OVERHEAD))
		return;
	cache_bind(cache_keys(r->gate->shared->cache), f->meaning_key, f->key, element);
	cache_store_put_vector(
		to, f->meaning_key, element, vector, r->found.route->cache.ttl_us);
}

/* ---- identical requests ---- */

enum {
	LOOK_US = 100000, /* between looks at another daemon's key */
	WAITS_MOST_US = 30000000,
	SHARE = 4, /* part of the remaining time that a request may wait: a quarter */
	/* requests resumed in one tick, so that their stored responses are not all in memory at
	 * once */
	WAKES = 16
};

/*   NONE ──(its claim, the first of its key)──→ ASKS ──(the key is its own)──→ LEADS
 *     │                                         ↑ ├──(or Redis does not reply)→ LEADS_HERE
 *     │                                         │ └──(another daemon's)──→ FOLLOWS_AWAY ──┐
 *     ├──(another of this daemon asks)──→ FOLLOWS ──(it ended)──→ LOOKS ←──(it ended)─────┘
 *     └─────────────(that one failed: as from the beginning)────────┘.
 *
 * After LOOKS, or a wait that was too long, the state is NONE, with a response or without. A
 * leader's state is NONE when its exchange ended, or its response cannot be stored. If several
 * leaders failed in a row, a request that waited FOLLOWS nobody (`draws`), until its caller's
 * retry budget lets it continue alone. */

#define TO(life) (1u << (TOGETHER_##life))

static const unsigned together_next[] = {
	[TOGETHER_NONE] = TO(NONE) | TO(ASKS) | TO(LOOKS) | TO(LEADS_HERE) | TO(FOLLOWS),
	[TOGETHER_ASKS] = TO(NONE) | TO(LOOKS) | TO(LEADS) | TO(LEADS_HERE) | TO(FOLLOWS_AWAY),
	[TOGETHER_LOOKS] = TO(NONE) | TO(ASKS) | TO(LOOKS) | TO(LEADS_HERE) | TO(FOLLOWS),
	[TOGETHER_LEADS] = TO(NONE),
	[TOGETHER_LEADS_HERE] = TO(NONE),
	[TOGETHER_FOLLOWS] = TO(NONE) | TO(LOOKS),
	[TOGETHER_FOLLOWS_AWAY] = TO(NONE) | TO(ASKS) | TO(LOOKS),
};

static bool
has_place(const struct together *t)
{
	return t->life >= TOGETHER_LEADS;
}

/* Changes the state. Leaders and followers are in the gate's list, which each tick visits. */
static void
together_enter(struct exchange *x, enum together_life life)
{
	struct gate *g = x->r->gate;
	struct together *t = &x->together;
	bool had = has_place(t);

	INVARIANT(together_next[t->life] & 1u << life);
	INVARIANT(life != TOGETHER_LEADS || (t->claim && t->flight.serial));
	INVARIANT(life != TOGETHER_LEADS_HERE || t->flight.serial);
	t->life = life;
	if (had == has_place(t))
		return;
	if (had) {
		TAILQ_REMOVE(&g->together, x, together.of_all);
		return;
	}
	TAILQ_INSERT_TAIL(&g->together, x, together.of_all);
	gate_tick(g);
}

void
together_over(struct exchange *x, enum cache_flight_end how)
{
	struct together *t = &x->together;

	if (t->life == TOGETHER_LEADS)
		cache_store_release(&x->r->gate->cache_store, t->flight.key, t->claim,
			how == FLIGHT_ENDS_IN_VAIN);
	together_enter(x, TOGETHER_NONE);
	if (t->flight.serial)
		cache_flight_end(x->r->gate->shared->cache, &t->flight, how);
}

/* ---- the end of a wait ---- */

static uint64_t
together_share_us(const struct exchange *x, uint64_t now_us, uint64_t most_us)
{
	uint64_t end_us = x->plan.deadline_us;

	if (x->plan.overall_us && x->plan.overall_us < end_us)
		end_us = x->plan.overall_us;
	uint64_t share_us = end_us > now_us ? (end_us - now_us) / SHARE : 0;
	return share_us < most_us ? share_us : most_us;
}

/* Begins the time that the request may wait, whatever it waits for. */
static void
begins_to_wait(struct exchange *x)
{
	uint64_t now_us = clock_mono_us();

	if (!x->together.until_us)
		x->together.until_us = now_us + together_share_us(x, now_us, WAITS_MOST_US);
}

static void
continue_exchange(struct exchange *x)
{
	struct together *t = &x->together;
	void (*then)(struct exchange *) = t->then;

	INVARIANT(then);
	t->then = NULL;
	on_behalf_begin(x, then);
}

/* Continues with the stored response; nothing was sent, and nothing will be. */
static void
continue_with_response(struct exchange *x)
{
	together_over(x, FLIGHT_ENDS_KEPT);
	attempts_none(x);
	x->plan.replays = true;
	x->plan.asks = x->plan.holds = x->plan.doubts = x->plan.timed = false;
	if (x->plan.body_mode == BODY_COPY)
		x->plan.body_mode = BODY_SWAP;
	continue_exchange(x);
}

/* The time of waiting does not count as the target's. */
static void
begun_now(struct exchange *x)
{
	if (x->tries && x->tries->n)
		x->tries->v[x->tries->n - 1].begun_us = clock_mono_us();
}

static void
note_wait(struct exchange *x, bool hit)
{
	struct request *r = x->r;

	if (!x->together.until_us)
		return;
	x->together.until_us = 0;
	r->found.cache.waited_ms = (uint32_t)((clock_mono_us() - x->together.since_us) / 1000);
	metric_inc(r->gate->metrics, hit ? M_CACHE_WAITED_HIT : M_CACHE_WAITED_ALONE);
	begun_now(x);
}

/* Continues without a shared response. `how`: reported to requests that wait for this one. */
static void
continue_alone(struct exchange *x, enum cache_flight_end how)
{
	/* many former followers would store the same response; few continue by a budget */
	if (x->together.until_us && !x->together.draws)
		x->r->found.cache.keeps = false;
	note_wait(x, false);
	together_enter(x, TOGETHER_NONE);
	cache_flight_end(x->r->gate->shared->cache, &x->together.flight, how);
	continue_exchange(x);
}

static void join_flight(struct exchange *x);
static void draws_or_waits(struct exchange *x);

/* The leader ended, and the cache was looked up. Without a response, the next request leads. */
static void
looked_again(struct request *r)
{
	struct exchange *x = r->x;
	struct together *t = &x->together;
	INVARIANT(t->life == TOGETHER_LOOKS && t->then);
	bool late = t->until_us <= clock_mono_us();

	if (r->found.cache.state == CACHED_HIT) {
		note_wait(x, true);
		continue_with_response(x);
	} else if (late || t->rounds > CACHE_FLIGHTS || !request_cache_keeps(r)) {
		continue_alone(x, late ? FLIGHT_ENDS_IN_VAIN : FLIGHT_ENDS_FAILED);
	} else if (t->draws) {
		draws_or_waits(x);
	} else {
		join_flight(x);
	}
}

static void
look_again(struct exchange *x)
{
	begins_to_wait(x);
	together_enter(x, TOGETHER_LOOKS);
	if (request_cache_look(x->r, looked_again))
		looked_again(x->r);
}

/* ---- waiting ---- */

static void
wait_for(struct exchange *x, enum together_life life)
{
	struct together *t = &x->together;

	INVARIANT(life == TOGETHER_FOLLOWS || life == TOGETHER_FOLLOWS_AWAY);
	begins_to_wait(x);
	t->next_us = clock_mono_us() + LOOK_US;
	t->rounds += !t->draws;
	together_enter(x, life);
}

/* Several leaders failed: a request that waited for them continues as one more attempt in its
 * caller's retry budget. A new request continues at once. */
static void
draws_or_waits(struct exchange *x)
{
	if (!x->together.draws || request_draws(x->r))
		continue_alone(x, FLIGHT_ENDS_FAILED);
	else
		wait_for(x, TOGETHER_FOLLOWS);
}

static bool
together_still_waits(struct request *r)
{
	if (r->run.life != LIFE_ANSWERED) {
		request_back(r);
		return false;
	}
	request_answered(r);
	return true;
}

static void
meaning_looked(struct exchange *x, bool found)
{
	if (!x->together.then) /* the caller left */
		return;
	begun_now(x);
	if (found)
		continue_with_response(x);
	else
		continue_exchange(x);
}

/* Leads, unless the cache has a response to a prompt of the same meaning. */
static void
begin_leading(struct exchange *x)
{
	note_wait(x, false);
	if (!meaning_look(x, meaning_looked))
		continue_exchange(x);
}

static void
claim_decided(void *arg, enum cache_claim is)
{
	struct exchange *x = TAGGED(exchange, arg);

	if (!together_still_waits(x->r))
		return;
	if (is == CLAIM_IN_VAIN) {
		continue_alone(x, FLIGHT_ENDS_IN_VAIN);
		return;
	}
	if (is == CLAIM_OTHERS) {
		wait_for(x, TOGETHER_FOLLOWS_AWAY);
		return;
	}
	together_enter(x, is == CLAIM_OWN ? TOGETHER_LEADS : TOGETHER_LEADS_HERE);
	x->together.next_us = clock_mono_us() + CLAIM_RENEW_US;
	begin_leading(x);
}

static void
ask_to_lead(struct exchange *x)
{
	struct together *t = &x->together;

	random_bytes(&t->claim, sizeof(t->claim));
	t->claim = (t->claim & INT64_MAX) | 1;
	together_enter(x, TOGETHER_ASKS);
	request_asked(x->r);
	cache_store_claim(&x->r->gate->cache_store, t->flight.key, t->claim, claim_decided, x);
}

static void
other_daemon_seen(void *arg, enum cache_claim is)
{
	struct exchange *x = TAGGED(exchange, arg);

	if (!together_still_waits(x->r))
		return;
	if (is == CLAIM_UNKNOWN || is == CLAIM_IN_VAIN) {
		continue_alone(x, FLIGHT_ENDS_IN_VAIN);
	} else if (is == CLAIM_OTHERS) {
		x->together.next_us = clock_mono_us() + LOOK_US;
		together_enter(x, TOGETHER_FOLLOWS_AWAY);
	} else {
		look_again(x);
	}
}

static void
look_at_other_daemon(struct exchange *x)
{
	together_enter(x, TOGETHER_ASKS);
	request_asked(x->r);
	cache_store_watch(
		&x->r->gate->cache_store, x->together.flight.key, other_daemon_seen, x);
}

static void
renew_claim(struct exchange *x)
{
	cache_store_renew(&x->r->gate->cache_store, x->together.flight.key);
	x->together.next_us += CLAIM_RENEW_US;
}

/* Returns true if the response certainly will not be stored. */
static bool
in_vain(const struct exchange *x)
{
	return x->guard && !x->aside.out && guard_untapped(x->guard);
}

/* Returns true if a wait for a leader of this daemon, or for the caller's budget, is over. */
static bool
wait_is_over(struct exchange *x, uint64_t now_us)
{
	struct together *t = &x->together;

	if (!t->draws)
		return !cache_flight_lasts(
			x->r->gate->shared->cache, t->flight.key, t->follows);
	return t->next_us <= now_us || t->until_us <= now_us;
}

static void
look_after(struct exchange *x, uint64_t now_us, unsigned *wakes)
{
	struct together *t = &x->together;

	if (t->life == TOGETHER_LEADS || t->life == TOGETHER_LEADS_HERE) {
		if (in_vain(x))
			together_over(x, FLIGHT_ENDS_IN_VAIN);
		else if (t->life == TOGETHER_LEADS && t->next_us <= now_us)
			renew_claim(x);
	} else if (t->until_us <= now_us && !t->draws) {
		continue_alone(x, FLIGHT_ENDS_IN_VAIN);
	} else if (t->life == TOGETHER_FOLLOWS_AWAY) {
		if (t->next_us <= now_us)
			look_at_other_daemon(x);
	} else if (*wakes && wait_is_over(x, now_us)) {
		(*wakes)--;
		look_again(x);
	}
}

bool
together_tick(struct gate *g, uint64_t now_us)
{
	struct exchange *x, *next;
	unsigned wakes = WAKES;

	/* a resumed request may end others, but adds new ones only at the end of the list */
	for (x = TAILQ_FIRST(&g->together); x; x = next) {
		next = TAILQ_NEXT(x, together.of_all);
		look_after(x, now_us, &wakes);
	}
	return !TAILQ_EMPTY(&g->together);
}

static void
join_flight(struct exchange *x)
{
	struct gate *g = x->r->gate;
	struct found_cache *f = &x->r->found.cache;
	struct together *t = &x->together;
	enum cache_flight_role role = t->flight.serial
					      ? FLIGHT_LEADS /* another daemon's leader ended */
					      : cache_flight_begin(g->shared->cache, &t->flight,
							f->key, f->looked_us, &t->follows);

	switch (role) {
	case FLIGHT_ALONE: continue_alone(x, FLIGHT_ENDS_IN_VAIN); break;
	case FLIGHT_FAILED:
		t->draws = t->until_us != 0;
		draws_or_waits(x);
		break;
	case FLIGHT_LOOKS: look_again(x); break;
	case FLIGHT_FOLLOWS:
		memcpy(t->flight.key, f->key, sizeof(f->key));
		wait_for(x, TOGETHER_FOLLOWS);
		break;
	case FLIGHT_LEADS:
		if (cache_store_is_shared(&g->cache_store) &&
			cache_store_is_up(&g->cache_store))
			ask_to_lead(x);
		else {
			together_enter(x, TOGETHER_LEADS_HERE);
			begin_leading(x);
		}
		break;
	}
}

void
together_begin(struct exchange *x, void (*then)(struct exchange *x))
{
	struct request *r = x->r;
	struct together *t = &x->together;

	INVARIANT(then && !t->then && t->life == TOGETHER_NONE);
	t->then = then;
	t->since_us = clock_mono_us();
	if (join_asks(x)) {
		join_begin(x);
		return;
	}
	if (!r->found.cache.looked_us || x->plan.unrecorded || r->out.decision.kind == D_DENY ||
		!request_cache_keeps(r))
		continue_exchange(x);
	else
		join_flight(x);
}

/* Ends the wait. A request that waits for Redis' reply ends when it arrives. */
void
together_gone(struct exchange *x)
{
	struct together *t = &x->together;

	if (t->then && has_place(t)) {
		together_over(x, FLIGHT_ENDS_FAILED);
		continue_exchange(x);
	}
}

void
together_abort(struct gate *g)
{
	struct exchange *x, *next;

	for (x = TAILQ_FIRST(&g->together); x; x = next) {
		next = TAILQ_NEXT(x, together.of_all);
		together_gone(x);
	}
}

void
gate_replay(struct exchange *x, struct buf *to)
{
	struct request *r = x->r;

	request_unhold(r, r->out.replay.size);
	buf_free(to);
	*to = r->out.replay;
	buf_init(&r->out.replay, CAP_ANSWER_BYTES);
}
