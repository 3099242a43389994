/* The tables of nodes: `tollgate status --all`, and cells that `tollgate node list` has too. */
#include "cmd/daemon/nodes.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"

/* Appends a number of seconds in the largest unit that fits: "12s", "3m", "5h", "2d". */
static void
put_age(struct buf *cell, int64_t s)
{
	if (s < 120)
		buf_printf(cell, "%llds", (long long)s);
	else if (s < 7200)
		buf_printf(cell, "%lldm", (long long)s / 60);
	else if (s < 2 * 86400)
		buf_printf(cell, "%lldh", (long long)s / 3600);
	else
		buf_printf(cell, "%lldd", (long long)s / 86400);
}

void
nodes_put_seen(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *age = json_object_get(row, "age_s");

	(void)name;
	if (json_is_integer(age))
		put_age(cell, json_integer_value(age));
	else
		buf_str(cell, "-");
}

void
nodes_put_note(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *one, *idle = json_object_get(row, "idle_s");
	size_t i;

	(void)name;
	json_array_foreach(json_object_get(row, "degraded"), i, one)
		buf_printf(cell, "%s%s", i ? ", " : "degraded: ", json_string_value(one));
	if (json_is_true(json_object_get(row, "unasked"))) {
		buf_printf(cell, "%sno request ", cell->n ? "; " : "");
		if (json_is_integer(idle)) {
			buf_str(cell, "for ");
			put_age(cell, json_integer_value(idle));
		} else {
			buf_str(cell, "since its start");
		}
		buf_str(cell, ", others had some");
	}
	if (!cell->n)
		buf_str(cell, "-");
}

/* Appends for how long the request has waited that waits longest for a provider. */
static void
put_oldest(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *s = json_object_get(row, name);

	if (json_is_integer(s))
		put_age(cell, json_integer_value(s));
	else
		buf_str(cell, "-");
}

/* Appends the last record and the begin of its hash, such as 4711:9f3c21aa. */
static void
put_node_head(struct buf *cell, const json_t *row, const char *name)
{
	const char *head = json_str_in(row, name);

	if (head)
		buf_printf(cell, "%lld:%.8s", (long long)json_int_in(row, "records"), head);
	else
		buf_str(cell, "-");
}

/* Appends how long ago every record that was closed then had been verified. */
static void
put_verified(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *v = json_object_get(row, name);
	int64_t ns = 0;

	if (json_is_string(v) && clock_parse(json_string_value(v), json_string_length(v), &ns) == 0) {
		int64_t ago_s = (clock_wall_ns() - ns) / 1000000000;
		put_age(cell, ago_s > 0 ? ago_s : 0);
	} else {
		buf_str(cell, json_is_integer(json_object_get(row, "records")) ? "not yet" : "-");
	}
}

/* clang-format off */
static const struct admin_column all_columns[] = {
	{ "NODE",     20, "node", .none = "?" },
	{ "STATE",     9, "state", .none = "?" },
	{ "VERSION",  18, "version", .none = "-" },
	{ "POLICY",   22, "policy", .none = "-" },
	{ "REQ/MIN",  -7, "requests_per_minute", .none = "-" },
	{ "OPEN",     -5, "requests_in_flight", .none = "-" },
	{ "OLDEST",   -6, "oldest_s", .put = put_oldest },
	{ "HEAD",     18, "head", .put = put_node_head },
	{ "VERIFIED", -8, "verified", .put = put_verified },
	{ "NOTE",      0, .put = nodes_put_note, .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

/* Returns true if every daemon of the list is ready. */
static bool
all_are_ready(const json_t *list)
{
	const json_t *one;
	bool ok = json_array_size(list) > 0;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *state = json_text_in(one, "state");
		ok = ok && (str_same(state, "ready") || str_same(state, "retired"));
	}
	return ok;
}

/* Prints that policies differ: after a change, one daemon may not have it yet. */
static void
say_policies(const json_t *list)
{
	const char *first = NULL;
	const json_t *one;
	bool differ = false;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *version = json_str_in(one, "policy_version");
		if (!version || !json_is_true(json_object_get(one, "live")))
			continue;
		differ = differ || (first && strcmp(first, version) != 0);
		first = version;
	}
	if (differ)
		fprintf(stderr, "tollgate: status: the daemons have different policies in force\n");
}

int
nodes_status(const char *config, bool as_json)
{
	int code;
	json_auto_t *answer = admin_call_json("status", config, "/nodes", NULL, &code);
	const json_t *list = json_object_get(answer, "nodes");

	if (!answer)
		return code;
	if (as_json)
		code = admin_print_json("status", answer);
	else
		code = admin_print_table("status", all_columns, list, false);
	if (!as_json)
		say_policies(list);
	bool known = json_is_true(json_object_get(answer, "known"));
	if (!known)
		fprintf(stderr,
			"tollgate: status: Redis does not list the other daemons: there is no "
			"redis.url, or Redis does not answer\n");
	return code == EXIT_DONE && !(known && all_are_ready(list)) ? EXIT_NO : code;
}
