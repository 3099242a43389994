/* The index of digit runs: built once from the patterns' start conditions, what their
 * look-behinds say, and the outlines' automata; asked at every run of a text. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/err.h"
#include "detect/prefilter/prefilter.h"

/* ---- bits ---- */

static void
set_bit(struct run_set *s, unsigned bit)
{
	s->v[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* Patterns that need no context word first; each kind begins a word of its own. */
static void
number_bits(struct prefilter *f, const struct pattern *v, size_t n)
{
	unsigned next = 0, limit = RUN_BITS - 64;

	for (int near = 0; near < 2; near++) {
		for (size_t i = 0; i < n; i++) {
			const struct pattern *p = &v[i];
			if (p->kind != START_DIGITS || (p->near_bit != NEAR_NONE) != near)
				continue;
			f->run_bit[i] = (uint16_t)(next < limit ? next : limit - 1);
			if (next == limit)
				set_bit(&f->runs.shared, limit - 1);
			next += next < limit;
		}
		next = (next + 63) / 64 * 64;
		for (unsigned k = 0; !near && k < next / 64; k++)
			f->runs.always.v[k] = ~UINT64_C(0);
		if (!near)
			f->runs.far = next / 64;
		limit = RUN_BITS;
	}
}

/* ---- what the patterns say ---- */

/* Whether a match that begins at the run, not before it, may have this before it. */
static bool
may_stand_before(const struct pattern *p, unsigned byte, bool digit)
{
	if (byte == RUN_EDGE)
		return !p->edges.needs_before;
	return !set_has(p->edges.not_before, (char)byte) &&
	       (!p->edges.needs_before || set_has(p->edges.before, (char)byte)) &&
	       !(digit && set_has(p->edges.not_before_2, (char)byte));
}

/* Whether a match that begins before the run may have this byte in the second place
 * before it. */
static bool
may_stand_second(const struct pattern *p, unsigned byte)
{
	bool one = false; /* it may begin with the byte between */

	for (unsigned c = 0; c < 256; c++)
		one |= set_has(p->first, (char)c) && set_has(p->back_set, (char)c);
	return (one && may_stand_before(p, byte, false)) ||
	       (p->back_max > 1 && byte < RUN_EDGE && set_has(p->back_set, (char)byte));
}

static void
index_edges(struct run_index *x, const struct pattern *p, unsigned bit)
{
	bool first = false;

	for (unsigned d = 0; d < 10; d++) {
		bool may = set_has(p->first, (char)('0' + d));
		first |= may;
		if (may || p->back_max)
			set_bit(&x->lead[d], bit);
	}
	for (unsigned digit = 0; digit < 2; digit++)
		for (unsigned c = 0; c <= RUN_EDGE; c++)
			if ((first && may_stand_before(p, c, digit)) ||
				(p->back_max && c < RUN_EDGE && set_has(p->back_set, (char)c)))
				set_bit(&x->before[digit][c], bit);
	for (unsigned c = 0; c <= RUN_EDGE; c++)
		if (first || may_stand_second(p, c))
			set_bit(&x->before_2[c], bit);
}

/* The rule's own `then` and `alone`. */
static bool
may_follow(const struct pattern *p, unsigned run, unsigned char next, bool digit)
{
	if (p->alone >> run & 1 && !is_alnum((char)next))
		return true;
	if (!(p->runs >> run & 1))
		return false;
	return !p->has_then || (set_has(p->then, (char)next) &&
				       (is_alnum((char)next) || next >= 0x80 || digit));
}

static void
index_behind(struct run_index *x, const struct pattern *p, unsigned bit)
{
	struct run_set(*to)[OUTLINE_CLASSES][RUN_KINDS] = x->behind;

	for (unsigned run = 1; run <= DIGIT_RUN_MAX; run++) {
		if (!((p->runs | p->alone) >> run & 1))
			continue;
		for (unsigned c = 0; c < 256; c++)
			for (unsigned kind = 0; kind < RUN_KINDS; kind++)
				if (may_follow(p, run, (unsigned char)c, kind == RUN_DIGIT))
					set_bit(&to[run][x->class_of[c]][kind], bit);
		if (may_follow(p, run, 0, false))
			set_bit(&to[run][OUTLINE_END][RUN_OTHER], bit);
	}
}

/* ---- what the automata say ---- */

/* One outline while its part of the index is made. */
struct walker {
	uint32_t kinds[RUN_KINDS]; /* classes */
	const struct prefilter *f;
	const struct outline *o;
	struct run_set *of_state, *ended; /* patterns still possible; where known: */
	bool *known, *has_ended;
	bool *seen; /* by state */
};

static const struct run_set *
set_of(struct walker *w, uint16_t state)
{
	struct run_set *s = &w->of_state[state];
	const struct outline_list *l = &w->o->lists[state];

	if (!w->known[state])
		for (size_t i = 0; i < l->n; i++)
			set_bit(s, w->f->run_bit[w->o->patterns[l->from + i]]);
	w->known[state] = true;
	return s;
}

static uint16_t
step(const struct outline *o, uint16_t state, unsigned class)
{
	return state < o->live ? o->next[state][class] : state;
}

/* Those still possible where a run of digits ends in the state. */
static const struct run_set *
ended_of(struct walker *w, uint16_t state)
{
	struct run_set *s = &w->ended[state];
	unsigned digit = w->o->class_of['0'];

	if (!w->has_ended[state])
		for (unsigned k = 0; k <= OUTLINE_END; k++)
			if (k != digit)
				run_set_join(s, set_of(w, step(w->o, state, k)));
	w->has_ended[state] = true;
	return s;
}

/* Behind a state that a run and one byte more led to, runs of 1, 2… digits. */
static void
walk_second(struct walker *w, uint16_t state, struct run_set second[DIGIT_RUN_MAX + 1])
{
	unsigned digit = w->o->class_of['0'];

	for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++) {
		state = step(w->o, state, digit);
		run_set_join(&second[n], ended_of(w, state));
	}
	/* Longer ones: whatever the digits so far leave. */
	run_set_join(&second[DIGIT_RUN_MAX], set_of(w, state));
}

/* By what follows a class that led to the state. */
static void
walk_kinds(struct walker *w, uint16_t state, struct run_set behind[RUN_KINDS])
{
	for (unsigned kind = 0; kind < RUN_KINDS; kind++)
		for (uint32_t c = w->kinds[kind]; c; c &= c - 1)
			run_set_join(&behind[kind],
				set_of(w, step(w->o, state, (unsigned)__builtin_ctz(c))));
}

/* Adds to `behind` what runs of n digits and a byte of the class leave. */
static void
walk_first(struct walker *w, unsigned class, unsigned n, struct run_set behind[RUN_KINDS])
{
	const struct outline *o = w->o;

	memset(w->seen, 0, o->states);
	for (unsigned i = 0; i < 2 * OUTLINE_CLASSES; i++) {
		uint16_t s = o->after[i % 2][i / 2][n];
		if (i / 2 == OUTLINE_END || w->seen[s])
			continue;
		w->seen[s] = true;
		if (n < DIGIT_RUN_MAX)
			walk_kinds(w, step(o, s, class), behind);
		for (unsigned k = 0; n == DIGIT_RUN_MAX && k < RUN_KINDS; k++)
			run_set_join(&behind[k], set_of(w, s)); /* any number of digits */
	}
}

/* Adds to `second` what comes behind them. */
static void
walk_on(struct walker *w, unsigned class, struct run_set second[DIGIT_RUN_MAX + 1])
{
	const struct outline *o = w->o;

	memset(w->seen, 0, o->states);
	for (unsigned i = 0; i < 2 * OUTLINE_CLASSES * (DIGIT_RUN_MAX - 1); i++) {
		unsigned n = 1 + i / OUTLINE_CLASSES / 2, before = i / 2 % OUTLINE_CLASSES;
		uint16_t s = step(o, o->after[i % 2][before][n], class);
		if (before != OUTLINE_END && !w->seen[s])
			walk_second(w, s, second);
		w->seen[s] = true;
	}
}

/* What the automaton leaves of its patterns. */
static void
walk_runs(struct walker *w, struct run_index *to)
{
	for (unsigned k = 0; k <= OUTLINE_END; k++) {
		for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++)
			walk_first(w, k, n, to->behind[n][k]);
		walk_on(w, k, to->second[k]);
	}
	for (uint16_t s = 0; s < w->o->states; s++)
		for (unsigned k = 0; k <= OUTLINE_END && w->has_ended[s]; k++)
			run_set_join(&to->third[k], set_of(w, step(w->o, s, k)));
}

/* What the outline's patterns keep of a part of the index is what it said. */
static void
narrow(struct run_set *v, const struct run_set *said, size_t n, const struct run_set *all)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < RUN_WORDS; k++)
			v[i].v[k] &= ~all->v[k] | said[i].v[k];
}

#define NARROW(to, said, part, all)                                                            \
	narrow((struct run_set *)(to)->part, (const struct run_set *)(said)->part,             \
		sizeof((to)->part) / sizeof(struct run_set), all)

/* Takes from the index what the outline's automaton excludes. */
static int
index_outline(struct prefilter *f, const struct outline *o, struct run_index *said)
{
	struct walker w = { .f = f, .o = o, .kinds[RUN_OTHER] = 1u << OUTLINE_END };
	struct run_set all = { { 0 } };
	int err = ERR_NOMEM;

	w.of_state = calloc(o->states, sizeof(*w.of_state));
	w.ended = calloc(o->states, sizeof(*w.ended));
	w.known = calloc(o->states, sizeof(*w.known));
	w.has_ended = calloc(o->states, sizeof(*w.has_ended));
	w.seen = calloc(o->states, sizeof(*w.seen));
	if (!w.of_state || !w.ended || !w.known || !w.has_ended || !w.seen)
		goto out;
	for (unsigned c = 0; c < 256; c++)
		w.kinds[f->runs.kind_of[c]] |= 1u << o->class_of[c];
	memset(said, 0, sizeof(*said));
	walk_runs(&w, said);
	for (size_t i = 0; i < o->nlisted; i++)
		if (!run_set_has(&f->runs.shared, f->run_bit[o->patterns[i]]))
			set_bit(&all, f->run_bit[o->patterns[i]]);
	NARROW(&f->runs, said, behind, &all);
	NARROW(&f->runs, said, second, &all);
	NARROW(&f->runs, said, third, &all);
	err = 0;
out:
	free(w.of_state);
	free(w.ended);
	free(w.known);
	free(w.has_ended);
	free(w.seen);
	return err;
}

static void
first_words(uint64_t *to, const struct run_set *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i].v[0];
}

#define FIRST_WORDS(x, part)                                                                   \
	first_words((uint64_t *)(x)->alone.part, (const struct run_set *)(x)->part,            \
		sizeof((x)->alone.part) / sizeof(uint64_t))

static void
copy_far(struct run_index *x)
{
	FIRST_WORDS(x, before);
	FIRST_WORDS(x, before_2);
	FIRST_WORDS(x, lead);
	FIRST_WORDS(x, behind);
}

int
runs_index(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n)
{
	struct run_index *x = &f->runs, *said = calloc(1, sizeof(*said));
	int err = said ? 0 : ERR_NOMEM;

	f->run_bit = arena_array(a, n + 1, sizeof(*f->run_bit));
	x->near = arena_array(a, NEAR_MAX, sizeof(*x->near));
	if (!f->run_bit || !x->near)
		err = ERR_NOMEM;
	if (!err) {
		memset(x->near, 0, NEAR_MAX * sizeof(*x->near));
		memset(x->second, 0xFF, sizeof(x->second));
		memset(x->third, 0xFF, sizeof(x->third));
		memcpy(x->class_of, f->outlines[0].class_of,
			sizeof(x->class_of)); /* as in all */
		number_bits(f, v, n);
	}
	for (unsigned c = 0; c < 256; c++)
		x->kind_of[c] = c >= 0x80	    ? RUN_HIGH
				: is_digit((char)c) ? RUN_DIGIT
				: is_alpha((char)c) ? RUN_LETTER
						    : RUN_OTHER;
	for (size_t i = 0; i < n && !err; i++) {
		const struct pattern *p = &v[i];
		if (p->kind != START_DIGITS)
			continue;
		index_edges(x, p, f->run_bit[i]);
		index_behind(x, p, f->run_bit[i]);
		if (p->near_bit != NEAR_NONE)
			set_bit(&x->near[p->near_bit], f->run_bit[i]);
	}
	for (int k = 0; k < OUTLINES && !err; k++) {
		const struct outline *o = &f->outlines[k];
		for (size_t i = 0; i < o->nlisted; i++) {
			unsigned bit = f->run_bit[o->patterns[i]];
			if (k == OUTLINE_WORD)
				set_bit(&f->of_words, bit);
			f->outlines_of[bit] |= (uint8_t)(1u << k);
		}
		if (k != OUTLINE_WORD) /* whose walk begins before the run */
			err = index_outline(f, o, said);
	}
	copy_far(x);
	free(said);
	return err;
}
