/* Changes that are made while the daemons run: API keys, overrides of limits, orders to erase a
 * person's content, and nodes that were retired. A change is an entry: one signed line (gate/store/signed.h) under
 * the key that `state_key` names. The line is the same in Redis and on disk.
 *
 *   {"kind":"key","id":"7f3k2m9p","serial":1763719200000,"time":…,"node":"gw-1","by":"ops",
 *    "replaces":0,"sha256":…,"person":"alice","models":["gpt-4o*"],"expires":…,"revoked":…}
 *   {"kind":"limit","id":"5be0c41f2a","limit":"per-person","for":{"person":"alice"},
 *    "counts":"tokens","to":500000,"until":…,"reason":…,"ended":…,"latest":…}
 *   {"kind":"erase","id":"0f3c…","tag":…,"why":…,"ticket":…,"cache_tag":…,"placeholders_tag":…}
 *   {"kind":"node","id":"5c1e…","name":"gw-2","why":…,"retired":…,"settled":…,"admitted":…}
 *
 * An erasure never names the person (the holder of shares, record/seal/shares.h). `tag` is an
 * HMAC of the holder's name under the same key, and `id` is the tag's first 16 digits.
 * `cache_tag` and `placeholders_tag`, 16 digits each, name the holder as stored responses and
 * tables of placeholders do. An erasure is final and never purged, because a file of shares
 * may be restored from a backup at any time.
 *
 * A node's entry states whether daemons with that name (`node` in tollgate.yaml) may serve. It is
 * retired as long as the entry has no `admitted`. `id` is the beginning of the name's SHA-256. The
 * entry is never purged, because a machine may return at any time.
 *
 * If two entries have the same id, every daemon chooses the same one: a revoked key wins,
 * otherwise the higher serial. A revocation is therefore final, and an old entry changes
 * nothing. "replaces" is the serial of the entry that the author of this one knew, 0 if there
 * was none. */
#ifndef GATE_CHANGES_ENTRY_H
#define GATE_CHANGES_ENTRY_H

#include <jansson.h>

#include "base/sha256.h"
#include "policy/identity/apikeys.h"

#define LIVE_FIELD_MAX 64

#define LIVE_NEVER INT64_MAX /* the time of an entry that never ends */

enum live_kind { LIVE_KEY, LIVE_LIMIT, LIVE_ERASE, LIVE_NODE, LIVE_KINDS };
extern const char *const live_kinds[]; /* the names of the kinds; ends with NULL */

enum { LIVE_PAIRS_MAX = 8, LIVE_PAIR_NAMES = 8 };
extern const char *const live_pair_names[LIVE_PAIR_NAMES];
/* One condition of an override: a member of the identity, the model or the route. */
struct live_pair {
	struct span name, value;
};

struct live_override {
	/* the limit's name, and what it counts (the unit of `to`) */
	const char *limit, *counts;
	struct live_pair pairs[LIVE_PAIRS_MAX];
	size_t npairs; /* 0: for everyone, and pairs[0] is empty */
	int64_t serial;
	uint64_t to;
	int64_t until_ns; /* wall clock; 0: until it is cleared */
};

enum { LIVE_ERASE_ID = 16 };

/* The parts of an erasure, which each daemon carries out. */
enum live_part {
	LIVE_SHARES,	   /* delete the shares in the daemon's file */
	LIVE_CACHE,	   /* delete stored responses */
	LIVE_PLACEHOLDERS, /* delete tables of kept conversations */
	LIVE_PARTS
};
extern const char *const live_part_names[]; /* LIVE_PARTS names, then NULL */
enum { LIVE_NAME_BYTES = 8 };
/* Writes the name of the member that holds the person's name in this part, such as
 * "cache_tag". */
void live_part_tag(enum live_part part, char out[LIVE_FIELD_MAX]);

struct live_erasure {
	unsigned char tag[SHA256_BYTES];
	/* parts that this daemon has carried out, as bits of enum live_part; guarded by the
	 * lock, like the members below */
	unsigned done;
	int64_t done_ns; /* wall clock, when the last part was done; 0: some are left */
	bool now;	 /* this process carried out the erasure; false: it was found as done */
	uint64_t came;	 /* the erasure's number among those that this process put into force */
};

/* A node that was retired. */
struct live_node {
	const char *name, *why;
	int64_t retired_ns; /* wall clock */
	/* wall clock: decisions of its journal before that were settled by another daemon; 0:
	 * none were */
	int64_t settled_ns;
	bool admitted; /* it may serve again */
};

/* owner: struct live, and each view that holds a reference. */
struct live_entry {
	/* guarded by the lock of the struct live */
	unsigned refs;
	/* live.changes after this process made the entry; 0: the entry was read */
	uint64_t put;
	struct arena arena;
	struct span text;
	const char *id;
	char field[LIVE_FIELD_MAX]; /* "key:ID", the entry's field in the hash */
	enum live_kind kind;
	int64_t serial;
	bool ended;	 /* revoked or cleared */
	/* wall clock when it was revoked or cleared, or when its time ends; LIVE_NEVER */
	int64_t over_ns;
	/* wall clock after which no copy of any version can be in force, whoever kept one;
	 * LIVE_NEVER: a version has no end, or its end is not known */
	int64_t latest_ns;
	/* for LIVE_KEY; sha256 is all zeros for a key of a file that is revoked here */
	struct apikey key;
	struct live_override limit; /* for LIVE_LIMIT */
	struct live_erasure erase;  /* for LIVE_ERASE */
	struct live_node node;	    /* for LIVE_NODE */
};

/* Verifies and reads an entry that was found in `field` (empty: in no field). Returns one
 * reference, which the caller owns. Returns NULL with the reason in *why if the line does not
 * verify, belongs to another field, or has an invalid value. */
struct live_entry *live_entry_read(struct span text, struct span field,
	const unsigned char key[SHA256_BYTES], struct buf *why);
/* Makes an entry of its JSON object, which stays the caller's. Returns as live_entry_read().
 */
struct live_entry *live_entry_make(
	json_t *object, const unsigned char key[SHA256_BYTES], struct buf *why);
/* Returns the JSON object of an entry, which the caller owns, or NULL if memory is exhausted.
 */
json_t *live_entry_object(const struct live_entry *e);
/* Returns true if `ns` is a day or more before now_ns (both wall clock). */
bool live_day_after(int64_t ns, int64_t now_ns);
/* Returns true if x replaces y. Both have the same field. */
bool live_entry_beats(const struct live_entry *x, const struct live_entry *y);
/* Drops one reference and sets *e to NULL. Call with the lock of the struct live held, if the
 * entry is in one. */
void live_entry_unref(struct live_entry **e);
/* Binary search in a list of `n` elements that is sorted by field; of(list, i) returns the
 * field of element i. Returns the index of `field`, or the index at which it would be
 * inserted. Sets *found. */
size_t field_place(const void *list, size_t n, const char *(*of)(const void *list, size_t at),
	const char *field, bool *found);
/* Writes the id of an override: a hash of the limit's name and the conditions. */
enum { LIVE_LIMIT_ID = 10 };
void live_limit_id(const char *limit, json_t *pairs, char id[LIVE_LIMIT_ID + 1]);

/* Writes the tag of the person who is erased: HMAC-SHA-256 under the entries' key. */
void live_erase_tag(const unsigned char key[SHA256_BYTES], struct span holder,
	unsigned char tag[SHA256_BYTES]);
/* Writes the field of that person's erasure: "erase:ID". */
void live_erase_field(const unsigned char tag[SHA256_BYTES], char field[LIVE_FIELD_MAX]);

/* Writes the id of a node's entry. */
enum { LIVE_NODE_ID = 16, LIVE_NODE_NAME_MAX = 64 };
void live_node_id(struct span name, char id[LIVE_NODE_ID + 1]);

/* Sets a member to a time in RFC 3339. */
void live_put_time(json_t *object, const char *name, int64_t ns);

#endif
