/* Shared by the two halves of the reader. Not included outside regex/. */
#ifndef BASE_REGEX_READER_H
#define BASE_REGEX_READER_H

#include "base/buf.h"
#include "base/regex/regex.h"

enum { REGEX_NAMED = 8 };

/* The state of one regex_read() call. */
struct regex_reader {
	struct arena *a;
	struct span s;
	size_t i; /* offset of the next byte of s */
	enum regex_syntax syntax;
	bool utf;     /* s consists of characters, not bytes */
	bool unicode; /* \w and similar classes, and case, are Unicode's */
	bool caseless, dotall;
	bool rough;	       /* the set in brackets is larger than its meaning */
	bool wide;	       /* the last character that was read counts as any character */
	unsigned depth, looks; /* open groups, and open look-arounds */
	size_t nodes;
	struct {
		const struct regex_node *n;
		size_t nodes; /* nodes in the group, with references expanded */
	} named[REGEX_NAMED]; /* the first named groups; further ones are unknown */
	size_t nnamed;
	struct buf out; /* s rewritten for PCRE2, up to offset `copied` */
	size_t copied;
	bool unmatched;	 /* there is a ) without a ( */
	const char *why; /* why the expression is refused; NULL: it is not */
	size_t at;
	struct regex_node none; /* returned if the arena is full */
};

#define REGEX_NOT_VALID "not a valid regular expression" /* PCRE2 has the details */

/* Refuses the expression; the first reason is kept. Returns a node that is never used. */
struct regex_node *regex_refuse(struct regex_reader *r, size_t at, const char *why);
struct regex_node *regex_node(struct regex_reader *r, enum regex_kind kind);
/* Writes `text` for PCRE2 instead of the bytes from `from` to the next one. */
void regex_rewrite(struct regex_reader *r, size_t from, const char *text);

/* ---- set.c: the sets of one character ---- */

struct regex_node *regex_character(struct regex_reader *r); /* a plain character */
struct regex_node *regex_escaped(struct regex_reader *r);   /* r->i is at the backslash */
struct regex_node *regex_bracket(struct regex_reader *r);   /* r->i is at "[" */
struct regex_node *regex_dot(struct regex_reader *r);

/* Returns the byte k bytes ahead; 0 at the end. */
static inline char
regex_peek(const struct regex_reader *r, size_t k)
{
	return r->i + k < r->s.n ? r->s.p[r->i + k] : 0;
}

static inline bool
regex_ahead(const struct regex_reader *r, const char *text)
{
	return span_starts(span_cut(r->s, r->i, r->s.n), span_str(text));
}

#endif
