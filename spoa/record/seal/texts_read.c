/* Frames of texts: 4 bytes "TGt1"; the length of what follows, 4 bytes; the place among the
 * text's parts, 4 bytes; 1 for the last one, else 0; 3 bytes zero. Numbers are big-endian. What
 * follows is ciphertext and tag. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/journal/journal.h"
#include "record/seal/private.h"

static const char frame_magic[4] = { 'T', 'G', 't', '1' };

static void
put_be32(unsigned char *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t
get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
texts_frame_head(unsigned part, bool last, size_t n, unsigned char out[TEXTS_FRAME_BYTES])
{
	memcpy(out, frame_magic, sizeof(frame_magic));
	put_be32(out + 4, (uint32_t)n);
	put_be32(out + 8, part);
	put_be32(out + 12, last ? 1u << 24 : 0);
}

static bool
texts_frame_read(
	const unsigned char head[TEXTS_FRAME_BYTES], unsigned *part, bool *last, size_t *n)
{
	*n = get_be32(head + 4);
	*part = get_be32(head + 8);
	*last = head[12] == 1;
	return memcmp(head, frame_magic, sizeof(frame_magic)) == 0 && *n >= HPKE_TAG_BYTES &&
	       *n <= TEXTS_PART_MAX + HPKE_TAG_BYTES && *part < SEAL_PARTS_MAX &&
	       (get_be32(head + 12) & ~(1u << 24)) == 0;
}

/* In the folder, or in that of what was restored. */
static int
open_texts_of(const char *journal, const char *node, uint64_t position, char path[PATH_MAX])
{
	static const char *const folders[] = { TEXTS_SUFFIX,
		JOURNAL_RESTORED_SUFFIX TEXTS_SUFFIX };
	char name[TEXTS_NAME_MAX];
	int fd = -1;

	texts_name(node, position, name);
	errno = ENOENT;
	for (size_t i = 0; fd < 0 && errno == ENOENT && i < COUNT_OF(folders); i++) {
		if (snprintf(path, PATH_MAX, "%.*s%s/%s", SPAN_ARG(journal_folder(journal)),
			    folders[i], name) >= PATH_MAX)
			errno = ENAMETOOLONG;
		else
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (fd < 0 && errno == ENOENT) /* where it should be */
		snprintf(path, PATH_MAX, "%.*s" TEXTS_SUFFIX "/%s",
			SPAN_ARG(journal_folder(journal)), name);
	return fd;
}

static int
check_texts_file(int fd, const char *path, const char *node, uint64_t position, struct buf *why)
{
	char is[TEXTS_HEAD_BYTES], head[TEXTS_HEAD_BYTES];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return why_err(why, ERR_SYNTAX, "%s: not a regular file", path);
	int err = journal_pread(fd, is, sizeof(is), 0);
	if (err)
		return why_err(why, err, "%s: %s", path,
			err == ERR_IO ? strerror(errno) : "ends in its head");
	texts_head(node, position - position % TEXTS_SEGMENT_BYTES, head);
	if (memcmp(is, head, sizeof(head)) != 0)
		return why_err(why, ERR_SYNTAX,
			"%s: its head is not that of a file of texts of node %s at this "
			"position",
			path, node);
	return 0;
}

static int
read_frame(int fd, const char *path, uint64_t in, unsigned *part, bool *last, struct buf *out,
	struct buf *why)
{
	unsigned char head[TEXTS_FRAME_BYTES];
	size_t n = 0;
	int err = journal_pread(fd, head, sizeof(head), in);

	if (!err && (!texts_frame_read(head, part, last, &n) ||
			    in + TEXTS_FRAME_BYTES + n > TEXTS_SEGMENT_BYTES))
		return why_err(why, ERR_SYNTAX, "%s: there is no text at byte %llu", path,
			(unsigned long long)in);
	char *to = err ? NULL : buf_reserve(out, n);
	if (!err && !to)
		return why_err(why, ERR_NOMEM, "%s: %s", path, err_str(ERR_NOMEM));
	err = err ? err : journal_pread(fd, to, n, in + TEXTS_FRAME_BYTES);
	if (err == ERR_TRUNCATED)
		return why_err(why, err, "%s: ends in the text at byte %llu", path,
			(unsigned long long)in);
	if (err)
		return why_err(why, err, "%s: %s", path, strerror(errno));
	buf_commit(out, n);
	return 0;
}

int
texts_read(const char *journal, const char *node, uint64_t position, unsigned *part, bool *last,
	struct buf *out, struct buf *why)
{
	uint64_t in = position % TEXTS_SEGMENT_BYTES;
	char path[PATH_MAX];

	SCOPED_FD(fd, open_texts_of(journal, node, position, path));
	if (fd < 0)
		return errno == ENOENT ? why_err(why, ERR_NOTFOUND, "%s: is not here", path)
				       : why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	int err = check_texts_file(fd, path, node, position, why);
	if (!err && (in < TEXTS_HEAD_BYTES || in % TEXTS_FRAME_BYTES))
		err = why_err(why, ERR_SYNTAX, "%s: no text can be at byte %llu", path,
			(unsigned long long)in);
	return err ? err : read_frame(fd, path, in, part, last, out, why);
}
