/* From candidates to findings that do not overlap. Candidates that touch form
 * clusters; inside one the best is placed first, then whatever still finds its
 * bytes free, on a bitmap of the cluster: linear in bytes and n log n in
 * candidates, whatever the text. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"

enum { KEEP_BYTES = 4 }; /* shorter remains of a secret say nothing */

static int
finding_by_start(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end == y->end ? 0 : x->end < y->end ? -1 : 1;
}

/* A policy's own words before all others, a stretch of a known document after them:
 * what is in it counts too. */
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

/* ---- order ---- */

typedef int finding_order(const void *a, const void *b);

/* Where the run of findings in order that begins at `from` ends. */
static size_t
run_end(const struct finding *v, size_t from, size_t n)
{
	size_t to = from + 1;

	while (to < n && finding_by_start(&v[to - 1], &v[to]) <= 0)
		to++;
	return to;
}

/* Merges v[0..mid) and v[mid..n), each in order. */
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

/* Stages find in order, nearly: the runs that are in order are merged in pairs until there is
 * one. Equals stay as they are. spare has room for n. */
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

/* The candidates of a cluster: two or three, but of a text made to be slow. */
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

/* ---- places ---- */

struct placing {
	const struct detect_rules *r;
	uint64_t *taken; /* a bit a byte of the cluster */
	size_t base;
	bool own; /* a policy's own is among them: no loser is dropped whole */
	struct finding *v;
	size_t n, room;
};

/* Offset of the first byte from `at` on, before `end`, whose bit is `want`. */
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
	INVARIANT(f.start >= p->base && p->n < p->room); /* a cluster begins with its first one */
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

/* Shapes that many numbers have (telephones, addresses) give way to a value after its own
 * name that covers them. v is in order of starts; the number that is left. */
static size_t
drop_unnamed(const struct detect_rules *r, struct finding *v, size_t n)
{
	size_t kept = 0, reach = 0;

	for (size_t i = 0, next; i < n; i = next) {
		/* those that begin at one place, the named ones first */
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

/* v[0..n) overlap in a chain and cover [start, end). */
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
overlap_resolve(const struct detect_rules *r, struct finding *v, size_t n, struct arena *a,
	struct findings *out)
{
	/* Each candidate can leave at most one part more than it is cut into by
	 * others: never more than 2n in all. */
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
		INVARIANT(next == n || v[next].start >= v[next - 1].start); /* in order of starts */
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
