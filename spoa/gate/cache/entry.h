/* An answer that is kept: as its provider wrote it, before anything was put back, under
 * AES-256-GCM. Its key in the cache and what stands open before it are the associated data, so
 * that one which was moved, altered, cut or made by another key is none. */
#ifndef GATE_CACHE_ENTRY_H
#define GATE_CACHE_ENTRY_H

#include "base/buf.h"
#include "gate/cache/key.h"

enum { CACHE_NAME_BYTES = 8, CACHE_ENTRY_MOST = 256 << 10 };

/* What is open: who may purge reads it without the key. */
struct cache_stamp {
	int64_t stored_ms;					      /* wall */
	unsigned char route[CACHE_NAME_BYTES], who[CACHE_NAME_BYTES]; /* keyed hashes: names */
};

/* What is sealed. Views. */
struct cache_answer {
	enum form form; /* the provider's */
	bool streamed;	/* as events, in the framing `frames` (enum frames_kind) */
	unsigned char frames;
	unsigned char
		distance; /* in thousandths, of one that was asked for in other words; 0: not */
	bool points;	  /* it is no answer: `bytes` are the key of one, and the prompt of its
			     request */
	struct span path; /* that was asked: some formats are told by it */
	struct span bytes;
};

/* Daemons that have the same ones share entries. Secret. */
struct cache_keys {
	unsigned char index[CACHE_KEY_BYTES]; /* of cache_key() */
	unsigned char cipher[32], names[2][16], bind[32];
};
void cache_keys_derive(const unsigned char secret[CACHE_KEY_BYTES], struct cache_keys *out);

/* Of a route's or a person's name: SipHash-2-4. */
enum cache_named { CACHE_NAMED_ROUTE, CACHE_NAMED_WHO };
void cache_name(const struct cache_keys *k, enum cache_named of, struct span name,
	unsigned char out[CACHE_NAME_BYTES]);
/* An entry's key and a keyed hash of it and of the set that it is in: whoever can write to
 * Redis cannot make a set point to an entry of another scope. */
enum { CACHE_BOUND_BYTES = CACHE_KEY_BYTES + 16 };
void cache_bind(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], unsigned char out[CACHE_BOUND_BYTES]);
/* Whether it is of that set; its key is its first CACHE_KEY_BYTES. */
bool cache_is_bound(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	struct span element);
/* Appends the sealed entry. 0, or ERR_LIMIT: it is over CACHE_ENTRY_MOST; ERR_NOMEM. */
int cache_seal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a, struct buf *out);
/* The stamp alone; false: it is none. */
bool cache_stamp_of(struct span sealed, struct cache_stamp *st);
/* *plain owns what *a points into. 0, or ERR_AUTH: it is not what was stored under this key. */
int cache_unseal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	struct span sealed, struct cache_stamp *st, struct buf *plain, struct cache_answer *a);

#endif
