/* tollgate node: lists the nodes that share this daemon's Redis, retires one that will not return,
 * and admits it again. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/nodes.h"
#include "cmd/plain.h"

static void
put_node_note(struct buf *cell, const json_t *one, const char *name)
{
	const char *why = json_str_in(one, name), *at = json_str_in(one, "retired");

	if (at)
		buf_printf(cell, "retired at %.19sZ: %s", at, why ? why : "");
	else
		nodes_put_note(cell, one, NULL);
}

/* clang-format off */
static const struct admin_column node_columns[] = {
	{ "NODE",     20, "node", .none = "?" },
	{ "STATE",     9, "state", .none = "?" },
	{ "VERSION",  18, "version", .none = "-" },
	{ "POLICY",   22, "policy", .none = "-" },
	{ "SEEN",     -8, .put = nodes_put_seen },
	{ "NOTE",      0, "why", .put = put_node_note, .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

/* Prints what was removed, and what remains. */
static void
say_retired(const json_t *answer, bool from_journal)
{
	SCOPED_BUF(text, 0);
	json_int_t stream = json_int_in(answer, "stream_removed"), kept = json_int_in(answer, "stream_kept"),
		   erasures = json_int_in(answer, "erasures_removed");
	const char *why = json_str_in(answer, "why");

	if (from_journal)
		buf_printf(&text,
			"holds: %lld requests without an end were settled at their reservations\n",
			json_int_in(answer, "settled"));
	else
		buf_str(&text, "holds: kept: what its requests in progress had reserved counts until "
			       "the window of each limit ends; with --journal they are settled\n");
	if (kept)
		buf_printf(&text, "stream: kept, %lld records\n", kept);
	else
		buf_printf(&text, "stream: removed, %lld records\n", stream);
	buf_printf(&text, "erasures: %lld notes removed; erasures no longer wait for it\n", erasures);
	if (why)
		buf_printf(&text,
			"not removed from Redis: %s: admit the node and retire it again once Redis "
			"answers\n",
			why);
	plain_print(stdout, buf_view(&text));
}

static int
retire(struct admin_cmd *c, const char *node, const char *why, const char *journal, bool keep)
{
	admin_give_text(c, "node", node);
	admin_give_text(c, "why", why);
	if (journal) {
		char *whole = realpath(journal, NULL);
		admin_give_text(c, "journal", whole ? whole : journal);
		free(whole);
	}
	if (keep)
		admin_give(c, "keep_stream", json_true());
	json_auto_t *answer = admin_answer(c, "/nodes/retire");
	if (!answer)
		return c->code;
	if (c->json)
		return admin_print_json("node", answer);
	c->code = admin_changed("node", answer, "is retired");
	say_retired(answer, journal != NULL);
	return json_is_true(json_object_get(answer, "removed")) ? c->code : EXIT_CANNOT;
}

int
cmd_node(int argc, char **argv)
{
	struct admin_cmd c = { .what = "node" };
	const char *why = NULL, *journal = NULL;
	bool keep = false;
	const struct cmd_option options[] = { ADMIN_OPTIONS(&c), { "why", .text = &why },
		{ "journal", .text = &journal }, { "keep-stream", .flag = &keep }, { .name = NULL } };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "list"))
		return admin_list(&c, &(struct admin_list){ "/nodes?all=true", "nodes",
					      .columns = node_columns });
	bool out = n == 2 && !strcmp(operands[0], "retire");
	if (n != 2 || (!out && strcmp(operands[0], "admit") != 0))
		return cmd_usage(argv[0]);
	if (!why)
		return cmd_fail("node", "%s %s: --why is missing: give the reason, which the record has",
			operands[0], operands[1]);
	if (out)
		return retire(&c, operands[1], why, journal, keep);
	admin_give_text(&c, "node", operands[1]);
	admin_give_text(&c, "why", why);
	return admin_change(&c, "/nodes/admit", "is admitted: its daemons may serve again");
}
