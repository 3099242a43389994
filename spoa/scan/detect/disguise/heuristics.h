/* Heuristics: what the parts of the editor of guesses share. Not included elsewhere. */
#ifndef SCAN_DETECT_DISGUISE_HEURISTICS_H
#define SCAN_DETECT_DISGUISE_HEURISTICS_H

#include "scan/detect/disguise/evade.h"

struct heuristic {
	struct span t;
	const struct chunk *c;
	struct editor *ed;
	size_t at;	   /* edited up to here */
	size_t row_end;	   /* of the row of single characters last looked at */
	size_t number_end; /* of the words of digits last looked at */
	size_t group_end;  /* of the groups of digits last looked at */
	/* The piece of a key that a line's end was joined with: where it begins, how much of
	 * the key was missing before it, and how long the piece before it was. */
	size_t piece, missing, width;
	bool open; /* there may be more of it */
	/* No word that joins strings in between; one may be at join_at. */
	size_t join_from, join_at;
	/* The list of literals last looked at: where it ends, and whether a call joins them. */
	size_t list_end;
	bool list_joined;
};

/* 0 after the end. */
static inline char
byte_at(const struct heuristic *l, size_t i)
{
	return i < l->t.n ? l->t.p[i] : 0;
}

/* Whether the byte at i belongs to a value that is complete by itself: the rules find it
 * without a guess. */
static inline bool
heuristic_whole(const struct heuristic *l, size_t i)
{
	const struct whole *w = l->c->whole;

	if (!w || !w->any || i >= l->t.n)
		return false;
	size_t at = l->ed->over ? l->ed->over->origin + (l->ed->over->map[i] & MAP_OFFSET) : i;
	return whole_has(w, at);
}

/* Whether one of two pieces that merely stand next to each other is complete by itself: the one
 * that ends at `end`, or the one that begins at `next`. They are two values then. */
static inline bool
heuristic_apart(const struct heuristic *l, size_t end, size_t next)
{
	return heuristic_whole(l, end - 1) || heuristic_whole(l, next);
}

/* Keys by how they begin, and how long a whole one is at least. */
struct heuristic_key {
	const char *prefix; /* NULL: the last one */
	size_t whole;
	bool open; /* longer ones are as common */
};
extern const struct heuristic_key heuristic_keys[];

/* Characters of keys and addresses. */
extern const bool heuristic_tokens[256];

static inline bool
heuristic_token(char c)
{
	return heuristic_tokens[(unsigned char)c];
}

/* text[from, to) reads as `with`, if the guess is right. */
void heuristic_edit(
	struct heuristic *l, size_t from, size_t to, const char *with, unsigned flags);
/* Whether a name may be near enough to [from, to) for a weak guess there. */
bool heuristic_may_be_named(const struct heuristic *l, size_t from, size_t to);
/* After the inline markup that begins at i; i where there is none. */
size_t heuristic_markup(const struct heuristic *l, size_t i);
/* The same of the tags between two cells of a table or items of a list. */
size_t heuristic_cell(const struct heuristic *l, size_t i);

/* groups.c: a run of digits begins at i; what separates it from the next ones may be
 * something nobody writes there. */
void heuristic_digits(struct heuristic *l, size_t i);
/* Whether the two letters after the blank at i may begin the name of a separator: 4716 dash
 * 3791 */
bool heuristic_says(const struct heuristic *l, size_t i);
/* The same as heuristic_digits, for a separator that is said. */
void heuristic_said(struct heuristic *l, size_t i);
/* What comes between groups of digits in tables and lists. */
extern const bool groups_columns[256];
/* groups_reject.c: the look at sixty-four bytes from i on. */
struct groups_ahead {
	uint64_t digit, alnum, gap, sign;
};
struct groups_ahead groups_ahead(const struct heuristic *l, size_t i);
/* Whether a letter is next to a digit in the groups that begin there. */
bool groups_mixed(const struct groups_ahead *a);
/* Whether nothing comes of the groups of digits that begin at i; *end is where to look
 * on. */
bool groups_reject(
	const struct heuristic *l, size_t i, const struct groups_ahead *a, size_t *end);
/* joints.c: a string ends at the quote at i, or another one begins; a bracket or an @ is at i.
 */
void heuristic_quote(struct heuristic *l, size_t i);
void heuristic_bracket(struct heuristic *l, size_t i);
/* lines.c: a line ends at i. */
void heuristic_line(struct heuristic *l, size_t i);
/* A date with its year, or a time, begins at i: in a log, so does a line. */
bool heuristic_stamp(const struct heuristic *l, size_t i);
/* spelled.c: an address with its signs in words, of which the first may be at i. */
void heuristic_address(struct heuristic *l, size_t i);
/* A domain that ends as most do begins at i. */
bool heuristic_domain(const struct heuristic *l, size_t i);

/* leet.c: letters that look like digits, in the number that begins at i, or the IBAN. */
void heuristic_leet(struct heuristic *l, size_t i);
void heuristic_leet_iban(struct heuristic *l, size_t i);
/* numerals.c: a number in words, of which one may be around the u, v, x or z at
 * i: every row of them that is long enough has one, nearly. */
void heuristic_number(struct heuristic *l, size_t i);
/* Of these letters of the block at base those that may be in one, or come before a digit. */
uint64_t heuristic_numerals(const struct heuristic *l, size_t base, uint64_t cross);

#endif
