/* HPKE against a published vector of its suite and the RFC's vector of its KEM. Also changed
 * and invalid input, and auditors' keys as openssl writes them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <sys/stat.h>

#include "base/err.h"
#include "record/seal/auditor.h"
#include "support/temp_dir.h"

static struct buf why;

static void
unhex(const char *hex, unsigned char *out, size_t n)
{
	size_t got = 0;

	assert_int_equal(sodium_hex2bin(out, n, hex, strlen(hex), NULL, &got, NULL), 0);
	assert_int_equal(got, n);
}

/* Mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002, first message: from BoringSSL's copy of the
 * vectors of draft-irtf-cfrg-hpke. The RFC has none for AES-256-GCM with this KEM. */
static void
message_equals_the_published_vector(void **state)
{
	static const char info[] = "Ode on a Grecian Urn",
			  text[] = "Beauty is truth, truth beauty", aad[] = "Count-0";
	unsigned char to[32], by[32], enc[32], want[sizeof(text) - 1 + 16], got[sizeof(want)];

	(void)state;
	unhex("ac66bae9ffa270cf4a89ed9f274e30c0456babae2572aaaf002ff0d8884ab018", to, 32);
	unhex("28e212563a8b6f068af7ff17400ff1baf23612b7a738bbaf5dfb321b2b5b431a", by, 32);
	unhex("23ded2d5d90ea89d975dac4792b297240f194952d7421aacbff0474100052b6bb8aa58d18ef6c42b"
	      "6960e2e28f",
		want, sizeof(want));
	assert_int_equal(
		hpke_seal_by(by, to, span_str(info), span_str(aad), span_str(text), enc, got),
		0);
	assert_memory_equal(got, want, sizeof(want));
}

/* RFC 9180, A.1.1: skEm and enc. */
static void
encapsulated_key_equals_the_rfcs(void **state)
{
	unsigned char to[32], by[32], enc[32], want[32], out[16];

	(void)state;
	unhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d", to, 32);
	unhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736", by, 32);
	unhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431", want, 32);
	assert_int_equal(
		hpke_seal_by(by, to, SPAN_LIT(""), SPAN_LIT(""), SPAN_LIT(""), enc, out), 0);
	assert_memory_equal(enc, want, 32);
}

static void
sealed_text_opens_only_with_its_key_and_context(void **state)
{
	unsigned char key[32], public[32], other[32], enc[32], sealed[5 + 16], out[5];
	struct span info = SPAN_LIT("info"), aad = SPAN_LIT("aad"), text = SPAN_LIT("hello");

	(void)state;
	randombytes_buf(key, 32);
	randombytes_buf(other, 32);
	crypto_scalarmult_base(public, key);
	assert_int_equal(hpke_seal(public, info, aad, text, enc, sealed), 0);
	struct span all = span_of(sealed, sizeof(sealed));
	assert_int_equal(hpke_open(key, enc, info, aad, all, out), 0);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(hpke_open(other, enc, info, aad, all, out), ERR_AUTH);
	assert_memory_equal(out, "\0\0\0\0\0", 5);
	assert_int_equal(hpke_open(key, enc, SPAN_LIT("inf"), aad, all, out), ERR_AUTH);
	assert_int_equal(hpke_open(key, enc, info, SPAN_LIT("aae"), all, out), ERR_AUTH);
	assert_int_equal(hpke_open(key, enc, info, SPAN_LIT(""), all, out), ERR_AUTH);
	for (size_t n = 0; n < sizeof(sealed); n++)
		assert_int_equal(hpke_open(key, enc, info, aad, span_cut(all, 0, n), out),
			n < 16 ? ERR_SYNTAX : ERR_AUTH);
	for (size_t i = 0; i < 8 * sizeof(sealed); i++) {
		sealed[i / 8] ^= (unsigned char)(1 << i % 8);
		assert_int_equal(hpke_open(key, enc, info, aad, all, out), ERR_AUTH);
		sealed[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	for (size_t i = 0; i < 32; i++) {
		enc[i] ^= 1;
		assert_int_equal(hpke_open(key, enc, info, aad, all, out), ERR_AUTH);
		enc[i] ^= 1;
	}
	unsigned char again[32], sealed_again[sizeof(sealed)];
	assert_int_equal(hpke_seal(public, info, aad, text, again, sealed_again), 0);
	assert_memory_not_equal(again, enc, 32);
	assert_memory_not_equal(sealed_again, sealed, sizeof(sealed));
}

/* RFC 7748, section 6.1; RFC 9180, 7.1.4. */
static void
points_of_small_order_are_refused(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	unsigned char point[32], key[32], enc[32], out[16], sealed[16] = "";
	char base64[64];
	struct auditor a;

	(void)state;
	randombytes_buf(key, 32);
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		unhex(points[i], point, 32);
		assert_int_equal(
			hpke_seal(point, SPAN_LIT(""), SPAN_LIT(""), SPAN_LIT(""), enc, out),
			ERR_SYNTAX);
		assert_int_equal(hpke_open(key, point, SPAN_LIT(""), SPAN_LIT(""),
					 span_of(sealed, 16), out),
			ERR_AUTH);
		sodium_bin2base64(
			base64, sizeof(base64), point, 32, sodium_base64_VARIANT_ORIGINAL);
		buf_clear(&why);
		assert_int_equal(
			auditor_read(SPAN_LIT("a"), span_str(base64), &a, &why), ERR_SYNTAX);
		assert_non_null(memmem(buf_view(&why).p, why.n, "small order", 11));
	}
}

/* ---- auditors' keys ---- */

static char line[128], pem[512], secret[512], locked[1024];

static void
run_openssl(const char *args, char *out, size_t n)
{
	char command[512];

	snprintf(command, sizeof(command), "openssl %s 2>/dev/null", args);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t got = fread(out, 1, n - 1, f);
	out[got] = '\0';
	assert_int_equal(pclose(f), 0);
	assert_true(got > 0);
}

static int
make_keys(void **state)
{
	char args[400];

	if (temp_dir_make(state))
		return -1;
	buf_init(&why, 4096);
	snprintf(args, sizeof(args), "genpkey -algorithm X25519 | tee %s", path("a.key"));
	run_openssl(args, secret, sizeof(secret));
	snprintf(args, sizeof(args), "pkey -in %s -pubout", path("a.key"));
	run_openssl(args, pem, sizeof(pem));
	const char *begin = strchr(pem, '\n') + 1;
	memcpy(line, begin, strcspn(begin, "\n"));
	snprintf(args, sizeof(args), "pkey -in %s -aes256 -passout pass:secret", path("a.key"));
	run_openssl(args, locked, sizeof(locked));
	put("locked.key", locked);
	chmod(path("a.key"), 0600);
	chmod(path("locked.key"), 0600);
	return 0;
}

static int
drop_keys(void **state)
{
	buf_free(&why);
	return temp_dir_remove(state);
}

static void
public_key_is_read_as_openssl_prints_it(void **state)
{
	unsigned char der[64], key[32];
	char raw[64], folded[512], id[AUDITOR_ID_LEN + 1];
	struct auditor a, b;
	size_t n;

	(void)state;
	assert_int_equal(auditor_read(SPAN_LIT("audit-1"), span_str(line), &a, &why), 0);
	assert_string_equal(a.name, "audit-1");
	assert_int_equal(strlen(a.id), AUDITOR_ID_LEN);
	assert_int_equal(auditor_read(SPAN_LIT("b"), span_str(pem), &b, &why), 0);
	assert_memory_equal(a.key, b.key, 32);
	assert_string_equal(a.id, b.id);
	/* As YAML folds the lines. */
	snprintf(folded, sizeof(folded), "%s", pem);
	for (char *p = folded; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	assert_int_equal(auditor_read(SPAN_LIT("b"), span_str(folded), &b, &why), 0);
	assert_memory_equal(a.key, b.key, 32);
	assert_int_equal(sodium_base642bin(der, sizeof(der), line, strlen(line), NULL, &n, NULL,
				 sodium_base64_VARIANT_ORIGINAL),
		0);
	assert_int_equal(n, 44);
	sodium_bin2base64(raw, sizeof(raw), der + 12, 32, sodium_base64_VARIANT_ORIGINAL);
	assert_int_equal(auditor_read(SPAN_LIT("b"), span_str(raw), &b, &why), 0);
	assert_memory_equal(a.key, b.key, 32);
	/* The private key belongs to the same pair. */
	assert_int_equal(auditor_private(path("a.key"), NULL, key, id, &why), 0);
	assert_string_equal(id, a.id);
	crypto_scalarmult_base(der, key);
	assert_memory_equal(der, a.key, 32);
}

static void
invalid_public_key_is_refused(void **state)
{
	char ed25519[512], spare[160], other[64] = "", id[AUDITOR_ID_LEN + 1];
	unsigned char key[32];
	struct auditor a;

	(void)state;
	run_openssl(
		"genpkey -algorithm ED25519 | openssl pkey -pubout", ed25519, sizeof(ed25519));
	snprintf(spare, sizeof(spare), "%s%s", line, "AAAA");
	memcpy(other, line, 40);
	const struct {
		const char *name, *key;
	} rows[] = { { "a", "" }, { "a", "x" }, { "a", ed25519 }, { "a", secret },
		{ "a", spare }, { "a", other }, { "a", "-----BEGIN PUBLIC KEY-----" },
		{ "", line }, { "a b", line }, { "a\"", line },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", line } };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&why);
		if (auditor_read(span_str(rows[i].name), span_str(rows[i].key), &a, &why) !=
				ERR_SYNTAX ||
			!why.n)
			fail_msg("row %zu is taken", i);
	}
	put("ed.key", ed25519);
	chmod(path("ed.key"), 0600);
	assert_int_equal(auditor_private(path("ed.key"), NULL, key, id, &why), ERR_SYNTAX);
}

static void
private_key_needs_its_passphrase_and_mode(void **state)
{
	unsigned char key[32], again[32];
	char id[AUDITOR_ID_LEN + 1];

	(void)state;
	assert_int_equal(auditor_private(path("a.key"), NULL, key, id, &why), 0);
	assert_int_equal(auditor_private(path("locked.key"), "secret", again, id, &why), 0);
	assert_memory_equal(key, again, 32);
	assert_int_equal(auditor_private(path("locked.key"), NULL, again, id, &why), ERR_AUTH);
	assert_int_equal(auditor_private(path("locked.key"), "", again, id, &why), ERR_AUTH);
	assert_int_equal(
		auditor_private(path("locked.key"), "secreT", again, id, &why), ERR_AUTH);
	chmod(path("a.key"), 0640);
	buf_clear(&why);
	assert_int_equal(auditor_private(path("a.key"), NULL, again, id, &why), ERR_AUTH);
	assert_non_null(memmem(buf_view(&why).p, why.n, "0640", 4));
	chmod(path("a.key"), 0600);
	assert_int_equal(auditor_private(path("none.key"), NULL, again, id, &why), ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_equals_the_published_vector),
		cmocka_unit_test(encapsulated_key_equals_the_rfcs),
		cmocka_unit_test(sealed_text_opens_only_with_its_key_and_context),
		cmocka_unit_test(points_of_small_order_are_refused),
		cmocka_unit_test(public_key_is_read_as_openssl_prints_it),
		cmocka_unit_test(invalid_public_key_is_refused),
		cmocka_unit_test(private_key_needs_its_passphrase_and_mode),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
