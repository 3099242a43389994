/* Operations on spans, which are borrowed runs of bytes. No function allocates or keeps a
 * pointer, except that results point into the argument. */
#include "base/span.h"

#include "base/ascii.h"
#include "base/err.h"
#include "base/fnv.h"

uint64_t
span_hash(struct span s)
{
	/* This is not FNV64_BASIS: the index files on disk hold hashes that begin with this
	 * number. */
	return fnv64_bytes(UINT64_C(1469598103934665603), s.p, s.n);
}

struct span
span_cut(struct span s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return span_of(s.p ? s.p + from : NULL, to - from);
}

size_t
span_find(struct span s, const char *const *list, size_t n)
{
	size_t i = 0;

	/* The first bytes are compared first, because most strings differ there. */
	while (i < n && ((s.n && *s.p != *list[i]) || !span_is(s, list[i])))
		i++;
	return i;
}

bool
span_ieq(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && to_lower(a.p[i]) != to_lower(b.p[i]))
			return false;
	return true;
}

bool
span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_eq(span_cut(s, 0, prefix.n), prefix);
}

bool
span_istarts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_ieq(span_cut(s, 0, prefix.n), prefix);
}

bool
span_ends(struct span s, struct span suffix)
{
	return s.n >= suffix.n && span_eq(span_cut(s, s.n - suffix.n, s.n), suffix);
}

bool
span_is_ascii(struct span s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

int
span_order(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? (order > 0) - (order < 0) : (a.n > b.n) - (a.n < b.n);
}

bool
span_take(struct span *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = span_cut(*s, 1, s->n);
	return true;
}

size_t
span_chr(struct span s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

struct span
span_trim(struct span s, const char *set)
{
	while (s.n && is_one_of(s.p[0], set))
		s = span_cut(s, 1, s.n);
	while (s.n && is_one_of(s.p[s.n - 1], set))
		s.n--;
	return s;
}

struct span
span_next(struct span *s, char c)
{
	size_t at = span_chr(*s, c);
	struct span head = span_cut(*s, 0, at);

	*s = at < s->n ? span_cut(*s, at + 1, s->n) : (struct span){ NULL, 0 };
	return head;
}

int
span_u64(struct span s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return ERR_RANGE;
	}
	*out = v;
	return 0;
}

size_t
span_decimal(char out[SPAN_DECIMAL], int64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v, rest = u;
	size_t n = v < 0;

	out[0] = '-';
	for (; rest >= 100; rest /= 100)
		n += 2;
	n += rest < 10 ? 1 : 2;
	INVARIANT(n <= SPAN_DECIMAL);
	char *to = out + n;
	for (; u >= 100; u /= 100) {
		to -= 2;
		memcpy(to, pairs + 2 * (u % 100), 2);
	}
	if (u < 10)
		to[-1] = (char)('0' + u);
	else
		memcpy(to - 2, pairs + 2 * u, 2);
	return n;
}

void
span_copy(struct span s, char *to, size_t size)
{
	s = span_cut(s, 0, size - 1);
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}
