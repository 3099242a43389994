/* tollgate limit: overrides the amount of a limit for some callers. The running daemon
 * keeps the overrides. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"

enum { FOR_MAX = 8 };

/* The options of the command, borrowed from argv; NULL: not given. `pairs` are the values
 * of --for. */
struct limit_args {
	struct admin_cmd c;
	const char *pairs[FOR_MAX], *to, *until;
	size_t npairs;
};

/* Adds the operands as parameters: pairs such as "person=alice", or "everyone" alone. */
static void
give_pairs(struct limit_args *a)
{
	json_t *pairs = json_object();

	admin_give(&a->c, "for", pairs);
	if (a->npairs == 1 && !strcmp(a->pairs[0], "everyone"))
		return;
	for (size_t i = 0; i < a->npairs && !a->c.wrong; i++) {
		struct span value = span_str(a->pairs[i]);
		struct span name = span_next(&value, '=');
		char text[32];
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
		if (span_is(name, "key") && !key_id_given("limit", value.p)) {
			a->c.wrong = true;
		} else if (!name.n || !value.n || json_object_get(pairs, text) ||
			   json_object_set_new(pairs, text, json_stringn(value.p, value.n)) <
				   0) {
			a->c.wrong = true;
			cmd_fail("limit",
				"--for %s: give person=NAME, team=NAME and the like, each "
				"once, or everyone alone",
				a->pairs[i]);
		}
	}
}

static int
limit_change(struct limit_args *a, const char *page, const char *done)
{
	json_auto_t *answer = admin_answer(&a->c, page);

	if (answer && a->c.json)
		printf("{\"id\":\"%s\"}\n", json_str_in(answer, "id"));
	if (answer)
		a->c.code = admin_changed("limit", answer, done);
	return a->c.code;
}

static int
limit_set(struct limit_args *a, const char *name)
{
	uint64_t n;

	/* If the text is not a whole number, the daemon reports what is wrong. */
	admin_give(&a->c, "to",
		span_u64(span_str(a->to), &n) == 0 && n <= INT64_MAX
			? json_integer((json_int_t)n)
			: json_string(a->to));
	admin_give_text(&a->c, "limit", name);
	give_pairs(a);
	admin_give_end(&a->c, "until", a->until);
	return limit_change(a, "/limits/set", "is in force");
}

static int
limit_clear(struct limit_args *a, const char *name)
{
	admin_give_text(&a->c, a->npairs ? "limit" : "id", name);
	if (a->npairs)
		give_pairs(a);
	return limit_change(a, "/limits/clear", "is cleared");
}

static void
put_limit_for(struct buf *cell, const json_t *one, const char *member)
{
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(one, member), name, v)
		buf_printf(cell, "%s%s=%s", cell->n ? "," : "", name, json_string_value(v));
}

/* clang-format off */
static const struct admin_column limit_columns[] = {
	{ "ID",     10, "id", .none = "?" },
	{ "LIMIT",  24, "limit", .none = "?" },
	{ "FOR",    32, "for", "everyone", .put = put_limit_for },
	{ "TO",    -14, "to", "0", .put = admin_put_amount },
	{ "UNTIL",  22, "until", .none = "cleared" },
	{ "STATE",   8, .name = "state" },
	{ "BY",     12, "by", .none = "-" },
	{ "REASON",  0, .name = "reason" },
	{ .heading = NULL },
};
/* clang-format on */

int
cmd_limit(int argc, char **argv)
{
	static const struct admin_list list = { "/limits", "overrides", limit_columns,
		"no limit can be changed" };
	struct limit_args a = { .c = { .what = "limit" } };
	const struct cmd_option options[] = {
		ADMIN_OPTIONS(&a.c),
		{ "for", .text = a.pairs, .count = &a.npairs, .most = FOR_MAX },
		{ "to", .text = &a.to },
		{ "until", .text = &a.until },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 2 && !strcmp(operands[0], "set") && a.to && !a.npairs)
		return cmd_fail("limit",
			"set %s: --for is missing: give person=NAME, team=NAME and the "
			"like, or everyone",
			operands[1]);
	if (n == 2 && !strcmp(operands[0], "set") && a.npairs && a.to)
		return limit_set(&a, operands[1]);
	if (n == 2 && !strcmp(operands[0], "clear"))
		return limit_clear(&a, operands[1]);
	if (n == 1 && !strcmp(operands[0], "list"))
		return admin_list(&a.c, &list);
	return cmd_usage(argv[0]);
}
