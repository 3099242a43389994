/* Reads patterns of words from YAML, and follows them through a text. Following needs no list
 * of candidates: each step remembers the last word that matched it, and a later step matches if
 * at most the step's gap of words are between both. */
#include "scan/inject/inject_pattern.h"

#include <stdlib.h>

#include "base/push.h"

static const char *const keys[] = { "id", "about", "words", "gap", "suspect", "weak", "command",
	"alone", "address", "report", "unquoted", "match", "no_match" };

/* The state of reading one file. */
struct reader {
	struct inject_patterns *p;
	struct arena *a;
	struct diag *d;
	size_t room, least;
};

/* ---- the hash of one word ---- */

struct hashing {
	struct inject_walk walk; /* must be first: seen() receives its address */
	uint32_t hash;
};

static void
ignore_features(struct inject_walk *w, bool end)
{
	(void)w, (void)end;
}

static void
keep_hash(struct inject_walk *w, uint32_t hash)
{
	((struct hashing *)(void *)w)->hash = hash;
}

static void
add_word(struct reader *r, const struct yaml_node *n, size_t pattern, size_t step)
{
	static const uint64_t all[INJECT_WATCH / 64] = { [0 ... INJECT_WATCH / 64 - 1] =
								 UINT64_MAX };
	struct hashing h = { 0 };

	if (n->kind != YAML_SCALAR || n->s.n == 0) {
		diag_at(r->d, n, "words: a word is expected, found %s", yaml_type_name(n));
		return;
	}
	inject_walk_begin(&h.walk, ignore_features);
	h.walk.watch = all;
	h.walk.seen = keep_hash;
	inject_walk_text(&h.walk, n->s);
	inject_walk_end(&h.walk);
	if (h.walk.nwords != 1) {
		diag_at(r->d, n, "words: %s is not one word", n->s.p);
		return;
	}
	struct pattern_word word = { h.hash, (uint8_t)pattern, (uint8_t)step };
	if (!ARENA_PUSH(r->a, r->p->word, r->p->nwords, r->room, 256, word)) {
		diag_at(r->d, n, "out of memory");
		return;
	}
	r->p->watch[h.hash % INJECT_WATCH / 64] |= UINT64_C(1) << (h.hash % 64);
}

/* ---- the file ---- */

static void
read_words(struct reader *r, const struct yaml_node *n, size_t pattern)
{
	size_t step = 0;

	if (!n || n->kind != YAML_SEQUENCE || n->count < r->least || n->count > PATTERN_STEPS) {
		diag_at(r->d, n ? n : r->p->v[pattern].match,
			"words: a list of %zu to %d lists is expected", r->least,
			PATTERN_STEPS);
		return;
	}
	for (const struct yaml_node *s = n->child; s; s = s->next, step++) {
		if (s->kind != YAML_SEQUENCE || s->count == 0)
			diag_at(r->d, s, "words: a list of words is expected, found %s",
				yaml_type_name(s));
		else
			for (const struct yaml_node *w = s->child; w; w = w->next)
				add_word(r, w, pattern, step);
	}
	r->p->v[pattern].steps = (unsigned)step;
}

/* Reads one gap for all steps, or a list with a gap for each step after the first. */
static void
read_gaps(struct reader *r, const struct yaml_node *n, struct inject_pattern *p)
{
	const struct yaml_node *c = n && n->kind == YAML_SEQUENCE ? n->child : n;

	if (n && n->kind == YAML_SEQUENCE && n->count + 1 != p->steps) {
		diag_at(r->d, n, "gap: a number, or a list with one for each step after the first (%u), is expected",
			p->steps ? p->steps - 1 : 0);
		return;
	}
	for (unsigned i = 1; c && i < p->steps; i++) {
		int64_t gap = 0;
		if (!yaml_int(c, &gap) || gap < 0 || gap > PATTERN_GAP_MAX) {
			diag_at(r->d, c, "gap: a number from 0 to %d is expected",
				PATTERN_GAP_MAX);
			return;
		}
		p->gap[i] = (uint8_t)gap;
		c = n->kind == YAML_SEQUENCE ? c->next : n;
	}
}

static void
read_examples(struct reader *r, const struct yaml_node *n, const char *what)
{
	if (!n || n->kind != YAML_SEQUENCE || n->count == 0) {
		diag_at(r->d, n ? n : r->p->v[r->p->n].match, "%s: examples are expected",
			what);
		return;
	}
	for (const struct yaml_node *c = n->child; c; c = c->next)
		if (c->kind != YAML_SCALAR || c->s.n == 0)
			diag_at(r->d, c, "%s: a text is expected, found %s", what,
				yaml_type_name(c));
}

/* Sets the bit of the current pattern in *bits if the key is true. */
static void
read_flag(struct reader *r, const struct yaml_node *n, const char *key, uint64_t *bits)
{
	const struct yaml_node *c = yaml_get(n, key);
	bool on = false;

	if (c && !yaml_bool(c, &on))
		diag_at(r->d, c, "%s: true or false is expected", key);
	if (on)
		*bits |= UINT64_C(1) << r->p->n;
}

static void
read_pattern(struct reader *r, const struct yaml_node *n)
{
	struct inject_pattern *p = &r->p->v[r->p->n];
	const struct yaml_node *c;

	p->match = p->no_match = n; /* place of the error if the examples are missing */
	if (n->kind != YAML_MAPPING) {
		diag_at(r->d, n, "a pattern is expected, found %s", yaml_type_name(n));
		return;
	}
	for (c = n->child; c; c = c->next)
		if (!SPAN_IN(c->key->s, keys))
			diag_at(r->d, c->key, "%s: unknown key", c->key->s.p);
	c = yaml_get(n, "id");
	if (!c || c->kind != YAML_SCALAR || c->s.n == 0)
		diag_at(r->d, c ? c : n, "id: a name is expected");
	else
		p->id = arena_dup(r->a, c->s).p;
	for (size_t i = 0; p->id && i < r->p->n; i++)
		if (!strcmp(r->p->v[i].id, p->id))
			diag_at(r->d, c, "id: %s is already used", p->id);
	read_flag(r, n, "suspect", &r->p->suspects);
	read_flag(r, n, "weak", &r->p->weak);
	read_flag(r, n, "command", &r->p->commands);
	read_flag(r, n, "alone", &r->p->alone);
	read_flag(r, n, "address", &r->p->addresses);
	read_flag(r, n, "report", &r->p->reports);
	read_flag(r, n, "unquoted", &r->p->unquoted);
	read_words(r, yaml_get(n, "words"), r->p->n);
	read_gaps(r, yaml_get(n, "gap"), p);
	read_examples(r, yaml_get(n, "match"), "match");
	read_examples(r, yaml_get(n, "no_match"), "no_match");
	p->match = yaml_get(n, "match");
	p->no_match = yaml_get(n, "no_match");
	r->p->n++;
}

static int
by_hash(const void *pa, const void *pb)
{
	const struct pattern_word *a = pa, *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	return (int)b->step - (int)a->step;
}

static void
sort_words(struct inject_patterns *p)
{
	size_t n = 0;

	if (p->nwords)
		qsort(p->word, p->nwords, sizeof(*p->word), by_hash);
	for (uint32_t upper = 0; upper <= 1 << PATTERN_INDEX; upper++) {
		while (n < p->nwords && p->word[n].hash >> (32 - PATTERN_INDEX) < upper)
			n++;
		p->first[upper] = (uint16_t)n;
	}
}

bool
inject_patterns_load(struct inject_patterns *p, struct arena *a, const char *name,
	struct span text, size_t least, struct diag *d)
{
	struct reader r = { .p = p, .a = a, .d = d, .least = least };
	const struct yaml_node *root = yaml_load(a, name, text, d);

	if (!root)
		return false;
	if (root->kind != YAML_SEQUENCE || root->count > PATTERNS_MAX) {
		diag_at(d, root, "a list of at most %d patterns is expected", PATTERNS_MAX);
		return false;
	}
	for (const struct yaml_node *c = root->child; c; c = c->next)
		read_pattern(&r, c);
	if (p->nwords > UINT16_MAX)
		diag_at(d, root, "at most %d words are expected", UINT16_MAX);
	else
		sort_words(p);
	return d->errors == 0;
}

/* ---- following patterns ---- */

static void
advance(const struct inject_patterns *p, struct pattern_state *s, const struct pattern_word *w,
	uint32_t now)
{
	uint32_t *at = s->at[w->pattern];

	if (w->step > 0 &&
		(at[w->step - 1] == 0 || now - at[w->step - 1] > p->v[w->pattern].gap[w->step] + 1u))
		return;
	at[w->step] = now;
	if (w->step + 1u == p->v[w->pattern].steps)
		s->found |= UINT64_C(1) << w->pattern;
}

void
inject_pattern_word(
	const struct inject_patterns *p, struct pattern_state *s, uint32_t hash, uint32_t index)
{
	const uint16_t *first = p->first + (hash >> (32 - PATTERN_INDEX));
	const struct pattern_word *w = p->word + first[0], *end = p->word + first[1];

	for (; w < end && w->hash <= hash; w++)
		if (w->hash == hash)
			advance(p, s, w, index + 1);
}
