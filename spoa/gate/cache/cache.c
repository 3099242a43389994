/* The response cache of a process: a hash table of entries with a list in the order of use, under
 * one mutex. The flights of identical requests have a table of the same size, so that a lookup
 * and a flight of one key have the same place. Each place also remembers when a flight last ended
 * in it, and the last key whose response could not be stored.
 *
 * An entry is encoded as version, stamp, nonce, ciphertext, tag (AES-256-GCM, NIST SP 800-38D). The
 * nonce is random. A key encrypts far fewer than 2^32 entries, the limit for random nonces.
 *
 * The purge in Redis uses SCAN, GET and UNLINK. The stamp is at the beginning of an entry, but the
 * whole entry is read, so that a cut entry is noticed. */
#include "gate/cache/cache.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/redis/redis_sync.h"
#include "base/scoped.h"
#include "base/why.h"
#include "gate/cache/entry.h"
#include "gate/cache/purge.h"

/* ---- the encoding of an entry ---- */

enum {
	VERSION = 1,
	STAMP_BYTES = 1 + 8 + 2 * CACHE_NAME_BYTES,
	NONCE_BYTES = 12,
	TAG_BYTES = 16,
	IS_POINTER = 1,
	IS_DISTANT = 2, /* IS_DISTANT + the distance */
	OPEN_BYTES = STAMP_BYTES + NONCE_BYTES,
	INNER_BYTES = 4 + 4 /* form, streamed, framing, kind of entry; length of the path */
};

void
cache_keys_derive(const unsigned char secret[CACHE_KEY_BYTES], struct cache_keys *k)
{
	const struct {
		const char *what;
		unsigned char *out;
		size_t n;
	} of[] = { { "key", k->index, sizeof(k->index) },
		{ "entry", k->cipher, sizeof(k->cipher) },
		{ "route", k->names[CACHE_NAMED_ROUTE], sizeof(k->names[0]) },
		{ "who", k->names[CACHE_NAMED_WHO], sizeof(k->names[0]) },
		{ "bind", k->bind, sizeof(k->bind) } };

	for (size_t i = 0; i < COUNT_OF(of); i++)
		crypto_generichash(of[i].out, of[i].n, (const unsigned char *)of[i].what,
			strlen(of[i].what), secret, CACHE_KEY_BYTES);
}

void
cache_name(const struct cache_keys *k, enum cache_named of, struct span name,
	unsigned char out[CACHE_NAME_BYTES])
{
	_Static_assert(CACHE_NAME_BYTES == crypto_shorthash_BYTES, "a whole one");
	crypto_shorthash(out, (const unsigned char *)name.p, name.n, k->names[of]);
}

void
cache_bind(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], unsigned char out[CACHE_BOUND_BYTES])
{
	crypto_generichash_state h;

	crypto_generichash_init(
		&h, k->bind, sizeof(k->bind), CACHE_BOUND_BYTES - CACHE_KEY_BYTES);
	crypto_generichash_update(&h, set, CACHE_KEY_BYTES);
	crypto_generichash_update(&h, key, CACHE_KEY_BYTES);
	memcpy(out, key, CACHE_KEY_BYTES);
	crypto_generichash_final(
		&h, out + CACHE_KEY_BYTES, CACHE_BOUND_BYTES - CACHE_KEY_BYTES);
}

bool
cache_is_bound(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	struct span element)
{
	unsigned char own[CACHE_BOUND_BYTES];

	if (element.n != sizeof(own))
		return false;
	cache_bind(k, set, (const unsigned char *)element.p, own);
	return sodium_memcmp(own, element.p, sizeof(own)) == 0;
}

/* Reads only the stamp. Returns false if this is not an entry. */
static bool
cache_stamp_of(struct span sealed, struct cache_stamp *st)
{
	const unsigned char *p = (const unsigned char *)sealed.p;
	uint64_t ms = 0;

	if (sealed.n < OPEN_BYTES + TAG_BYTES || p[0] != VERSION)
		return false;
	for (unsigned i = 0; i < 8; i++)
		ms = ms << 8 | p[1 + i];
	st->stored_ms = (int64_t)ms;
	memcpy(st->route, p + 9, CACHE_NAME_BYTES);
	memcpy(st->who, p + 9 + CACHE_NAME_BYTES, CACHE_NAME_BYTES);
	return true;
}

/* Encrypts or decrypts `in`. The tag is written if `seals` is set, and checked otherwise. */
static bool
run_gcm(bool seals, const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const unsigned char *open, struct span in, unsigned char *out,
	unsigned char tag[TAG_BYTES])
{
	unsigned char last[TAG_BYTES];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n, on = seals ? 1 : 0;

	bool ok =
		c &&
		EVP_CipherInit_ex(
			c, EVP_aes_256_gcm(), NULL, k->cipher, open + STAMP_BYTES, on) == 1 &&
		EVP_CipherUpdate(c, NULL, &n, open, STAMP_BYTES) == 1 &&
		EVP_CipherUpdate(c, NULL, &n, key, CACHE_KEY_BYTES) == 1 &&
		EVP_CipherUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n) == 1 &&
		(seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
		EVP_CipherFinal_ex(c, last, &n) == 1 &&
		(!seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

int
cache_seal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a, struct buf *out)
{
	uint32_t path = (uint32_t)a->path.n;
	const unsigned char inner[INNER_BYTES] = { (unsigned char)a->form, a->streamed,
		a->frames,
		(unsigned char)(a->points     ? IS_POINTER
				: a->distance ? IS_DISTANT + a->distance
					      : 0),
		(unsigned char)(path >> 24), (unsigned char)(path >> 16),
		(unsigned char)(path >> 8), (unsigned char)path };
	struct buf plain;

	if (a->bytes.n > CACHE_ENTRY_MOST || a->path.n > CACHE_ENTRY_MOST)
		return ERR_LIMIT;
	buf_init(&plain, 0);
	buf_put(&plain, inner, sizeof(inner));
	buf_span(&plain, a->path);
	buf_span(&plain, a->bytes);
	unsigned char *p = (unsigned char *)buf_reserve(out, OPEN_BYTES + plain.n + TAG_BYTES);
	bool ok = p && !buf_failed(&plain);
	if (ok) {
		p[0] = VERSION;
		for (unsigned i = 0; i < 8; i++)
			p[1 + i] = (unsigned char)((uint64_t)st->stored_ms >> (56 - 8 * i));
		memcpy(p + 9, st->route, CACHE_NAME_BYTES);
		memcpy(p + 9 + CACHE_NAME_BYTES, st->who, CACHE_NAME_BYTES);
		random_bytes(p + STAMP_BYTES, NONCE_BYTES);
		ok = run_gcm(true, k, key, p, buf_view(&plain), p + OPEN_BYTES,
			p + OPEN_BYTES + plain.n);
		buf_commit(out, ok ? OPEN_BYTES + plain.n + TAG_BYTES : 0);
	}
	buf_free(&plain);
	return ok ? 0 : ERR_NOMEM;
}

int
cache_unseal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	struct span sealed, struct cache_stamp *st, struct buf *plain, struct cache_answer *a)
{
	unsigned char tag[TAG_BYTES], *out;

	if (!cache_stamp_of(sealed, st) || sealed.n > 2 * CACHE_ENTRY_MOST + OPEN_BYTES)
		return ERR_AUTH;
	struct span in = span_cut(sealed, OPEN_BYTES, sealed.n - TAG_BYTES);
	memcpy(tag, sealed.p + sealed.n - TAG_BYTES, TAG_BYTES);
	if (in.n < INNER_BYTES || !(out = (unsigned char *)buf_reserve(plain, in.n)) ||
		!run_gcm(false, k, key, (const unsigned char *)sealed.p, in, out, tag))
		return ERR_AUTH;
	buf_commit(plain, in.n);
	struct span s = span_of(out, in.n);
	size_t path =
		(size_t)out[4] << 24 | (size_t)out[5] << 16 | (size_t)out[6] << 8 | out[7];
	if (out[0] >= FORMS || path > s.n - INNER_BYTES)
		return ERR_AUTH;
	*a = (struct cache_answer){ .form = (enum form)out[0],
		.streamed = out[1],
		.frames = out[2],
		.points = out[3] == IS_POINTER,
		.distance = out[3] > IS_DISTANT ? (unsigned char)(out[3] - IS_DISTANT) : 0,
		.path = span_cut(s, INNER_BYTES, INNER_BYTES + path),
		.bytes = span_cut(s, INNER_BYTES + path, s.n) };
	return 0;
}

/* ---- the table ---- */

enum {
	PLACES = 1 << 12,
	CALLERS = 1 << 12,
	SHARE_REST = 4 << 10, /* average bytes of an entry, for cache_has_share() */
	ENTRY_OVERHEAD = 64   /* bytes that the allocator and the lists need for an entry */
};
#define SHARE_WINDOW_US (900 * UINT64_C(1000000))
#define ALONE_US	(10 * UINT64_C(1000000))
#define IN_A_ROW_US	(30 * UINT64_C(1000000)) /* no request waits longer than this */

/* owner: the cache, under its mutex. */
struct kept {
	TAILQ_ENTRY(kept) by_use;
	LIST_ENTRY(kept) by_key;
	unsigned char key[CACHE_KEY_BYTES];
	uint64_t until_us;
	size_t n;
	char sealed[];
};

/* All members are guarded by the mutex. max_bytes bounds the entries; the other arrays are
 * fixed. */
struct cache {
	pthread_mutex_t mutex;
	struct cache_keys keys;
	uint64_t max_bytes, bytes;
	size_t entries;
	TAILQ_HEAD(, kept) by_use; /* least recently used first */
	LIST_HEAD(, kept) by_key[PLACES];
	struct {
		LIST_HEAD(, cache_flight) under_way;
		/* monotonic: when the last flight ended, and the last one whose response was not
		 * stored; `alone` is the key of the latter */
		uint64_t ended_us, alone_us;
		unsigned char alone[CACHE_KEY_BYTES];
		/* flights of the key `alone` that failed in a row; 0: the response could not be
		 * stored */
		unsigned failed;
	} flights[PLACES];
	uint64_t serial;
	/* bytes that callers have stored in this window of SHARE_WINDOW_US, by the hash of
	 * their name; callers with the same hash share one amount */
	uint64_t window_us, took[CALLERS];
};

struct cache *
cache_new(const unsigned char secret[CACHE_KEY_BYTES], uint64_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c || pthread_mutex_init(&c->mutex, NULL) != 0) {
		free(c);
		return NULL;
	}
	cache_keys_derive(secret, &c->keys);
	c->max_bytes = max_bytes;
	TAILQ_INIT(&c->by_use);
	return c;
}

const struct cache_keys *
cache_keys(const struct cache *c)
{
	return &c->keys;
}

static void
forget_kept(struct cache *c, struct kept *k)
{
	TAILQ_REMOVE(&c->by_use, k, by_use);
	LIST_REMOVE(k, by_key);
	INVARIANT(c->entries > 0 && c->bytes >= k->n + sizeof(*k) + ENTRY_OVERHEAD);
	c->bytes -= k->n + sizeof(*k) + ENTRY_OVERHEAD;
	c->entries--;
	free(k);
}

void
cache_free(struct cache **cp)
{
	struct cache *c = *cp;

	if (!c)
		return;
	while (!TAILQ_EMPTY(&c->by_use))
		forget_kept(c, TAILQ_FIRST(&c->by_use));
	INVARIANT(c->entries == 0 && c->bytes == 0);
	pthread_mutex_destroy(&c->mutex);
	sodium_memzero(&c->keys, sizeof(c->keys));
	free(c);
	*cp = NULL;
}

/* Returns the place of a hash in a table, from its first two bytes. */
static size_t
place_of(const unsigned char *hash, size_t places)
{
	return (hash[0] | (size_t)hash[1] << 8) % places;
}

bool
cache_may_keep(struct cache *c, const unsigned char who[CACHE_NAME_BYTES], size_t n)
{
	size_t place = place_of(who, CALLERS);
	uint64_t now_us = clock_mono_us();

	SCOPED_LOCK(&c->mutex);
	if (now_us - c->window_us >= SHARE_WINDOW_US) {
		memset(c->took, 0, sizeof(c->took));
		c->window_us = now_us;
	}
	bool may = c->took[place] + n <= c->max_bytes / CACHE_SHARES;
	if (may)
		c->took[place] += n;
	return may;
}

bool
cache_has_share(struct cache *c, const unsigned char who[CACHE_NAME_BYTES])
{
	SCOPED_LOCK(&c->mutex);
	return c->took[place_of(who, CALLERS)] + SHARE_REST <= c->max_bytes / CACHE_SHARES;
}

/* The entry is valid while the mutex is held. */
static struct kept *
find_kept(struct cache *c, const unsigned char key[CACHE_KEY_BYTES])
{
	struct kept *k;

	LIST_FOREACH (k, &c->by_key[place_of(key, PLACES)], by_key)
		if (!memcmp(k->key, key, CACHE_KEY_BYTES))
			break;
	return k;
}

void
cache_put(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct span sealed,
	uint64_t until_us)
{
	size_t size = sealed.n + sizeof(struct kept) + ENTRY_OVERHEAD;
	struct kept *k = size <= c->max_bytes ? malloc(sizeof(*k) + sealed.n) : NULL;

	if (!k)
		return;
	memcpy(k->key, key, CACHE_KEY_BYTES);
	memcpy(k->sealed, sealed.p, sealed.n);
	k->n = sealed.n;
	k->until_us = until_us;
	SCOPED_LOCK(&c->mutex);
	struct kept *was = find_kept(c, key);
	if (was)
		forget_kept(c, was);
	INVARIANT(size <= c->max_bytes && c->bytes <= c->max_bytes);
	while (c->bytes + size > c->max_bytes)
		forget_kept(c, TAILQ_FIRST(&c->by_use));
	TAILQ_INSERT_TAIL(&c->by_use, k, by_use);
	LIST_INSERT_HEAD(&c->by_key[place_of(key, PLACES)], k, by_key);
	c->bytes += size;
	c->entries++;
}

bool
cache_get(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct buf *out)
{
	SCOPED_LOCK(&c->mutex);
	struct kept *k = find_kept(c, key);
	if (k && k->until_us <= clock_mono_us()) {
		forget_kept(c, k);
		k = NULL;
	}
	if (k) {
		TAILQ_REMOVE(&c->by_use, k, by_use);
		TAILQ_INSERT_TAIL(&c->by_use, k, by_use);
		buf_put(out, k->sealed, k->n);
	}
	return k && !buf_failed(out);
}

size_t
cache_redis_name(const unsigned char key[CACHE_KEY_BYTES], char out[CACHE_REDIS_NAME])
{
	size_t n = (size_t)snprintf(out, CACHE_REDIS_NAME, CACHE_REDIS_PREFIX);

	sodium_bin2hex(out + n, CACHE_REDIS_NAME - n, key, CACHE_KEY_BYTES);
	return CACHE_REDIS_NAME - 1;
}

/* ---- flights ---- */

/* Call with the mutex held. */
static struct cache_flight *
flight_of(struct cache *c, const unsigned char key[CACHE_KEY_BYTES])
{
	struct cache_flight *f;

	LIST_FOREACH (f, &c->flights[place_of(key, PLACES)].under_way, of_place)
		if (!memcmp(f->key, key, CACHE_KEY_BYTES))
			break;
	return f;
}

/* Returns true if this key's flight ended without a stored response within the last
 * within_us. Each place remembers only one such key. */
static bool
was_not_kept(const struct cache *c, size_t place, const unsigned char key[CACHE_KEY_BYTES],
	uint64_t within_us)
{
	uint64_t at_us = c->flights[place].alone_us;

	return at_us && clock_mono_us() - at_us < within_us &&
	       !memcmp(c->flights[place].alone, key, CACHE_KEY_BYTES);
}

enum cache_flight_role
cache_flight_begin(struct cache *c, struct cache_flight *f,
	const unsigned char key[CACHE_KEY_BYTES], uint64_t looked_us, uint64_t *serial)
{
	size_t place = place_of(key, PLACES);
	enum cache_flight_role role = FLIGHT_LEADS;

	INVARIANT(!f->serial); /* the request leads no flight */
	SCOPED_LOCK(&c->mutex);
	const struct cache_flight *first = flight_of(c, key);
	unsigned failed = c->flights[place].failed;
	if ((!failed || failed >= CACHE_FLIGHTS) && was_not_kept(c, place, key, ALONE_US)) {
		role = failed ? FLIGHT_FAILED : FLIGHT_ALONE;
	} else if (first) {
		role = FLIGHT_FOLLOWS;
		INVARIANT(first != f && first->serial);
		*serial = first->serial;
	} else if (c->flights[place].ended_us >= looked_us) {
		role = FLIGHT_LOOKS;
	} else {
		memcpy(f->key, key, CACHE_KEY_BYTES);
		f->serial = ++c->serial;
		LIST_INSERT_HEAD(&c->flights[place].under_way, f, of_place);
	}
	return role;
}

bool
cache_flight_lasts(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], uint64_t serial)
{
	SCOPED_LOCK(&c->mutex);
	const struct cache_flight *f = flight_of(c, key);
	return f && f->serial == serial;
}

void
cache_flight_end(struct cache *c, struct cache_flight *f, enum cache_flight_end how)
{
	size_t place = place_of(f->key, PLACES);

	if (!f->serial)
		return;
	SCOPED_LOCK(&c->mutex);
	LIST_REMOVE(f, of_place);
	f->serial = 0;
	bool again = was_not_kept(c, place, f->key, IN_A_ROW_US);
	if (how == FLIGHT_ENDS_KEPT) {
		c->flights[place].ended_us = clock_mono_us();
		if (again)
			c->flights[place].alone_us = 0;
	} else {
		unsigned before = again ? c->flights[place].failed : 0;
		c->flights[place].failed = how == FLIGHT_ENDS_FAILED ? before + 1 : 0;
		c->flights[place].alone_us = clock_mono_us();
		memcpy(c->flights[place].alone, f->key, CACHE_KEY_BYTES);
	}
}

/* ---- purges ---- */

/* Returns true if `p` selects this entry. An entry without a readable stamp is always selected.
 */
static bool
cache_purges(const struct cache_purge *p, struct span sealed)
{
	struct cache_stamp st;

	/* an entry without a readable stamp is useless */
	if (!cache_stamp_of(sealed, &st))
		return true;
	return (!p->route || !memcmp(st.route, p->route, CACHE_NAME_BYTES)) &&
	       (!p->who || !memcmp(st.who, p->who, CACHE_NAME_BYTES)) &&
	       (!p->before_ms || st.stored_ms < p->before_ms);
}

size_t
cache_purge(struct cache *c, const struct cache_purge *p)
{
	struct kept *k, *next;
	size_t n = 0;

	/* Takes the mutex for one place at a time, because workers wait for it. */
	for (size_t i = 0; i < PLACES; i++) {
		pthread_mutex_lock(&c->mutex);
		for (k = LIST_FIRST(&c->by_key[i]); k; k = next) {
			next = LIST_NEXT(k, by_key);
			if (cache_purges(p, span_of(k->sealed, k->n))) {
				forget_kept(c, k);
				n++;
			}
		}
		pthread_mutex_unlock(&c->mutex);
	}
	return n;
}

struct cache_size
cache_size(struct cache *c)
{
	SCOPED_LOCK(&c->mutex);
	struct cache_size s = { c->entries, c->bytes };
	return s;
}

/* ---- the purge in Redis ---- */

enum { AT_ONCE = 8 /* entries of up to 512 KB in one round */ };
#define SCAN_COUNT "32"

/* Returns the next reply of the pipeline, or NULL with *why if the connection is lost. */
static redisReply *
purge_reply(redisContext *c, struct buf *why)
{
	redisReply *r = redis_reply(c);

	if (r)
		return r;
	buf_clear(why);
	buf_str(why, redis_sync_error(c));
	return NULL;
}

static void
note_failed(const redisReply *r, struct cache_purged *out, struct buf *why)
{
	out->failed++;
	if (!why->n)
		buf_put(why, r->str, r->len);
}

/* Decides whether the entry is deleted, from the reply to GET. */
static bool
is_to_go(const struct cache_purge *p, const redisReply *r, struct cache_purged *out,
	struct buf *why)
{
	struct span said = span_of(r->str, r->len);

	if (r->type == REDIS_REPLY_STRING)
		return cache_purges(p, said);
	if (r->type != REDIS_REPLY_ERROR) /* the entry has expired since SCAN */
		return false;
	/* the name is ours but the value is not an entry: useless */
	if (span_starts(said, SPAN_LIT("WRONGTYPE")))
		return cache_purges(p, SPAN_LIT(""));
	note_failed(r, out, why);
	return false;
}

/* Handles up to AT_ONCE keys in two rounds: GET all, then UNLINK the selected ones. */
static int
purge_some(redisContext *c, redisReply *const *key, size_t n, const struct cache_purge *p,
	struct cache_purged *out, struct buf *why)
{
	bool goes[AT_ONCE], all = !p->route && !p->who && !p->before_ms;

	for (size_t i = 0; !all && i < n; i++)
		redisAppendCommandArgv(c, 2, (const char *[]){ "GET", key[i]->str },
			(size_t[]){ 3, key[i]->len });
	for (size_t i = 0; i < n; i++) {
		goes[i] = all;
		if (all)
			continue;
		reply_auto_t *r = purge_reply(c, why);
		if (!r)
			return ERR_IO;
		goes[i] = is_to_go(p, r, out, why);
	}
	/* one key a command, because the keys are in several slots of a cluster */
	for (size_t i = 0; i < n; i++)
		if (goes[i])
			redisAppendCommandArgv(c, 2, (const char *[]){ "UNLINK", key[i]->str },
				(size_t[]){ 6, key[i]->len });
	for (size_t i = 0; i < n; i++) {
		if (!goes[i])
			continue;
		reply_auto_t *r = purge_reply(c, why);
		if (!r)
			return ERR_IO;
		if (r->type == REDIS_REPLY_ERROR)
			note_failed(r, out, why);
		else
			out->purged += r->integer == 1;
	}
	return 0;
}

/* Names of requests in flight have the same prefix but another length
 * (gate/engine/together.c). */
static bool
is_entry_name(const redisReply *key, const char *prefix)
{
	return key->type == REDIS_REPLY_STRING &&
	       key->len == strlen(prefix) + 2 * (size_t)CACHE_KEY_BYTES;
}

/* Makes one round of SCAN and purges the entries found. */
static int
purge_round(redisContext *c, char cursor[REDIS_CURSOR], const struct cache_purge *p,
	struct cache_purged *out, struct buf *why)
{
	const char *prefix = p->prefix ? p->prefix : CACHE_REDIS_PREFIX;
	char match[64];
	const char *argv[] = { "SCAN", cursor, "MATCH", match, "COUNT", SCAN_COUNT };
	int err = 0;

	snprintf(match, sizeof(match), "%s*", prefix);
	redisAppendCommandArgv(c, 6, argv, NULL);
	reply_auto_t *r = purge_reply(c, why);
	if (!r)
		return ERR_IO;
	const redisReply *keys = redis_scan_list(r, cursor);
	if (!keys) {
		buf_clear(why);
		return why_err(why, ERR_IO, "SCAN: %s",
			r->str ? r->str : "Redis returned another type of reply");
	}
	redisReply *some[AT_ONCE];
	size_t n = 0;
	for (size_t i = 0; i < keys->elements && !err; i++) {
		if (is_entry_name(keys->element[i], prefix))
			some[n++] = keys->element[i];
		if (n < AT_ONCE && i + 1 < keys->elements)
			continue;
		err = purge_some(c, some, n, p, out, why);
		n = 0;
	}
	return err;
}

int
cache_redis_purge(redisContext *c, const struct cache_purge *p, const atomic_bool *stop,
	uint64_t until_us, struct cache_purged *out, struct buf *why)
{
	char cursor[REDIS_CURSOR] = "0";
	int err;

	do {
		err = atomic_load(stop)		    ? ERR_BAD_STATE
		      : clock_mono_us() >= until_us ? ERR_TIMEOUT
						    : purge_round(c, cursor, p, out, why);
	} while (!err && strcmp(cursor, "0") != 0);
	if (err == ERR_BAD_STATE || err == ERR_TIMEOUT) {
		buf_clear(why);
		buf_str(why, err == ERR_TIMEOUT
				     ? "the purge did not finish in time: purge again"
				     : "the daemon is stopping: purge again after its start");
	}
	return err;
}
