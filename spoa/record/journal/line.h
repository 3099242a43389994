/* A record's line gone through as it is: its strings and values are stepped over, nothing is
 * built of them. The daemon wrote these lines; of others this may give nonsense, never a byte
 * after their end. */
#ifndef RECORD_JOURNAL_LINE_H
#define RECORD_JOURNAL_LINE_H

#include "base/span.h"

/* Where the reader is, and where the line ends. */
struct line_rd {
	const char *p, *end;
};

static inline struct line_rd
line_rd_over(struct span s)
{
	return (struct line_rd){ s.p, s.p + s.n };
}

/* p is at an opening quote, and moves past the string; *raw is what is between its quotes.
 * False: it does not end. */
bool line_string(struct line_rd *r, struct span *raw);
/* p is at a value, and moves past it, or to the end where it does not end. */
void line_skip(struct line_rd *r);
/* p is at an object, or after a value in it: it moves to the value of the next member, whose
 * name this is, without its quotes. False: there is none. */
bool line_member(struct line_rd *r, struct span *name);
/* The same of a list: p moves to its next item. */
bool line_item(struct line_rd *r);

/* Of an object the members that are wanted, raw, in one pass; empty where they are not there.
 */
void line_members(struct span object, const struct span *names, size_t n, struct span *out);

#endif
