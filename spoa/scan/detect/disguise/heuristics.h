/* Declarations that the files of the heuristic editor share. Not included elsewhere. */
#ifndef SCAN_DETECT_DISGUISE_HEURISTICS_H
#define SCAN_DETECT_DISGUISE_HEURISTICS_H

#include "scan/detect/disguise/evade.h"

/* The state of one pass over a chunk, on the stack of heuristics_edit(). All offsets refer to
 * `t`. */
struct heuristic {
	struct span t;
	const struct chunk *c;
	struct editor *ed;
	size_t at;	   /* the text before this offset was edited */
	size_t row_end;	   /* end of the row of single characters that was examined last */
	size_t number_end; /* end of the words for digits that were examined last */
	size_t group_end;  /* end of the groups of digits that were examined last */
	/* The last line break at which a key was joined: the beginning of the next piece, the
	 * number of characters that were missing before that piece, and the length of the piece
	 * before. */
	size_t piece, missing, width;
	bool open; /* the key may be longer than its usual length */
	/* Cache: there is no word that joins strings in [join_from, join_at); there may be one
	 * at join_at. */
	size_t join_from, join_at;
	/* Cache: the end of the list of literals that was examined last, and whether a call
	 * joins its elements. */
	size_t list_end;
	bool list_joined;
};

/* Returns the byte at i, or 0 after the end. */
static inline char
byte_at(const struct heuristic *l, size_t i)
{
	return i < l->t.n ? l->t.p[i] : 0;
}

/* Returns true if the byte at i belongs to a value that is complete by itself: the rules find
 * the value without a guess. */
static inline bool
heuristic_whole(const struct heuristic *l, size_t i)
{
	const struct whole *w = l->c->whole;

	if (!w || !w->any || i >= l->t.n)
		return false;
	size_t at = l->ed->over ? l->ed->over->origin + (l->ed->over->map[i] & MAP_OFFSET) : i;
	return whole_has(w, at);
}

/* Returns true if the piece that ends at `end` or the piece that begins at `next` is complete by
 * itself. Pieces that only stand next to each other are then two values. */
static inline bool
heuristic_apart(const struct heuristic *l, size_t end, size_t next)
{
	return heuristic_whole(l, end - 1) || heuristic_whole(l, next);
}

/* Keys by their prefix, with the usual length of a whole key. */
struct heuristic_key {
	const char *prefix; /* NULL ends the list */
	size_t whole;
	/* the length is not fixed: longer keys are as common as keys of the usual length */
	bool open;
};
extern const struct heuristic_key heuristic_keys[];

/* Characters that keys and addresses are written with. */
extern const bool heuristic_tokens[256];

static inline bool
heuristic_token(char c)
{
	return heuristic_tokens[(unsigned char)c];
}

/* Guesses that text[from, to) reads as `with`, and makes that edit. */
void heuristic_edit(
	struct heuristic *l, size_t from, size_t to, const char *with, unsigned flags);
/* Returns true if a name may be near enough to [from, to) for a weak guess there. */
bool heuristic_may_be_named(const struct heuristic *l, size_t from, size_t to);
/* Returns the offset after the inline markup that begins at i, or i if there is none. */
size_t heuristic_markup(const struct heuristic *l, size_t i);
/* The same for the tags between two cells of a table or items of a list. */
size_t heuristic_cell(const struct heuristic *l, size_t i);

/* groups.c: examines the run of digits that begins at i. The following groups may be separated
 * by characters that are unusual for numbers. */
void heuristic_digits(struct heuristic *l, size_t i);
/* Returns true if the two letters after the space at i may begin the name of a separator: 4716
 * dash 3791. */
bool heuristic_may_name_separator(const struct heuristic *l, size_t i);
/* The same as heuristic_digits(), for a separator in words. */
void heuristic_named_separator(struct heuristic *l, size_t i);
/* lines.c: examines the line break at i. */
void heuristic_line(struct heuristic *l, size_t i);
/* A line break between two parts of a printed text: with the frame of a box at the end of the line, and
 * with the same mark, time or name at the beginning of both lines. */
struct printed_break {
	size_t left, to; /* the end of the text before, and the beginning of the text after it */
	bool framed;	 /* both lines begin with the same mark */
	bool full;	 /* the line is as long as those that a program wraps */
};
/* Reads such a break at the line feed at i, or at the lone carriage return there. Returns false if the
 * text after it is empty. */
bool heuristic_break(const struct heuristic *l, size_t i, struct printed_break *out);
/* Returns the offset of the line feed or lone carriage return that ends the line after the character
 * before i, past spaces and the frame of a box; 0 if other text follows. */
size_t heuristic_line_end(const struct heuristic *l, size_t i);
/* Returns true if a date with its year, or a time, begins at i. Lines of logs begin with such a
 * date or time. */
bool heuristic_timestamp(const struct heuristic *l, size_t i);
/* spelled.c: examines an address with its signs in words; the first sign may be at i. */
void heuristic_address(struct heuristic *l, size_t i);
/* Returns true if a domain with a common top-level domain begins at i. */
bool heuristic_domain(const struct heuristic *l, size_t i);

/* leet.c: examines letters that look like digits, in the number or IBAN that begins at i. */
void heuristic_leet(struct heuristic *l, size_t i);
void heuristic_leet_iban(struct heuristic *l, size_t i);
/* numerals.c: examines a number in words. One of its words may be around the u, v, x or z at i,
 * because nearly every long row of number words contains one of these letters. */
void heuristic_number(struct heuristic *l, size_t i);
/* Returns those letters of `cross` in the block at `base` that may be in a number word, or that
 * precede a digit. */
uint64_t heuristic_numerals(const struct heuristic *l, size_t base, uint64_t cross);

#endif
