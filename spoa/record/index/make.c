/* Makes an index of a segment's lines in memory. Terms are in an open-addressing table by the
 * upper bits of their hashes, so that the table is almost sorted at the end. Each hit has a
 * list of its terms and a list of its further records. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/index/private.h"
#include "record/journal/chain.h"

struct hit {
	int64_t time_ns;
	uint64_t offset;
	uint32_t flags;
	uint32_t uses;		/* the last of its terms, a place in `use`; 0: none */
	uint32_t further, last; /* the first and last record after that at `offset`; 0: none */
};

struct making {
	struct hit *hit;
	size_t nhits, hits_room;
	struct term { /* open addressing; `times` 0: free */
		uint64_t hash;
		uint32_t times,
			first; /* 1 + its last hit; at the end: the begin of its postings */
	} * term;
	size_t nterms, terms_bits;
	struct use {
		uint32_t term, next; /* slot of the term; next use of the hit, 0: none */
	} * use;
	size_t nuses, uses_room;
	struct further {
		uint64_t offset;
		uint32_t next;
	} * further;
	size_t nfurther, further_room;
	struct header h;
	bool failed;
};

static size_t
term_slot(const struct making *m, uint64_t hash)
{
	size_t i = (size_t)(hash >> (64 - m->terms_bits));

	while (m->term[i].times && m->term[i].hash != hash)
		i = (i + 1) & ((1u << m->terms_bits) - 1);
	return i;
}

static bool
terms_grow(struct making *m)
{
	size_t had = m->term ? (size_t)1 << m->terms_bits : 0;
	struct term *was = m->term, *table;
	uint32_t *moved = malloc((had + 1) * sizeof(*moved));

	m->terms_bits = had ? m->terms_bits + 1 : 14;
	table = calloc((size_t)1 << m->terms_bits, sizeof(*table));
	if (table && moved) {
		m->term = table;
		for (size_t i = 0; i < had; i++) {
			if (!was[i].times)
				continue;
			moved[i] = (uint32_t)term_slot(m, was[i].hash);
			table[moved[i]] = was[i];
		}
		for (size_t i = 1; i <= m->nuses; i++)
			m->use[i].term = moved[m->use[i].term];
	}
	bool grew = m->term == table && table;
	free(grew ? was : table);
	free(moved);
	return grew;
}

static void
add_use(struct making *m, uint64_t hash, uint32_t hit)
{
	struct hit *h = &m->hit[hit];

	INVARIANT(hit < m->nhits);
	/* use[0] is not used: 0 means none */
	if (m->nuses == UINT32_MAX - 1 ||
		(m->nuses + 2 > m->uses_room &&
			!mem_room(&m->use, &m->uses_room, m->nuses + 2, sizeof(*m->use))) ||
		((m->nterms + 1) * 2 > (m->term ? (size_t)1 << m->terms_bits : 0) &&
			!terms_grow(m))) {
		m->failed = true;
		return;
	}
	INVARIANT((m->nterms + 1) * 2 <=
		  (size_t)1 << m->terms_bits); /* a free slot ends each search */
	size_t slot = term_slot(m, hash);
	struct term *t = &m->term[slot];
	if (t->times && t->first == hit + 1)
		return; /* the hit has the term already */
	m->nterms += t->times == 0;
	t->hash = hash;
	t->times++;
	t->first = hit + 1;
	m->use[++m->nuses] = (struct use){ .term = (uint32_t)slot, .next = h->uses };
	h->uses = (uint32_t)m->nuses;
}

/* Returns the hit of a record: that of its id, or a new one. */
static uint32_t
hit_of(struct making *m, const struct index_record *r, uint64_t offset)
{
	const struct term *t = r->id && m->term ? &m->term[term_slot(m, r->id)] : NULL;

	/* A second decision with the same id is a hit of its own, so that no record is hidden.
	 */
	if (t && t->times && !r->first && !(m->hit[t->first - 1].flags & INDEX_ALONE)) {
		uint32_t hit = t->first - 1;
		struct hit *h = &m->hit[hit];
		if (!mem_room(&m->further, &m->further_room, m->nfurther + 2,
			    sizeof(*m->further))) {
			m->failed = true;
			return hit;
		}
		m->further[++m->nfurther] = (struct further){ offset, 0 };
		*(h->last ? &m->further[h->last].next : &h->further) = (uint32_t)m->nfurther;
		h->last = (uint32_t)m->nfurther;
		if (r->ends)
			h->flags &= ~(uint32_t)INDEX_OPEN;
		return hit;
	}
	if (m->nhits == HITS_MAX ||
		!mem_room(&m->hit, &m->hits_room, m->nhits + 1, sizeof(*m->hit))) {
		m->failed = true;
		return 0;
	}
	uint32_t flags = r->first ? INDEX_FIRST | (r->expects ? INDEX_OPEN : 0u)
			 : r->id  ? 0
				  : INDEX_ALONE;
	m->hit[m->nhits] =
		(struct hit){ .time_ns = r->time_ns, .offset = offset, .flags = flags };
	return (uint32_t)m->nhits++;
}

static bool
add_line(void *making, const struct index_line *l)
{
	struct making *m = making;
	const struct index_record *r = &l->record;

	m->h.last_line = l->offset;
	if (!l->is_record)
		return true;
	if (!m->h.records++) {
		m->h.first_seq = r->seq;
		m->h.from_ns = m->h.to_ns = r->time_ns;
	}
	m->h.last_seq = r->seq;
	if (r->time_ns < m->h.from_ns)
		m->h.from_ns = r->time_ns;
	if (r->time_ns > m->h.to_ns)
		m->h.to_ns = r->time_ns;
	uint32_t hit = hit_of(m, r, l->offset);
	for (size_t i = 0; i < l->nhash && !m->failed; i++)
		add_use(m, l->hash[i], hit);
	return !m->failed;
}

/* ---- the image ---- */

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
put_hits(const struct making *m, struct buf *b, struct buf *more)
{
	for (size_t i = 0; i < m->nhits; i++) {
		const struct hit *h = &m->hit[i];
		uint32_t place = h->further ? (uint32_t)more->n : NO_MORE;
		uint64_t before = h->offset, n = 0;
		unsigned char row[HIT_BYTES];
		memcpy(row, &h->time_ns, 8);
		memcpy(row + 8, &h->offset, 6);
		memcpy(row + 14, &h->flags, 2);
		memcpy(row + 16, &place, 4);
		buf_put(b, row, sizeof(row));
		for (uint32_t k = h->further; k; k = m->further[k].next)
			n++;
		if (n)
			index_put_number(more, n);
		for (uint32_t k = h->further; k; k = m->further[k].next) {
			index_put_number(more, m->further[k].offset - before);
			before = m->further[k].offset;
		}
	}
}

/* Sorts the terms, and writes the hits of each term in order, from its `first` on. */
static void
sort_terms(struct making *m, uint32_t *hits, struct term *sorted)
{
	uint32_t at = 0;
	size_t n = 0;

	for (size_t i = 0; m->term && i >> m->terms_bits == 0; i++) {
		m->term[i].first = at;
		at += m->term[i].times;
		m->term[i].times = 0; /* from now on: the number of hits that were written */
	}
	INVARIANT(at == m->nuses);
	for (size_t i = 0; i < m->nhits; i++)
		for (uint32_t k = m->hit[i].uses; k; k = m->use[k].next) {
			struct term *t = &m->term[m->use[k].term];
			/* Equal hits are next to each other. */
			if (!t->times || hits[t->first + t->times - 1] != i)
				hits[t->first + t->times++] = (uint32_t)i;
		}
	for (size_t i = 0; m->term && i >> m->terms_bits == 0; i++) {
		if (!m->term[i].times)
			continue;
		size_t to = n++;
		INVARIANT(to < m->nterms);
		for (; to && sorted[to - 1].hash > m->term[i].hash; to--)
			sorted[to] = sorted[to - 1];
		sorted[to] = m->term[i];
	}
}

static void
put_terms(struct making *m, struct buf *b, struct buf *postings)
{
	struct term *sorted = malloc((m->nterms + 1) * sizeof(*sorted));
	uint32_t *hits = malloc((m->nuses + 1) * sizeof(*hits));

	if (sorted && hits)
		sort_terms(m, hits, sorted);
	else
		m->failed = true;
	for (size_t i = 0; i < m->nterms && !m->failed; i++) {
		uint32_t count = sorted[i].times, *of = hits + sorted[i].first, before = 0;
		uint32_t place = count == 1 ? ONLY_HIT | of[0] : (uint32_t)postings->n;
		unsigned char row[TERM_BYTES];
		memcpy(row, &sorted[i].hash, 8);
		memcpy(row + 8, &place, 4);
		buf_put(b, row, sizeof(row));
		if (count == 1)
			continue;
		index_put_number(postings, count);
		for (uint32_t k = 0; k < count; k++) {
			index_put_number(postings, of[k] - before);
			before = of[k];
		}
	}
	free(sorted);
	free(hits);
}

static struct index *
image_of(struct making *m)
{
	SCOPED_BUF(b, INDEX_MAX);
	SCOPED_BUF(more, ONLY_HIT);
	SCOPED_BUF(terms, INDEX_MAX);
	SCOPED_BUF(postings, ONLY_HIT);
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
		struct span tables = span_cut(buf_view(&b), sizeof(m->h), m->h.sums);
		struct span block = span_cut(tables, i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
		index_sum(block.p, block.n, sum);
		buf_put(&b, sum, SUM_BYTES);
	}
	if (m->failed || buf_failed(&b) || buf_failed(&more) || buf_failed(&terms) ||
		buf_failed(&postings))
		return NULL;
	struct index *ix = calloc(1, sizeof(*ix));
	if (!ix || !(ix->image = malloc(b.n))) {
		free(ix);
		return NULL;
	}
	memcpy(ix->image, buf_view(&b).p, b.n);
	index_header_sum(&m->h, ix->image + m->h.sums, m->h.sum);
	memcpy(ix->image, &m->h, sizeof(m->h));
	INVARIANT(m->h.bytes == b.n && m->h.more <= m->h.term && m->h.term <= m->h.posting &&
		  m->h.posting <= m->h.sums);
	ix->h = m->h;
	ix->fd = -1;
	return ix;
}

/* ---- the lines ---- */

enum { READ_BYTES = 1 << 20 };

void
index_line_term(struct index_line *l, uint64_t hash)
{
	if (l->nhash < l->hash_room ||
		mem_room(&l->hash, &l->hash_room, l->nhash + 1, sizeof(*l->hash)))
		l->hash[l->nhash++] = hash;
	else
		l->no_memory = true;
}

/* Passes a line to the makers. *over has a bit for each maker that needs no more lines. Returns
 * false if no maker does. */
static bool
read_line(struct index_line *l, const struct index_makers *m, void *const making[INDEX_MAKERS],
	unsigned *over)
{
	bool more = false;

	if (memchr(l->line.p, '\0', l->line.n))
		return false;
	l->nhash = 0;
	m->terms->read(l);
	for (size_t i = 0; i < INDEX_MAKERS && !l->no_memory; i++) {
		if (!making[i] || *over >> i & 1)
			continue;
		if (m->of[i]->line(making[i], l))
			more = true;
		else
			*over |= 1u << i;
	}
	return more && !l->no_memory;
}

int
index_read_lines(const struct index_segment *s, const struct index_makers *m,
	void *const making[INDEX_MAKERS], const atomic_bool *stop, struct buf *why)
{
	struct index_line l = { .hash = NULL };
	uint64_t at = 0; /* offset of the buffer's begin */
	unsigned over = 0;
	int err = 0;

	SCOPED_BUF(b, READ_BYTES + CHAIN_LINE_MAX + READ_BYTES);
	for (bool more = true; more && !err;) {
		char *to = buf_reserve(&b, READ_BYTES);
		long n = to ? s->read(s->arg, at + b.n, to, READ_BYTES) : -1;
		if (n < 0) {
			err = why_err(why, ERR_IO, "%s: %s", s->name, strerror(errno));
			break;
		}
		if (stop && atomic_load_explicit(stop, memory_order_relaxed)) {
			err = why_err(why, ERR_BAD_STATE, "%s: stopped", s->name);
			break;
		}
		more = n > 0;
		buf_commit(&b, (size_t)n);
		struct span rest = buf_view(&b);
		for (size_t end; more && (end = span_chr(rest, '\n')) < rest.n;) {
			l.line = span_cut(rest, 0, end);
			l.offset = at + b.n - rest.n;
			more = read_line(&l, m, making, &over);
			rest = span_cut(rest, end + 1, rest.n);
		}
		INVARIANT(rest.n <= b.n);
		size_t used = b.n - rest.n;
		/* The line is longer than a record can be, and is left out. */
		if (rest.n > CHAIN_LINE_MAX + READ_BYTES / 2)
			used = b.n;
		buf_consume(&b, used);
		at += used;
	}
	if (!err && l.no_memory)
		err = why_err(why, ERR_NOMEM, "%s: %s", s->name, err_str(ERR_NOMEM));
	free(l.hash);
	return err;
}

static void *
begin_index(const struct index_terms *t)
{
	struct making *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	memcpy(m->h.magic, "tgindex1", 8);
	m->h.version = t->version();
	return m;
}

/* Returns the index, or NULL with *why or if `err` is an error already. Frees `m`. */
static struct index *
index_of(struct making *m, const struct index_segment *s, int err, struct buf *why)
{
	struct index_whose whose;
	struct index *ix = NULL;

	if (!err) {
		index_whose(s, m->h.last_line, &whose);
		m->h.segment_bytes = whose.segment_bytes;
		m->h.segment_mtime = whose.segment_mtime;
		memcpy(m->h.segment, whose.segment, sizeof(m->h.segment));
		memcpy(m->h.first, whose.first, sizeof(m->h.first));
		memcpy(m->h.last, whose.last, sizeof(m->h.last));
		for (size_t i = 0; i < m->nhits && !m->failed; i++)
			if (m->hit[i].flags & INDEX_OPEN)
				add_use(m, INDEX_TERM_OPEN, (uint32_t)i);
		ix = image_of(m);
		if (!ix)
			buf_printf(why, "%s: %s", s->name, err_str(ERR_NOMEM));
	}
	free(m->hit);
	free(m->term);
	free(m->use);
	free(m->further);
	free(m);
	return ix;
}

struct index *
index_make(const struct index_segment *s, const struct index_terms *t, const atomic_bool *stop,
	struct buf *why)
{
	const struct index_makers makers = { t, { &index_maker } };
	void *making[INDEX_MAKERS] = { begin_index(t) };

	if (!making[0]) {
		buf_printf(why, "%s: %s", s->name, err_str(ERR_NOMEM));
		return NULL;
	}
	return index_of(making[0], s, index_read_lines(s, &makers, making, stop, why), why);
}

static bool
is_sound_index(const struct index_segment *s, const char *dir, const struct index_terms *t)
{
	SCOPED_BUF(unused, 8192);
	struct index *ix = index_open(dir, s, t, &unused);
	bool sound = ix != NULL;

	index_free(&ix);
	return sound;
}

static int
end_index(void *making, const struct index_segment *s, const char *dir,
	const struct index_terms *t, int err, bool check, struct buf *why)
{
	struct index *made = index_of(making, s, err, why), *had = NULL;

	if (!made)
		return err ? err : ERR_IO;
	if (check) {
		SCOPED_BUF(unused, 8192);
		had = index_open(dir, s, t, &unused);
	}
	if (!(had && index_same(had, made))) {
		err = index_save(made, dir, why);
		if (!err && check)
			err = had ? ERR_AUTH : ERR_NOTFOUND;
	}
	index_free(&had);
	index_free(&made);
	return err;
}

static uint64_t
index_version(const struct index_terms *t)
{
	return t->version();
}

_Static_assert(offsetof(struct header, version) == INDEX_VERSION_AT, "as index_maker says");
const struct index_maker index_maker = { INDEX_FILES, index_version, is_sound_index,
	begin_index, add_line, end_index };
