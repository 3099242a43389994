/* The encoding of an entry: version, stamp, nonce, ciphertext, tag (AES-256-GCM, NIST SP
 * 800-38D). The nonce is random. A key encrypts far fewer than 2^32 entries, the limit for
 * random nonces. */
#include "gate/cache/entry.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "base/err.h"
#include "base/random.h"

enum {
	VERSION = 1,
	STAMP_BYTES = 1 + 8 + 2 * CACHE_NAME_BYTES,
	NONCE_BYTES = 12,
	TAG_BYTES = 16,
	IS_POINTER = 1,
	IS_DISTANT = 2, /* IS_DISTANT + the distance */
	OPEN_BYTES = STAMP_BYTES + NONCE_BYTES,
	INNER_BYTES = 4 + 4 /* form, streamed, framing, kind of entry; length of the path */
};

void
cache_keys_derive(const unsigned char secret[CACHE_KEY_BYTES], struct cache_keys *k)
{
	const struct {
		const char *what;
		unsigned char *out;
		size_t n;
	} of[] = { { "key", k->index, sizeof(k->index) },
		{ "entry", k->cipher, sizeof(k->cipher) },
		{ "route", k->names[CACHE_NAMED_ROUTE], sizeof(k->names[0]) },
		{ "who", k->names[CACHE_NAMED_WHO], sizeof(k->names[0]) },
		{ "bind", k->bind, sizeof(k->bind) } };

	for (size_t i = 0; i < COUNT_OF(of); i++)
		crypto_generichash(of[i].out, of[i].n, (const unsigned char *)of[i].what,
			strlen(of[i].what), secret, CACHE_KEY_BYTES);
}

void
cache_name(const struct cache_keys *k, enum cache_named of, struct span name,
	unsigned char out[CACHE_NAME_BYTES])
{
	_Static_assert(CACHE_NAME_BYTES == crypto_shorthash_BYTES, "a whole one");
	crypto_shorthash(out, (const unsigned char *)name.p, name.n, k->names[of]);
}

void
cache_bind(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char key[CACHE_KEY_BYTES], unsigned char out[CACHE_BOUND_BYTES])
{
	crypto_generichash_state h;

	crypto_generichash_init(
		&h, k->bind, sizeof(k->bind), CACHE_BOUND_BYTES - CACHE_KEY_BYTES);
	crypto_generichash_update(&h, set, CACHE_KEY_BYTES);
	crypto_generichash_update(&h, key, CACHE_KEY_BYTES);
	memcpy(out, key, CACHE_KEY_BYTES);
	crypto_generichash_final(
		&h, out + CACHE_KEY_BYTES, CACHE_BOUND_BYTES - CACHE_KEY_BYTES);
}

bool
cache_is_bound(const struct cache_keys *k, const unsigned char set[CACHE_KEY_BYTES],
	struct span element)
{
	unsigned char own[CACHE_BOUND_BYTES];

	if (element.n != sizeof(own))
		return false;
	cache_bind(k, set, (const unsigned char *)element.p, own);
	return sodium_memcmp(own, element.p, sizeof(own)) == 0;
}

bool
cache_stamp_of(struct span sealed, struct cache_stamp *st)
{
	const unsigned char *p = (const unsigned char *)sealed.p;
	uint64_t ms = 0;

	if (sealed.n < OPEN_BYTES + TAG_BYTES || p[0] != VERSION)
		return false;
	for (unsigned i = 0; i < 8; i++)
		ms = ms << 8 | p[1 + i];
	st->stored_ms = (int64_t)ms;
	memcpy(st->route, p + 9, CACHE_NAME_BYTES);
	memcpy(st->who, p + 9 + CACHE_NAME_BYTES, CACHE_NAME_BYTES);
	return true;
}

/* Encrypts or decrypts `in`. The tag is written if `seals` is set, and checked otherwise. */
static bool
run_gcm(bool seals, const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const unsigned char *open, struct span in, unsigned char *out,
	unsigned char tag[TAG_BYTES])
{
	unsigned char last[TAG_BYTES];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n, on = seals ? 1 : 0;

	bool ok =
		c &&
		EVP_CipherInit_ex(
			c, EVP_aes_256_gcm(), NULL, k->cipher, open + STAMP_BYTES, on) == 1 &&
		EVP_CipherUpdate(c, NULL, &n, open, STAMP_BYTES) == 1 &&
		EVP_CipherUpdate(c, NULL, &n, key, CACHE_KEY_BYTES) == 1 &&
		EVP_CipherUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n) == 1 &&
		(seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
		EVP_CipherFinal_ex(c, last, &n) == 1 &&
		(!seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

int
cache_seal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	const struct cache_stamp *st, const struct cache_answer *a, struct buf *out)
{
	uint32_t path = (uint32_t)a->path.n;
	const unsigned char inner[INNER_BYTES] = { (unsigned char)a->form, a->streamed,
		a->frames,
		(unsigned char)(a->points     ? IS_POINTER
				: a->distance ? IS_DISTANT + a->distance
					      : 0),
		(unsigned char)(path >> 24), (unsigned char)(path >> 16),
		(unsigned char)(path >> 8), (unsigned char)path };
	struct buf plain;

	if (a->bytes.n > CACHE_ENTRY_MOST || a->path.n > CACHE_ENTRY_MOST)
		return ERR_LIMIT;
	buf_init(&plain, 0);
	buf_put(&plain, inner, sizeof(inner));
	buf_span(&plain, a->path);
	buf_span(&plain, a->bytes);
	unsigned char *p = (unsigned char *)buf_reserve(out, OPEN_BYTES + plain.n + TAG_BYTES);
	bool ok = p && !buf_failed(&plain);
	if (ok) {
		p[0] = VERSION;
		for (unsigned i = 0; i < 8; i++)
			p[1 + i] = (unsigned char)((uint64_t)st->stored_ms >> (56 - 8 * i));
		memcpy(p + 9, st->route, CACHE_NAME_BYTES);
		memcpy(p + 9 + CACHE_NAME_BYTES, st->who, CACHE_NAME_BYTES);
		random_bytes(p + STAMP_BYTES, NONCE_BYTES);
		ok = run_gcm(true, k, key, p, buf_view(&plain), p + OPEN_BYTES,
			p + OPEN_BYTES + plain.n);
		buf_commit(out, ok ? OPEN_BYTES + plain.n + TAG_BYTES : 0);
	}
	buf_free(&plain);
	return ok ? 0 : ERR_NOMEM;
}

int
cache_unseal(const struct cache_keys *k, const unsigned char key[CACHE_KEY_BYTES],
	struct span sealed, struct cache_stamp *st, struct buf *plain, struct cache_answer *a)
{
	unsigned char tag[TAG_BYTES], *out;

	if (!cache_stamp_of(sealed, st) || sealed.n > 2 * CACHE_ENTRY_MOST + OPEN_BYTES)
		return ERR_AUTH;
	struct span in = span_cut(sealed, OPEN_BYTES, sealed.n - TAG_BYTES);
	memcpy(tag, sealed.p + sealed.n - TAG_BYTES, TAG_BYTES);
	if (in.n < INNER_BYTES || !(out = (unsigned char *)buf_reserve(plain, in.n)) ||
		!run_gcm(false, k, key, (const unsigned char *)sealed.p, in, out, tag))
		return ERR_AUTH;
	buf_commit(plain, in.n);
	struct span s = span_of(out, in.n);
	size_t path =
		(size_t)out[4] << 24 | (size_t)out[5] << 16 | (size_t)out[6] << 8 | out[7];
	if (out[0] >= FORMS || path > s.n - INNER_BYTES)
		return ERR_AUTH;
	*a = (struct cache_answer){ .form = (enum form)out[0],
		.streamed = out[1],
		.frames = out[2],
		.points = out[3] == IS_POINTER,
		.distance = out[3] > IS_DISTANT ? (unsigned char)(out[3] - IS_DISTANT) : 0,
		.path = span_cut(s, INNER_BYTES, INNER_BYTES + path),
		.bytes = span_cut(s, INNER_BYTES + path, s.n) };
	return 0;
}
