/* Auditors' keys (RFC 7748, in the encoding of RFC 8410): see auditor.h. Public keys are
 * parsed by hand, because a SubjectPublicKeyInfo of X25519 is twelve fixed bytes and the
 * key. */
#include "record/seal/auditor.h"

/* openssl/err.h has a type of this name; base/err.h uses the name for a value. */
#define ERR_BAD_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/pem.h>
#undef ERR_BAD_STATE
#include <sodium.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/why.h"

#define PRIVATE_FILE_BYTES (64u << 10)
#define PEM_BEGIN	   "-----BEGIN PUBLIC KEY-----"
#define PEM_END		   "-----END PUBLIC KEY-----"

static const unsigned char spki[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e,
	0x03, 0x21, 0x00 };

static void
name_auditor_key(const unsigned char key[HPKE_KEY_BYTES], char id[AUDITOR_ID_LEN + 1])
{
	/* the hash includes its NUL */
	static const char label[] = "tollgate-auditor-key-v1";
	unsigned char hash[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, span_of(label, sizeof(label)));
	sha256_add(&h, span_of(key, HPKE_KEY_BYTES));
	sha256_end(&h, hash);
	sodium_bin2hex(id, AUDITOR_ID_LEN + 1, hash, AUDITOR_ID_LEN / 2);
}

/* Appends the base64 of a PEM or of a single line, without white space. */
static int
base64_of_key(struct span text, struct buf *out)
{
	text = span_trim(text, " \t\r\n");
	if (span_starts(text, SPAN_LIT("-----"))) {
		if (!span_starts(text, SPAN_LIT(PEM_BEGIN)) ||
			!span_ends(text, SPAN_LIT(PEM_END)))
			return ERR_SYNTAX;
		text = span_cut(text, sizeof(PEM_BEGIN) - 1, text.n - (sizeof(PEM_END) - 1));
	}
	for (size_t i = 0; i < text.n; i++)
		if (!strchr(" \t\r\n", text.p[i]) || !text.p[i])
			buf_putc(out, text.p[i]);
	return buf_failed(out) ? ERR_SYNTAX : 0;
}

int
auditor_read(struct span name, struct span public_key, struct auditor *out, struct buf *why)
{
	static const unsigned char one[HPKE_KEY_BYTES] = { 8 };
	unsigned char der[sizeof(spki) + HPKE_KEY_BYTES], shared[HPKE_KEY_BYTES];
	size_t n = 0;

	*out = (struct auditor){ .name = "" };
	if (name.n == 0 || name.n > AUDITOR_NAME_MAX || !span_is_alnum(name, "._-"))
		return why_err(why, ERR_SYNTAX,
			"the name of an auditor must be 1 to %d letters, digits, . _ or -",
			AUDITOR_NAME_MAX);
	SCOPED_BUF(text, 256);
	int err = base64_of_key(public_key, &text);
	err = err ? err : base64_get(buf_view(&text), der, sizeof(der), &n);
	if (!err && n == sizeof(der) && memcmp(der, spki, sizeof(spki)) == 0)
		memcpy(out->key, der + sizeof(spki), HPKE_KEY_BYTES);
	else if (!err && n == HPKE_KEY_BYTES)
		memcpy(out->key, der, HPKE_KEY_BYTES);
	else
		return why_err(why, ERR_SYNTAX,
			"auditor %.*s: the value is not an X25519 public key in PEM or base64: "
			"print the key with openssl pkey -in auditor.key -pubout",
			SPAN_ARG(name));
	if (crypto_scalarmult(shared, one, out->key))
		return why_err(why, ERR_SYNTAX,
			"auditor %.*s: the public key is a point of small order, so anyone "
			"could open the texts: make another key",
			SPAN_ARG(name));
	memcpy(out->name, name.p, name.n);
	name_auditor_key(out->key, out->id);
	return 0;
}

struct auditor_pass {
	const char *text;
	bool asked;
};

static int
auditor_passphrase(char *b, int size, int rw, void *arg)
{
	struct auditor_pass *p = arg;
	size_t n = p->text ? strlen(p->text) : 0;

	(void)rw;
	p->asked = true;
	if (!n || n > (size_t)size)
		return -1;
	memcpy(b, p->text, n);
	return (int)n;
}

int
auditor_private(const char *file, const char *passphrase, unsigned char key[HPKE_KEY_BYTES],
	char id[AUDITOR_ID_LEN + 1], struct buf *why)
{
	struct auditor_pass pass = { .text = passphrase };
	unsigned char public[HPKE_KEY_BYTES];
	size_t n = HPKE_KEY_BYTES;

	SCOPED_BUF(text, PRIVATE_FILE_BYTES);
	int err = keyfile_text(file, "a private key", &text, why);
	if (err)
		return err;
	BIO *bio = BIO_new_mem_buf(buf_view(&text).p, (int)text.n);
	EVP_PKEY *pkey =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, auditor_passphrase, &pass) : NULL;
	if (!pkey && pass.asked)
		err = why_err(why, ERR_AUTH,
			passphrase ? "%s: the passphrase does not decrypt the key"
				   : "%s: the key is encrypted, and no passphrase is given: "
				     "use --passphrase-file FILE",
			file);
	else if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_X25519 ||
		 EVP_PKEY_get_raw_private_key(pkey, key, &n) != 1 || n != HPKE_KEY_BYTES ||
		 crypto_scalarmult_base(public, key))
		err = why_err(why, ERR_SYNTAX, "%s: no X25519 private key in PEM form", file);
	else
		name_auditor_key(public, id);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return err;
}
