/* Reads the trainer's labeled texts and finds near-copies. A text is a JSON line with "text",
 * "label" (1: attack, 0: harmless) and optionally "family" (or "kind"), "lang" and "source".
 *
 * Then prepares the fit: computes the features of every text, puts attacks inside harmless
 * texts, and assigns texts to folds. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/makers/train.h"

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

int
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

size_t
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

/* ---- features and folds ---- */

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
