/* The key of the keyed hashes of texts. It is derived from the signing key's file in a fixed
 * way, can be moved into its own file without changing hashes, and its id reveals nothing about
 * it. */
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
#include "base/keyfile.h"
#include "cmd/cmd.h"

static char dir[] = "/tmp/tollgate-hashkey-XXXXXX";
static struct buf why;

/* The key of RFC 8410 section 10.3. The hash key is BLAKE2b-256 over the file, keyed with
 * "tollgate-prompt-hash-v1", computed by Python's hashlib. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			  "-----END PRIVATE KEY-----\n";
static const char hex[] = "b0882a92e1b08f00029f73d46afce35f707c44a505dd953f65e0b94ad48b2b8f";
static const char id[] = "d980a83b94c29f0c";

static const char *
put(const char *name, const char *text, mode_t mode)
{
	static char path[2][256];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[0]), "%s/%s", dir, name);
	FILE *f = text ? fopen(path[which], "w") : NULL;
	if (f) {
		fputs(text, f);
		fclose(f);
		assert_int_equal(chmod(path[which], mode), 0);
	}
	return path[which];
}

static void
hash_key_is_derived_from_the_signing_keys_file(void **state)
{
	struct hashkey k;
	char got[2 * KEYFILE_BYTES + 1] = "";
	struct buf text;

	(void)state;
	assert_int_equal(hashkey_derive(put("audit.key", pem, 0600), &k, &why), 0);
	buf_init(&text, 0);
	buf_hex(&text, k.key, sizeof(k.key));
	memcpy(got, buf_view(&text).p, text.n);
	assert_string_equal(got, hex);
	assert_string_equal(k.id, id);
	assert_true(k.derived);
	buf_free(&text);
}

static void
file_of_its_own_keeps_the_hash_key(void **state)
{
	char key[300], made[300], from[] = "--from", hash[] = "--hash-key", name[] = "keygen";
	char *argv[] = { name, hash, from, key, made, NULL };
	struct hashkey a, b;
	struct stat st;

	(void)state;
	snprintf(key, sizeof(key), "%s", put("audit.key", pem, 0600));
	snprintf(made, sizeof(made), "%s", put("hash.key", NULL, 0));
	assert_int_equal(cmd_keygen(5, argv), EXIT_DONE);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(hashkey_derive(key, &a, &why), 0);
	assert_int_equal(hashkey_load(made, &b, &why), 0);
	assert_memory_equal(a.key, b.key, sizeof(a.key));
	assert_string_equal(a.id, b.id);
	assert_false(b.derived);
	char *again[] = { name, hash, made, NULL };
	assert_int_equal(cmd_keygen(3, again), EXIT_CANNOT); /* nothing is overwritten */
	snprintf(made, sizeof(made), "%s/other.key", dir);
	char *random[] = { name, hash, made, NULL };
	assert_int_equal(cmd_keygen(3, random), EXIT_DONE);
	assert_int_equal(hashkey_load(made, &b, &why), 0);
	assert_string_not_equal(a.id, b.id);
}

static int
keygen(const char *option, const char *file)
{
	char name[] = "keygen", hash[] = "--hash-key", more[32], to[300];
	char *argv[] = { name, hash, more, to, NULL };

	snprintf(more, sizeof(more), "%s", option);
	snprintf(to, sizeof(to), "%s", file);
	return cmd_keygen(4, argv);
}

/* The current key is the first line; the earlier ones follow. */
static void
new_hash_key_precedes_the_earlier_ones(void **state)
{
	char made[300];
	struct hashkey all[HASHKEYS_MAX], now;
	struct stat st;

	(void)state;
	snprintf(made, sizeof(made), "%s/lines.key", dir);
	assert_int_equal(keygen("--rotate", made), EXIT_CANNOT); /* there is no key yet */
	assert_int_equal(keygen("--out", made), EXIT_DONE);
	assert_int_equal(hashkey_load(made, &now, &why), 0);
	for (int n = 2; n <= HASHKEYS_MAX; n++) {
		struct hashkey before = now;
		assert_int_equal(keygen("--rotate", made), EXIT_DONE);
		assert_int_equal(hashkey_load(made, &now, &why), 0);
		assert_string_not_equal(now.id, before.id);
		assert_int_equal(hashkeys_load(made, all, &why), n);
		assert_memory_equal(&all[0], &now, sizeof(now));
		assert_memory_equal(&all[1], &before, sizeof(now));
	}
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* No further key is added, and the file is unchanged. */
	assert_int_equal(keygen("--rotate", made), EXIT_CANNOT);
	assert_int_equal(hashkeys_load(made, all, &why), HASHKEYS_MAX);
	assert_memory_equal(&all[0], &now, sizeof(now));
}

static void
invalid_hash_key_file_is_named(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *text; mode_t mode; const char *want; } rows[] = {
		{ "open to the group", "b0882a92e1b08f00029f73d46afce35f707c44a505dd953f65e0b94ad48b2b8f\n", 0640, "must be 0600" },
		{ "empty",             "", 0600, "not a hash key" },
		{ "half written",      "b0882a92e1b08f00029f73d46afce3", 0600, "not a hash key" },
		{ "a digit too many",  "b0882a92e1b08f00029f73d46afce35f707c44a505dd953f65e0b94ad48b2b8f0", 0600, "not a hash key" },
		{ "not hexadecimal",   "g0882a92e1b08f00029f73d46afce35f707c44a505dd953f65e0b94ad48b2b8f", 0600, "not a hash key" },
		{ "an older one cut",  "b0882a92e1b08f00029f73d46afce35f707c44a505dd953f65e0b94ad48b2b8f\nb088\n", 0600, "line 2: not a hash key" },
		{ "a signing key",     pem, 0600, "not a hash key" },
	};
	/* clang-format on */
	struct hashkey k;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&why);
		if (hashkey_load(put("bad", rows[i].text, rows[i].mode), &k, &why) >= 0)
			fail_msg("%s: taken", rows[i].name);
		buf_putc(&why, '\0');
		if (!strstr(buf_view(&why).p, rows[i].want))
			fail_msg("%s: %s", rows[i].name, buf_view(&why).p);
	}
	buf_clear(&why);
	/* A pipe without a writer would block a reload forever. */
	const char *pipe = put("pipe", NULL, 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(hashkey_load(pipe, &k, &why), ERR_IO);
	assert_non_null(memmem(buf_view(&why).p, why.n, "not a regular file", 18));
	assert_int_equal(hashkey_load(put("absent", NULL, 0), &k, &why), ERR_IO);
	assert_int_equal(hashkey_derive(put("absent", NULL, 0), &k, &why), ERR_IO);
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
	char cmd[128];

	(void)state;
	buf_free(&why);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_key_is_derived_from_the_signing_keys_file),
		cmocka_unit_test(file_of_its_own_keeps_the_hash_key),
		cmocka_unit_test(new_hash_key_precedes_the_earlier_ones),
		cmocka_unit_test(invalid_hash_key_file_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
