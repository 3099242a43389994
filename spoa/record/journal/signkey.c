/* Keys for signatures: see signkey.h. OpenSSL reads and writes the files (PEM, PKCS#8,
 * SubjectPublicKeyInfo: RFC 8410). libsodium signs, in a third of OpenSSL's time and without
 * allocating. */
#include "record/journal/signkey.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
/* openssl/err.h has a type of this name; base/err.h uses the name for a value. */
#define ERR_BAD_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#undef ERR_BAD_STATE
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/keyfile.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"

#define FILE_BYTES_MAX (256 * 1024)
/* bytes of the passphrase's line */
#define PASSPHRASE_MAX 1024
#define OLDER_MAX      100 /* older secrets that replacements keep */

void
pubkey_name(struct pubkey *k)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, k->raw, sizeof(k->raw));
	sodium_bin2hex(k->id, sizeof(k->id), hash, SIGNKEY_ID_LEN / 2);
}

void
pubkey_from_raw(const unsigned char raw[SIGNKEY_PUBLIC_BYTES], struct pubkey *out)
{
	memcpy(out->raw, raw, sizeof(out->raw));
	pubkey_name(out);
}

void
signkey_from_seed(const unsigned char seed[32], struct signkey *out)
{
	crypto_sign_seed_keypair(out->pub.raw, out->secret, seed);
	pubkey_name(&out->pub);
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

/* Never asks for a passphrase, because the daemon has no terminal. */
static int
no_passphrase(char *b, int size, int rw, void *arg)
{
	(void)b, (void)size, (void)rw, (void)arg;
	return -1;
}

struct passphrase {
	struct buf text;
	bool asked; /* OpenSSL asked for it: the key is encrypted */
};

/* OpenSSL's callback for a passphrase. */
static int
give_passphrase(char *b, int size, int rw, void *arg)
{
	struct passphrase *p = arg;

	(void)rw;
	p->asked = true;
	if (!p->text.n || p->text.n > (size_t)size)
		return -1;
	memcpy(b, buf_view(&p->text).p, p->text.n);
	return (int)p->text.n;
}

/* Appends why a private key cannot be used. `asked`: the key is encrypted; `read`: it was
 * read, but has another type. */
static void
say_unread(struct buf *why, const char *file, const char *passphrase, bool asked, bool read)
{
	if (read)
		buf_printf(why,
			"%s: the key is not an Ed25519 key: make one with tollgate keygen",
			file);
	else if (asked && passphrase)
		buf_printf(why, "%s: the passphrase in %s does not decrypt the key", file,
			passphrase);
	else if (asked)
		buf_printf(why,
			"%s: no unencrypted private key in PEM form: the key is encrypted, and "
			"no passphrase is given: set audit.key_passphrase_file",
			file);
	else
		buf_printf(why,
			"%s: no %sprivate key in PEM form: restore the file, or make a new key "
			"with tollgate keygen",
			file, passphrase ? "" : "unencrypted ");
}

int
signkey_load(const char *file, struct signkey *out, struct buf *why)
{
	return signkey_open(file, NULL, false, out, why);
}

int
signkey_open(const char *file, const char *passphrase, bool encrypted, struct signkey *out,
	struct buf *why)
{
	struct passphrase pass = { .asked = false };
	unsigned char seed[32];
	size_t n = sizeof(seed);
	BIO *bio = NULL;
	EVP_PKEY *key = NULL;

	SCOPED_BUF(text, FILE_BYTES_MAX);
	buf_init(&pass.text, PASSPHRASE_MAX);
	int err = keyfile_text(file, "a private key", &text, why);
	if (!err && passphrase)
		err = keyfile_passphrase(passphrase, &pass.text, why);
	if (err)
		goto out;
	bio = BIO_new_mem_buf(buf_view(&text).p, (int)text.n);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &pass) : NULL;
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
		EVP_PKEY_get_raw_private_key(key, seed, &n) != 1 || n != sizeof(seed)) {
		say_unread(why, file, passphrase, pass.asked, key != NULL);
		err = ERR_SYNTAX;
	} else if (passphrase && encrypted && !pass.asked) {
		err = why_err(why, ERR_BAD_STATE,
			"%s: the key is not encrypted, but a passphrase is given "
			"(audit.key_passphrase_file): make an encrypted key with tollgate "
			"keygen --passphrase-file %s",
			file, passphrase);
	} else {
		signkey_from_seed(seed, out);
	}
out:
	sodium_memzero(seed, sizeof(seed));
	EVP_PKEY_free(key);
	BIO_free(bio);
	buf_free(&pass.text);
	return err;
}

int
pubkeys_load(const char *file, struct pubkey *out, size_t max, struct buf *why)
{
	size_t n = 0;

	SCOPED_BUF(text, FILE_BYTES_MAX);
	int err = keyfile_text(file, NULL, &text, why);
	if (err)
		return err;
	BIO *bio = BIO_new_mem_buf(buf_view(&text).p, (int)text.n);
	for (EVP_PKEY *key; bio && (key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL));
		n++) {
		size_t size = SIGNKEY_PUBLIC_BYTES;
		if (n == max)
			err = ERR_LIMIT;
		else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
			 EVP_PKEY_get_raw_public_key(key, out[n].raw, &size) != 1)
			err = ERR_SYNTAX;
		else
			pubkey_name(&out[n]);
		EVP_PKEY_free(key);
		if (err)
			break;
	}
	if (err == ERR_LIMIT)
		buf_printf(why, "%s: the file has more than %zu public key%s%s", file, max,
			max == 1 ? "" : "s",
			max == 1 ? ": write the first one to a file of its own: openssl pkey "
				   "-pubin -in FILE -out NEW"
				 : "");
	else if (err)
		buf_printf(why, "%s: key %zu is not an Ed25519 public key", file, n + 1);
	else if (n == 0)
		err = why_err(
			why, ERR_SYNTAX, "%s: the file has no public key in PEM form", file);
	BIO_free(bio);
	return err ? err : (int)n;
}

/* Writes PKCS #8. With a passphrase, encrypts it with a key that scrypt (RFC 7914) derives. */
static bool
write_private(BIO *to, EVP_PKEY *key, struct span pass)
{
	if (!pass.n)
		return PEM_write_bio_PKCS8PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_ALGOR *by = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, 16384, 8, 1);
	X509_SIG *sealed = plain && by ? PKCS8_set0_pbe(pass.p, (int)pass.n, plain, by) : NULL;
	bool good = sealed && PEM_write_bio_PKCS8(to, sealed);

	if (!sealed)
		X509_ALGOR_free(by);
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(plain);
	return good;
}

/* A new key pair in PEM form. */
struct pair {
	BIO *secret, *public;
	struct pubkey pub;
};

static struct span
bio_text(BIO *bio)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	return span_of(text, (size_t)n);
}

static void
pair_free(struct pair *p)
{
	BIO_free(p->secret);
	BIO_free(p->public);
}

static int
pair_make(const char *file, const char *passphrase, struct pair *p, struct buf *why)
{
	struct passphrase pass = { .asked = false };
	unsigned char seed[32];
	struct signkey k;
	int err = 0;

	buf_init(&pass.text, PASSPHRASE_MAX);
	if (passphrase && (err = keyfile_passphrase(passphrase, &pass.text, why)))
		goto out;
	randombytes_buf(seed, sizeof(seed));
	signkey_from_seed(seed, &k);
	p->pub = k.pub;
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	p->secret = BIO_new(BIO_s_secmem());
	p->public = BIO_new(BIO_s_mem());
	if (!key || !p->secret || !p->public ||
		!write_private(p->secret, key, buf_view(&pass.text)) ||
		!PEM_write_bio_PUBKEY(p->public, key))
		err = why_err(
			why, ERR_NOMEM, "%s: the key cannot be made: out of memory", file);
	EVP_PKEY_free(key);
	sodium_memzero(seed, sizeof(seed));
	signkey_wipe(&k);
out:
	buf_free(&pass.text);
	return err;
}

int
signkey_create(const char *file, struct pubkey *out, struct buf *why)
{
	return signkey_create_locked(file, NULL, out, why);
}

int
signkey_create_locked(
	const char *file, const char *passphrase, struct pubkey *out, struct buf *why)
{
	struct pair made = { .secret = NULL };
	char pub[PATH_MAX];

	if ((size_t)snprintf(pub, sizeof(pub), "%s.pub", file) >= sizeof(pub))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", file);
	if (access(pub, F_OK) == 0)
		return why_err(why, ERR_DUPLICATE,
			"%s: the file already exists and is not overwritten", pub);
	int err = pair_make(file, passphrase, &made, why);
	if (!err)
		err = keyfile_new(file, 0600, bio_text(made.secret), why);
	if (!err && (err = keyfile_new(pub, 0644, bio_text(made.public), why)))
		unlink(file);
	if (!err)
		*out = made.pub;
	pair_free(&made);
	return err;
}

/* If `old` has a secret of an earlier replacement that is not the file `now`, links it to
 * `old`.1, .2, …. If a key is replaced twice before the daemon takes the first replacement,
 * the daemon may need that secret. */
static int
keep_older(const char *old, const struct stat *now)
{
	char kept[PATH_MAX + 8];
	struct stat st;

	if (stat(old, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (st.st_dev == now->st_dev && st.st_ino == now->st_ino)
		return 0;
	for (int i = 1; i < OLDER_MAX; i++) {
		snprintf(kept, sizeof(kept), "%s.%d", old, i);
		if (link(old, kept) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* Keeps the secret that is replaced as FILE.old. */
static int
keep_old(const char *file, struct buf *why)
{
	char old[PATH_MAX], linked[PATH_MAX + sizeof(REPLACE_SUFFIX)];
	struct stat st;
	SCOPED_FD(fd, -1);
	int err = ERR_IO;

	snprintf(old, sizeof(old), "%s.old", file);
	snprintf(linked, sizeof(linked), "%s" REPLACE_SUFFIX, old);
	unlink(linked);
	if (stat(file, &st) < 0 || keep_older(old, &st) < 0 || link(file, linked) < 0 ||
		(fd = open(linked, O_RDONLY | O_CLOEXEC)) < 0)
		buf_printf(why, "%s: %s", old, strerror(errno));
	else
		err = replace_place(AT_FDCWD, old, fd, why);
	unlink(linked); /* a rename onto another name of the same file does nothing */
	return err;
}

int
signkey_replace(const char *file, const char *passphrase, struct pubkey *out, struct buf *why)
{
	struct pair made = { .secret = NULL };
	char pub[PATH_MAX];
	SCOPED_FD(fd, -1);
	int err;

	if (strlen(file) + 32 > PATH_MAX)
		return why_err(why, ERR_LIMIT, "%s: the path is too long", file);
	snprintf(pub, sizeof(pub), "%s.pub", file);
	if (access(file, F_OK) < 0)
		return why_err(why, ERR_IO, "%s: %s", file, strerror(errno));
	SCOPED_BUF(keys, FILE_BYTES_MAX);
	if ((err = pair_make(file, passphrase, &made, why)))
		goto out;
	/* The new public key first, then the previous ones. */
	buf_span(&keys, bio_text(made.public));
	if ((err = keyfile_text(pub, NULL, &keys, why)) ||
		(fd = err = replace_begin(AT_FDCWD, file, 0600, why)) < 0 ||
		(err = replace_write(fd, file, bio_text(made.secret), why)) ||
		(err = replace_sync(fd, file, why)))
		goto out;
	stop_at("replace-made");
	/* At each moment `file` has a key, and FILE.pub has the public key of it. */
	if ((err = keep_old(file, why)))
		goto out;
	stop_at("replace-old");
	if ((err = replace_file(AT_FDCWD, pub, 0644, buf_view(&keys), why)))
		goto out;
	stop_at("replace-public");
	if ((err = replace_place(AT_FDCWD, file, fd, why)))
		goto out;
	stop_at("replace-done");
	*out = made.pub;
out:
	if (err && fd >= 0)
		replace_drop(AT_FDCWD, file);
	pair_free(&made);
	return err;
}
