/* Prepares the fit: computes the features of every text, puts attacks inside harmless
 * texts, and assigns texts to folds. */
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/makers/train.h"

/* The walk over one text that adds its features to the set. */
struct collect {
	struct inject_walk walk; /* must be the first member, because take() gets its address */
	struct train_set *set;
	bool failed;
};

static void
take_feature_run(struct inject_walk *w, bool end)
{
	struct collect *c = (struct collect *)(void *)w;
	struct train_set *s = c->set;

	if (!mem_room(
		    &s->feature, &s->feature_room, s->nfeatures + w->n, sizeof(*s->feature)) ||
		!mem_room(&s->start, &s->block_room, s->nblocks + 2, sizeof(*s->start))) {
		c->failed = true;
		return;
	}
	memcpy(s->feature + s->nfeatures, w->f, w->n * sizeof(w->f[0]));
	s->nfeatures += w->n;
	if (!end)
		return;
	s->start[0] = 0;
	s->start[++s->nblocks] = (uint32_t)s->nfeatures;
}

/* Computes the features of every document. Returns false if memory is exhausted. */
static bool
train_features(struct train_set *s)
{
	struct collect c = { .set = s };

	for (size_t i = 0; i < s->n && !c.failed; i++) {
		struct train_doc *d = &s->doc[i];
		if (d->nblocks)
			continue;
		d->block = (uint32_t)s->nblocks;
		inject_walk_begin(&c.walk, take_feature_run);
		inject_walk_text(&c.walk, d->text);
		inject_walk_end(&c.walk);
		d->nblocks = (uint32_t)s->nblocks - d->block;
	}
	return !c.failed;
}

/* ---- folds ---- */

/* A group of texts that must be in one fold: n documents from index `first` on. */
struct group {
	const char *name;
	bool attack;
	size_t n, first;
};

static int
largest_first(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Assigns the largest groups first, each to the fold that has the fewest texts of its
 * label. */
static bool
make_folds(struct train_set *s, size_t texts)
{
	size_t load[2][TRAIN_FOLDS] = { 0 }, n = 0;
	struct group *g = calloc(s->n + 1, sizeof(*g));

	if (!g)
		return false;
	for (size_t i = 0; i < texts; i++) {
		size_t k = 0;
		while (k < n && strcmp(g[k].name, s->doc[i].group))
			k++;
		if (k == n)
			g[n++] = (struct group){ s->doc[i].group, s->doc[i].attack, 0, i };
		g[k].n++;
	}
	qsort(g, n, sizeof(*g), largest_first);
	for (size_t k = 0; k < n; k++) {
		size_t *l = load[g[k].attack];
		unsigned best = 0;
		for (unsigned f = 1; f < TRAIN_FOLDS; f++)
			if (l[f] < l[best])
				best = f;
		l[best] += g[k].n;
		for (size_t i = 0; i < texts; i++)
			if (!strcmp(s->doc[i].group, g[k].name))
				s->doc[i].fold = best;
	}
	free(g);
	return true;
}

/* ---- attacks inside harmless text ---- */

/* Returns whole words of the text, from a word on and at least `bytes` long, or less if the
 * text ends. */
static struct span
text_slice(struct span t, uint32_t random, size_t bytes)
{
	size_t from = t.n > bytes ? random % (t.n - bytes) : 0, to;

	while (from > 0 && from < t.n && t.p[from - 1] != ' ' && t.p[from - 1] != '\n')
		from++;
	for (to = from + bytes; to < t.n && t.p[to] != ' ' && t.p[to] != '\n';)
		to++;
	return span_cut(t, from, to);
}

static const struct train_doc *
harmless_of(const struct train_set *s, size_t n, const struct train_doc *like, uint32_t *seed)
{
	for (int tries = 0; tries < 200; tries++) {
		const struct train_doc *d = &s->doc[train_random(seed) % n];
		if (!d->attack && !d->dropped && train_is_fitted(d) && d->fold == like->fold &&
			(tries > 100 || !strcmp(d->lang, like->lang)))
			return d;
	}
	return NULL;
}

enum {
	INSIDE_MAX = 600, /* bytes of an attack that is put inside a text */
	NOISE = 1000,
};

static bool
embed_attack(struct train_set *s, size_t i, size_t n, uint32_t *seed)
{
	const struct train_doc *before = harmless_of(s, n, &s->doc[i], seed),
			       *after = harmless_of(s, n, &s->doc[i], seed);
	struct train_doc d = s->doc[i];
	struct span a, b;

	if (!before || !after)
		return true;
	a = text_slice(before->text, train_random(seed), 60 + train_random(seed) % 300);
	b = text_slice(after->text, train_random(seed), 60 + train_random(seed) % 300);
	size_t size = a.n + d.text.n + b.n + 2;
	char *p = arena_alloc(s->arena, size);
	if (!p)
		return false;
	memcpy(p, a.p, a.n);
	p[a.n] = '\n';
	memcpy(p + a.n + 1, d.text.p, d.text.n);
	p[a.n + 1 + d.text.n] = '\n';
	memcpy(p + a.n + d.text.n + 2, b.p, b.n);
	d.text = span_of(p, size);
	d.added = true;
	d.nblocks = 0;
	struct train_doc *added = train_new_doc(s);
	if (!added)
		return false;
	*added = d;
	return true;
}

/* Adds blocks of random features, one window each. */
static bool
add_noise(struct train_set *s, uint32_t *seed)
{
	struct collect c = { .set = s };

	s->noise = (uint32_t)s->nblocks;
	s->nnoise = NOISE;
	for (uint32_t i = 0; i < s->nnoise && !c.failed; i++) {
		c.walk.n = 100 + train_random(seed) % 400;
		for (size_t k = 0; k < c.walk.n; k++)
			c.walk.f[k] = (uint16_t)train_random(seed);
		take_feature_run(&c.walk, true);
	}
	return !c.failed;
}

bool
train_prepare(struct train_set *s)
{
	size_t n = 0;
	uint32_t seed = 88172645u;

	/* Texts that are not fitted come last, so that they do not affect the fit. */
	while (n < s->n && train_is_fitted(&s->doc[n]))
		n++;
	bool good = make_folds(s, n);

	for (size_t i = 0; good && i < n; i++)
		if (s->doc[i].attack && !s->doc[i].dropped && s->doc[i].text.n <= INSIDE_MAX)
			good = embed_attack(s, i, n, &seed);
	if (!good || !train_features(s))
		return false;
	return add_noise(s, &seed);
}
