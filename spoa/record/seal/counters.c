/* Hides the names of counters in records and restores them: see counters.h. */
#include "record/seal/counters.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/codec/base64.h"
#include "base/err.h"

enum {
	HASH_BYTES = 12,
	TAIL = 2 * HASH_BYTES + 1, /* the hash and the closing brace */
	BLOCK_BYTES = 16,
	BLOCK_DIGITS = 24,
};

void
counter_key_of(const struct share *b, struct span id, struct counter_key *out)
{
	unsigned char all[SHA256_BYTES];

	hmac_sha256(b->key, SPAN_LIT("counter"), all);
	hmac_sha256(all, id, out->key);
	out->share = b->number;
	explicit_bzero(all, sizeof(all));
}

bool
counter_is_hidden(const char *name)
{
	return strstr(name, ":~") != NULL;
}

/* Encrypts (`hide`) or decrypts one block. Returns false if memory is exhausted. */
static bool
cipher_block(const struct counter_key *k, bool hide, const unsigned char in[BLOCK_BYTES],
	unsigned char out[BLOCK_BYTES])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bool good = c &&
		    EVP_CipherInit_ex(c, EVP_aes_256_ecb(), NULL, k->key, NULL, hide) == 1 &&
		    EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
		    EVP_CipherUpdate(c, out, &n, in, BLOCK_BYTES) == 1 && n == BLOCK_BYTES;

	EVP_CIPHER_CTX_free(c);
	return good;
}

/* Writes the end of a counter's name and the closing brace at `at`. */
static bool
end_counter(char *name, size_t size, size_t at, const char *end)
{
	size_t n = strlen(end);

	if (at + n + 2 > size)
		return false;
	memcpy(name + at, end, n);
	memcpy(name + at + n, "}", 2);
	return true;
}

bool
counter_hide(const struct counter_key *k, char *name, size_t size)
{
	unsigned char block[BLOCK_BYTES] = { 0 }, hidden[BLOCK_BYTES];
	char said[SPAN_DECIMAL + BLOCK_DIGITS + 3];
	size_t n = strlen(name), got = 0, from = n > TAIL ? n - TAIL : 0;

	if (!from || name[from - 1] != ':' || name[n - 1] != '}' ||
		sodium_hex2bin(block, HASH_BYTES, name + from, TAIL - 1, NULL, &got, NULL) ||
		got != HASH_BYTES || !cipher_block(k, true, block, hidden))
		return false;
	said[0] = '~';
	size_t at = 1 + span_decimal(said + 1, (int64_t)k->share);
	said[at++] = '.';
	sodium_bin2base64(said + at, BLOCK_DIGITS + 1, hidden, sizeof(hidden),
		sodium_base64_VARIANT_ORIGINAL);
	return end_counter(name, size, from, said);
}

int
counter_show(struct shares *s, struct span id, char *name, size_t size)
{
	unsigned char hidden[BLOCK_BYTES], block[BLOCK_BYTES];
	const char *at = strstr(name, ":~");
	char hex[2 * HASH_BYTES + 1];
	struct counter_key k;
	struct share b;
	size_t n;

	if (!at)
		return 0;
	struct span said = span_str(at + 2), number = span_next(&said, '.');
	uint64_t share;
	if (said.n != BLOCK_DIGITS + 1 || said.p[BLOCK_DIGITS] != '}' ||
		span_u64(number, &share) ||
		base64_get(span_cut(said, 0, BLOCK_DIGITS), hidden, sizeof(hidden), &n) ||
		n != sizeof(hidden))
		return ERR_AUTH;
	if (!s || shares_find(s, share, &b, NULL) != SHARE_HERE)
		return ERR_NOTFOUND;
	counter_key_of(&b, id, &k);
	explicit_bzero(&b, sizeof(b));
	bool good = cipher_block(&k, false, hidden, block);
	explicit_bzero(&k, sizeof(k));
	if (!good)
		return ERR_NOMEM;
	if (!sodium_is_zero(block + HASH_BYTES, BLOCK_BYTES - HASH_BYTES))
		return ERR_AUTH;
	sodium_bin2hex(hex, sizeof(hex), block, HASH_BYTES);
	return end_counter(name, size, (size_t)(at + 1 - name), hex) ? 0 : ERR_AUTH;
}
