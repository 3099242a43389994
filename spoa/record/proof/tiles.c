/* The files of the tree: see tiles.h. Hashes are written at their offsets, never with
 * O_APPEND. The remains of a failed write are cut off or overwritten by the next write. A
 * reader may read files while they grow, so it uses only as many leaves as every level has
 * subtrees for. */
#include "record/proof/tiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/journal/journal.h"

#define TILE 256 /* hashes of a tile */

/* Sets the reason. Returns ERR_FULL, ERR_NOTFOUND or ERR_IO by errno. */
static int
failure(const struct tiles *t, unsigned level, struct buf *why)
{
	int sys = errno;

	if (why)
		buf_printf(why, "%s/%s.%u: %s", t->dir, t->node, level, strerror(sys));
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? ERR_FULL
	       : sys == ENOENT				      ? ERR_NOTFOUND
							      : ERR_IO;
}

static int
open_level(struct tiles *t, unsigned level, struct buf *why)
{
	char path[sizeof(t->dir) + sizeof(t->node) + 8];
	struct stat st;

	if (t->fd[level] >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s.%u", t->dir, t->node, level);
	t->fd[level] = open(path,
		O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (t->writes ? O_RDWR | O_CREAT : O_RDONLY),
		0600);
	if (t->fd[level] < 0)
		return failure(t, level, why);
	if (fstat(t->fd[level], &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	close(t->fd[level]);
	t->fd[level] = -1;
	errno = EINVAL;
	return failure(t, level, why);
}

/* Returns the number of whole hashes in a level's file; 0 if there is no file. */
static uint64_t
count_tiles(struct tiles *t, unsigned level)
{
	struct stat st;

	return open_level(t, level, NULL) == 0 && fstat(t->fd[level], &st) == 0
		       ? (uint64_t)st.st_size / MERKLE_BYTES
		       : 0;
}

static int
write_at(struct tiles *t, unsigned level, uint64_t index, const struct merkle_hash *h, size_t n,
	struct buf *why)
{
	int err = open_level(t, level, why);

	if (!err && journal_pwrite(
			    t->fd[level], span_of(h, n * MERKLE_BYTES), index * MERKLE_BYTES))
		err = failure(t, level, why);
	return err;
}

static int
read_at(struct tiles *t, unsigned level, uint64_t index, struct merkle_hash *h, size_t n)
{
	return open_level(t, level, NULL) || journal_pread(t->fd[level], h, n * MERKLE_BYTES,
						     index * MERKLE_BYTES)
		       ? ERR_IO
		       : 0;
}

/* ---- the tree ---- */

/* Computes the root of subtree `index` of 2^level leaves from the hashes of a lower file,
 * `from` levels below. from is at most 8. */
static int
subtree(struct tiles *t, unsigned level, uint64_t index, unsigned from, struct merkle_hash *out)
{
	struct merkle_hash h[TILE];
	INVARIANT(from <= 8 && from <= level && (level - from) / 8 < TILES_LEVELS);
	int err = read_at(t, (level - from) / 8, index << from, h, (size_t)1 << from);

	if (err)
		return err;
	for (size_t left = (size_t)1 << from; left > 1; left /= 2)
		for (size_t i = 0; i < left / 2; i++)
			merkle_node(&h[2 * i], &h[2 * i + 1], &h[i]);
	*out = h[0];
	return 0;
}

static int
known_hash(void *arg, unsigned level, uint64_t index, struct merkle_hash *out)
{
	struct tiles *t = arg;

	if (level >= 8 * TILES_LEVELS || index >= t->n >> level)
		return ERR_NOTFOUND;
	return subtree(t, level, index, level % 8, out);
}

struct merkle_source
tiles_source(struct tiles *t)
{
	return (struct merkle_source){ known_hash, t };
}

static bool
stopped(const struct tiles *t)
{
	return t->stop && t->stop(t->stop_arg);
}

/* Computes the hashes from..to-1 of a level's file from the file below it. */
static int
make_level(struct tiles *t, unsigned level, uint64_t from, uint64_t to, struct buf *why)
{
	struct merkle_hash h;
	int err = 0;

	for (uint64_t i = from; !err && i < to; i++) {
		if (stopped(t))
			return ERR_CLOSED;
		err = subtree(t, 8 * level, i, 8, &h);
		if (err && why)
			buf_printf(why, "%s/%s.%u: the hashes cannot be read", t->dir, t->node,
				level - 1);
		err = err ? err : write_at(t, level, i, &h, 1, why);
	}
	return err;
}

/* Cuts every file to n leaves. */
static int
cut_files(struct tiles *t, uint64_t n, struct buf *why)
{
	int err = 0;

	for (unsigned level = 0; level < TILES_LEVELS; level++) {
		uint64_t want = n >> 8 * level;
		if (t->fd[level] >= 0 && count_tiles(t, level) >= want &&
			ftruncate(t->fd[level], (off_t)(want * MERKLE_BYTES)) < 0)
			err = failure(t, level, why);
	}
	return err;
}

int
tiles_cut(struct tiles *t, uint64_t n, struct buf *why)
{
	int err = cut_files(t, n, why);

	if (err)
		return err;
	t->n = n;
	struct merkle_source s = tiles_source(t);
	if (merkle_range_at(&s, n, &t->range))
		err = why_err(
			why, ERR_IO, "%s/%s.0: the hashes cannot be read", t->dir, t->node);
	return err;
}

int
tiles_append(struct tiles *t, const struct merkle_hash *leaf, size_t n, struct buf *why)
{
	INVARIANT(t->writes && t->n == t->range.n);
	struct merkle_range r = t->range;
	struct merkle_hash nodes[MERKLE_LEVELS];
	int err = write_at(t, 0, t->n, leaf, n, why);

	stop_at("tiles-leaves");
	for (size_t i = 0; !err && i < n; i++) {
		unsigned made = merkle_append_nodes(&r, &leaf[i], nodes);
		for (unsigned level = 1; !err && 8 * level < made; level++)
			err = write_at(
				t, level, (r.n - 1) >> 8 * level, &nodes[8 * level], 1, why);
	}
	stop_at("tiles-levels");
	if (err) {
		/* If the cut fails, the next write overwrites these hashes. */
		cut_files(t, t->n, NULL);
		return err;
	}
	INVARIANT(r.n == t->n + n);
	t->range = r;
	t->n = r.n;
	return 0;
}

/* ---- checking and repairing ---- */

int
tiles_wrong(struct tiles *t, uint64_t from, uint64_t *leaf)
{
	struct merkle_hash made, is;

	for (uint64_t i = from / TILE; i < t->n / TILE; i++) {
		if (stopped(t))
			return ERR_CLOSED;
		if (subtree(t, 8, i, 8, &made) || read_at(t, 1, i, &is, 1))
			return ERR_IO;
		if (memcmp(&made, &is, sizeof(made)) != 0) {
			*leaf = i * TILE;
			return 1;
		}
	}
	return 0;
}

int
tiles_put(struct tiles *t, uint64_t index, const struct merkle_hash *leaf, size_t n,
	struct buf *why)
{
	uint64_t whole = t->n / TILE, end = (index + n + TILE - 1) / TILE;
	int err;

	if (n > t->n || index > t->n - n)
		return ERR_LIMIT;
	err = write_at(t, 0, index, leaf, n, why);
	return err ? err : make_level(t, 1, index / TILE, end < whole ? end : whole, why);
}

int
tiles_mend(struct tiles *t, struct buf *why)
{
	int err = 0;

	for (unsigned level = 2; !err && level < TILES_LEVELS && t->n >> 8 * level; level++)
		err = make_level(t, level, 0, t->n >> 8 * level, why);
	return err ? err : tiles_cut(t, t->n, why);
}

/* ---- open and close ---- */

/* Returns the number of leaves for which every level has its whole subtrees. */
static uint64_t
leaves_in_all(struct tiles *t)
{
	uint64_t n = count_tiles(t, 0);

	for (unsigned level = 1; level < TILES_LEVELS && n >> 8 * level; level++) {
		uint64_t has = count_tiles(t, level);
		if (has < n >> 8 * level)
			n = ((has + 1) << 8 * level) - 1;
	}
	return n;
}

static int
open_to_write(struct tiles *t, uint64_t most, struct buf *why)
{
	int err = mkdir(t->dir, 0700) < 0 && errno != EEXIST ? failure(t, 0, why) : 0;

	for (unsigned level = 0; !err && level < TILES_LEVELS; level++) {
		/* Levels above the needed ones may have files that are too long: open these,
		 * too, so that they are cut below. */
		char path[sizeof(t->dir) + sizeof(t->node) + 8];
		snprintf(path, sizeof(path), "%s/%s.%u", t->dir, t->node, level);
		if (level == 0 || access(path, F_OK) == 0)
			err = open_level(t, level, why);
	}
	uint64_t n = err ? 0 : count_tiles(t, 0);
	if (n > most)
		n = most;
	for (unsigned level = 1; !err && level < TILES_LEVELS && n >> 8 * level; level++) {
		uint64_t has = count_tiles(t, level), want = n >> 8 * level;
		if (has < want)
			err = make_level(t, level, has, want, why);
	}
	return err ? err : tiles_cut(t, n, why);
}

static int
name_files(struct tiles *t, const char *journal, const char *node, struct buf *why)
{
	for (unsigned level = 0; level < TILES_LEVELS; level++)
		t->fd[level] = -1;
	if ((size_t)snprintf(t->dir, sizeof(t->dir), "%.*s" TILES_DIR_SUFFIX,
		    SPAN_ARG(journal_folder(journal))) >= sizeof(t->dir) ||
		(size_t)snprintf(t->node, sizeof(t->node), "%s", node) >= sizeof(t->node))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", journal);
	return 0;
}

int
tiles_open_most(struct tiles *t, const char *journal, const char *node, uint64_t most,
	bool (*stop)(const void *arg), const void *stop_arg, struct buf *why)
{
	*t = (struct tiles){ .writes = true, .stop = stop, .stop_arg = stop_arg };
	int err = name_files(t, journal, node, why);

	err = err ? err : open_to_write(t, most, why);
	if (err)
		tiles_close(t);
	return err;
}

int
tiles_open(struct tiles *t, const char *journal, const char *node, bool writes, struct buf *why)
{
	if (writes)
		return tiles_open_most(t, journal, node, UINT64_MAX, NULL, NULL, why);
	*t = (struct tiles){ .writes = false };
	int err = name_files(t, journal, node, why);

	err = err ? err : open_level(t, 0, why);
	if (!err)
		t->n = leaves_in_all(t);
	if (err)
		tiles_close(t);
	return err;
}

void
tiles_close(struct tiles *t)
{
	for (unsigned level = 0; level < TILES_LEVELS; level++) {
		if (t->fd[level] >= 0)
			close(t->fd[level]);
		t->fd[level] = -1;
	}
}
