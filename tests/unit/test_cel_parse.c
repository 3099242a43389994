/* Every parser of the language, fed its input whole and cut at every offset, with the input
 * ending at an inaccessible page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/cel/ast.h"
#include "policy/cel/functions/regex.h"
#include "policy/cel/value.h"
#include "policy/cel/time.h"
#include "support/guard.h"

/* Returns true if the parser accepts all of s. */
typedef bool (*taker)(struct arena *a, struct span s);

static bool
takes_expr(struct arena *a, struct span s)
{
	struct cel_error err = { 0 };
	const struct cel_node *n = cel_parse(a, s, &err);

	if (!n) {
		assert_true(err.message[0] != 0);
		assert_true(err.line >= 1 && err.column >= 1 && err.column <= s.n + 1);
	}
	return n != NULL;
}

static bool
takes_timestamp(struct arena *a, struct span s)
{
	struct cel_value v;

	(void)a;
	return cel_timestamp_parse(s, &v) == 0;
}

static bool
takes_duration(struct arena *a, struct span s)
{
	struct cel_value v;

	(void)a;
	return cel_duration_parse(s, &v) == 0;
}

static bool
takes_double(struct arena *a, struct span s)
{
	double d;

	(void)a;
	return cel_double_parse(s, &d);
}

static bool
takes_address(struct arena *a, struct span s)
{
	struct cel_value v;

	(void)a;
	return cel_ip_parse(s, &v) == 0 || cel_cidr_parse(s, &v) == 0;
}

static bool
takes_pattern(struct arena *a, struct span s)
{
	const char *why = NULL;
	bool ok = cel_regex_compile(a, s, &why) != NULL;

	assert_non_null(why);
	return ok;
}

static bool
takes_zone(struct arena *a, struct span s)
{
	const char *why;

	return cel_zone_load(a, s, &why) != NULL;
}

/* clang-format off */
static const struct {
	const char *name;
	taker take;
	const char *input;
	size_t taken; /* number of accepted cuts, including the whole input */
} rows[] = {
	{ "an expression of every token", takes_expr,
	  "x.y[0].z(1)", 5 },
	{ "operators", takes_expr,
	  "!a&&-b||c<=d!=e in f?g:h%i/j*k+l-m>=.n==o<p>q", 17 },
	{ "literals", takes_expr,
	  "[0x1F,12u,.5e-3,r\"\\d\",b'\\xff\\101',\"\"\"a\"b\"\"\",'\\u00e4\\U0001F431',null,true,{1:[],'k':{},},]", 1 },
	{ "macros", takes_expr,
	  "(has(a.b.c)&&r.exists(x,x.all(y,i,y>i))&&cel.bind(t,u,t.map(v,w,z)))", 1 },
	{ "quoted names and comments", takes_expr, "(a.`b-c/d.e f` // why\n+.g)", 1 },
	{ "a timestamp", takes_timestamp, "2024-02-29T23:59:59.123456789-02:30", 1 },
	{ "a duration", takes_duration, "1h", 1 },
	{ "a double", takes_double, "-1.5e+3", 4 },
	{ "an IPv4 network", takes_address, "10.0.0.1/8", 2 },
	{ "an IPv6 address", takes_address, "2001:db8::1f", 3 },
	{ "a pattern", takes_pattern,
	  "(?i)^(?P<n>[^]a-z[:alpha:]\\s\\S\\]]+?|\\bx{2,3}\\p{Greek}\\pL\\x{10ffff}\\x4a\\123\\Q.*\\E(?:.|$))", 4 },
	{ "a zone", takes_zone, "Europe/Berlin", 1 },
	{ "an offset", takes_zone, "-02:30", 1 },
};
/* clang-format on */

static void
cut_text_is_accepted_or_refused_without_a_crash(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].input);
		size_t taken = 0;
		for (size_t cut = 0; cut <= n; cut++) {
			struct arena a;
			arena_init(&a, 0, false);
			char *p = guard_dup(rows[i].input, cut);
			bool took = rows[i].take(&a, span_of(p, cut));
			if (cut == n && !took)
				fail_msg("%s: %s is refused", rows[i].name, rows[i].input);
			taken += took;
			guard_free(p, cut);
			arena_reset(&a);
		}
		if (taken != rows[i].taken)
			fail_msg("%s: %zu cuts of %s are taken, not %zu", rows[i].name, taken,
				rows[i].input, rows[i].taken);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		cut_text_is_accepted_or_refused_without_a_crash) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
