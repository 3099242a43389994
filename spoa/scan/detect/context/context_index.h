/* Of which lists of context words, an entity's for and against, one is near a place of a text.
 * Not included outside detect/. */
#ifndef SCAN_DETECT_CONTEXT_CONTEXT_INDEX_H
#define SCAN_DETECT_CONTEXT_CONTEXT_INDEX_H

#include "base/arena.h"
#include "scan/detect/context/context.h"
#include "scan/detect/prefilter/digit_index.h"
#include "scan/detect/prefilter/pattern.h"

enum {
	CONTEXT_BACK = 16,
	CONTEXT_AHEAD = 192,
	CONTEXT_SLOTS = 4096,
	CONTEXT_HASH_BITS = 15,
	CONTEXT_BLOCK = 64, /* bytes; blocks are looked at once, */
	CONTEXT_CACHED = 8, /* and this many remembered */
};

struct list_set {
	uint64_t v[CONTEXT_LISTS / 64];
};

struct context_term {
	struct span text;
	struct word_head head;
	struct list_set lists;
	struct context_term *next; /* in the same slot */
};

/* Of a rule set; immutable. */
struct context_index {
	struct context_term *words[CONTEXT_SLOTS];	 /* by hash */
	uint64_t hashes[(1u << CONTEXT_HASH_BITS) / 64]; /* those of three bytes in use */
	uint64_t pairs[16]; /* words of two bytes, or with a blank after two: five bits of each
			     */
	bool plain;	    /* words begin with letters and digits, or beyond ASCII */
	bool digits;	    /* some with a digit */
	struct list_set needed; /* of them patterns need a word */
};

/* Lists of which a word is near, and of the patterns at digits those that may be tried
 * then. */
struct context_view {
	struct list_set set;
	struct pattern_set patterns;
	bool alone; /* only such as need none: the first word of `patterns` */
};

/* What is known of the text that is looked at. owner: worker */
struct context_state {
	const struct context_index *index;
	const struct digit_index *digits;
	struct columns *columns; /* of the text */
	struct {
		size_t block; /* its number and one */
		struct list_set set;
	} cached[CONTEXT_CACHED];
	struct list_set before;	 /* of the key */
	struct context_view all; /* of all that is near the block `block` - 1 */
	size_t block;
	bool whole;		 /* what a header above may add is in it; if not, of the */
	struct pattern_set more; /* patterns, what it may add */
	struct {
		size_t blocks; /* the first ones, all looked at */
		struct list_set set;
		struct pattern_set patterns;
	} seen; /* in them */
	struct header_context {
		size_t header; /* the line, and one */
		unsigned cut;
		bool any; /* one set is not empty */
		struct context_view of[COLUMN_FIELDS];
		struct context_view all; /* with what is near */
	} names;			 /* of a table's header */
};

/* An index without words, and the words of the list with this bit. What does not find
 * room in the arena latches it. */
void context_index_begin(struct context_index *x);
void context_index_add(
	struct context_index *x, struct arena *a, const struct words *words, unsigned bit);
/* A pattern needs a word of the list. */
void context_index_need(struct context_index *x, unsigned bit);

/* Before the first question about the text that `columns` is of. `before`: the key that it
 * is the value of. */
void context_begin(struct context_state *s, const struct context_index *x,
	const struct digit_index *digits, struct columns *columns, struct span before);

/* What may count for a match that begins in i's block; valid until the next question.
 * `table`: headers above count too. What they may say is in the text above, so that
 * tables are read only where there is something in it. */
const struct context_view *context_look(
	struct context_state *s, struct span text, size_t i, bool table);

/* Leaves of the patterns those that may be tried there; false: none. */
bool context_cut(struct context_state *s, struct span text, size_t i, bool table,
	struct pattern_set *set);

/* What context_look returns, where that is known already; else NULL. */
static inline const struct context_view *
context_known(const struct context_state *s, size_t i, bool table)
{
	return s->block == i / CONTEXT_BLOCK + 1 &&
			       (!table || s->whole || columns_no_row(s->columns, i))
		       ? &s->all
		       : NULL;
}

static inline bool
context_has(const struct context_view *v, uint8_t bit)
{
	return v->set.v[bit / 64] >> (bit % 64) & 1;
}

#endif
