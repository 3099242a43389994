/* tollgate audit erase: makes a person's sealed texts unreadable on every node, and prints
 * which nodes have done so. */
#include <stdio.h>

#include "base/scoped.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "cmd/records/query.h"

#define WHAT "audit erase"

/* Returns the parts that are still to be erased, as "cache, placeholders", or NULL if there
 * are none or the node does not report them. */
static json_t *
left_named(const json_t *node)
{
	char text[64] = "";
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach(json_object_get(node, "left"), i, one) if (n < sizeof(text)) n +=
		(size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
			json_string_value(one));
	return text[0] ? json_string(text) : NULL;
}

/* Adds one row for each node of an erasure. Returns the number of nodes that have not
 * finished. */
static size_t
rows_of_nodes(const json_t *erasure, json_t *rows)
{
	const json_t *nodes = json_object_get(erasure, "nodes");
	size_t i, missing = 0;
	json_t *one;

	json_array_foreach(nodes, i, one)
	{
		bool done = json_is_true(json_object_get(one, "done"));
		json_t *row = json_pack("{s:O,s:O,s:s}", "erasure",
			json_object_get(erasure, "erasure"), "node",
			json_object_get(one, "node"), "done", done ? "done" : "not yet");
		static const char *const also[][2] = { { "at", "ordered" },
			{ "ticket", "ticket" }, { "by", "by" } };
		for (size_t m = 0; m < COUNT_OF(also); m++)
			json_object_set(row, also[m][1], json_object_get(erasure, also[m][0]));
		json_object_set(row, "at", json_object_get(one, "at"));
		json_object_set_new(row, "left", left_named(one));
		json_array_append_new(rows, row);
		missing += !done;
	}
	return missing;
}

/* clang-format off */
static const struct admin_column erasure_columns[] = {
	{ "ERASURE", 16, "erasure", .none = "?" },
	{ "ORDERED", 30, "ordered", .none = "?" },
	{ "BY",      12, "by", .none = "-" },
	{ "TICKET",  12, "ticket", .none = "-" },
	{ "NODE",    16, "node", .none = "?" },
	{ "STATE",    8, "done", .none = "?" },
	{ "AT",      30, "at", .none = "-" },
	{ "LEFT",     0, "left", .none = "-", .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

/* Prints the state of all erasures. Returns EXIT_NO if a node has not finished one of them. */
static int
erase_status(struct admin_cmd *c)
{
	json_auto_t *answer = admin_answer(c, "/audit/erasures"), *rows = json_array();
	size_t i, missing = 0;
	json_t *one;

	if (!answer)
		return c->code;
	json_array_foreach(json_object_get(answer, "erasures"), i, one) missing +=
		rows_of_nodes(one, rows);
	int code = c->json ? admin_print_json(WHAT, answer)
			   : admin_print_table(WHAT, erasure_columns, rows, false);
	return code == EXIT_DONE && missing ? EXIT_NO : code;
}

static void
say_ordered(const json_t *answer)
{
	json_auto_t *rows = json_array();
	size_t missing = rows_of_nodes(answer, rows), i;
	json_t *one;

	printf("%s", json_text_in(answer, "erasure"));
	json_array_foreach(rows, i, one)
	{
		const char *left = json_text_in(one, "left");
		printf("%s %s: %s%s%s%s", i ? "," : "", json_text_in(one, "node"),
			json_text_in(one, "done"), left[0] ? " (left: " : "", left,
			left[0] ? ")" : "");
	}
	putchar('\n');
	if (json_object_get(answer, "nodes_unknown"))
		fprintf(stderr,
			"tollgate: " WHAT ": Redis did not list the other nodes, which carry the "
			"erasure out too: %s\n",
			json_text_in(answer, "nodes_unknown"));
	if (missing)
		fprintf(stderr,
			"tollgate: " WHAT ": a node that is down does it before it serves "
			"again, and what is left is tried again every 10 seconds: tollgate audit "
			"erase --status\n");
}

/* ---- a name that no record has ---- */

/* The search for a record that names the person. */
struct name_search {
	struct span name;
	bool found;
};

static void
look_for_name(void *arg, struct span line)
{
	static const enum record_field fields[] = { RF_IDENTITY_PERSON, RF_IDENTITY_KEY };
	struct name_search *s = arg;

	/* without an index, this function gets every line of the journal */
	if (!memmem(line.p, line.n, "\"identity\":", 11))
		return;
	json_auto_t *record = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		s->found |= span_eq(record_span(record, fields[i]), s->name);
}

/* Returns true if a record names the person. Such a person may have no share, because
 * nothing was sealed. */
static bool
is_on_record(const struct admin_cmd *c, struct span name)
{
	const uint64_t terms[] = { record_term_hash(RT_PERSON, name),
		record_term_hash(RT_KEY, name) };
	struct name_search s = { .name = name };
	struct query q = { .what = WHAT,
		.config = c->config,
		.term = terms,
		.nterms = COUNT_OF(terms),
		.enough = &s.found,
		.arg = &s,
		.line = look_for_name };

	SCOPED_BUF(why, 4096);
	if (!query_times(&q) && !query_begin(&q, NULL, NULL, 0))
		query_read(&q, &why);
	query_end(&q, 0);
	return s.found;
}

/* Returns true if the name is probably mistyped: no node can have it, or a name on this
 * node has a similar spelling. If Redis did not list the nodes, another node may have the
 * name. */
static bool
is_nobodys(const struct admin_cmd *c, const json_t *answer, const char *person)
{
	const json_t *near = json_object_get(answer, "near");

	return near &&
	       (json_is_true(json_object_get(answer, "respelled")) ||
		       (json_array_size(json_object_get(answer, "nodes")) < 2 &&
			       !json_object_get(answer, "nodes_unknown"))) &&
	       !is_on_record(c, span_str(person));
}

static void
say_not_here(const json_t *answer)
{
	const json_t *near = json_object_get(answer, "near"), *one;
	size_t i;

	if (json_is_true(json_object_get(answer, "here")))
		return;
	SCOPED_BUF(line, 0);
	buf_str(&line,
		"tollgate: " WHAT ": nothing was sealed for this name on this node: check the "
		"spelling; case and Unicode form count");
	json_array_foreach(near, i, one)
	{
		buf_str(&line, i ? ", " : ": nearest: ");
		buf_span(&line, json_span(one));
	}
	plain_print(stderr, buf_view(&line));
}

static int
erase_person(struct admin_cmd *c, const char *person)
{
	json_auto_t *answer = admin_answer(c, "/audit/erase");

	if (!answer)
		return c->code;
	if (c->json)
		c->code = admin_print_json(WHAT, answer);
	else
		say_ordered(answer);
	if (!c->json)
		say_not_here(answer);
	if (!c->code && is_nobodys(c, answer, person))
		c->code = EXIT_NO;
	/* The nodes with the erasure have been printed; print only what failed. */
	if (str_same(json_str_in(answer, "redis"), "away") ||
		json_object_get(answer, "recorded") || json_object_get(answer, "kept")) {
		int code = admin_changed("erasure", answer, "is ordered");
		c->code = c->code ? c->code : code;
	}
	return c->code;
}

int
audit_erase(int argc, char **argv)
{
	struct admin_cmd c = { .what = WHAT };
	const char *person = NULL, *why = NULL, *ticket = NULL;
	bool status = false;
	const struct cmd_option options[] = {
		ADMIN_OPTIONS(&c),
		{ "person", .text = &person },
		{ "why", .text = &why },
		{ "ticket", .text = &ticket },
		{ "status", .flag = &status },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(WHAT, argc, argv, options, &operands);
	bool orders = person || why || ticket || c.by || c.reason;

	if (n != 0 || status == orders)
		return cmd_usage(WHAT);
	if (status)
		return erase_status(&c);
	if (!person || !why)
		return cmd_fail(WHAT, "--%s is missing: %s", person ? "why" : "person",
			person ? "state the reason, which the record contains" : "name the person whose content is erased");
	admin_give_text(&c, "person", person);
	admin_give_text(&c, "why", why);
	admin_give_text(&c, "ticket", ticket);
	return erase_person(&c, person);
}
