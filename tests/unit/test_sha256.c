/* SHA-256 and HMAC against the vectors of FIPS 180-4 and RFC 4231, in one piece and cut
 * anywhere; and random bytes, which must not repeat after a refill. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sha256.h"

static void
check(const char *name, const unsigned char got[SHA256_BYTES], const char *want)
{
	char hex[2 * SHA256_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), got, SHA256_BYTES);
	if (strcmp(hex, want))
		fail_msg("%s: %s, want %s", name, hex, want);
}

static void
digests_equal_those_of_the_standard(void **state)
{
	static const struct {
		const char *name, *input, *want;
	} rows[] = {
		{ "nothing", "",
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "one block", "abc",
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "padding that needs a block of its own",
			"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char out[SHA256_BYTES];
		struct span in = span_str(rows[i].input);
		sha256(in, out);
		check(rows[i].name, out, rows[i].want);
		for (size_t cut = 0; cut <= in.n; cut++) {
			struct sha256 h;
			sha256_begin(&h);
			sha256_add(&h, span_cut(in, 0, cut));
			sha256_add(&h, span_cut(in, cut, in.n));
			sha256_end(&h, out);
			check(rows[i].name, out, rows[i].want);
		}
	}
	struct span none = { NULL, 0 };
	unsigned char out[SHA256_BYTES];
	sha256(none, out);
	check("a span of nothing", out, rows[0].want);
}

/* The keys of RFC 4231, padded with zeros, are the same keys (RFC 2104 section 2). */
static void
hmacs_equal_those_of_rfc_4231(void **state)
{
	static const struct {
		const char *name, *key, *input, *want;
	} rows[] = {
		{ "RFC 4231 4.3", "Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "RFC 4231 4.2",
			"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
			"\x0b\x0b\x0b",
			"Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char key[SHA256_BYTES] = { 0 }, out[SHA256_BYTES];
		memcpy(key, rows[i].key, strlen(rows[i].key));
		hmac_sha256(key, span_str(rows[i].input), out);
		check(rows[i].name, out, rows[i].want);
	}
	unsigned char key[SHA256_BYTES], mine[SHA256_BYTES], theirs[SHA256_BYTES];
	char text[4096];
	memset(text, 'x', sizeof(text));
	randombytes_buf(key, sizeof(key));
	for (size_t n = 0; n <= sizeof(text); n += n < 130 ? 1 : 61) {
		hmac_sha256(key, span_of(text, n), mine);
		crypto_auth_hmacsha256(theirs, (const unsigned char *)text, n, key);
		assert_memory_equal(mine, theirs, sizeof(mine));
	}
	/* the output may replace the key, as in a ratchet */
	crypto_auth_hmacsha256(theirs, (const unsigned char *)text, sizeof(text), key);
	hmac_sha256(key, span_of(text, sizeof(text)), key);
	assert_memory_equal(key, theirs, sizeof(key));
}

static int
by_value(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void
random_bytes_do_not_repeat(void **state)
{
	static unsigned char v[4096][16];
	unsigned char many[2000], bits = 0;

	(void)state;
	for (size_t i = 0; i < 4096; i++) {
		random_bytes(v[i], 16);
		if (i % 7 == 0)
			random_bytes(many, 1 + i % 13);
	}
	qsort(v, 4096, 16, by_value);
	for (size_t i = 1; i < 4096; i++)
		assert_memory_not_equal(v[i - 1], v[i], 16);
	random_bytes(many, sizeof(many));
	for (size_t i = 0; i < sizeof(many); i++)
		bits |= many[i];
	assert_int_equal(bits, 255);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_equal_those_of_the_standard),
		cmocka_unit_test(hmacs_equal_those_of_rfc_4231),
		cmocka_unit_test(random_bytes_do_not_repeat),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
