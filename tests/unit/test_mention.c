/* Further occurrences of values: scan/text/mention.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/err.h"
#include "scan/text/mention.h"

enum { VALUES = 4 };
struct value {
	const char *text;
	enum mention_how how;
};

/* Writes the text with each occurrence in brackets, with the number of its value. */
static void
mark(struct span text, const struct mention_scan *s, char *out, size_t room)
{
	size_t at = 0, n = 0;

	out[0] = 0;
	for (size_t i = 0; i <= s->n; i++) {
		size_t to = i < s->n ? s->v[i].start : text.n;
		n += (size_t)snprintf(out + n, room - n, "%.*s", (int)(to - at), text.p + at);
		if (i == s->n)
			break;
		n += (size_t)snprintf(out + n, room - n, "[%u:%.*s]", s->v[i].tag,
			(int)(s->v[i].end - s->v[i].start), text.p + s->v[i].start);
		at = s->v[i].end;
	}
}

static void
values_are_found_at_the_edges_of_tokens(void **state)
{
	static const struct {
		const char *name;
		struct value values[VALUES];
		const char *want; /* the marked text */
	} rows[] = {
		{ "a value is found wherever it stands", { { "hunter2", MENTION_EXACT } },
			"[0:hunter2], and \"[0:hunter2]\".[0:hunter2]" },
		{ "a letter or digit that goes on across an end makes another token",
			{ { "hunter2", MENTION_EXACT } }, "xhunter2 hunter22 1hunter2" },
		{ "an underscore is an edge", { { "hunter2", MENTION_EXACT } },
			"pw_[0:hunter2]_old" },
		{ "so is a letter of another script", { { "hunter2", MENTION_EXACT } },
			"密码是[0:hunter2]。" },
		{ "an escape before it is not part of the token",
			{ { "hunter2", MENTION_EXACT } },
			"a\\n[0:hunter2] %22[0:hunter2] \\u0022[0:hunter2] n\\[0:hunter2]" },
		{ "a value that begins with a sign has its edge there",
			{ { "$ecret1!", MENTION_EXACT } }, "x[0:$ecret1!]y" },
		{ "a secret in base64 is the secret, alone or among others",
			{ { "quuxel47", MENTION_EXACT } },
			"[0:cXV1eGVsND]c= YTp[0:xdXV4ZWw0N]zo= b64 dXNlciB[0:xdXV4ZWw0N]wo=" },
		{ "and in hexadecimal", { { "quuxel47", MENTION_EXACT } },
			"0x[0:71757578656c3437]00" },
		{ "secrets are the same byte by byte", { { "Hunter2", MENTION_EXACT } },
			"[0:Hunter2] hunter2 HUNTER2" },
		{ "addresses are the same in any case",
			{ { "Ada@Example.org", MENTION_CASELESS } },
			"[0:ada@example.ORG] ada@example.orgs" },
		{ "numbers are the same however they are parted",
			{ { "4111 1111 1111 1111", MENTION_FOLDED } },
			"[0:4111111111111111] [0:4111-1111-1111-1111] 41111111111111112 "
			"([0:4111.1111.1111.1111]) 4111 1111, 1111 1111" },
		{ "a dash of three bytes parts numbers as well",
			{ { "4111-1111-1111-1111", MENTION_FOLDED } },
			"[0:4111\xe2\x80\x93"
			"1111\xe2\x80\x93"
			"1111\xe2\x80\x93"
			"1111] x" },
		{ "a number after other numbers", { { "12345678", MENTION_FOLDED } },
			"1 1234 [0:1234 5678] 9" },
		{ "in a JSON string inside the text it is spelled otherwise",
			{ { "pa\"ss\\word", MENTION_EXACT } },
			"[0:pa\"ss\\word] [0:pa\\\"ss\\\\word]" },
		{ "in a URL too", { { "a b@c.de", MENTION_CASELESS } },
			"?q=[0:A%20b%40c.de]&x" },
		{ "of values in values the longest counts",
			{ { "abcd", MENTION_EXACT }, { "abcd-efgh", MENTION_EXACT } },
			"[1:abcd-efgh] [0:abcd]-efg [0:abcd]" },
		{ "values that overlap leave nothing between them",
			{ { "abcd-efgh", MENTION_EXACT }, { "efgh-ijkl", MENTION_EXACT } },
			"[0:abcd-efgh][1:-ijkl]" },
		{ "a suffix of a longer beginning is found",
			{ { "aaaa-bbbb-cccc", MENTION_EXACT }, { "bbbb-dddd", MENTION_EXACT } },
			"aaaa-[1:bbbb-dddd]" },
		{ "of equal values the first counts",
			{ { "abcde1", MENTION_CASELESS }, { "ABCDE1", MENTION_CASELESS } },
			"[0:AbCdE1]" },
		{ "a word in other capitals is another word",
			{ { "DEUTDEFF", MENTION_CASELESS }, { "SECU-RITY", MENTION_FOLDED } },
			"[0:DEUTDEFF] deutdeff security SECURITY [1:SECU-RITY]" },
		{ "of a name and a password the password alone too",
			{ { "bob:s3cret-x", MENTION_EXACT }, { "app:secret", MENTION_EXACT },
				{ "a:b://c1234", MENTION_CASELESS } },
			"[0:bob:s3cret-x] [0:s3cret-x] bob [1:app:secret] secret" },
		{ "some are found inside tokens", { { "tg_abcdef", MENTION_ANYWHERE } },
			"x[0:tg_abcdef]y" },
		{ "what is very short is not followed",
			{ { "abc", MENTION_EXACT }, { "1-2-3", MENTION_FOLDED } }, "abc 123" },
		{ "an empty text", { { "abcd", MENTION_EXACT } }, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char plain[512], got[512];
		size_t n = 0;
		for (const char *p = rows[i].want; *p; p++)
			if (*p == '[' && p[1] >= '0' && p[1] <= '9' && p[2] == ':')
				p += 2;
			else if (*p != ']')
				plain[n++] = *p;
		/* Before the end of its memory, and in pieces of any length. */
		char *text = malloc(n + 1);
		assert_non_null(text);
		memcpy(text, plain, n);
		for (size_t piece = 1; piece <= n + 1; piece++) {
			struct mention_set *set = mention_set_new();
			struct mention_scan scan = { 0 };
			assert_non_null(set);
			for (uint32_t k = 0; k < VALUES && rows[i].values[k].text; k++)
				assert_int_equal(
					mention_add(set, span_str(rows[i].values[k].text),
						rows[i].values[k].how, k),
					0);
			while (mention_build(set, piece))
				;
			mention_begin(&scan, set, span_of(text, n));
			while (scan.at < n)
				assert_int_equal(mention_next(&scan, piece), 0);
			mark(span_of(text, n), &scan, got, sizeof(got));
			if (strcmp(got, rows[i].want))
				fail_msg("%s, in pieces of %zu: %s", rows[i].name, piece, got);
			mention_scan_free(&scan);
			mention_set_free(&set);
		}
		free(text);
	}
}

/* The same by searching for each value at each place. */
static void
random_texts_give_the_results_of_a_plain_search(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 3000; round++) {
		static const char alphabet[] = "aab1.-";
		char values[6][8], text[64];
		struct mention_set *set = mention_set_new();
		struct mention_scan scan = { 0 };
		bool want[64] = { false }, got[64] = { false };
		size_t n = (size_t)rand() % 60;
		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[rand() % 6];
		for (uint32_t k = 0; k < 6; k++) {
			size_t len = 4 + (size_t)rand() % 4;
			for (size_t i = 0; i < len; i++)
				values[k][i] = alphabet[rand() % 6];
			assert_int_equal(
				mention_add(set, span_of(values[k], len), MENTION_EXACT, k), 0);
			for (size_t at = 0; at + len <= n; at++) {
				size_t end = at + len;
				if (memcmp(text + at, values[k], len) ||
					(at && strchr("ab1", text[at]) &&
						strchr("ab1", text[at - 1])) ||
					(end < n && strchr("ab1", text[end - 1]) &&
						strchr("ab1", text[end])))
					continue;
				memset(want + at, true, len);
			}
		}
		while (mention_build(set, 3))
			;
		mention_begin(&scan, set, span_of(text, n));
		assert_int_equal(mention_next(&scan, SIZE_MAX), 0);
		for (size_t i = 0; i < scan.n; i++) {
			assert_true(i == 0 || scan.v[i].start >= scan.v[i - 1].end);
			memset(got + scan.v[i].start, true, scan.v[i].end - scan.v[i].start);
		}
		assert_memory_equal(want, got, sizeof(want));
		mention_scan_free(&scan);
		mention_set_free(&set);
	}
}

static void
too_many_values_are_refused(void **state)
{
	struct mention_set *set = mention_set_new();
	char value[1024];
	int err = 0;

	(void)state;
	memset(value, 'a', sizeof(value));
	for (int i = 0; err == 0 && i < 2200; i++) {
		value[0] = (char)('a' + i / 26 / 26);
		value[1] = (char)('a' + i / 26 % 26);
		value[2] = (char)('a' + i % 26);
		err = mention_add(set, span_of(value, sizeof(value)), MENTION_EXACT, 0);
		/* Values that are already in the set take no room. */
		for (int k = 0; err == 0 && k < 3; k++)
			assert_int_equal(mention_add(set, span_of(value, sizeof(value)),
						 MENTION_EXACT, 1),
				0);
		assert_true(err == 0 || i == (int)(CAP_MENTION_BYTES / sizeof(value)));
	}
	assert_int_equal(err, ERR_LIMIT);
	mention_set_free(&set);
}

static void
many_addresses_leave_room_for_other_values(void **state)
{
	struct mention_set *set = mention_set_new();
	struct mention_scan scan = { 0 };
	static char values[100000][48];
	struct span text = SPAN_LIT("it is quuxel47, or FIRST.LAST5@department5.example.com");

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		int n = snprintf(values[i], sizeof(values[i]),
			"first.last%u@department%u.example.com", i, i);
		assert_int_equal(mention_add(set, span_of(values[i], (size_t)n),
					 MENTION_CASELESS, i),
			0);
	}
	assert_int_equal(mention_add(set, SPAN_LIT("quuxel47"), MENTION_EXACT, 100000), 0);
	assert_int_equal(mention_build(set, SIZE_MAX), 0);
	mention_begin(&scan, set, text);
	assert_int_equal(mention_next(&scan, SIZE_MAX), 0);
	assert_int_equal(scan.n, 2);
	assert_int_equal(scan.v[0].tag, 100000);
	assert_int_equal(scan.v[1].tag, 5);
	mention_scan_free(&scan);
	mention_set_free(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_at_the_edges_of_tokens),
		cmocka_unit_test(random_texts_give_the_results_of_a_plain_search),
		cmocka_unit_test(too_many_values_are_refused),
		cmocka_unit_test(many_addresses_leave_room_for_other_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
