/* Tables of placeholders. A chunk is a sealed entry with its length in 4 bytes behind it. A
 * chunk can thus be added with APPEND, and a reader proceeds from the end to the beginning.
 * In this process the tables are entries of a struct cache, with its limits and its erasure.
 */
#include "gate/sources/kept.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/sha256.h"

enum {
	LENGTH_BYTES = 4,
	VERSION = 1,
	HEAD_BYTES = 1 + 1 + 8,
	ENTRY_BYTES = 2 + 2 + 4,
	NOBODYS = 0xffff,
	OCCURS_BIT = 30, /* the length of a value has the form of its occurrences from this bit on;
			  * earlier versions write 0 */
	REDIS_NAME = sizeof(KEPT_REDIS_PREFIX) + 2 * KEPT_KEY_BYTES
};
#define KEPT_S	(31 * 86400)
#define KEPT_US (KEPT_S * UINT64_C(1000000))

/* owner: the process. `adding` serializes additions; the keys do not change. */
struct kept_tables {
	struct cache *cache;
	pthread_mutex_t adding;
	bool shared;
	unsigned char name_key[32], tag_key[32];
};

struct kept_tables *
kept_tables_new(const unsigned char *secret)
{
	struct kept_tables *t = calloc(1, sizeof(*t));
	unsigned char own[CACHE_KEY_BYTES];

	if (!t || pthread_mutex_init(&t->adding, NULL) != 0) {
		free(t);
		return NULL;
	}
	t->shared = secret != NULL;
	random_bytes(own, sizeof(own));
	const unsigned char *key = secret ? secret : own;
	hmac_sha256(key, SPAN_LIT("tollgate-kept-name-v1"), t->name_key);
	hmac_sha256(key, SPAN_LIT("tollgate-kept-tag-v1"), t->tag_key);
	t->cache = cache_new(key, CAP_KEPT_BYTES);
	sodium_memzero(own, sizeof(own));
	if (!t->cache)
		kept_tables_free(&t);
	return t;
}

void
kept_tables_free(struct kept_tables **t)
{
	if (!*t)
		return;
	cache_free(&(*t)->cache);
	pthread_mutex_destroy(&(*t)->adding);
	sodium_memzero(*t, sizeof(**t));
	free(*t);
	*t = NULL;
}

struct cache *
kept_tables_cache(const struct kept_tables *t)
{
	return t->cache;
}

bool
kept_tables_shared(const struct kept_tables *t)
{
	return t->shared;
}

void
kept_key(const struct kept_tables *t, const unsigned char *who, struct span name,
	unsigned char out[KEPT_KEY_BYTES])
{
	struct sha256 h;

	hmac_begin(&h, t->name_key);
	sha256_add(&h, span_of(who, SHA256_BYTES));
	sha256_add(&h, name);
	hmac_end(&h, t->name_key, out);
}

void
kept_tag_key(const struct kept_tables *t, const unsigned char *who, unsigned char out[32])
{
	hmac_sha256(t->tag_key, span_of(who, SHA256_BYTES), out);
}

/* ---- stored ---- */

static size_t
kept_redis_name(const unsigned char key[KEPT_KEY_BYTES], char out[REDIS_NAME])
{
	size_t n = strlen(KEPT_REDIS_PREFIX);

	memcpy(out, KEPT_REDIS_PREFIX, n);
	sodium_bin2hex(out + n, REDIS_NAME - n, key, KEPT_KEY_BYTES);
	return REDIS_NAME - 1;
}

static void
put_big_endian(struct buf *out, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0)
		buf_putc(out, (char)(v >> (8 * bytes)));
}

static uint64_t
read_big_endian(struct span s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

/* Adds the chunk in this process. Returns true if earlier chunks are dropped. */
static bool
add_here(struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES], struct span added,
	bool anew)
{
	SCOPED_BUF(all, KEPT_TABLE_MOST);
	SCOPED_LOCK(&t->adding);
	if (!anew)
		cache_get(t->cache, key, &all);
	if (all.n + added.n > KEPT_TABLE_MOST) {
		anew = true;
		buf_clear(&all);
	}
	buf_span(&all, added);
	if (!buf_failed(&all))
		cache_put(t->cache, key, buf_view(&all), clock_mono_us() + KEPT_US);
	return anew;
}

void
kept_add(struct kept_tables *t, struct redis *redis, const unsigned char key[KEPT_KEY_BYTES],
	const struct kept_addition *a)
{
	const struct cache_answer entry = { .bytes = a->chunk };
	struct cache_stamp st = { .stored_ms = a->now_ms };
	char name[REDIS_NAME], ttl[SPAN_DECIMAL];
	SCOPED_BUF(added, 0);

	cache_name(cache_keys(t->cache), CACHE_NAMED_WHO, a->holder, st.who);
	if (cache_seal(cache_keys(t->cache), key, &st, &entry, &added))
		return;
	put_big_endian(&added, added.n, LENGTH_BYTES);
	if (buf_failed(&added))
		return;
	bool anew = add_here(t, key, buf_view(&added), a->anew);
	if (!t->shared || !redis || !redis_up(redis))
		return;
	size_t n = kept_redis_name(key, name), digits = span_decimal(ttl, KEPT_S);
	struct redis_pipe *p = redis_begin(redis, 2, NULL, NULL, 0);
	redis_command(p, 3,
		(const char *[]){ anew ? "SET" : "APPEND", name, buf_view(&added).p },
		(const size_t[]){ anew ? 3 : 6, n, added.n });
	redis_command(p, 3, (const char *[]){ "EXPIRE", name, ttl },
		(const size_t[]){ 6, n, digits });
	redis_send(p);
}

bool
kept_get(struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES], struct buf *stored)
{
	return cache_get(t->cache, key, stored);
}

void
kept_ask(struct redis *redis, const unsigned char key[KEPT_KEY_BYTES], redis_hash_cb *cb,
	void *arg)
{
	char name[REDIS_NAME];

	redis_value(redis, span_of(name, kept_redis_name(key, name)), KEPT_TABLE_MOST, cb, arg);
}

int
kept_chunk(const struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES],
	struct span *stored, struct buf *plain)
{
	struct cache_stamp st;
	struct cache_answer a;

	if (stored->n == 0)
		return 0;
	if (stored->n < LENGTH_BYTES)
		return ERR_AUTH;
	size_t end = stored->n - LENGTH_BYTES;
	uint64_t n = read_big_endian(span_cut(*stored, end, stored->n));
	if (n == 0 || n > end)
		return ERR_AUTH;
	SCOPED_BUF(opened, 0);
	if (cache_unseal(cache_keys(t->cache), key, span_cut(*stored, end - n, end), &st,
		    &opened, &a))
		return ERR_AUTH;
	*stored = span_cut(*stored, 0, end - n);
	buf_span(plain, a.bytes);
	return buf_failed(plain) ? ERR_NOMEM : 1;
}

/* ---- entries ---- */

void
kept_write_head(struct buf *out, bool tagged, uint64_t floor)
{
	buf_putc(out, VERSION);
	buf_putc(out, tagged);
	put_big_endian(out, floor, 8);
}

void
kept_write_entry(struct buf *out, const struct kept_entry *e)
{
	put_big_endian(out, e->placeholder.n, 2);
	put_big_endian(out, e->value.p ? e->entity.n : NOBODYS, 2);
	put_big_endian(
		out, e->value.p ? e->value.n | (uint64_t)e->occurs << OCCURS_BIT : 0, 4);
	buf_span(out, e->placeholder);
	if (e->value.p) {
		buf_span(out, e->entity);
		buf_span(out, e->value);
	}
}

bool
kept_read_head(struct span chunk, struct kept_chunk *c)
{
	if (chunk.n < HEAD_BYTES || chunk.p[0] != VERSION)
		return false;
	*c = (struct kept_chunk){ .tagged = chunk.p[1] != 0,
		.floor = read_big_endian(span_cut(chunk, 2, HEAD_BYTES)),
		.rest = span_cut(chunk, HEAD_BYTES, chunk.n) };
	return true;
}

bool
kept_read_entry(struct kept_chunk *c, struct kept_entry *e)
{
	struct span s = c->rest;

	if (s.n < ENTRY_BYTES)
		return false;
	size_t name = read_big_endian(span_cut(s, 0, 2)),
	       entity = read_big_endian(span_cut(s, 2, 4)),
	       value = read_big_endian(span_cut(s, 4, 8));
	bool nobodys = entity == NOBODYS;
	unsigned occurs = (unsigned)(value >> OCCURS_BIT);
	value &= ((size_t)1 << OCCURS_BIT) - 1;
	if (nobodys)
		entity = 0;
	s = span_cut(s, ENTRY_BYTES, s.n);
	if (name + entity + value > s.n || occurs > OCCURS_AS_TEXT)
		return false;
	*e = (struct kept_entry){ .placeholder = span_cut(s, 0, name),
		.occurs = (enum occurrence)occurs };
	if (!nobodys) {
		e->entity = span_cut(s, name, name + entity);
		e->value = span_cut(s, name + entity, name + entity + value);
	}
	c->rest = span_cut(s, name + entity + value, s.n);
	return true;
}
