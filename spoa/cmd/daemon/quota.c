/* tollgate quota get: what limits have left for somebody, by the running daemon's counters. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/price/price.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"

enum { TEXTS = 5 };

static const char *const texts[TEXTS] = { "person", "agent", "department", "team", "tier" };

struct quota_args {
	const char *config, *text[TEXTS], *roles, *key, *identity, *route, *model;
	bool json;
};

/* The identity that the options give; NULL after a message. */
static json_t *
identity_of(const struct quota_args *a)
{
	json_t *id = a->identity ? json_loads(a->identity, JSON_REJECT_DUPLICATES, NULL)
				 : json_object();
	struct span rest = span_str(a->roles);
	json_t *roles = a->roles ? json_array() : NULL;
	bool utf8 = true;

	if (!json_is_object(id)) {
		cmd_fail("quota", "--identity: a JSON object such as {\"person\":\"alice\"} is "
				  "expected");
		json_decref(id);
		return NULL;
	}
	for (size_t i = 0; i < TEXTS; i++)
		if (a->text[i])
			utf8 &= json_object_set_new(id, texts[i], json_string(a->text[i])) == 0;
	while (rest.n) {
		struct span one = span_trim(span_next(&rest, ','), " ");
		if (one.n)
			utf8 &= json_array_append_new(roles, json_stringn(one.p, one.n)) == 0;
	}
	if (roles)
		json_object_set_new(id, "roles", roles);
	if (!utf8) {
		cmd_fail("quota", "a name is not UTF-8");
		json_decref(id);
		return NULL;
	}
	return id;
}

/* Of what it counts: dollars as such. */
static void
put_amount(struct buf *b, const json_t *row, const char *name)
{
	const json_t *v = json_object_get(row, name);
	bool usd = str_same(json_str_in(row, "counts"), "nanousd");
	char text[PRICE_TEXT_MAX];

	if (usd && v)
		price_text((uint64_t)json_integer_value(v), text);
	else
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	buf_printf(b, "%14s ", v ? text : "-");
}

enum { TIME_TEXT = 48 };

/* The two largest units that are not zero: 9d8h, 7h14m, 1m, 42s. */
static void
time_text(int64_t s, char out[TIME_TEXT])
{
	static const struct {
		char name;
		int64_t s;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && s < units[i].s)
		i++;
	int n = snprintf(out, TIME_TEXT, "%" PRId64 "%c", s / units[i].s, units[i].name);
	s %= units[i].s;
	if (i + 1 < COUNT_OF(units) && s / units[i + 1].s > 0)
		snprintf(out + n, TIME_TEXT - (size_t)n, "%" PRId64 "%c", s / units[i + 1].s,
			units[i + 1].name);
}

static void
put_quota_row(struct buf *b, const json_t *row)
{
	const json_t *seconds = json_object_get(row, "window_s");
	const json_t *reset = json_object_get(row, "reset_ms");
	const char *calendar = json_str_in(row, "window");
	const char *counts = json_str_in(row, "counts");
	char window[TIME_TEXT] = "-", when[TIME_TEXT] = "-";

	if (seconds)
		time_text(json_integer_value(seconds), window);
	if (reset)
		time_text((json_integer_value(reset) + 999) / 1000, when);
	admin_cell(b, row, "limit", json_object_get(row, "burst") ? 0 : 24, "?");
	if (json_object_get(row, "burst"))
		buf_printf(b, "%-*s",
			24 - (int)json_string_length(json_object_get(row, "limit")), "(burst)");
	buf_printf(b, "%-18s %-10s ",
		str_same(counts, "nanousd") ? "usd"
		: counts		    ? counts
					    : "?",
		calendar ? calendar : window);
	put_amount(b, row, "of");
	put_amount(b, row, "used");
	put_amount(b, row, "held");
	put_amount(b, row, "left");
	buf_printf(b, "%10s\n", when);
}

static int
get_quota(const struct quota_args *a)
{
	json_t *id = identity_of(a), *answer = NULL;
	int code = EXIT_CANNOT;
	char head[160];

	if (!id)
		return EXIT_CANNOT;
	json_t *in = json_pack("{s:o}", "identity", id);
	if (admin_set_text("quota", in, "key", a->key) &&
		admin_set_text("quota", in, "route", a->route) &&
		admin_set_text("quota", in, "model", a->model))
		answer = admin_call_json("quota", a->config, "/quota", in, &code);
	snprintf(head, sizeof(head), "%-24s %-18s %-10s %14s %14s %14s %14s %10s\n", "LIMIT",
		"COUNTS", "WINDOW", "OF", "USED", "HELD", "LEFT", "RESET");
	if (answer)
		code = admin_print_rows("quota", json_object_get(answer, "limits"), a->json,
			head, put_quota_row);
	json_decref(answer);
	json_decref(in);
	return code;
}

int
cmd_quota(int argc, char **argv)
{
	struct quota_args a = { .config = NULL };
	const struct cmd_option options[] = {
		{ "c", .text = &a.config },
		{ "person", .text = &a.text[0] },
		{ "agent", .text = &a.text[1] },
		{ "department", .text = &a.text[2] },
		{ "team", .text = &a.text[3] },
		{ "tier", .text = &a.text[4] },
		{ "roles", .text = &a.roles },
		{ "key", .text = &a.key },
		{ "identity", .text = &a.identity },
		{ "route", .text = &a.route },
		{ "model", .text = &a.model },
		{ "json", .flag = &a.json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);
	bool whom = a.key || a.identity || a.roles;

	for (size_t i = 0; i < TEXTS; i++)
		whom = whom || a.text[i];
	if (a.key && !key_id_given("quota", a.key))
		return EXIT_CANNOT;
	if (n != 1 || strcmp(operands[0], "get") != 0 || !whom)
		return cmd_usage(argv[0]);
	return get_quota(&a);
}
