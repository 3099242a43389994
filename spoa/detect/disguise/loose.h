/* What the parts of the editor of guesses share. Not included elsewhere. */
#ifndef DETECT_LOOSE_H
#define DETECT_LOOSE_H

#include "detect/disguise/evade.h"

struct loose {
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
};

/* 0 after the end. */
static inline char
loose_at(const struct loose *l, size_t i)
{
	return i < l->t.n ? l->t.p[i] : 0;
}

/* Keys by how they begin, and how long a whole one is at least. */
struct loose_key {
	const char *prefix; /* NULL: the last one */
	size_t whole;
	bool open; /* longer ones are as common */
};
extern const struct loose_key loose_keys[];

/* Characters of keys and addresses. */
extern const bool loose_tokens[256];

static inline bool
loose_token(char c)
{
	return loose_tokens[(unsigned char)c];
}

/* text[from, to) reads as `with`, if the guess is right. */
void loose_take(struct loose *l, size_t from, size_t to, const char *with, unsigned flags);
/* Whether a name may stand near enough to [from, to) for a weak guess there. */
bool loose_may_be_named(const struct loose *l, size_t from, size_t to);
/* Behind the inline markup that begins at i; i where there is none. */
size_t loose_markup(const struct loose *l, size_t i);
/* The same of the tags between two cells of a table or items of a list. */
size_t loose_cell(const struct loose *l, size_t i);

/* groups.c: a run of digits begins at i; what separates it from the next ones may be
 * something nobody writes there. */
void loose_digits(struct loose *l, size_t i);
/* Whether a separator may be said behind the blank at i, by two letters: 4716 dash 3791 */
bool loose_says(const struct loose *l, size_t i);
/* The same as loose_digits, where it may be. */
void loose_said(struct loose *l, size_t i);
/* What stands between groups of digits in tables and lists. */
extern const bool groups_columns[256];
/* groups_skim.c: the look at sixty-four bytes from i on. */
struct groups_ahead {
	uint64_t digit, alnum, gap, sign;
};
struct groups_ahead groups_ahead(const struct loose *l, size_t i);
/* Whether a letter stands beside a digit in the groups that begin there. */
bool groups_mixed(const struct groups_ahead *a);
/* Whether nothing comes of the groups of digits that begin at i; *end is where to look
 * on. */
bool groups_skim(const struct loose *l, size_t i, const struct groups_ahead *a, size_t *end);
/* lines.c: a line ends at i. */
void loose_line(struct loose *l, size_t i);
/* A date with its year, or a time, begins at i: in a log, so does a line. */
bool loose_stamp(const struct loose *l, size_t i);
/* spelled.c: an address with its signs in words, of which the first may be at i. */
void loose_address(struct loose *l, size_t i);
/* A domain that ends as most do begins at i. */
bool loose_domain(const struct loose *l, size_t i);

/* leet.c: letters that look like digits, in the number that begins at i, or the IBAN. */
void loose_leet(struct loose *l, size_t i);
void loose_leet_iban(struct loose *l, size_t i);
/* numerals.c: a number in words, of which one may stand around the u, v, x or z at
 * i: every row of them that is long enough has one, nearly. */
void loose_number(struct loose *l, size_t i);
/* Of these letters of the block at base those that may be in one, or stand before a digit. */
uint64_t loose_numerals(const struct loose *l, size_t base, uint64_t cross);

#endif
