/* A borrowed run of bytes: may hold NUL, never outlives its buffer, owns nothing. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct span {
	const char *p;
	size_t n;
};

/* printf("%.*s", SPAN_ARG(s)); lengths over INT_MAX are cut. */
#define SPAN_ARG(s) ((s).n > 0x7fffffff ? 0x7fffffff : (int)(s).n), ((s).p ? (s).p : "")

#define SPAN_LIT(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

static inline struct span
span_of(const void *p, size_t n)
{
	return (struct span){ (const char *)p, n };
}

/* Over a NUL-terminated string; NULL gives the empty span. */
static inline struct span
span_str(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
span_is(struct span a, const char *lit)
{
	return span_eq(a, span_str(lit));
}

/* Of two strings, each of which may be NULL. */
static inline bool
str_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* FNV-1a: for tables whose keys no caller chooses at will. */
uint64_t span_hash(struct span s);
/* The bytes [from, to) of s; both are clamped to its length. */
struct span span_cut(struct span s, size_t from, size_t to);
/* The index in a list of n texts of the one that is s; n: none is. */
size_t span_find(struct span s, const char *const *list, size_t n);
/* Whether one of an array of texts is s. */
#define SPAN_IN(s, list)                                                                       \
	(span_find(s, list, sizeof(list) / sizeof(*(list))) < sizeof(list) / sizeof(*(list)))
/* ASCII case-insensitive comparison. */
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
/* The same, ASCII case-insensitive. */
bool span_istarts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
/* By bytes, what ends first before what goes on: -1, 0, 1. */
int span_order(struct span a, struct span b);
/* Cuts c off the front of *s; false: it does not begin with it. */
bool span_take(struct span *s, char c);
/* Offset of the first c, or s.n where there is none. */
size_t span_chr(struct span s, char c);
/* Without leading and trailing bytes of `set`. */
struct span span_trim(struct span s, const char *set);
/* Copies at most size - 1 bytes (size > 0) of the text to `to`, with a NUL after them. */
void span_copy(struct span s, char *to, size_t size);
/* Cuts the text before the first c off *s and returns it; the separator is
 * dropped. Where there is no c, all of *s is returned and *s is left empty
 * with p == NULL. */
struct span span_next(struct span *s, char c);
/* Decimal digits only, whole span, no sign, no overflow: 0 and *out, else
 * ERR_SYNTAX or ERR_RANGE. */
int span_u64(struct span s, uint64_t *out);
/* v in decimal, without a NUL: how many bytes, at most SPAN_DECIMAL. */
#define SPAN_DECIMAL 20
size_t span_decimal(char out[SPAN_DECIMAL], int64_t v);

#endif
