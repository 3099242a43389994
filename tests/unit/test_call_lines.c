/* Tool calls of records as commands show them: a line for each call in audit list, sums in
 * usage --by tool, and their names in the policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "budget/tally/calls.h"
#include "cmd/usage/usage.h"
#include "policy/tools.h"
#include "support/guard.h"
#include "support/policy_fix.h"
#include "support/run_cmd.h"

#define LINE(seq, type, rest)                                                                  \
	"{\"v\":1,\"node\":\"n\",\"boot\":1,\"seq\":" #seq ",\"prev\":\"\",\"time\":"          \
	"\"2026-11-22T09:00:0" #seq ".000000Z\",\"type\":\"" type "\",\"id\":\"tg-" #seq       \
	"\",\"decided_at\":\"2026-11-22T09:00:0" #seq ".000000Z\",\"route\":\"r\","            \
	"\"identity\":{\"person\":\"jane\",\"agent\":\"bot\"}," rest "}"
#define MCP(decision)                                                                          \
	"\"calls\":[{\"by\":\"mcp\",\"server\":\"tools\",\"method\":\"tools/call\",\"tool\":"  \
	"\"pay\",\"operation\":\"payments\",\"decision\":\"" decision                          \
	"\",\"rule\":\"small\"}]"

static const char *const lines[] = {
	LINE(1, "decision", "\"decision\":\"permit\"," MCP("permit")),
	LINE(2, "completion", MCP("permit") ",\"outcome\":\"complete\",\"cost_nanousd\":7"),
	LINE(3, "decision", "\"decision\":\"deny\"," MCP("deny")),
	LINE(4, "completion",
		"\"usage\":{\"input_tokens\":10,\"output_tokens\":5},\"calls\":[{\"by\":"
		"\"answer\",\"tool\":\"pay\",\"operation\":\"payments\",\"decision\":\"deny\","
		"\"rule\":\"no-pay\"},{\"by\":\"answer\",\"tool\":\"look\",\"decision\":"
		"\"permit\"}]"),
	LINE(5, "decision",
		"\"decision\":\"permit\",\"about\":{\"operation\":\"payments\"},\"calls\":[{"
		"\"by\":\"api\",\"server\":\"bank\",\"tool\":\"transfer\",\"operation\":"
		"\"payments\",\"decision\":\"permit\"}]"),
	/* as written before calls had entries, and of a route to models */
	LINE(6, "decision",
		"\"decision\":\"permit\",\"about\":{\"operation\":\"payments\"},\"model\":"
		"\"m\""),
	LINE(7, "decision",
		"\"decision\":\"permit\",\"calls\":[7,{\"by\":1,\"operation\":[]}]"),
};

static void
records(void)
{
	FILE *f = fopen(path("r.jsonl"), "w");

	assert_non_null(f);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		fprintf(f, "%s\n", lines[i]);
	fclose(f);
}

static void
each_call_has_a_line(void **state)
{
	static const struct {
		const char *args[8], *want;
	} t[] = {
		{ { "--operation", "payments" },
			"2026-11-22T09:00:01.000Z permit mcp jane bot r tools/pay small tg-1\n"
			"2026-11-22T09:00:03.000Z deny mcp jane bot r tools/pay small tg-3\n"
			"2026-11-22T09:00:04.000Z deny answer jane bot r /pay no-pay tg-4\n"
			"2026-11-22T09:00:05.000Z permit api jane bot r bank/transfer - tg-5\n"
			"2026-11-22T09:00:06.000Z permit jane r m - - tg-6\n" },
		{ { "--operation", "payments", "--decision", "deny" },
			"2026-11-22T09:00:03.000Z deny mcp jane bot r tools/pay small tg-3\n"
			"2026-11-22T09:00:04.000Z deny answer jane bot r /pay no-pay tg-4\n" },
		{ { "--tool", "look" },
			"2026-11-22T09:00:04.000Z permit answer jane bot r /look - tg-4\n" },
		{ { "--server", "bank", "--person", "jane" },
			"2026-11-22T09:00:05.000Z permit api jane bot r bank/transfer - "
			"tg-5\n" },
		{ { "--server", "bank", "--person", "bob" }, "" },
		{ { "--operation", "nothing" }, "" },
	};

	(void)state;
	records();
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		const char *args[16] = { "audit", "list", "--file", path("r.jsonl") };
		char file[256];
		snprintf(file, sizeof(file), "%s", path("r.jsonl"));
		args[3] = file;
		for (size_t k = 0; k < 8 && t[i].args[k]; k++)
			args[4 + k] = t[i].args[k];
		assert_int_equal(tollgate_argv("", args), 0);
		if (strcmp(cmd_out, t[i].want) != 0)
			fail_msg("%s %s: %s%s", t[i].args[0], t[i].args[1], cmd_out, cmd_err);
	}
}

static void
each_call_counts_for_its_own_tool(void **state)
{
	struct usage_table t = { .by = { BY_TOOL }, .nby = 1 };
	const struct usage_before before = { .since = "" };
	struct buf out;

	(void)state;
	assert_int_equal(usage_table_init(&t), 0);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		usage_add(&t, span_str(lines[i]), SPAN_LIT("2026-11-22"));
	buf_init(&out, 0);
	struct usage_page page = { .limit = 0 };
	assert_int_equal(usage_paged(&t, &page), 0);
	assert_true(usage_print(&t, &before, &page, FORM_CSV, NULL, NULL, &out));
	free(page.row);
	buf_putc(&out, '\0');
	const char *csv = buf_view(&out).p;
	/* tool, requests, refused, …, prompt tokens, which count for each call of a response */
	static const char *const want[] = { "\"tools/pay\",2,1,0,0,", "\"/pay\",1,1,0,10,",
		"\"/look\",1,0,0,10,", "\"bank/transfer\",1,0,0,0,",
		",7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,,0," };
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (!strstr(csv, want[i]))
			fail_msg("%s: %s", want[i], csv);
	assert_int_equal(t.total.sum[SUM_INPUT], 10);
	assert_int_equal(t.total.sum[SUM_COST], 7);
	assert_int_equal(t.total.sum[SUM_REQUESTS], 5);
	buf_free(&out);
	/* cut anywhere, nothing is read beyond the end */
	for (size_t n = 0; n < strlen(lines[3]); n++) {
		char *p = guard_dup(lines[3], n);
		usage_add(&t, span_of(p, n), SPAN_LIT(""));
		guard_free(p, n);
	}
	usage_table_free(&t);
}

#define HEAD                                                                                   \
	"tollgate: 1\nname: t\nproviders: {pays: {backend: openai, dialect: mcp}, gpt: "       \
	"{backend: openai, dialect: openai}}\nroutes: [{name: a, match: {path: /mcp}, "        \
	"targets: pays}]\n"

static void
operation_names_an_existing_tool(void **state)
{
	static const struct {
		const char *operations, *error;
	} t[] = {
		{ "{p: [pays/pay, pays/refund, /pay]}", NULL },
		{ "{p: pays/*}", NULL },
		{ "{p: [pay/x]}", "pay: no provider with dialect: mcp has this name, did you "
				  "mean pays?" },
		{ "{p: [gpt/x]}", "gpt: no provider with dialect: mcp has this name" },
		{ "{p: [pays/x], q: [pays/x]}",
			"operations: pays/x is already listed for p, in line 5" },
		{ "{p: [pays]}", "operations: SERVER/TOOL, SERVER/* or, for tools in responses of models, "
				 "/TOOL is expected" },
		{ "{p: [\"\"]}", "a string is expected" },
		{ "{p: ['pays/a b']}", "operations: SERVER/TOOL" },
		{ "{'a b': [pays/x]}", "a b" },
		{ "[p]", "operations" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct policy_fix f;
		struct buf text;
		buf_init(&text, 0);
		buf_printf(&text, HEAD "operations: %s\n%c", t[i].operations, 0);
		fix_load(&f, &fix_config, buf_view(&text).p);
		if (!f.p != (t[i].error != NULL) ||
			(t[i].error && !memmem(buf_view(&f.d.text).p, f.d.text.n, t[i].error,
					       strlen(t[i].error))))
			fail_msg("%s: %.*s", t[i].operations, SPAN_ARG(buf_view(&f.d.text)));
		fix_done(&f);
		buf_free(&text);
	}
}

static void
tool_has_the_name_of_its_own_row_first(void **state)
{
	struct policy_fix f;

	(void)state;
	assert_non_null(fix_load(&f, &fix_config,
		HEAD "operations: {all: [pays/*], p: [pays/pay], said: [/pay]}\n"));
	assert_string_equal(policy_operation(f.p, SPAN_LIT("pays"), SPAN_LIT("pay")), "p");
	assert_string_equal(policy_operation(f.p, SPAN_LIT("pays"), SPAN_LIT("x")), "all");
	assert_string_equal(policy_operation(f.p, SPAN_LIT(""), SPAN_LIT("pay")), "said");
	assert_null(policy_operation(f.p, SPAN_LIT(""), SPAN_LIT("x")));
	assert_null(policy_operation(f.p, SPAN_LIT("gpt"), SPAN_LIT("pay")));
	fix_done(&f);
}

static void
first_row_of_a_tool_determines_where_its_arguments_go(void **state)
{
	static const struct {
		const char *name;
		enum tool_arguments in_route, elsewhere;
	} t[] = {
		{ "Write", ARGUMENTS_STAY, ARGUMENTS_STAY },
		{ "write", ARGUMENTS_UNLISTED, ARGUMENTS_UNLISTED },
		{ "WriteMail", ARGUMENTS_UNLISTED, ARGUMENTS_UNLISTED },
		{ "Bash", ARGUMENTS_COMMAND, ARGUMENTS_COMMAND },
		{ "mcp__fs__write_file", ARGUMENTS_STAY, ARGUMENTS_STAY },
		{ "mcp__drive__write_file", ARGUMENTS_STAY, ARGUMENTS_LEAVE },
		{ "", ARGUMENTS_UNLISTED, ARGUMENTS_UNLISTED },
	};
	struct policy_fix f;

	(void)state;
	assert_non_null(fix_load(&f, &fix_config,
		"tollgate: 1\nname: t\nroutes:\n  - {name: a, match: {path: /a}}\n"
		"  - {name: own, match: {path: /own}, response: [restore], restore: {tools: "
		     "[mcp__drive__write_file]}}\n"
		     "  - {name: other, match: {path: /other}, response: [restore]}\n"
		     "tools:\n"
		     "  - {names: mcp__drive__*, arguments: leave}\n"
		     "  - {names: [Write, \"*__write_file\"], arguments: stay}\n"
		     "  - {names: [Bash], arguments: command}\n"));
	assert_int_equal(f.p->nroutes, 3);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		const struct route *own = &f.p->routes[1], *other = &f.p->routes[2];
		assert_int_equal(policy_tool_arguments(
					 own->tools, own->ntools, span_str(t[i].name)),
			t[i].in_route);
		assert_int_equal(policy_tool_arguments(
					 other->tools, other->ntools, span_str(t[i].name)),
			t[i].elsewhere);
	}
	fix_done(&f);
}

/* A name from a caller or a model that needs escapes, or exceeds the number of names, is not
 * used as a label. */
static void
call_metrics_have_server_tool_and_decision(void **state)
{
	static struct call_tally a, b;
	const struct call_tally *const both[] = { &a, &b };
	struct buf out;
	char name[16];

	(void)state;
	call_tally_add(&a, SPAN_LIT("tools"), SPAN_LIT("pay"), CALL_PERMIT);
	call_tally_add(&b, SPAN_LIT("tools"), SPAN_LIT("pay"), CALL_PERMIT);
	call_tally_add(&b, SPAN_LIT("tools"), SPAN_LIT("pay"), CALL_DENY);
	call_tally_add(&b, SPAN_LIT(""), SPAN_LIT("pay"), CALL_REDACT);
	call_tally_add(&a, SPAN_LIT("tools"), SPAN_LIT("p\"y"), CALL_DENY);
	call_tally_add(&a, SPAN_LIT("tools"), SPAN_LIT(""), CALL_DENY);
	for (int i = 0; i < 2 * CALL_NAMES; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		call_tally_add(&a, SPAN_LIT("x"), span_str(name), CALL_PERMIT);
	}
	static const uint32_t left[LEFT_REASONS] = { [LEFT_HOST] = 2, [LEFT_UNKNOWN] = 1 };
	call_tally_left(&a, SPAN_LIT("pay"), left);
	call_tally_left(&b, SPAN_LIT("pay"), left);
	call_tally_left(&a, SPAN_LIT("p\"y"), left);
	buf_init(&out, 0);
	call_tally_write(&out, both, 2);
	buf_putc(&out, '\0');
	static const char *const want[] = {
		"tollgate_tool_calls_total{server=\"tools\",tool=\"pay\",decision=\"permit\"} "
		"2\n",
		"tollgate_tool_calls_total{server=\"tools\",tool=\"pay\",decision=\"deny\"} "
		"1\n",
		"tollgate_tool_calls_total{server=\"\",tool=\"pay\",decision=\"redact\"} 1\n",
		"tollgate_tool_calls_total{server=\"\",tool=\"other\",decision=\"deny\"} 2\n",
		"tollgate_tool_calls_total{server=\"\",tool=\"other\",decision=\"permit\"} "
		"258\n",
		"tollgate_call_placeholders_left_total{server=\"\",tool=\"pay\",reason="
		"\"host\"} 2\n",
		"tollgate_call_placeholders_left_total{server=\"\",tool=\"other\",reason="
		"\"unknown\"} 2\n",
	};
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (!strstr(buf_view(&out).p, want[i]))
			fail_msg("%s%s", want[i], buf_view(&out).p);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_has_a_line),
		cmocka_unit_test(each_call_counts_for_its_own_tool),
		cmocka_unit_test(operation_names_an_existing_tool),
		cmocka_unit_test(tool_has_the_name_of_its_own_row_first),
		cmocka_unit_test(first_row_of_a_tool_determines_where_its_arguments_go),
		cmocka_unit_test(call_metrics_have_server_tool_and_decision),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
