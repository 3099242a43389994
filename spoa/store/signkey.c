/* Key files by OpenSSL (PEM, PKCS#8, SubjectPublicKeyInfo: RFC 8410), signatures
 * by libsodium, which signs in a third of the time and without allocating. */
#include "store/signkey.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
/* openssl/err.h has a type of this name, which base/err.h uses for a value. */
#define ERR_BAD_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/pem.h>
#undef ERR_BAD_STATE
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "store/keyfile.h"

#define FILE_BYTES_MAX (256 * 1024)

static void
key_id(struct pubkey *k)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, k->raw, sizeof(k->raw));
	sodium_bin2hex(k->id, sizeof(k->id), hash, SIGNKEY_ID_LEN / 2);
}

void
pubkey_from_raw(const unsigned char raw[SIGNKEY_PUBLIC_BYTES], struct pubkey *out)
{
	memcpy(out->raw, raw, sizeof(out->raw));
	key_id(out);
}

void
signkey_from_seed(const unsigned char seed[32], struct signkey *out)
{
	crypto_sign_seed_keypair(out->pub.raw, out->secret, seed);
	key_id(&out->pub);
}

void
signkey_wipe(struct signkey *k)
{
	sodium_memzero(k, sizeof(*k));
}

void
signkey_sign(const struct signkey *k, struct span text, unsigned char sig[SIGNKEY_SIG_BYTES])
{
	crypto_sign_detached(sig, NULL, (const unsigned char *)text.p, text.n, k->secret);
}

bool
pubkey_verify(
	const struct pubkey *k, struct span text, const unsigned char sig[SIGNKEY_SIG_BYTES])
{
	return crypto_sign_verify_detached(
		       sig, (const unsigned char *)text.p, text.n, k->raw) == 0;
}

/* A passphrase is never asked for: the daemon has no terminal. */
static int
no_passphrase(char *b, int size, int rw, void *arg)
{
	(void)b, (void)size, (void)rw, (void)arg;
	return -1;
}

int
signkey_load(const char *file, struct signkey *out, struct buf *why)
{
	unsigned char seed[32];
	size_t n = sizeof(seed);
	struct buf text;
	BIO *bio = NULL;
	EVP_PKEY *key = NULL;

	buf_init(&text, FILE_BYTES_MAX);
	int err = keyfile_text(file, "a private key", &text, why);
	if (err)
		goto out;
	bio = BIO_new_mem_buf(buf_view(&text).p, (int)text.n);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
		EVP_PKEY_get_raw_private_key(key, seed, &n) != 1 || n != sizeof(seed)) {
		buf_printf(why, "%s: %s", file,
			key ? "not an Ed25519 key" : "no unencrypted private key in PEM form");
		err = ERR_SYNTAX;
		goto out;
	}
	signkey_from_seed(seed, out);
out:
	sodium_memzero(seed, sizeof(seed));
	EVP_PKEY_free(key);
	BIO_free(bio);
	buf_free(&text);
	return err;
}

int
pubkeys_load(const char *file, struct pubkey *out, size_t max, struct buf *why)
{
	struct buf text;
	BIO *bio = NULL;
	size_t n = 0;

	buf_init(&text, FILE_BYTES_MAX);
	int err = keyfile_text(file, NULL, &text, why);
	if (err)
		goto out;
	bio = BIO_new_mem_buf(buf_view(&text).p, (int)text.n);
	for (EVP_PKEY *key; bio && (key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL));
		n++) {
		size_t size = SIGNKEY_PUBLIC_BYTES;
		if (n == max)
			err = ERR_LIMIT;
		else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
			 EVP_PKEY_get_raw_public_key(key, out[n].raw, &size) != 1)
			err = ERR_SYNTAX;
		else
			key_id(&out[n]);
		EVP_PKEY_free(key);
		if (err)
			break;
	}
	if (err == ERR_LIMIT)
		buf_printf(why, "%s: more than %zu public keys", file, max);
	else if (err)
		buf_printf(why, "%s: key %zu is not an Ed25519 public key", file, n + 1);
	else if (n == 0) {
		buf_printf(why, "%s: no public key in PEM form", file);
		err = ERR_SYNTAX;
	}
out:
	BIO_free(bio);
	buf_free(&text);
	return err ? err : (int)n;
}

/* Writes a file that must not exist, synced with its folder. */
static int
create_file(const char *file, mode_t mode, struct span text, struct buf *why)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(file, '/');
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int err = 0;

	if (fd < 0) {
		buf_printf(why, "%s: %s", file,
			errno == EEXIST ? "exists already and is not overwritten"
					: strerror(errno));
		return errno == EEXIST ? ERR_DUPLICATE : ERR_IO;
	}
	if (fchmod(fd, mode) < 0 || write(fd, text.p, text.n) != (ssize_t)text.n ||
		fsync(fd) < 0) {
		buf_printf(why, "%s: %s", file, strerror(errno));
		unlink(file);
		err = ERR_IO;
	}
	close(fd);
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - file) + 1 : 1,
		slash ? file : ".");
	int d = err ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d >= 0) {
		fsync(d);
		close(d);
	}
	return err;
}

int
signkey_create(const char *file, struct pubkey *out, struct buf *why)
{
	unsigned char seed[32];
	char pub[PATH_MAX], *text;
	struct signkey k;
	int err = ERR_NOMEM;

	if ((size_t)snprintf(pub, sizeof(pub), "%s.pub", file) >= sizeof(pub)) {
		buf_printf(why, "%s: name too long", file);
		return ERR_LIMIT;
	}
	if (access(pub, F_OK) == 0) {
		buf_printf(why, "%s: exists already and is not overwritten", pub);
		return ERR_DUPLICATE;
	}
	randombytes_buf(seed, sizeof(seed));
	signkey_from_seed(seed, &k);
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	BIO *priv_bio = BIO_new(BIO_s_secmem()), *pub_bio = BIO_new(BIO_s_mem());
	if (!key || !priv_bio || !pub_bio ||
		!PEM_write_bio_PKCS8PrivateKey(priv_bio, key, NULL, NULL, 0, NULL, NULL) ||
		!PEM_write_bio_PUBKEY(pub_bio, key)) {
		buf_printf(why, "%s: could not make a key", file);
		goto out;
	}
	long n = BIO_get_mem_data(priv_bio, &text);
	err = create_file(file, 0600, span_of(text, (size_t)n), why);
	if (err)
		goto out;
	n = BIO_get_mem_data(pub_bio, &text);
	err = create_file(pub, 0644, span_of(text, (size_t)n), why);
	if (err)
		unlink(file);
	else
		*out = k.pub;
out:
	sodium_memzero(seed, sizeof(seed));
	signkey_wipe(&k);
	EVP_PKEY_free(key);
	BIO_free(priv_bio);
	BIO_free(pub_bio);
	return err;
}
