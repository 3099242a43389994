/* Searches an index. Blocks of a file are read when they are needed, and compared with their
 * checksums. A file cannot make the reader read outside of it: values that do not fit mark the
 * index as bad. */
#include <string.h>
#include <unistd.h>

#include "record/index/private.h"

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

bool
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

/* Reads a number at *at, which ends before `end`. */
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
			ix->bad = true; /* not sorted */
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
