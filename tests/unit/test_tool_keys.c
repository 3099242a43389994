/* Arguments whose keys differ only in case: Go's encoding/json and others take one for the
 * other. A rule that reads one of them fails, however the call arrives. Also: the remarks of
 * `check` about rules that the number "NaN" would pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "policy/advice/notes.h"
#include "policy/verdict/tool.h"
#include "support/answer_fix.h"

/* ---- letters ---- */

static void
keys_are_compared_without_case(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "amount", "Amount", true },
		{ "amount", "AMOUNT", true },
		{ "amount", "amount", true },
		{ "amount", "amounts", false },
		{ "amounts", "amount", false },
		{ "", "", true },
		{ "", "a", false },
		{ "to_k", "TO_\xE2\x84\xAA", true }, /* Kelvin sign */
		{ "pas\xC5\xBF", "pass", true },     /* long s */
		{ "\xC5\xBF", "S", true },
		{ "\xE1\xBA\x9E", "\xC3\x9F", true }, /* sharp s */
		{ "\xC2\xB5", "\xCE\x9C", true },     /* micro sign, capital mu */
		{ "\xCF\x82", "\xCE\xA3", true },     /* final sigma */
		{ "\xE2\x84\xAB", "\xC3\xA5", true }, /* angstrom */
		{ "stra\xC3\x9F"
		  "e",
			"strasse", false },
		{ "\xD0\x90", "\xD0\xB0", true }, /* Cyrillic a */
		{ "\xD0\xB0", "a", false },
		{ "\xF0\x90\x90\x80", "\xF0\x90\x90\xA8", true }, /* Deseret */
		{ "id",
			"\xC4\xB0"
			"d",
			true }, /* dotted I */
		{ "\xC4\xB1"
		  "d",
			"ID", true }, /* dotless i */
		{ "a-b", "a_b", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (letters_caseless_eq(span_str(rows[i].a), span_str(rows[i].b)) !=
				rows[i].same ||
			letters_caseless_eq(span_str(rows[i].b), span_str(rows[i].a)) !=
				rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
}

/* Pairs of characters that Node's regular expressions treat as equal: simple case folding. */
static void
node_folds_the_same_characters(void **state)
{
	static const char script[] =
		"const newer = parseFloat(process.versions.unicode) > 17;"
		"for (let c = 0; c < 0x110000 && !newer; c++) { const a = "
		"String.fromCodePoint(c);"
		" if (c >= 0xd800 && c < 0xe000) continue;"
		" for (const b of [a.toLowerCase(), a.toUpperCase()])"
		"  if (b !== a && [...b].length === 1 &&"
		"   new RegExp(`^\\\\u{${c.toString(16)}}$`, 'iu').test(b))"
		"   console.log(c, b.codePointAt(0)); }";
	unsigned a, b;
	size_t n = 0;

	(void)state;
	if (system("command -v node >/dev/null"))
		skip();
	setenv("SCRIPT", script, 1);
	FILE *f = popen("node -e \"$SCRIPT\"", "r");
	assert_non_null(f);
	for (; fscanf(f, "%u %u", &a, &b) == 2; n++) {
		char x[4], y[4];
		struct span one = span_of(x, utf8_encode(a, x)),
			    other = span_of(y, utf8_encode(b, y));
		if (!letters_caseless_eq(one, other))
			fail_msg("U+%04X and U+%04X", a, b);
	}
	assert_int_equal(pclose(f), 0);
	if (!n)
		skip(); /* Node knows later characters */
	assert_true(n > 2500);
}

/* ---- rules ---- */

#define RULE(when) "rules: [{name: a, phase: tool, when: '" when "', deny: {reason: no}}]\n"
#define BIG	   RULE("tool.arguments.amount > 100")
#define GUARDED	   RULE("has(tool.arguments.amount) && tool.arguments.amount > 100")

/* Rules, arguments, and whether the call is denied. */
static const struct {
	const char *rules, *arguments;
	bool denied;
} rows[] = {
	{ BIG, "{\"amount\":5}", false },
	{ BIG, "{\"amount\":5,\"Amount\":500}", true },
	{ BIG, "{\"Amount\":500,\"amount\":5}", true },
	{ BIG, "{\"amount\":5,\"\\u0041mount\":500}", true },
	{ BIG, "{\"amount\":5,\"AMOUNT\":5}", true },
	{ BIG, "{\"amount\":5,\"amounts\":500}", false },
	{ GUARDED, "{\"amount\":5,\"Amount\":500}", true },
	{ GUARDED, "{\"amount\":5}", false },
	{ GUARDED, "{\"other\":5,\"Other\":5}", false },
	{ GUARDED, "{}", false },
	{ RULE("!(has(tool.arguments.dry))"), "{\"dry\":true}", false },
	{ RULE("!(has(tool.arguments.dry))"), "{\"dry\":true,\"Dry\":false}", true },
	{ RULE("!(\"dry\" in tool.arguments)"), "{\"Dry\":true,\"dry\":true}", true },
	{ GUARDED, "{\"Amount\":500}", true },
	{ RULE("\"amount\" in tool.arguments && tool.arguments.amount > 100"),
		"{\"Amount\":500,\"amount\":1}", true },
	{ RULE("tool.arguments[\"amount\"] > 100"), "{\"amount\":5,\"Amount\":500}", true },
	/* only keys that a rule reads */
	{ BIG, "{\"amount\":5,\"x\":1,\"X\":2}", false },
	{ BIG, "{\"amount\":5,\"headers\":{\"Accept\":1,\"accept\":2}}", false },
	{ RULE("tool.name == \"drop\""), "{\"amount\":5,\"Amount\":500}", false },
	{ RULE("tool.name == \"drop\" && tool.arguments.amount > 100"),
		"{\"amount\":5,\"Amount\":500}", false },
	/* at every depth */
	{ RULE("tool.arguments.to.bank.id == 7"), "{\"to\":{\"bank\":{\"id\":1,\"ID\":7}}}",
		true },
	{ RULE("tool.arguments.to.bank.id == 7"), "{\"to\":{\"bank\":{\"id\":1}},\"To\":{}}",
		true },
	{ RULE("tool.arguments.to.bank.id == 7"), "{\"to\":{\"bank\":{\"id\":1,\"x\":1}}}",
		false },
	{ RULE("tool.arguments.list[1].id == 7"), "{\"list\":[{},{\"id\":1,\"Id\":7}]}", true },
	{ RULE("tool.arguments.list.exists(e, e.id == 7)"), "{\"list\":[{\"id\":1,\"Id\":7}]}",
		true },
	{ RULE("tool.arguments.list.exists(e, e.id == 7)"), "{\"list\":[{\"id\":1}]}", false },
	{ RULE("tool.arguments.exists(k, tool.arguments[k] == 7)"), "{\"id\":1,\"Id\":2}",
		true },
	{ RULE("tool.arguments.exists(k, v, k == \"id\" && v == 7)"), "{\"id\":1,\"Id\":7}",
		true },
	{ RULE("tool.arguments.exists(k, v, k == \"id\" && v == 7)"), "{\"id\":1,\"it\":7}",
		false },
	{ RULE("tool.arguments == {\"id\": 7}"), "{\"id\":7,\"Id\":1}", true },
	{ RULE("tool.arguments.a == tool.arguments.b"), "{\"a\":{\"x\":1,\"X\":2},\"b\":1}",
		false },
	{ RULE("[tool.arguments.a] == [{\"x\": 1}]"), "{\"a\":{\"x\":1,\"X\":2}}", true },
	/* Kelvin sign and long s */
	{ RULE("tool.arguments.key == \"x\""),
		"{\"key\":\"\",\"\xE2\x84\xAA"
		"ey\":\"x\"}",
		true },
	{ RULE("tool.arguments.class == \"x\""), "{\"class\":\"\",\"clas\\u017f\":\"x\"}",
		true },
	{ RULE("tool.arguments.class == \"x\""), "{\"class\":\"\",\"clasz\":\"x\"}", false },
	/* like exact duplicates: the rule's on_error applies */
	{ "rules: [{name: a, phase: tool, when: 'tool.arguments.amount > 100', on_error: skip, "
	  "deny: "
	  "true}]\n",
		"{\"amount\":5,\"Amount\":500}", false },
	{ "rules: [{name: p, phase: tool, when: 'tool.arguments.amount <= 100', permit: true}, "
	  "{name: a, phase: tool, deny: true}]\n",
		"{\"amount\":5,\"Amount\":500}", true },
};

static void
key_that_differs_in_case_fails_the_rule_that_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct answer_request asked;
		struct policy_fix x;
		struct tool_verdict v;
		struct arena a;
		answer_load(rows[i].rules, &x, &a, &asked);
		struct tool_call c = { .name = SPAN_LIT("pay"),
			.arguments = span_str(rows[i].arguments) };
		assert_int_equal(policy_tool(x.p, &asked, &c, &a, &v), 0);
		if ((v.ruled.effect == RULE_DENY) != rows[i].denied)
			fail_msg("%s: %s", rows[i].rules, rows[i].arguments);
		arena_reset(&a);
		fix_done(&x);
	}
}

/* ---- whole responses ---- */

/* @A stands for the arguments of the call, @S for the same in a string. test_guard_calls_long.c
 * tests streams. */
static const struct answer_case whole[] = {
	{ "chat", BIG, "openai", "/v1/chat/completions", "application/json",
		"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"tool_calls\":"
		"[{\"id\":"
		"\"c\",\"type\":\"function\",\"function\":{\"name\":\"pay\",\"arguments\":\"@"
		"S\"}}]},"
		"\"finish_reason\":\"tool_calls\"}]}",
		NULL },
	{ "an older chat", BIG, "openai", "/v1/chat/completions", "application/json",
		"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"function_"
		"call\":{"
		"\"name\":\"pay\",\"arguments\":\"@S\"}},\"finish_reason\":\"function_call\"}]"
		"}",
		NULL },
	{ "responses", BIG, "openai", "/v1/responses", "application/json",
		"{\"object\":\"response\",\"store\":false,\"status\":\"completed\",\"output\":["
		"{\"type\":"
		"\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"pay\","
		"\"arguments\":\"@S\"}]}",
		NULL },
	{ "messages", BIG, "anthropic", "/v1/messages", "application/json",
		"{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\","
		"\"name\":\"pay\","
		"\"input\":@A}],\"stop_reason\":\"tool_use\"}",
		NULL },
	{ "Gemini", BIG, "gemini", "/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"pay\","
		"\"args\":@"
		"A}}]},\"finishReason\":\"STOP\"}]}",
		NULL },
	{ "Bedrock", BIG, "bedrock", "/model/x/converse", "application/json",
		"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
		"\"toolUseId\":"
		"\"t\",\"name\":\"pay\",\"input\":@A}}]}},\"stopReason\":\"tool_use\"}",
		NULL },
	{ "Cohere", BIG, "cohere", "/v2/chat", "application/json",
		"{\"id\":\"r\",\"message\":{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
		"\"a\",\"type\":"
		"\"function\",\"function\":{\"name\":\"pay\",\"arguments\":\"@S\"}}]},\"finish_"
		"reason\":"
		"\"TOOL_CALL\"}",
		NULL },
	{ "Ollama", BIG, "ollama", "/api/chat", "application/json",
		"{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
		"\"function\":{"
		"\"name\":\"pay\",\"arguments\":@A}}]},\"done\":true,\"done_reason\":\"stop\"}",
		NULL },
	{ "Mistral's conversations", BIG, "mistral", "/v1/conversations", "application/json",
		"{\"object\":\"conversation.response\",\"conversation_id\":\"v\",\"outputs\":[{"
		"\"object\":"
		"\"entry\",\"type\":\"function.call\",\"tool_call_id\":\"c\",\"name\":\"pay\","
		"\"arguments\":\"@S\"}]}",
		NULL },
};

static void
put_answer(const char *in, const char *arguments, struct buf *out)
{
	for (; *in; in++) {
		if (*in != '@') {
			buf_putc(out, *in);
			continue;
		}
		for (const char *c = arguments; *c; c++)
			buf_printf(out, "%s%c", in[1] == 'S' && strchr("\"\\", *c) ? "\\" : "",
				*c);
		in++;
	}
}

static void
key_that_differs_in_case_denies_the_call_in_each_dialect(void **state)
{
	static const struct {
		const char *arguments;
		bool denied;
	} calls[] = { { "{\"amount\":5}", false }, { "{\"amount\":5,\"Amount\":500}", true },
		{ "{\"amount\":5,\"x\":{\"Id\":1,\"id\":2}}", false },
		{ "{\"amount\":5,\"\xE1\xBA\x9E\":1,\"\xC3\x9F\":2}", false } };
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (size_t i = 0; i < COUNT_OF(whole) * COUNT_OF(calls); i++) {
		const struct answer_case *as = &whole[i / COUNT_OF(calls)];
		struct guard_rig r;
		size_t k = i % COUNT_OF(calls);
		buf_clear(&in);
		put_answer(as->in, calls[k].arguments, &in);
		guard_rig_open(&r, as);
		guard_rig_feed(&r, buf_view(&in));
		guard_rig_end(&r);
		const struct guard_report *rep = guard_report(r.g);
		assert_int_equal(rep->ncalled, 1);
		if ((rep->called[0].ruled.effect == RULE_DENY) != calls[k].denied)
			fail_msg("%s, %s: %d", as->name, calls[k].arguments, r.got);
		if (!calls[k].denied && (r.got || !span_eq(buf_view(&r.out), buf_view(&in))))
			fail_msg("%s, %s: %.*s", as->name, calls[k].arguments,
				SPAN_ARG(buf_view(&r.out)));
		if (calls[k].denied && r.out.n && memmem(r.out.p, r.out.n, "Amount", 6))
			fail_msg("%s: %.*s", as->name, SPAN_ARG(buf_view(&r.out)));
		guard_rig_close(&r);
	}
	buf_free(&in);
}

/* ---- a text that is not a number ---- */

static void
note_nan(void *arg, const char *text)
{
	*(unsigned *)arg += strstr(text, "double()") != NULL;
}

static void
rules_that_nan_passes_are_remarked(void **state)
{
#define X "double(tool.arguments.x)"
	static const struct {
		const char *when, *effect;
		bool named;
	} said[] = {
		{ X " > 100.0", "deny: true", true },
		{ "!(" X " <= 100.0)", "deny: true", false },
		{ "!(" X " > 0.0 && " X " <= 100.0)", "deny: true", false },
		{ "!(" X " > 0.0) || " X " > 100.0", "deny: true", false },
		{ X " > 100.0 || " X " != " X, "deny: true", false },
		{ "math.isNaN(" X ") || " X " > 100.0", "deny: true", false },
		{ "!math.isFinite(" X ") || " X " > 100.0", "deny: true", false },
		{ "100.0 < " X, "deny: true", true },
		{ X " * 2.0 >= 100.0", "deny: true", true },
		{ X " == 100.0", "redact: {classes: [pii]}", true },
		{ X " in [1.0, 2.0]", "deny: true", true },
		{ "tool.name == \"a\" && (" X " < 1.0 || true)", "deny: true", true },
		{ "!(!(" X " > 100.0))", "deny: true", true },
		{ "tool.arguments.list.exists(e, double(e.x) > 1.0)", "deny: true", true },
		{ "!tool.arguments.list.all(e, double(e.x) <= 1.0)", "deny: true", false },
		{ "tool.arguments.list.map(e, double(e)).exists(d, d > 1.0)", "deny: true",
			true },
		{ "cel.bind(d, " X ", d > 100.0)", "deny: true", true },
		{ "cel.bind(d, " X ", !(d <= 100.0))", "deny: true", false },
		{ "double(tool.arguments.y) > 1.0 || !(" X " <= 1.0)", "deny: true", true },
		{ "(" X " > 1.0) == true", "deny: true", true },
		{ X " <= 100.0", "permit: true", false },
		{ "!(" X " > 100.0)", "permit: true", true },
		{ X " != 7.0", "permit: true", true },
		{ "int(tool.arguments.x) > 100", "deny: true", false },
		{ "int(" X ") > 100", "deny: true", false },
		{ "tool.arguments.x > 100.0", "deny: true", false },
		{ "double(prompt.tokens) > 100.0", "deny: true", false },
		{ "double(\"5\") > 100.0 && tool.name == \"x\"", "deny: true", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++) {
		struct policy_fix x;
		char rules[512];
		unsigned n = 0;
		snprintf(rules, sizeof(rules),
			H "rules: [{name: a, phase: tool, when: '%s', %s}]\n", said[i].when,
			said[i].effect);
		fix_must_load(&x, rules);
		policy_notes(x.p, NULL, detect_fix()->rules, note_nan, &n);
		if (n != said[i].named)
			fail_msg("%s, %s: %u", said[i].when, said[i].effect, n);
		fix_done(&x);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_compared_without_case),
		cmocka_unit_test(node_folds_the_same_characters),
		cmocka_unit_test(key_that_differs_in_case_fails_the_rule_that_reads_it),
		cmocka_unit_test(key_that_differs_in_case_denies_the_call_in_each_dialect),
		cmocka_unit_test(rules_that_nan_passes_are_remarked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
