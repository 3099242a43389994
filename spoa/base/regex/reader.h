/* What the two halves of the reader share. Not included outside regex/. */
#ifndef BASE_REGEX_READER_H
#define BASE_REGEX_READER_H

#include "base/buf.h"
#include "base/regex/regex.h"

enum { REGEX_NAMED = 8 };

struct regex_reader {
	struct arena *a;
	struct span s;
	size_t i; /* the next byte of s */
	enum regex_syntax syntax;
	bool utf;     /* s is characters, not bytes */
	bool unicode; /* \w and the like, and case, are Unicode's */
	bool caseless, dotall;
	bool rough;	       /* the set in brackets is larger than what it stands for */
	bool wide;	       /* the character last read is judged as any */
	unsigned depth, looks; /* groups and look-arounds around i */
	size_t nodes;
	struct {
		const struct regex_node *n;
		size_t nodes; /* in it, references followed */
	} named[REGEX_NAMED]; /* groups, of which the first are known */
	size_t nnamed;
	struct buf out; /* s as it is written for PCRE2, up to `copied` */
	size_t copied;
	bool unmatched;	 /* a ) that closes nothing */
	const char *why; /* it is refused */
	size_t at;
	struct regex_node none; /* where the arena is full */
};

#define REGEX_NOT_VALID "not a valid regular expression" /* as PCRE2 will say */

/* The first reason counts. Returns a node that nobody looks at. */
struct regex_node *regex_refuse(struct regex_reader *r, size_t at, const char *why);
struct regex_node *regex_node(struct regex_reader *r, enum regex_kind kind);
/* For PCRE2, what was read from byte `from` on is written so. */
void regex_rewrite(struct regex_reader *r, size_t from, const char *text);

/* ---- set.c: what one character may be ---- */

struct regex_node *regex_character(struct regex_reader *r); /* as it is written */
struct regex_node *regex_escaped(struct regex_reader *r);   /* r->i is at the backslash */
struct regex_node *regex_bracket(struct regex_reader *r);   /* r->i is at "[" */
struct regex_node *regex_dot(struct regex_reader *r);

/* k bytes on; 0 at the end. */
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
