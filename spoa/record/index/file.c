/* Opens segments for reading, and writes, opens and checks the files beside them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/index/private.h"
#include "record/journal/chain.h"

/* ---- segments ---- */

struct text {
	struct lines l;
	uint64_t begin, end; /* of the part; end 0: the end of the file */
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

/* Returns true if the tables follow each other, with the lengths of their counts. */
static bool
header_fits(const struct header *h, uint64_t bytes)
{
	return h->bytes == bytes && bytes <= INDEX_MAX && h->sums <= bytes &&
	       h->posting <= h->sums && h->term <= h->posting && h->more <= h->term &&
	       h->hits < HITS_MAX && h->more == sizeof(*h) + (uint64_t)h->hits * HIT_BYTES &&
	       h->posting == h->term + (uint64_t)h->terms * TERM_BYTES &&
	       h->bytes - h->sums == blocks_of(h) * SUM_BYTES;
}

/* Returns NULL, or a text with the defect. */
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
	return err == ERR_BAD_STATE ? 0 : err; /* another process writes the same bytes */
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
