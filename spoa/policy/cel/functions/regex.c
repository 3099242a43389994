/* matches(): regular expressions, in two parts.
 *
 * The first part judges if some text can make a backtracking matcher do far more work than the
 * text is long. It builds the Glushkov automaton of the pattern and searches it for the two
 * structures that cause this (A. Weber, H. Seidl, "On the degree of ambiguity of finite
 * automata", 1991): two ways round one cycle on the same text (exponential), and two cycles in
 * sequence that the same text drives (polynomial). Only patterns that compile are judged. Their
 * meaning is widened (sets of bytes, anchors ignored), never narrowed.
 *
 * The second part runs PCRE2 with limits on backtracking and memory. The search is part of the
 * pattern (.*? before it), so one limit, in proportion to the text, counts all work: no pattern
 * and no text take longer. PCRE2 allocates patterns from an arena, and takes memory for
 * matching from the thread's scratch buffer. Neither has to be freed. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/regex/regex.h"
#include "base/scoped.h"
#include "policy/cel/functions/regex.h"

enum { POSITIONS = 512, TRIPLES_MAX = 40, LOOP_LEAST = 10, DEPTH = 60 };
enum { WORK_MAX = 20000000 }; /* steps for judging one pattern: about 50 ms */

struct places {
	uint64_t v[(POSITIONS + 63) / 64];
};

struct risk {
	uint64_t cls[POSITIONS][4];
	/* number of ways from one position to the next; 2: several */
	uint8_t edge[POSITIONS][POSITIONS];
	size_t n, work;
	bool loops, too_large;
};

/* The positions at which a part of the pattern begins and ends. */
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
	for (size_t i = 0; i < COUNT_OF(s->v); i++)
		s->v[i] |= more->v[i];
}

/* ---- the automaton ---- */

static struct part
position(struct risk *r, const uint64_t set[4])
{
	struct part x = { .nullable = false };

	if (r->n == POSITIONS) {
		r->too_large = true;
		return x;
	}
	memcpy(r->cls[r->n], set, sizeof(r->cls[0]));
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

static struct part part_of(struct risk *r, const struct regex_node *n, unsigned depth);

/* `free_end`: a repetition at the very end of the pattern never backtracks. `free_start`:
 * neither does a repetition of any character at its very beginning. */
static struct part
repeated(struct risk *r, const struct regex_node *n, unsigned depth, bool free_end,
	bool free_start)
{
	struct part x = part_of(r, n->child, depth);

	if (n->max >= LOOP_LEAST && !free_end && !free_start) {
		connect(r, &x.last, &x.first);
		/* in (a?){50}, it is open which rounds are empty */
		if (x.nullable && n->max != REGEX_FOREVER)
			connect(r, &x.last, &x.first);
		r->loops = true;
	}
	x.nullable |= n->min == 0;
	return free_start ? (struct part){ .nullable = true } : x;
}

/* `last`: the sequence is one of the pattern's own alternatives, whose depth is 1. */
static struct part
sequence(struct risk *r, const struct regex_node *n, unsigned depth, bool last)
{
	struct part all = { .nullable = true };

	for (const struct regex_node *x = n->child; x; x = x->next) {
		bool end = depth == 1 && last && !x->next, start = depth == 1 && x == n->child;
		all = follow(r, all,
			x->kind == REGEX_REPEAT
				? repeated(r, x, depth, end,
					  start && x->child->dot && x->max == REGEX_FOREVER)
				: part_of(r, x, depth));
	}
	return all;
}

static struct part
alternatives(struct risk *r, const struct regex_node *n, unsigned depth)
{
	struct part all = { .nullable = false };

	if (depth > DEPTH) {
		r->too_large = r->loops = true; /* deeper parts are not judged */
		return all;
	}
	if (n->kind == REGEX_CAT)
		return sequence(r, n, depth, true);
	for (const struct regex_node *x = n->child; x; x = x->next) {
		struct part one = sequence(r, x, depth, !x->next);
		places_join(&all.first, &one.first);
		places_join(&all.last, &one.last);
		all.nullable |= one.nullable;
	}
	return all;
}

static struct part
part_of(struct risk *r, const struct regex_node *n, unsigned depth)
{
	switch (n->kind) {
	case REGEX_SET: return position(r, n->set);
	case REGEX_CAT:
	case REGEX_ALT: return alternatives(r, n, depth + 1);
	default: return (struct part){ .nullable = true };
	}
}

/* ---- judging ---- */

#define TOO_LARGE                                                                              \
	"the pattern is too long to be checked for repetitions: split it into several "        \
	"patterns"

/* Finds pairs (a, b) that one text reaches from (p, p). `apart` marks those that are reached in
 * two ways. */
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
				if (!r->edge[b][y] || !set_meets(r->cls[x], r->cls[y]))
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

/* Returns true if the same text leads from p to p, from p to q, and from q to q. */
static bool
cycle_after(const struct risk *r, size_t p, size_t q, uint8_t *seen, uint32_t *queue)
{
	size_t n = r->n, head = 0, tail = 0, goal = (p * n + q) * n + q;

	memset(seen, 0, n * n * n);
	queue[tail++] = (uint32_t)((p * n + p) * n + q);
	while (head < tail) {
		size_t at = queue[head++], a = at / n / n, b = at / n % n, c = at % n;
		for (size_t x = 0; x < n; x++)
			for (size_t y = 0; r->edge[a][x] && y < n; y++) {
				if (!r->edge[b][y] || !set_meets(r->cls[x], r->cls[y]))
					continue;
				for (size_t z = 0; z < n; z++) {
					size_t to = (x * n + y) * n + z;
					uint64_t both[4];
					for (size_t i = 0; i < 4; i++)
						both[i] = r->cls[x][i] & r->cls[y][i];
					if (!r->edge[c][z] || seen[to] ||
						!set_meets(both, r->cls[z]))
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

/* Finds the positions on cycles, by the positions that each one reaches (S. Warshall, 1962), in rows of bits. */
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
judge_risk(struct risk *r)
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
			      "with the same characters: a text can make the match take "
			      "exponential time";
	if (!why && r->work >= WORK_MAX)
		why = TOO_LARGE;
	for (size_t p = 0; !why && n <= TRIPLES_MAX && p < n; p++)
		for (size_t q = 0; !why && q < n; q++)
			if (p != q && place_in(&cyclic, p) && place_in(&cyclic, q) &&
				cycle_after(r, p, q, seen, queue))
				why = "two repetitions can match the same text: a long text "
				      "can make the match take quadratic time";
	free(seen);
	free(queue);
	free(reach);
	return why;
}

const char *
cel_regex_risk(struct span pattern)
{
	struct risk *r = calloc(1, sizeof(*r));
	const char *why = "out of memory";
	struct regex re;
	SCOPED_ARENA(a, 0, false);

	if (r && regex_read(&a, pattern, REGEX_RE2, true, &re)) {
		alternatives(r, re.root, 1);
		why = r->loops && r->too_large ? TOO_LARGE
		      : r->loops && r->n       ? judge_risk(r)
					       : NULL;
	}
	free(r);
	return why;
}

/* ---- matching ---- */

#define STEPS_LEAST  100000 /* least number of PCRE2's steps: about 10 ms */
#define STEPS_A_BYTE 16
#define STEPS_MOST   64000000 /* most: about a second */
#define HEAP_KIB     512
#define PATTERN_MAX  4096
#define SCRATCH_SIZE (48u << 10)

struct cel_regex {
	pcre2_code *code;
};

struct scratch {
	struct arena *a; /* used once the buffer is full */
	size_t used, spilled;
	alignas(max_align_t) char p[SCRATCH_SIZE];
};

static _Thread_local struct scratch scratch;

static void *
from_arena(PCRE2_SIZE n, void *arena)
{
	return arena_alloc(arena, n);
}

static void *
from_scratch(PCRE2_SIZE n, void *arg)
{
	struct scratch *s = arg;
	size_t room =
		(n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

	if (room < n || room > SCRATCH_SIZE - s->used) {
		s->spilled += n;
		return arena_alloc(s->a, n);
	}
	s->used += room;
	return s->p + s->used - room;
}

static void
keep_regex(void *p UNUSED, void *arg UNUSED)
{
}

const struct cel_regex *
cel_regex_compile(struct arena *a, struct span pattern, const char **why)
{
	struct cel_regex *re = arena_new(a, struct cel_regex);
	pcre2_general_context *gc = pcre2_general_context_create(from_arena, keep_regex, a);
	pcre2_compile_context *cc = gc ? pcre2_compile_context_create(gc) : NULL;
	struct arena tmp;
	struct buf text;
	struct regex tree;
	int error = 0;
	PCRE2_SIZE at = 0;

	*why = "the pattern is too long";
	if (pattern.n > PATTERN_MAX)
		return NULL;
	*why = "out of memory";
	if (!re || !cc)
		return NULL;
	pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(cc, 100);
	arena_init(&tmp, 0, false);
	buf_init(&text, 0);
	if (!regex_read(&tmp, pattern, REGEX_RE2, true, &tree)) {
		*why = tree.why;
		goto out;
	}
	buf_str(&text, "(?s:.*?)(?:");
	buf_span(&text, tree.text);
	buf_putc(&text, ')');
	if (buf_failed(&text))
		goto out;
	re->code = pcre2_compile((PCRE2_SPTR)buf_view(&text).p, text.n,
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
			PCRE2_NO_AUTO_POSSESS | PCRE2_NO_DOTSTAR_ANCHOR,
		&error, &at, cc);
	if (!re->code && !arena_failed(a))
		*why = "not a valid regular expression";
out:
	buf_free(&text);
	arena_reset(&tmp);
	return re->code ? re : NULL;
}

int
cel_regex_match(
	const struct cel_regex *re, struct span subject, struct arena *a, size_t *spilled)
{
	scratch.a = a;
	scratch.used = 0;
	scratch.spilled = 0;
	pcre2_general_context *gc =
		pcre2_general_context_create(from_scratch, keep_regex, &scratch);
	pcre2_match_data *md = gc ? pcre2_match_data_create(1, gc) : NULL;
	pcre2_match_context *limits = gc ? pcre2_match_context_create(gc) : NULL;
	if (!md || !limits)
		return ERR_NOMEM;
	uint64_t steps = STEPS_LEAST + (uint64_t)subject.n * STEPS_A_BYTE;
	pcre2_set_match_limit(limits, steps < STEPS_MOST ? (uint32_t)steps : STEPS_MOST);
	pcre2_set_heap_limit(limits, HEAP_KIB);
	int rc = pcre2_match(re->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, 0,
		PCRE2_ANCHORED, md, limits);
	*spilled = scratch.spilled;
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return ERR_NOMEM;
	return rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21 ? ERR_ENCODING
									   : ERR_LIMIT;
}
