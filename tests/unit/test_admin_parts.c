/* Tokens, sessions and wrong tokens of the admin server, without a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/caps.h"
#include "base/err.h"
#include "operator/admin/guesses.h"
#include "operator/admin/sessions.h"
#include "operator/admin/tls.h"
#include "operator/admin/tokens.h"
#include "support/temp_dir.h"

#include "support/admin_certs.h" /* the files are in that folder */

static void
token_file_is_read_whole_or_not_at_all(void **state)
{
#define H "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ALIKE "00112233445566778899aabbccddeeff00112233445566778899aabbccddee00"
#define T "2026-11-01T00:00:00Z"
	static const struct {
		const char *in, *why; /* NULL: unchanged */
	} rows[] = {
		{ "# none\n", NULL },
		{ "a viewer " H " " T " never\n", NULL },
		{ "a viewer " H " " T " " T " revoked " T "\n", NULL },
		{ "a king " H " " T " never\n", "1: the roles must" },
		{ "\na viewer " H " " T "\n", "2: write NAME ROLES" },
		{ "a viewer " H " " T " never revoked\n", "1: write NAME ROLES" },
		{ "a viewer " H " " T " never ended " T "\n", "1: after END" },
		{ "a viewer " H "0 " T " never\n", "1: the SHA-256" },
		{ "a viewer " H " then never\n", "1: CREATED must" },
		{ "a viewer " H " " T " soon\n", "1: END must" },
		{ "a/b viewer " H " " T " never\n", "1: the name must" },
		{ "a viewer " H " " T " never\nb viewer " H " " T " never\n",
			"2: another token has this SHA-256" },
		{ "a viewer " H " " T " never\nb viewer " ALIKE " " T " never\n", NULL },
		{ "a viewer " H " " T " never\na viewer " ALIKE " " T " never\n",
			"2: another token has this name" },
		/* The time 0 would otherwise mean no end. */
		{ "a viewer " H " " T " 1970-01-01T00:00:00Z\n", "1: END must" },
		{ "a viewer " H " " T " never revoked 1970-01-01T00:00:00Z\n", "1: after END" },
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

/* 1024 tokens are accepted, and no more. */
static void
token_file_has_at_most_1024_tokens(void **state)
{
	struct buf text, why;

	(void)state;
	buf_init(&text, 0);
	buf_init(&why, 0);
	for (unsigned i = 0; i <= CAP_ADMIN_TOKENS; i++) {
		if (i == CAP_ADMIN_TOKENS) {
			struct admin_tokens *all = admin_tokens_parse(buf_view(&text), &why);
			assert_non_null(all);
			assert_int_equal(all->n, CAP_ADMIN_TOKENS);
			free(all);
		}
		buf_printf(&text, "t%u viewer %064x " T " never\n", i, i);
	}
	assert_null(admin_tokens_parse(buf_view(&text), &why));
	assert_true(span_starts(buf_view(&why), SPAN_LIT("1025: the file has more than 1024 tokens")));
	buf_free(&text);
	buf_free(&why);
}

static void
unused_session_expires(void **state)
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
	/* One token has at most sixteen sessions: its longest unused one is ended, and no other
	 * token's. */
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

/* A session is ended wherever it is in the table. */
static void
log_out_ends_each_session(void **state)
{
	static unsigned char id[CAP_ADMIN_SESSIONS][SHA256_BYTES];
	unsigned char token[SHA256_BYTES] = { 0 };
	struct sessions *s = sessions_new();
	char text[SESSION_TEXT];

	(void)state;
	for (unsigned i = 0; i < CAP_ADMIN_SESSIONS; i++) {
		token[0] = (unsigned char)(i / 16);
		sessions_begin(s, token, 1000 + i, text);
		sha256(span_str(text), id[i]);
	}
	for (unsigned i = 0; i < CAP_ADMIN_SESSIONS; i++) {
		assert_int_equal(sessions_count(s, 3000), CAP_ADMIN_SESSIONS - i);
		sessions_end(s, id[i]);
	}
	assert_int_equal(sessions_count(s, 3000), 0);
	sessions_free(&s);
}

/* If all places are taken, the session that was unused for the longest time is ended. */
static void
new_session_replaces_the_longest_unused(void **state)
{
	unsigned char token[SHA256_BYTES] = { 0 }, id[2][SHA256_BYTES], found[SHA256_BYTES];
	struct sessions *s = sessions_new();
	char text[SESSION_TEXT];

	(void)state;
	for (unsigned i = 0; i <= CAP_ADMIN_SESSIONS; i++) {
		token[0] = (unsigned char)(i / 16);
		token[1] = i == CAP_ADMIN_SESSIONS;
		sessions_begin(s, token, 1000 + i, text);
		if (i < 2)
			sha256(span_str(text), id[i]);
		if (i == 1) /* the first session is used again */
			assert_true(sessions_find(s, id[0], 2000, true, found));
	}
	assert_int_equal(sessions_count(s, 3000), CAP_ADMIN_SESSIONS);
	assert_true(sessions_find(s, id[0], 3000, false, found));
	assert_false(sessions_find(s, id[1], 3000, false, found));
	sessions_free(&s);
}

/* A source cannot have its wrong tokens forgotten by sending some from many other addresses. */
static void
source_with_most_wrong_tokens_is_remembered_longest(void **state)
{
	struct source much = { { 1 } }, other = { { 2 } };
	struct guesses *g = guesses_new();

	(void)state;
	for (int i = 0; i < 10; i++)
		guesses_wrong(g, &much, 1000000);
	for (unsigned i = 0; i < 3 * CAP_ADMIN_SOURCES; i++) {
		memcpy(other.bytes + 4, &i, sizeof(i));
		guesses_wrong(g, &other, 1000000);
	}
	assert_int_equal(guesses_wait(g, &much, 1000000), 6);
	guesses_free(&g);
}

static void
wrong_tokens_are_counted_by_source_and_expire(void **state)
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

/* Checks whether the certificate can be served, and when it ends. */
static void
private_key_readable_by_others_is_refused(void **state)
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
	/* A key of another certificate is refused too. */
	EVP_PKEY *stranger = EVP_EC_gen("P-256");
	write_pem("stranger.key", NULL, stranger);
	EVP_PKEY_free(stranger);
	snprintf(key, sizeof(key), "%s", path("stranger.key"));
	assert_int_equal(tls_look(&files, &why), 0);
	buf_putc(&why, '\0');
	assert_non_null(strstr(buf_view(&why).p, "is not the key of "));
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_file_is_read_whole_or_not_at_all),
		cmocka_unit_test(token_file_has_at_most_1024_tokens),
		cmocka_unit_test(unused_session_expires),
		cmocka_unit_test(log_out_ends_each_session),
		cmocka_unit_test(new_session_replaces_the_longest_unused),
		cmocka_unit_test(source_with_most_wrong_tokens_is_remembered_longest),
		cmocka_unit_test(wrong_tokens_are_counted_by_source_and_expire),
		cmocka_unit_test(private_key_readable_by_others_is_refused),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
