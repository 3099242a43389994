/* The context index: determines which lists of context words (an entity's words for and
 * against) have a word near a place of a text. Not included outside detect/. */
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
	CONTEXT_BLOCK = 64, /* bytes that are examined together */
	CONTEXT_CACHED = 8, /* blocks whose result is cached */
};

struct list_set {
	uint64_t v[CONTEXT_LISTS / 64];
};

struct context_term {
	struct span text;
	struct word_head head;
	struct list_set lists;
	struct context_term *next; /* next term in the same slot of `words` */
};

/* The index of a rule set. Immutable. */
struct context_index {
	struct context_term *words[CONTEXT_SLOTS];	 /* lists of terms, indexed by hash */
	/* bit set of the hashes of the words' first three bytes */
	uint64_t hashes[(1u << CONTEXT_HASH_BITS) / 64];
	/* bit set of the first two bytes (the low five bits of each) of words that consist of
	 * two bytes, or have a space after two bytes */
	uint64_t pairs[16];
	bool plain;	    /* all words begin with a letter, a digit or a character beyond ASCII */
	bool digits;	    /* some words begin with a digit */
	struct list_set needed; /* lists from which some pattern requires a word */
};

/* The lists that have a word near a place, and the patterns at digits that may be tried there. */
struct context_view {
	struct list_set set;
	struct pattern_set patterns;
	/* only patterns that need no context may be tried; all of these are in the first word
	 * of `patterns` */
	bool alone;
};

/* The state of the index for the current text. owner: worker */
struct context_state {
	const struct context_index *index;
	const struct digit_index *digits;
	struct columns *columns; /* columns of the current text */
	struct {
		size_t block; /* number of the block, plus 1; 0: unused */
		struct list_set set;
	} cached[CONTEXT_CACHED];
	struct list_set before;	 /* lists with a word in the key before the text */
	struct context_view all; /* result for the block `block` - 1 */
	size_t block;		 /* number of the block, plus 1; 0: none */
	bool whole;		 /* a header above the block adds nothing to `all` */
	struct pattern_set more; /* patterns that a header above may add, if not `whole` */
	struct {
		size_t blocks; /* number of blocks from the text's beginning on */
		struct list_set set;
		struct pattern_set patterns;
	} seen; /* lists with a word in these blocks, and the patterns that they allow */
	struct header_context {
		size_t header; /* offset of the header's line, plus 1 */
		unsigned cut;
		bool any; /* at least one set of of[] is not empty */
		struct context_view of[COLUMN_FIELDS]; /* context of each column */
		/* the result for the block, joined with the context of a column */
		struct context_view all;
	} names;			 /* the words in a table's header */
};

/* context_index_begin() makes an empty index. context_index_add() adds the words of the list
 * with this bit. If the arena has no room, it remembers that, and the word is missing. */
void context_index_begin(struct context_index *x);
void context_index_add(
	struct context_index *x, struct arena *a, const struct words *words, unsigned bit);
/* Records that a pattern needs a word of the list. */
void context_index_need(struct context_index *x, unsigned bit);

/* Begins the text that `columns` describes. `before`: the key whose value the text is. */
void context_begin(struct context_state *s, const struct context_index *x,
	const struct digit_index *digits, struct columns *columns, struct span before);

/* Returns the context that may count for a match that begins in the block of i. The result is
 * valid until the next call. `table`: headers above count too. Tables are read only if the text
 * above may add a list. */
const struct context_view *context_look(
	struct context_state *s, struct span text, size_t i, bool table);

/* Removes from the set the patterns that may not be tried at i. Returns false if none is left. */
bool context_cut(struct context_state *s, struct span text, size_t i, bool table,
	struct pattern_set *set);

/* Returns the result of context_look() if it is known already, else NULL. */
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
