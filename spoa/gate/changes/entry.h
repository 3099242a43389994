/* What is made while the daemons run: an API key, another amount for a limit, or that
 * somebody's texts are erased. An entry is one signed line (gate/store/signed.h)
 * under the key that state_key names, the same in Redis and on disk.
 *
 *   {"kind":"key","id":"7f3k2m9p","serial":1763719200000,"time":…,"node":"gw-1","by":"ops",
 *    "replaces":0,"sha256":…,"person":"alice","models":["gpt-4o*"],"expires":…,"revoked":…}
 *   {"kind":"limit","id":"5be0c41f2a","limit":"per-person","for":{"person":"alice"},
 *    "counts":"tokens","to":500000,"until":…,"reason":…,"ended":…,"latest":…}
 *   {"kind":"erase","id":"0f3c…","tag":…,"why":…,"ticket":…,"cache_tag":…,"placeholders_tag":…}
 *
 * Whose share of texts (record/seal/shares.h) an erasure ends is never said in clear: `tag` is
 * an HMAC of the holder under that key, `id` its first 16 digits. `cache_tag` and
 * `placeholders_tag`, 16 digits each, name the holder as stored responses and tables of
 * placeholders do. An erasure is final and never purged:
 * a file of shares may come back from a backup at any time.
 *
 * Of two entries of one id every daemon chooses the same: of keys a revoked one, else the one
 * with the higher serial. So a revocation is final, and an entry of old changes nothing.
 * "replaces" is the serial of the entry that the maker of this one knew, 0 if there was none. */
#ifndef GATE_CHANGES_ENTRY_H
#define GATE_CHANGES_ENTRY_H

#include <jansson.h>

#include "base/sha256.h"
#include "policy/identity/apikeys.h"

#define LIVE_FIELD_MAX 64

#define LIVE_NEVER INT64_MAX /* no end */

enum live_kind { LIVE_KEY, LIVE_LIMIT, LIVE_ERASE, LIVE_KINDS };
extern const char *const live_kinds[]; /* their names; ends with NULL */

enum { LIVE_PAIRS_MAX = 8, LIVE_PAIR_NAMES = 8 };
extern const char *const live_pair_names[LIVE_PAIR_NAMES];
/* What an override of a limit is for: a member of the identity, or model and route. */
struct live_pair {
	struct span name, value;
};

struct live_override {
	const char *limit, *counts; /* its name, and what it counts: the unit of `to` */
	struct live_pair pairs[LIVE_PAIRS_MAX];
	size_t npairs; /* 0: for everyone, and pairs[0] is empty */
	int64_t serial;
	uint64_t to;
	int64_t until_ns; /* wall; 0: until it is cleared */
};

enum { LIVE_ERASE_ID = 16 };

/* The parts of an erasure: what each daemon deletes. */
enum live_part {
	LIVE_SHARES,	   /* in its file of shares */
	LIVE_CACHE,	   /* stored responses */
	LIVE_PLACEHOLDERS, /* tables of kept conversations */
	LIVE_PARTS
};
extern const char *const live_part_names[]; /* LIVE_PARTS of them, then NULL */
enum { LIVE_NAME_BYTES = 8 };
/* The member of an order that has the person's name in that part: "cache_tag". */
void live_part_tag(enum live_part part, char out[LIVE_FIELD_MAX]);

struct live_erasure {
	unsigned char tag[SHA256_BYTES];
	unsigned done;	 /* parts that are done here, as bits of enum live_part. Under the lock, like the
			  * members below */
	int64_t done_ns; /* when all parts were done; 0: some are left */
	bool now;	 /* by this process, and not found as done */
	uint64_t came;	 /* its number among the erasures that this process put into force */
};

struct live_entry {
	/* under the lock of its struct live */
	unsigned refs;
	uint64_t put; /* live.changes with it, of one that was put here; 0: it was read */
	struct arena arena;
	struct span text;
	const char *id;
	char field[LIVE_FIELD_MAX]; /* "key:ID": its place in the hash */
	enum live_kind kind;
	int64_t serial;
	bool ended;	 /* revoked, cleared */
	int64_t over_ns; /* wall: revoked, cleared or past its time; LIVE_NEVER */
	/* after that no copy of any of its versions is in force, whoever kept one; LIVE_NEVER:
	 * one had no end, or nobody knows */
	int64_t latest_ns;
	struct apikey key; /* LIVE_KEY; sha256 all zeros: one of a file, revoked here */
	struct live_override limit; /* LIVE_LIMIT */
	struct live_erasure erase;  /* LIVE_ERASE */
};

/* It has the form of one that some daemon made, with whatever state_key. */
bool live_entry_like(struct span field, struct span text);
/* Verifies and reads an entry; `field` is where it was found, empty: in no place. NULL with the
 * reason in *why: it does not verify, is another place's, or says what no entry can say. The
 * caller's, one reference. */
struct live_entry *live_entry_read(struct span text, struct span field,
	const unsigned char key[SHA256_BYTES], struct buf *why);
/* Makes one of its JSON object, which stays the caller's; likewise. */
struct live_entry *live_entry_make(
	json_t *object, const unsigned char key[SHA256_BYTES], struct buf *why);
/* The JSON object of an entry; the caller's. NULL: out of memory. */
json_t *live_entry_object(const struct live_entry *e);
/* `ns` was a day ago or longer. */
bool live_day_after(int64_t ns, int64_t now_ns);
/* It is over since a day: it may be purged. A file's key is revoked for good. */
bool live_entry_is_over(const struct live_entry *e, int64_t now_ns);
/* Whether x takes the place of y, which has the same field. */
bool live_entry_beats(const struct live_entry *x, const struct live_entry *y);
void live_entry_unref(struct live_entry **e);
/* Where the field is in a list of n that is sorted by field, or belongs; `of` gives the field
 * of one of them. */
size_t field_place(const void *list, size_t n, const char *(*of)(const void *list, size_t at),
	const char *field, bool *found);
/* The id of an override: of the limit's name and what it is for. */
enum { LIVE_LIMIT_ID = 10 };
void live_limit_id(const char *limit, json_t *pairs, char id[LIVE_LIMIT_ID + 1]);

/* The tag of whoever is erased, under the entries' key. */
void live_erase_tag(const unsigned char key[SHA256_BYTES], struct span holder,
	unsigned char tag[SHA256_BYTES]);
/* The place of that person's erasure in the hash: "erase:ID". */
void live_erase_field(const unsigned char tag[SHA256_BYTES], char field[LIVE_FIELD_MAX]);

/* A member that is a time. */
void live_put_time(json_t *object, const char *name, int64_t ns);

#endif
