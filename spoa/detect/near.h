/* Which entities' context words are near a place of a text. Not included outside detect/. */
#ifndef DETECT_NEAR_H
#define DETECT_NEAR_H

#include "base/span.h"
#include "detect/runs.h"

enum {
	NEAR_MAX = 192, /* entities of which a pattern needs a context word, as bits */
	NEAR_NONE = 255,
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

struct detect_rules;
struct detect_scratch;

/* Gives the entities of patterns that need context their bits, indexes their words. */
void near_index_words(struct detect_rules *r);

/* Before the first question about a text. `before`: the key that it is the value of. */
void near_begin(const struct detect_rules *r, struct detect_scratch *s, struct span before);

/* What may count for a match that begins in i's block; valid until the next question.
 * `table`: headers above count too. What they may say stands in the text above, so that
 * tables are read only where there is something in it. */
const struct near_view *near_look(const struct detect_rules *r, struct detect_scratch *s,
	struct span text, size_t i, bool table);

/* Leaves of the patterns those that may be tried there; false: none. */
bool near_cut(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	size_t i, bool table, struct run_set *set);

static inline bool
near_has(const struct near_view *v, uint8_t bit)
{
	return v->set.v[bit / 64] >> (bit % 64) & 1;
}

#endif
