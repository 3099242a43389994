/* A span is a borrowed run of bytes. It may hold NUL bytes, owns nothing, and must not be used
 * after its buffer is freed. The functions below are pure and may be called from any thread. */
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

/* The arguments for printf("%.*s", SPAN_ARG(s)). Lengths above INT_MAX are cut. */
#define SPAN_ARG(s) ((s).n > 0x7fffffff ? 0x7fffffff : (int)(s).n), ((s).p ? (s).p : "")

#define SPAN_LIT(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

static inline struct span
span_of(const void *p, size_t n)
{
	return (struct span){ (const char *)p, n };
}

/* Returns a span over a NUL-terminated string. NULL gives the empty span. */
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

/* Compares two strings, either of which may be NULL. */
static inline bool
str_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Returns the FNV-1a hash, for tables whose keys no caller can choose. */
uint64_t span_hash(struct span s);
/* Returns the bytes [from, to) of s. Both offsets are clamped to its length. */
struct span span_cut(struct span s, size_t from, size_t to);
/* Returns the index of s in a list of n strings, or n if the list does not hold s. */
size_t span_find(struct span s, const char *const *list, size_t n);
/* Returns true if an array of strings holds s. */
#define SPAN_IN(s, list)                                                                       \
	(span_find(s, list, sizeof(list) / sizeof(*(list))) < sizeof(list) / sizeof(*(list)))
/* Compares ASCII letters without regard to case, and all other bytes exactly. */
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
/* As span_starts(), without regard to the case of ASCII letters. */
bool span_istarts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
bool span_is_ascii(struct span s);
/* Compares by bytes; a prefix sorts before the longer span. Returns -1, 0 or 1. */
int span_order(struct span a, struct span b);
/* Removes c from the front of *s. Returns false if *s does not begin with c. */
bool span_take(struct span *s, char c);
/* Returns the offset of the first c, or s.n if s holds none. */
size_t span_chr(struct span s, char c);
/* Returns s without the bytes of `set` at its two ends. */
struct span span_trim(struct span s, const char *set);
/* Copies at most size - 1 bytes (size > 0) to `to` and appends a NUL. */
void span_copy(struct span s, char *to, size_t size);
/* Splits *s at the first c: returns the bytes before it, and *s becomes the bytes after it. If
 * there is no c, returns all of *s, and *s becomes empty with p == NULL. Example: with *s "a,b",
 * span_next(s, ',') returns "a" and leaves "b". */
struct span span_next(struct span *s, char c);
/* Parses a span that consists of decimal digits only. Returns 0 and sets *out, or ERR_SYNTAX, or
 * ERR_RANGE on overflow. */
int span_u64(struct span s, uint64_t *out);
/* Writes v in decimal, without a NUL. Returns the number of bytes, at most SPAN_DECIMAL. */
#define SPAN_DECIMAL 20
size_t span_decimal(char out[SPAN_DECIMAL], int64_t v);

#endif
