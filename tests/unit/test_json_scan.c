/* codec/json_scan: strings and brackets of JSON, wherever its bytes are cut. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/codec/json_scan.h"

/* One letter for each member of enum json_byte: plain, opens, closes, stray, begins, text,
 * backslash, escaped, ends. */
static const char letters[] = ".oc!btxse";

static const struct {
	const char *name, *text, *want;
	unsigned depth;	     /* at the end */
	bool string, escape; /* at the end */
	size_t close;	     /* result of json_scan_close() for the text */
} rows[] = {
	{ "an object closes with its bracket", "{\"a\":1} ", "obte..c.", 0, false, false, 7 },
	{ "a list in an object does not close the object", "{[1]}{}", "oo.ccoc", 0, false,
		false, 5 },
	{ "brackets in a string do not count", "[\"]}{[\"]", "obttttec", 0, false, false, 8 },
	{ "a quote after a backslash does not end the string", "[\"\\\"]\"]", "obxstec", 0,
		false, false, 7 },
	{ "a backslash after a backslash escapes nothing", "[\"\\\\\"]", "obxsec", 0, false,
		false, 6 },
	{ "a backslash outside a string is a plain byte", "[\\\"a\"]", "o.btec", 0, false,
		false, 6 },
	{ "a closing bracket without an open one is stray", "]}[]", "!!oc", 0, false, false,
		4 },
	{ "a bracket of the other kind closes too", "[}", "oc", 0, false, false, 2 },
	{ "a string that is the document opens no bracket", "\"a\"", "bte", 0, false, false,
		0 },
	{ "a number has no strings and no brackets", "-1.5e3", "......", 0, false, false, 0 },
	{ "a text may end in a string", "[{\"ab", "oobtt", 2, true, false, 0 },
	{ "a text may end after a backslash", "[\"\\", "obx", 1, true, true, 0 },
	{ "bytes of a character over ASCII are text", "\"\xc3\xa9\"", "btte", 0, false, false,
		0 },
};

static void
byte_is_classified(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json_scan s = { 0 };
		for (size_t k = 0; rows[i].text[k]; k++) {
			char got = letters[json_scan_byte(&s, rows[i].text[k])];
			if (got != rows[i].want[k])
				fail_msg("%s: byte %zu is '%c', want '%c'", rows[i].name, k,
					got, rows[i].want[k]);
		}
		if (s.depth != rows[i].depth || s.string != rows[i].string ||
			s.escape != rows[i].escape)
			fail_msg("%s: ends at depth %u, string %d, escape %d", rows[i].name,
				s.depth, s.string, s.escape);
	}
}

static void
text_closes_at_the_same_byte_in_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span text = span_str(rows[i].text);
		for (size_t cut = 0; cut <= text.n; cut++) {
			struct json_scan s = { 0 };
			size_t got = json_scan_close(&s, span_cut(text, 0, cut));
			if (!got) {
				got = json_scan_close(&s, span_cut(text, cut, text.n));
				got = got ? got + cut : 0;
			}
			if (got != rows[i].close)
				fail_msg("%s: cut at %zu, closes at %zu, want %zu",
					rows[i].name, cut, got, rows[i].close);
		}
	}
}

static void
depth_does_not_overflow(void **state)
{
	struct json_scan s = { .depth = UINT_MAX };

	(void)state;
	json_scan_all(&s, SPAN_LIT("[["));
	assert_int_equal(s.depth, UINT_MAX);
	assert_int_equal(json_scan_close(&s, SPAN_LIT("]]")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_is_classified),
		cmocka_unit_test(text_closes_at_the_same_byte_in_every_cut),
		cmocka_unit_test(depth_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
