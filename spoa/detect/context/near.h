/* Which entities' context words are near a place of a text. Not included outside detect/. */
#ifndef DETECT_NEAR_H
#define DETECT_NEAR_H

#include "base/arena.h"
#include "detect/context/columns.h"
#include "detect/context/words.h"
#include "detect/prefilter/pattern.h"
#include "detect/prefilter/runs.h"

enum {
	NEAR_BACK = 16,
	NEAR_AHEAD = 192,
	NEAR_SLOTS = 4096,
	NEAR_HASH_BITS = 15,
	NEAR_BLOCK = 64, /* bytes; blocks are looked at once, */
	NEAR_CACHED = 8, /* and this many remembered */
};

struct near_set {
	uint64_t v[NEAR_MAX / 64];
};

struct near_word {
	struct span text;
	uint64_t head, mask; /* of its first bytes up to a blank, without case */
	struct near_set entities;
	struct near_word *next; /* in the same slot */
};

/* Of a rule set; immutable. */
struct near_index {
	struct near_word *words[NEAR_SLOTS];	      /* by hash */
	uint64_t hashes[(1u << NEAR_HASH_BITS) / 64]; /* those of three bytes in use */
	uint64_t pairs[16]; /* words of two bytes, or with a blank behind two: five bits of each
			     */
	bool plain;	    /* words begin with letters and digits, or beside ASCII */
	bool digits;	    /* some with a digit */
};

/* Entities whose context words are near, and of the patterns at digits those that may
 * be tried then. */
struct near_view {
	struct near_set set;
	struct run_set runs;
	bool alone; /* only such as need none: the first word of `runs` */
};

/* What is known of the text that is looked at. owner: worker */
struct near_state {
	const struct near_index *index;
	const struct run_index *runs;
	struct columns *columns; /* of the text */
	struct {
		size_t block; /* its number and one */
		struct near_set set;
	} cached[NEAR_CACHED];
	struct near_set before; /* of the key */
	struct near_view all;	/* of all that is near the block `block` - 1 */
	size_t block;
	bool whole;	     /* what a header above may add is in it; if not, of the */
	struct run_set more; /* patterns, what it may add */
	struct {
		size_t blocks; /* the first ones, all looked at */
		struct near_set set;
		struct run_set runs;
	} seen; /* in them */
	struct near_names {
		size_t header; /* the line, and one */
		unsigned cut;
		bool any; /* one set is not empty */
		struct near_view of[COLUMN_FIELDS];
		struct near_view all; /* with what is near */
	} names;		      /* of a table's header */
};

/* An index without words, and the words of the entity with this bit. What does not find
 * room in the arena latches it. */
void near_index_begin(struct near_index *x);
void near_index_add(
	struct near_index *x, struct arena *a, const struct words *words, unsigned bit);

/* Before the first question about the text that `columns` is of. `before`: the key that it
 * is the value of. */
void near_begin(struct near_state *s, const struct near_index *x, const struct run_index *runs,
	struct columns *columns, struct span before);

/* What may count for a match that begins in i's block; valid until the next question.
 * `table`: headers above count too. What they may say is in the text above, so that
 * tables are read only where there is something in it. */
const struct near_view *near_look(struct near_state *s, struct span text, size_t i, bool table);

/* Leaves of the patterns those that may be tried there; false: none. */
bool near_cut(
	struct near_state *s, struct span text, size_t i, bool table, struct run_set *set);

/* What near_look returns, where that is known already; else NULL. */
static inline const struct near_view *
near_known(const struct near_state *s, size_t i, bool table)
{
	return s->block == i / NEAR_BLOCK + 1 &&
			       (!table || s->whole || columns_no_row(s->columns, i))
		       ? &s->all
		       : NULL;
}

static inline bool
near_has(const struct near_view *v, uint8_t bit)
{
	return v->set.v[bit / 64] >> (bit % 64) & 1;
}

#endif
