/* Key files for keyed hashes. Unlike the keys that sign (record/journal/signkey.c), a key may be
 * any text here, so that nodes can share it by copying a line. */
#include "base/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file_set.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/why.h"

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
	/* O_NONBLOCK, because opening a pipe without a writer would block. */
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0 || fstat(fd, &st) < 0)
		return why_err(why, ERR_IO, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return why_err(why, ERR_IO, "%s: not a regular file", file);
	if (secret && keyfile_wide(file, st.st_mode, secret, why))
		return ERR_AUTH;
	int err = buf_fd(text, fd);
	return err ? why_err(why, err, "%s: %s", file,
			     err == ERR_IO ? strerror(errno) : "too large for a key file")
		   : 0;
}

int
keyfile_passphrase(const char *file, struct buf *text, struct buf *why)
{
	int err = keyfile_text(file, "a passphrase", text, why);
	struct span s = buf_view(text);
	size_t n = span_chr(s, '\n');

	if (n && s.p[n - 1] == '\r')
		n--;
	if (!err && n == 0)
		err = why_err(
			why, ERR_SYNTAX, "%s: its first line, the passphrase, is empty", file);
	text->n = err ? text->n : n;
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
	SCOPED_BUF(text, TEXT_MAX + 2048);
	int err = keyfile_text(file, "a key", &text, why);
	struct span s = span_trim(buf_view(&text), " \t\r\n");
	if (!err && (s.n < TEXT_MIN || s.n > TEXT_MAX))
		err = why_err(why, ERR_RANGE, "%s: a text of %d to %d bytes is expected", file,
			TEXT_MIN, TEXT_MAX);

	if (!err)
		crypto_generichash(key, KEYFILE_BYTES, (const unsigned char *)s.p, s.n,
			(const unsigned char *)context, strlen(context));
	return err;
}

int
keyfile_new(const char *file, unsigned mode, struct span text, struct buf *why)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0 && errno == EEXIST)
		return why_err(
			why, ERR_DUPLICATE, "%s: already exists and is not overwritten", file);
	if (fd < 0)
		return why_err(why, ERR_IO, "%s: %s", file, strerror(errno));
	int err = replace_write(fd, file, text, why);
	if (!err && fchmod(fd, mode) < 0)
		err = why_err(why, ERR_IO, "%s: %s", file, strerror(errno));
	err = err ? err : replace_sync(fd, file, why);
	close(fd);

	err = err ? err : replace_sync_folder(AT_FDCWD, file, why);
	if (err)
		unlink(file);
	return err;
}

/* Creates the file with the secret in hexadecimal. */
static int
create_hex(const char *file, const unsigned char secret[KEYFILE_BYTES], struct buf *why)
{
	char text[2 * KEYFILE_BYTES + 2];

	sodium_bin2hex(text, sizeof(text), secret, KEYFILE_BYTES);
	text[2 * KEYFILE_BYTES] = '\n';
	int err = keyfile_new(file, 0600, span_of(text, 2 * KEYFILE_BYTES + 1), why);
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
	static const char label[] = "tollgate-hash-key-id-v1"; /* with its final NUL */
	unsigned char text[sizeof(label) + KEYFILE_BYTES], hash[crypto_hash_sha256_BYTES];

	memcpy(text, label, sizeof(label));
	memcpy(text + sizeof(label), k->key, KEYFILE_BYTES);
	crypto_hash_sha256(hash, text, sizeof(text));
	sodium_bin2hex(k->id, sizeof(k->id), hash, HASHKEY_ID_LEN / 2);
	sodium_memzero(text, sizeof(text));
}

static bool
parse_hashkey(struct span s, struct hashkey *out)
{
	size_t n = 0;

	*out = (struct hashkey){ .derived = false };
	if (s.n != sizeof(out->key) * 2 ||
		sodium_hex2bin(out->key, sizeof(out->key), s.p, s.n, NULL, &n, NULL) ||
		n != sizeof(out->key)) {
		sodium_memzero(out->key, sizeof(out->key));
		return false;
	}
	name_hashkey(out);
	return true;
}

int
hashkeys_load(const char *file, struct hashkey *out, struct buf *why)
{
	int n = 0;

	SCOPED_BUF(text, TEXT_MAX);
	int err = keyfile_text(file, "a key", &text, why);
	struct span rest = span_trim(buf_view(&text), " \t\r\n");
	do {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (err || (n && line.n == 0))
			continue;
		if (n == HASHKEYS_MAX)
			err = why_err(why, ERR_LIMIT, "%s: more than %d hash keys", file,
				HASHKEYS_MAX);
		else if (!parse_hashkey(line, &out[n++]))
			err = why_err(why, ERR_SYNTAX,
				"%s: line %d: not a hash key, which has 64 hexadecimal digits: "
				"make one with tollgate keygen --hash-key",
				file, n);
	} while (!err && rest.n);
	if (err)
		sodium_memzero(out, (size_t)n * sizeof(*out));
	return err ? err : n;
}

int
hashkey_load(const char *file, struct hashkey *out, struct buf *why)
{
	struct hashkey all[HASHKEYS_MAX];
	int n = hashkeys_load(file, all, why);

	*out = (struct hashkey){ .derived = false };
	if (n > 0)
		*out = all[0];
	sodium_memzero(all, sizeof(all));
	return n < 0 ? n : 0;
}

int
hashkey_derive(const char *signing, struct hashkey *out, struct buf *why)
{
	static const char context[] = "tollgate-prompt-hash-v1";

	*out = (struct hashkey){ .derived = true };
	SCOPED_BUF(file, 65536);
	if (!file_set_read_as(FILE_ROTATES, &file, signing))
		return why_err(why, ERR_IO, "%s: %s", signing, strerror(errno));
	struct span s = buf_view(&file);
	crypto_generichash(out->key, sizeof(out->key), (const unsigned char *)s.p, s.n,
		(const unsigned char *)context, sizeof(context) - 1);
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

int
hashkey_replace(const char *file, struct hashkey *out, struct buf *why)
{
	struct hashkey all[HASHKEYS_MAX + 1];
	int n = hashkeys_load(file, all + 1, why), err = n < 0 ? n : 0;

	*out = (struct hashkey){ .derived = false };
	if (n == HASHKEYS_MAX)
		err = why_err(why, ERR_LIMIT, "%s: has %d hash keys: remove the last", file, n);
	if (!err) {
		randombytes_buf(all[0].key, sizeof(all[0].key));
		SCOPED_BUF(text, 0);
		for (int i = 0; i <= n; i++) {
			buf_hex(&text, all[i].key, KEYFILE_BYTES);
			buf_putc(&text, '\n');
		}
		err = buf_failed(&text)
			      ? ERR_NOMEM
			      : replace_file(AT_FDCWD, file, 0600, buf_view(&text), why);
	}
	if (!err) {
		memcpy(out->key, all[0].key, sizeof(out->key));
		name_hashkey(out);
		sodium_memzero(out->key, sizeof(out->key));
	}
	sodium_memzero(all, sizeof(all));
	return err;
}
