/* HPKE in base mode for one message: RFC 9180 section 4 (labels, DHKEM), 5.1 (key schedule),
 * 5.2 (AEAD). Written here because OpenSSL has HPKE only from version 3.2 on. The curve is
 * libsodium's, which rejects points of small order (section 7.1.4). */
#include "record/seal/hpke.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "base/err.h"
#include "base/sha256.h"
#include "record/seal/private.h"

#define KEM_SUITE SPAN_LIT("KEM\x00\x20") /* X25519, HKDF-SHA256 */
/* X25519, HKDF-SHA256, AES-256-GCM */
#define HPKE_SUITE SPAN_LIT("HPKE\x00\x20\x00\x01\x00\x02")

/* ---- AES-256-GCM, also for the files that seal texts ---- */

bool
gcm_seal(EVP_CIPHER_CTX *c, const unsigned char key[32], const unsigned char nonce[12],
	struct span aad, const struct span *in, size_t n, unsigned char *out)
{
	/* A context that already has a cipher need not look it up again. */
	const EVP_CIPHER *cipher = EVP_CIPHER_CTX_get0_cipher(c) ? NULL : EVP_aes_256_gcm();
	int got;
	bool good = EVP_EncryptInit_ex(c, cipher, NULL, key, nonce) == 1 &&
		    (!aad.n || EVP_EncryptUpdate(c, NULL, &got, (const unsigned char *)aad.p,
				       (int)aad.n) == 1);

	for (size_t i = 0; good && i < n; out += in[i++].n)
		good = !in[i].n || EVP_EncryptUpdate(c, out, &got,
					   (const unsigned char *)in[i].p, (int)in[i].n) == 1;
	return good && EVP_EncryptFinal_ex(c, out, &got) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, HPKE_TAG_BYTES, out) == 1;
}

int
gcm_open(const unsigned char key[32], const unsigned char nonce[12], struct span aad,
	struct span sealed, unsigned char *out)
{
	if (sealed.n < HPKE_TAG_BYTES)
		return ERR_SYNTAX;
	unsigned char tag[HPKE_TAG_BYTES], last[HPKE_TAG_BYTES];
	size_t n = sealed.n - HPKE_TAG_BYTES;
	int got;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (!c)
		return ERR_NOMEM;
	memcpy(tag, sealed.p + n, sizeof(tag));
	bool good = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		    (!aad.n || EVP_DecryptUpdate(c, NULL, &got, (const unsigned char *)aad.p,
				       (int)aad.n) == 1) &&
		    (!n || EVP_DecryptUpdate(c, out, &got, (const unsigned char *)sealed.p,
				   (int)n) == 1) &&
		    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) == 1 &&
		    EVP_DecryptFinal_ex(c, last, &got) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!good && n)
		explicit_bzero(out, n);
	return good ? 0 : ERR_AUTH;
}

/* ---- HKDF with labels ---- */

static void
labeled_extract(const unsigned char salt[SHA256_BYTES], struct span suite, const char *label,
	struct span ikm, unsigned char out[SHA256_BYTES])
{
	/* HMAC treats an empty key as zeros */
	static const unsigned char none[SHA256_BYTES];
	struct sha256 h;

	salt = salt ? salt : none;
	hmac_begin(&h, salt);
	sha256_add(&h, SPAN_LIT("HPKE-v1"));
	sha256_add(&h, suite);
	sha256_add(&h, span_str(label));
	sha256_add(&h, ikm);
	hmac_end(&h, salt, out);
}

/* HKDF-Expand with a label, for at most one block of the hash. */
static void
labeled_expand(const unsigned char prk[SHA256_BYTES], struct span suite, const char *label,
	struct span info, unsigned char *out, size_t n)
{
	const char length[2] = { 0, (char)n };
	unsigned char block[SHA256_BYTES];
	struct sha256 h;

	hmac_begin(&h, prk);
	sha256_add(&h, span_of(length, sizeof(length)));
	sha256_add(&h, SPAN_LIT("HPKE-v1"));
	sha256_add(&h, suite);
	sha256_add(&h, span_str(label));
	sha256_add(&h, info);
	sha256_add(&h, SPAN_LIT("\x01"));
	hmac_end(&h, prk, block);
	memcpy(out, block, n);
	explicit_bzero(block, sizeof(block));
}

struct message_key {
	unsigned char key[32], nonce[12];
};

/* Derives key and nonce from the Diffie-Hellman value of both sides: the shared secret of the
 * KEM, then the key schedule. */
static void
schedule(const unsigned char dh[HPKE_KEY_BYTES], const unsigned char enc[HPKE_KEY_BYTES],
	const unsigned char to[HPKE_KEY_BYTES], struct span info, struct message_key *out)
{
	unsigned char prk[SHA256_BYTES], shared[SHA256_BYTES];
	unsigned char kem[2 * HPKE_KEY_BYTES], context[1 + 2 * SHA256_BYTES];

	memcpy(kem, enc, HPKE_KEY_BYTES);
	memcpy(kem + HPKE_KEY_BYTES, to, HPKE_KEY_BYTES);
	labeled_extract(NULL, KEM_SUITE, "eae_prk", span_of(dh, HPKE_KEY_BYTES), prk);
	labeled_expand(prk, KEM_SUITE, "shared_secret", span_of(kem, sizeof(kem)), shared,
		sizeof(shared));
	context[0] = 0; /* base mode */
	labeled_extract(NULL, HPKE_SUITE, "psk_id_hash", span_of(NULL, 0), context + 1);
	labeled_extract(NULL, HPKE_SUITE, "info_hash", info, context + 1 + SHA256_BYTES);
	labeled_extract(shared, HPKE_SUITE, "secret", span_of(NULL, 0), prk);
	labeled_expand(prk, HPKE_SUITE, "key", span_of(context, sizeof(context)), out->key,
		sizeof(out->key));
	labeled_expand(prk, HPKE_SUITE, "base_nonce", span_of(context, sizeof(context)),
		out->nonce, sizeof(out->nonce));
	explicit_bzero(prk, sizeof(prk));
	explicit_bzero(shared, sizeof(shared));
}

int
hpke_seal(const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out)
{
	unsigned char ephemeral[HPKE_KEY_BYTES];

	randombytes_buf(ephemeral, sizeof(ephemeral));
	int err = hpke_seal_by(ephemeral, to, info, aad, plain, enc, out);
	explicit_bzero(ephemeral, sizeof(ephemeral));
	return err;
}

int
hpke_seal_by(const unsigned char ephemeral[HPKE_KEY_BYTES],
	const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out)
{
	unsigned char dh[HPKE_KEY_BYTES];
	struct message_key k;

	if (crypto_scalarmult_base(enc, ephemeral) || crypto_scalarmult(dh, ephemeral, to))
		return ERR_SYNTAX;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	schedule(dh, enc, to, info, &k);
	bool good = c && gcm_seal(c, k.key, k.nonce, aad, &plain, 1, out);
	EVP_CIPHER_CTX_free(c);
	explicit_bzero(dh, sizeof(dh));
	explicit_bzero(&k, sizeof(k));
	return good ? 0 : ERR_NOMEM;
}

int
hpke_open(const unsigned char key[HPKE_KEY_BYTES], const unsigned char enc[HPKE_KEY_BYTES],
	struct span info, struct span aad, struct span sealed, unsigned char *out)
{
	unsigned char dh[HPKE_KEY_BYTES], to[HPKE_KEY_BYTES];
	struct message_key k;

	if (sealed.n < HPKE_TAG_BYTES)
		return ERR_SYNTAX;
	if (crypto_scalarmult_base(to, key) || crypto_scalarmult(dh, key, enc))
		return ERR_AUTH;
	schedule(dh, enc, to, info, &k);
	int err = gcm_open(k.key, k.nonce, aad, sealed, out);
	explicit_bzero(dh, sizeof(dh));
	explicit_bzero(&k, sizeof(k));
	return err;
}
