/* Makes a policy's own detectors a part of a rule set. Own patterns become patterns of the rule
 * set, so the engine treats them like all others. Words, dictionaries and fingerprints are
 * found by custom_scan(), one pass over the words of a text. The pass is skipped if no class
 * with words or fingerprints is enabled.
 *
 * Documents are recognized by shingles: hashes of eight consecutive words. Winnowing (Schleimer,
 * Wilkerson, Aiken, SIGMOD 2003) keeps the smallest of each eight shingles. Words are letters
 * and digits without case, so layout, punctuation and the asterisks of comments do not matter.
 * The shingle is a rolling hash: a new word is added and the oldest subtracted, so a text takes
 * constant time a word. */
#include "scan/detect/custom/custom_stage.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/fnv.h"
#include "base/scoped.h"
#include "scan/detect/custom/custom_words.h"
#include "scan/detect/custom/dictionary.h"

/* ---- shingles ---- */

#define BASE UINT64_C(0x9E3779B97F4A7C15)

enum {
	SHINGLE_WORDS = 8,
	/* one of this many shingles is kept, so any 15 equal words share one */
	SHINGLE_WINDOW = 8,
	/* a shingle is kept only if it has this many different words, which excludes rows of
	 * zeros */
	SHINGLE_VARIED = 4,
	SHINGLES_FILE = 32 << 20, /* bytes of a list's file */
	RUN_GAP = 24,		  /* number of words without a known shingle that ends a run */
	RUN_DISTINCT = 64,	  /* maximum number of shingles that a class can require */
	ONE_LINE = 17,		  /* bytes of a line of a list */
	BITS_MAX = 24,
};

/* The last eight words of a text, from which each next word gives a shingle. All zero: the
 * beginning. */
struct shingler {
	uint64_t hash[SHINGLE_WORDS];
	size_t start[SHINGLE_WORDS]; /* byte offsets of these words */
	uint64_t rolling;
	size_t n; /* number of words so far */
};

/* A part of the text that contains known shingles. shingles 0: no run. */
struct shingle_run {
	size_t start, end;  /* byte offsets; end exclusive */
	size_t first, last; /* word numbers; last exclusive */
	size_t covered;	    /* number of words in known shingles */
	size_t shingles;    /* number of different shingles, counted up to `least` */
	uint64_t seen[RUN_DISTINCT];
};

/* A list of shingles. Immutable after loading. */
struct fingerprints {
	uint64_t *slots; /* open addressing; 0: a free slot */
	size_t nslots, n;
	struct hash_bits bits; /* for early rejection */
	uint64_t sum[2]; /* two sums over all shingles, independent of their order */
};

/* Returns BASE^SHINGLE_WORDS modulo 2^64, the factor of the word that leaves the window. */
static uint64_t
leaving_factor(void)
{
	uint64_t v = 1;

	for (unsigned i = 0; i < SHINGLE_WORDS; i++)
		v *= BASE;
	return v;
}

static bool
shingle_is_varied(const struct shingler *s)
{
	unsigned different = 0;

	for (unsigned i = 0; i < SHINGLE_WORDS && different < SHINGLE_VARIED; i++) {
		unsigned k = 0;
		while (k < i && s->hash[k] != s->hash[i])
			k++;
		different += k == i;
	}
	return different == SHINGLE_VARIED;
}

/* Adds a word. Returns true and sets *shingle if at least eight words have been added. */
static bool
shingle_next(struct shingler *s, const struct text_word *w, uint64_t *shingle)
{
	size_t at = s->n % SHINGLE_WORDS;

	s->rolling = s->rolling * BASE + w->hash;
	if (s->n >= SHINGLE_WORDS)
		s->rolling -= leaving_factor() * s->hash[at];
	s->hash[at] = w->hash;
	s->start[at] = w->start;
	s->n++;
	if (s->n < SHINGLE_WORDS)
		return false;
	/* Mix the bits: the low bits of the sum depend only on the low bits of the words. */
	uint64_t h = (s->rolling ^ s->rolling >> 32) * BASE;
	h ^= h >> 29;
	*shingle = h ? h : 1;
	return true;
}

size_t
fingerprint_make(struct span text, struct buf *out)
{
	struct word_cursor c = words_over(text);
	struct shingler s = { .n = 0 };
	struct text_word w;
	uint64_t window[SHINGLE_WINDOW], h, kept = 0;
	size_t n = 0, kept_at = 0, made = 0;

	while (word_next(&c, &w)) {
		if (!shingle_next(&s, &w, &h))
			continue;
		window[n++ % SHINGLE_WINDOW] = shingle_is_varied(&s) ? h : UINT64_MAX;
		if (n < SHINGLE_WINDOW)
			continue;
		/* the smallest of the window; of equal ones, the latest */
		size_t least = n - 1;
		for (size_t i = n - 1; i-- > n - SHINGLE_WINDOW;)
			if (window[i % SHINGLE_WINDOW] < window[least % SHINGLE_WINDOW])
				least = i;
		h = window[least % SHINGLE_WINDOW];
		if (h == UINT64_MAX || (made && least == kept_at && h == kept))
			continue;
		kept = h;
		kept_at = least;
		made++;
		buf_printf(out, "%016llx\n", (unsigned long long)h);
	}
	return made;
}

/* ---- lists of shingles ---- */

static void
fingerprints_free(struct fingerprints **fp)
{
	struct fingerprints *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	free(f->slots);
	free(f->bits.v);
	free(f);
}

static uint64_t *
shingle_slot(const struct fingerprints *f, uint64_t shingle)
{
	size_t i = shingle & (f->nslots - 1);

	while (f->slots[i] && f->slots[i] != shingle)
		i = (i + 1) & (f->nslots - 1);
	return &f->slots[i];
}

static struct fingerprints *
with_room(size_t n)
{
	struct fingerprints *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	for (f->nslots = 64; f->nslots < 2 * n;)
		f->nslots *= 2;
	f->slots = calloc(f->nslots, sizeof(*f->slots));
	f->bits = hash_bits_for(n, BITS_MAX);
	if (!f->slots || !f->bits.v)
		fingerprints_free(&f);
	return f;
}

static void
shingle_add(struct fingerprints *f, uint64_t shingle)
{
	uint64_t *slot = shingle_slot(f, shingle);

	if (*slot)
		return;
	*slot = shingle;
	hash_bits_add(f->bits, shingle);
	f->n++;
	f->sum[0] += shingle;
	f->sum[1] += (shingle ^ shingle >> 31) * BASE;
}

static bool
read_shingle_hash(struct span line, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < line.n; i++)
		*out = *out << 4 | (unsigned)hex_value(line.p[i]);
	return line.n == 16 && span_past(line, 0, is_lower_hex) == 16 && *out;
}

static void
read_fingerprint_lines(struct fingerprints *f, struct span rest, const char *file,
	const struct yaml_node *at, struct diag *diag)
{
	struct yaml_node here = { .file = file, .column = 1 };
	uint64_t h;

	for (here.line = 1; rest.n; here.line++) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (here.line == 1 && !span_is(line, FINGERPRINT_HEAD)) {
			diag_at(diag, &here,
				"\"%s\" is expected as the first line: make the list with "
				"`tollgate detectors fingerprint`",
				FINGERPRINT_HEAD);
			return;
		}
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!read_shingle_hash(line, &h)) {
			diag_at(diag, &here, "16 hexadecimal digits are expected, found %.*s",
				SPAN_ARG(span_cut(line, 0, 40)));
			return;
		}
		if (f->n == SHINGLES_MAX) {
			diag_at(diag, &here, "more than %d fingerprints", SHINGLES_MAX);
			return;
		}
		shingle_add(f, h);
	}
	if (f->n == 0)
		diag_at(diag, at, "fingerprints: %s: the file has none", file);
}

/* Reads a list: FINGERPRINT_HEAD, then lines of fingerprint_make(). Returns NULL on error, with
 * the reason in *diag. The caller frees the list with fingerprints_free(). */
static struct fingerprints *
fingerprints_load(const char *file, const struct yaml_node *at, struct diag *diag)
{
	struct fingerprints *f = NULL;
	unsigned errors = diag->errors;
	SCOPED_BUF(text, SHINGLES_FILE);

	if (!file_set_read_as(FILE_OF_WORDS, &text, file))
		diag_at(diag, at, "fingerprints: %s: %s", file, strerror(errno));
	else if (buf_failed(&text))
		diag_at(diag, at, "fingerprints: %s: larger than %d MB", file,
			SHINGLES_FILE >> 20);
	else if (!(f = with_room(text.n / ONE_LINE + 1)))
		diag_at(diag, at, "fingerprints: %s: %s", file, err_str(ERR_NOMEM));
	else
		read_fingerprint_lines(f, buf_view(&text), file, at, diag);
	if (diag->errors != errors)
		fingerprints_free(&f);
	return f;
}

/* ---- runs of known shingles ---- */

/* Processes the shingle that ended with word number s->n - 1, at byte `end`. A known shingle
 * extends or begins *run. Returns true if an earlier run ended; *over is this run. */
static bool
fingerprints_search(const struct fingerprints *f, const struct shingler *s, uint64_t shingle,
	size_t end, size_t least, struct shingle_run *run, struct shingle_run *over)
{
	size_t last = s->n, first = last - SHINGLE_WORDS;
	bool closed = false;

	if (!hash_bits_may(f->bits, shingle) || !*shingle_slot(f, shingle))
		return false;
	if (run->shingles && first > run->last + RUN_GAP) {
		*over = *run;
		run->shingles = 0;
		closed = true;
	}
	if (run->shingles == 0) {
		run->first = first;
		/* the oldest of the last eight words */
		run->start = s->start[s->n % SHINGLE_WORDS];
		run->covered = 0;
		run->last = first;
	}
	run->covered += last - (first > run->last ? first : run->last);
	run->last = last;
	run->end = end;
	if (run->shingles >= least)
		return closed;
	for (size_t i = 0; i < run->shingles; i++)
		if (run->seen[i] == shingle)
			return closed;
	run->seen[run->shingles++] = shingle;
	return closed;
}

/* A list of fingerprints and its class. */
struct own_list {
	struct fingerprints *prints;
	const struct yaml_node *at;
	uint16_t entity;
	unsigned least;
};

/* A pattern whose cost detect_own_costs() measures. */
struct own_cost {
	const struct yaml_node *at;
	const char *regex; /* a pattern that is searched for at every place */
	unsigned index;
	bool utf;
};

/* The own words and lists of a rule set. Owner: the rule set. */
struct custom {
	struct dictionary *words; /* the terms of all classes; NULL: none */
	/* the place of a dictionary in the policy, for the remark */
	const struct yaml_node *words_at;
	uint16_t owners[OWN_CLASSES]; /* entities that have words */
	size_t nowners;
	struct own_list lists[OWN_FINGERPRINTS];
	size_t nlists;
	struct own_cost *costs;
	size_t ncosts;
};

void
custom_free(struct custom **cp)
{
	struct custom *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	dictionary_free(&c->words);
	for (size_t i = 0; i < c->nlists; i++)
		fingerprints_free(&c->lists[i].prints);
	free(c->costs);
	free(c);
}

static struct custom *
custom_of(struct detect_rules *r)
{
	if (!r->custom)
		r->custom = calloc(1, sizeof(*r->custom));
	return r->custom;
}

/* ---- patterns ---- */

/* Copies the position of a node, for remarks after the policy's nodes are freed. */
static struct yaml_node *
yaml_place(struct arena *a, const struct yaml_node *at)
{
	struct yaml_node *n = arena_new(a, struct yaml_node);

	if (n)
		*n = (struct yaml_node){
			.file = at->file, .line = at->line, .column = at->column
		};
	return n;
}

static pcre2_code *
compile_own(struct span regex, bool utf, int *err, PCRE2_SIZE *where)
{
	uint32_t flags = PCRE2_NEVER_BACKSLASH_C |
			 (utf ? PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF : 0);

	return pcre2_compile((PCRE2_SPTR)regex.p, regex.n, flags, err, where, NULL);
}

/* Compiles the pattern as written, to report PCRE2's own error with its position. */
static bool
pattern_compiles(const struct yaml_node *n, unsigned index, bool utf, struct diag *d)
{
	PCRE2_SIZE where;
	char why[128];
	int err;
	pcre2_code *code = compile_own(n->s, utf, &err, &where);

	if (code) {
		pcre2_code_free(code);
		return true;
	}
	pcre2_get_error_message(err, (PCRE2_UCHAR *)why, sizeof(why));
	diag_within(d, n, 1, (unsigned)where + 1, "patterns[%u]: %s", index, why);
	return false;
}

/* Returns true if most of an ordinary text matches, or if matches are so dense that every text
 * exceeds the limit of findings: `.`, \w, \S+, [aeiou]. */
static bool
matches_most_text(struct span regex, bool utf)
{
	enum { BYTES = 4096, APART = 8 }; /* minimum bytes of text for each match */
	size_t n = 0, covered = 0, at = 0;
	PCRE2_SIZE where;
	int err;
	SCOPED_BUF(text, 0);
	pcre2_code *code = compile_own(regex, utf, &err, &where);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);

	sample_text(&text, BYTES);
	while (code && data && at < text.n &&
		pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at, 0, data, NULL) >= 0) {
		const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
		n++;
		covered += v[1] - v[0];
		at = v[1] > v[0] ? v[1] : v[1] + 1;
	}
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return n > text.n / APART || covered > text.n / 2;
}

bool
custom_pattern(struct detect_rules *r, const struct yaml_node *n, unsigned index,
	struct regex_facts *f, struct diag *d)
{
	struct custom *c = custom_of(r);
	char why[200];
	size_t at = 0;
	bool good = regex_study(&r->arena, n->s, f, why, &at);

	if (!pattern_compiles(n, index, f->utf, d))
		return false;
	if (!good) {
		diag_within(d, n, 1, (unsigned)at + 1, "patterns[%u]: %s", index, why);
		return false;
	}
	if (f->start == START_ANYWHERE && matches_most_text(n->s, f->utf)) {
		diag_within(d, n, 1, 1,
			"patterns[%u]: matches most of an ordinary text: add text that is "
			"around or in the value, as in \\bFLCN-\\w{2,20}",
			index);
		return false;
	}
	if (f->width > r->own_reach)
		r->own_reach = f->width;
	struct own_cost *v = c && f->start == START_ANYWHERE
				     ? reallocarray(c->costs, c->ncosts + 1, sizeof(*v))
				     : NULL;
	if (v) {
		c->costs = v;
		v[c->ncosts++] =
			(struct own_cost){ yaml_place(&r->arena, n), f->regex, index, f->utf };
	}
	return true;
}

/* ---- words, dictionaries, fingerprints ---- */

static void
add_words(struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d)
{
	struct custom *c = r->custom;
	const struct yaml_node *from = own->words;
	struct entity_rule *e = &r->entities[entity];

	if (!c->words)
		c->words = dictionary_new();
	if (!c->words) {
		diag_at(d, own->at, "out of memory");
		return;
	}
	for (const struct yaml_node *n = from ? yaml_first(from) : NULL; n;
		n = yaml_next(from, n)) {
		int err = dictionary_add(c->words, n->s, entity, own->exact_case);
		e->terms = fnv64_step(fnv64_bytes(e->terms, n->s.p, n->s.n), own->exact_case);
		if (err < 0)
			diag_at(d, n, "words: %s: %s", n->s.p, dictionary_error_text(c->words, err));
	}
	e->terms_in_file = own->dictionary != NULL;
	if (own->dictionary)
		dictionary_file(c->words, own->dictionary, own->dictionary_at, entity,
			own->exact_case, d);
}

static void
add_fingerprints(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d)
{
	struct custom *c = r->custom;
	struct own_list *l = &c->lists[c->nlists];

	if (c->nlists == OWN_FINGERPRINTS) {
		diag_at(d, own->fingerprints_at, "fingerprints: more than %d lists",
			OWN_FINGERPRINTS);
		return;
	}
	*l = (struct own_list){ .entity = entity, .least = own->shingles };
	l->prints = fingerprints_load(own->fingerprints, own->fingerprints_at, d);
	l->at = yaml_place(&r->arena, own->fingerprints_at);
	c->nlists += l->prints != NULL;
}

void
custom_attach(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d)
{
	struct custom *c = custom_of(r);

	if (!c) {
		diag_at(d, own->at, "out of memory");
		return;
	}
	r->entities[entity].own = true;
	r->entities[entity].threshold = own->threshold;
	r->entities[entity].context.boost = OWN_BOOST;
	if (own->words || own->dictionary) {
		/* at most OWN_CLASSES, which the policy ensures */
		c->owners[c->nowners++] = entity;
		add_words(r, own, entity, d);
	}
	if (own->dictionary)
		c->words_at = yaml_place(&r->arena, own->dictionary_at);
	if (own->fingerprints)
		add_fingerprints(r, own, entity, d);
}

/* Extends the rule set's version by the contents of the files. */
static void
add_version(struct detect_rules *r)
{
	const struct custom *c = r->custom;
	unsigned char digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state h;

	crypto_hash_sha256_init(&h);
	crypto_hash_sha256_update(&h, (const unsigned char *)r->version, strlen(r->version));
	if (c->words)
		crypto_hash_sha256_update(&h, dictionary_digest(c->words), 32);
	for (size_t i = 0; i < c->nlists; i++) {
		const struct fingerprints *f = c->lists[i].prints;
		const uint64_t v[] = { c->lists[i].entity, c->lists[i].least, f->n, f->sum[0],
			f->sum[1] };
		crypto_hash_sha256_update(&h, (const unsigned char *)v, sizeof(v));
	}
	crypto_hash_sha256_final(&h, digest);
	sodium_bin2hex(r->version, sizeof(r->version), digest, sizeof(digest));
}

uint64_t
custom_meaning(const struct detect_rules *r, size_t entity, uint64_t hash)
{
	const struct entity_rule *e = &r->entities[entity];
	const struct custom *c = r->custom;

	hash = fnv64_step(hash, e->terms);
	if (c && c->words && e->terms_in_file) /* one digest for the files of all classes */
		hash = fnv64_bytes(hash, dictionary_digest(c->words), 32);
	for (size_t i = 0; c && i < c->nlists; i++) {
		const struct fingerprints *f = c->lists[i].prints;
		if (c->lists[i].entity != entity)
			continue;
		hash = fnv64_step(hash, c->lists[i].least);
		hash = fnv64_step(hash, f->n);
		hash = fnv64_step(fnv64_step(hash, f->sum[0]), f->sum[1]);
	}
	return hash;
}

/* Extends own_reach to the text that a term, or enough shingles, can take. */
static void
note_reach(struct detect_rules *r)
{
	enum { WORD_BYTES = 10 };
	const struct custom *c = r->custom;
	size_t terms = c->words ? 2 * dictionary_longest(c->words) : 0;

	if (terms > r->own_reach)
		r->own_reach = terms;
	for (size_t i = 0; i < c->nlists; i++) {
		size_t words = SHINGLE_WORDS + (size_t)SHINGLE_WINDOW * c->lists[i].least;
		if (words * WORD_BYTES > r->own_reach)
			r->own_reach = words * WORD_BYTES;
	}
}

int
custom_finish(struct detect_rules *r)
{
	if (!r->custom)
		return 0;
	note_reach(r);
	if (r->custom->words && dictionary_finish(r->custom->words))
		return ERR_NOMEM;
	add_version(r);
	return 0;
}

/* ---- the scan ---- */

enum { WORK_TERM = 128 }; /* units of work for the context of a term (base/effort.h) */

/* The arguments of one scan. */
struct pass {
	const struct detect_rules *r;
	struct detect_scratch *s;
	const struct detect_options *opt;
	struct span text;
};

static int
keep_term(void *arg, const struct dictionary_hit *hit)
{
	struct pass *p = arg;
	struct span before = p->opt ? p->opt->before : SPAN_LIT("");
	struct finding f = { .entity = hit->owner, .start = hit->start, .end = hit->end };

	effort_add(WORK_TERM);
	if (scan_threshold(p->r, p->opt, hit->owner) > 1.0f)
		return 0;
	f.score = context_score(&p->r->entities[hit->owner].context, p->text, before,
		hit->start, hit->end, OWN_SCORE);
	return f.score >= scan_threshold(p->r, p->opt, hit->owner) ? scratch_keep(p->s, f) : 0;
}

static int
keep_run(struct pass *p, const struct own_list *l, const struct shingle_run *run)
{
	struct finding f = {
		.entity = l->entity, .flags = FINDING_RUN, .start = run->start, .end = run->end
	};

	f.score = (float)run->covered / (float)(run->last - run->first);
	if (run->shingles < l->least || f.score < scan_threshold(p->r, p->opt, l->entity))
		return 0;
	return scratch_keep(p->s, f);
}

/* The state of one pass over the words of a text. */
struct reading {
	struct pass p;
	struct shingler shingler;
	struct shingle_run runs[OWN_FINGERPRINTS];
	bool terms, prints;
};

/* Searches one word for terms and fingerprints. `second`: the word after it, or NULL. */
static int
read_word(struct reading *r, const struct text_word *w, const struct text_word *second,
	struct hash_bits first)
{
	const struct custom *c = r->p.r->custom;
	struct shingle_run over;
	uint64_t shingle;
	int err = 0;

	if (r->terms && hash_bits_may(first, w->hash))
		err = dictionary_search(c->words, r->p.text, w, second, keep_term, &r->p);
	if (err || !r->prints || !shingle_next(&r->shingler, w, &shingle))
		return err;
	for (size_t k = 0; k < c->nlists && !err; k++)
		if (fingerprints_search(c->lists[k].prints, &r->shingler, shingle, w->end,
			    c->lists[k].least, &r->runs[k], &over))
			err = keep_run(&r->p, &c->lists[k], &over);
	return err;
}

/* Determines whether classes with words, or with fingerprints, are enabled. */
static void
what_is_on(const struct detect_rules *r, const struct detect_options *opt, bool *terms,
	bool *prints)
{
	const struct custom *c = r->custom;

	*terms = *prints = false;
	for (size_t i = 0; c->words && i < c->nowners && !*terms; i++)
		*terms = scan_threshold(r, opt, c->owners[i]) <= 1.0f;
	for (size_t k = 0; k < c->nlists && !*prints; k++)
		*prints = scan_threshold(r, opt, c->lists[k].entity) <= 1.0f;
}

int
custom_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	enum { WORDS_AT_ONCE = 64 };
	const struct custom *c = r->custom;
	struct word_cursor at = words_over(text);
	struct text_word v[WORDS_AT_ONCE + 1];
	struct reading d;
	size_t n = 0, kept = 0;
	int err = 0;

	if (!c || (!c->words && c->nlists == 0))
		return 0;
	d.p = (struct pass){ r, s, opt, text };
	d.shingler.n = 0;
	d.shingler.rolling = 0;
	what_is_on(r, opt, &d.terms, &d.prints);
	if (!d.terms && !d.prints)
		return 0;
	struct hash_bits first = { NULL, 0 };
	if (d.terms)
		first = dictionary_first(c->words);
	for (size_t k = 0; k < c->nlists; k++)
		d.runs[k].shingles = 0;
	/* The last word of each batch is processed with the next batch, when the word after it
	 * is known. */
	while (!err && (n = words_next(&at, v + kept, WORDS_AT_ONCE)) > 0) {
		n += kept;
		effort_add(v[n - 1].end - v[0].start + 4 * n);
		if (effort_over())
			err = effort_err();
		for (size_t i = 0; i + 1 < n && !err; i++)
			err = read_word(&d, &v[i], &v[i + 1], first);
		v[0] = v[n - 1];
		kept = 1;
	}
	if (!err && kept)
		err = read_word(&d, &v[0], NULL, first);
	for (size_t k = 0; k < c->nlists && !err; k++)
		if (d.runs[k].shingles)
			err = keep_run(&d.p, &c->lists[k], &d.runs[k]);
	return err;
}

size_t
custom_open(const struct detect_rules *r, const struct detect_options *opt, struct span text,
	size_t at, bool *may)
{
	const struct custom *c = r->custom;
	struct word_cursor words = { .text = text, .at = at };
	struct hash_bits first = { NULL, 0 };
	struct text_word w;
	bool terms, prints;

	*may = false;
	if (!c || (!c->words && c->nlists == 0))
		return text.n;
	what_is_on(r, opt, &terms, &prints);
	*may = prints;
	if (terms)
		first = dictionary_first(c->words);
	size_t open = prints && text.n > r->own_reach ? text.n - r->own_reach
		      : prints			      ? 0
						      : text.n;
	while (terms && word_next(&words, &w) && w.start < open) {
		*may |= hash_bits_may(first, w.hash);
		if (w.end == text.n || dictionary_may_continue(c->words, text, &w))
			open = w.start;
	}
	return open > at ? open : at;
}

/* ---- costs ---- */

enum { COST_BYTES = 64 << 10, COST_TRIES = 5 };

/* Returns the time of a search through the text, in µs per KB; the best of COST_TRIES. */
static double
search_cost(const struct own_cost *c, struct span text)
{
	double best = 1e12;
	PCRE2_SIZE where;
	int err;
	pcre2_code *code = compile_own(span_str(c->regex), c->utf, &err, &where);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);

	for (int i = 0; code && data && i < COST_TRIES; i++) {
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
		uint64_t from = clock_cpu_ns();
		size_t at = 0;
		while (at <= text.n &&
			pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at, 0, data, NULL) >= 0) {
			const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
			at = v[1] > v[0] ? v[1] : v[1] + 1;
		}
		double us = (double)(clock_cpu_ns() - from) * 1.024 / (double)text.n;
		best = us < best ? us : best;
	}
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return best;
}

void
detect_own_costs(const struct detect_rules *r,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg)
{
	const struct custom *c = r->custom;
	char line[200];

	if (!c)
		return;
	SCOPED_BUF(text, 0);
	if (c->ncosts)
		sample_text(&text, COST_BYTES);
	for (size_t i = 0; i < c->ncosts && !buf_failed(&text); i++) {
		snprintf(line, sizeof(line),
			"patterns[%u]: the pattern requires no literal of three bytes or more, "
			"so it is searched for at every position: about %.2f µs per KB of text",
			c->costs[i].index, search_cost(&c->costs[i], buf_view(&text)));
		note(arg, c->costs[i].at, line);
	}
	if (c->words && c->words_at) {
		snprintf(line, sizeof(line),
			"words and dictionaries: %zu different terms, %.1f MB of memory",
			dictionary_terms(c->words), (double)dictionary_bytes(c->words) / 1e6);
		note(arg, c->words_at, line);
	}
	for (size_t i = 0; i < c->nlists; i++) {
		const struct fingerprints *f = c->lists[i].prints;
		size_t bytes = f->nslots * sizeof(*f->slots) + hash_bits_size(f->bits);
		snprintf(line, sizeof(line),
			"fingerprints: %zu different shingles, %.1f MB of memory", f->n,
			(double)bytes / 1e6);
		note(arg, c->lists[i].at, line);
	}
}

/* ---- the sample text for measurements ----
 *
 * Generates the sample text from pieces with placeholders: # becomes a digit, @ a word of the
 * list. A fixed seed makes every run equal. */

static const char *const sample_nouns[] = { "schedule", "renewal", "harbour", "invoice", "kitchen",
	"quarter", "branch", "meeting", "winter", "delivery", "battery", "manual", "garden",
	"contract", "engine", "library", "weather", "report", "station", "window" };

static const char *const sample_pieces[] = {
	"Hello team,\n\nthe @ of the @ is ready. Please read it before the @ on the ##th and "
	"send your remarks to me or to the group. We keep room for @ and @; the rest waits "
	"until the next @. Thanks to everybody who helped with the @ last week.\n\nBest "
	"regards\n\n",
	"When the @ was built, nobody thought that it would stand beside a @ one day. It is "
	"warm in summer and cold in @, and the people who work there say that the light is the "
	"best part of it. In 19## a @ was added; since then little has changed, save for the "
	"@.\n\n",
	"static int\nread_@(struct @ *s, size_t n)\n{\n\tfor (size_t i = 0; i < n; i++) "
	"{\n\t\tif (s->v[i].flags & 0x#f)\n\t\t\tcontinue;\n\t\ts->count += s->v[i].@ << "
	"#;\n\t}\n\treturn s->count > ### ? -1 : 0;\n}\n\n",
	"20##-0#-1# 1#:0#:##.### INFO  @.worker[###]: @ finished in ##.# ms, ### rows, #### "
	"bytes\n"
	"20##-0#-1# 1#:0#:##.### WARN  @.pool[###]: retry # of 5 after timeout\n",
	"{\"@\": {\"id\": ###, \"state\": \"@\", \"ratio\": 0.###, \"tags\": [\"@\", \"@\"], "
	"\"open\": true}, \"next\": \"/v#/@?page=##\"}\n",
	"| @ | units | price | change |\n|---|---|---|---|\n| @ | ### | ##.## | -#.# % |\n| @ "
	"| #,### | ###.## | +#.# % |\n| @ | ## | #.## | 0.0 % |\n\n",
	"Could you explain how a @ differs from a @? I tried ### of them, version #.##.#, and "
	"the @ fails with error ### after about ## seconds. What I want in the end is a short "
	"list of steps that a person without experience can follow.\n\n",
	"Der @ wurde im Jahr 19## eröffnet und später erweitert. Heute arbeiten dort über ### "
	"Menschen, die meisten davon im @. Für das nächste Jahr ist ein größerer Umbau "
	"geplant.\n\n",
};

static uint32_t
sample_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

void
sample_text(struct buf *out, size_t bytes)
{
	uint32_t seed = 20261120;

	while (out->n < bytes && !buf_failed(out))
		for (const char *p = sample_pieces[sample_random(&seed) % (COUNT_OF(sample_pieces))]; *p; p++)
			if (*p == '#')
				buf_putc(out, (char)('0' + sample_random(&seed) % 10));
			else if (*p == '@')
				buf_str(out, sample_nouns[sample_random(&seed) % (COUNT_OF(sample_nouns))]);
			else
				buf_putc(out, *p);
}
