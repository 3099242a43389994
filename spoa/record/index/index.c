/* Index files: how an index is made in memory, written to a file, read back and searched. See
 * index.h.
 *
 * An index of a segment's lines is made in memory. Terms are in an open-addressing table by the
 * upper bits of their hashes, so that the table is almost sorted at the end. Each hit has a list
 * of its terms and a list of its further records.
 *
 * Blocks of a file are read when they are needed, and compared with their checksums. A file
 * cannot make the reader read outside of it: values that do not fit mark the index as bad. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/index/private.h"
#include "record/journal/chain.h"

/* ---- searching ---- */

void
index_sum(const void *p, size_t n, unsigned char out[SUM_BYTES])
{
	unsigned char all[SHA256_BYTES];

	sha256(span_of(p, n), all);
	memcpy(out, all, SUM_BYTES);
}

void
index_header_sum(
	const struct header *h, const unsigned char *sums, unsigned char out[SUM_BYTES])
{
	struct sha256 s;
	unsigned char all[SHA256_BYTES];

	sha256_begin(&s);
	sha256_add(&s, span_of(h, offsetof(struct header, sum)));
	sha256_add(&s, span_of(sums, (size_t)(h->bytes - h->sums)));
	sha256_end(&s, all);
	memcpy(out, all, SUM_BYTES);
}

void
index_free(struct index **ix)
{
	if (!*ix)
		return;
	if ((*ix)->fd >= 0)
		close((*ix)->fd);
	free((*ix)->image);
	free((*ix)->there);
	free(*ix);
	*ix = NULL;
}

void
index_facts(const struct index *ix, struct index_facts *out)
{
	const struct header *h = &ix->h;

	*out = (struct index_facts){ h->hits, h->records, h->first_seq, h->last_seq, h->from_ns,
		h->to_ns, (size_t)h->bytes };
}

bool
index_bad(const struct index *ix)
{
	return ix->bad;
}

bool
index_is_file(const struct index *ix)
{
	return ix->fd >= 0;
}

static bool
read_block(struct index *ix, size_t i)
{
	uint64_t from = sizeof(ix->h) + (uint64_t)i * BLOCK_BYTES;
	size_t n = ix->h.sums - from < BLOCK_BYTES ? (size_t)(ix->h.sums - from) : BLOCK_BYTES;
	unsigned char sum[SUM_BYTES];

	if (pread(ix->fd, ix->image + from, n, (off_t)from) != (ssize_t)n)
		return false;
	index_sum(ix->image + from, n, sum);
	return memcmp(sum, ix->image + ix->h.sums + i * SUM_BYTES, SUM_BYTES) == 0;
}

/* Returns n bytes of the tables at `at`. Returns NULL if the file has no such bytes; the index
 * is then bad. */
static const unsigned char *
bytes_at(struct index *ix, uint64_t at, size_t n)
{
	if (ix->bad || at < sizeof(ix->h) || n > ix->h.sums || at > ix->h.sums - n) {
		ix->bad = true;
		return NULL;
	}
	size_t last = (size_t)(at + (n ? n - 1 : 0) - sizeof(ix->h)) / BLOCK_BYTES;
	for (size_t i = (size_t)(at - sizeof(ix->h)) / BLOCK_BYTES; ix->there && i <= last;
		i++) {
		if (ix->there[i / 64] >> i % 64 & 1)
			continue;
		if (!read_block(ix, i)) {
			ix->bad = true;
			return NULL;
		}
		ix->there[i / 64] |= 1ull << i % 64;
	}
	return ix->image + at;
}

/* Returns true if both indexes are equal, except for the time of the segment's file. */
static bool
index_same(struct index *a, struct index *b)
{
	size_t n = (size_t)(a->h.sums - sizeof(a->h));
	struct header x = a->h, y = b->h;

	memset(x.sum, 0, SUM_BYTES);
	memset(y.sum, 0, SUM_BYTES);
	x.segment_mtime = y.segment_mtime = 0;
	return !memcmp(&x, &y, sizeof(x)) && bytes_at(a, sizeof(x), n) &&
	       bytes_at(b, sizeof(y), n) &&
	       !memcmp(a->image + sizeof(x), b->image + sizeof(y), n);
}

/* Reads a LEB128 number at *at, which must end before `end`. */
static uint64_t
index_number(struct index *ix, uint64_t *at, uint64_t end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		const unsigned char *p = *at < end ? bytes_at(ix, *at, 1) : NULL;
		if (!p)
			break;
		++*at;
		v |= (uint64_t)(*p & 127) << shift;
		if (!(*p & 128))
			return v;
	}
	ix->bad = true;
	return 0;
}

/* Finds the entry of a term. Returns false if the table has none. Hashes are evenly
 * distributed, so that the first tries interpolate. */
static bool
find_term(struct index *ix, uint64_t term, uint32_t *place)
{
	uint64_t low = 0, high = ix->h.terms, low_hash = 0, high_hash = UINT64_MAX;

	for (unsigned tries = 0; low < high; tries++) {
		uint64_t mid = low + (high - low) / 2;
		if (tries < 6 && high_hash > low_hash) {
			double share =
				(double)(term - low_hash) / (double)(high_hash - low_hash);
			uint64_t guess = low + (uint64_t)(share * (double)(high - low));
			mid = guess < high ? guess : high - 1;
		}
		const unsigned char *p =
			bytes_at(ix, ix->h.term + mid * TERM_BYTES, TERM_BYTES);
		if (!p)
			return false;
		uint64_t hash = get(p, 8);
		if (hash == term) {
			*place = (uint32_t)get(p + 8, 4);
			return true;
		}
		if (hash < low_hash || hash > high_hash) {
			ix->bad = true; /* the table is not sorted */
			return false;
		}
		if (hash < term) {
			low = mid + 1;
			low_hash = hash;
		} else {
			high = mid;
			high_hash = hash;
		}
	}
	return false;
}

/* Calls each() for the hits of a term in order, until it returns true. */
static bool
each_hit(struct index *ix, uint64_t term, bool (*each)(void *arg, uint32_t hit), void *arg)
{
	uint32_t place;

	if (ix->bad || !find_term(ix, term, &place))
		return false;
	if (place & ONLY_HIT) {
		place &= ~ONLY_HIT;
		ix->bad |= place >= ix->h.hits;
		return !ix->bad && each(arg, place);
	}
	uint64_t at = ix->h.posting + place, hit = 0;
	uint64_t n = index_number(ix, &at, ix->h.sums);
	for (uint64_t i = 0; i < n && !ix->bad; i++) {
		uint64_t step = index_number(ix, &at, ix->h.sums);
		hit += step;
		if (hit >= ix->h.hits || step >= ix->h.hits || (i && !step))
			ix->bad = true;
		else if (each(arg, (uint32_t)hit))
			return true;
	}
	return false;
}

static bool
set_bit(void *arg, uint32_t hit)
{
	((uint64_t *)arg)[hit / 64] |= 1ull << hit % 64;
	return false;
}

void
index_mark(struct index *ix, uint64_t term, uint64_t *bits)
{
	each_hit(ix, term, set_bit, bits);
}

static bool
at_least(void *arg, uint32_t hit)
{
	uint32_t *from = arg;

	if (hit < *from)
		return false;
	*from = hit;
	return true;
}

bool
index_find(struct index *ix, uint64_t term, uint32_t *hit)
{
	return each_hit(ix, term, at_least, hit);
}

bool
index_hit(struct index *ix, uint32_t hit, struct index_hit *out)
{
	const unsigned char *p =
		hit < ix->h.hits
			? bytes_at(ix, sizeof(ix->h) + (uint64_t)hit * HIT_BYTES, HIT_BYTES)
			: NULL;

	if (!p)
		return false;
	*out = (struct index_hit){ .time_ns = (int64_t)get(p, 8),
		.flags = (unsigned)get(p + 14, 2),
		.n = 1,
		.offset = { get(p + 8, 6) } };
	uint32_t place = (uint32_t)get(p + 16, 4);
	if (place == NO_MORE)
		return true;
	uint64_t at = ix->h.more + place, n = index_number(ix, &at, ix->h.term),
		 offset = out->offset[0];
	for (uint64_t i = 0; i < n && !ix->bad; i++) {
		offset += index_number(ix, &at, ix->h.term);
		if (out->n < COUNT_OF(out->offset))
			out->offset[out->n++] = offset;
	}
	return !ix->bad;
}

/* ---- making ---- */

struct hit {
	int64_t time_ns;
	uint64_t offset;
	uint32_t flags;
	uint32_t uses;		/* the hit's last term: an index into `use`; 0: no term */
	uint32_t further, last; /* the hit's second and last record; 0: it has one record */
};

struct making {
	struct hit *hit;
	size_t nhits, hits_room;
	struct term { /* a hash table with open addressing; times 0: a free slot */
		uint64_t hash;
		uint32_t times, first; /* 1 + the term's last hit; at the end, where its
					  postings begin */
	} * term;
	size_t nterms, terms_bits;
	struct use {
		uint32_t term, next; /* slot of the term; the hit's next use, 0: none */
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
		return; /* the term is already noted for this hit */
	m->nterms += t->times == 0;
	t->hash = hash;
	t->times++;
	t->first = hit + 1;
	m->use[++m->nuses] = (struct use){ .term = (uint32_t)slot, .next = h->uses };
	h->uses = (uint32_t)m->nuses;
}

/* Returns the hit of a record: the hit with the same id, or a new one. */
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
		m->term[i].times =
			0; /* from here on, `times` counts the hits that were written */
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

/* ---- reading lines ---- */

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
	uint64_t at = 0; /* offset of the buffer's first byte */
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
		/* A line longer than any record is left out. */
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

/* ---- files ---- */

/* ---- segments ---- */

struct text {
	struct lines l;
	uint64_t begin, end; /* range of the part; end 0: to the end of the file */
};

static long
read_at(void *arg, uint64_t offset, void *to, size_t n)
{
	struct text *t = arg;
	uint64_t at = t->begin + offset;

	if (t->end && n > (at < t->end ? t->end - at : 0))
		n = at < t->end ? (size_t)(t->end - at) : 0;
	return lines_pread(&t->l, to, n, at);
}

int
index_segment_open(struct index_segment *s, int fd, const char *name)
{
	struct text *t = calloc(1, sizeof(*t));
	struct lines *l = t ? &t->l : NULL;
	struct stat st;
	int err = t ? lines_open(l, fd, 0) : ERR_NOMEM;

	*s = (struct index_segment){ .read = read_at };
	if (!err && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		lines_close(l);
		err = ERR_IO;
	}
	if (err) {
		free(t);
		close(fd);
		return err;
	}
	s->arg = t;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->bytes = lines_text_bytes(l);
	/* A compressed segment has the length of its text, but a later time of its file. */
	if (!l->packed)
		s->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return 0;
}

void
index_segment_close(struct index_segment *s)
{
	struct text *t = s->arg;

	if (s->read != read_at || !t)
		return;
	close(t->l.fd);
	lines_close(&t->l);
	free(t);
	s->arg = NULL;
}

void
index_part_name(char out[INDEX_NAME_MAX], const char *segment, uint64_t begin)
{
	snprintf(out, INDEX_NAME_MAX, "%.98s@%" PRIu64, segment, begin);
}

void
index_part(struct index_segment *s, uint64_t begin, uint64_t bytes)
{
	struct text *t = s->arg;
	char name[INDEX_NAME_MAX];

	INVARIANT(s->read == read_at && t);
	t->begin = begin;
	t->end = bytes ? begin + bytes : 0;
	s->bytes = bytes ? bytes : s->bytes > begin ? s->bytes - begin : 0;
	s->mtime_ns = 0;
	memcpy(name, s->name, sizeof(name));
	index_part_name(s->name, name, begin);
}

void
index_soon(const struct index_segment *s, uint64_t offset)
{
	const struct text *t = s->arg;

	if (s->read == read_at && !t->l.packed)
		posix_fadvise(t->l.fd, (off_t)(t->begin + offset), 4096, POSIX_FADV_WILLNEED);
}

int
index_line(const struct index_segment *s, uint64_t offset, struct buf *out)
{
	size_t step = 4096;

	for (size_t had = out->n; out->n - had <= CHAIN_LINE_MAX; step *= 4) {
		char *to = buf_reserve(out, step);
		long n = to ? s->read(s->arg, offset + (out->n - had), to, step) : -1;
		if (n < 0)
			return ERR_IO;
		const char *end = memchr(to, '\n', (size_t)n);
		if (end) {
			buf_commit(out, (size_t)(end - to));
			return memchr(buf_view(out).p + had, '\0', out->n - had) ? 0 : 1;
		}
		if (!n)
			return 0;
		buf_commit(out, (size_t)n);
	}
	return 0;
}

/* Hashes the line at that offset. Returns false if no line ends after the offset. */
static bool
index_line_hash(const struct index_segment *s, uint64_t offset, unsigned char out[SHA256_BYTES])
{
	SCOPED_BUF(b, CHAIN_LINE_MAX * 5);
	bool there = index_line(s, offset, &b) > 0;

	if (there)
		sha256(buf_view(&b), out);
	return there;
}

/* ---- indexes ---- */

bool
index_path(char *out, size_t size, const char *dir, const char *segment, const char *suffix)
{
	size_t n = strlen(segment);
	size_t stem = n > 6 && !strcmp(segment + n - 6, ".jsonl") ? n - 6 : n;

	return snprintf(out, size, "%s/%.*s%s", dir, (int)stem, segment, suffix) < (int)size;
}

void
index_whose(const struct index_segment *s, uint64_t last_line, struct index_whose *out)
{
	*out = (struct index_whose){
		.segment_bytes = s->bytes, .segment_mtime = s->mtime_ns, .last_line = last_line
	};
	memcpy(out->segment, s->name, sizeof(out->segment));
	if (!index_line_hash(s, 0, out->first) || !index_line_hash(s, last_line, out->last))
		memset(out->first, 0, sizeof(out->first));
}

const char *
index_whose_not(const struct index_whose *w, const struct index_segment *s)
{
	unsigned char sum[SHA256_BYTES];

	if (strncmp(w->segment, s->name, sizeof(w->segment)) != 0)
		return "the file belongs to another segment";
	if (w->segment_bytes != s->bytes ||
		(s->mtime_ns && w->segment_mtime && w->segment_mtime != s->mtime_ns))
		return "the file is older than its segment";
	if (!index_line_hash(s, 0, sum) || memcmp(sum, w->first, sizeof(sum)) != 0 ||
		!index_line_hash(s, w->last_line, sum) ||
		memcmp(sum, w->last, sizeof(sum)) != 0)
		return "the file belongs to another segment";
	return NULL;
}

/* Returns true if the tables follow each other and have the lengths that their counts
 * require. */
static bool
header_fits(const struct header *h, uint64_t bytes)
{
	return h->bytes == bytes && bytes <= INDEX_MAX && h->sums <= bytes &&
	       h->posting <= h->sums && h->term <= h->posting && h->more <= h->term &&
	       h->hits < HITS_MAX && h->more == sizeof(*h) + (uint64_t)h->hits * HIT_BYTES &&
	       h->posting == h->term + (uint64_t)h->terms * TERM_BYTES &&
	       h->bytes - h->sums == blocks_of(h) * SUM_BYTES;
}

/* Checks the header. Returns NULL, or a text that describes the defect. */
static const char *
check(struct index *ix, const struct index_segment *s, const struct index_terms *t)
{
	unsigned char sum[SHA256_BYTES];
	const struct header *h = &ix->h;
	struct stat st;

	if (fstat(ix->fd, &st) < 0 || pread(ix->fd, &ix->h, sizeof(*h), 0) != sizeof(*h) ||
		memcmp(h->magic, "tgindex1", 8) != 0)
		return "the file is not an index";
	if (!header_fits(h, (uint64_t)st.st_size))
		return "the file is truncated or damaged";
	size_t words = blocks_of(h) / 64 + 1;
	if (!(ix->image = malloc((size_t)h->bytes)) || !(ix->there = calloc(words, 8)))
		return err_str(ERR_NOMEM);
	memcpy(ix->image, h, sizeof(*h));
	if (pread(ix->fd, ix->image + h->sums, (size_t)(h->bytes - h->sums), (off_t)h->sums) !=
		(ssize_t)(h->bytes - h->sums))
		return "the file is truncated or damaged";
	index_header_sum(h, ix->image + h->sums, sum);
	if (memcmp(sum, h->sum, SUM_BYTES) != 0)
		return "damaged";
	if (h->version != t->version())
		return "the file is of another version";
	struct index_whose whose = { .segment_bytes = h->segment_bytes,
		.segment_mtime = h->segment_mtime,
		.last_line = h->last_line };
	memcpy(whose.first, h->first, sizeof(whose.first));
	memcpy(whose.last, h->last, sizeof(whose.last));
	memcpy(whose.segment, h->segment, sizeof(whose.segment));
	return index_whose_not(&whose, s);
}

int
index_open_file(char *path, size_t size, const char *dir, const char *segment,
	const char *suffix, struct buf *why)
{
	int fd = index_path(path, size, dir, segment, suffix)
			 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
			 : -1;

	if (fd < 0 && errno != ENOENT)
		buf_printf(why, "%s: %s", path, strerror(errno));
	return fd;
}

struct index *
index_open(const char *dir, const struct index_segment *s, const struct index_terms *t,
	struct buf *why)
{
	struct index *ix = NULL;
	const char *wrong = NULL;
	char path[4096];
	int fd = index_open_file(path, sizeof(path), dir, s->name, INDEX_FILES, why);

	if (fd < 0)
		return NULL;
	ix = calloc(1, sizeof(*ix));
	if (!ix) {
		close(fd);
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	ix->fd = fd;
	wrong = check(ix, s, t);
	if (wrong) {
		buf_printf(why, "%s: %s", path, wrong);
		index_free(&ix);
	}
	return ix;
}

/* Makes the folder. If root makes it, the journal's owner gets it, because the daemon writes
 * files into it, too. */
static bool
make_folder(const char *dir)
{
	char journal[4096];
	struct stat st;

	if (mkdir(dir, 0700) < 0)
		return errno == EEXIST;
	if (geteuid() != 0 || !span_ends(span_str(dir), span_str(INDEX_SUFFIX)))
		return true;
	snprintf(journal, sizeof(journal), "%.*s", (int)(strlen(dir) - strlen(INDEX_SUFFIX)),
		dir);
	if (stat(journal, &st) == 0 && lchown(dir, st.st_uid, st.st_gid) < 0)
		errno = 0; /* the folder stays root's */
	return true;
}

int
index_write(const char *dir, const char *path, struct span bytes, struct buf *why)
{
	if (!make_folder(dir))
		return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	int err = replace_file(AT_FDCWD, path, 0600, bytes, why);
	return err == ERR_BAD_STATE ? 0 : err; /* another process is writing the same bytes */
}

int
index_save(const struct index *ix, const char *dir, struct buf *why)
{
	char path[4096];

	if (!index_path(path, sizeof(path), dir, ix->h.segment, INDEX_FILES))
		return why_err(why, ERR_IO, "%s: name too long", dir);
	return index_write(dir, path, span_of(ix->image, (size_t)ix->h.bytes), why);
}

/* Makes the files of an open segment in `dir`. */
static int
make_all(const struct index_segment *s, const char *dir, const struct index_makers *m,
	unsigned which, const atomic_bool *stop, bool check, struct buf *why)
{
	void *making[INDEX_MAKERS] = { NULL };
	bool some = false;
	int err = 0;

	for (size_t i = 0; i < INDEX_MAKERS && !err; i++) {
		if (!(which >> i & 1) || (!check && m->of[i]->sound(s, dir, m->terms)))
			continue;
		some = true;
		making[i] = m->of[i]->begin(m->terms);
		if (!making[i])
			err = why_err(why, ERR_NOMEM, "%s: %s", s->name, err_str(ERR_NOMEM));
	}
	if (some && !err)
		err = index_read_lines(s, m, making, stop, why);
	for (size_t i = 0; i < INDEX_MAKERS; i++)
		if (making[i])
			err = m->of[i]->end(making[i], s, dir, m->terms, err, check, why);
	return err;
}

int
index_beside(const char *journal, const struct journal_segment *segment, uint64_t begin,
	uint64_t bytes, const struct index_makers *m, unsigned which, const atomic_bool *stop,
	bool check, struct buf *why)
{
	char dir[4096], end = 0;
	struct index_segment s;
	int fd = journal_segment_open(journal, segment);
	int err = fd < 0 ? ERR_IO : index_segment_open(&s, fd, segment->name);

	snprintf(dir, sizeof(dir), "%s" INDEX_SUFFIX, journal);
	if (err)
		return why_err(why, err, "%s/%s: %s", journal, segment->name,
			fd < 0 ? strerror(errno) : err_str(err));
	if (bytes)
		index_part(&s, begin, bytes);
	/* NUL bytes at the end: the segment is being written, or was when the daemon was
	 * killed. */
	if (s.bytes && s.read(s.arg, s.bytes - 1, &end, 1) == 1 && end == '\n')
		err = make_all(&s, dir, m, which, stop, check, why);
	index_segment_close(&s);
	return err;
}

uint64_t
index_part_bytes(const char *dir, const char *segment, uint64_t begin)
{
	char path[4096], name[INDEX_NAME_MAX];
	struct header h;

	index_part_name(name, segment, begin);
	SCOPED_FD(fd, index_path(path, sizeof(path), dir, name, INDEX_FILES)
			      ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
			      : -1);
	bool ours = fd >= 0 && pread(fd, &h, sizeof(h), 0) == sizeof(h) &&
		    !memcmp(h.magic, "tgindex1", 8) &&
		    !strncmp(h.segment, name, sizeof(h.segment)) && h.segment_bytes < INDEX_MAX;
	return ours ? h.segment_bytes : 0;
}
