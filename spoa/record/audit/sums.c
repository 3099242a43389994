/* Makes and reads the files of sums. */
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

/* SECTION_DAY has the sums of all: those of a block's other sections count some more than once. */
enum { SECTION_DAY = 4, SECTIONS, CHECK_BYTES = 8 };
#define BLOCK_BYTES INDEX_PART_BYTES
#define FILE_MAX    (1ull << 30)
#define NO_SECTION  UINT32_MAX

static const struct {
	enum usage_dim by[5];
	size_t n;
} sections[SECTIONS] = {
	{ { BY_DAY, BY_ROUTE, BY_PROVIDER, BY_MODEL, BY_TARGET }, 5 },
	{ { BY_DAY, BY_TEAM, BY_PERSON }, 3 },
	{ { BY_DAY, BY_TAG }, 2 },
	{ { BY_DAY, BY_TOOL }, 2 },
	[SECTION_DAY] = { { BY_DAY }, 1 },
};

struct block {
	uint64_t offset, bytes, records;
	char from[32], to[32];
	int64_t last_ns; /* the latest of all groups */
	struct section {
		uint64_t at;
		uint32_t bytes, rows; /* rows NO_SECTION: there were too many */
		unsigned char check[CHECK_BYTES];
	} section[SECTIONS];
};

struct sums_header {
	char magic[8];
	uint64_t version, bytes;
	struct index_whose whose;
	uint64_t blocks;
	unsigned char check[CHECK_BYTES]; /* of this up to here, and of the blocks */
};

struct sums {
	int fd;
	struct sums_header h;
	struct block *block;
	struct buf section, key;
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

static void
header_check(const struct sums_header *h, const struct block *b, unsigned char out[CHECK_BYTES])
{
	check_of(span_of(h, offsetof(struct sums_header, check)),
		span_of(b, (size_t)h->blocks * sizeof(*b)), out);
}

/* ---- making ---- */

struct summing {
	struct usage_table table[SECTIONS];
	struct block now, *block;
	size_t nblocks, room;
	uint64_t last_line;
	struct buf rows; /* of all blocks */
	bool failed;
};

static int
sums_by_key(const void *x, const void *y)
{
	const struct usage_group *a = x, *b = y;

	return span_order(span_of(a->key, a->n), span_of(b->key, b->n));
}

/* The number of buckets, the largest number, and, unless the distribution has one number only and
 * so no bucket, the sum and each bucket: its distance from the one before, and its count. */
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

/* A row: how much of its key is that of the row before, the rest of it, which sums are not 0
 * and which distributions are not empty, these, the id of the largest prompt, how long before the
 * block's last its last record was. */
static void
put_sum_row(struct buf *b, const struct usage_group *g, const struct usage_group *before,
	int64_t last_ns)
{
	const struct usage_sums *u = &g->of;
	size_t same = 0;
	uint64_t has = 0;

	while (before && same < g->n && same < before->n && g->key[same] == before->key[same])
		same++;
	index_put_number(b, same);
	index_put_number(b, g->n - same);
	buf_put(b, g->key + same, g->n - same);
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
	if (u->spread[SPREAD_PROMPT].n) {
		index_put_number(b, strlen(u->largest_id));
		buf_str(b, u->largest_id);
	}
	index_put_number(b, (uint64_t)(last_ns - u->last_ns));
}

static void
put_section(struct summing *s, size_t i)
{
	struct usage_table *t = &s->table[i];
	struct section *to = &s->now.section[i];
	size_t from = s->rows.n;

	INVARIANT(t->ngroups > 0 && t->group[0].n == 0); /* the first is of all that have no other */
	to->at = from;
	to->rows = NO_SECTION;
	s->failed |= t->no_memory;
	if (t->ngroups - 1 <= SUMS_ROWS && !t->full) {
		qsort(t->group + 1, t->ngroups - 1, sizeof(*t->group), sums_by_key);
		for (size_t k = 1; k < t->ngroups; k++)
			put_sum_row(&s->rows, &t->group[k], k > 1 ? &t->group[k - 1] : NULL,
				s->now.last_ns);
		to->rows = (uint32_t)(t->ngroups - 1);
	}
	struct span rows = span_cut(buf_view(&s->rows), from, s->rows.n);
	s->failed |= rows.n > UINT32_MAX / 2;
	to->bytes = (uint32_t)rows.n;
	check_of(rows, (struct span){ NULL, 0 }, to->check);
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
	if (!err && !s->failed) {
		index_whose(seg, s->last_line, &h.whose);
		h.blocks = s->nblocks;
		uint64_t rows_at = sizeof(h) + s->nblocks * sizeof(*s->block);
		h.bytes = rows_at + s->rows.n;
		for (size_t i = 0; i < s->nblocks; i++)
			for (size_t k = 0; k < SECTIONS; k++)
				s->block[i].section[k].at += rows_at;
		header_check(&h, s->block, h.check);
		buf_put(out, &h, sizeof(h));
		buf_put(out, s->block, s->nblocks * sizeof(*s->block));
		buf_span(out, buf_view(&s->rows));
	}
	if (!err && (s->failed || buf_failed(&s->rows) || buf_failed(out)))
		err = why_err(why, ERR_NOMEM, "%s: %s", seg->name, err_str(ERR_NOMEM));
	buf_free(&s->rows);
	free(s->block);
	free(s);
	return err;
}

/* The same but for the time of the segment's file, and what comes of it. */
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

/* NULL, or what is wrong with it. */
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
		return "of another version";
	if (h->bytes != (uint64_t)st.st_size || h->bytes > FILE_MAX ||
		h->blocks > (h->bytes - sizeof(*h)) / sizeof(*s->block))
		return "cut or damaged";
	size_t n = (size_t)h->blocks * sizeof(*s->block);
	if (!(s->block = malloc(n + 1)))
		return err_str(ERR_NOMEM);
	if (pread(s->fd, s->block, n, sizeof(*h)) != (ssize_t)n)
		return "cut or damaged";
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
		return "older than its segment";
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
	buf_init(&s->key, FILE_MAX);
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
	buf_free(&(*s)->key);
	free((*s)->block);
	free(*s);
	*s = NULL;
}

size_t
sums_blocks(const struct sums *s)
{
	return (size_t)s->h.blocks;
}

void
sums_block(const struct sums *s, size_t i, struct sums_block *out)
{
	const struct block *b = &s->block[i];

	*out = (struct sums_block){ b->offset, b->bytes, b->records, "", "" };
	memcpy(out->from, b->from, CLOCK_RFC3339_LEN);
	memcpy(out->to, b->to, CLOCK_RFC3339_LEN);
}

/* The section that has all that the table groups by; SECTIONS: none. */
static size_t
section_for(const struct usage_table *t)
{
	size_t best = SECTIONS;

	for (size_t i = SECTIONS; i-- > 0;) {
		size_t has = 0;
		for (size_t k = 0; k < t->nby; k++)
			for (size_t d = 0; d < sections[i].n; d++)
				has += sections[i].by[d] == t->by[k];
		if (has == t->nby)
			best = i; /* the first: by day alone a request counts once */
	}
	return best;
}

/* False: it does not end, or is too long. */
static bool
sums_number(struct span *s, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && s->n; shift += 7) {
		unsigned char c = (unsigned char)*s->p;
		*s = span_cut(*s, 1, s->n);
		*v |= (uint64_t)(c & 127) << shift;
		if (!(c & 128))
			return true;
	}
	return false;
}

static bool
read_distribution(struct span *rest, struct distribution *d)
{
	uint64_t nbuckets, step, n, at = 0;
	bool ok = sums_number(rest, &nbuckets) && sums_number(rest, &d->max);

	if (ok && !nbuckets) {
		*d = distribution_of(d->max);
		return true;
	}
	ok = ok && sums_number(rest, &d->sum);
	for (uint64_t i = 0; i < nbuckets && ok; i++) {
		ok = sums_number(rest, &step) && sums_number(rest, &n) && n &&
		     n <= UINT32_MAX && step < DISTRIBUTION_BUCKETS;
		at += ok ? step : 0;
		ok = ok && at < DISTRIBUTION_BUCKETS &&
		     distribution_count(d, (uint32_t)at, (uint32_t)n);
		d->n += ok ? n : 0;
	}
	return ok;
}

/* The part of a row after its key. */
static bool
read_sums_of_row(struct span *rest, int64_t block_last_ns, struct usage_sums *out)
{
	uint64_t has, n = 0, before;

	if (!sums_number(rest, &has) || has >> (SUMS + SPREADS))
		return false;
	for (size_t i = 0; i < SUMS; i++)
		if (has >> i & 1 && !sums_number(rest, &out->sum[i]))
			return false;
	for (size_t i = 0; i < SPREADS; i++)
		if (has >> (SUMS + i) & 1 && !read_distribution(rest, &out->spread[i]))
			return false;
	if (out->spread[SPREAD_PROMPT].n && (!sums_number(rest, &n) || n > rest->n))
		return false;
	usage_set_largest(out, span_cut(*rest, 0, (size_t)n));
	*rest = span_cut(*rest, (size_t)n, rest->n);
	if (!sums_number(rest, &before))
		return false;
	out->last_ns = (int64_t)((uint64_t)block_last_ns - before);
	return true;
}

/* Its key, each value as the records have it. */
static bool
read_key_of_row(struct sums *s, size_t section, struct span *rest, struct span value[BY_DIMS])
{
	uint64_t same, more;

	if (!sums_number(rest, &same) || !sums_number(rest, &more) || same > s->key.n ||
		more > rest->n)
		return false;
	s->key.n = (size_t)same;
	buf_span(&s->key, span_cut(*rest, 0, (size_t)more));
	*rest = span_cut(*rest, (size_t)more, rest->n);
	struct span key = buf_view(&s->key);
	for (size_t i = 0; i < sections[section].n; i++) {
		if (span_chr(key, '\0') == key.n)
			return false;
		value[sections[section].by[i]] = span_next(&key, '\0');
	}
	return !key.n && !buf_failed(&s->key);
}

/* Adds all rows of a section: to groups, or with `total` to the total. */
static int
merge_section_rows(struct sums *s, const struct block *b, size_t which, bool total,
	struct usage_table *t)
{
	struct span rest = buf_view(&s->section);
	bool ok = true;

	buf_clear(&s->key);
	for (uint32_t k = 0; k < b->section[which].rows && ok; k++) {
		struct usage_sums sums = { .last_ns = 0 };
		struct span value[BY_DIMS] = { { NULL, 0 } };
		ok = read_key_of_row(s, which, &rest, value) &&
		     read_sums_of_row(&rest, b->last_ns, &sums);
		if (ok && total)
			usage_merge_total(t, &sums);
		else if (ok)
			usage_merge(t, value, &sums);
		for (size_t i = 0; i < SPREADS; i++)
			distribution_free(&sums.spread[i]);
	}
	return ok && !rest.n ? 0 : ERR_AUTH;
}

/* The rows of a section, as they were written. */
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
	/* From here on groups were added. */
	err = read_section(s, &b->section[SECTION_DAY]) ? ERR_AUTH : 0;
	return err ? err : merge_section_rows(s, b, SECTION_DAY, true, t);
}
