/* Finds values as the engine does, without a prefilter: every pattern at every place. Slow and
 * simple, so that the engine can be compared with it. */
#include <stdlib.h>

#include "support/naive.h"

void
naive_free(struct naive *v)
{
	for (size_t i = 0; v->codes && i < v->rules->npatterns; i++)
		pcre2_code_free(v->codes[i]);
	free((void *)v->codes);
	pcre2_match_data_free(v->data);
	pcre2_match_context_free(v->context);
}

void
naive_init(struct naive *v, const struct detect_rules *rules)
{
	*v = (struct naive){ .rules = rules,
		.codes = calloc(rules->npatterns, sizeof(pcre2_code *)),
		.data = pcre2_match_data_create(64, NULL),
		.context = pcre2_match_context_create(NULL) };
	if (!v->codes || !v->data || !v->context)
		abort();
	pcre2_set_match_limit(v->context, 2000000);
	for (size_t i = 0; i < rules->npatterns; i++) {
		PCRE2_SIZE where;
		int err;
		v->codes[i] = pcre2_compile((PCRE2_SPTR)rules->patterns[i].regex,
			PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF, &err, &where, NULL);
		if (!v->codes[i])
			abort();
	}
	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = rules->prefilter.literals[h]; l; l = l->next)
			if (rules->patterns[l->pattern].keyed) {
				if (v->nkeys == sizeof(v->keys) / sizeof(v->keys[0]))
					abort();
				v->keys[v->nkeys++] = l;
			}
}

/* Marks the bytes of a candidate, in whole UTF-8 characters. */
static void
naive_cover(struct span text, size_t start, size_t end, size_t shift, unsigned char *covered)
{
	for (int i = 0; i < 3 && start > shift && (text.p[start] & 0xC0) == 0x80; i++)
		start--;
	for (int i = 0; i < 3 && end < text.n && (text.p[end] & 0xC0) == 0x80; i++)
		end++;
	for (size_t at = start; at < end; at++)
		covered[at - shift] = 1;
}

/* Returns true if a candidate that its validator confirmed counts, because of a table or the
 * words around it. */
static bool
naive_counts(struct naive *v, const struct pattern *p, const struct candidate *c,
	struct columns *columns, struct span before, size_t shift)
{
	const struct entity_rule *e = &v->rules->entities[p->entity];
	struct column col;

	/* a name in a header that is above another column */
	if (p->keyed && !shift && memchr(c->text.p + c->match, '\n', c->start - c->match) &&
		columns_below(columns, c->start, c->match))
		return false;
	bool cell = shift == 0 && columns_at(columns, c->start, &col);
	int verdict = context_verdict(&e->context.words, &e->context.against, c->text, before,
		cell ? &col : NULL, c->start, c->end);
	return context_apply(&e->context, verdict, c->score) >= e->threshold;
}

/* Matches one pattern from each start before `to`. Bytes before `shift` are not part of the
 * caller's text. Returns 0 or ERR_LIMIT. */
static int
naive_pattern(struct naive *v, size_t index, struct span text, size_t to, struct span before,
	size_t shift, unsigned char *covered)
{
	const struct pattern *p = &v->rules->patterns[index];
	struct check_memo memo = { 0 };
	struct columns columns = { .heads = 0 };

	columns_begin(&columns, text, false, NULL);
	for (size_t at = 0; at < to;) {
		int rc = pcre2_match(v->codes[index], (PCRE2_SPTR)text.p, text.n, at,
			PCRE2_NO_JIT, v->data, v->context);
		if (rc == PCRE2_ERROR_NOMATCH)
			return 0;
		if (rc < 0)
			return ERR_LIMIT;
		size_t began = pcre2_get_startchar(v->data);
		const PCRE2_SIZE *o = pcre2_get_ovector_pointer(v->data);
		uint32_t g = p->group && o[2 * p->group] != PCRE2_UNSET ? p->group : 0;
		struct candidate c = { .text = text,
			.start = o[2 * g],
			.end = o[2 * g + 1],
			.match = o[0],
			.score = p->score,
			.whole = shift > 0,
			.memo = &memo };
		if (began >= to)
			return 0;
		at = began + 1;
		const size_t end = c.end;
		while (!p->check || check_run(p->check, &c) != CHECK_NO) {
			if (c.end > c.start && c.start >= shift &&
				naive_counts(v, p, &c, &columns, before, shift)) {
				naive_cover(text, c.start, c.end, shift, covered);
				at = c.end > at ? c.end : at;
			}
			if (!c.rest)
				break;
			/* the validator continues within the match */
			c.start = c.rest;
			c.end = end;
			c.rest = 0;
		}
	}
	return 0;
}

/* Scans a value under a key as key=value. */
static int
naive_keyed(struct naive *v, struct span text, struct span before, unsigned char *covered)
{
	char keyed[KEYED_ROOM];
	int err = 0;

	if (before.n > CONTEXT_BYTES)
		before = span_cut(before, before.n - CONTEXT_BYTES, before.n);
	text = span_cut(text, 0, KEYED_TEXT);
	memcpy(keyed, before.p, before.n);
	keyed[before.n] = '=';
	if (text.n)
		memcpy(keyed + before.n + 1, text.p, text.n);
	for (size_t i = 0; i < v->rules->npatterns && !err; i++)
		if (v->rules->patterns[i].keyed)
			err = naive_pattern(v, i, span_of(keyed, before.n + 1 + text.n),
				before.n, SPAN_LIT(""), before.n + 1, covered);
	return err;
}

struct naive_cells {
	struct naive *v;
	struct span text;
	unsigned char *covered;
	int err;
};

static bool
naive_cell(void *arg, struct span name, size_t start, size_t end)
{
	struct naive_cells *c = arg;

	c->err = naive_keyed(c->v, span_cut(c->text, start, end), name, c->covered + start);
	return c->err == 0;
}

/* Returns true if a rule for key=value begins at i. */
static bool
naive_key(const struct naive *v, struct span t, size_t i)
{
	bool inner =
		i > 0 && is_alpha(t.p[i - 1]) && !(is_lower(t.p[i - 1]) && is_upper(t.p[i]));

	for (size_t k = 0; k < v->nkeys; k++) {
		const struct literal *l = v->keys[k];
		if ((t.p[i] ^ l->text.p[0]) & 0xDF) /* the same letter, in either case */
			continue;
		struct span there = span_cut(t, i, i + l->text.n);
		if (!(l->name && inner) &&
			(l->caseless ? span_ieq(there, l->text) : span_eq(there, l->text)))
			return true;
	}
	return false;
}

static uint64_t
naive_keys(void *arg, const struct span *name, unsigned n)
{
	const struct naive_cells *c = arg;
	uint64_t keys = 0;

	for (unsigned k = 0; k < n; k++)
		for (size_t i = 0; i < name[k].n; i++)
			keys |= (uint64_t)naive_key(c->v, name[k], i) << k;
	return keys;
}

/* Marks in covered[text.n] everything that any rule finds, overlapping or not. Returns 0 or
 * ERR_LIMIT. */
static int
naive_scan(struct naive *v, struct span text, struct span before, unsigned char *covered)
{
	struct naive_cells cells = { v, text, covered, 0 };
	struct columns columns = { .heads = 0 };
	int err = 0;

	if (text.n == 0)
		return 0;
	memset(covered, 0, text.n);
	for (size_t i = 0; i < v->rules->npatterns && !err; i++)
		err = naive_pattern(v, i, text, text.n, before, 0, covered);
	if (!err && before.n)
		err = naive_keyed(v, text, before, covered);
	if (err)
		return err;
	columns_begin(&columns, text, false, NULL);
	for (size_t i = 0; i < text.n; i++)
		if (naive_key(v, text, i))
			columns_head(&columns, i);
	columns_cells(&columns, naive_cell, naive_keys, NULL, &cells);
	columns_free(&columns);
	return cells.err;
}

size_t
naive_differs(struct naive *v, struct detect_scratch *s, struct span text, struct span before,
	bool *missed)
{
	struct detect_options opt = { .before = before };
	unsigned char *slow = malloc(2 * text.n + 1), *fast = slow + text.n;
	size_t at = 0;

	if (!slow)
		abort();
	memset(fast, 0, text.n);
	s->n = 0;
	/* the rules alone: names of people in columns have tests of their own */
	struct detect_rules rules = *v->rules;
	rules.finders[FIND_PERSON] = 0;
	if (rules_scan(&rules, s, text, &opt) || naive_scan(v, text, before, slow)) {
		free(slow);
		return text.n;
	}
	for (size_t i = 0; i < s->n; i++)
		memset(fast + s->v[i].start, 1, s->v[i].end - s->v[i].start);
	while (at < text.n && slow[at] == fast[at])
		at++;
	*missed = at < text.n && slow[at];
	free(slow);
	return at;
}
