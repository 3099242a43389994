/* Makes and reads the files of sums that stand beside the indexes of segments (sums.h has their
 * purpose).
 *
 * The file has a header, a table of blocks, and the rows of all sections. In a file with
 * several blocks, the last block is the whole, whose rows add up those of the others. If a
 * window holds the segment, a reader reads the whole: one row for each group, not one for each
 * block. All rows of a section are sorted by key. The whole is therefore a merge of sorted
 * rows, which needs memory for one row of each block. */
#include "record/audit/sums.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/audit/record_terms.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are as the file has them");

/* The rows of SECTION_DAY add up to the total. Other sections count a record in several rows if
 * it has several tags, calls or attempts. */
enum { SECTION_DAY = 6, SECTIONS, CHECK_BYTES = 8 };
#define BLOCK_BYTES INDEX_PART_BYTES
#define FILE_MAX    (1ull << 30)
#define NO_SECTION  UINT32_MAX

/* A table is read from the last section that has all names that the table groups by: sections
 * with more rows come first. The sections by tag and by tool may count a record several times,
 * but only tables by tag and by tool are read from them, because SECTION_DAY is the last. */
static const struct {
	enum usage_dim by[5];
	size_t n;
} sections[SECTIONS] = {
	{ { BY_DAY, BY_ROUTE, BY_PROVIDER, BY_MODEL, BY_TARGET }, 5 },
	{ { BY_DAY, BY_TEAM, BY_PERSON }, 3 },
	{ { BY_DAY, BY_TEAM, BY_KEY }, 3 },
	{ { BY_DAY, BY_TAG }, 2 },
	{ { BY_DAY, BY_TOOL }, 2 },
	{ { BY_DAY, BY_TEAM, BY_AGENT }, 3 },
	[SECTION_DAY] = { { BY_DAY }, 1 },
};

/* A block as the file has it. */
struct block {
	uint64_t offset, bytes, records; /* place in the segment, as in struct sums_block */
	char from[32], to[32];
	int64_t last_ns; /* the time of the latest record of all groups */
	struct section {
		uint64_t at;	      /* offset in the file */
		uint32_t bytes, rows; /* rows NO_SECTION: more than SUMS_ROWS, none is kept */
		unsigned char check[CHECK_BYTES];
	} section[SECTIONS];
};

struct sums_header {
	char magic[8];
	uint64_t version, bytes;
	struct index_whose whose;
	uint64_t blocks; /* number of blocks, not counting the whole */
	unsigned char
		check[CHECK_BYTES]; /* checksum of the header up to here, and of all blocks */
};

/* Reads the rows of a section one after the other. owner: one thread. */
struct row_reader {
	size_t section;
	struct span rest; /* borrowed */
	uint32_t left;	  /* rows in `rest` */
	int64_t last_ns;  /* the block's last_ns */
	/* the row that next_row() read */
	struct buf key;
	struct usage_sums sums;
};

struct sums {
	int fd;
	struct sums_header h;
	struct block *block; /* all_blocks(), the whole as the last one */
	struct buf section;  /* the rows that are read */
	struct row_reader row;
};

static uint64_t version;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
add_version(const char *name)
{
	version = version * 31 + span_hash(span_str(name));
}

static void
make_version(void)
{
	version = sizeof(struct block);
	add_version("whole");
	for (size_t i = 0; i < SUMS; i++)
		add_version(usage_sum_names[i]);
	for (size_t i = 0; i < SPREADS; i++)
		add_version(usage_spread_names[i]);
	for (size_t i = 0; i < SECTIONS; i++)
		for (size_t k = 0; k < sections[i].n; k++)
			add_version(usage_dim_names[sections[i].by[k]]);
}

static void
check_of(struct span a, struct span b, unsigned char out[CHECK_BYTES])
{
	struct sha256 s;
	unsigned char all[SHA256_BYTES];

	sha256_begin(&s);
	sha256_add(&s, a);
	sha256_add(&s, b);
	sha256_end(&s, all);
	memcpy(out, all, CHECK_BYTES);
}

/* Returns the number of blocks in a file whose segment has `blocks` of them: a whole is kept
 * beside several. */
static size_t
all_blocks(uint64_t blocks)
{
	return (size_t)blocks + (blocks > 1);
}

static void
header_check(const struct sums_header *h, const struct block *b, unsigned char out[CHECK_BYTES])
{
	check_of(span_of(h, offsetof(struct sums_header, check)),
		span_of(b, all_blocks(h->blocks) * sizeof(*b)), out);
}

/* ---- rows ---- */

/* Writes the number of buckets, the largest number, the sum and each bucket: its distance from
 * the previous bucket, and its count. A distribution of a single number has no bucket, and its
 * sum is left out. */
static void
put_distribution(struct buf *b, const struct distribution *d)
{
	uint32_t before = 0;

	index_put_number(b, d->nbuckets);
	index_put_number(b, d->max);
	if (d->nbuckets)
		index_put_number(b, d->sum);
	for (size_t i = 0; i < d->nbuckets; i++) {
		index_put_number(b, d->bucket[i].at - before);
		index_put_number(b, d->bucket[i].n);
		before = d->bucket[i].at;
	}
}

/* Writes a row: the length of the part of the key that equals the previous row's, and the other
 * part. A mask of the sums that are not 0 and of the distributions that are not empty follows,
 * then these sums and distributions, and the ids of the requests with the largest numbers, if any.
 * The last number is the time in ns between the group's last record and the block's last
 * record. */
static void
put_sum_row(struct buf *b, struct span key, struct span before, const struct usage_sums *u,
	int64_t last_ns)
{
	size_t same = 0;
	uint64_t has = 0;

	while (same < key.n && same < before.n && key.p[same] == before.p[same])
		same++;
	index_put_number(b, same);
	index_put_number(b, key.n - same);
	buf_span(b, span_cut(key, same, key.n));
	for (size_t i = 0; i < SUMS; i++)
		has |= (uint64_t)(u->sum[i] != 0) << i;
	for (size_t i = 0; i < SPREADS; i++)
		has |= (uint64_t)(u->spread[i].n != 0) << (SUMS + i);
	index_put_number(b, has);
	for (size_t i = 0; i < SUMS; i++)
		if (u->sum[i])
			index_put_number(b, u->sum[i]);
	for (size_t i = 0; i < SPREADS; i++)
		if (u->spread[i].n)
			put_distribution(b, &u->spread[i]);
	for (size_t i = 0; i < LARGESTS; i++) {
		if (!u->spread[usage_largest_of[i]].n)
			continue;
		index_put_number(b, strlen(u->largest_id[i]));
		buf_str(b, u->largest_id[i]);
	}
	index_put_number(b, (uint64_t)(last_ns - u->last_ns));
}

/* Reads a number (LEB128). Returns false if the number does not end, or has more than 64 bits.
 */
static inline bool
sums_number(struct span *s, uint64_t *v)
{
	const char *p = s->p, *end = s->p + s->n;
	uint64_t is = 0;

	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		unsigned char c = (unsigned char)*p++;
		is |= (uint64_t)(c & 127) << shift;
		if (c & 128)
			continue;
		*v = is;
		*s = span_of(p, (size_t)(end - p));
		return true;
	}
	return false;
}

/* Reads a distribution into *d, whose room is used again. */
static bool
read_distribution(struct span *rest, struct distribution *d)
{
	uint64_t nbuckets, step, n, at = 0;
	bool ok = sums_number(rest, &nbuckets) && sums_number(rest, &d->max);

	if (ok && !nbuckets) {
		d->n = 1;
		d->sum = d->max;
		return true;
	}
	ok = ok && sums_number(rest, &d->sum);
	for (uint64_t i = 0; i < nbuckets && ok; i++) {
		ok = sums_number(rest, &step) && sums_number(rest, &n) && n &&
		     n <= UINT32_MAX && step < DISTRIBUTION_BUCKETS;
		at += ok ? step : 0;
		ok = ok && at < DISTRIBUTION_BUCKETS &&
		     distribution_append(d, (uint32_t)at, (uint32_t)n);
		d->n += ok ? n : 0;
	}
	return ok;
}

/* Reads the part of a row after its key. */
static bool
read_sums_of_row(struct span *rest, int64_t block_last_ns, struct usage_sums *out)
{
	uint64_t has, n, before;

	if (!sums_number(rest, &has) || has >> (SUMS + SPREADS))
		return false;
	for (size_t i = 0; i < SUMS; i++)
		if (has >> i & 1 && !sums_number(rest, &out->sum[i]))
			return false;
	for (size_t i = 0; i < SPREADS; i++)
		if (has >> (SUMS + i) & 1 && !read_distribution(rest, &out->spread[i]))
			return false;
	for (enum usage_largest i = 0; i < LARGESTS; i++) {
		if (!out->spread[usage_largest_of[i]].n)
			continue;
		if (!sums_number(rest, &n) || n > rest->n)
			return false;
		usage_set_largest(out, i, span_cut(*rest, 0, (size_t)n));
		*rest = span_cut(*rest, (size_t)n, rest->n);
	}
	if (!sums_number(rest, &before))
		return false;
	out->last_ns = (int64_t)((uint64_t)block_last_ns - before);
	return true;
}

static void
free_row_reader(struct row_reader *r)
{
	usage_sums_free(&r->sums);
	buf_free(&r->key);
}

/* Empties the sums of the previous row. Its distributions keep their room. */
static void
clear_row(struct row_reader *r)
{
	struct distribution spread[SPREADS];

	for (size_t i = 0; i < SPREADS; i++) {
		const struct distribution *d = &r->sums.spread[i];
		spread[i] = (struct distribution){ .bucket = d->bucket, .room = d->room };
	}
	r->sums = (struct usage_sums){ .last_ns = 0 };
	memcpy(r->sums.spread, spread, sizeof(spread));
}

static void
begin_rows(struct row_reader *r, size_t section, struct span rows, const struct block *b)
{
	buf_clear(&r->key);
	r->section = section;
	r->rest = rows;
	r->left = b->section[section].rows;
	r->last_ns = b->last_ns;
}

/* Reads the next row. Returns true with the row, false with *err 0 after the last row, or false
 * with ERR_AUTH if the bytes are no row. */
static bool
next_row(struct row_reader *r, int *err)
{
	uint64_t same, more;

	clear_row(r);
	*err = 0;
	if (!r->left) {
		*err = r->rest.n ? ERR_AUTH : 0;
		return false;
	}
	r->left--;
	*err = ERR_AUTH;
	if (!sums_number(&r->rest, &same) || !sums_number(&r->rest, &more) || same > r->key.n ||
		more > r->rest.n)
		return false;
	r->key.n = (size_t)same;
	buf_span(&r->key, span_cut(r->rest, 0, (size_t)more));
	r->rest = span_cut(r->rest, (size_t)more, r->rest.n);
	if (buf_failed(&r->key) || !read_sums_of_row(&r->rest, r->last_ns, &r->sums))
		return false;
	*err = 0;
	return true;
}

/* Splits a row's key into one value for each name of the section, as the records have it.
 * Returns false if the key has fewer or more values. */
static bool
split_key(const struct row_reader *r, struct span value[BY_DIMS])
{
	struct span key = buf_view(&r->key);

	for (size_t i = 0; i < sections[r->section].n; i++) {
		if (span_chr(key, '\0') == key.n)
			return false;
		value[sections[r->section].by[i]] = span_next(&key, '\0');
	}
	return !key.n;
}

/* ---- making ---- */

struct summing {
	struct usage_table table[SECTIONS];
	struct block now, *block;
	size_t nblocks, room;
	uint64_t last_line;
	struct buf rows; /* the rows of all blocks */
	bool failed;
};

static int
sums_by_key(const void *x, const void *y)
{
	const struct usage_group *a = x, *b = y;

	return span_order(span_of(a->key, a->n), span_of(b->key, b->n));
}

/* Notes the rows from `from` on as section i of the block; `rows` NO_SECTION: there are none.
 */
static void
end_section(struct summing *s, struct block *b, size_t i, size_t from, uint32_t rows)
{
	struct section *to = &b->section[i];

	if (rows == NO_SECTION)
		s->rows.n = from;
	struct span bytes = span_cut(buf_view(&s->rows), from, s->rows.n);
	s->failed |= bytes.n > UINT32_MAX / 2 || buf_failed(&s->rows);
	to->at = from;
	to->rows = rows;
	to->bytes = (uint32_t)bytes.n;
	check_of(bytes, (struct span){ NULL, 0 }, to->check);
}

static void
put_section(struct summing *s, size_t i)
{
	struct usage_table *t = &s->table[i];
	size_t from = s->rows.n;
	uint32_t rows = NO_SECTION;

	INVARIANT(t->ngroups > 0 && t->group[0].n == 0); /* the group of records that had no
							  * room in a group of their own */
	s->failed |= t->no_memory;
	if (t->ngroups - 1 <= SUMS_ROWS && !t->full) {
		struct span before = { NULL, 0 };
		qsort(t->group + 1, t->ngroups - 1, sizeof(*t->group), sums_by_key);
		for (size_t k = 1; k < t->ngroups; k++) {
			struct span key = span_of(t->group[k].key, t->group[k].n);
			put_sum_row(&s->rows, key, before, &t->group[k].of, s->now.last_ns);
			before = key;
		}
		rows = (uint32_t)(t->ngroups - 1);
	}
	end_section(s, &s->now, i, from, rows);
}

static void
free_tables(struct summing *s)
{
	for (size_t i = 0; i < SECTIONS; i++)
		usage_table_free(&s->table[i]);
}

static void
begin_block(struct summing *s, uint64_t offset)
{
	s->now = (struct block){ .offset = offset };
	for (size_t i = 0; i < SECTIONS && !s->failed; i++) {
		memcpy(s->table[i].by, sections[i].by, sizeof(sections[i].by));
		s->table[i].nby = sections[i].n;
		s->failed = usage_table_init(&s->table[i]) != 0;
	}
}

static void
end_block(struct summing *s, uint64_t end)
{
	s->now.bytes = end - s->now.offset;
	for (size_t i = 0; i < SECTIONS && !s->failed; i++)
		for (size_t k = 0; k < s->table[i].ngroups; k++)
			if (s->table[i].group[k].of.last_ns > s->now.last_ns)
				s->now.last_ns = s->table[i].group[k].of.last_ns;
	for (size_t i = 0; i < SECTIONS && !s->failed; i++)
		put_section(s, i);
	free_tables(s);
	if (s->failed || !mem_room(&s->block, &s->room, s->nblocks + 1, sizeof(*s->block)))
		s->failed = true;
	else
		s->block[s->nblocks++] = s->now;
}

/* The rows of one section in all blocks of a segment. */
struct merging {
	struct row_reader *row; /* one reader for each block that has a row left */
	size_t n;
};

static void
free_merging(struct merging *m, size_t nblocks)
{
	for (size_t i = 0; m->row && i < nblocks; i++)
		free_row_reader(&m->row[i]);
	free(m->row);
}

/* Reads the next row of block i. A block without a further row changes places with the last
 * one that has a row. Returns false if the rows cannot be read: this program wrote them. */
static bool
next_row_of(struct merging *m, size_t i)
{
	int err;

	if (next_row(&m->row[i], &err))
		return true;
	struct row_reader done = m->row[i];
	m->row[i] = m->row[--m->n];
	m->row[m->n] = done;
	return err == 0;
}

/* Adds up the rows with the smallest key in *key and *sums. */
static bool
merge_least(struct merging *m, struct buf *key, struct usage_sums *sums)
{
	size_t least = 0;
	bool ok = true;

	for (size_t i = 1; i < m->n; i++)
		if (span_order(buf_view(&m->row[i].key), buf_view(&m->row[least].key)) < 0)
			least = i;
	buf_clear(key);
	buf_span(key, buf_view(&m->row[least].key));
	for (size_t i = m->n; i-- > 0 && ok;)
		if (span_eq(buf_view(&m->row[i].key), buf_view(key)))
			ok = usage_sums_add(sums, &m->row[i].sums) && next_row_of(m, i);
	return ok && !buf_failed(key);
}

/* Writes a section of the whole from that section of all blocks. Without memory, or if a block
 * has no such section, the whole has none. */
static void
merge_section(struct summing *s, struct block *whole, size_t section)
{
	struct merging m = { .row = calloc(s->nblocks, sizeof(*m.row)) };
	size_t from = s->rows.n, nrows = 0;
	bool ok = m.row != NULL;

	SCOPED_BUF(key, FILE_MAX);
	SCOPED_BUF(before, FILE_MAX);
	/* Readers borrow the rows of blocks, and rows that are added may move these. */
	SCOPED_BUF(merged, FILE_MAX);
	for (size_t i = 0; i < s->nblocks && ok; i++) {
		const struct section *of = &s->block[i].section[section];
		buf_init(&m.row[i].key, FILE_MAX);
		if (of->rows == NO_SECTION) {
			ok = false;
			break;
		}
		begin_rows(&m.row[i], section,
			span_cut(buf_view(&s->rows), of->at, of->at + of->bytes), &s->block[i]);
	}
	m.n = ok ? s->nblocks : 0;
	for (size_t i = m.n; i-- > 0 && ok;)
		ok = next_row_of(&m, i);
	for (; m.n && ok; nrows++) {
		struct usage_sums sums = { .last_ns = 0 };
		ok = nrows < SUMS_ROWS && merge_least(&m, &key, &sums);
		if (ok)
			put_sum_row(&merged, buf_view(&key), buf_view(&before), &sums,
				whole->last_ns);
		usage_sums_free(&sums);
		buf_clear(&before);
		buf_span(&before, buf_view(&key));
	}
	ok = ok && !buf_failed(&merged) && !buf_failed(&before);
	if (ok)
		buf_span(&s->rows, buf_view(&merged));
	free_merging(&m, s->nblocks);
	end_section(s, whole, section, from, ok ? (uint32_t)nrows : NO_SECTION);
}

/* Adds the whole after the blocks of a segment that has several. */
static void
add_whole(struct summing *s)
{
	struct block whole = { .offset = 0 };

	if (s->nblocks < 2 || s->failed)
		return;
	if (!mem_room(&s->block, &s->room, s->nblocks + 1, sizeof(*s->block))) {
		s->failed = true;
		return;
	}
	for (size_t i = 0; i < s->nblocks; i++) {
		const struct block *b = &s->block[i];
		whole.bytes += b->bytes;
		if (!b->records)
			continue;
		if (!whole.records || strcmp(b->from, whole.from) < 0)
			memcpy(whole.from, b->from, sizeof(whole.from));
		if (!whole.records || strcmp(b->to, whole.to) > 0)
			memcpy(whole.to, b->to, sizeof(whole.to));
		whole.records += b->records;
		if (b->last_ns > whole.last_ns)
			whole.last_ns = b->last_ns;
	}
	for (size_t i = 0; i < SECTIONS && !s->failed; i++)
		merge_section(s, &whole, i);
	s->block[s->nblocks] = whole;
}

static bool
sum_line(void *making, const struct index_line *l)
{
	struct summing *s = making;
	struct span time = l->time;
	int64_t ns = l->record.time_ns;

	INVARIANT(l->offset >= s->now.offset); /* lines come in their order */
	s->last_line = l->offset;
	if (l->offset - s->now.offset >= BLOCK_BYTES) {
		end_block(s, l->offset);
		begin_block(s, l->offset);
	}
	if (s->failed)
		return false;
	if (!l->is_record || time.n != CLOCK_RFC3339_LEN - 1) {
		time = audit_time_of(l->line);
		if (!time.n)
			return true;
		if (clock_parse(time.p, time.n, &ns))
			ns = 0;
	}
	if (!s->now.records || memcmp(time.p, s->now.from, time.n) < 0)
		memcpy(s->now.from, time.p, time.n);
	if (!s->now.records || memcmp(time.p, s->now.to, time.n) > 0)
		memcpy(s->now.to, time.p, time.n);
	s->now.records++;
	usage_add_each(s->table, SECTIONS, l->place, span_cut(time, 0, 10), ns);
	return true;
}

static void *
begin_sums(const struct index_terms *t UNUSED)
{
	struct summing *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_once(&once, make_version);
	buf_init(&s->rows, FILE_MAX);
	begin_block(s, 0);
	return s;
}

/* The file's bytes; frees. */
static int
image_of_sums(struct summing *s, const struct index_segment *seg, int err, struct buf *out,
	struct buf *why)
{
	struct sums_header h = { .magic = "tgsums01", .version = version };

	if (!err)
		end_block(s, seg->bytes);
	free_tables(s);
	if (!err)
		add_whole(s);
	if (!err && !s->failed) {
		size_t all = all_blocks(s->nblocks);
		index_whose(seg, s->last_line, &h.whose);
		h.blocks = s->nblocks;
		uint64_t rows_at = sizeof(h) + all * sizeof(*s->block);
		h.bytes = rows_at + s->rows.n;
		for (size_t i = 0; i < all; i++)
			for (size_t k = 0; k < SECTIONS; k++)
				s->block[i].section[k].at += rows_at;
		header_check(&h, s->block, h.check);
		buf_put(out, &h, sizeof(h));
		buf_put(out, s->block, all * sizeof(*s->block));
		buf_span(out, buf_view(&s->rows));
	}
	if (!err && (s->failed || buf_failed(&s->rows) || buf_failed(out)))
		err = why_err(why, ERR_NOMEM, "%s: %s", seg->name, err_str(ERR_NOMEM));
	buf_free(&s->rows);
	free(s->block);
	free(s);
	return err;
}

/* Returns true if the file on disk equals the new one, except for the time of the segment's
 * file and the checksum. */
static bool
is_same_sum(const struct sums *had, const char *path, struct span made)
{
	struct sums_header h;
	bool same = false;

	SCOPED_FD(fd, open(path, O_RDONLY | O_CLOEXEC));
	SCOPED_BUF(file, FILE_MAX);
	char *to = fd >= 0 && had->h.bytes == made.n ? buf_reserve(&file, made.n) : NULL;
	if (to && pread(fd, to, made.n, 0) == (ssize_t)made.n) {
		memcpy(&h, to, sizeof(h));
		h.whose.segment_mtime =
			((const struct sums_header *)made.p)->whose.segment_mtime;
		memcpy(h.check, ((const struct sums_header *)made.p)->check, CHECK_BYTES);
		same = !memcmp(&h, made.p, sizeof(h)) &&
		       !memcmp(to + sizeof(h), made.p + sizeof(h), made.n - sizeof(h));
	}
	return same;
}

static bool
is_sound_sum(const struct index_segment *s, const char *dir, const struct index_terms *t UNUSED)
{
	SCOPED_BUF(unused, 8192);
	struct sums *had = sums_open(dir, s, &unused);
	bool sound = had != NULL;

	sums_free(&had);
	return sound;
}

static int
end_sums(void *making, const struct index_segment *s, const char *dir,
	const struct index_terms *t UNUSED, int err, bool check, struct buf *why)
{
	char path[4096];
	struct sums *had = NULL;

	SCOPED_BUF(unused, 8192);
	SCOPED_BUF(image, FILE_MAX);
	err = image_of_sums(making, s, err, &image, why);
	if (err || !index_path(path, sizeof(path), dir, s->name, SUMS_FILES))
		return err;
	if (check)
		had = sums_open(dir, s, &unused);
	if (!(had && is_same_sum(had, path, buf_view(&image)))) {
		err = index_write(dir, path, buf_view(&image), why);
		if (!err && check)
			err = had ? ERR_AUTH : ERR_NOTFOUND;
	}
	sums_free(&had);
	return err;
}

static uint64_t
sums_version(const struct index_terms *t UNUSED)
{
	pthread_once(&once, make_version);
	return version;
}

_Static_assert(offsetof(struct sums_header, version) == INDEX_VERSION_AT, "as sums_maker says");
static const struct index_maker sums_maker = { SUMS_FILES, sums_version, is_sound_sum,
	begin_sums, sum_line, end_sums };
const struct index_makers record_makers = { &record_index_terms,
	{ &index_maker, &sums_maker } };

/* ---- reading ---- */

static bool
within(const struct sums_header *h, const struct block *b, uint64_t segment_bytes)
{
	bool ok = b->offset <= segment_bytes && b->bytes <= segment_bytes - b->offset &&
		  !b->from[CLOCK_RFC3339_LEN - 1] && !b->to[CLOCK_RFC3339_LEN - 1];

	for (size_t i = 0; i < SECTIONS; i++)
		ok = ok && b->section[i].at <= h->bytes &&
		     b->section[i].bytes <= h->bytes - b->section[i].at;
	return ok;
}

/* Reads the header and the blocks. Returns NULL, or a text with the defect. */
static const char *
read_head(struct sums *s, const struct index_segment *seg)
{
	unsigned char check[CHECK_BYTES];
	struct sums_header *h = &s->h;
	uint64_t at = 0;
	struct stat st;

	pthread_once(&once, make_version);
	if (fstat(s->fd, &st) < 0 || pread(s->fd, h, sizeof(*h), 0) != sizeof(*h) ||
		memcmp(h->magic, "tgsums01", 8) != 0)
		return "no sums";
	if (h->version != version)
		return "the file is of another version";
	if (h->bytes != (uint64_t)st.st_size || h->bytes > FILE_MAX ||
		all_blocks(h->blocks) > (h->bytes - sizeof(*h)) / sizeof(*s->block))
		return "the file is truncated or damaged";
	size_t n = all_blocks(h->blocks) * sizeof(*s->block);
	if (!(s->block = malloc(n + 1)))
		return err_str(ERR_NOMEM);
	if (pread(s->fd, s->block, n, sizeof(*h)) != (ssize_t)n)
		return "the file is truncated or damaged";
	header_check(h, s->block, check);
	if (memcmp(check, h->check, CHECK_BYTES) != 0)
		return "damaged";
	/* Every byte of the segment is in one block. */
	for (size_t i = 0; i < h->blocks; i++) {
		if (!within(h, &s->block[i], seg->bytes) || s->block[i].offset != at)
			return "damaged";
		at += s->block[i].bytes;
	}
	if (at != seg->bytes)
		return "the file is older than its segment";
	if (h->blocks > 1) {
		const struct block *whole = &s->block[h->blocks];
		if (!within(h, whole, seg->bytes) || whole->offset || whole->bytes != at)
			return "damaged";
	}
	return index_whose_not(&h->whose, seg);
}

struct sums *
sums_open(const char *dir, const struct index_segment *seg, struct buf *why)
{
	char path[4096];
	int fd = index_open_file(path, sizeof(path), dir, seg->name, SUMS_FILES, why);

	if (fd < 0)
		return NULL;
	struct sums *s = calloc(1, sizeof(*s));
	if (!s) {
		close(fd);
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->fd = fd;
	buf_init(&s->section, FILE_MAX);
	buf_init(&s->row.key, FILE_MAX);
	const char *wrong = read_head(s, seg);
	if (wrong) {
		buf_printf(why, "%s: %s", path, wrong);
		sums_free(&s);
	}
	return s;
}

void
sums_free(struct sums **s)
{
	if (!*s)
		return;
	close((*s)->fd);
	buf_free(&(*s)->section);
	free_row_reader(&(*s)->row);
	free((*s)->block);
	free(*s);
	*s = NULL;
}

size_t
sums_blocks(const struct sums *s)
{
	return (size_t)s->h.blocks;
}

size_t
sums_whole(const struct sums *s)
{
	return s->h.blocks ? all_blocks(s->h.blocks) - 1 : 0;
}

void
sums_block(const struct sums *s, size_t i, struct sums_block *out)
{
	const struct block *b = &s->block[i];

	*out = (struct sums_block){ b->offset, b->bytes, b->records, "", "" };
	memcpy(out->from, b->from, CLOCK_RFC3339_LEN);
	memcpy(out->to, b->to, CLOCK_RFC3339_LEN);
}

/* Returns the last section that has all names that the table groups by, or SECTIONS. */
static size_t
section_for(const struct usage_table *t)
{
	for (size_t i = SECTIONS; i-- > 0;) {
		size_t has = 0;
		for (size_t k = 0; k < t->nby; k++)
			for (size_t d = 0; d < sections[i].n; d++)
				has += sections[i].by[d] == t->by[k];
		if (has == t->nby)
			return i;
	}
	return SECTIONS;
}

/* Adds all rows of a section to groups or, if `total` is set, to the total. */
static int
merge_section_rows(
	struct sums *s, const struct block *b, size_t which, bool total, struct usage_table *t)
{
	int err;

	begin_rows(&s->row, which, buf_view(&s->section), b);
	while (next_row(&s->row, &err)) {
		struct span value[BY_DIMS] = { { NULL, 0 } };
		if (!split_key(&s->row, value))
			return ERR_AUTH;
		if (total)
			usage_merge_total(t, &s->row.sums);
		else
			usage_merge(t, value, &s->row.sums);
	}
	return err;
}

/* Reads the rows of a section and compares them with their checksum. Returns 0, or
 * ERR_NOTFOUND if they are not as they were written. */
static int
read_section(struct sums *s, const struct section *from)
{
	unsigned char check[CHECK_BYTES];

	buf_clear(&s->section);
	char *to = buf_reserve(&s->section, from->bytes ? from->bytes : 1);
	if (!to || pread(s->fd, to, from->bytes, (off_t)from->at) != (ssize_t)from->bytes)
		return ERR_NOTFOUND;
	buf_commit(&s->section, from->bytes);
	check_of(buf_view(&s->section), (struct span){ NULL, 0 }, check);
	return memcmp(check, from->check, CHECK_BYTES) == 0 ? 0 : ERR_NOTFOUND;
}

int
sums_add(struct sums *s, size_t i, struct usage_table *t)
{
	const struct block *b = &s->block[i];
	size_t which = section_for(t);

	if (which == SECTIONS || b->section[which].rows == NO_SECTION ||
		b->section[SECTION_DAY].rows == NO_SECTION)
		return ERR_NOTFOUND;
	int err = read_section(s, &b->section[which]);
	err = err ? err : merge_section_rows(s, b, which, false, t);
	if (err)
		return err;
	/* Groups were added: an error after this line spoils the table. */
	err = read_section(s, &b->section[SECTION_DAY]) ? ERR_AUTH : 0;
	return err ? err : merge_section_rows(s, b, SECTION_DAY, true, t);
}
