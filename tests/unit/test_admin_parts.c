/* Tokens, sessions and guesses of the admin server, without a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "operator/admin/guesses.h"
#include "operator/admin/sessions.h"
#include "operator/admin/tls.h"
#include "operator/admin/tokens.h"
#include "support/temp_dir.h"

#include "support/admin_certs.h" /* files of that folder */

static void
a_file_of_tokens_is_read_whole_or_not_at_all(void **state)
{
#define H "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define T "2026-11-01T00:00:00Z"
	static const struct {
		const char *in, *why; /* NULL: as it was written */
	} rows[] = {
		{ "# none\n", NULL },
		{ "a viewer " H " " T " never\n", NULL },
		{ "a viewer " H " " T " " T " revoked " T "\n", NULL },
		{ "a king " H " " T " never\n", "1: roles are" },
		{ "\na viewer " H " " T "\n", "2: NAME ROLES" },
		{ "a viewer " H " " T " never revoked\n", "1: NAME ROLES" },
		{ "a viewer " H " " T " never ended " T "\n", "1: after the end" },
		{ "a viewer " H "0 " T " never\n", "1: a SHA-256" },
		{ "a viewer " H " then never\n", "1: when it was made" },
		{ "a viewer " H " " T " soon\n", "1: its end" },
		{ "a/b viewer " H " " T " never\n", "1: a name is" },
		{ "a viewer " H " " T " never\nb viewer " H " " T " never\n",
			"2: this is another" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf why, out;
		buf_init(&why, 0);
		buf_init(&out, 0);
		struct admin_tokens *t = admin_tokens_parse(span_str(rows[i].in), &why);
		if (rows[i].why) {
			assert_null(t);
			if (!span_starts(buf_view(&why), span_str(rows[i].why)))
				fail_msg("%s: %.*s", rows[i].in, SPAN_ARG(buf_view(&why)));
		} else {
			assert_non_null(t);
			admin_tokens_write(t, &out);
			buf_putc(&out, '\0');
			if (rows[i].in[0] != '#')
				assert_non_null(strstr(buf_view(&out).p, rows[i].in));
		}
		free(t);
		buf_free(&why);
		buf_free(&out);
	}
}

static void
a_session_is_over_when_nobody_used_it(void **state)
{
	const uint64_t idle = SESSION_IDLE_S * 1000000ull;
	unsigned char token[SHA256_BYTES] = { 1 }, other[SHA256_BYTES] = { 2 },
		      id[SHA256_BYTES], first[SHA256_BYTES], found[SHA256_BYTES];
	struct sessions *s = sessions_new();
	char text[SESSION_TEXT];

	(void)state;
	sessions_begin(s, token, 1, text);
	assert_int_equal(strlen(text), SESSION_TEXT - 1);
	sha256(span_str(text), first);
	assert_true(sessions_find(s, first, idle, true, found));
	assert_memory_equal(found, token, sizeof(found));
	assert_true(sessions_find(s, first, 2 * idle - 1, false, found));
	assert_false(sessions_find(s, first, 2 * idle, true, found));
	/* Of one token sixteen: the longest unused goes, and nobody else's. */
	sessions_begin(s, other, 3 * idle, text);
	sha256(span_str(text), id);
	sessions_begin(s, token, 3 * idle, text);
	sha256(span_str(text), first);
	for (unsigned i = 1; i <= 16; i++)
		sessions_begin(s, token, 3 * idle + i, text);
	assert_false(sessions_find(s, first, 3 * idle + 20, false, found));
	assert_true(sessions_find(s, id, 3 * idle + 20, false, found));
	assert_int_equal(sessions_count(s, 3 * idle + 20), 17);
	sessions_end(s, id);
	assert_false(sessions_find(s, id, 3 * idle + 20, false, found));
	sessions_free(&s);
}

static void
wrong_tokens_are_counted_by_source_and_forgotten_with_time(void **state)
{
	struct source a = { { 1 } }, b = { { 2 } };
	struct guesses *g = guesses_new();

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(guesses_wait(g, &a, 1000000), 0);
		guesses_wrong(g, &a, 1000000);
	}
	assert_int_equal(guesses_wait(g, &a, 1000000), 6);
	assert_int_equal(guesses_wait(g, &b, 1000000), 0);
	assert_int_equal(guesses_wait(g, &a, 7000000), 0);
	guesses_free(&g);
}

/* Whether it can be served, and when it ends. */
static void
a_key_that_others_may_read_is_none(void **state)
{
	char crt[300], key[300];
	struct admin_tls files = { .certificate = crt, .key = key };
	struct buf why;

	(void)state;
	make_certificates();
	snprintf(crt, sizeof(crt), "%s", path("server.crt"));
	snprintf(key, sizeof(key), "%s", path("other.key"));
	buf_init(&why, 4096);
	int64_t left_s = tls_look(&files, &why) - time(NULL);
	assert_in_range(left_s, 3000, 3600);
	assert_int_equal(why.n, 0);
	for (mode_t bit = 01; bit < 0100; bit <<= 1) {
		assert_int_equal(chmod(key, 0600 | bit), 0);
		assert_int_equal(tls_look(&files, &why), 0);
		buf_putc(&why, '\0');
		assert_non_null(strstr(buf_view(&why).p, "its mode is 06"));
		buf_clear(&why);
	}
	assert_int_equal(chmod(key, 0600), 0);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_tokens_is_read_whole_or_not_at_all),
		cmocka_unit_test(a_session_is_over_when_nobody_used_it),
		cmocka_unit_test(wrong_tokens_are_counted_by_source_and_forgotten_with_time),
		cmocka_unit_test(a_key_that_others_may_read_is_none),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
