/* tollgate limit: another amount of a limit for some callers, kept by the running daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/price/price.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"
#include "cmd/plain.h"
#include "policy/config/read.h"

enum { FOR_MAX = 8 };

struct limit_args {
	const char *config, *pairs[FOR_MAX], *to, *until, *by, *reason;
	size_t npairs;
	bool json;
};

/* "person=alice"; "everyone" alone. False after a message. */
static bool
set_pairs(const struct limit_args *a, json_t *o)
{
	json_t *pairs = json_object();

	json_object_set_new(o, "for", pairs);
	if (a->npairs == 1 && !strcmp(a->pairs[0], "everyone"))
		return true;
	for (size_t i = 0; i < a->npairs; i++) {
		struct span value = span_str(a->pairs[i]);
		struct span name = span_next(&value, '=');
		char text[32];
		if (span_is(name, "key") && !key_id_given("limit", value.p))
			return false;
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
		if (!name.n || !value.n || json_object_get(pairs, text) ||
			json_object_set_new(pairs, text, json_stringn(value.p, value.n)) < 0) {
			cmd_fail("limit",
				"--for %s: person=NAME, team=NAME and the like, each once, "
				"or everyone alone are expected",
				a->pairs[i]);
			return false;
		}
	}
	return true;
}

/* 2026-12-01, a time with its zone, or how long from now on: 7d. */
static bool
set_until(const char *text, json_t *o)
{
	char full[CMD_END_LEN];
	uint64_t us;
	int64_t ns;

	if (!text)
		return true;
	if (duration_parse(span_str(text), &us) == 0)
		return admin_set_text("limit", o, "ttl", text);
	return cmd_end("limit", text, full, &ns) && admin_set_text("limit", o, "until", full);
}

static int
change_limit(const struct limit_args *a, const char *page, json_t *o, const char *done)
{
	json_t *answer = NULL;
	int code = EXIT_CANNOT;

	if (admin_set_text("limit", o, "by", a->by) &&
		admin_set_text("limit", o, "reason", a->reason))
		answer = admin_call_json("limit", a->config, page, o, &code);
	if (answer && a->json)
		printf("{\"id\":\"%s\"}\n", json_str_in(answer, "id"));
	if (answer)
		code = admin_changed("limit", answer, done);
	json_decref(answer);
	return code;
}

static int
limit_set(const struct limit_args *a, const char *name)
{
	json_t *o = json_object();
	int code = EXIT_CANNOT;
	uint64_t n;

	/* A whole number, or the daemon says what is wrong with it. */
	json_object_set_new(o, "to",
		span_u64(span_str(a->to), &n) == 0 && n <= INT64_MAX
			? json_integer((json_int_t)n)
			: json_string(a->to));
	if (admin_set_text("limit", o, "limit", name) && set_pairs(a, o) &&
		set_until(a->until, o))
		code = change_limit(a, "/limits/set", o, "is in force");
	json_decref(o);
	return code;
}

static int
limit_clear(const struct limit_args *a, const char *name)
{
	json_t *o = json_object();
	int code = EXIT_CANNOT;

	if (admin_set_text("limit", o, a->npairs ? "limit" : "id", name) &&
		(!a->npairs || set_pairs(a, o)))
		code = change_limit(a, "/limits/clear", o, "is cleared");
	json_decref(o);
	return code;
}

static void
put_limit_row(struct buf *b, const json_t *one)
{
	struct buf whom;
	const char *name;
	json_t *v;

	buf_init(&whom, 4096);
	json_object_foreach(json_object_get(one, "for"), name, v)
		buf_printf(&whom, "%s%s=%s", whom.n ? "," : "", name, json_string_value(v));
	if (!whom.n)
		buf_str(&whom, "everyone");
	json_t *row = json_pack(
		"{s:s#}", "for", buf_view(&whom).p ? buf_view(&whom).p : "", (int)whom.n);
	admin_cell(b, one, "id", 10, "?");
	admin_cell(b, one, "limit", 24, "?");
	admin_cell(b, row, "for", 32, "");
	json_int_t to = json_int_in(one, "to");
	char text[PRICE_TEXT_MAX];
	if (str_same(json_str_in(one, "counts"), "nanousd"))
		price_text((uint64_t)to, text);
	else
		snprintf(text, sizeof(text), "%lld", (long long)to);
	buf_printf(b, "%14s ", text);
	admin_cell(b, one, "until", 22, "cleared");
	admin_cell(b, one, "state", 8, "");
	admin_cell(b, one, "by", 12, "-");
	admin_cell(b, one, "reason", 0, "");
	buf_putc(b, '\n');
	json_decref(row);
	buf_free(&whom);
}

static int
limit_list(const struct limit_args *a)
{
	int code;
	json_t *answer = admin_call_json("limit", a->config, "/limits", NULL, &code);
	char head[160];

	snprintf(head, sizeof(head), "%-10s %-24s %-32s %14s %-22s %-8s %-12s %s\n", "ID",
		"LIMIT", "FOR", "TO", "UNTIL", "STATE", "BY", "REASON");
	if (answer && !json_is_true(json_object_get(answer, "state_key")))
		code = cmd_fail("limit", "the daemon has no state_key: no limit can be changed "
					 "at run time");
	else if (answer)
		code = admin_print_rows("limit", json_object_get(answer, "overrides"), a->json,
			head, put_limit_row);
	json_decref(answer);
	return code;
}

int
cmd_limit(int argc, char **argv)
{
	struct limit_args a = { .config = NULL };
	const struct cmd_option options[] = {
		{ "c", .text = &a.config },
		{ "for", .text = a.pairs, .count = &a.npairs, .most = FOR_MAX },
		{ "to", .text = &a.to },
		{ "until", .text = &a.until },
		{ "by", .text = &a.by },
		{ "reason", .text = &a.reason },
		{ "json", .flag = &a.json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);

	if (n == 2 && !strcmp(operands[0], "set") && a.to && !a.npairs)
		return cmd_fail("limit",
			"set %s: --for is missing: person=NAME, team=NAME and "
			"the like, or everyone",
			operands[1]);
	if (n == 2 && !strcmp(operands[0], "set") && a.npairs && a.to)
		return limit_set(&a, operands[1]);
	if (n == 2 && !strcmp(operands[0], "clear") && !a.to && !a.until)
		return limit_clear(&a, operands[1]);
	if (n == 1 && !strcmp(operands[0], "list") && !a.npairs && !a.to && !a.until)
		return limit_list(&a);
	return cmd_usage(argv[0]);
}
