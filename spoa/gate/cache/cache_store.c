/* The store of the response cache: gate/cache/cache_store.h. */
#include "gate/cache/cache_store.h"

#include <string.h>

#include "base/attr.h"
#include "base/clock.h"

enum {
	UNSURE_MS = 10000, /* ttl of an entry in Redis until Redis has confirmed its SET */
	CLAIM_NAME = CACHE_REDIS_NAME + 5,
	VECTORS_MOST = 10000 /* prompts in a set; beyond it the set is deleted */
};
#define IN_VAIN	   "-1"	   /* the number of a claim that nobody may wait for */
#define IN_VAIN_MS "10000" /* as cache_flight_begin() does within one daemon */
enum { IN_VAIN_NUMBER = -1 };

bool
cache_store_is_shared(const struct cache_store *s)
{
	return s->redis;
}

bool
cache_store_is_up(const struct cache_store *s)
{
	return !s->redis || redis_up(s->redis);
}

bool
cache_store_has_room(const struct cache_store *s, uint64_t most_bytes)
{
	const char *said;

	return !s->redis ||
	       (redis_up(s->redis) && redis_refuses(s->redis, &said) == REDIS_TAKES &&
		       redis_used_bytes(s->redis) < most_bytes);
}

/* ---- entries ---- */

void
cache_store_ask(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	redis_hash_cb *came, void *arg)
{
	char name[CACHE_REDIS_NAME];
	size_t n = cache_redis_name(key, name);

	redis_value(s->redis, span_of(name, n), CACHE_STORED_MOST, came, arg);
}

bool
cache_store_get(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	struct buf *sealed, redis_hash_cb *came, void *arg)
{
	if (!s->redis)
		cache_get(s->here, key, sealed);
	else if (redis_up(s->redis)) {
		cache_store_ask(s, key, came, arg);
		return false;
	}
	return true;
}

/* Used by the callback of SET, which may run after the request has ended. */
struct entry_put {
	struct cache_store store;
	bool (*erased)(const void *of, uint64_t since);
	const void *of;
	uint64_t since, ttl_ms;
	char name[CACHE_REDIS_NAME];
};

/* Deletes the entry if anybody was erased since the request asked: the SCAN of that erasure may
 * have run before SET. Otherwise the entry gets its whole ttl. If Redis runs SET after the
 * daemon has given up waiting, the entry expires soon, because nothing prolongs it. */
static void
put_came(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct entry_put *p = arg;
	bool kept = !err && n == 1 && !replies[0].err;
	char ttl[SPAN_DECIMAL];

	if (!kept)
		metric_inc(p->store.metrics, M_CACHE_UNKEPT);
	if (p->erased(p->of, p->since))
		redis_send_only(p->store.redis, 2, (const char *[]){ "UNLINK", p->name },
			(size_t[]){ 6, sizeof(p->name) - 1 });
	else if (kept && p->ttl_ms > UNSURE_MS)
		redis_send_only(p->store.redis, 3, (const char *[]){ "PEXPIRE", p->name, ttl },
			(size_t[]){ 7, sizeof(p->name) - 1,
				span_decimal(ttl, (int64_t)p->ttl_ms) });
}

/* SET has the ttl, because an entry without one would stay for ever. */
static void
put_in_redis(const struct cache_store *s, const struct cache_put *of)
{
	struct entry_put put = { .store = *s,
		.erased = of->erased,
		.of = of->of,
		.since = of->since,
		.ttl_ms = of->ttl_us / 1000 };
	char ttl[SPAN_DECIMAL];
	size_t n = cache_redis_name(of->key, put.name);
	size_t digits = span_decimal(
		ttl, (int64_t)(put.ttl_ms < UNSURE_MS ? put.ttl_ms : (uint64_t)UNSURE_MS));
	struct redis_pipe *p = redis_begin(s->redis, 1, put_came, &put, sizeof(put));

	redis_command(p, 5, (const char *[]){ "SET", put.name, of->sealed.p, "PX", ttl },
		(size_t[]){ 3, n, of->sealed.n, 2, digits });
	redis_send(p);
}

void
cache_store_put(const struct cache_store *s, const struct cache_put *p)
{
	if (s->redis) {
		put_in_redis(s, p);
		return;
	}
	cache_put(s->here, p->key, p->sealed, clock_mono_us() + p->ttl_us);
	/* an erasure on another thread may have purged the cache just before */
	if (p->erased(p->of, p->since))
		cache_purge(s->here, &(struct cache_purge){ .who = p->who });
}

/* ---- claims ---- */

/* "tollgate:cache:KEY:asks" */
static size_t
claim_name(const unsigned char key[CACHE_KEY_BYTES], char out[CLAIM_NAME])
{
	size_t n = cache_redis_name(key, out);

	memcpy(out + n, ":asks", 6);
	return n + 5;
}

struct claim_ask {
	cache_claim_cb *came;
	void *arg;
};

/* The reply to SET … NX: nil if another daemon has the key. */
static void
claim_came(void *arg, int err, const struct redis_reply_ints *replies, size_t n UNUSED)
{
	const struct claim_ask *ask = arg;
	enum cache_claim is = CLAIM_OWN;

	/* nil is no number, so `err` is also set */
	if (!err && replies[0].nil)
		is = !replies[1].err && replies[1].list[0] == IN_VAIN_NUMBER ? CLAIM_IN_VAIN
									     : CLAIM_OTHERS;
	else if (err || replies[0].err)
		is = CLAIM_UNKNOWN;
	ask->came(ask->arg, is);
}

void
cache_store_claim(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	int64_t number, cache_claim_cb *came, void *arg)
{
	const struct claim_ask ask = { came, arg };
	char name[CLAIM_NAME], own[SPAN_DECIMAL], ms[SPAN_DECIMAL];
	size_t n = claim_name(key, name), digits = span_decimal(ms, CLAIM_LASTS_US / 1000),
	       m = span_decimal(own, number);
	struct redis_pipe *p = redis_begin(s->redis, 2, claim_came, &ask, sizeof(ask));

	redis_command(p, 6, (const char *[]){ "SET", name, own, "NX", "PX", ms },
		(size_t[]){ 3, n, m, 2, 2, digits });
	redis_command(p, 2, (const char *[]){ "MGET", name }, (size_t[]){ 4, n });
	redis_send(p);
}

/* The reply about another daemon's request: whether the entry exists, and the claim's number.
 */
static void
claim_seen(void *arg, int err, const struct redis_reply_ints *replies, size_t n UNUSED)
{
	const struct claim_ask *ask = arg;

	bool there = !err && (replies[0].err || replies[0].i);
	int64_t number = err || replies[1].err ? 0 : replies[1].list[0];
	ask->came(ask->arg, err			       ? CLAIM_UNKNOWN
			    : there		       ? CLAIM_OVER
			    : number == IN_VAIN_NUMBER ? CLAIM_IN_VAIN
			    : number		       ? CLAIM_OTHERS
						       : CLAIM_OVER);
}

void
cache_store_watch(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	cache_claim_cb *came, void *arg)
{
	const struct claim_ask ask = { came, arg };
	char entry[CACHE_REDIS_NAME], claim[CLAIM_NAME];
	size_t n = cache_redis_name(key, entry), m = claim_name(key, claim);
	struct redis_pipe *p = redis_begin(s->redis, 2, claim_seen, &ask, sizeof(ask));

	redis_command(p, 2, (const char *[]){ "EXISTS", entry }, (size_t[]){ 6, n });
	redis_command(p, 2, (const char *[]){ "MGET", claim }, (size_t[]){ 4, m });
	redis_send(p);
}

void
cache_store_renew(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES])
{
	char name[CLAIM_NAME], ms[SPAN_DECIMAL];
	size_t n = claim_name(key, name), digits = span_decimal(ms, CLAIM_LASTS_US / 1000);

	redis_send_only(s->redis, 3, (const char *[]){ "PEXPIRE", name, ms },
		(size_t[]){ 7, n, digits });
}

/* Used by the callback, which may run after the exchange has ended. */
struct claim_release {
	struct redis *redis;
	int64_t number;
	bool in_vain;
	char name[CLAIM_NAME];
};

static void
claim_read(void *arg, int err, const struct redis_reply_ints *replies, size_t n UNUSED)
{
	const struct claim_release *c = arg;

	if (err || replies[1].err || replies[1].n != 1 || replies[1].list[0] != c->number)
		return;
	if (c->in_vain)
		redis_send_only(c->redis, 5,
			(const char *[]){ "SET", c->name, IN_VAIN, "PX", IN_VAIN_MS },
			(size_t[]){ 3, CLAIM_NAME - 1, 2, 2, strlen(IN_VAIN_MS) });
	else
		redis_send_only(c->redis, 2, (const char *[]){ "DEL", c->name },
			(size_t[]){ 3, CLAIM_NAME - 1 });
}

/* After the claim's time was over, another request may have the key. The key is read after its
 * time was renewed, so it cannot expire between reading and deleting. No script is used,
 * because Redis' user may not be permitted to run scripts. */
void
cache_store_release(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	int64_t number, bool in_vain)
{
	struct claim_release c = { .redis = s->redis, .number = number, .in_vain = in_vain };
	char ms[SPAN_DECIMAL];
	size_t n = claim_name(key, c.name), digits = span_decimal(ms, CLAIM_LASTS_US / 1000);
	struct redis_pipe *p = redis_begin(s->redis, 2, claim_read, &c, sizeof(c));

	redis_command(
		p, 3, (const char *[]){ "PEXPIRE", c.name, ms }, (size_t[]){ 7, n, digits });
	redis_command(p, 2, (const char *[]){ "MGET", c.name }, (size_t[]){ 4, n });
	redis_send(p);
}

/* ---- vectors ---- */

void
cache_store_nearest(const struct cache_store *s, const unsigned char set[CACHE_KEY_BYTES],
	struct span vector, redis_hash_cb *came, void *arg)
{
	char name[CACHE_REDIS_NAME];
	size_t n = cache_redis_name(set, name);

	redis_pairs(s->redis, 7,
		(const char *[]){ "VSIM", name, "FP32", vector.p, "WITHSCORES", "COUNT", "1" },
		(size_t[]){ 4, n, 4, vector.n, 10, 5, 1 }, 1, 1024, came, arg);
}

/* MULTI, VADD, PEXPIRE, VCARD, EXEC: in one transaction, because a set without an expiry would
 * stay for ever */
enum { KEPT_EXEC = 4 };

/* Used by the callback, which may run after the request has ended. */
struct vector_put {
	struct redis *redis;
	struct metrics *metrics;
	char name[CACHE_REDIS_NAME];
};

static void
vector_kept(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct vector_put *k = arg;

	const struct redis_reply_ints *exec = &replies[KEPT_EXEC];
	/* the set has another dimension, or the key is no set */
	bool refused = !err && n == KEPT_EXEC + 1 && exec->err;

	if (err || refused)
		metric_inc(k->metrics, M_CACHE_UNKEPT);
	if (err || (!refused && (exec->n < 3 || exec->list[2] <= VECTORS_MOST)))
		return;
	redis_send_only(k->redis, 2, (const char *[]){ "UNLINK", k->name },
		(size_t[]){ 6, sizeof(k->name) - 1 });
}

void
cache_store_put_vector(const struct cache_store *s, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char element[CACHE_BOUND_BYTES], struct span vector, uint64_t ttl_us)
{
	struct vector_put k = { .redis = s->redis, .metrics = s->metrics };
	char ttl[SPAN_DECIMAL];
	size_t n = cache_redis_name(set, k.name),
	       digits = span_decimal(ttl, (int64_t)(ttl_us / 1000));
	struct redis *at = redis_at(k.redis, span_of(k.name, n));
	struct redis_pipe *p = redis_begin(k.redis, KEPT_EXEC + 1, vector_kept, &k, sizeof(k));

	redis_command_at(p, at, 1, (const char *[]){ "MULTI" }, (size_t[]){ 5 });
	redis_command_at(p, at, 5,
		(const char *[]){ "VADD", k.name, "FP32", vector.p, (const char *)element },
		(size_t[]){ 4, n, 4, vector.n, CACHE_BOUND_BYTES });
	redis_command_at(p, at, 3, (const char *[]){ "PEXPIRE", k.name, ttl },
		(size_t[]){ 7, n, digits });
	redis_command_at(p, at, 2, (const char *[]){ "VCARD", k.name }, (size_t[]){ 5, n });
	redis_command_at(p, at, 1, (const char *[]){ "EXEC" }, (size_t[]){ 4 });
	redis_send(p);
}

void
cache_store_drop_vector(const struct cache_store *s, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char element[CACHE_BOUND_BYTES])
{
	char name[CACHE_REDIS_NAME];
	size_t n = cache_redis_name(set, name);

	redis_send_only(s->redis, 3, (const char *[]){ "VREM", name, (const char *)element },
		(size_t[]){ 4, n, CACHE_BOUND_BYTES });
}
