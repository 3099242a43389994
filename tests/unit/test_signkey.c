/* Key files: made once, never overwritten, readable by openssl, refused if others can read
 * them; signatures agree with RFC 8032. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "record/journal/signkey.h"

static char dir[] = "/tmp/tollgate-signkey-XXXXXX";
static struct buf why;

static const char *
in_dir(const char *name)
{
	static char path[2][256];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", dir, name);
	return path[which];
}

static void
put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(in_dir(name), mode);
}

__attribute__((format(printf, 1, 2))) static void
run(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static void
signature_equals_rfc_8032_test_3(void **state)
{
	/* 7.1, test 3 */
	const unsigned char seed[32] = { 0xc5, 0xaa, 0x8d, 0xf4, 0x3f, 0x9f, 0x83, 0x7b, 0xed,
		0xb7, 0x44, 0x2f, 0x31, 0xdc, 0xb7, 0xb1, 0x66, 0xd3, 0x85, 0x35, 0x07, 0x6f,
		0x09, 0x4b, 0x85, 0xce, 0x3a, 0x2e, 0x0b, 0x44, 0x58, 0xf7 };
	const unsigned char want[8] = { 0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02 };
	unsigned char sig[SIGNKEY_SIG_BYTES];
	struct signkey k;

	(void)state;
	signkey_from_seed(seed, &k);
	signkey_sign(&k, SPAN_LIT("\xaf\x82"), sig);
	assert_memory_equal(sig, want, sizeof(want));
	assert_true(pubkey_verify(&k.pub, SPAN_LIT("\xaf\x82"), sig));
	assert_false(pubkey_verify(&k.pub, SPAN_LIT("\xaf\x83"), sig));
	sig[63] ^= 1;
	assert_false(pubkey_verify(&k.pub, SPAN_LIT("\xaf\x82"), sig));
}

static void
key_is_made_and_read_back(void **state)
{
	struct pubkey made, read[2];
	struct signkey k;
	struct stat st;
	unsigned char sig[SIGNKEY_SIG_BYTES];

	(void)state;
	assert_int_equal(signkey_create(in_dir("a.pem"), &made, &why), 0);
	assert_int_equal(stat(in_dir("a.pem"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in_dir("a.pem.pub"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(signkey_load(in_dir("a.pem"), &k, &why), 0);
	assert_int_equal(pubkeys_load(in_dir("a.pem.pub"), read, 2, &why), 1);
	assert_string_equal(k.pub.id, made.id);
	assert_string_equal(read[0].id, made.id);
	assert_int_equal(strlen(made.id), 16);
	signkey_sign(&k, SPAN_LIT("text"), sig);
	assert_true(pubkey_verify(&read[0], SPAN_LIT("text"), sig));

	assert_int_equal(signkey_create(in_dir("a.pem"), &made, &why), ERR_DUPLICATE);
	unlink(in_dir("a.pem.pub"));
	assert_int_equal(signkey_create(in_dir("a.pem"), &made, &why), ERR_DUPLICATE);
	assert_int_equal(access(in_dir("a.pem.pub"), F_OK), -1);
	run("openssl pkey -in %s -pubout -out %s", in_dir("a.pem"), in_dir("a.pem.pub"));
	unlink(in_dir("a.pem"));
	assert_int_equal(signkey_create(in_dir("a.pem"), &made, &why), ERR_DUPLICATE);
	assert_int_equal(access(in_dir("a.pem"), F_OK), -1);
	assert_int_equal(pubkeys_load(in_dir("a.pem.pub"), read, 2, &why), 1);
	assert_string_equal(read[0].id, k.pub.id);
	signkey_wipe(&k);
}

static void
openssl_reads_the_key_and_verifies(void **state)
{
	struct pubkey made;
	struct signkey k;
	unsigned char sig[SIGNKEY_SIG_BYTES];

	(void)state;
	assert_int_equal(signkey_create(in_dir("o.pem"), &made, &why), 0);
	assert_int_equal(signkey_load(in_dir("o.pem"), &k, &why), 0);
	signkey_sign(&k, SPAN_LIT("hello"), sig);
	put_file("text", "hello", 0644);
	FILE *f = fopen(in_dir("sig"), "w");
	fwrite(sig, 1, sizeof(sig), f);
	fclose(f);
	run("cd %s && openssl pkeyutl -verify -pubin -inkey o.pem.pub -rawin -in text -sigfile "
	    "sig >/dev/null",
		dir);
	run("cd %s && openssl genpkey -algorithm ed25519 -out theirs.pem 2>/dev/null && chmod "
	    "600 theirs.pem",
		dir);
	assert_int_equal(signkey_load(in_dir("theirs.pem"), &k, &why), 0);
}

static void
file_may_have_several_public_keys(void **state)
{
	struct pubkey a, b, read[2];

	(void)state;
	assert_int_equal(signkey_create(in_dir("m1"), &a, &why), 0);
	assert_int_equal(signkey_create(in_dir("m2"), &b, &why), 0);
	run("cd %s && cat m1.pub m2.pub > both.pub", dir);
	assert_int_equal(pubkeys_load(in_dir("both.pub"), read, 2, &why), 2);
	assert_string_equal(read[0].id, a.id);
	assert_string_equal(read[1].id, b.id);
	assert_int_equal(pubkeys_load(in_dir("both.pub"), read, 1, &why), ERR_LIMIT);
}

static void
invalid_key_files_are_refused(void **state)
{
	struct pubkey pub;
	struct signkey k;

	(void)state;
	assert_int_equal(signkey_create(in_dir("r.pem"), &pub, &why), 0);
	const mode_t wide[] = { 0640, 0604, 0660, 0644, 0610 };
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		chmod(in_dir("r.pem"), wide[i]);
		assert_int_equal(signkey_load(in_dir("r.pem"), &k, &why), ERR_AUTH);
	}
	chmod(in_dir("r.pem"), 0400);
	assert_int_equal(signkey_load(in_dir("r.pem"), &k, &why), 0);
	assert_int_equal(signkey_load(in_dir("absent"), &k, &why), ERR_IO);
	assert_int_equal(signkey_load(dir, &k, &why), ERR_IO);
	put_file(
		"junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
	assert_int_equal(signkey_load(in_dir("junk"), &k, &why), ERR_SYNTAX);
	put_file("empty", "", 0600);
	assert_int_equal(signkey_load(in_dir("empty"), &k, &why), ERR_SYNTAX);
	assert_int_equal(pubkeys_load(in_dir("empty"), &pub, 1, &why), ERR_SYNTAX);
	assert_int_equal(pubkeys_load(in_dir("r.pem"), &pub, 1, &why), ERR_SYNTAX);
	run("cd %s && openssl genpkey -algorithm rsa -out rsa.pem 2>/dev/null && chmod 600 "
	    "rsa.pem && openssl pkey -in rsa.pem -pubout -out rsa.pub",
		dir);
	assert_int_equal(signkey_load(in_dir("rsa.pem"), &k, &why), ERR_SYNTAX);
	assert_int_equal(pubkeys_load(in_dir("rsa.pub"), &pub, 1, &why), ERR_SYNTAX);
	run("cd %s && openssl pkey -in r.pem -aes128 -passout pass:x -out locked.pem && chmod "
	    "600 locked.pem",
		dir);
	assert_int_equal(signkey_load(in_dir("locked.pem"), &k, &why), ERR_SYNTAX);
}

/* Runs a command line of words separated by spaces; %s stands for `file`. */
static int
keygen(const char *words, const char *file)
{
	char line[512], *argv[8];
	int argc = 0;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(line, sizeof(line), words, file);
#pragma GCC diagnostic pop
	for (char *at = line, *w; argc < 7 && (w = strsep(&at, " "));)
		argv[argc++] = w;
	argv[argc] = NULL;
	return cmd_keygen(argc, argv);
}

static void
command_accepts_both_forms(void **state)
{
	struct signkey k;

	(void)state;
	assert_int_equal(keygen("keygen --out %s", in_dir("c1")), EXIT_DONE);
	assert_int_equal(signkey_load(in_dir("c1"), &k, &why), 0);
	assert_int_equal(keygen("keygen --out %s", in_dir("c1")), EXIT_CANNOT);
	assert_int_equal(keygen("keygen %s", in_dir("c2")), EXIT_DONE);
	assert_int_equal(keygen("keygen --out=%s", in_dir("c3")), EXIT_DONE);
	assert_int_equal(signkey_load(in_dir("c3"), &k, &why), 0);
	assert_int_equal(keygen("keygen%s", ""), EXIT_CANNOT);
	assert_int_equal(keygen("keygen --force %s", in_dir("c4")), EXIT_CANNOT);
	assert_int_equal(keygen("keygen --out %s second", in_dir("c4")), EXIT_CANNOT);
	assert_int_equal(keygen("keygen %s/none/key", dir), EXIT_CANNOT);
	assert_int_equal(access(in_dir("c4"), F_OK), -1);
}

static void
passphrase_opens_the_key(void **state)
{
	struct pubkey made;
	struct signkey k;
	char pass[256], other[256];
	/* clang-format off */
	const struct { const char *name, *key, *pass; bool must; int want; const char *says; } rows[] = {
		{ "the right one",              "p1", pass,  true,  0,             "" },
		{ "by openssl, the right one",  "p2", pass,  true,  0,             "" },
		{ "a wrong one",                "p1", other, true,  ERR_SYNTAX,    "does not decrypt the key" },
		{ "none",                       "p1", NULL,  true,  ERR_SYNTAX,    "no passphrase is given: set audit.key_passphrase_file" },
		{ "one that is not needed",     "p3", pass,  true,  ERR_BAD_STATE, "is not encrypted" },
		{ "one that need not be needed", "p3", pass, false, 0,             "" },
		{ "an open file of it",         "p1", "wide", true, ERR_AUTH,      "must be 0600" },
		{ "an empty file of it",        "p1", "none", true, ERR_SYNTAX,    "is empty" },
	};
	/* clang-format on */

	(void)state;
	snprintf(pass, sizeof(pass), "%s/pass", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	put_file("pass", "a long passphrase \n and a second line", 0600);
	put_file("other", "another", 0600);
	put_file("wide", "a long passphrase \n", 0640);
	put_file("none", "\n", 0600);
	assert_int_equal(signkey_create_locked(in_dir("p1"), pass, &made, &why), 0);
	run("grep -q 'BEGIN ENCRYPTED PRIVATE KEY' %s/p1", dir);
	run("cd %s && head -n 1 pass | tr -d '\\n' > line && openssl pkey -in p1 -passin "
	    "file:line -pubout | cmp - p1.pub",
		dir);
	run("cd %s && openssl genpkey -algorithm ED25519 -aes256 -pass file:line -out p2 && "
	    "chmod 600 p2",
		dir);
	assert_int_equal(signkey_create(in_dir("p3"), &made, &why), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *file = rows[i].pass && rows[i].pass[0] != '/' ? in_dir(rows[i].pass)
									  : rows[i].pass;
		buf_clear(&why);
		int got = signkey_open(in_dir(rows[i].key), file, rows[i].must, &k, &why);
		buf_putc(&why, '\0');
		if (got != rows[i].want || !strstr(buf_view(&why).p, rows[i].says))
			fail_msg("%s: %d %s", rows[i].name, got, buf_view(&why).p);
	}
	assert_int_equal(
		keygen("keygen --root --passphrase-file %s /none/x", pass), EXIT_CANNOT);
	assert_int_equal(keygen("keygen --secret --passphrase-file %s x", pass), EXIT_CANNOT);
	buf_clear(&why);
}

static void
key_pair_is_replaced(void **state)
{
	struct pubkey made, again, keys[4];
	struct signkey k;

	(void)state;
	assert_int_equal(signkey_create(in_dir("q"), &made, &why), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(keygen("keygen --rotate %s", in_dir("q")), EXIT_DONE);
	assert_int_equal(signkey_load(in_dir("q"), &k, &why), 0);
	assert_int_equal(pubkeys_load(in_dir("q.pub"), keys, 4, &why), 3);
	assert_string_equal(keys[0].id, k.pub.id);
	assert_string_equal(keys[2].id, made.id);
	assert_int_equal(signkey_load(in_dir("q.old"), &k, &why), 0);
	assert_string_equal(keys[1].id, k.pub.id);
	/* and no secret is lost: a daemon that does not know the first replacement may need
	 * it */
	assert_int_equal(signkey_load(in_dir("q.old.1"), &k, &why), 0);
	assert_string_equal(made.id, k.pub.id);
	run("cd %s && test -z \"$(ls | grep new)\"", dir);
	/* Without the public key nothing changes. */
	run("cd %s && rm q.pub && cp q before", dir);
	assert_int_equal(signkey_replace(in_dir("q"), NULL, &again, &why), ERR_IO);
	assert_int_equal(signkey_replace(in_dir("absent"), NULL, &again, &why), ERR_IO);
	run("cd %s && cmp q before && test -z \"$(ls | grep new)\"", dir);
	buf_clear(&why);
}

static int
setup(void **state)
{
	(void)state;
	buf_init(&why, 65536);
	return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
	char cmd[300];

	(void)state;
	buf_free(&why);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature_equals_rfc_8032_test_3),
		cmocka_unit_test(key_is_made_and_read_back),
		cmocka_unit_test(openssl_reads_the_key_and_verifies),
		cmocka_unit_test(file_may_have_several_public_keys),
		cmocka_unit_test(invalid_key_files_are_refused),
		cmocka_unit_test(command_accepts_both_forms),
		cmocka_unit_test(passphrase_opens_the_key),
		cmocka_unit_test(key_pair_is_replaced),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
