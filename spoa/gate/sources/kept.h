/* What the placeholders of a kept conversation stand for: a table under each name by which a
 * caller goes on with it (docs/placeholders.md). A table is a list of chunks that are only ever
 * added, so that two callers at once lose nothing. A chunk is sealed (gate/cache/entry.h) under
 * a key that Redis does not have, for one caller and one name. Tables lie in this process, and
 * where daemons share a key, in their Redis too; both for as long as a pin. */
#ifndef GATE_SOURCES_KEPT_H
#define GATE_SOURCES_KEPT_H

#include "base/redis/redis.h"
#include "gate/cache/cache.h"

enum {
	KEPT_KEY_BYTES = CACHE_KEY_BYTES,
	KEPT_TABLE_MOST = 512 << 10, /* bytes of a table as it is stored; then it begins anew */
	KEPT_CHUNK_MOST = 192 << 10, /* bytes of a chunk's entries */
};
#define KEPT_REDIS_PREFIX "tollgate:kept:"

/* owner: the process. Any thread, but for what needs Redis: owner: worker. */
struct kept_tables;
/* `secret` of daemons that share tables; NULL: of this process alone, and its Redis has none.
 * Returns NULL if out of memory. */
struct kept_tables *kept_tables_new(const unsigned char *secret);
void kept_tables_free(struct kept_tables **t);
/* For erasures: entries by whose they are. */
struct cache *kept_tables_cache(const struct kept_tables *t);
/* Whether its tables are in Redis, too. */
bool kept_tables_shared(const struct kept_tables *t);

/* The key of a caller's (`who`, SHA256_BYTES) table under a name. */
void kept_key(const struct kept_tables *t, const unsigned char *who, struct span name,
	unsigned char out[KEPT_KEY_BYTES]);
/* The key of a caller's tags. */
void kept_tag_key(
	const struct kept_tables *t, const unsigned char *who, unsigned char out[32]);

struct kept_addition {
	struct span holder; /* whose it is, for erasures */
	struct span chunk;
	int64_t now_ms; /* wall */
	bool anew;	/* what was there before goes: it is over its cap */
};
/* Adds a chunk. `redis`: NULL if there is none. */
void kept_add(struct kept_tables *t, struct redis *redis,
	const unsigned char key[KEPT_KEY_BYTES], const struct kept_addition *a);
/* Appends the table that is in this process, as stored. False: there is none. */
bool kept_get(
	struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES], struct buf *stored);
/* Asks Redis, as redis_value(): the callback gets it as stored. */
void kept_ask(struct redis *redis, const unsigned char key[KEPT_KEY_BYTES], redis_hash_cb *cb,
	void *arg);
/* Opens the last chunk of *stored, and takes it off there: its bytes are in *plain. 1; 0: there
 * is no more; ERR_AUTH: what is there is none of ours. */
int kept_chunk(const struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES],
	struct span *stored, struct buf *plain);

/* ---- the entries of a chunk ---- */

struct kept_entry {
	struct span placeholder, entity, value; /* entity, value: p NULL: it is nobody's */
};
struct kept_chunk {
	bool tagged;	/* a plain number was lost: new ones might collide with it */
	uint64_t floor; /* no plain number up to it may be given */
	struct span rest;
};
/* Begins to write or read one. False: it is none. */
void kept_write_head(struct buf *out, bool tagged, uint64_t floor);
void kept_write_entry(struct buf *out, const struct kept_entry *e);
bool kept_read_head(struct span chunk, struct kept_chunk *c);
bool kept_read_entry(struct kept_chunk *c, struct kept_entry *e);

#endif
