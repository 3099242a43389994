/* tollgate quota get: prints what limits have left for a caller, from the counters of the
 * running daemon. */
#include <inttypes.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"
#include "cmd/plain.h"
#include "policy/limit.h"

enum { TEXTS = 5 };

static const char *const texts[TEXTS] = { "person", "agent", "department", "team", "tier" };

/* The options of the command, borrowed from argv; NULL: not given. */
struct quota_args {
	struct admin_cmd c;
	const char *text[TEXTS], *roles, *key, *identity, *route, *model;
	json_t *seen; /* the usage in which the team was found, which text[3] borrows from;
			 owned */
};

/* Adds the caller's identity, as the options describe it. */
static void
give_identity(struct quota_args *a)
{
	json_t *id = a->identity ? json_loads(a->identity, JSON_REJECT_DUPLICATES, NULL)
				 : json_object();
	bool utf8 = true;

	if (!json_is_object(id)) {
		cmd_fail("quota", "--identity: give a JSON object such as "
				  "{\"person\":\"alice\"}");
		json_decref(id);
		a->c.wrong = true;
		return;
	}
	for (size_t i = 0; i < TEXTS; i++)
		if (a->text[i])
			utf8 &= json_object_set_new(id, texts[i], json_string(a->text[i])) == 0;
	if (a->roles)
		utf8 &= json_object_set_new(id, "roles", admin_texts(a->roles)) == 0;
	if (!utf8) {
		json_decref(id);
		id = NULL;
	}
	admin_give(&a->c, "identity", id);
}

/* Writes a duration in seconds with its two largest units that are not zero: 9d8h, 7h14m,
 * 1m or 42s. */
static void
put_time_left(struct buf *cell, int64_t s)
{
	static const struct {
		char name;
		int64_t s;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && s < units[i].s)
		i++;
	buf_printf(cell, "%" PRId64 "%c", s / units[i].s, units[i].name);
	s %= units[i].s;
	if (i + 1 < COUNT_OF(units) && s / units[i + 1].s > 0)
		buf_printf(cell, "%" PRId64 "%c", s / units[i + 1].s, units[i + 1].name);
}

static void
put_quota_limit(struct buf *cell, const json_t *row, const char *name)
{
	buf_printf(cell, "%s%s", json_str_in(row, name) ? json_str_in(row, name) : "?",
		json_object_get(row, "burst") ? " (burst)" : "");
	if (!json_object_get(row, "reduced_s"))
		return;
	buf_str(cell, " (reduced to ");
	admin_put_amount(cell, row, "reduced_to");
	buf_str(cell, " for ");
	put_time_left(cell, json_int_in(row, "reduced_s"));
	buf_putc(cell, ')');
}

static void
put_quota_counts(struct buf *cell, const json_t *row, const char *name)
{
	const struct limit_kind *u = limit_kind_named(json_str_in(row, name));

	buf_str(cell, u ? u->key : json_text_in(row, name));
}

/* Writes the window of a limit; a calendar window by its name, such as month. */
static void
put_quota_window(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *seconds = json_object_get(row, "window_s");

	if (json_str_in(row, name))
		buf_str(cell, json_str_in(row, name));
	else if (seconds)
		put_time_left(cell, json_integer_value(seconds));
}

static void
put_quota_reset(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *ms = json_object_get(row, name);

	if (ms)
		put_time_left(cell, (json_integer_value(ms) + 999) / 1000);
}

/* clang-format off */
static const struct admin_column quota_columns[] = {
	{ "LIMIT",   24, "limit",    .put = put_quota_limit },
	{ "COUNTS",  18, "counts",   "?", .put = put_quota_counts },
	{ "WINDOW",  10, "window",   "-", .put = put_quota_window },
	{ "OF",     -14, "of",       "-", .put = admin_put_amount },
	{ "USED",   -14, "used",     "-", .put = admin_put_amount },
	{ "HELD",   -14, "held",     "-", .put = admin_put_amount },
	{ "LEFT",   -14, "left",     "-", .put = admin_put_amount },
	{ "RESET",  -10, "reset_ms", "-", .put = put_quota_reset, .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

/* ---- the team of a person ---- */

enum { TEAMS_SHOWN = 8 };

/* If only a person is given, adds the team of the person's latest requests, as the records have
 * it: limits by team apply to the person too. Appends to *note which team that is, or why none is
 * known. */
static void
find_team(struct quota_args *a, struct buf *note)
{
	const json_t *row, *newest = NULL;
	struct arena arena;
	size_t i;

	SCOPED_BUF(page, 4096);
	SCOPED_BUF(why, 1024);
	SCOPED_BUF(others, 1024);
	arena_init(&arena, 1 << 20, false);
	const char *socket = admin_socket("quota", a->c.config, &arena);
	buf_str(&page, "/usage?by=person,team&since=30d&sort=last_seen&limit=1000&match=");
	for (const char *c = a->text[0]; *c; c++)
		buf_printf(&page, "%%%02X", (unsigned)(unsigned char)*c);
	buf_putc(&page, '\0');
	if (socket && admin_ask_json(socket, buf_view(&page).p, NULL, &a->seen, &why) != 200) {
		json_decref(a->seen);
		a->seen = NULL;
	}
	arena_reset(&arena);
	json_array_foreach(json_object_get(a->seen, "rows"), i, row)
	{
		const char *team = json_str_in(row, "team");
		if (!str_same(json_str_in(row, "person"), a->text[0]) || !team)
			continue;
		if (!newest)
			newest = row;
		else
			buf_printf(&others, "%s%s", others.n ? ", " : "", team);
	}
	if (newest) {
		a->text[3] = json_str_in(newest, "team");
		buf_printf(note,
			"%s is in the team %s, according to the latest of their requests",
			a->text[0], a->text[3]);
		if (others.n)
			buf_printf(note, " (earlier: %.*s)", SPAN_ARG(buf_view(&others)));
	} else {
		buf_printf(note,
			"the team of %s is not known (%s), so limits of a team are not listed: "
			"give --team",
			a->text[0],
			a->seen ? "the records of the last 30 days have none"
				: "the records cannot be read");
	}
}

int
cmd_quota(int argc, char **argv)
{
	static const struct admin_list list = { "/quota", "limits", .columns = quota_columns };
	struct quota_args a = { .c = { .what = "quota" } };
	const struct cmd_option options[] = {
		{ "c", .text = &a.c.config },
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
		{ "json", .flag = &a.c.json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);
	bool whom = a.key || a.identity || a.roles;

	for (size_t i = 0; i < TEXTS; i++)
		whom = whom || a.text[i];
	if (a.key && !key_id_given("quota", a.key))
		return EXIT_CANNOT;
	if (n != 1 || strcmp(operands[0], "get") != 0 || !whom)
		return cmd_usage(argv[0]);
	SCOPED_BUF(note, 4096);
	SCOPED_BUF(plain, 4096);
	if (a.text[0] && !a.text[3] && !a.key && !a.identity)
		find_team(&a, &note);
	give_identity(&a);
	admin_give_text(&a.c, "key", a.key);
	admin_give_text(&a.c, "route", a.route);
	admin_give_text(&a.c, "model", a.model);
	int code = admin_list(&a.c, &list);
	plain_put(&plain, buf_view(&note), SIZE_MAX);
	if (!code && plain.n)
		fprintf(stderr, "tollgate: quota: %.*s\n", SPAN_ARG(buf_view(&plain)));
	json_decref(a.seen);
	return code;
}
