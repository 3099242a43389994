/* Key files for keyed hashes. Not those that sign (store/signkey.c): here any text
 * will do, so that nodes can share it by copying a line. */
#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

enum { TEXT_MIN = 32, TEXT_MAX = 4096 };

static int
read_all(int fd, const char *file, struct buf *text, struct buf *why)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_printf(why, "%s: %s", file, strerror(errno));
		return ERR_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		buf_printf(why, "%s: not a regular file", file);
		return ERR_IO;
	}
	if (st.st_mode & 077) {
		buf_printf(why, "%s: its mode is %04o, and a key must be 0600 or narrower",
			file, (unsigned)st.st_mode & 07777u);
		return ERR_AUTH;
	}
	for (;;) {
		char *to = buf_reserve(text, 1024);
		ssize_t n = to ? read(fd, to, 1024) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			buf_printf(why, "%s: %s", file, strerror(errno));
			return ERR_IO;
		}
		if (n == 0)
			break;
		buf_commit(text, (size_t)n);
	}
	return 0;
}

int
keyfile_load(const char *file, unsigned char key[KEYFILE_BYTES], struct buf *why)
{
	static const char context[] = "tollgate-redact-hash-v1";
	struct buf text;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	buf_init(&text, TEXT_MAX + 2048);
	int err = read_all(fd, file, &text, why);
	struct span s = span_trim(buf_view(&text), " \t\r\n");
	if (!err && (buf_failed(&text) || s.n < TEXT_MIN || s.n > TEXT_MAX)) {
		buf_printf(why, "%s: a text of %d to %d bytes is expected", file, TEXT_MIN,
			TEXT_MAX);
		err = ERR_RANGE;
	}
	if (!err)
		crypto_generichash(key, KEYFILE_BYTES, (const unsigned char *)s.p, s.n,
			(const unsigned char *)context, sizeof(context) - 1);
	if (fd >= 0)
		close(fd);
	buf_free(&text);
	return err;
}
