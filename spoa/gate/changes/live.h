/* The entries that are in force: keys made at run time, overrides of limits, erasures. Kept on
 * this daemon's disk, each before it counts, and from there read at a start;
 * gate/changes/sync.h brings them to the other daemons and back. Workers read a view without a
 * lock; a change publishes the next view, so that a key that was revoked verifies no more when
 * the change returns. */
#ifndef GATE_CHANGES_LIVE_H
#define GATE_CHANGES_LIVE_H

#include "base/metrics.h"
#include "gate/changes/entry.h"

struct live;

enum { LIVE_READERS = 256 }; /* workers */

/* What holds at one moment. */
struct live_view {
	struct apikeys keys; /* sorted; revoked and expired ones too */
	const struct live_override **limits;
	size_t nlimits;
	/* its own; overrides by limit and their first pair: chains of places in `limits`, from
	 * 1 on */
	uint32_t *first, *after;
	size_t nfirst;
	struct live_entry **entries;
	size_t nentries;
	struct live_view *next;
};

/* Reads `file`, or begins it. `key` is copied. NULL with *why: it cannot be written, or holds
 * entries that do not verify: then revocations would be forgotten. */
struct live *live_open(const char *file, const char *node,
	const unsigned char key[SHA256_BYTES], struct metrics *m, struct buf *why);
/* No worker reads any more. */
void live_close(struct live **l);

/* What holds now, until live_leave() by the same worker. Not nested. */
const struct live_view *live_enter(struct live *l, unsigned worker);
void live_leave(struct live *l, unsigned worker);

/* Where in v->limits, from 1 on, the next override of that limit after `at` is (0: the first)
 * whose first pair is this; 0: there is none. Each override is found by its first pair alone.
 */
size_t live_next_override(const struct live_view *v, const char *limit, struct span name,
	struct span value, size_t at);

/* ---- any other thread ---- */

/* The entry at "key:ID" as JSON, with its serial; NULL: there is none. */
json_t *live_get(struct live *l, const char *field);
/* All of a kind, a new JSON array. */
json_t *live_list(struct live *l, enum live_kind kind);
/* Puts what the object says in force, in the place of what has this serial (0: nothing has);
 * sets its kind, serial, time and node. 0; ERR_SYNTAX: it says what no entry can;
 * ERR_BAD_STATE: another change came first; ERR_FULL: CAP_LIVE_ENTRIES or CAP_LIVE_ERASURES,
 * counted; ERR_IO: it cannot be kept on disk, and is not in force, but for what is revoked or
 * cleared, which is. With *why but for 0. */
int live_put(
	struct live *l, enum live_kind kind, json_t *object, int64_t serial, struct buf *why);
/* How many entries there are, and whether all are on disk. */
size_t live_count(struct live *l);
bool live_kept(struct live *l);

/* Purges at most so many of those that are over since a day: no copy of them can come into
 * force again, or a name and a number stay here that keep it out. Their fields to *fields, as
 * texts of a JSON list. How many. */
size_t live_purge(struct live *l, int64_t now_ns, size_t most, struct buf *fields);

/* ---- erasures ---- */

/* Calls carry_out() whenever one came into force, on the thread that put or merged it. Before
 * any does; what the file has is the caller's to begin with. */
void live_on_erasure(struct live *l, void (*carry_out)(void *arg), void *arg);
/* live_erase_tag() under the key of the entries. */
void live_tag(const struct live *l, struct span holder, unsigned char tag[SHA256_BYTES]);
/* How many erasures have come into force in this process. Any thread. */
uint64_t live_erasures_came(const struct live *l);
/* Returns true if the holder was erased after live_erasures_came() returned `since`. On the thread of
 * that worker, not between its live_enter() and live_leave(). */
bool live_erased_since(struct live *l, unsigned worker, struct span holder, uint64_t since);
/* The erasures of which a part is left here, as a new JSON array. Each object has `left`, the names of
 * these parts. */
json_t *live_undone(struct live *l);
/* Notes that this part of the erasure is done here. now: this process did it. */
void live_erasure_done(struct live *l, const char *id, int64_t serial, enum live_part part,
	int64_t wall_ns, bool now);
/* All of them, the newest first: [{"erasure","serial","at","why","ticket","by","done","left"}],
 * `at` when it was ordered, `done` when all parts were done here, or null. */
json_t *live_erasures(struct live *l);

/* ---- for gate/changes/sync.c ---- */

struct live_item {
	struct span field, text;
	bool stale, forged; /* live_merge(): it was purged, and need not be there; refused */
};
/* All entries that were found elsewhere: what verifies and beats ours comes into force. *older:
 * how many ours beat; what does not verify is counted once, and logged in one line. */
void live_merge(struct live *l, struct live_item *items, size_t n, size_t *older);
/* So much was found there that no daemon wrote: counted, and logged in one line. */
void live_junk(struct live *l, size_t n, struct span first, const char *why);
/* Calls with each entry of which `items`, sorted by field, has no equal. */
void live_missing(struct live *l, const struct live_item *items, size_t n,
	void (*each)(void *arg, struct live_item item), void *arg);
/* Calls with each entry that was put after `changes` was `since`. */
void live_put_since(struct live *l, uint64_t since,
	void (*each)(void *arg, struct live_item item), void *arg);

#endif
