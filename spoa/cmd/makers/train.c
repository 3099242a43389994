/* tollgate-train: makes the injection model from labeled texts. `make model` runs it with
 * the shipped texts; a site can run it with its own. It is a separate program, because the
 * daemon does not need it.
 *
 * The first section reads labeled texts and finds near-copies. A text is a JSON line with
 * "text", "label" (1: attack, 0: harmless) and optionally "family" (or "kind"), "lang" and
 * "source". The next one prepares the fit: it computes the features of every text, puts attacks
 * inside harmless texts, and assigns texts to folds. Then the figures about the scores of a set
 * are computed and printed. */
#include "cmd/makers/train.h"

#include <dirent.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"

/* ---- texts ---- */

/* A near-copy and the text that it resembles. */
struct train_pair {
	const struct train_doc *later, *earlier;
	double overlap;
};

/* Different names that several writers used for one family. */
static const struct {
	const char *from, *to;
} same_family[] = {
	{ "neg-question", "neg-assistant" },
};

/* Harmless families that are no ordinary chat: texts that discuss, quote or resemble
 * attacks, and code and tables. The thresholds let more of these through. */
static const char *const hard_families[] = { "neg-about", "neg-assistant", "neg-legal",
	"neg-previous", "neg-quotation", "neg-system-prompt", "neg-teaching", "neg-translation",
	"neg-code", "neg-tables", "neg-urgent", "neg-fiction", "neg-persona", "benign_hard",
	"benign_code",
	/* long instructions for a person or a program */
	"neg-agent", "neg-config", "neg-exam", "neg-game", "neg-licence", "neg-mail",
	"neg-moderation", "neg-policy", "neg-prompting", "neg-recipe", "neg-role",
	"neg-runbook", "neg-spec", "neg-template" };

static const char *
family_of(struct arena *a, json_t *line)
{
	const char *f = json_string_value(json_object_get(line, "family"));

	if (!f)
		f = json_string_value(json_object_get(line, "kind"));
	if (!f)
		return "none";
	for (size_t i = 0; i < COUNT_OF(same_family); i++)
		if (!strcmp(f, same_family[i].from))
			return same_family[i].to;
	return arena_strdup(a, f);
}

static const char *
string_of(struct arena *a, json_t *line, const char *key, const char *otherwise)
{
	const char *v = json_string_value(json_object_get(line, key));

	return v ? arena_strdup(a, v) : otherwise;
}

/* Appends a new document. Returns NULL if memory is exhausted. */
static struct train_doc *
train_new_doc(struct train_set *s)
{
	if (!mem_room(&s->doc, &s->room, s->n + 1, sizeof(*s->doc)))
		return NULL;
	s->doc[s->n] = (struct train_doc){ 0 };
	return &s->doc[s->n++];
}

/* Reads one line. Returns NULL, or what is wrong with the line. */
static const char *
read_train_line(struct train_set *s, json_t *line, const char *file, const char *base)
{
	json_t *text = json_object_get(line, "text"), *label = json_object_get(line, "label");

	if (!json_is_object(line))
		return "a JSON object is expected";
	if (!json_is_string(text) || json_string_length(text) == 0)
		return "\"text\": give a string that is not empty";
	if (!json_is_integer(label) || json_integer_value(label) < 0 ||
		json_integer_value(label) > 1)
		return "\"label\": give 1 (attack) or 0 (harmless)";
	struct train_doc *d = train_new_doc(s);
	if (!d)
		return "out of memory";
	d->text =
		arena_dup(s->arena, span_of(json_string_value(text), json_string_length(text)));
	d->attack = json_integer_value(label) == 1;
	d->family = family_of(s->arena, line);
	for (size_t i = 0; i < COUNT_OF(hard_families); i++)
		d->hard |= !d->attack && d->family && !strcmp(d->family, hard_families[i]);
	d->lang = string_of(s->arena, line, "lang", "-");
	d->source = string_of(s->arena, line, "source", base);
	if (d->source && d->family)
		d->group = arena_printf(s->arena, "%s/%s", d->source, d->family).p;
	d->file = file;
	return d->text.p && d->group && d->lang ? NULL : "out of memory";
}

static int
read_train_file(struct train_set *s, const char *path, enum train_use use, struct buf *errors)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *file = arena_strdup(s->arena, path);
	char *base = arena_strdup(s->arena, name), *line = NULL;
	size_t room = 0;
	unsigned number = 0;
	int err = 0;
	FILE *f = fopen(path, "r");

	if (!f || !file || !base) {
		buf_printf(errors, "%s: cannot be read\n", path);
		err = ERR_IO;
	} else if (strchr(base, '.')) {
		*strchr(base, '.') = 0;
	}
	while (err == 0 && getline(&line, &room, f) > 0) {
		json_error_t e;
		number++;
		if (line[strspn(line, " \t\r\n")] == 0)
			continue;
		json_auto_t *j = json_loads(line, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
		const char *why = j ? read_train_line(s, j, file, base) : e.text;
		if (why) {
			buf_printf(errors, "%s:%u: %s\n", path, number, why);
			err = ERR_SYNTAX;
		} else {
			struct train_doc *d = &s->doc[s->n - 1];
			d->line = number;
			if (!d->attack)
				d->group =
					arena_printf(s->arena, "%s %u", d->group, number / 64)
						.p;
			s->doc[s->n - 1].use = use;
		}
	}
	free(line);
	if (f)
		fclose(f);
	return err;
}

static int
is_lines(const struct dirent *d)
{
	return span_ends(span_str(d->d_name), SPAN_LIT(".jsonl"));
}

/* Sorts by bytes, independent of the locale. */
static int
data_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Reads a file, or every *.jsonl of a folder in the order of names. Returns 0, or a
 * negative error with "file:line: why" in *errors. */
static int
train_read(struct train_set *s, const char *path, enum train_use use, struct buf *errors)
{
	struct dirent **names;
	struct stat st;
	char file[4096];
	int err = 0;

	if (stat(path, &st)) {
		buf_printf(errors, "%s: cannot be read\n", path);
		return ERR_IO;
	}
	if (!S_ISDIR(st.st_mode))
		return read_train_file(s, path, use, errors);
	int n = scandir(path, &names, is_lines, data_by_name);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (err == 0)
			err = read_train_file(s, file, use, errors);
		free(names[i]);
	}
	if (n < 0) {
		buf_printf(errors, "%s: cannot be read\n", path);
		return ERR_IO;
	}
	free(names);
	return err;
}

/* Near-copies are texts whose sets of five-character sequences (grams) overlap by more than
 * 0.6 (Jaccard).
 *
 * All pairs are found exactly. If two sets overlap this much, the rarest two fifths of the
 * smaller set and the rarest two fifths of the larger set have a common gram. So an index
 * of these rare grams finds every pair. */

enum { GRAM = 5, RARE_BITS = 20, SLOT_BITS = 20 };
static const double limit = 0.6;

/* The grams of one text. */
struct grams {
	uint32_t *v; /* distinct grams, rarest first */
	size_t n;
};

/* An entry of the index: a rare gram of a document. */
struct entry {
	uint32_t gram, doc, next; /* next: the index plus one of the next entry in the same
				   * slot; 0: none */
};

static uint32_t *rarity; /* number of texts for each gram, for the comparison function */

static int
rarest_first(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	uint32_t ra = rarity[a >> (32 - RARE_BITS)], rb = rarity[b >> (32 - RARE_BITS)];

	if (ra != rb)
		return ra < rb ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int
by_value(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

/* Writes the grams of a text: its characters are case-folded, and each run of separators
 * counts as one space. */
static size_t
all_grams(struct span text, uint32_t *out)
{
	uint32_t last[GRAM] = { 0 };
	const struct letters_block *near = NULL;
	size_t n = 0, seen = 0;
	bool space = true;

	for (size_t i = 0; i < text.n;) {
		size_t len = utf8_sequence(text.p + i, text.n - i);
		uint32_t cp = utf8_value(text.p + i, len), h = 0;
		i += len ? len : 1;
		enum letters_script s = inject_fold(&cp, &near);
		if (s == SCRIPT_GONE || (s == SCRIPT_NONE && space))
			continue;
		space = s == SCRIPT_NONE;
		memmove(last, last + 1, (GRAM - 1) * sizeof(last[0]));
		last[GRAM - 1] = space ? ' ' : cp;
		if (++seen < GRAM)
			continue;
		for (int k = 0; k < GRAM; k++)
			h = (h ^ last[k]) * UINT32_C(0x9E3779B1) ^ h >> 15;
		out[n++] = h;
	}
	return n;
}

static bool
make_grams(struct train_set *s, struct grams *g)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t *v = malloc((s->doc[i].text.n + 1) * sizeof(*v));
		if (!v)
			return false;
		size_t n = all_grams(s->doc[i].text, v), out = 0;
		qsort(v, n, sizeof(*v), by_value);
		for (size_t k = 0; k < n; k++)
			if (k == 0 || v[k] != v[out - 1])
				v[out++] = v[k];
		g[i] = (struct grams){ v, out };
		for (size_t k = 0; k < out; k++)
			rarity[v[k] >> (32 - RARE_BITS)]++;
	}
	for (size_t i = 0; i < s->n; i++)
		qsort(g[i].v, g[i].n, sizeof(uint32_t), rarest_first);
	return true;
}

static double
jaccard(const struct grams *a, const struct grams *b)
{
	size_t i = 0, k = 0, both = 0;

	while (i < a->n && k < b->n) {
		int c = rarest_first(&a->v[i], &b->v[k]);
		both += c == 0;
		i += c <= 0;
		k += c >= 0;
	}
	return a->n + b->n == 0 ? 1 : (double)both / (double)(a->n + b->n - both);
}

/* Returns how many of the rarest grams must be compared. */
static size_t
rare_part(size_t n)
{
	return n - (size_t)(limit * (double)n) + (n > 0);
}

/* The search for near-copies. The index has a slot for each hash of a gram; `seen` marks
 * documents that were compared with the current one. */
struct search {
	struct train_set *set;
	struct grams *g;
	uint32_t *slot, *seen;
	struct entry *entry;
	size_t nentries;
	struct train_pair *v;
	size_t n, faults, room;
};

static void
compare_docs(struct search *s, size_t doc, size_t other)
{
	const struct grams *a = &s->g[doc], *b = &s->g[other];
	double small = (double)(a->n < b->n ? a->n : b->n);

	if (small < limit * (double)(a->n < b->n ? b->n : a->n))
		return;
	double o = jaccard(a, b);
	if (o <= limit)
		return;
	s->set->doc[doc].dropped = true;
	s->n++;
	if (s->set->doc[doc].use != TRAIN_DATA)
		return;
	if (s->faults < s->room)
		s->v[s->faults] =
			(struct train_pair){ &s->set->doc[doc], &s->set->doc[other], o };
	s->faults++;
}

static void
look_for_copies(struct search *s, size_t doc)
{
	size_t part = rare_part(s->g[doc].n);

	if (part > s->g[doc].n)
		part = s->g[doc].n;
	for (size_t i = 0; i < part; i++) {
		uint32_t h = s->g[doc].v[i];
		for (uint32_t e = s->slot[h >> (32 - SLOT_BITS)]; e; e = s->entry[e - 1].next) {
			const struct entry *x = &s->entry[e - 1];
			if (x->gram != h || s->seen[x->doc] == doc + 1)
				continue;
			s->seen[x->doc] = (uint32_t)doc + 1;
			if (!s->set->doc[doc].dropped)
				compare_docs(s, doc, x->doc);
		}
	}
	if (s->set->doc[doc].dropped) /* copies of a dropped text are also close to the earlier
				       * text */
		return;
	for (size_t i = 0; i < part; i++) {
		uint32_t *slot = &s->slot[s->g[doc].v[i] >> (32 - SLOT_BITS)];
		s->entry[s->nentries] = (struct entry){ s->g[doc].v[i], (uint32_t)doc, *slot };
		*slot = (uint32_t)++s->nentries;
	}
}

/* Marks near-copies as dropped: texts whose set of five-character sequences overlaps that
 * of an earlier text by more than 0.6 (Jaccard). Returns their number, or SIZE_MAX if
 * memory is exhausted. The first `room` of those that are TRAIN_DATA are written to v, and
 * *faults is the number of those. */
static size_t
train_near_copies(struct train_set *set, struct train_pair *v, size_t room, size_t *faults)
{
	struct search s = { .set = set, .v = v, .room = room };
	size_t total = 0;

	rarity = calloc(1u << RARE_BITS, sizeof(*rarity));
	s.g = calloc(set->n + 1, sizeof(*s.g));
	s.slot = calloc(1u << SLOT_BITS, sizeof(*s.slot));
	s.seen = calloc(set->n + 1, sizeof(*s.seen));
	bool good = rarity && s.g && s.slot && s.seen && make_grams(set, s.g);
	for (size_t i = 0; good && i < set->n; i++)
		total += rare_part(s.g[i].n);
	s.entry = malloc((total + 1) * sizeof(*s.entry));
	for (size_t i = 0; good && s.entry && i < set->n; i++)
		look_for_copies(&s, i);
	for (size_t i = 0; s.g && i < set->n; i++)
		free(s.g[i].v);
	free(s.g);
	free(s.slot);
	free(s.seen);
	free(rarity);
	if (!good || !s.entry)
		s.n = SIZE_MAX;
	free(s.entry);
	*faults = s.faults;
	return s.n;
}

/* ---- features ---- */

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

/* Adds attacks inside harmless texts, and assigns groups to folds. Returns false if memory
 * is exhausted. */
static bool
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

/* ---- figures ---- */

enum train_kind { TRAIN_ATTACK, TRAIN_INSIDE, TRAIN_ORDINARY, TRAIN_HARD, TRAIN_HARMLESS };
/* Texts that are fitted and scored out of fold, and texts that are not fitted. */
enum train_part { TRAIN_FOLDED, TRAIN_CALIBRATION, TRAIN_TESTS };

/* The scores of some texts. */
struct margins {
	double *v; /* ascending; the caller frees the array */
	size_t n;
};

int
train_rising(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return a < b ? -1 : a > b;
}

static bool
is_kind(const struct train_doc *d, enum train_kind kind)
{
	switch (kind) {
	case TRAIN_ATTACK: return d->attack && !d->added;
	case TRAIN_INSIDE: return d->added;
	case TRAIN_ORDINARY: return !d->attack && !d->hard;
	case TRAIN_HARD: return d->hard;
	case TRAIN_HARMLESS: return !d->attack;
	}
	return false;
}

static bool
is_part(const struct train_doc *d, enum train_part part)
{
	if (train_is_fitted(d))
		return part == TRAIN_FOLDED;
	return part == (d->use == TRAIN_TEST ? TRAIN_TESTS : TRAIN_CALIBRATION);
}

static struct margins
train_margins(const struct train_set *s, enum train_kind kind, enum train_part part)
{
	struct margins m = { malloc((s->n + 1) * sizeof(double)), 0 };

	for (size_t i = 0; m.v && i < s->n; i++) {
		const struct train_doc *d = &s->doc[i];
		if (!d->dropped && is_part(d, part) && is_kind(d, kind))
			m.v[m.n++] = d->margin;
	}
	if (m.v)
		qsort(m.v, m.n, sizeof(double), train_rising);
	return m;
}

/* Returns the lowest threshold that at most this share of the scores exceeds. */
static double
train_threshold(const struct margins *m, double rate)
{
	size_t over = (size_t)(rate * (double)m->n);

	return m->n == 0 ? 0 : over >= m->n ? m->v[0] : m->v[m->n - 1 - over];
}

static double
share_over(const struct margins *m, double threshold)
{
	size_t k = 0;

	while (k < m->n && m->v[k] <= threshold)
		k++;
	return m->n ? (double)(m->n - k) / (double)m->n : 0;
}

/* Returns how often an attack scores above a harmless text (the area under the ROC curve). */
static double
train_auroc(const struct margins *good, const struct margins *bad)
{
	double sum = 0;
	size_t k = 0;

	for (size_t i = 0; i < bad->n; i++) {
		while (k < good->n && good->v[k] < bad->v[i])
			k++;
		sum += (double)k;
	}
	return good->n && bad->n ? sum / (double)good->n / (double)bad->n : 0;
}

enum by_what { BY_FAMILY, BY_LANG, BY_SOURCE };

/* A row of a table: the number of texts, and how many exceed the thresholds; index 1 is for
 * attacks. */
struct row {
	const char *name;
	size_t attacks, harmless, suspect[2], block[2];
};

static int
report_by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct row *)pa)->name, ((const struct row *)pb)->name);
}

static const char *
name_by(const struct train_doc *d, enum by_what by)
{
	return by == BY_FAMILY ? d->family : by == BY_LANG ? d->lang : d->source;
}

static size_t
make_rows(const struct train_set *s, enum by_what by, enum train_part part, double suspect,
	double block, struct row *v)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct train_doc *d = &s->doc[i];
		size_t k = 0;
		if (d->dropped || d->added || !is_part(d, part))
			continue;
		while (k < n && strcmp(v[k].name, name_by(d, by)))
			k++;
		if (k == n)
			v[n++].name = name_by(d, by);
		v[k].attacks += d->attack;
		v[k].harmless += !d->attack;
		v[k].suspect[d->attack] += d->margin > suspect;
		v[k].block[d->attack] += d->margin > block;
	}
	qsort(v, n, sizeof(*v), report_by_name);
	return n;
}

static void
print_score_table(const struct train_set *s, enum by_what by, enum train_part part, double suspect,
	double block)
{
	static const char *const title[] = { "family", "language", "source" };
	struct row *v = calloc(s->n + 1, sizeof(*v));
	size_t n = v ? make_rows(s, by, part, suspect, block, v) : 0;

	printf("\n%-22s %7s %7s %7s   %8s %7s %7s\n", title[by], "attacks", "suspect", "block",
		"harmless", "suspect", "block");
	for (size_t k = 0; k < n; k++) {
		printf("%-22s ", v[k].name);
		if (v[k].attacks)
			printf("%7zu %7.3f %7.3f   ", v[k].attacks,
				(double)v[k].suspect[1] / (double)v[k].attacks,
				(double)v[k].block[1] / (double)v[k].attacks);
		else
			printf("%26s", "");
		if (v[k].harmless)
			printf("%8zu %7.4f %7.4f", v[k].harmless,
				(double)v[k].suspect[0] / (double)v[k].harmless,
				(double)v[k].block[0] / (double)v[k].harmless);
		printf("\n");
	}
	free(v);
}

static void
print_score_line(const char *what, const struct margins *good, const struct margins *bad, double suspect,
	double block)
{
	printf("%-44s %6zu  %.3f  %.3f  %.3f  %.3f  %.3f\n", what, bad->n, train_auroc(good, bad),
		share_over(bad, train_threshold(good, 0.01)),
		share_over(bad, train_threshold(good, 0.001)), share_over(bad, suspect),
		share_over(bad, block));
}

static void
print_summary(const struct train_set *s, enum train_part part, double suspect, double block)
{
	struct margins m[TRAIN_HARMLESS + 1];

	for (int k = 0; k <= TRAIN_HARMLESS; k++)
		m[k] = train_margins(s, (enum train_kind)k, part);
	printf("%-44s %6s  %-5s  %-5s  %-5s  %-5s  %s\n", "", "texts", "AUROC", "at 1%", "0.1%",
		"susp.", "block");
	print_score_line("attacks against ordinary harmless texts", &m[TRAIN_ORDINARY], &m[TRAIN_ATTACK],
		suspect, block);
	print_score_line("attacks against all harmless texts", &m[TRAIN_HARMLESS], &m[TRAIN_ATTACK],
		suspect, block);
	if (m[TRAIN_INSIDE].n)
		print_score_line("attacks inside harmless text", &m[TRAIN_HARMLESS], &m[TRAIN_INSIDE],
			suspect, block);
	printf("%-44s %6zu  %21s  %.4f %.4f\n", "ordinary harmless texts flagged",
		m[TRAIN_ORDINARY].n, "", share_over(&m[TRAIN_ORDINARY], suspect),
		share_over(&m[TRAIN_ORDINARY], block));
	printf("%-44s %6zu  %21s  %.4f %.4f\n", "hard harmless texts flagged", m[TRAIN_HARD].n,
		"", share_over(&m[TRAIN_HARD], suspect), share_over(&m[TRAIN_HARD], block));
	for (int k = 0; k <= TRAIN_HARMLESS; k++)
		free(m[k].v);
}

/* The next functions print to standard output: the number of texts, their scores out of fold,
 * and the scores of texts that were not fitted. */
static void
train_counts(const struct train_set *s)
{
	size_t attacks = 0, harmless = 0, languages;
	struct row *v = calloc(s->n + 1, sizeof(*v));

	for (size_t i = 0; i < s->n; i++)
		if (!s->doc[i].dropped && train_is_fitted(&s->doc[i]))
			*(s->doc[i].attack ? &attacks : &harmless) += 1;
	languages = v ? make_rows(s, BY_LANG, TRAIN_FOLDED, 0, 0, v) : 0;
	printf("%zu texts: %zu attacks, %zu harmless, %zu languages\n", attacks + harmless,
		attacks, harmless, languages);
	free(v);
}

static void
train_figures(const struct train_set *s, double suspect, double block)
{
	printf("\nscored by models that saw no text of the same family or source (%d folds):\n",
		TRAIN_FOLDS);
	print_summary(s, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_FAMILY, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_LANG, TRAIN_FOLDED, suspect, block);
	print_score_table(s, BY_SOURCE, TRAIN_FOLDED, suspect, block);
}

static void
train_calibrated(const struct train_set *s, double suspect, double block)
{
	struct margins m = train_margins(s, TRAIN_HARMLESS, TRAIN_CALIBRATION);

	if (m.n) {
		printf("\n%zu texts for calibration only, scored by the model: suspect "
		       "%.4f, block %.4f\n",
			m.n, share_over(&m, suspect), share_over(&m, block));
		print_score_table(s, BY_FAMILY, TRAIN_CALIBRATION, suspect, block);
		print_score_table(s, BY_LANG, TRAIN_CALIBRATION, suspect, block);
	}
	free(m.v);
}

static void
train_tests(const struct train_set *s, double suspect, double block)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->doc[i].use == TRAIN_TEST && !s->doc[i].dropped;
	if (n == 0)
		return;
	printf("\n%zu test texts, scored by the model:\n", n);
	print_summary(s, TRAIN_TESTS, suspect, block);
	print_score_table(s, BY_SOURCE, TRAIN_TESTS, suspect, block);
}

/* ---- the program ---- */

enum { PAIRS_SHOWN = 100 };

/* the exit codes of tollgate; EXIT_NO: there are near-copies */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_CANNOT = 2 };

static const char usage[] = "usage: tollgate-train [-o MODEL] [--with PATH]... "
			    "[--calibrate PATH]... [--test PATH]... PATH...";

/* The largest share of harmless texts of each kind that may exceed the thresholds. */
static const struct {
	enum train_part part;
	enum train_kind kind;
	double suspect, block;
} rates[] = {
	{ TRAIN_FOLDED, TRAIN_ORDINARY, 0.01, 0.001 },
	{ TRAIN_FOLDED, TRAIN_HARD, 0.03, 0.007 },
	{ TRAIN_CALIBRATION, TRAIN_HARMLESS, 0.08, 0.02 },
};

/* The state of the program: the texts, the model, and the first near-copies. */
struct training {
	struct train_set set;
	struct inject_model model;
	struct train_pair pairs[PAIRS_SHOWN];
};

static int
out_of_memory(void)
{
	fprintf(stderr, "tollgate-train: %s\n", err_str(ERR_NOMEM));
	return EXIT_CANNOT;
}

static int
refuse_copies(struct training *t)
{
	size_t faults = 0, n = train_near_copies(&t->set, t->pairs, PAIRS_SHOWN, &faults);

	if (n == SIZE_MAX)
		return out_of_memory();
	if (n > faults)
		printf("%zu near-copies among further texts and tests left out\n", n - faults);
	for (size_t i = 0; i < faults && i < PAIRS_SHOWN; i++) {
		const struct train_pair *p = &t->pairs[i];
		fprintf(stderr,
			"%s:%u: nearly a copy of %s:%u (%.2f of their five-character "
			"sequences)\n",
			p->later->file, p->later->line, p->earlier->file, p->earlier->line,
			p->overlap);
	}
	if (faults == 0)
		return EXIT_DONE;
	fprintf(stderr, "tollgate-train: %zu near-copies: remove them from the data\n", faults);
	return EXIT_NO;
}

/* Scores the texts that the current model was not fitted on. */
static void
train_score(struct train_set *s, const struct inject_model *m, unsigned fold)
{
	for (size_t i = 0; i < s->n; i++) {
		struct train_doc *d = &s->doc[i];
		if (fold == TRAIN_FOLDS ? !train_is_fitted(d)
					: train_is_fitted(d) && d->fold == fold)
			d->margin = train_margin(s, m, d);
	}
}

/* Scores every text with a model that has seen no text of its group. */
static bool
cross_validate(struct training *t)
{
	struct train_set *s = &t->set;

	for (unsigned f = 0; f < TRAIN_FOLDS; f++) {
		if (!train_fit(s, f, &t->model))
			return false;
		train_score(s, &t->model, f);
	}
	return true;
}

/* Chooses the lowest thresholds at which no kind of harmless text exceeds its rate. */
static void
choose_thresholds(const struct train_set *s, double *suspect, double *block)
{
	bool any = false;

	*suspect = *block = 0;
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		struct margins m = train_margins(s, rates[i].kind, rates[i].part);
		double a = train_threshold(&m, rates[i].suspect),
		       b = train_threshold(&m, rates[i].block);
		if (m.n && (!any || a > *suspect))
			*suspect = a;
		if (m.n && (!any || b > *block))
			*block = b;
		any |= m.n > 0;
		free(m.v);
	}
}

/* Sets the thresholds for each origin of a text. For texts that the user did not write (tool
 * results, documents), half the distance from `suspect` to `block` is added to both. */
static void
calibrate(struct inject_model *m, double suspect, double block)
{
	if (block < suspect + 0.1)
		block = suspect + 0.1;
	for (int o = 0; o < INJECT_ORIGINS; o++) {
		double more = o == INJECT_USER ? 0 : (block - suspect) / 2;
		m->suspect[o] = suspect + more;
		m->block[o] = block + more;
	}
}

static bool
write_model(const struct inject_model *m, const char *file)
{
	FILE *f = fopen(file, "wb");

	SCOPED_BUF(b, 0);
	inject_model_write(m, &b);
	bool good = f && !buf_failed(&b) && fwrite(buf_view(&b).p, 1, b.n, f) == b.n;
	if (f && fclose(f))
		good = false;
	return good;
}

static int
train_and_write(struct training *t, const char *out)
{
	struct train_set *s = &t->set;
	int code = refuse_copies(t);

	if (code != EXIT_DONE)
		return code;
	train_counts(s);
	if (!train_prepare(s) || !cross_validate(t))
		return out_of_memory();
	if (!train_fit(s, TRAIN_FOLDS, &t->model))
		return out_of_memory();
	train_score(s, &t->model, TRAIN_FOLDS);
	double suspect, block;
	choose_thresholds(s, &suspect, &block);
	calibrate(&t->model, suspect, block);
	train_figures(s, suspect, block);
	train_calibrated(s, suspect, block);
	train_tests(s, suspect, block);
	if (!out || write_model(&t->model, out))
		return EXIT_DONE;
	fprintf(stderr, "tollgate-train: %s: cannot be written\n", out);
	return EXIT_CANNOT;
}

static int
read_all(struct training *t, int argc, char **argv, const enum train_use *use)
{
	int err = 0;

	SCOPED_BUF(errors, 1 << 16);
	for (int u = TRAIN_DATA; u <= TRAIN_TEST; u++)
		for (int i = 0; i < argc && err == 0; i++)
			if (use[i] == (enum train_use)u)
				err = train_read(&t->set, argv[i], use[i], &errors);
	if (err)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
	return err;
}

static int
train_misused(void)
{
	fprintf(stderr, "tollgate-train: %s\n", usage);
	return EXIT_CANNOT;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "out", required_argument, NULL, 'o' },
		{ "with", required_argument, NULL, 'w' },
		{ "calibrate", required_argument, NULL, 'c' },
		{ "test", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	char **path = calloc((size_t)argc + 1, sizeof(*path));
	enum train_use *use = calloc((size_t)argc + 1, sizeof(*use));
	struct training *t = calloc(1, sizeof(*t));
	const char *out = NULL;
	struct arena a;
	int n = 0, code = EXIT_DONE;

	arena_init(&a, 0, false);
	if (!path || !use || !t) {
		code = out_of_memory();
		goto out;
	}
	t->set.arena = &a;
	opterr = 0; /* the program prints its own messages instead of getopt's */
	for (int c;
		code == EXIT_DONE && (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
		if (c == 'o') {
			out = optarg;
		} else if (c == 'w' || c == 'c' || c == 't') {
			use[n] = c == 'w' ? TRAIN_WITH : c == 'c' ? TRAIN_CALIBRATE : TRAIN_TEST;
			path[n++] = optarg;
		} else if (c == 'h') {
			printf("%s\n", usage);
			goto out;
		} else {
			code = train_misused();
		}
	if (code == EXIT_DONE && optind == argc)
		code = train_misused();
	while (optind < argc)
		path[n++] = argv[optind++];
	if (code == EXIT_DONE)
		code = read_all(t, n, path, use) ? EXIT_CANNOT : train_and_write(t, out);
out:
	if (t) {
		free(t->set.doc);
		free(t->set.feature);
		free(t->set.start);
	}
	free(t);
	free(path);
	free(use);
	arena_reset(&a);
	return code;
}
