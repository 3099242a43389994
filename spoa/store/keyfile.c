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
	/* A pipe that nobody writes to would hold up whoever opens it. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), err = ERR_IO;

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

/* A new file, mode 0600, with the secret in hexadecimal. */
static int
create_hex(const char *file, const unsigned char secret[KEYFILE_BYTES], struct buf *why)
{
	char text[2 * KEYFILE_BYTES + 2];
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err = 0;

	sodium_bin2hex(text, sizeof(text), secret, KEYFILE_BYTES);
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
	sodium_memzero(text, sizeof(text));
	return err;
}

int
keyfile_create(const char *file, struct buf *why)
{
	unsigned char secret[KEYFILE_BYTES];

	randombytes_buf(secret, sizeof(secret));
	int err = create_hex(file, secret, why);
	sodium_memzero(secret, sizeof(secret));
	return err;
}

/* ---- the key of the keyed hashes of texts ---- */

static void
name_hashkey(struct hashkey *k)
{
	static const char label[] = "tollgate-hash-key-id-v1"; /* with its zero */
	unsigned char text[sizeof(label) + KEYFILE_BYTES], hash[crypto_hash_sha256_BYTES];

	memcpy(text, label, sizeof(label));
	memcpy(text + sizeof(label), k->key, KEYFILE_BYTES);
	crypto_hash_sha256(hash, text, sizeof(text));
	sodium_bin2hex(k->id, sizeof(k->id), hash, HASHKEY_ID_LEN / 2);
	sodium_memzero(text, sizeof(text));
}

int
hashkey_load(const char *file, struct hashkey *out, struct buf *why)
{
	struct buf text;
	size_t n = 0;

	*out = (struct hashkey){ .derived = false };
	buf_init(&text, TEXT_MAX);
	int err = keyfile_text(file, "a key", &text, why);
	struct span s = span_trim(buf_view(&text), " \t\r\n");
	if (!err &&
		(s.n != sizeof(out->key) * 2 ||
			sodium_hex2bin(out->key, sizeof(out->key), s.p, s.n, NULL, &n, NULL) ||
			n != sizeof(out->key))) {
		buf_printf(why,
			"%s: no hash key, which is 64 hexadecimal digits: tollgate keygen "
			"--hash-key makes one",
			file);
		err = ERR_SYNTAX;
	}
	buf_free(&text);
	if (err)
		sodium_memzero(out->key, sizeof(out->key));
	else
		name_hashkey(out);
	return err;
}

int
hashkey_derive(const char *signing, struct hashkey *out, struct buf *why)
{
	static const char context[] = "tollgate-prompt-hash-v1";
	struct buf file;

	*out = (struct hashkey){ .derived = true };
	buf_init(&file, 65536);
	if (!buf_file(&file, signing)) {
		buf_printf(why, "%s: %s", signing, strerror(errno));
		buf_free(&file);
		return ERR_IO;
	}
	struct span s = buf_view(&file);
	crypto_generichash(out->key, sizeof(out->key), (const unsigned char *)s.p, s.n,
		(const unsigned char *)context, sizeof(context) - 1);
	buf_free(&file);
	name_hashkey(out);
	return 0;
}

int
hashkey_create(const char *file, const char *from, struct hashkey *out, struct buf *why)
{
	int err = 0;

	*out = (struct hashkey){ .derived = false };
	if (from)
		err = hashkey_derive(from, out, why);
	else
		randombytes_buf(out->key, sizeof(out->key));
	if (!err) {
		name_hashkey(out);
		err = create_hex(file, out->key, why);
	}
	sodium_memzero(out->key, sizeof(out->key));
	return err;
}
