/* Responses to prompts of the same meaning. The prompt's vector is requested from an embedding
 * model through HAProxy's inner bind. The nearest stored vector is searched in a vector set of
 * the cache's Redis (Redis documentation, "Vector sets"), and its response is looked up. Any
 * failure is a miss. */
#include "gate/cache/meaning.h"

#include <math.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/json_put.h"
#include "base/redis/redis.h"
#include "base/scoped.h"
#include "gate/cache/cache.h"
#include "gate/engine/engine.h"
#include "policy/prices.h"

enum {
	IDLE_HTTP = 8,		 /* connections kept open */
	WITHIN_US = 1000000,	 /* longest wait for a vector */
	ANSWER_MOST = 256 << 10, /* bytes of the embedding response */
	FAILURES = 3,		 /* in a row; then no vector is requested */
	REST_US = 10000000,	 /* for this time */
	VECTOR_OVERHEAD = 256,	 /* bytes that an entry takes in the set besides its vector */
	SET_MOST = 10000	 /* prompts in a set; beyond it the set is deleted */
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
forget_meaning(struct request *r)
{
	const struct found_cache *f = &r->found.cache;
	char name[CACHE_REDIS_NAME];
	unsigned char element[CACHE_BOUND_BYTES];
	size_t n = cache_redis_name(f->meaning_key, name);

	cache_bind(cache_keys(r->gate->shared->cache), f->meaning_key, f->look_key, element);
	redis_send_only(r->gate->cache_redis, 3,
		(const char *[]){ "VREM", name, (const char *)element },
		(size_t[]){ 4, n, sizeof(element) });
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
	struct span vector = buf_view(&x->together.vector);
	char name[CACHE_REDIS_NAME];
	size_t n = cache_redis_name(r->found.cache.meaning_key, name);

	r->run.pending++;
	redis_pairs(r->gate->cache_redis, 7,
		(const char *[]){ "VSIM", name, "FP32", vector.p, "WITHSCORES", "COUNT", "1" },
		(size_t[]){ 4, n, 4, vector.n, 10, 5, 1 }, 1, 1024, nearest_came, r);
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
	if (ok && redis_up(r->gate->cache_redis))
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

bool
meaning_look(struct exchange *x, void (*then)(struct exchange *x, bool found))
{
	struct request *r = x->r;
	struct gate *g = r->gate;

	if (!r->found.cache.has_meaning || !redis_up(g->cache_redis))
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
	r->run.pending++;
	return true;
}

/* ---- storing ---- */

/* MULTI, VADD, PEXPIRE, VCARD, EXEC: in one transaction, because a set without an expiry would
 * stay for ever */
enum { KEPT_EXEC = 4 };

/* Used by the callback, which may run after the request has ended. */
struct kept_meaning {
	struct redis *redis;
	struct metrics *metrics;
	char name[CACHE_REDIS_NAME];
};

static void
meaning_kept(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct kept_meaning *k = arg;

	const struct redis_reply_ints *exec = &replies[KEPT_EXEC];
	/* the set has another dimension, or the key is no set */
	bool refused = !err && n == KEPT_EXEC + 1 && exec->err;

	if (err || refused)
		metric_inc(k->metrics, M_CACHE_UNKEPT);
	if (err || (!refused && (exec->n < 3 || exec->list[2] <= SET_MOST)))
		return;
	redis_send_only(k->redis, 2, (const char *[]){ "UNLINK", k->name },
		(size_t[]){ 6, sizeof(k->name) - 1 });
}

void
meaning_keep(struct exchange *x)
{
	struct request *r = x->r;
	const struct found_cache *f = &r->found.cache;
	struct span vector = buf_view(&x->together.vector);
	struct kept_meaning k = { .redis = r->gate->cache_redis, .metrics = r->gate->metrics };
	unsigned char element[CACHE_BOUND_BYTES];
	char ttl[24];

	if (!vector.n || !k.redis || !redis_up(k.redis) ||
		!cache_may_keep(r->gate->shared->cache, f->stamp.who,
			vector.n + sizeof(element) + VECTOR_OVERHEAD))
		return;
	size_t n = cache_redis_name(f->meaning_key, k.name),
	       digits = span_decimal(ttl, (int64_t)(r->found.route->cache.ttl_us / 1000));
	cache_bind(cache_keys(r->gate->shared->cache), f->meaning_key, f->key, element);
	struct redis *at = redis_at(k.redis, span_of(k.name, n));
	struct redis_pipe *p = redis_begin(k.redis, KEPT_EXEC + 1, meaning_kept, &k, sizeof(k));
	redis_command_at(p, at, 1, (const char *[]){ "MULTI" }, (size_t[]){ 5 });
	redis_command_at(p, at, 5,
		(const char *[]){ "VADD", k.name, "FP32", vector.p, (const char *)element },
		(size_t[]){ 4, n, 4, vector.n, sizeof(element) });
	redis_command_at(p, at, 3, (const char *[]){ "PEXPIRE", k.name, ttl },
		(size_t[]){ 7, n, digits });
	redis_command_at(p, at, 2, (const char *[]){ "VCARD", k.name }, (size_t[]){ 5, n });
	redis_command_at(p, at, 1, (const char *[]){ "EXEC" }, (size_t[]){ 4 });
	redis_send(p);
}
