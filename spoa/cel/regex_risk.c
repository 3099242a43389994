/* Whether a pattern can make a backtracking matcher do much more work than its text is
 * long: the Glushkov automaton of the pattern, and in it the two structures that cause it
 * (A. Weber, H. Seidl, "On the degree of ambiguity of finite automata", 1991): two ways
 * round one cycle on the same text (exponential), and two cycles one behind the other that
 * the same text drives (polynomial). Only patterns that re2.c took come here; what they
 * mean is widened (classes of bytes, no look at anchors), never narrowed. */
#include <stdlib.h>

#include "cel/regex.h"

enum { POSITIONS = 512, TRIPLES_MAX = 40, LOOP_LEAST = 10, DEPTH = 60 };
enum { WORK_MAX = 20000000 }; /* of judging one pattern: some 50 ms */

struct bytes {
	uint64_t v[4];
};
struct places {
	uint64_t v[(POSITIONS + 63) / 64];
};

struct risk {
	const char *p, *end;
	struct bytes cls[POSITIONS];
	uint8_t edge[POSITIONS][POSITIONS]; /* ways from one to the next, 2: several */
	size_t n, work;
	int depth;
	bool fold, loops, too_large;
};

/* What a part of the pattern begins and ends with. */
struct part {
	struct places first, last;
	bool nullable;
};

static void
place_add(struct places *s, size_t i)
{
	s->v[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool
place_in(const struct places *s, size_t i)
{
	return s->v[i / 64] >> (i % 64) & 1;
}

static void
places_join(struct places *s, const struct places *more)
{
	for (size_t i = 0; i < sizeof(s->v) / sizeof(s->v[0]); i++)
		s->v[i] |= more->v[i];
}

static void
bytes_range(struct bytes *b, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to && c < 256; c++)
		b->v[c / 64] |= UINT64_C(1) << (c % 64);
}

static bool
bytes_meet(const struct bytes *a, const struct bytes *b)
{
	return (a->v[0] & b->v[0]) | (a->v[1] & b->v[1]) | (a->v[2] & b->v[2]) |
	       (a->v[3] & b->v[3]);
}

/* ---- classes ---- */

static void
fold_case(struct bytes *b)
{
	for (unsigned c = 'a'; c <= 'z'; c++) {
		unsigned up = c - 32;
		bool any = (b->v[c / 64] >> (c % 64) & 1) || (b->v[up / 64] >> (up % 64) & 1);
		if (any) {
			bytes_range(b, c, c);
			bytes_range(b, up, up);
		}
	}
}

/* The escape behind the backslash at r->p; false: it stands for no character. */
static bool
escape(struct risk *r, struct bytes *out)
{
	char c = r->p < r->end ? *r->p++ : '\\';
	struct bytes b = { { 0 } };

	switch (c) {
	case 'A':
	case 'b':
	case 'B':
	case 'z': return false;
	case 'd': bytes_range(&b, '0', '9'); break;
	case 's':
		bytes_range(&b, '\t', '\r');
		bytes_range(&b, ' ', ' ');
		break;
	case 'w':
		bytes_range(&b, '0', '9');
		bytes_range(&b, 'a', 'z');
		bytes_range(&b, 'A', 'Z');
		bytes_range(&b, '_', '_');
		break;
	case 'p': { /* \pL, \p{Lu}, \p{Latin}: letters; the rest is read as wide */
		const char *name = r->p + (r->p < r->end && *r->p == '{');
		bool letters = name < r->end && *name == 'L';
		bytes_range(&b, letters ? 'A' : 0, letters ? 'Z' : 127);
		bytes_range(&b, letters ? 'a' : 0, letters ? 'z' : 127);
		bytes_range(&b, 128, 255);
		break;
	}
	case 'D':
	case 'S':
	case 'W':
	case 'P':
	case 'x': bytes_range(&b, 0, 255); break; /* wide */
	default:
		if (c >= '0' && c <= '9') {
			bytes_range(&b, 0, 255);
			break;
		}
		unsigned u = c == 'n'	? '\n'
			     : c == 't' ? '\t'
			     : c == 'r' ? '\r'
			     : c == 'f' ? '\f'
			     : c == 'v' ? '\v'
			     : c == 'a' ? '\a'
					: (unsigned char)c;
		bytes_range(&b, u, u);
	}
	/* \pL, \p{Greek}, \x{41}, \x41, \101 */
	if (r->p < r->end && *r->p == '{' && (c == 'p' || c == 'P' || c == 'x'))
		while (r->p < r->end && *r->p++ != '}')
			;
	else if (c == 'p' || c == 'P')
		r->p += r->p < r->end;
	else if (c == 'x')
		r->p += r->end - r->p < 2 ? r->end - r->p : 2;
	else
		while (c >= '0' && c <= '9' && r->p < r->end && *r->p >= '0' && *r->p <= '7')
			r->p++;
	*out = b;
	return true;
}

/* One character of the pattern as bytes; beyond ASCII all of them alike. */
static struct bytes
character(struct risk *r)
{
	struct bytes b = { { 0 } };
	unsigned char c = (unsigned char)*r->p++;

	if (c < 0x80) {
		bytes_range(&b, c, c);
		return b;
	}
	while (r->p < r->end && ((unsigned char)*r->p & 0xc0) == 0x80)
		r->p++;
	bytes_range(&b, 0x80, 255);
	return b;
}

/* Behind "[". */
static struct bytes
char_class(struct risk *r)
{
	struct bytes b = { { 0 } }, one;
	bool negated = r->p < r->end && *r->p == '^';

	r->p += negated;
	for (bool first = true; r->p < r->end && (first || *r->p != ']'); first = false) {
		unsigned char from = (unsigned char)*r->p;
		if (*r->p == '[' && r->end - r->p > 1 && r->p[1] == ':') {
			bytes_range(&b, 0, 255);
			while (r->p < r->end && *r->p != ']')
				r->p++;
			r->p += r->p < r->end;
			continue;
		}
		if (*r->p == '\\') {
			r->p++;
			if (!escape(r, &one))
				one = (struct bytes){ { 0 } };
			from = 255; /* a range that begins with an escape is read as wide */
		} else {
			one = character(r);
		}
		if (r->end - r->p > 1 && r->p[0] == '-' && r->p[1] != ']') {
			unsigned char to = (unsigned char)r->p[1];
			bool plain = from < 0x80 && to < 0x80 && to != '\\';
			r->p++;
			if (*r->p == '\\') {
				struct bytes skip;
				r->p++;
				escape(r, &skip);
			} else {
				(void)character(r);
			}
			bytes_range(&b, plain ? from : 0, plain ? to : 255);
		}
		for (size_t i = 0; i < 4; i++)
			b.v[i] |= one.v[i];
	}
	r->p += r->p < r->end;
	if (r->fold)
		fold_case(&b);
	for (size_t i = 0; negated && i < 4; i++)
		b.v[i] = ~b.v[i];
	if (negated) /* of what lies beyond ASCII something is always outside */
		b.v[2] = b.v[3] = ~UINT64_C(0);
	return b;
}

/* ---- the automaton ---- */

static struct part
position(struct risk *r, struct bytes b)
{
	struct part x = { .nullable = false };

	if (r->n == POSITIONS) {
		r->too_large = true;
		return x;
	}
	if (r->fold)
		fold_case(&b);
	r->cls[r->n] = b;
	place_add(&x.first, r->n);
	place_add(&x.last, r->n);
	r->n++;
	return x;
}

static void
connect(struct risk *r, const struct places *from, const struct places *to)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; place_in(from, i) && k < r->n; k++)
			if (place_in(to, k) && r->edge[i][k] < 2)
				r->edge[i][k]++;
}

static struct part
follow(struct risk *r, struct part a, struct part b)
{
	struct part x = { a.first, b.last, a.nullable && b.nullable };

	connect(r, &a.last, &b.first);
	if (a.nullable)
		places_join(&x.first, &b.first);
	if (b.nullable)
		places_join(&x.last, &a.last);
	return x;
}

static struct part alternatives(struct risk *r);

static struct part
group(struct risk *r)
{
	if (r->p < r->end && *r->p == '?') {
		const char *from = r->p++;
		if (r->p < r->end && (*r->p == 'P' || *r->p == '<')) {
			while (r->p < r->end && *r->p++ != '>')
				;
		} else {
			while (r->p < r->end && *r->p != ':' && *r->p != ')')
				r->p++;
			r->fold |= memchr(from, 'i', (size_t)(r->p - from)) != NULL;
			if (r->p < r->end && *r->p++ == ')')
				return (struct part){ .nullable = true };
		}
	}
	struct part x = alternatives(r);
	r->p += r->p < r->end; /* ) */
	return x;
}

static struct part
atom(struct risk *r)
{
	struct bytes b = { { 0 } };
	struct part empty = { .nullable = true };

	switch (*r->p) {
	case '(': r->p++; return group(r);
	case '[': r->p++; return position(r, char_class(r));
	case '^':
	case '$': r->p++; return empty;
	case '.':
		r->p++;
		bytes_range(&b, 0, 255);
		return position(r, b);
	case '\\':
		r->p++;
		if (r->p < r->end && *r->p == 'Q') { /* widened: any character */
			while (r->p < r->end &&
				!(r->p[0] == '\\' && r->p + 1 < r->end && r->p[1] == 'E'))
				r->p++;
			r->p += r->end - r->p < 2 ? r->end - r->p : 2;
			bytes_range(&b, 0, 255);
			return position(r, b);
		}
		return escape(r, &b) ? position(r, b) : empty;
	default: return position(r, character(r));
	}
}

/* * + ? {n,m} at r->p: 0 where there is none; *most -1: without bound. */
static bool
quantifier(struct risk *r, long *least, long *most)
{
	char *end;

	*least = 0;
	*most = -1;
	if (r->p == r->end)
		return false;
	switch (*r->p) {
	case '*': break;
	case '+': *least = 1; break;
	case '?': *most = 1; break;
	case '{':
		*least = *most = strtol(r->p + 1, &end, 10);
		if (end == r->p + 1 || (*end != '}' && *end != ','))
			return false;
		if (*end == ',')
			*most = end[1] == '}' ? -1 : strtol(end + 1, &end, 10);
		while (r->p < r->end && *r->p != '}')
			r->p++;
		break;
	default: return false;
	}
	r->p += r->p < r->end;
	if (r->p < r->end && *r->p == '?')
		r->p++;
	return true;
}

static bool
at_end(const struct risk *r)
{
	return r->p == r->end || *r->p == '|' || *r->p == ')';
}

/* sequence = { atom [ quantifier ] }. A repetition at the very end of the pattern never
 * has to be taken back, nor one of anything at its very beginning. */
static struct part
sequence(struct risk *r)
{
	struct part all = { .nullable = true };
	const char *begin = r->p;

	while (!at_end(r)) {
		const char *from = r->p;
		struct part x = atom(r);
		long least, most;
		if (quantifier(r, &least, &most)) {
			bool free_end = r->depth == 1 && r->p == r->end;
			bool free_start =
				r->depth == 1 && from == begin && *from == '.' && most < 0;
			if ((most < 0 || most >= LOOP_LEAST) && !free_end && !free_start) {
				connect(r, &x.last, &x.first);
				/* (a?){50}: which of the rounds are empty ones? */
				if (x.nullable && most > 0)
					connect(r, &x.last, &x.first);
				r->loops = true;
			}
			x.nullable |= least == 0 || free_start;
			if (free_start)
				x = (struct part){ .nullable = true };
		}
		all = follow(r, all, x);
	}
	return all;
}

static struct part
alternatives(struct risk *r)
{
	struct part all = { .nullable = false };

	if (++r->depth > DEPTH) {
		r->too_large = r->loops = true; /* what follows is not read */
		r->p = r->end;
	}
	for (;;) {
		struct part x = sequence(r);
		places_join(&all.first, &x.first);
		places_join(&all.last, &x.last);
		all.nullable |= x.nullable;
		if (r->p == r->end || *r->p != '|')
			break;
		r->p++;
	}
	r->depth--;
	return all;
}

/* ---- what it can do ---- */

#define TOO_LARGE "too long to be judged with a repetition in it: say it in several patterns"

/* Pairs (a,b) that one text reaches from (p,p); those in `seen` and further. */
static bool
two_ways_round(struct risk *r, size_t p, uint8_t *seen, uint32_t *queue)
{
	size_t n = r->n, head = 0, tail = 0;

	memset(seen, 0, n * n * 2);
	queue[tail++] = (uint32_t)(p * n + p);
	while (head < tail && r->work < WORK_MAX) {
		size_t a = queue[head] / n, b = queue[head] % n;
		bool apart = seen[n * n + queue[head]]; /* reached by two ways */
		head++;
		r->work += n;
		for (size_t x = 0; x < n; x++) {
			r->work += r->edge[a][x] ? n : 0;
			for (size_t y = 0; r->edge[a][x] && y < n; y++) {
				if (!r->edge[b][y] || !bytes_meet(&r->cls[x], &r->cls[y]))
					continue;
				bool now = apart || x != y || (a == b && r->edge[a][x] > 1);
				if (x == p && y == p && now)
					return true;
				size_t to = x * n + y;
				if (seen[to] && (seen[n * n + to] || !now))
					continue;
				seen[to] = 1;
				seen[n * n + to] |= now;
				if (tail < 2 * n * n)
					queue[tail++] = (uint32_t)to;
			}
		}
	}
	return false;
}

/* The same text leads p to p, p to q and q to q. */
static bool
cycle_behind(const struct risk *r, size_t p, size_t q, uint8_t *seen, uint32_t *queue)
{
	size_t n = r->n, head = 0, tail = 0, goal = (p * n + q) * n + q;

	memset(seen, 0, n * n * n);
	queue[tail++] = (uint32_t)((p * n + p) * n + q);
	while (head < tail) {
		size_t at = queue[head++], a = at / n / n, b = at / n % n, c = at % n;
		for (size_t x = 0; x < n; x++)
			for (size_t y = 0; r->edge[a][x] && y < n; y++) {
				if (!r->edge[b][y] || !bytes_meet(&r->cls[x], &r->cls[y]))
					continue;
				for (size_t z = 0; z < n; z++) {
					size_t to = (x * n + y) * n + z;
					struct bytes both = r->cls[x];
					for (size_t i = 0; i < 4; i++)
						both.v[i] &= r->cls[y].v[i];
					if (!r->edge[c][z] || seen[to] ||
						!bytes_meet(&both, &r->cls[z]))
						continue;
					if (to == goal)
						return true;
					seen[to] = 1;
					queue[tail++] = (uint32_t)to;
				}
			}
	}
	return false;
}

/* Which places lie on a cycle: what each reaches (S. Warshall, 1962), in rows of bits. */
static void
find_cycles(const struct risk *r, struct places *reach, struct places *cyclic)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < r->n; k++)
			if (r->edge[i][k])
				place_add(&reach[i], k);
	for (size_t k = 0; k < r->n; k++)
		for (size_t i = 0; i < r->n; i++)
			if (place_in(&reach[i], k))
				places_join(&reach[i], &reach[k]);
	for (size_t i = 0; i < r->n; i++)
		if (place_in(&reach[i], i))
			place_add(cyclic, i);
}

static const char *
judge(struct risk *r)
{
	size_t n = r->n, states = n <= TRIPLES_MAX && n > 2 ? n * n * n : 2 * n * n;
	uint8_t *seen = malloc(states + 1);
	uint32_t *queue = malloc((states + 2) * sizeof(*queue));
	struct places *reach = calloc(n, sizeof(*reach)), cyclic = { { 0 } };
	const char *why = seen && queue && reach ? NULL : "out of memory";

	if (!why)
		find_cycles(r, reach, &cyclic);
	for (size_t p = 0; !why && p < n; p++)
		if (place_in(&cyclic, p) && two_ways_round(r, p, seen, queue))
			why = "a repetition inside a repetition, or alternatives that begin "
			      "alike: a text can make it take exponential time";
	if (!why && r->work >= WORK_MAX)
		why = TOO_LARGE;
	for (size_t p = 0; !why && n <= TRIPLES_MAX && p < n; p++)
		for (size_t q = 0; !why && q < n; q++)
			if (p != q && place_in(&cyclic, p) && place_in(&cyclic, q) &&
				cycle_behind(r, p, q, seen, queue))
				why = "two repetitions that can take the same text: a long "
				      "text "
				      "can make it take time squared";
	free(seen);
	free(queue);
	free(reach);
	return why;
}

const char *
cel_regex_risk(struct span pattern)
{
	struct risk *r = calloc(1, sizeof(*r));

	if (!r)
		return "out of memory";
	r->p = pattern.p;
	r->end = pattern.p + pattern.n;
	alternatives(r);
	const char *why = NULL;
	if (r->loops && r->too_large)
		why = TOO_LARGE;
	else if (r->loops && r->n)
		why = judge(r);
	free(r);
	return why;
}
