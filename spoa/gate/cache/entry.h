/* A stored response, as its provider wrote it, before placeholders were restored. The entry
 * is encrypted with AES-256-GCM. Its cache key and its stamp are the associated data. An
 * entry that was moved, altered, cut or made with another secret therefore cannot be opened.
 */
#ifndef GATE_CACHE_ENTRY_H
#define GATE_CACHE_ENTRY_H

#include "base/buf.h"
#include "gate/cache/key.h"

enum { CACHE_NAME_BYTES = 8, CACHE_ENTRY_MOST = 256 << 10 };

/* The readable part of an entry. A purge selects entries by it and needs no key. */
struct cache_stamp {
	int64_t stored_ms;					      /* wall clock */
	/* keyed hashes of the route's and the caller's name */
	unsigned char route[CACHE_NAME_BYTES], who[CACHE_NAME_BYTES];
};

/* The encrypted part. The spans are views. */
struct cache_answer {
	enum form form; /* the provider's format */
	/* the response is a stream of events in the framing `frames` (enum frames_kind) */
	bool streamed;
	unsigned char frames;
	unsigned char
		/* the distance of a semantic match in thousandths; 0: the prompt was the same
		 */
		distance;
	/* this entry is a pointer: `bytes` are the key of another entry and the prompt of its
	 * request */
	bool points;
	struct span path; /* the request's path: some formats depend on it */
	struct span bytes;
};

/* Secret. Daemons with the same keys can share entries. */
struct cache_keys {
	unsigned char index[CACHE_KEY_BYTES]; /* the key for cache_key() */
	unsigned char cipher[32], names[2][16], bind[32];
};
void cache_keys_derive(const unsigned char secret[CACHE_KEY_BYTES], struct cache_keys *out);

/* Writes SipHash-2-4 of a route's or caller's name. */
enum cache_named { CACHE_NAMED_ROUTE, CACHE_NAMED_WHO };
void cache_name(const struct cache_keys *k, enum cache_named of, struct span name,
	unsigned char out[CACHE_NAME_BYTES]);
/* An element of a set of entries: an entry's key, and a keyed hash of the key and the set.
 * Anyone who can write to Redis therefore cannot make a set point to an entry of another
 * scope. */
enum { CACHE_BOUND_BYTES = CACHE_KEY_BYTES + 16 };
void cache_bind(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], unsigned char out[CACHE_BOUND_BYTES]);
/* Returns true if cache_bind() made this element for this set. The entry's key is its first
 * CACHE_KEY_BYTES. */
bool cache_is_bound(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	struct span element);
/* Appends the sealed entry. Returns 0, ERR_LIMIT if it is longer than CACHE_ENTRY_MOST, or
 * ERR_NOMEM. */
int cache_seal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a, struct buf *out);
/* Opens an entry. *plain owns the bytes that *a points to. Returns 0, or ERR_AUTH if the
 * bytes were not sealed for this key. */
int cache_unseal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	struct span sealed, struct cache_stamp *st, struct buf *plain, struct cache_answer *a);

#endif
