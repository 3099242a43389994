/* Conditions against an environment: which ones are refused when the policy is loaded, with
 * which message and place, and the values of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/caps.h"
#include "base/err.h"
#include "policy/cel/cel.h"
#include "support/cel_rows.h"

enum { PERSON, TEAM, ROLES, CLEARANCE, ATTRIBUTES, CLASSES, INJECTION, EXTERNAL, DATA, NOW };

static const struct cel_var vars[] = {
	[PERSON] = { "identity.person", CEL_STRING, CEL_DYN },
	[TEAM] = { "identity.team", CEL_STRING, CEL_DYN },
	[ROLES] = { "identity.roles", CEL_LIST, CEL_STRING },
	[CLEARANCE] = { "identity.clearance", CEL_INT, CEL_DYN },
	[ATTRIBUTES] = { "identity.attributes", CEL_MAP, CEL_DYN },
	[CLASSES] = { "prompt.classes", CEL_LIST, CEL_STRING },
	[INJECTION] = { "prompt.injection", CEL_DOUBLE, CEL_DYN },
	[EXTERNAL] = { "target.external", CEL_BOOL, CEL_DYN },
	[DATA] = { "data", CEL_DYN, CEL_DYN },
	[NOW] = { "now", CEL_TIMESTAMP, CEL_DYN },
};
#define NVARS (sizeof(vars) / sizeof(vars[0]))
static const struct cel_env env = { vars, NVARS };

static unsigned asked[NVARS];

static struct cel_value
string(const char *s)
{
	return cel_string(span_str(s));
}

/* alice, roles analyst and contractor, clearance 1, 2025-07-01T06:30:00Z */
static struct cel_value
lookup(void *ctx, size_t slot, bool *present)
{
	static struct cel_value roles[2], classes[2], cel_row[4], people[2], attributes[2];

	(void)ctx;
	asked[slot]++;
	*present = slot != TEAM;
	switch (slot) {
	case PERSON: return string("alice");
	case TEAM: return string("");
	case ROLES:
		roles[0] = string("analyst");
		roles[1] = string("contractor");
		return cel_list(roles, 2);
	case CLASSES:
		classes[0] = string("pii");
		classes[1] = string("phi");
		return cel_list(classes, 2);
	case CLEARANCE: return cel_int(1);
	case ATTRIBUTES:
		attributes[0] = string("country");
		attributes[1] = string("DE");
		return (struct cel_value){ .type = CEL_MAP, .list = { attributes, 1 } };
	case INJECTION: return (struct cel_value){ .type = CEL_DOUBLE, .d = 0.95 };
	case EXTERNAL: return cel_bool(true);
	case DATA:
		cel_row[0] = string("level");
		cel_row[1] = cel_int(7);
		cel_row[2] = string("tags");
		cel_row[3] = cel_list(roles, 0);
		people[0] = string("people");
		people[1] = (struct cel_value){ .type = CEL_MAP, .list = { cel_row, 2 } };
		return (struct cel_value){ .type = CEL_MAP, .list = { people, 1 } };
	default: return (struct cel_value){ .type = CEL_TIMESTAMP, .t = { 1751351400, 0 } };
	}
}

static const struct cel_activation act = { .lookup = lookup };

/* clang-format off */
static void
condition_has_its_value(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "an int field is compared", "identity.clearance < 2", "true" },
		{ "an int field is compared with a double", "identity.clearance < 1.5", "true" },
		{ "a double field is compared with an int", "prompt.injection >= 1", "false" },
		{ "a word is in a list", "\"contractor\" in identity.roles", "true" },
		{ "a word is not in a list", "!(\"red-team\" in identity.roles)", "true" },
		{ "both sides of && hold", "\"phi\" in prompt.classes && target.external", "true" },
		{ "either side of || holds", "identity.person == \"bob\" || target.external", "true" },
		{ "the rule of the manual for injections", "prompt.injection >= 0.9 && !(\"red-team\" in identity.roles)", "true" },
		{ "office hours are local in summer", "now.getHours(\"Europe/Berlin\") < 8", "false" },
		{ "office hours in UTC", "now.getHours() < 8", "true" },
		{ "a declared field without a value is absent", "has(identity.team)", "false" },
		{ "a declared field with a value is present", "has(identity.person)", "true" },
		{ "an absent field is empty, not an error", "identity.team == \"\"", "true" },
		{ "a free-form row is selected further", "data.people.level > 5", "true" },
		{ "has() looks into a free-form row", "has(data.people.level) && !has(data.people.name)", "true" },
		{ "an attribute is selected", "identity.attributes.country == \"DE\"", "true" },
		{ "an attribute is indexed", "identity.attributes[\"country\"] == \"DE\"", "true" },
		{ "has() of an attribute", "has(identity.attributes.region)", "false" },
		{ "exists over a list", "identity.roles.exists(r, r.startsWith(\"contr\"))", "true" },
		{ "all over a list", "identity.roles.all(r, size(r) > 3)", "true" },
		{ "exists_one over a list", "identity.roles.exists_one(r, r == \"analyst\")", "true" },
		{ "filter and size", "identity.roles.filter(r, r != \"analyst\").size() == 1", "true" },
		{ "map and index", "identity.roles.map(r, r + \"!\")[0] == \"analyst!\"", "true" },
		{ "a variable hides nothing outside its macro", "[1].exists(identity, identity == 1) && identity.person == \"alice\"", "true" },
		{ "matches() anywhere", "identity.person.matches(\"l.c\")", "true" },
		{ "matches() anchored", "identity.person.matches(\"^l\")", "false" },
		{ "endsWith and contains", "identity.person.endsWith(\"ce\") && identity.person.contains(\"lic\")", "true" },
		{ "an error is absorbed by a true on the other side", "data.nothing.here > 1 || target.external", "true" },
		{ "an error is absorbed by a false on the other side", "data.nothing.here > 1 && identity.clearance > 5", "false" },
		{ "an error that decides is an error", "data.nothing.here > 1 || identity.clearance > 5", "error: no such key: nothing" },
		{ "a free-form value of the wrong type is a run-time error", "data.people.level == 7 && data.people.tags", "error: '&&' is not defined for list" },
		{ "a result that turns out to be no bool is an error", "data.people.level", "error: the result is int, not bool" },
		{ "time passes", "now - timestamp(\"2025-07-01T00:00:00Z\") == duration(\"6h30m\")", "true" },
		{ "a conditional chooses", "target.external ? identity.clearance >= 1 : false", "true" },
		{ "comments and line breaks are space", "identity.clearance // level\n < 2", "true" },
	};
	ROWS(rows, &env, &act, CEL_BOOL);
}

static void
invalid_condition_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "an unknown field with its nearest name", "identity.persn == \"a\"", "1:1: identity.persn: no such field; did you mean identity.person?" },
		{ "its line and column", "target.external &&\n  identity.clearence < 2", "2:3: identity.clearence: no such field; did you mean identity.clearance?" },
		{ "columns count characters", "\"\xc3\xa4\" == \"\xc3\xb6\" || persn == \"\"", "1:15: persn: no such field; did you mean identity.person?" },
		{ "a group alone is no value", "identity == \"a\"", "1:1: identity: a group of fields, not a value; did you mean identity.person?" },
		{ "has() of an unknown field", "has(identity.persn)", "1:5: identity.persn: no such field; did you mean identity.person?" },
		{ "has() of a group", "has(identity)", "1:5: has() takes a field, as in has(identity.person)" },
		{ "a field of a string", "identity.person.first == \"\"", "1:17: string has no fields, so no 'first'" },
		{ "has() of a field of a string", "has(identity.person.first)", "1:21: string has no fields, so no 'first'" },
		{ "a string is not ordered with an int", "identity.person < 2", "1:17: '<' is not defined for string and int" },
		{ "a string never equals an int", "identity.person == 2", "1:17: '==' is not defined for string and int" },
		{ "an int in a list of strings", "1 in identity.roles", "1:3: 'in' looks for a int, but the list holds string" },
		{ "in needs a collection", "\"a\" in identity.person", "1:8: 'in' needs a list or a map, found string" },
		{ "&& wants bools", "target.external && identity.clearance", "1:20: '&&' needs bool, found int" },
		{ "! wants a bool", "!identity.clearance", "1:2: '!' needs bool, found int" },
		{ "the result must be what is wanted", "identity.clearance + 1", "1:20: the result is int, not bool" },
		{ "an unknown function with its nearest name", "identity.person.startswith(\"a\")", "1:17: no such function: startswith(); did you mean startsWith()?" },
		{ "a call without arguments", "size() > 0", "1:1: size(): no such form" },
		{ "a method is no function", "startsWith(identity.person, \"a\")", "1:1: startsWith() is a method: write it after a value and a dot" },
		{ "wrong arguments", "identity.person.startsWith(1)", "1:17: string.startsWith(int): no such form" },
		{ "too many arguments", "size(identity.roles, 1) > 0", "1:1: size(list, int): no such form" },
		{ "a macro over a string", "identity.person.all(c, true)", "1:1: a macro needs a list or a map, found string" },
		{ "a macro's condition that is no bool", "identity.roles.all(r, r)", "1:23: a macro's condition needs bool, found string" },
		{ "a macro without its variable", "identity.roles.all(1, true)", "1:20: give a variable's name here, as in list.all(x, x > 0)" },
		{ "a variable outside its macro", "[1].all(x, x > 0) && x > 0", "1:22: x: no such field" },
		{ "a wrong pattern", "identity.person.matches(\"(\")", "1:25: matches(): not a valid regular expression" },
		{ "a pattern that can take exponential time", "identity.person.matches(\"(a+)+$x\")", "1:25: matches(): a repetition inside a repetition, or alternatives that begin with the same characters: a text can make the match take exponential time" },
		{ "one that can take time squared", "identity.person.matches(\"^.*foo.*bar$\")", "1:25: matches(): two repetitions can match the same text: a long text can make the match take quadratic time" },
		{ "a pattern with a backreference", "identity.person.matches(r\"(a)\\1\")", "1:25: matches(): backreferences are not part of the syntax (RE2)" },
		{ "an unknown time zone", "now.getHours(\"Europe/Berlim\") < 8", "1:14: getHours(): no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
		{ "a time zone that climbs out", "now.getHours(\"../../etc/passwd\") < 8", "1:14: getHours(): no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
		{ "a constant that cannot be converted", "now > timestamp(\"yesterday\")", "1:7: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "= for ==", "identity.person = \"a\"", "1:17: '=' is not an operator; use '==' to compare" },
		{ "& for &&", "target.external & true", "1:17: '&' is not an operator; use '&&'" },
		{ "and for &&", "true and true", "1:6: 'and' is not an operator; use '&&'" },
		{ "or for ||", "true or true", "1:6: 'or' is not an operator; use '||'" },
		{ "a list that is asked like a string", "identity.roles.contains(\"a\")", "1:16: list.contains(string): no such form; to search a list, write VALUE in LIST" },
		{ "nothing", "", "1:1: the expression ends where a value is expected" },
		{ "half an expression", "identity.person ==", "1:19: the expression ends where a value is expected" },
		{ "two expressions", "true false", "1:6: unexpected 'false': an operator or the end is expected" },
		{ "a parenthesis that does not close", "(true", "1:6: the expression ends where ')' is expected" },
		{ "a string that does not end", "identity.person == \"a", "1:20: the string does not end" },
		{ "a wrong escape", "identity.person == \"\\q\"", "1:21: unknown escape; a raw string r\"...\" takes backslashes literally" },
		{ "a reserved word", "let == 1", "1:1: unexpected 'let': a value is expected" },
		{ "a number over 64 bits", "identity.clearance < 9223372036854775808", "1:22: the number does not fit 64 bits" },
		{ "invalid UTF-8", "\"\xff\" == \"a\"", "1:1: the expression is not valid UTF-8" },
		{ "a stray byte", "true \x01", "1:6: unexpected byte 0x01 outside a string" },
	};
	ROWS(rows, &env, &act, CEL_BOOL);
}

static void
each_value_has_its_text(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "lists and maps as JSON", "[1, 2u, 1.5, \"a\\n\", b\"\\xff\", null, {1: [true]}]", "[1,2,1.5,\"a\\n\",\"/w==\",null,{\"1\":[true]}]" },
		{ "doubles keep their point", "[1.0, -0.0, 1e300, 0.1 + 0.2, 1.0/0.0]", "[1.0,-0.0,1e+300,0.30000000000000004,\"Infinity\"]" },
		{ "times as text", "[timestamp(\"2025-07-01T06:30:00.5+02:00\"), duration(\"-90m\")]", "[\"2025-07-01T04:30:00.5Z\",\"-5400s\"]" },
		{ "a duration of half a second", "string(duration(\"-500ms\"))", "\"-0.5s\"" },
		{ "the smallest int", "-9223372036854775808", "-9223372036854775808" },
		{ "int overflow", "identity.clearance + 9223372036854775807", "error: int overflow" },
		{ "int overflow of a product", "-9223372036854775808 * -identity.clearance", "error: int overflow" },
		{ "division by zero", "1 / (identity.clearance - 1)", "error: division by zero" },
		{ "modulus of the smallest int by -1 is 0", "-9223372036854775808 % -identity.clearance", "0" },
		{ "size counts code points", "size(\"\xf0\x9f\x90\xb1\xc3\xa9\")", "2" },
		{ "an index out of range", "identity.roles[2]", "error: index out of range" },
		{ "a negative index", "identity.roles[-1]", "error: index out of range" },
		{ "winter and summer in Berlin", "[timestamp(\"2025-01-01T00:00:00Z\").getHours(\"Europe/Berlin\"), timestamp(\"2050-07-01T00:00:00Z\").getHours(\"Europe/Berlin\")]", "[1,2]" },
		{ "the hour summer time begins", "[timestamp(\"2044-03-27T00:59:59Z\").getHours(\"Europe/Berlin\"), timestamp(\"2044-03-27T01:00:00Z\").getHours(\"Europe/Berlin\")]", "[1,3]" },
		{ "the hour summer time ends", "[timestamp(\"2044-10-30T00:59:59Z\").getHours(\"Europe/Berlin\"), timestamp(\"2044-10-30T01:00:00Z\").getHours(\"Europe/Berlin\")]", "[2,2]" },
		{ "the southern summer spans the year's end", "[timestamp(\"2060-01-01T00:00:00Z\").getHours(\"Australia/Sydney\"), timestamp(\"2060-07-01T00:00:00Z\").getHours(\"Australia/Sydney\")]", "[11,10]" },
		{ "a zone before its first transition", "timestamp(\"1700-01-01T12:00:00Z\").getHours(\"Europe/Berlin\")", "12" },
		{ "a zone known only at run time", "now.getHours(\"Europe/\" + (target.external ? \"Berlin\" : \"London\"))", "8" },
		{ "an unknown zone at run time", "now.getHours(identity.person)", "error: no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
		{ "a pattern known only at run time", "identity.person.matches(\"^\" + identity.person + \"$\")", "true" },
		{ "a wrong pattern at run time", "identity.person.matches(identity.person + \"(\")", "error: matches(): not a valid regular expression" },
		{ "a leap day", "timestamp(\"2024-02-29T00:00:00Z\").getDayOfYear()", "59" },
		{ "no leap day in 1900", "timestamp(\"1900-03-01T00:00:00Z\").getDayOfYear()", "59" },
		{ "weekdays before 1970", "timestamp(\"1969-12-31T00:00:00Z\").getDayOfWeek()", "3" },
		{ "milliseconds of a time", "(now + duration(\"1ms\")).getMilliseconds()", "1" },
		{ "a type has a name", "type(identity.roles) == list", "true" },
		{ "int of a string", "[int(\"-9223372036854775808\"), int(\"+1\")]", "[-9223372036854775808,1]" },
		{ "a comprehension inside another", "identity.roles.map(r, prompt.classes.map(c, r + c))", "[[\"analystpii\",\"analystphi\"],[\"contractorpii\",\"contractorphi\"]]" },
	};
	ROWS(rows, &env, &act, CEL_DYN);
}

static void
patterns_have_the_syntax_of_re2(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "$ is the very end", "\"a\\n\".matches(\"a$\")", "false" },
		{ "\\s without the vertical tab", "\"\\v\".matches(r\"\\s\")", "false" },
		{ "[\\s] without the vertical tab", "\"\\v\".matches(r\"[\\s]\")", "false" },
		{ "[\\S] with the vertical tab", "\"\\v\".matches(r\"^[\\S]$\")", "true" },
		{ "\\v is the vertical tab alone", "\"\\n\".matches(r\"\\v\")", "false" },
		{ "a plain brace", "\"a{,2}\".matches(\"^a{,2}$\")", "true" },
		{ "a counted repetition", "\"aaa\".matches(\"^a{2,3}?$\")", "true" },
		{ "octal", "\"S\".matches(r\"^\\123$\")", "true" },
		{ "quoted text", "\"a.b\".matches(r\"^\\Qa.b\\E$\") && !\"axb\".matches(r\"^\\Qa.b\\E$\")", "true" },
		{ "a NUL is a character", "[\"a\\000b\".matches(\"a\\000c\"), \"a\\000b\".matches(\"a\\000b\")]", "[false,true]" },
		{ "flags", "\"ABC\".matches(\"(?i)b\") && \"ABC\".matches(\"(?i:b)C\")", "true" },
		{ "a named group", "\"a\".matches(\"(?P<x>a)(?:b|)\")", "true" },
		{ "Unicode classes", "\"\xce\xb1\".matches(r\"^\\p{Greek}$\")", "true" },
		{ "digits are ASCII", "\"\xd9\xa3\".matches(r\"\\d\")", "false" },
		{ "POSIX classes", "\"a1\".matches(\"^[[:alpha:]][[:^alpha:]]$\")", "true" },
		{ "a bracket in a class", "\"]\".matches(\"^[]]$\") && \"[\".matches(\"^[[]$\")", "true" },
		{ "lookahead is refused", "\"a\".matches(\"a(?=b)\")", "error: matches(): that kind of group is not part of the syntax (RE2)" },
		{ "lookbehind is refused", "\"a\".matches(\"(?<=b)a\")", "error: matches(): lookaround is not part of the syntax (RE2)" },
		{ "possessive quantifiers are refused", "\"a\".matches(\"a*+\")", "error: matches(): two repetitions follow each other" },
		{ "recursion is refused", "\"a\".matches(\"(?R)\")", "error: matches(): that kind of group is not part of the syntax (RE2)" },
		{ "verbs are refused", "\"a\".matches(\"(*ACCEPT)\")", "error: matches(): a repetition has nothing to repeat" },
		{ "\\K is refused", "\"a\".matches(r\"a\\K\")", "error: matches(): no such escape in the syntax (RE2)" },
		{ "a repetition over 1000 is refused", "\"a\".matches(\"a{1001}\")", "error: matches(): a repetition count is above 1000" },
		{ "catastrophic backtracking ends", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\".matches(\"^(a|a)*$\")", "error: matches(): too much backtracking" },
	};
	ROWS(rows, NULL, &act, CEL_DYN);
}
/* clang-format on */

static void
condition_reads_only_the_fields_it_names(void **state)
{
	struct arena a;
	struct cel_error err;

	(void)state;
	arena_init(&a, 0, false);
	const struct cel_program *p = cel_compile(&a, &env,
		SPAN_LIT("has(identity.team) || data.x.y == 1 || now > timestamp(0)"), CEL_BOOL,
		&err);
	assert_non_null(p);
	for (size_t i = 0; i < NVARS; i++)
		assert_int_equal(cel_reads(p, i), i == TEAM || i == DATA || i == NOW);
	arena_reset(&a);
}

static void
field_is_read_once_and_only_if_needed(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	memset(asked, 0, sizeof(asked));
	assert_string_equal(cel_row_run(&a, &env, &act, CEL_BOOL,
				    "identity.clearance == 1 && identity.clearance < 2 || "
				    "identity.person == \"x\""),
		"true");
	assert_int_equal(asked[CLEARANCE], 1);
	assert_int_equal(asked[PERSON], 0);
	arena_reset(&a);
}

/* Returns a text with `unit` repeated. */
static struct span
repeated(struct arena *a, const char *head, const char *unit, size_t n, const char *tail)
{
	size_t u = strlen(unit);
	char *p = arena_alloc(a, strlen(head) + u * n + strlen(tail) + 1), *q = p;

	q = stpcpy(q, head);
	for (size_t i = 0; i < n; i++)
		q = stpcpy(q, unit);
	q = stpcpy(q, tail);
	return span_of(p, (size_t)(q - p));
}

static void
expressions_are_limited(void **state)
{
	struct cel_error err;
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	assert_null(cel_compile(&a, NULL, repeated(&a, "", "(", 20000, "1"), CEL_DYN, &err));
	assert_string_equal(err.message, "nested too deeply");
	assert_null(cel_compile(&a, NULL, repeated(&a, "1", "+1", 10000, ""), CEL_DYN, &err));
	assert_string_equal(err.message, "nested too deeply");
	assert_null(cel_compile(&a, NULL, repeated(&a, "a", ".a", 10000, ""), CEL_DYN, &err));
	assert_string_equal(err.message, "nested too deeply");
	assert_null(cel_compile(&a, NULL, repeated(&a, "[", "1,", 12000, "]"), CEL_DYN, &err));
	assert_string_equal(err.message, "the expression has too many parts");
	assert_null(cel_compile(
		&a, NULL, repeated(&a, "", " ", CAP_CEL_BYTES, "1"), CEL_DYN, &err));
	assert_string_equal(err.message, "the expression is too long");
	assert_null(cel_compile(&a, NULL,
		repeated(&a, "", "[1].all(x,", 40, "true") /* not closed */, CEL_DYN, &err));
	/* A long chain of || does not count as nesting. */
	assert_non_null(cel_compile(
		&a, &env, repeated(&a, "true", "||target.external", 1500, ""), CEL_BOOL, &err));
	assert_non_null(cel_compile(&a, NULL, repeated(&a, "", "(", 200, "1)") /* not closed */,
				CEL_DYN, &err) == NULL
				? (void *)1
				: NULL);
	arena_reset(&a);
}

static void
evaluation_ends_at_its_limit(void **state)
{
	static const char *const greedy[] = {
		/* only constants: constant folding is limited too */
		"[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, "
		"[1,2,3,4,5,6,7,8,9].all(c, "
		"[1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, "
		"[1,2,3,4,5,6,7,8,9].all(f, "
		"a+b+c+d+e+f > 0))))))",
		"[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, "
		"[1,2,3,4,5,6,7,8,9].all(c, "
		"[1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, "
		"[1,2,3,4,5,6,7,8,9].all(f, "
		"a+b+c+d+e+f+identity.clearance > 0)))))) || true",
		"cel.bind(a, identity.person+identity.person+identity.person+identity.person, "
		"cel.bind(b, a+a+a+a+a+a+a+a, cel.bind(c, b+b+b+b+b+b+b+b, cel.bind(d, "
		"c+c+c+c+c+c+c+c, "
		"cel.bind(e, d+d+d+d+d+d+d+d, cel.bind(f, e+e+e+e+e+e+e+e, cel.bind(g, "
		"f+f+f+f+f+f+f+f, "
		"size(g+g+g+g+g+g) > 1))))))) || true",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++) {
		struct arena a;
		struct cel_error err;
		struct cel_value v;
		arena_init(&a, 64u << 20, false);
		const struct cel_program *p =
			cel_compile(&a, &env, span_str(greedy[i]), CEL_BOOL, &err);
		assert_non_null(p);
		/* `|| true` does not turn the error into a value. */
		assert_int_equal(cel_eval(p, &act, &a, &v), ERR_LIMIT);
		assert_int_equal(v.type, CEL_ERROR);
		assert_false(arena_failed(&a));
		arena_reset(&a);
	}
}

static void
full_arena_is_an_error(void **state)
{
	struct cel_error err;
	struct arena program;

	(void)state;
	arena_init(&program, 0, false);
	const struct cel_program *p = cel_compile(&program, &env,
		SPAN_LIT("identity.roles.map(r, r + r).size() == 2 || true"), CEL_BOOL, &err);
	assert_non_null(p);
	for (size_t cap = 16; cap < 400; cap += 16) {
		struct arena a;
		struct cel_value v;
		arena_init(&a, cap, false);
		int rc = cel_eval(p, &act, &a, &v);
		assert_int_equal(rc, arena_failed(&a) ? ERR_NOMEM : 0);
		arena_reset(&a);
	}
	/* The compiler must not crash either. */
	for (size_t cap = 64; cap < 20000; cap += 96) {
		struct arena a;
		arena_init(&a, cap, false);
		p = cel_compile(&a, &env,
			SPAN_LIT("now.getHours(\"Europe/Berlin\") < 8 && identity.roles.all(r, "
				 "r.matches(\"a|b\")) && \"a\\n\" in [\"a\", \"b\"]"),
			CEL_BOOL, &err);
		assert_int_equal(p != NULL, !arena_failed(&a));
		arena_reset(&a);
	}
	arena_reset(&program);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition_has_its_value),
		cmocka_unit_test(invalid_condition_is_refused_with_its_place),
		cmocka_unit_test(each_value_has_its_text),
		cmocka_unit_test(patterns_have_the_syntax_of_re2),
		cmocka_unit_test(condition_reads_only_the_fields_it_names),
		cmocka_unit_test(field_is_read_once_and_only_if_needed),
		cmocka_unit_test(expressions_are_limited),
		cmocka_unit_test(evaluation_ends_at_its_limit),
		cmocka_unit_test(full_arena_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
