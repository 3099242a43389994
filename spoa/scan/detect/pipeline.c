/* Scans a text: runs the stages in order, each of which adds candidates, and then resolves the
 * overlaps of the candidates. The memory of the stages is in the scratch.
 *
 * Candidates that touch form clusters. Inside a cluster the best is placed first, then each
 * that still finds its bytes free, on a bitmap of the cluster. The work is linear in bytes and
 * n log n in candidates, whatever the text. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/mem.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"
#include "scan/detect/rules/scratch.h"

enum {
	MATCH_LIMIT = 200000, /* for one attempt, in PCRE2's own units */
	DEPTH_LIMIT = 2000,
	HEAP_LIMIT_KB = 4096,
	JIT_STACK_MIN = 32 << 10,
	JIT_STACK_MAX = 1 << 20,
	CANDIDATES_KEPT = 512, /* more room than this is freed after a scan */
};

/* ---- the memory of a scan ---- */

struct detect_scratch *
detect_scratch_new(const struct detect_rules *r)
{
	struct detect_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->rules = r;
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	s->data = pcre2_match_data_create(16, NULL);
	s->free_from = calloc(r->npatterns + 1, sizeof(size_t));
	s->keyed = malloc(KEYED_ROOM);
	/* Without a stack of ours, PCRE2 uses 32 KB of the thread's stack, and returns an error if
	 * that is full. */
	if (!s->context || !s->data || !s->free_from || !s->keyed) {
		detect_scratch_free(&s);
		return NULL;
	}
	pcre2_set_match_limit(s->context, MATCH_LIMIT);
	pcre2_set_depth_limit(s->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(s->context, HEAP_LIMIT_KB);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

void
detect_scratch_wipe(struct detect_scratch *s)
{
	explicit_bzero(s->keyed, KEYED_ROOM);
	evade_wipe(s);
}

void
detect_scratch_free(struct detect_scratch **sp)
{
	struct detect_scratch *s = *sp;

	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_jit_stack_free(s->stack);
	pcre2_match_context_free(s->context);
	free(s->free_from);
	columns_free(&s->columns);
	free(s->v);
	if (s->keyed)
		explicit_bzero(s->keyed, KEYED_ROOM);
	free(s->keyed);
	evade_free(s);
	free(s);
	*sp = NULL;
}

enum { CANDIDATES_MAX = 2 * CAP_FINDINGS };

int
scratch_keep(struct detect_scratch *s, struct finding f)
{
	if (s->n >= CANDIDATES_MAX && s->n == s->room) {
		s->limit = "200,000 candidates in a text";
		return ERR_LIMIT;
	}
	if (!mem_room(&s->v, &s->room, s->n + 1, sizeof(*s->v)))
		return ERR_NOMEM;
	if (s->rules->entities[f.entity].own)
		f.flags |= FINDING_OWN;
	s->v[s->n++] = f;
	s->found_one = true;
	return s->first_only ? ERR_FULL : 0;
}

/* ---- overlaps ---- */

enum { KEEP_BYTES = 4 }; /* shorter remains of a secret are dropped */

static int
finding_by_start(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end == y->end ? 0 : x->end < y->end ? -1 : 1;
}

/* Returns the order of placing. A policy's own words are placed before all others. A passage of
 * a known document is placed last, because the values in it count too. */
static unsigned
claim_rank(const struct finding *f)
{
	return f->flags & FINDING_RUN ? 2 : f->flags & FINDING_OWN ? 0 : 1;
}

static int
by_rank(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	unsigned vx = x->flags & FINDING_VALIDATED, vy = y->flags & FINDING_VALIDATED;
	size_t nx = x->end - x->start, ny = y->end - y->start;

	if (claim_rank(x) != claim_rank(y))
		return claim_rank(x) < claim_rank(y) ? -1 : 1;
	if (vx != vy)
		return vx ? -1 : 1;
	if ((x->flags ^ y->flags) & FINDING_CUT)
		return x->flags & FINDING_CUT ? 1 : -1;
	if (nx != ny)
		return nx > ny ? -1 : 1;
	if ((x->flags ^ y->flags) & FINDING_WEAK)
		return x->flags & FINDING_WEAK ? 1 : -1;
	if ((x->flags ^ y->flags) & FINDING_EVASION)
		return x->flags & FINDING_EVASION ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (int)x->entity - (int)y->entity;
}

typedef int finding_order(const void *a, const void *b);

/* Returns the end of the sorted run of findings that begins at `from`. */
static size_t
run_end(const struct finding *v, size_t from, size_t n)
{
	size_t to = from + 1;

	while (to < n && finding_by_start(&v[to - 1], &v[to]) <= 0)
		to++;
	return to;
}

/* Merges v[0..mid) and v[mid..n), each of which is sorted. */
static void
merge_runs(struct finding *v, size_t mid, size_t n, struct finding *spare)
{
	size_t a = 0, b = mid, to = 0;

	INVARIANT(mid <= n);
	memcpy(spare, v, mid * sizeof(*v));
	while (a < mid && b < n)
		v[to++] = finding_by_start(&spare[a], &v[b]) <= 0 ? spare[a++] : v[b++];
	memcpy(v + to, spare + a, (mid - a) * sizeof(*v));
}

/* Sorts v by start. Stages add candidates nearly in order, so sorted runs are merged in pairs
 * until one is left. The sort is stable. spare has room for n. */
static void
sort_by_start(struct finding *v, size_t n, struct finding *spare)
{
	for (size_t runs = 2; runs > 1;) {
		runs = 0;
		for (size_t from = 0, mid, to; from < n; from = to, runs++) {
			mid = to = run_end(v, from, n);
			if (mid == n)
				continue;
			to = run_end(v, mid, n);
			merge_runs(v + from, mid - from, to - from, spare);
		}
	}
}

/* Sorts the candidates of a cluster. A cluster has two or three, except in a text that was made
 * to be slow. */
static void
sort_cluster(struct finding *v, size_t n, finding_order *by)
{
	enum { FEW = 16 };

	if (n > FEW) {
		qsort(v, n, sizeof(*v), by);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct finding f = v[i];
		size_t at = i;
		for (; at > 0 && by(&v[at - 1], &f) > 0; at--)
			v[at] = v[at - 1];
		v[at] = f;
	}
}

struct placing {
	const struct detect_rules *r;
	uint64_t *taken; /* a bit for each byte of the cluster: covered by a finding */
	size_t base;	 /* offset of the cluster in the text */
	bool own; /* a candidate is of a policy's own class: each loser keeps its free bytes */
	struct finding *v;
	size_t n, room;
};

/* Returns the offset of the first byte in [at, end) whose bit is `want`, or `end`. */
static size_t
find_bit(const struct placing *p, size_t at, size_t end, bool want)
{
	while (at < end) {
		uint64_t w = p->taken[at / 64];
		w = (want ? w : ~w) >> (at % 64);
		if (w) {
			at += (size_t)__builtin_ctzll(w);
			return at < end ? at : end;
		}
		at = (at / 64 + 1) * 64;
	}
	return end;
}

static int
place_finding(struct placing *p, struct finding f)
{
	if (p->n == p->room)
		return ERR_LIMIT;
	INVARIANT(f.start >= p->base && p->n < p->room);
	for (size_t i = f.start - p->base; i < f.end - p->base; i++)
		p->taken[i / 64] |= UINT64_C(1) << (i % 64);
	p->v[p->n++] = f;
	return 0;
}

static int
place_free_parts(struct placing *p, struct finding f)
{
	size_t at = f.start - p->base, end = f.end - p->base;

	if (find_bit(p, at, end, true) == end)
		return place_finding(p, f);
	if (strcmp(p->r->entities[f.entity].class, "secret") && !p->own)
		return 0;
	while ((at = find_bit(p, at, end, false)) < end) {
		size_t to = find_bit(p, at, end, true);
		INVARIANT(at < to && to <= end);
		if (to - at >= KEEP_BYTES) {
			struct finding part = f;
			part.start = at + p->base;
			part.end = to + p->base;
			part.flags &= (uint16_t)~FINDING_VALIDATED;
			int err = place_finding(p, part);
			if (err)
				return err;
		}
		at = to;
	}
	return 0;
}

/* Drops candidates of entities whose shape many numbers have (telephones, addresses), if a
 * value after its own name covers them. v is sorted by start. Returns the number of candidates
 * that are left. */
static size_t
drop_unnamed(const struct detect_rules *r, struct finding *v, size_t n)
{
	size_t kept = 0, reach = 0;

	for (size_t i = 0, next; i < n; i = next) {
		/* candidates that begin at one place: first look for a named one */
		for (next = i; next < n && v[next].start == v[i].start; next++)
			if (v[next].flags & FINDING_NAMED && v[next].end > reach)
				reach = v[next].end;
		for (size_t k = i; k < next; k++)
			if (!r->entities[v[k].entity].yields || v[k].flags & FINDING_NAMED ||
				v[k].end > reach)
				v[kept++] = v[k];
	}
	return kept;
}

/* Resolves a cluster: v[0..n) overlap in a chain and cover [start, end). */
static int
resolve_cluster(struct placing *p, struct finding *v, size_t n, size_t start, size_t end)
{
	uint64_t small[64] = { 0 };
	size_t words = (end - start + 63) / 64;
	size_t from = p->n;
	int err = 0;

	p->base = start;
	p->taken = words <= 64 ? small : calloc(words, sizeof(uint64_t));
	if (!p->taken)
		return ERR_NOMEM;
	size_t named = drop_unnamed(p->r, v, n);
	INVARIANT(named <= n);
	n = named;
	sort_cluster(v, n, by_rank);
	p->own = false;
	for (size_t i = 0; i < n; i++)
		p->own |= p->r->entities[v[i].entity].own;
	for (size_t i = 0; i < n && !err; i++)
		err = place_free_parts(p, v[i]);
	sort_cluster(p->v + from, p->n - from, finding_by_start);
	if (p->taken != small)
		free(p->taken);
	return err;
}

int
detect_resolve(const struct detect_rules *r, struct finding *v, size_t n, struct arena *a,
	struct findings *out)
{
	/* Each placed finding can cut a later candidate once more, so there are at most 2n parts in
	 * all. */
	struct placing p = { .r = r, .room = 2 * n < CAP_FINDINGS ? 2 * n : CAP_FINDINGS };
	int err = 0;

	*out = (struct findings){ 0 };
	if (n == 0)
		return 0;
	effort_add(24 * n);
	p.v = arena_array(a, p.room > n ? p.room : n, sizeof(*p.v));
	if (!p.v)
		return ERR_NOMEM;
	sort_by_start(v, n, p.v);
	for (size_t i = 0, next; i < n && !err; i = next) {
		size_t end = v[i].end;
		for (next = i + 1; next < n && v[next].start < end; next++)
			if (v[next].end > end)
				end = v[next].end;
		INVARIANT(next == n || v[next].start >= v[next - 1].start); /* sorted by start */
		if (next > i + 1)
			err = resolve_cluster(&p, v + i, next - i, v[i].start, end);
		else if (p.n == p.room)
			err = ERR_LIMIT;
		else
			p.v[p.n++] = v[i];
	}
	if (err)
		return err;
	for (size_t i = 0; i < p.n; i++)
		p.v[i].flags &= (uint16_t)~FINDING_WHILE;
	out->v = p.v;
	out->n = p.n;
	return 0;
}

/* ---- a scan ---- */

/* Makes a finding of each candidate, overlaps included. */
static int
keep_all(const struct detect_scratch *s, struct arena *a, struct findings *out)
{
	struct finding *v = arena_array(a, s->n, sizeof(*v));

	if (s->n > CAP_FINDINGS)
		return ERR_LIMIT;
	if (!v)
		return ERR_NOMEM;
	if (s->n)
		memcpy(v, s->v, s->n * sizeof(*v));
	for (size_t i = 0; i < s->n; i++)
		v[i].flags &= (uint16_t)~FINDING_WHILE;
	*out = (struct findings){ .v = v, .n = s->n };
	return 0;
}

int
scan_candidates(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	s->n = 0;
	s->evasion = s->found_one = false;
	int err = rules_scan(r, s, text, opt);
	if (!err)
		err = evade_scan(rules_scan, r, s, text, opt);
	if (!err && !(opt && opt->identifier))
		err = names_scan(r, s, text, opt);
	return err;
}

static bool
is_inside_character(struct span text, size_t at)
{
	return at > 0 && at < text.n && ((unsigned char)text.p[at] & 0xC0) == 0x80 &&
	       is_high(text.p[at - 1]);
}

/* Extends findings to whole characters: a view or a match may end inside one. Findings stay in
 * order and without overlap. In text that is no UTF-8, an end moves by three bytes at most. */
static void
keep_characters(struct span text, struct findings *f, bool overlaps)
{
	size_t taken = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct finding *v = &f->v[i];
		for (unsigned k = 0; k < 3 && is_inside_character(text, v->start); k++)
			v->start--;
		for (unsigned k = 0; k < 3 && is_inside_character(text, v->end); k++)
			v->end++;
		if (!overlaps && v->start < taken)
			v->start = taken < v->end ? taken : v->end;
		taken = v->end;
	}
}

/* Scans for the entities that are asked for, up to the first candidate. If there is one, scans
 * again for all entities, because others may compete with it. */
static int
find_used(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	struct detect_options some = *opt;
	size_t known = s->known ? s->known->n : 0;

	some.thresholds = opt->used->thresholds;
	s->first_only = true;
	int err = scan_candidates(opt->used->rules, s, text, &some);
	s->first_only = false;
	if (!s->found_one)
		return err;
	if (s->known)
		s->known->n = known;
	return scan_candidates(r, s, text, opt);
}

struct column_table *
detect_table_new(struct arena *a)
{
	struct column_table *t = arena_new(a, struct column_table);

	if (t)
		t->more = true;
	return t;
}

void
detect_table_pass(struct column_table *t, struct span text, bool more)
{
	columns_pass(t, text);
	t->more = more;
}

uint64_t
detect_work(size_t n)
{
	size_t first = n < CAP_WORK_FIRST ? n : CAP_WORK_FIRST;

	return CAP_WORK_TEXT + (uint64_t)CAP_WORK_RATIO * first +
	       (uint64_t)CAP_WORK_FURTHER * (n - first);
}

int
detect_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, struct arena *a, struct findings *out)
{
	*out = (struct findings){ 0 };
	INVARIANT(s->rules == r);
	s->limit = "4 encodings in each other, or 4 decoded bytes for each byte of a text";
	if (text.n == 0)
		return 0;
	bool opened = effort_open(detect_work(text.n));
	const struct detect_used *used = opt ? opt->used : NULL;
	int err = used && used->rules ? find_used(r, s, text, opt)
				      : scan_candidates(r, s, text, opt);
	if (!err && opt && opt->all_candidates)
		err = keep_all(s, a, out);
	else if (!err)
		err = detect_resolve(r, s->v, s->n, a, out);
	if (!err)
		keep_characters(text, out, opt && opt->all_candidates);
	s->overworked = effort.over;
	if (opened)
		effort_close();
	if (s->room > CANDIDATES_KEPT) { /* a text full of findings */
		free(s->v);
		s->v = NULL;
		s->room = s->n = 0;
	}
	if (err)
		return err;
	/* Samples are removed after overlaps were resolved, so that no weaker candidate takes the
	 * place of a sample. */
	if (opt && opt->skip_samples) {
		size_t kept = 0;
		for (size_t i = 0; i < out->n; i++)
			if (!(out->v[i].flags & FINDING_SAMPLE))
				out->v[kept++] = out->v[i];
		out->n = kept;
	}
	if (used)
		used_filter(used, out);
	out->evasion = s->evasion;
	for (size_t i = 0; i < out->n; i++)
		out->evasion |= (out->v[i].flags & FINDING_EVASION) != 0;
	return 0;
}

bool
detect_overworked(const struct detect_scratch *s)
{
	return s->overworked;
}

const char *
detect_limit(const struct detect_scratch *s)
{
	return s->limit;
}

bool
detect_is_clean(const struct detect_rules *r, struct detect_scratch *s, struct span word,
	struct arena *a)
{
	struct findings found;

	for (size_t i = 0; i < COUNT_OF(s->clean); i++)
		if (s->clean[i].n && span_eq(word, span_of(s->clean[i].p, s->clean[i].n)))
			return true;
	if (detect_scan(r, s, word, NULL, a, &found) || found.n)
		return false;
	if (word.n <= sizeof(s->clean[0].p)) {
		unsigned i = s->next_clean++ % COUNT_OF(s->clean);
		memcpy(s->clean[i].p, word.p, word.n);
		s->clean[i].n = word.n;
	}
	return true;
}
