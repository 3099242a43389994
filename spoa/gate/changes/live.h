/* The entries in force: keys made at run time, overrides of limits, erasures.
 *
 * Each entry is on this daemon's disk before it counts, and is read from there at the start.
 * gate/changes/sync.h exchanges entries with the other daemons. Workers read a view without a
 * lock. A change publishes the next view, so that a revoked key no longer verifies when the
 * change returns. */
#ifndef GATE_CHANGES_LIVE_H
#define GATE_CHANGES_LIVE_H

#include "base/metrics.h"
#include "gate/changes/entry.h"

struct live;

enum { LIVE_READERS = 256 }; /* the most workers */

/* The entries in force at one moment. Immutable; it holds a reference to each entry. */
struct live_view {
	struct apikeys keys; /* sorted; includes revoked and expired keys */
	const struct live_override **limits;
	size_t nlimits;
	/* internal: a hash table of the overrides by limit and first condition. Chains of
	 * indexes into `limits`, counted from 1. */
	uint32_t *first, *after;
	size_t nfirst;
	struct live_entry **entries;
	size_t nentries;
	struct live_view *next;
};

/* Reads `file`, or creates it. `key` is copied, `node` is borrowed. `other` is the file of the
 * other instance (`tollgate upgrade`), or NULL: an entry there that beats ours comes into force
 * and is written to `file`. Returns NULL with *why if `file` cannot be written, or if one of the
 * files has an entry that does not verify, because revocations would then be forgotten. */
struct live *live_open(const char *file, const char *other, const char *node,
	const unsigned char key[SHA256_BYTES], struct metrics *m, struct buf *why);
/* Call it when no worker reads any more. Sets *l to NULL. */
void live_close(struct live **l);

/* Returns the current view, which stays valid until live_leave() by the same worker. The
 * calls cannot be nested. */
const struct live_view *live_enter(struct live *l, unsigned worker);
void live_leave(struct live *l, unsigned worker);

/* Returns the place in v->limits, counted from 1, of the next override of that limit whose
 * first condition is name=value, after the place `at` (0: from the beginning). Returns 0 if
 * there is none. An override is found only by its first condition. */
size_t live_next_override(const struct live_view *v, const char *limit, struct span name,
	struct span value, size_t at);

/* ---- any other thread ---- */

/* Returns the entry at "key:ID" as JSON, with its serial. The caller owns it. Returns NULL if
 * there is none. */
json_t *live_get(struct live *l, const char *field);
/* Returns all entries of a kind as a new JSON array. */
json_t *live_list(struct live *l, enum live_kind kind);
/* Puts the entry that the object describes in force, in place of the entry with this serial
 * (0: there is none yet). Sets the entry's kind, serial, time and node.
 *
 * Returns 0; ERR_SYNTAX if a value is invalid; ERR_BAD_STATE if another change came first;
 * ERR_FULL at CAP_LIVE_ENTRIES or CAP_LIVE_ERASURES (the metric counts it); ERR_IO if the
 * disk does not take the entry. After ERR_IO the entry is not in force, except for a
 * revocation or the end of an override. *why has a message for all errors. */
int live_put(
	struct live *l, enum live_kind kind, json_t *object, int64_t serial, struct buf *why);
/* live_count() returns the number of entries. live_kept() returns true if all are on disk. */
size_t live_count(struct live *l);
bool live_kept(struct live *l);

/* Purges at most `most` entries that ended a day ago or earlier. If a copy of one could still
 * come into force, its name and serial are kept to prevent that. Appends the fields of the
 * purged entries to *fields, as strings of a JSON list. Returns their number. */
size_t live_purge(struct live *l, int64_t now_ns, size_t most, struct buf *fields);

/* ---- erasures ---- */

/* Sets the function to call when an erasure comes into force. It runs on the thread that put
 * or merged the entry. Call this before any entry is put. The erasures that the file had at
 * the start are not reported; the caller carries them out. */
void live_on_erasure(struct live *l, void (*carry_out)(void *arg), void *arg);
/* Writes live_erase_tag() under the entries' key. */
void live_tag(const struct live *l, struct span holder, unsigned char tag[SHA256_BYTES]);
/* Returns how many erasures have come into force in this process. Any thread. */
uint64_t live_erasures_came(const struct live *l);
/* Returns true if the holder was erased after live_erasures_came() returned `since`. Call it
 * on that worker's thread, outside its live_enter() and live_leave(). */
bool live_erased_since(struct live *l, unsigned worker, struct span holder, uint64_t since);
/* Returns the erasures of which a part is left to do here, as a new JSON array. Each object
 * has `left`, the names of these parts. */
json_t *live_undone(struct live *l);
/* Notes that this part of the erasure is done here. `now`: this process did it, at wall_ns
 * (wall clock). */
void live_erasure_done(struct live *l, const char *id, int64_t serial, enum live_part part,
	int64_t wall_ns, bool now);
/* Returns all erasures as a new JSON array, the newest first:
 * [{"erasure","serial","at","why","ticket","by","done","left"}]. `at` is when the erasure was
 * ordered, `done` when its last part was done here, or null. */
json_t *live_erasures(struct live *l);

/* ---- nodes ---- */

/* Returns true if daemons of that name may not serve, and appends a sentence with the time and the
 * reason to *why (NULL: nothing). Any thread. */
bool live_node_retired(struct live *l, const char *node, struct buf *why);
/* Returns the wall time before which another daemon has settled the decisions of the node's journal;
 * 0: none has. Any thread. */
int64_t live_node_settled(struct live *l, const char *node);

/* ---- for gate/changes/sync.c ---- */

struct live_item {
	struct span field, text;
	/* results of live_merge(): the entry was purged and need not be in Redis; the entry
	 * was refused */
	bool stale, forged;
};
/* Merges all entries that were found in Redis. An entry that verifies and beats ours comes
 * into force. *older is set to the number of entries that ours beat, and these are logged;
 * `older` NULL: they are expected. Refused entries are counted once and logged in one line. */
void live_merge(struct live *l, struct live_item *items, size_t n, size_t *older);
/* Counts and logs `n` fields that no daemon wrote. `first`: the name of one of them. */
void live_junk(struct live *l, size_t n, struct span first, const char *why);
/* Calls each() with each of our entries that `items`, sorted by field, lacks or has in
 * another version. */
void live_missing(struct live *l, const struct live_item *items, size_t n,
	void (*each)(void *arg, struct live_item item), void *arg);

#endif
