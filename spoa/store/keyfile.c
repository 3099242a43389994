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

bool
keyfile_wide(const char *file, unsigned mode, const char *what, struct buf *why)
{
	if (mode & 077)
		buf_printf(why, "%s: its mode is %04o, and %s must be 0600 or narrower", file,
			mode & 07777u, what);
	return mode & 077;
}

int
keyfile_text(const char *file, const char *secret, struct buf *text, struct buf *why)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), err = ERR_IO;

	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_printf(why, "%s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		buf_printf(why, "%s: not a regular file", file);
	} else if (secret && keyfile_wide(file, st.st_mode, secret, why)) {
		err = ERR_AUTH;
	} else if ((err = buf_fd(text, fd))) {
		buf_printf(why, "%s: %s", file,
			err == ERR_IO ? strerror(errno) : "too large for a key file");
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int
keyfile_load(const char *file, unsigned char key[KEYFILE_BYTES], struct buf *why)
{
	return keyfile_derive(file, "tollgate-redact-hash-v1", key, why);
}

int
keyfile_derive(const char *file, const char *context, unsigned char key[KEYFILE_BYTES],
	struct buf *why)
{
	struct buf text;

	buf_init(&text, TEXT_MAX + 2048);
	int err = keyfile_text(file, "a key", &text, why);
	struct span s = span_trim(buf_view(&text), " \t\r\n");
	if (!err && (s.n < TEXT_MIN || s.n > TEXT_MAX)) {
		buf_printf(why, "%s: a text of %d to %d bytes is expected", file, TEXT_MIN,
			TEXT_MAX);
		err = ERR_RANGE;
	}
	if (!err)
		crypto_generichash(key, KEYFILE_BYTES, (const unsigned char *)s.p, s.n,
			(const unsigned char *)context, strlen(context));
	buf_free(&text);
	return err;
}

int
keyfile_create(const char *file, struct buf *why)
{
	unsigned char secret[KEYFILE_BYTES];
	char text[2 * KEYFILE_BYTES + 2];
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err = 0;

	randombytes_buf(secret, sizeof(secret));
	sodium_bin2hex(text, sizeof(text), secret, sizeof(secret));
	text[2 * KEYFILE_BYTES] = '\n';
	if (fd < 0 || write(fd, text, 2 * KEYFILE_BYTES + 1) != 2 * KEYFILE_BYTES + 1 ||
		fsync(fd) < 0) {
		buf_printf(why, "%s: %s", file, strerror(errno));
		err = ERR_IO;
	}
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && err)
		unlink(file);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text, sizeof(text));
	return err;
}
