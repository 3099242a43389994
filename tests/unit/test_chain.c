/* The lines of the chain: written in one form, read only in that form, at every cut and against
 * a guard page. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/sha256.h"
#include "record/journal/chain.h"
#include "support/chain_build.h"
#include "support/guard.h"

static struct chain_build b;

/* Returns line i of the chain, without its newline. */
static struct span
line(size_t i)
{
	struct span s = buf_view(&b.out), l = span_next(&s, '\n');

	while (i--)
		l = span_next(&s, '\n');
	return l;
}

static void
record_reads_back(void **state)
{
	struct chain_line l;
	unsigned char hash[CHAIN_HASH_BYTES];

	(void)state;
	assert_int_equal(chain_parse(line(2), &l), 0);
	assert_false(l.commit);
	assert_true(span_is(l.node, "gw-1"));
	assert_true(span_is(l.type, "decision"));
	assert_int_equal(l.boot, 1);
	assert_int_equal(l.seq, 2);
	assert_int_equal(l.time.n, 30);
	sha256(line(0), hash);
	assert_memory_equal(l.prev, hash, sizeof(hash));
}

static void
commit_reads_back(void **state)
{
	struct chain_line l;
	unsigned char hash[CHAIN_HASH_BYTES];

	(void)state;
	assert_int_equal(chain_parse(line(5), &l), 0);
	assert_true(l.commit);
	assert_int_equal(l.first, 2);
	assert_int_equal(l.seq, 4);
	sha256(line(4), hash);
	assert_memory_equal(l.head, hash, sizeof(hash));
	assert_true(span_is(l.key, b.key.pub.id));
	assert_true(pubkey_verify(&b.key.pub, l.signed_text, l.sig));
	assert_int_equal(l.signed_text.p[0], '{');
	assert_int_equal(l.signed_text.p[l.signed_text.n - 1], '}');
}

static void
each_line_is_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		json_t *j = json_loadb(line(i).p, line(i).n, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(j);
		json_decref(j);
	}
}

static void
cut_line_is_refused(void **state)
{
	struct chain_line l;

	(void)state;
	for (size_t which = 0; which < 6; which++)
		for (size_t n = 0; n <= line(which).n; n++) {
			void *p = guard_dup(line(which).p, n);
			int err = chain_parse(span_of(p, n), &l);
			guard_free(p, n);
			assert_int_equal(err, n == line(which).n ? 0 : ERR_SYNTAX);
		}
}

/* Replaces the first `from` in line `which` with `to`. */
static int
parse_edited(size_t which, const char *from, const char *to)
{
	char text[2048], out[4096];
	struct chain_line l;

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(line(which)));
	char *at = strstr(text, from);
	if (!at)
		fail_msg("%s is not in %s", from, text);
	int n = snprintf(
		out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return chain_parse(span_of(out, (size_t)n), &l);
}

static void
only_the_written_form_is_read(void **state)
{
	/* clang-format off */
	static const struct { const char *name; size_t line; const char *from, *to; int want; } rows[] = {
		{ "another version",                    2, "\"v\":1",       "\"v\":2",            ERR_SYNTAX },
		{ "a space",                            2, "\"v\":1",       "\"v\": 1",           ERR_SYNTAX },
		{ "sequence zero",                      2, "\"seq\":2",     "\"seq\":0",          ERR_SYNTAX },
		{ "a sequence with a leading zero",     2, "\"seq\":2",     "\"seq\":02",         ERR_SYNTAX },
		{ "a negative sequence",                2, "\"seq\":2",     "\"seq\":-2",         ERR_SYNTAX },
		{ "a sequence over 2^63",               2, "\"seq\":2",     "\"seq\":9223372036854775808", ERR_SYNTAX },
		{ "a very large sequence",              2, "\"seq\":2",     "\"seq\":99999999999999999999999", ERR_SYNTAX },
		{ "no sequence",                        2, "\"seq\":2",     "\"seq\":",           ERR_SYNTAX },
		{ "boot zero",                          2, "\"boot\":1",    "\"boot\":0",         ERR_SYNTAX },
		{ "a node with a quote",                2, "gw-1",          "gw\\\"1",            ERR_SYNTAX },
		{ "an empty node",                      2, "gw-1",          "",                   ERR_SYNTAX },
		{ "a node of 65 characters",            2, "gw-1",          "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg", ERR_SYNTAX },
		{ "a node of 64 characters",            2, "gw-1",          "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", 0 },
		{ "an impossible month",                2, "2027-01-",      "2027-13-",           ERR_SYNTAX },
		{ "an empty type",                      2, "decision",      "",                   ERR_SYNTAX },
		{ "a record that ends in text",         2, "\"permit\"}",   "\"permit\"",         ERR_SYNTAX },
		{ "another record's fields",            2, "\"permit\"",    "\"deny\"",           0 },
		{ "a commit that begins after its end", 5, "\"first\":2",   "\"first\":5",        ERR_SYNTAX },
		{ "a commit with more behind it",       5, "\"}",           "\"} ",               ERR_SYNTAX },
		{ "an upper-case hash",                 5, "\"head\":\"",   "\"head\":\"A",       ERR_SYNTAX },
		{ "a short signature",                  5, "==\"}",         "\"}",                ERR_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse_edited(rows[i].line, rows[i].from, rows[i].to) != rows[i].want)
			fail_msg("%s", rows[i].name);
}

static void
fields_that_could_break_a_line_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct span fields;
		int want;
	} rows[] = {
		{ "a type alone", SPAN_LIT("\"type\":\"x\""), 0 },
		{ "a type and more", SPAN_LIT("\"type\":\"x\",\"a\":1"), 0 },
		{ "nothing", SPAN_LIT(""), ERR_SYNTAX },
		{ "no type first", SPAN_LIT("\"a\":1,\"type\":\"x\""), ERR_SYNTAX },
		{ "an empty type", SPAN_LIT("\"type\":\"\""), ERR_SYNTAX },
		{ "a type that does not end", SPAN_LIT("\"type\":\"x"), ERR_SYNTAX },
		{ "a raw newline", SPAN_LIT("\"type\":\"x\",\"a\":\"\n\""), ERR_SYNTAX },
		{ "a raw NUL", SPAN_LIT("\"type\":\"x\",\"a\":\"\0\""), ERR_SYNTAX },
	};
	char *big = malloc(CAP_RECORD_BYTES + 1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (chain_fields_check(rows[i].fields) != rows[i].want)
			fail_msg("%s", rows[i].name);
	memset(big, 'a', CAP_RECORD_BYTES + 1);
	memcpy(big, "\"type\":\"x\"", 10);
	assert_int_equal(chain_fields_check(span_of(big, CAP_RECORD_BYTES + 1)), ERR_LIMIT);
	assert_int_equal(chain_fields_check(span_of(big, CAP_RECORD_BYTES)), 0);
	free(big);
}

static void
invalid_utf8_is_replaced(void **state)
{
	struct chain_build c;

	(void)state;
	chain_build_init(&c, "n");
	c.chain.boot = 1;
	chain_build_record(
		&c, "\"type\":\"x\",\"path\":\"/\xff\xc3\xa9\xed\xa0\x80!\xe2\x82\"");
	struct span l = buf_view(&c.out);
	json_t *j = json_loadb(l.p, l.n - 1, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "path")),
		"/\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!"
		"\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(j);
	chain_build_free(&c);
}

static void
top_level_members_are_found(void **state)
{
	static const struct {
		const char *name, *line, *key, *want;
	} rows[] = {
		{ "a string with its quotes", "{\"a\":1,\"id\":\"x\"}", "id", "\"x\"" },
		{ "a number", "{\"a\":12,\"id\":\"x\"}", "a", "12" },
		{ "an object", "{\"a\":{\"b\":[1,2]},\"id\":\"x\"}", "a", "{\"b\":[1,2]}" },
		{ "the last member", "{\"a\":[{\"id\":1}],\"id\":2}", "id", "2" },
		{ "not a nested one", "{\"a\":{\"id\":1}}", "id", NULL },
		{ "not a value that looks like a key", "{\"a\":\"id\",\"b\":1}", "id", NULL },
		{ "not text inside a string", "{\"a\":\"\\\",\\\"id\\\":1\"}", "id", NULL },
		{ "brackets in strings do not count", "{\"a\":\"}]{[\",\"id\":3}", "id", "3" },
		{ "an escaped quote in the value", "{\"id\":\"a\\\"b\"}", "id", "\"a\\\"b\"" },
		{ "an absent one", "{\"a\":1}", "b", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span got = chain_member(span_str(rows[i].line), rows[i].key);
		if (rows[i].want ? !span_is(got, rows[i].want) : got.p != NULL)
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(got));
		for (size_t n = 0; n < strlen(rows[i].line); n++) {
			void *p = guard_dup(rows[i].line, n);
			chain_member(span_of(p, n), rows[i].key);
			guard_free(p, n);
		}
	}
}

static int
setup(void **state)
{
	(void)state;
	chain_build_init(&b, "gw-1");
	chain_build_boot(&b);
	chain_build_add(&b, 3);
	return buf_failed(&b.out) ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	chain_build_free(&b);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_reads_back),
		cmocka_unit_test(commit_reads_back),
		cmocka_unit_test(each_line_is_json),
		cmocka_unit_test(cut_line_is_refused),
		cmocka_unit_test(only_the_written_form_is_read),
		cmocka_unit_test(fields_that_could_break_a_line_are_refused),
		cmocka_unit_test(invalid_utf8_is_replaced),
		cmocka_unit_test(top_level_members_are_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
