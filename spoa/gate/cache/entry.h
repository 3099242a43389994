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
	struct span path; /* that was asked: some formats are told by it */
	struct span bytes;
};

/* Of a route's or a person's name. */
void cache_name(const unsigned char secret[CACHE_KEY_BYTES], const char *what, struct span name,
	unsigned char out[CACHE_NAME_BYTES]);
/* Appends the sealed entry. 0, or ERR_LIMIT: it is over CACHE_ENTRY_MOST; ERR_NOMEM. */
int cache_seal(const unsigned char secret[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], const struct cache_stamp *st,
	const struct cache_answer *a, struct buf *out);
/* The stamp alone; false: it is none. */
bool cache_stamp_of(struct span sealed, struct cache_stamp *st);
/* *plain owns what *a points into. 0, or ERR_AUTH: it is not what was stored under this key. */
int cache_unseal(const unsigned char secret[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], struct span sealed, struct cache_stamp *st,
	struct buf *plain, struct cache_answer *a);

#endif
