/* tollgate usage --by person,team,… --since T: what was used and what it cost, from the journal
 * or the Redis Streams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/records/audit.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/usage/usage.h"

struct reading {
	struct usage_table table;
	struct usage_page page;
	char since[CLOCK_RFC3339_LEN],
		until[CLOCK_RFC3339_LEN]; /* "" for none; compare as text */
};

static void
read_usage_record(void *arg, struct span line)
{
	struct reading *r = arg;

	if (!audit_time_within(line, r->since, r->until))
		return;
	reading_add(1);
	usage_add(&r->table, line, span_cut(audit_time_of(line), 0, 10));
}

/* 0, or an exit code after a message. */
static int
read_by(struct usage_table *t, const char *by)
{
	struct span rest = span_str(by);

	while (rest.p) {
		struct span one = span_next(&rest, ',');
		size_t d = span_find(one, usage_dim_names, BY_DIMS);
		if (d == BY_DIMS)
			return cmd_fail("usage",
				"--by: %.*s: one of person, team, model, route, tag, provider, "
				"target, tool, day is expected, or several with commas",
				SPAN_ARG(one));
		for (size_t i = 0; i < t->nby; i++)
			if (t->by[i] == d)
				return cmd_fail(
					"usage", "--by: %.*s: given twice", SPAN_ARG(one));
		t->by[t->nby++] = (enum usage_dim)d;
	}
	bool tool = false, tag = false;
	for (size_t i = 0; i < t->nby; i++) {
		tool |= t->by[i] == BY_TOOL;
		tag |= t->by[i] == BY_TAG;
	}
	if (tool && tag)
		return cmd_fail("usage", "--by: tool goes without tag");
	return 0;
}

static int
print_usage(struct reading *r, enum usage_form form)
{
	struct buf out;

	if (r->table.no_memory)
		return cmd_fail("usage", "out of memory");
	usage_count_attempts(&r->table);
	int err = usage_paged(&r->table, &r->page);
	if (err)
		return cmd_fail("usage", "%s%s%s", err == ERR_NOMEM ? "" : "--after ",
			err == ERR_NOMEM ? "out of memory" : r->page.after,
			err == ERR_NOMEM ? ""
					 : ": give what the page before printed at its end");
	buf_init(&out, 0);
	int code = EXIT_DONE;
	if (!usage_print(&r->table, &r->page, form, r->since[0] ? r->since : NULL,
		    r->until[0] ? r->until : NULL, &out))
		code = cmd_fail("usage", "out of memory");
	else if (!cmd_write(&out))
		code = EXIT_CANNOT;
	buf_free(&out);
	if (r->table.full)
		fprintf(stderr,
			"tollgate: usage: more than %u groups: the others are one, (other)\n",
			CAP_USAGE_GROUPS);
	return code;
}

/* 0, or an exit code after a message. */
static int
read_page(struct usage_page *p, const char *sort, const char *limit)
{
	size_t order = sort ? span_find(span_str(sort), usage_order_names, ORDERS) : ORDER_COST;

	if (order == ORDERS)
		return cmd_fail("usage",
			"--sort: %s: one of cost, requests, refused, tokens, last_seen, name "
			"is "
			"expected",
			sort);
	p->order = (enum usage_order)order;
	if (limit && span_u64(span_str(limit), &p->limit))
		return cmd_fail("usage", "--limit %s: give a whole number; 0: all", limit);
	return 0;
}

int
cmd_usage_sums(int argc, char **argv)
{
	const char *by = NULL, *since = NULL, *until = NULL, *sort = NULL, *limit = NULL;
	bool csv = false, json = false, no_index = false;
	struct audit_args a = { .what = "usage" };
	struct reading r = { .since = "" };
	const struct cmd_option options[] = { { "by", .text = &by },
		{ "since", .text = &since }, { "until", .text = &until },
		{ "csv", .flag = &csv }, { "json", .flag = &json }, { "sort", .text = &sort },
		{ "limit", .text = &limit }, { "after", .text = &r.page.after },
		{ "match", .text = &r.page.match }, { "no-index", .flag = &no_index },
		{ "journal", .text = &a.journal }, { "redis", .text = &a.redis },
		{ "file", .text = &a.file }, { "config", .text = &a.config },
		{ "c", .text = &a.config }, { .name = NULL } };
	struct audit_sink to = { &r, read_usage_record, NULL, NULL };
	char **operands;
	int code;

	if (cmd_options(argc, argv, options, &operands) != 0 || !by || (csv && json) ||
		!!a.journal + !!a.redis + !!a.file > 1)
		return cmd_usage("usage");
	if ((code = audit_period(&a, since, until, r.since, r.until)) ||
		(code = read_by(&r.table, by)) || (code = read_page(&r.page, sort, limit)))
		return code;
	reading_begin(a.what, a.config, options, operands, 0);
	reading_window(a.since_ns, a.until_ns);
	arena_init(&a.arena, 16u << 20, false);
	code = usage_table_init(&r.table) ? cmd_fail("usage", "out of memory")
					  : audit_source(&a, false);
	if (!code && a.journal && !a.redis && !a.file)
		code = usage_read(&r.table, a.journal, r.since, r.until, no_index);
	else if (!code)
		code = audit_read(&a, &to);
	if (!code)
		code = print_usage(&r, csv ? FORM_CSV : json ? FORM_JSON : FORM_TEXT);
	free(r.page.row);
	usage_table_free(&r.table);
	arena_reset(&a.arena);
	return reading_end(code);
}
