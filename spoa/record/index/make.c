/* Makes an index of a segment's lines, in memory: terms and hits as numbers in the order of
 * lines, which are then sorted by counting. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "record/index/private.h"
#include "record/journal/chain.h"

struct hit {
	int64_t time_ns;
	uint64_t offset;
	unsigned flags;
};

struct making {
	const struct index_terms *t;
	struct hit *hit;
	size_t nhits, hits_room;
	struct term { /* open addressing by hash; `times` 0: free */
		uint64_t hash;
		uint32_t times, first; /* first: where its postings begin, later */
	} * term;
	size_t nterms, terms_size;
	struct use {
		uint32_t hit, term; /* which slot: set once the table grows no more */
		uint64_t hash;
	} * use;
	size_t nuses, uses_room;
	struct further {
		uint64_t offset;
		uint32_t hit;
	} * further;
	size_t nfurther, further_room;
	uint64_t *hash; /* of the line that is read */
	size_t nhash, hash_room;
	struct header h;
	bool failed;
};

static struct term *
term_slot(struct term *table, size_t size, uint64_t hash)
{
	size_t i = (size_t)hash & (size - 1);

	while (table[i].times && table[i].hash != hash)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static bool
terms_grow(struct making *m)
{
	size_t size = m->terms_size ? m->terms_size * 2 : 1 << 14;
	struct term *table = calloc(size, sizeof(*table));

	for (size_t i = 0; table && i < m->terms_size; i++)
		if (m->term[i].times)
			*term_slot(table, size, m->term[i].hash) = m->term[i];
	if (!table)
		return false;
	free(m->term);
	m->term = table;
	m->terms_size = size;
	return true;
}

static void
add_use(struct making *m, uint64_t hash, uint32_t hit)
{
	if ((m->nterms + 1) * 2 > m->terms_size && !terms_grow(m)) {
		m->failed = true;
		return;
	}
	struct term *t = term_slot(m->term, m->terms_size, hash);
	if (t->times && t->first == hit + 1)
		return; /* twice in one record */
	if (!mem_room(&m->use, &m->uses_room, m->nuses + 1, sizeof(*m->use)) ||
		m->nuses == UINT32_MAX - 1) {
		m->failed = true;
		return;
	}
	m->nterms += t->times == 0;
	t->hash = hash;
	t->times++;
	t->first = hit + 1;
	m->use[m->nuses++] = (struct use){ .hit = hit, .hash = hash };
}

static void
on_term(void *arg, uint64_t hash)
{
	struct making *m = arg;

	if (mem_room(&m->hash, &m->hash_room, m->nhash + 1, sizeof(*m->hash)))
		m->hash[m->nhash++] = hash;
	else
		m->failed = true;
}

/* The hit of a record: that of its id, or a new one. */
static uint32_t
hit_of(struct making *m, const struct index_record *r, uint64_t offset)
{
	const struct term *t = NULL;
	uint64_t id = r->id.n ? m->t->id(r->id) : 0;

	if (r->id.n && m->terms_size)
		t = term_slot(m->term, m->terms_size, id);
	/* A second decision of one id is a hit of its own: nothing hides behind another. */
	if (t && t->times && !r->first && !(m->hit[t->first - 1].flags & INDEX_ALONE)) {
		uint32_t hit = t->first - 1;
		struct hit *h = &m->hit[hit];
		if (!mem_room(&m->further, &m->further_room, m->nfurther + 1,
			    sizeof(*m->further))) {
			m->failed = true;
			return hit;
		}
		m->further[m->nfurther++] = (struct further){ offset, hit };
		if (r->ends)
			h->flags &= ~(unsigned)INDEX_OPEN;
		return hit;
	}
	if (m->nhits == HITS_MAX ||
		!mem_room(&m->hit, &m->hits_room, m->nhits + 1, sizeof(*m->hit))) {
		m->failed = true;
		return 0;
	}
	unsigned flags = r->first  ? INDEX_FIRST | (r->expects ? INDEX_OPEN : 0u)
			 : r->id.n ? 0
				   : INDEX_ALONE;
	m->hit[m->nhits] =
		(struct hit){ .time_ns = r->time_ns, .offset = offset, .flags = flags };
	return (uint32_t)m->nhits++;
}

static bool
add_line(void *arg, struct span line, uint64_t offset)
{
	struct making *m = arg;
	struct index_record r;

	m->h.last_line = offset;
	m->nhash = 0;
	if (!m->t->read(line, &r, on_term, m))
		return true;
	if (!m->h.records++) {
		m->h.first_seq = r.seq;
		m->h.from_ns = m->h.to_ns = r.time_ns;
	}
	m->h.last_seq = r.seq;
	if (r.time_ns < m->h.from_ns)
		m->h.from_ns = r.time_ns;
	if (r.time_ns > m->h.to_ns)
		m->h.to_ns = r.time_ns;
	uint32_t hit = hit_of(m, &r, offset);
	for (size_t i = 0; i < m->nhash && !m->failed; i++)
		add_use(m, m->hash[i], hit);
	return !m->failed;
}

/* ---- the image ---- */

static int
by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct term *)a)->hash, y = ((const struct term *)b)->hash;

	return x < y ? -1 : x > y;
}

void
index_put_number(struct buf *b, uint64_t v)
{
	char to[10];
	size_t n = 0;

	do
		to[n++] = (char)((v & 127) | (v > 127 ? 128 : 0));
	while (v >>= 7);
	buf_put(b, to, n);
}

static void
put_hits(struct making *m, struct buf *b, struct buf *more)
{
	uint32_t *from = calloc(m->nhits + 1, sizeof(*from)), *sorted = NULL;

	/* Further records by hit, each hit's in their order. */
	sorted = malloc((m->nfurther + 1) * sizeof(*sorted));
	if (!from || !sorted) {
		m->failed = true;
		goto out;
	}
	for (size_t i = 0; i < m->nfurther; i++)
		from[m->further[i].hit + 1]++;
	for (size_t i = 0; i < m->nhits; i++)
		from[i + 1] += from[i];
	for (size_t i = 0; i < m->nfurther; i++)
		sorted[from[m->further[i].hit]++] = (uint32_t)i;
	/* from[i] is now the end of hit i. */
	for (size_t i = 0, k = 0; i < m->nhits; i++) {
		struct hit *h = &m->hit[i];
		uint32_t place = k < from[i] ? (uint32_t)more->n : NO_MORE;
		uint64_t before = h->offset;
		buf_put(b, &h->time_ns, 8);
		buf_put(b, &h->offset, 6);
		buf_put(b, &h->flags, 2);
		buf_put(b, &place, 4);
		if (k < from[i])
			index_put_number(more, from[i] - k);
		for (; k < from[i]; k++) {
			uint64_t at = m->further[sorted[k]].offset;
			index_put_number(more, at - before);
			before = at;
		}
	}
out:
	free(from);
	free(sorted);
}

/* The uses by hit, then of each term: in the order of hits, equal ones side by side. */
static bool
sort_uses(struct making *m)
{
	uint32_t *from = calloc(m->nhits + 1, sizeof(*from));
	struct use *to = malloc((m->nuses + 1) * sizeof(*to));

	if (!from || !to) {
		free(from);
		free(to);
		return false;
	}
	for (size_t i = 0; i < m->nuses; i++)
		from[m->use[i].hit + 1]++;
	for (size_t i = 0; i < m->nhits; i++)
		from[i + 1] += from[i];
	for (size_t i = 0; i < m->nuses; i++)
		to[from[m->use[i].hit]++] = m->use[i];
	free(from);
	free(m->use);
	m->use = to;
	return true;
}

static void
put_terms(struct making *m, struct buf *b, struct buf *postings)
{
	struct term *sorted = malloc((m->nterms + 1) * sizeof(*sorted));
	uint32_t *hits = malloc((m->nuses + 1) * sizeof(*hits));
	uint32_t at = 0;

	if (!sorted || !hits || !sort_uses(m)) {
		m->failed = true;
		goto out;
	}
	for (size_t i = 0; i < m->terms_size; i++) {
		if (!m->term[i].times)
			continue;
		m->term[i].first = at;
		at += m->term[i].times;
		m->term[i].times = 1; /* from here on: how many are in, and one */
	}
	for (size_t i = 0; i < m->nuses; i++) {
		struct term *t = term_slot(m->term, m->terms_size, m->use[i].hash);
		if (t->times > 1 && hits[t->first + t->times - 2] == m->use[i].hit)
			continue;
		hits[t->first + t->times++ - 1] = m->use[i].hit;
	}
	size_t n = 0;
	for (size_t i = 0; i < m->terms_size; i++)
		if (m->term[i].times)
			sorted[n++] = m->term[i];
	qsort(sorted, n, sizeof(*sorted), by_hash);
	for (size_t i = 0; i < n; i++) {
		uint32_t count = sorted[i].times - 1, *of = hits + sorted[i].first, before = 0;
		uint32_t place = count == 1 ? ONLY_HIT | of[0] : (uint32_t)postings->n;
		buf_put(b, &sorted[i].hash, 8);
		buf_put(b, &place, 4);
		if (count == 1)
			continue;
		index_put_number(postings, count);
		for (uint32_t k = 0; k < count; k++) {
			index_put_number(postings, of[k] - before);
			before = of[k];
		}
	}
out:
	free(sorted);
	free(hits);
}

static struct index *
image_of(struct making *m)
{
	struct index *ix = calloc(1, sizeof(*ix));
	struct buf b, more, terms, postings;

	buf_init(&b, INDEX_MAX);
	buf_init(&more, ONLY_HIT);
	buf_init(&terms, INDEX_MAX);
	buf_init(&postings, ONLY_HIT);
	m->h.hits = (uint32_t)m->nhits;
	m->h.terms = (uint32_t)m->nterms;
	buf_put(&b, &m->h, sizeof(m->h));
	put_hits(m, &b, &more);
	put_terms(m, &terms, &postings);
	m->h.more = b.n;
	buf_span(&b, buf_view(&more));
	m->h.term = b.n;
	buf_span(&b, buf_view(&terms));
	m->h.posting = b.n;
	buf_span(&b, buf_view(&postings));
	m->h.sums = b.n;
	m->h.bytes = b.n + blocks_of(&m->h) * SUM_BYTES;
	for (size_t i = 0; i < blocks_of(&m->h) && !buf_failed(&b); i++) {
		unsigned char sum[SUM_BYTES];
		struct span block = span_cut(buf_view(&b), sizeof(m->h) + i * BLOCK_BYTES,
			sizeof(m->h) + (i + 1) * BLOCK_BYTES);
		if (block.p + block.n > buf_view(&b).p + m->h.sums)
			block.n = (size_t)(buf_view(&b).p + m->h.sums - block.p);
		index_sum(block.p, block.n, sum);
		buf_put(&b, sum, SUM_BYTES);
	}
	bool ok = ix && !m->failed && !buf_failed(&b) && !buf_failed(&more) &&
		  !buf_failed(&terms) && !buf_failed(&postings);
	if (ok)
		ok = (ix->image = malloc(b.n)) != NULL;
	if (ok) {
		memcpy(ix->image, buf_view(&b).p, b.n);
		index_header_sum(&m->h, ix->image + m->h.sums, m->h.sum);
		memcpy(ix->image, &m->h, sizeof(m->h));
		ix->h = m->h;
		ix->fd = -1;
	} else {
		free(ix);
		ix = NULL;
	}
	buf_free(&b);
	buf_free(&more);
	buf_free(&terms);
	buf_free(&postings);
	return ix;
}

/* ---- the lines ---- */

enum { READ_BYTES = 1 << 20 };

int
index_each_line(const struct index_segment *s, const bool *stop,
	bool (*each)(void *arg, struct span line, uint64_t offset), void *arg)
{
	struct buf b;
	uint64_t at = 0; /* of the buffer's begin */
	int err = 0;

	buf_init(&b, READ_BYTES + CHAIN_LINE_MAX + READ_BYTES);
	for (bool more = true; more && !err;) {
		char *to = buf_reserve(&b, READ_BYTES);
		long n = to ? s->read(s->arg, at + b.n, to, READ_BYTES) : -1;
		if (n < 0 || (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))) {
			err = n < 0 ? ERR_IO : ERR_BAD_STATE;
			break;
		}
		more = n > 0;
		buf_commit(&b, (size_t)n);
		struct span rest = buf_view(&b);
		for (;;) {
			size_t end = span_chr(rest, '\n');
			if (end == rest.n)
				break;
			struct span line = span_cut(rest, 0, end);
			if (memchr(line.p, '\0', line.n)) {
				more = false;
				break;
			}
			if (!each(arg, line, at + b.n - rest.n)) {
				more = false;
				break;
			}
			rest = span_cut(rest, end + 1, rest.n);
		}
		size_t used = b.n - rest.n;
		/* Longer than any line of ours: what it is nobody knows. */
		if (rest.n > CHAIN_LINE_MAX + READ_BYTES / 2)
			used = b.n;
		buf_consume(&b, used);
		at += used;
	}
	buf_free(&b);
	return err;
}

struct index *
index_make(const struct index_segment *s, const struct index_terms *t, const bool *stop,
	struct buf *why)
{
	struct making m = { .t = t };
	struct index *ix = NULL;

	memcpy(m.h.magic, "tgindex1", 8);
	m.h.version = t->version();
	struct index_whose whose;
	int err = index_each_line(s, stop, add_line, &m);
	index_whose(s, m.h.last_line, &whose);
	m.h.segment_bytes = whose.segment_bytes;
	m.h.segment_mtime = whose.segment_mtime;
	memcpy(m.h.segment, whose.segment, sizeof(m.h.segment));
	memcpy(m.h.first, whose.first, sizeof(m.h.first));
	memcpy(m.h.last, whose.last, sizeof(m.h.last));
	for (size_t i = 0; i < m.nhits && !m.failed; i++)
		if (m.hit[i].flags & INDEX_OPEN)
			add_use(&m, INDEX_TERM_OPEN, (uint32_t)i);
	if (!err)
		ix = image_of(&m);
	if (err == ERR_IO)
		buf_printf(why, "%s: %s", s->name, strerror(errno));
	else if (err)
		buf_printf(why, "%s: stopped", s->name);
	else if (!ix)
		buf_printf(why, "%s: %s", s->name, err_str(ERR_NOMEM));
	free(m.hit);
	free(m.term);
	free(m.use);
	free(m.further);
	free(m.hash);
	return ix;
}
