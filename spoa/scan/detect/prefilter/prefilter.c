/* Builds the prefilter of a rule set from its patterns, in this order: byte sets, the facts in
 * the patterns' trees, literals, automata of digit patterns, the digit index (which needs the
 * automata), automata of byte patterns. */
#include "scan/detect/prefilter/prefilter.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/detect/prefilter/offset.h"

/* Returns true if matches of p begin with a letter at the beginning of a word of letters and
 * digits. */
static bool
begins_a_word(const struct pattern *p)
{
	if (p->back_max == 0)
		return false;
	for (unsigned c = 0; c < 256; c++)
		if (is_alnum((char)c) ? !set_has(p->edges.not_before, (char)c)
				      : set_has(p->back_set, (char)c))
			return false;
	for (char c = '0'; c <= '9'; c++)
		if (set_has(p->first, c))
			return false;
	return true;
}

/* Assigns automata to the entities with at least MANY patterns at digits. of[e]: the automaton;
 * 0: the entity shares one. */
static void
number_many(const struct pattern *v, size_t n, uint8_t *of, size_t entities)
{
	enum { MANY = 5 };
	uint8_t next = AUTOMATON_MANY;

	for (size_t i = 0; i < n; i++)
		if (v[i].kind == START_DIGITS && of[v[i].entity] < MANY)
			of[v[i].entity]++;
	for (size_t e = 0; e < entities; e++) {
		of[e] = of[e] < MANY ? 0 : next;
		next = (uint8_t)(next + (of[e] && next + 1 < AUTOMATA));
	}
}

/* Returns the automaton of a pattern, or -1. Patterns with similar beginnings share an
 * automaton; different ones would multiply its states. */
static int
automaton_of(const struct pattern *p, const uint8_t *many)
{
	if (p->kind != START_DIGITS)
		return -1;
	if (many[p->entity])
		return many[p->entity];
	if (begins_a_word(p))
		return AUTOMATON_WORD;
	if (p->back_max > 1)
		return AUTOMATON_BACK;
	return p->has_then && set_has(p->then, 'A') ? AUTOMATON_LETTERS : AUTOMATON_DIGITS;
}

static int
build_automata(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n,
	size_t entities)
{
	struct automaton_input *in = calloc(n + 1, sizeof(*in));
	uint8_t *many = calloc(entities + 1, sizeof(*many));
	int err = in && many ? 0 : ERR_NOMEM;

	if (!err)
		number_many(v, n, many, entities);
	for (int k = 0; k < AUTOMATA && !err; k++) {
		bool word = k == AUTOMATON_WORD;
		size_t m = 0;
		for (const struct pattern *p = v; p < v + n; p++) {
			if (automaton_of(p, many) != k)
				continue;
			in[m++] = (struct automaton_input){ p->index, p->regex, p->utf,
				p->back_set, word ? 0 : p->back_max };
			if (word && p->back_max > f->word_back_max)
				f->word_back_max = p->back_max;
		}
		err = automaton_build(a, in, m, &f->automata[k]);
	}
	free(many);
	free(in);
	return err;
}

/* Bytes that begin the same patterns share an automaton. */
static int
build_byte_automata(struct prefilter *f, struct arena *a, const struct pattern *patterns)
{
	int err = 0;

	for (unsigned c = 0; c < 256 && !err; c++) {
		size_t n = f->nbyte_patterns[c];
		const uint16_t *v = f->byte_patterns[c];
		for (unsigned k = 0; k < c && n; k++)
			if (f->nbyte_patterns[k] == n &&
				!memcmp(v, f->byte_patterns[k], n * sizeof(*v)))
				f->byte_automata[c] = f->byte_automata[k];
		if (n == 0 || f->byte_automata[c])
			continue;
		struct automaton_input *in = calloc(n, sizeof(*in));
		f->byte_automata[c] = arena_new(a, struct automaton);
		if (!in || !f->byte_automata[c]) {
			free(in);
			return ERR_NOMEM;
		}
		for (size_t i = 0; i < n; i++) {
			const struct pattern *p = &patterns[v[i]];
			in[i] = (struct automaton_input){ p->index, p->regex, p->utf,
				p->back_set, p->back_max };
		}
		err = automaton_build(a, in, n, f->byte_automata[c]);
		free(in);
	}
	return err;
}

/* Returns true if the literal only counts where no letter is before it, or as in homePhone. */
static bool
begins_words(const struct pattern *p, const struct literal *l)
{
	if (l->name)
		return true;
	for (unsigned c = 'A'; c <= 'z'; c++)
		if (is_alpha((char)c) && !set_has(p->edges.not_before, (char)c))
			return false;
	return p->back_max == 0;
}

static void
index_literals(struct prefilter *f, struct arena *a, const struct pattern *v)
{
	size_t n = 0;

	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = f->literals[h]; l; l = l->next)
			n++;
	f->heads = arena_array(a, n + 1, sizeof(*f->heads));
	f->slots = arena_array(a, (1u << LITERAL_BITS) + 1, sizeof(*f->slots));
	n = 0;
	for (size_t h = 0; !arena_failed(a) && h < 1u << LITERAL_BITS; h++) {
		f->slots[h] = (uint16_t)n;
		for (const struct literal *l = f->literals[h]; l; l = l->next, n++) {
			struct literal_head *x = &f->heads[n];
			size_t len = l->text.n < sizeof(x->head) ? l->text.n : sizeof(x->head);
			memcpy(&x->head, l->text.p, len);
			memset(&x->mask, 0xDF, len);
			x->literal = l;
			x->begins = begins_words(&v[l->pattern], l);
			x->whole = l->caseless && l->text.n == len && (x->begins || !l->name) &&
				   span_all(l->text, is_alpha);
			if (!x->begins)
				f->inner[h / 64] |= UINT64_C(1) << (h % 64);
		}
		f->slots[h + 1] = (uint16_t)n;
	}
}

/* Reads the conditions on the bytes before a match, and the place of a digit, from the regex.
 * If the regex is not understood, nothing is assumed. */
static void
read_tree(struct pattern *p)
{
	SCOPED_ARENA(tmp, 0, false);
	struct regex re;

	if (regex_read(&tmp, span_str(p->regex), REGEX_RULE, p->utf, &re)) {
		automaton_edges_of(re.root, &p->edges);
		if (p->kind == START_LITERAL && p->back_max == 0)
			p->digit_offset = pattern_digit_offset(re.root);
	}
	if (p->clear)
		for (unsigned c = '0'; c <= 'z'; c++)
			if (is_alnum((char)c) || c == '_')
				set_add(p->edges.not_before, (unsigned char)c);
}

int
prefilter_build(
	struct prefilter *f, struct arena *a, struct pattern *v, size_t n, size_t entities)
{
	/* the sets of the block classifier */
	block_sets_fill(
		&f->bytes, (bool (*const[])(char)){ is_digit, is_upper, is_lower, NULL });
	for (unsigned c = 0; c < 256; c++)
		if (f->nbyte_patterns[c])
			block_sets_add(&f->bytes, BYTES_PATTERN, (unsigned char)c);
	for (size_t i = 0; i < n; i++)
		read_tree(&v[i]);
	index_literals(f, a, v);
	int err = arena_failed(a) ? ERR_NOMEM : build_automata(f, a, v, n, entities);
	if (!err)
		err = digit_index_build(f, a, v, n);
	return err ? err : build_byte_automata(f, a, v);
}
