/* The engine. One pass over the text finds the places where a pattern may begin: the first
 * bytes of a literal (hashed into a table), runs of digits, and rare bytes such as '@'. At
 * digits and rare bytes, an automaton determines which patterns can match. These patterns, and
 * the patterns of a literal, are matched by PCRE2's JIT, anchored and under a match limit. Then
 * validator and context determine the score, and overlaps are resolved. Text without such
 * places costs only the pass. Every pattern and validator looks a bounded distance ahead, so
 * the work is linear.
 *
 * If the text continues (a stream), the scan also finds matches that the text's end cuts off, by
 * PCRE2's partial matching. open_scan() adds the matches whose start condition is not in the text
 * yet. */
#include "base/ascii.h"
#include "base/bits.h"
#include "base/effort.h"
#include "base/err.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"
#include "scan/detect/prefilter/starts.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/seed.h"

/* Units of work for functions that do not count their own work (base/effort.h). */
enum { WORK_PARTIAL = 128, WORK_CHECK = 48, WORK_CONTEXT = 64, WORK_CELL = 128 };

enum {
	/* if back_max of a pattern is at most this, each possible start is tried */
	BACK_EACH = 8,
	OPEN_DIGITS = 36, /* bytes after a run of digits that the digit index reads */
	OPEN_RIGHT = CONTEXT_BYTES + 16, /* bytes after a value that may change its score or end */
};

/* A cached result of context_verdict() for an entity at a place; end 0: unused. */
enum { VERDICTS = 8 };
struct verdict {
	size_t start, end;
	uint16_t entity;
	int says;
};

struct sweep {
	const struct detect_rules *r;
	const struct prefilter *f; /* the prefilter of r */
	struct detect_scratch *s;
	const struct detect_options *opt;
	struct span text;
	bool keyed;   /* `text` is a key, '=' and a value: only keyed patterns are tried */
	/* `text` is the name of a column: the scan only determines whether the name is a key */
	bool names;
	bool key;     /* the column's name is a key */
	bool more;    /* the text continues after its end */
	size_t shift; /* of a keyed text: length of the key and '=' */
	size_t base;  /* of a keyed text: offset of the value in the caller's text */
	enum { UNKNOWN, NO, YES } decides; /* cache of context_decides() */
	struct check_memo memo;
	struct verdict verdicts[VERDICTS];
	size_t bare_from, bare_to;	   /* cache of digit_near(): no digit is in this range */
	size_t seeds_to;		   /* end of the last row of words of seed phrases */
	size_t word_at;			   /* offset of the word that was walked last */
	/* the patterns that may match in this word; NULL: no word was walked yet */
	const struct automaton_list *word;
	int err;
};

/* A block of the text: one bit for each byte. */
struct block {
	size_t from;
	uint64_t literal, byte; /* as in struct starts */
	uint64_t runs;		/* a run of digits begins */
	/* a word begins: no letter precedes the byte, or the byte is a capital after a small
	 * letter */
	uint64_t begins;
	uint64_t digit, alpha, lower, alnum;
	uint64_t alnum_before; /* `alnum` of the previous block */
};

/* ---- candidates ---- */

static bool
is_sample(const struct entity_rule *e, struct span value)
{
	char folded[256];
	size_t n = 0;

	if (e->nsamples == 0)
		return false;
	for (size_t i = 0; i < value.n && n < sizeof(folded); i++)
		if (is_alnum(value.p[i]))
			folded[n++] = to_upper(value.p[i]);
	for (size_t k = 0; k < e->nsamples; k++)
		if (span_eq(e->samples[k], span_of(folded, n)))
			return true;
	return false;
}

static inline const struct context_view *
context_of(struct sweep *w, size_t i)
{
	const struct context_view *known = context_known(&w->s->near_by, i, !w->keyed);

	return known ? known : context_look(&w->s->near_by, w->text, i, !w->keyed);
}

/* Returns the list, or an empty list if none of its words is near, according to the index. */
static const struct words *
words_near(const struct context_view *near, const struct words *list, uint8_t bit)
{
	static const struct words none = { .n = 0 };

	return near && bit != CONTEXT_NONE && !context_has(near, bit) ? &none : list;
}

/* Returns the verdict of the context around [start, end). Results are cached, because several
 * patterns of an entity often find the same value. */
static int
verdict_of(struct sweep *w, uint16_t entity, size_t start, size_t end, struct span before)
{
	const struct context_rule *c = &w->r->entities[entity].context;
	struct verdict *v = &w->verdicts[entity % VERDICTS];
	struct column col;

	if (c->words.n + c->against.n == 0)
		return 0;
	if (v->end == end && v->start == start && v->entity == entity)
		return v->says;
	effort_add(WORK_CONTEXT);
	const struct column *in =
		!w->keyed && columns_at(&w->s->columns, start, &col) ? &col : NULL;
	bool indexed = !in && end - start <= CONTEXT_AHEAD - CONTEXT_BYTES - CONTEXT_BACK &&
		       !context_touches(w->text, start, end);
	const struct context_view *near =
		indexed ? context_look(&w->s->near_by, w->text, start, false) : NULL;
	*v = (struct verdict){ start, end, entity,
		context_verdict(words_near(near, &c->words, w->r->context_bit[entity]),
			words_near(near, &c->against, w->r->against_bit[entity]), w->text,
			before, in, start, end) };
	return v->says;
}

/* Returns true if the text continues, and its end is less than n bytes after i. */
static bool
ends_within(const struct sweep *w, size_t i, size_t n)
{
	return w->more && w->text.n - i < n;
}

/* ---- matching ---- */

/* Returns 1 if p matches at `at`, else 0. Errors and limits are stored in w->err. */
static int
match_at(struct sweep *w, const struct pattern *p, size_t at)
{
	struct detect_scratch *s = w->s;
	int rc = p->jit ? pcre2_jit_match(p->code, (PCRE2_SPTR)w->text.p, w->text.n, at, 0,
				  s->data, s->context)
			: pcre2_match(p->code, (PCRE2_SPTR)w->text.p, w->text.n, at, 0, s->data,
				  s->context);

	effort_add(s->open.of ? p->stream_work : p->work);
	if (rc >= 0)
		return 1;
	if (rc != PCRE2_ERROR_NOMATCH) {
		w->err = rc == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_LIMIT;
		effort.over |= w->err == ERR_LIMIT; /* the limit for one attempt */
	}
	return 0;
}

static struct candidate
candidate_of(struct sweep *w, const struct pattern *p)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(w->s->data);
	uint32_t g = p->group && at[2 * p->group] != PCRE2_UNSET ? p->group : 0;

	return (struct candidate){ .text = w->text,
		.start = at[2 * g],
		.end = at[2 * g + 1],
		.match = at[0],
		.score = p->score,
		.whole = w->keyed,
		.memo = &w->memo };
}

/* For a text that continues: returns true if a match of p at `at` may continue too, but its
 * validator already refuses every continuation. */
static bool
is_refused(struct sweep *w, const struct pattern *p, size_t at)
{
	if (!p->check || !check_ends_early(p->check) || (w->opt && w->opt->all_candidates) ||
		!match_at(w, p, at))
		return false;
	struct candidate c = candidate_of(w, p);
	return c.match == at && check_is_over(p->check, &c);
}

/* For a text that continues: returns true if further text could complete a match of p at `at`,
 * or make it longer. */
static bool
may_go_on(struct sweep *w, const struct pattern *p, size_t at)
{
	struct detect_scratch *s = w->s;

	effort_add(WORK_PARTIAL);
	return pcre2_match(p->code, (PCRE2_SPTR)w->text.p, w->text.n, at, PCRE2_PARTIAL_HARD,
		       s->data, s->context) == PCRE2_ERROR_PARTIAL &&
	       !is_refused(w, p, at);
}

static void
note_open(struct sweep *w, size_t start)
{
	size_t from = w->keyed ? w->base : start;

	if (from < w->s->open.from)
		w->s->open.from = from;
}

/* For a text that continues: records that the value is found again only if the text from the
 * match's beginning on is kept. */
static void
note_lead(struct sweep *w, const struct candidate *m)
{
	struct scan_open *o = &w->s->open;

	INVARIANT(o->nleads <= COUNT_OF(o->leads));
	if (o->nleads == COUNT_OF(o->leads))
		note_open(w, m->match);
	else
		o->leads[o->nleads++] = (struct scan_lead){ m->match, m->start };
}

/* Returns true if a value ends with the first byte of a word diff's closing mark: [-old-] or
 * {+new+}. Many tokens may contain - and +, so a pattern takes that byte for the token's. */
static bool
ends_in_diff_mark(struct span text, size_t start, size_t end)
{
	char last = text.p[end - 1], next = end < text.n ? text.p[end] : 0;

	if (end - start < 2 || text.p[end - 2] == last) /* -----END PRIVATE KEY----- */
		return false;
	return (last == '-' && next == ']') || (last == '+' && next == '}');
}

/* Examines a match of p on [m->start, m->end). Returns true if the validator accepts it,
 * whether or not the score reaches the threshold. */
static bool
consider_finding(struct sweep *w, const struct pattern *p, struct candidate *m)
{
	const struct entity_rule *e = &w->r->entities[p->entity];
	const struct candidate whole = *m;
	enum check_result checked = p->check ? check_run(p->check, m) : CHECK_SHAPE;
	bool all = w->opt && w->opt->all_candidates;

	effort_add(WORK_CHECK + (whole.end - whole.match) / 4);
	if (all && checked == CHECK_NO) {
		*m = whole; /* undo the validator's changes */
		checked = CHECK_SHAPE;
	}
	if (checked == CHECK_NO || m->end <= m->start)
		return false;
	/* A name in a table's header names its own column, which columns_cells() reads. */
	if (p->keyed && !w->keyed && !all && m->start > m->match &&
		memchr(w->text.p + m->match, '\n', m->start - m->match) &&
		columns_below(&w->s->columns, m->start, m->match))
		return false;
	m->end -= ends_in_diff_mark(w->text, m->start, m->end);
	if (m->start < w->shift)
		return false;
	/* If the validator read beyond the match, it may read further. */
	if (ends_within(w, m->end, OPEN_RIGHT) && m->end > whole.end)
		note_open(w, m->match < m->start ? m->match : m->start);
	if (w->more && !w->keyed && m->start - m->match > CONTEXT_BYTES)
		note_lead(w, m);
	struct finding f = { .entity = p->entity, .start = m->start, .end = m->end };
	struct span before = w->opt && !w->keyed ? w->opt->before : SPAN_LIT("");
	f.score = context_apply(
		&e->context, verdict_of(w, p->entity, f.start, f.end, before), m->score);
	if (checked == CHECK_VALID)
		f.flags |= FINDING_VALIDATED;
	if (p->kind == START_LITERAL && m->match < m->start)
		f.flags |= FINDING_NAMED;
	if (is_sample(e, span_cut(w->text, f.start, f.end)))
		f.flags |= FINDING_SAMPLE;
	/* extend to whole characters of UTF-8: at most three bytes at each end */
	for (int i = 0; i < 3 && f.start > 0 && (w->text.p[f.start] & 0xC0) == 0x80; i++)
		f.start--;
	for (int i = 0; i < 3 && f.end < w->text.n && (w->text.p[f.end] & 0xC0) == 0x80; i++)
		f.end++;
	/* If the text begins inside a character, the finding must not reach into the key. */
	f.start = w->base + (f.start > w->shift ? f.start - w->shift : 0);
	f.end = w->base + f.end - w->shift;
	if (all || f.score >= scan_threshold(w->r, w->opt, p->entity))
		w->err = scratch_keep(w->s, f);
	return true;
}

/* The same, for each finding that the validator reads in the match. */
static bool
consider_match(struct sweep *w, const struct pattern *p, struct candidate *m)
{
	const size_t end = m->end;
	bool found = consider_finding(w, p, m);

	while (m->rest && !w->err) {
		m->start = m->rest;
		m->end = end;
		m->rest = 0;
		found |= consider_finding(w, p, m);
	}
	return found;
}

/* ---- where matches begin ---- */

/* Early reject of attempts: most fail because of the byte before. */
static bool
may_begin(const struct sweep *w, const struct pattern *p, size_t start)
{
	const char *t = w->text.p + start;

	if (!set_has(p->first, t[0]))
		return false;
	if (start == 0)
		return !p->edges.needs_before;
	return !set_has(p->edges.not_before, t[-1]) &&
	       (!p->edges.needs_before || set_has(p->edges.before, t[-1])) &&
	       !(start > 1 && is_digit(t[-2]) && set_has(p->edges.not_before_2, t[-1]));
}

static bool
has_digit(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t eight;

	memcpy(&eight, p, sizeof(eight));
	uint64_t x = eight ^ '0' * ones, low = x & 0x7F * ones;

	return ~((low + (0x80 - 10) * ones) | x) & 0x80 * ones;
}

/* Returns true if one of n bytes from i on is a digit. */
static bool
digit_near(struct sweep *w, size_t i, size_t n)
{
	size_t to = w->text.n - i < n ? w->text.n : i + n, at = i;

	if (i >= w->bare_from && i <= w->bare_to)
		at = w->bare_to;
	else
		w->bare_from = i;
	while (at < to && w->text.n - at >= 8 && !has_digit(w->text.p + at))
		at += 8;
	while (at < to && !is_digit(w->text.p[at]))
		at++;
	w->bare_to = at;
	return at < to;
}

/* Returns the first place, not before `least`, at which a match of p may begin whose start condition holds
 * at i. Returns i if p needs one of some bytes before i, and there is none. */
static size_t
back_start(const struct pattern *p, struct span t, size_t i, size_t least)
{
	size_t start = i;
	bool one = !p->needs_back;

	while (start > least && i - start < p->back_max && set_has(p->back_set, t.p[start - 1])) {
		start--;
		one |= set_has(p->back_one, t.p[start]);
	}
	return one ? start : i;
}

/* Tries p, whose start condition holds at i. */
static void
try_at(struct sweep *w, const struct pattern *p, size_t i)
{
	size_t start = i, *mark = &w->s->free_from[p->index];
	size_t free_from = *mark > w->s->free_base ? *mark - w->s->free_base : 0;

	if (w->names) {
		w->key |= p->keyed && p->kind == START_LITERAL;
		return;
	}
	if (p->keyed && !w->keyed && p->kind == START_LITERAL)
		columns_head(&w->s->columns, i);
	if (i < free_from || (w->keyed && !p->keyed) ||
		scan_threshold(w->r, w->opt, p->entity) > 1.0f)
		return;
	start = back_start(p, w->text, i, free_from);
	if (p->needs_back && start == i)
		return;
	if (p->digit_offset && !digit_near(w, i, p->digit_offset) &&
		!ends_within(w, i, p->digit_offset))
		return;
	effort_add(i - start);
	/* Try the first possible start. If back_max is small, try each start: in "9(214", a
	 * look-behind refuses "(" but not "2". */
	for (;; start++) {
		bool possible = may_begin(w, p, start);
		if (possible && w->more && (start >= w->s->open.least || w->keyed) &&
			may_go_on(w, p, start)) {
			note_open(w, start);
			return;
		}
		if (possible && match_at(w, p, start))
			break;
		if (start == i || w->err || (possible && p->back_max > BACK_EACH))
			return;
	}
	struct candidate m = candidate_of(w, p);
	if (consider_match(w, p, &m) && m.end > i)
		*mark = w->s->free_base + m.end;
}

/* Records the first place at which p may begin and continue after the text's end. */
static void
search_open(struct sweep *w, const struct pattern *p)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(w->s->data);
	struct detect_scratch *s = w->s;

	for (size_t at = 0; at < w->text.n;) {
		int rc = pcre2_match(p->code, (PCRE2_SPTR)w->text.p, w->text.n, at,
			PCRE2_PARTIAL_HARD, s->data, s->context);
		if (rc == PCRE2_ERROR_PARTIAL)
			note_open(w, v[0]);
		if (rc < 0)
			return;
		at = v[1] > at ? v[1] : at + 1;
	}
}

static void
search_everywhere(struct sweep *w, const struct pattern *p)
{
	size_t at = 0;

	if (scan_threshold(w->r, w->opt, p->entity) > 1.0f)
		return;
	if (w->more)
		search_open(w, p);
	while (at <= w->text.n && !w->err && match_at(w, p, at)) {
		if (effort_over())
			w->err = effort_err();
		const PCRE2_SIZE *v = pcre2_get_ovector_pointer(w->s->data);
		size_t from = v[0], to = v[1];
		struct candidate m = candidate_of(w, p);
		if (consider_match(w, p, &m) && m.end > at)
			at = m.end;
		else
			at = to > from ? from + 1 : to + 1;
	}
}

/* ---- the pass ---- */

static inline bool
literal_matches(const struct literal *l, struct span t, size_t i)
{
	if (l->text.n > t.n - i || (l->name && i > 0 && is_alpha(t.p[i - 1]) &&
					   !(is_lower(t.p[i - 1]) && is_upper(t.p[i]))))
		return false;
	if (!l->caseless)
		return memcmp(t.p + i, l->text.p, l->text.n) == 0;
	return span_ieq(span_of(t.p + i, l->text.n), l->text);
}

/* Tries the literals with which the text at i begins. `begins`: a word begins at i. */
static void
try_literals(struct sweep *w, size_t i, bool begins)
{
	char last[sizeof(uint64_t)] = { 0 };
	const char *p = w->text.p + i;
	uint64_t head;

	if (w->text.n - i < sizeof(last)) {
		memcpy(last, p, w->text.n - i);
		p = last;
	}
	memcpy(&head, p, sizeof(head));
	const struct literal_slot *slot = &w->f->slots[literal_hash(three_bytes(p))];
	const struct literal_head *to = w->f->heads + slot->to;
	for (const struct literal_head *h = w->f->heads + slot->from; h < to; h++) {
		if ((head ^ h->head) & h->mask || (h->begins && !begins))
			continue;
		if (h->whole || literal_matches(h->literal, w->text, i))
			try_at(w, &w->r->patterns[h->literal->pattern], i);
		if (w->err)
			return;
	}
}

/* Tries the patterns that an automaton returned for i. `only`: try no others; NULL: try all. */
static void
try_list(struct sweep *w, const struct automaton *o, const struct automaton_list *l, size_t i,
	const struct pattern_set *only)
{
	for (size_t k = 0; k < l->n && !w->err; k++) {
		uint16_t index = o->patterns[l->from + k];
		if (only && !pattern_set_has(only, w->f->pattern_bit[index]))
			continue;
		const struct pattern *p = &w->r->patterns[index];
		if (p->context_bit != CONTEXT_NONE &&
			p->score < scan_threshold(w->r, w->opt, p->entity) &&
			!context_has(context_of(w, i), p->context_bit))
			continue;
		try_at(w, p, i);
	}
}

/* Returns the number of letters and digits directly before bit k of the block. */
static size_t
word_before(const struct block *b, unsigned k)
{
	uint64_t other = k ? ~(b->alnum << (64 - k)) : 0;

	if (k && other >> (64 - k))
		return (size_t)__builtin_clzll(other);
	return k + (~b->alnum_before ? (size_t)__builtin_clzll(~b->alnum_before) : 64);
}

/* Returns the patterns that may match in the word around the digits at i. The result is the
 * same for every run of digits in the word. */
static const struct automaton_list *
walk_word(struct sweep *w, const struct block *b, size_t i)
{
	static const struct automaton_list none = { 0, 0 };
	size_t n = word_before(b, (unsigned)(i - b->from));

	if (n == 0 || n > w->f->word_back_max)
		return &none;
	if (!w->word || w->word_at != i - n) {
		effort_add(8 + 2 * n);
		w->word = automaton_walk(
			&w->f->automata[AUTOMATON_WORD], w->text, i - n, 0, w->more);
		w->word_at = i - n;
	}
	return w->word;
}

/* Returns true if, with these thresholds, every pattern that needs a context word still needs
 * one. */
static bool
context_decides(struct sweep *w)
{
	if (w->decides == UNKNOWN) {
		w->decides = YES;
		for (size_t e = 0; w->opt && w->opt->thresholds && e < w->r->nentities; e++)
			if (w->r->context_best[e] >= w->opt->thresholds[e])
				w->decides = NO;
	}
	return w->decides == YES;
}

/* All patterns: used if thresholds are so low that no context word is needed. */
static const struct context_view anything = {
	.patterns = { { ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0) } },
};

/* Sets *set to the patterns that may match at the run of n digits at i: first by the bytes next
 * to the run, then by the word around it, then by the context words near it. Returns false if
 * there is none. */
static bool
possible_patterns(
	struct sweep *w, const struct block *b, size_t i, size_t n, struct pattern_set *set)
{
	const struct pattern_set *words = &w->f->word_patterns;
	const struct context_view *near =
		context_decides(w) ? context_known(&w->s->near_by, i, !w->keyed) : &anything;
	const struct context_view *first = near ? near : &anything;

	if (!digit_index_look(
		    &w->f->digits, w->text, i, n, &first->patterns, first->alone, set))
		return false;
	if (pattern_sets_meet(set, words) && walk_word(w, b, i)->n == 0 &&
		!pattern_set_drop(set, words))
		return false;
	/* If all patterns of the set need no context, the context need not be read. */
	return near || pattern_set_within(set, &w->f->digits.always) ||
	       context_cut(&w->s->near_by, w->text, i, !w->keyed, set);
}

/* Returns the automata that contain these patterns, as bits. */
static unsigned
automata_of(const struct prefilter *f, const struct pattern_set *set)
{
	unsigned all = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		for (uint64_t more = set->v[k]; more; more &= more - 1)
			all |= f->automata_of[64 * k + (unsigned)__builtin_ctzll(more)];
	return all;
}

/* Tries the patterns that may match at the run of digits that begins at i. */
static void
try_digits(struct sweep *w, const struct block *b, size_t i)
{
	uint64_t other = ~(b->digit >> (i - b->from));
	size_t end = i + (unsigned)__builtin_ctzll(other | UINT64_C(1) << 63);
	struct pattern_set set = { { 0 } };

	end = span_past(w->text, end, is_digit);
	/* The index reads the text after the run, which may not have arrived yet. */
	bool open = ends_within(w, i, end - i + OPEN_DIGITS);
	if (open)
		memset(&set, 0xFF, sizeof(set));
	else if (!possible_patterns(w, b, i, end - i, &set))
		return;
	unsigned automata = open ? (1u << AUTOMATA) - 1 : automata_of(w->f, &set);
	for (unsigned more = automata; more; more &= more - 1) {
		unsigned k = (unsigned)__builtin_ctz(more);
		const struct automaton *o = &w->f->automata[k];
		try_list(w, o,
			k == AUTOMATON_WORD ? walk_word(w, b, i)
					    : automaton_walk(o, w->text, i, end - i, w->more),
			i, &set);
	}
}

/* Reads the block at `from` into b, which holds the previous block. */
static void
block_read(const struct sweep *w, struct block *b, size_t from)
{
	struct starts v;

	starts_at(w->f, w->text.p + from, w->text.n - from, &v);
	uint64_t alpha = v.upper | v.lower, alpha_before = b->alpha, lower_before = b->lower;
	b->from = from;
	b->literal = v.literal;
	b->byte = v.byte;
	b->runs = v.digit & ~(v.digit << 1 | b->digit >> 63);
	/* homePhone */
	b->begins = ~(alpha << 1 | alpha_before >> 63) |
		    (v.upper & (v.lower << 1 | lower_before >> 63));
	b->alnum_before = b->alnum;
	b->alnum = alpha | v.digit;
	b->digit = v.digit;
	b->alpha = alpha;
	b->lower = v.lower;
}

/* Returns true if the fifth byte is that of a literal which can begin at i. Most literals begin
 * words, and few of them have the same five bytes. */
static inline bool
may_be_literal(const struct sweep *w, size_t i, bool begins)
{
	const char *p = w->text.p + i;

	if (w->text.n - i <= LITERAL_MIN + 1)
		return true;
	const struct literal_slot *slot = &w->f->slots[literal_hash(three_bytes(p))];
	return (begins ? slot->fifth : slot->fifth_inner) & literal_byte((unsigned char)p[4]);
}

/* Returns the places of the block at which literals may begin. */
static uint64_t
literals_in(const struct sweep *w, const struct block *b)
{
	return BITS_WHERE(b->literal, b->from, i,
		may_be_literal(w, i, b->begins >> (i - b->from) & 1));
}

static void
sweep_block(struct sweep *w, const struct block *b, uint64_t within)
{
	uint64_t literal = literals_in(w, b);
	uint64_t todo = (literal | b->byte | b->runs) & within;

	if (todo && effort_over())
		w->err = effort_err();
	for (; todo && !w->err; todo &= todo - 1) {
		unsigned k = (unsigned)__builtin_ctzll(todo);
		size_t i = b->from + k;
		if (literal >> k & 1)
			try_literals(w, i, b->begins >> k & 1);
		if (b->byte >> k & 1) {
			const struct automaton *o =
				w->f->byte_automata[(unsigned char)w->text.p[i]];
			if (o)
				try_list(w, o, automaton_walk(o, w->text, i, 0, w->more), i,
					NULL);
		}
		if (b->runs >> k & 1)
			try_digits(w, b, i);
	}
}

/* Returns the bits of the block that are in the parts to be examined. *next: the first part
 * that may reach into a later block. */
static uint64_t
within_parts(const struct detect_scratch *s, size_t from, size_t *next)
{
	uint64_t bits = 0;

	while (*next < s->nparts && s->parts[*next].to <= from)
		++*next;
	for (size_t i = *next; i < s->nparts && s->parts[i].from < from + BLOCK; i++) {
		size_t a = s->parts[i].from > from ? s->parts[i].from - from : 0;
		size_t b = s->parts[i].to - from;
		bits |= bits_below(b) & ~bits_below(a);
	}
	return bits;
}

/* Tries the patterns of seed phrases for the word at `at`. They are tried at the first of the adjacent
 * words of the list. */
static void
try_seeds(struct sweep *w, size_t at)
{
	size_t from = at, to = at;

	if (!seed_row(w->text, &from, &to))
		return;
	w->seeds_to = to;
	for (size_t k = 0; k < w->r->nseeds && !w->err; k++)
		try_at(w, &w->r->patterns[w->r->seeds[k]], from);
}

/* Looks up the words that begin in each half of the block, unless there is only one, or one has less
 * than three letters. Nearly all phrases have 63 bytes or more, so they contain a half. */
static inline void
sweep_seeds(struct sweep *w, const struct block *b)
{
	const uint64_t low = UINT32_MAX;
	uint64_t words = b->begins & b->alpha;
	uint64_t brief = words & ~(b->alpha >> 1 & b->alpha >> 2) & ~UINT64_C(0) >> 2;

	for (unsigned half = 0; half < BLOCK; half += BLOCK / 2) {
		uint64_t more = words & low << half;
		if (brief & low << half || !(more & (more - 1)))
			continue;
		size_t at = b->from + (unsigned)__builtin_ctzll(more);
		for (; more; more &= more - 1) {
			size_t i = b->from + (unsigned)__builtin_ctzll(more);
			if (i + 4 <= w->text.n && !seed_may_begin(w->text.p + i))
				break;
		}
		if (!more && at >= w->seeds_to)
			try_seeds(w, at);
	}
}

static void
sweep_text(struct sweep *w, size_t to)
{
	struct block b = { 0 };
	size_t next = 0;
	bool seeds = w->r->nseeds && !w->keyed && !w->s->nparts;

	effort_add(to);
	struct span before = w->opt && !w->keyed ? w->opt->before : SPAN_LIT("");
	if (!w->keyed)
		columns_begin(&w->s->columns, w->text, w->opt && w->opt->inside,
			w->opt ? w->opt->table : NULL);
	if (before.n > CONTEXT_BYTES)
		before = span_cut(before, before.n - CONTEXT_BYTES, before.n);
	context_begin(
		&w->s->near_by, &w->r->context_index, &w->f->digits, &w->s->columns, before);
	w->word = NULL;
	for (size_t from = 0; from < to && !w->err; from += BLOCK) {
		block_read(w, &b, from);
		if (w->s->nparts && !w->keyed) {
			uint64_t in = within_parts(w->s, from, &next);
			b.byte &= in;
			b.runs &= in;
		}
		sweep_block(w, &b, bits_below(to - from));
		if (seeds)
			sweep_seeds(w, &b);
	}
	w->s->free_base += w->text.n + 1;
}

/* Scans a text that is the value of a key once more as `key=text`, so that rules for key=value
 * find it. `at`: the offset of `text` in the caller's text. */
static void
sweep_keyed(struct sweep *w, struct span before, struct span text, size_t at)
{
	struct sweep k = *w;

	if (before.n > CONTEXT_BYTES)
		before = span_cut(before, before.n - CONTEXT_BYTES, before.n);
	k.more = w->more && at + text.n == w->text.n && text.n <= KEYED_TEXT;
	text = span_cut(text, 0, KEYED_TEXT);
	memcpy(w->s->keyed, before.p, before.n);
	w->s->keyed[before.n] = '=';
	if (text.n)
		memcpy(w->s->keyed + before.n + 1, text.p, text.n);
	k.text = span_of(w->s->keyed, before.n + 1 + text.n);
	k.shift = before.n + 1;
	k.base = at;
	k.keyed = true;
	k.memo = (struct check_memo){ 0 };
	k.bare_from = k.bare_to = 0;
	memset(k.verdicts, 0, sizeof(k.verdicts));
	sweep_text(&k, before.n);
	w->err = k.err;
}

static bool
sweep_cell(void *arg, struct span name, size_t start, size_t end)
{
	struct sweep *w = arg;

	effort_add(WORK_CELL);
	w->err = names_cell(w->r, w->s, w->opt, name, span_cut(w->text, start, end), start);
	if (!w->err)
		sweep_keyed(w, name, span_cut(w->text, start, end), start);
	return w->err == 0;
}

/* Returns which of the n columns' names are keys of rules, a bit for each. */
static uint64_t
sweep_names(void *arg, const struct span *name, unsigned n)
{
	struct sweep k = *(const struct sweep *)arg;
	uint64_t keys = 0;

	k.names = true;
	for (unsigned f = 0; f < n; f++) {
		k.text = name[f];
		k.key = false;
		for (size_t i = 0; i < name[f].n && !k.key; i++)
			try_literals(&k, i, true);
		keys |= (uint64_t)k.key << f;
	}
	return keys;
}

/* Returns true if p may begin at `at`, and further text could complete the match. */
static bool
rules_may_continue(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct pattern *p, size_t at)
{
	struct sweep w = { .r = r, .s = s, .text = text };

	return may_begin(&w, p, at) && may_go_on(&w, p, at);
}

int
rules_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	struct sweep w = { .r = r, .f = &r->prefilter, .s = s, .opt = opt, .text = text };

	w.more = s->open.of == text.p && text.n;
	sweep_text(&w, text.n);
	for (size_t k = 0; k < r->nanywhere && !w.err; k++)
		search_everywhere(&w, &r->patterns[r->anywhere[k]]);
	/* Scan again values whose key is elsewhere: the value of a key, and the cells under headers
	 * that are keys. */
	if (!w.err && opt && opt->before.n && text.n && !opt->inside && r->any_keyed)
		sweep_keyed(&w, opt->before, text, 0);
	if (!w.err)
		columns_cells(&s->columns, sweep_cell, sweep_names, r, &w);
	if (!w.err)
		w.err = names_column_end(r, s);
	/* The rest of it is set with the name. */
	s->name_column.name = SPAN_LIT("");
	s->name_column.key = false;
	s->name_column.n = 0;
	if (!w.err && s->columns.lost)
		w.err = ERR_NOMEM;
	return w.err || (opt && opt->identifier) ? w.err : custom_scan(r, s, text, opt);
}

/* ---- texts that continue: the index of beginnings ---- */

bool
open_separates(char c)
{
	static const uint64_t set[4] = { UINT64_C(0x4800130500003e00),
		UINT64_C(0x3800000028000000) };

	return set_has(set, c);
}

static bool
has_separator(const uint64_t set[4])
{
	for (unsigned c = 0; c < 0x80; c++)
		if (open_separates((char)c) && set_has(set, (char)c))
			return true;
	return false;
}

/* Returns the number of bytes up to the first separator inside the literal, the separator
 * included, or 0 if there is none. */
static size_t
literal_word_of(const struct literal *l)
{
	for (size_t i = 0; i + 1 < l->text.n; i++)
		if (open_separates(l->text.p[i]))
			return i + 1;
	return 0;
}

/* Returns the slot of the last two bytes before p. */
static unsigned
opener_slot(const char *p)
{
	return ((unsigned)(unsigned char)to_lower(p[-1]) * 37 +
		       (unsigned char)to_lower(p[-2])) %
	       OPEN_SLOTS;
}

typedef void each_begin(struct open_index *x, struct literal_begin b);

/* Calls `each` with the beginnings of literals that contain a separator. A shorter beginning is
 * a word that has not ended. A single separator is recorded in `alone`, except for a space
 * before the name of a value. */
static void
all_begins(struct detect_rules *r, each_begin *each)
{
	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = r->prefilter.literals[h]; l; l = l->next)
			for (size_t n = literal_word_of(l); n && n < l->text.n; n++)
				if (n > 1)
					each(&r->open,
						(struct literal_begin){ l, (uint16_t)n });
				else if (l->text.p[0] != ' ' || !r->patterns[l->pattern].group)
					set_add(r->open.alone, (unsigned char)l->text.p[0]);
}

static void
count_begin(struct open_index *x, struct literal_begin b)
{
	x->begins[opener_slot(b.literal->text.p + b.n) + 1]++;
}

/* During the filling, begins[h] is the place of the next beginning of slot h; after it, the
 * place at which slot h + 1 begins. */
static void
add_begin(struct open_index *x, struct literal_begin b)
{
	x->v[x->begins[opener_slot(b.literal->text.p + b.n)]++] = b;
}

int
open_finish(struct detect_rules *r)
{
	struct open_index *x = &r->open;

	all_begins(r, count_begin);
	for (unsigned h = 0; h < OPEN_SLOTS; h++)
		x->begins[h + 1] = (uint16_t)(x->begins[h + 1] + x->begins[h]);
	x->v = arena_array(&r->arena, x->begins[OPEN_SLOTS] + 1u, sizeof(*x->v));
	x->patterns = arena_array(&r->arena, r->npatterns + 1, sizeof(*x->patterns));
	if (!x->v || !x->patterns)
		return ERR_NOMEM;
	all_begins(r, add_begin);
	memmove(x->begins + 1, x->begins, OPEN_SLOTS * sizeof(*x->begins));
	x->begins[0] = 0;
	for (size_t i = 0; i < r->npatterns; i++)
		x->digits |= r->patterns[i].kind == START_DIGITS;
	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].back_max && !r->patterns[i].needs_back &&
			has_separator(r->patterns[i].back_set))
			x->patterns[x->npatterns++] = (uint16_t)i;
	return 0;
}

/* ---- texts that continue: incomplete beginnings ---- */

static bool
is_off(const struct detect_rules *r, const struct detect_options *opt, uint16_t pattern)
{
	return scan_threshold(r, opt, r->patterns[pattern].entity) > 1.0f;
}

/* Returns true if the text ends with the beginning of the literal. */
static bool
has_begun(const struct literal_begin *b, struct span t)
{
	struct span begin = span_of(b->literal->text.p, b->n);

	if (b->n > t.n)
		return false;
	struct span end = span_of(t.p + t.n - b->n, b->n);
	return to_lower(end.p[0]) == to_lower(begin.p[0]) &&
	       (b->literal->caseless ? span_ieq(end, begin) : span_eq(end, begin));
}

/* Returns the offset of the first literal that the text's end cuts off, or of the first pattern
 * that begins before the digits or the byte of its start condition. Words of a seed phrase count from
 * `done` on. Returns t.n if there is none. */
static size_t
begun_before(const struct detect_rules *r, struct detect_scratch *s, struct span t,
	const struct detect_options *opt, size_t done)
{
	unsigned slot = t.n > 1 ? opener_slot(t.p + t.n) : 0;
	size_t from = set_has(r->open.alone, t.p[t.n - 1]) ? t.n - 1 : t.n;

	for (size_t i = r->open.begins[slot]; t.n > 1 && i < r->open.begins[slot + 1]; i++) {
		const struct literal_begin *b = &r->open.v[i];
		const struct pattern *p = &r->patterns[b->literal->pattern];
		if (t.n - b->n >= from || !has_begun(b, t) || is_off(r, opt, p->index))
			continue;
		size_t begin = t.n - b->n, start = p->needs_back ? back_start(p, t, begin, 0) : begin;
		if (!p->needs_back)
			from = begin;
		else if (start < begin && rules_may_continue(r, s, t, p, start))
			from = start > done ? start : done;
	}
	for (size_t i = 0; i < r->nseeds; i++)
		if (!is_off(r, opt, r->seeds[i])) {
			size_t seed = seed_open(t);
			seed = seed > done ? seed : done;
			from = seed < from ? seed : from;
			break;
		}
	for (size_t i = 0; i < r->open.npatterns; i++) {
		const struct pattern *p = &r->patterns[r->open.patterns[i]];
		if (is_off(r, opt, p->index))
			continue;
		for (size_t at = t.n; at > 0 && t.n - at < p->back_max &&
				      set_has(p->back_set, t.p[at - 1]);) {
			at--;
			if (at < from && rules_may_continue(r, s, t, p, at))
				from = at;
		}
	}
	return from;
}

/* ---- texts that continue: the scan ---- */

int
open_scan(const struct detect_rules *r, struct detect_scratch *s, struct span t,
	const struct detect_options *opt, size_t at, size_t *from)
{
	/* The space with which a literal begins may have been returned already. */
	s->open = (struct scan_open){ .of = t.p, .least = at ? at - 1 : 0, .from = t.n };
	int err = scan_candidates(r, s, t, opt);
	s->open.of = NULL;
	size_t begun = err || t.n == 0 ? t.n : begun_before(r, s, t, opt, at);
	*from = begun < s->open.from ? begun : s->open.from;
	return err;
}

bool
open_is_quiet(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span t, size_t at, size_t *open)
{
	const struct prefilter *f = &r->prefilter;
	struct starts v;

	if (r->nanywhere)
		return false;
	/* A match whose digits or byte are in the incomplete word may begin before the word. */
	for (size_t from = at; from < t.n; from += BLOCK) {
		starts_at(f, t.p + from, t.n - from, &v);
		if (v.byte | (r->open.digits ? v.digit : 0))
			return false;
		if (from < *open && v.literal & bits_below(*open - from))
			return false;
	}
	size_t begun = begun_before(r, s, t, opt, at);
	if (begun < *open)
		*open = begun;
	return true;
}
