/* The values behind the placeholders of a kept conversation (docs/placeholders.md).
 *
 * There is a table under each name by which a caller continues the conversation. A table is a
 * list of chunks, and chunks are only added, so two concurrent requests lose nothing. A chunk
 * is sealed (gate/cache/entry.h) for one caller and one name, under a key that Redis does not
 * have. Tables are in this process and, if daemons share a key, also in their Redis, for 31
 * days like pins. */
#ifndef GATE_SOURCES_KEPT_H
#define GATE_SOURCES_KEPT_H

#include "answer/vault.h"
#include "base/redis/redis.h"
#include "gate/cache/cache.h"

enum {
	KEPT_KEY_BYTES = CACHE_KEY_BYTES,
	/* bytes of a stored table; a table that would be larger starts again empty */
	KEPT_TABLE_MOST = 512 << 10,
	KEPT_CHUNK_MOST = 192 << 10, /* bytes of the entries in a chunk */
};
#define KEPT_REDIS_PREFIX "tollgate:kept:"

/* owner: the process. Any thread, except for functions with `redis`: owner: worker. */
struct kept_tables;
/* `secret` belongs to daemons that share tables. NULL: the tables belong to this process
 * alone and are not in Redis. Returns NULL if memory is exhausted. */
struct kept_tables *kept_tables_new(const unsigned char *secret);
void kept_tables_free(struct kept_tables **t);
/* Returns the cache with the tables, from which erasures delete entries by their holder. */
struct cache *kept_tables_cache(const struct kept_tables *t);
/* Returns true if the tables are also in Redis. */
bool kept_tables_shared(const struct kept_tables *t);

/* Writes the key of the caller's table under a name. `who`: SHA256_BYTES that identify the
 * caller. */
void kept_key(const struct kept_tables *t, const unsigned char *who, struct span name,
	unsigned char out[KEPT_KEY_BYTES]);
/* Writes the key from which the caller's tags are derived. */
void kept_tag_key(
	const struct kept_tables *t, const unsigned char *who, unsigned char out[32]);

struct kept_addition {
	struct span holder; /* the person, for erasures */
	struct span chunk;
	int64_t now_ms; /* wall clock */
	bool anew;	/* drop the earlier chunks: they exceed their limit */
};
/* Adds a chunk. `redis` may be NULL. An error is ignored: the values are then not restored
 * later. */
void kept_add(struct kept_tables *t, struct redis *redis,
	const unsigned char key[KEPT_KEY_BYTES], const struct kept_addition *a);
/* Appends the table of this process, as stored, to *stored. Returns false if there is none.
 */
bool kept_get(
	struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES], struct buf *stored);
/* Asks Redis for the table, as redis_value() does: the callback gets it as stored. */
void kept_ask(struct redis *redis, const unsigned char key[KEPT_KEY_BYTES], redis_hash_cb *cb,
	void *arg);
/* Opens the last chunk of *stored, removes it from there, and appends its bytes to *plain.
 * Returns 1; 0 if no chunk is left; ERR_AUTH if the bytes are not a chunk of this table;
 * ERR_NOMEM. */
int kept_chunk(const struct kept_tables *t, const unsigned char key[KEPT_KEY_BYTES],
	struct span *stored, struct buf *plain);

/* ---- the entries of a chunk ---- */

struct kept_entry {
	/* if the value's p is NULL, the placeholder is taken but has no value */
	struct span placeholder, entity, value;
	enum occurrence occurs; /* in the conversation so far */
};
struct kept_chunk {
	/* a plain number was lost, so new plain numbers could collide with it */
	bool tagged;
	uint64_t floor; /* no plain number up to this one may be assigned */
	struct span rest;
};
/* Begin to write or read a chunk, then one entry each. The readers return false at the end or
 * if the bytes are not valid. */
void kept_write_head(struct buf *out, bool tagged, uint64_t floor);
void kept_write_entry(struct buf *out, const struct kept_entry *e);
bool kept_read_head(struct span chunk, struct kept_chunk *c);
bool kept_read_entry(struct kept_chunk *c, struct kept_entry *e);

#endif
