/* tollgate usage --by person,team,… --since T: sums up usage and cost from the journal or from
 * Redis Streams. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "cmd/usage/usage.h"

struct asked {
	struct usage_table table;
	struct usage_before before;
	struct usage_page page;
};

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
				"--by: %.*s: one of person, team, model, route, tag, key, "
				"provider, "
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
		return cmd_fail("usage", "--by: tool cannot be combined with tag");
	return 0;
}

static int
print_usage(struct asked *r, const struct query *q, enum usage_form form)
{
	if (r->table.no_memory || r->before.table.no_memory)
		return cmd_fail("usage", "out of memory");
	usage_count_attempts(&r->table);
	usage_count_attempts(&r->before.table);
	int err = usage_paged(&r->table, &r->page);
	if (err)
		return cmd_fail("usage", "%s%s%s", err == ERR_NOMEM ? "" : "--after ",
			err == ERR_NOMEM ? "out of memory" : r->page.after,
			err == ERR_NOMEM
				? ""
				: ": give the value that the previous page printed at its end");
	SCOPED_BUF(out, 0);
	int code = EXIT_DONE;
	if (!usage_print(&r->table, &r->before, &r->page, form, q->since[0] ? q->since : NULL,
		    q->until[0] ? q->until : NULL, &out))
		code = cmd_fail("usage", "out of memory");
	else if (!cmd_write(&out))
		code = EXIT_CANNOT;
	if (r->table.full)
		fprintf(stderr,
			"tollgate: usage: more than %u groups: the others are summed as "
			"(other)\n",
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
			"--sort: %s: one of cost, requests, refused, tokens, last_seen, "
			"prompt_max, name is expected",
			sort);
	p->order = (enum usage_order)order;
	if (limit && span_u64(span_str(limit), &p->limit))
		return cmd_fail("usage", "--limit %s: give a whole number; 0: all", limit);
	return 0;
}

int
cmd_usage_sums(int argc, char **argv)
{
	const char *by = NULL, *sort = NULL, *limit = NULL;
	bool csv = false, json = false, by_day = false;
	struct query q = { .what = "usage" };
	struct asked r = { .page = { .limit = 0 } };
	const struct cmd_option options[] = { QUERY_SOURCE(&q), QUERY_TIMES(&q),
		{ "by", .text = &by }, { "csv", .flag = &csv }, { "json", .flag = &json },
		{ "sort", .text = &sort }, { "limit", .text = &limit },
		{ "after", .text = &r.page.after }, { "match", .text = &r.page.match },
		{ "no-index", .flag = &q.no_index }, { .name = NULL } };
	char **operands;
	int code;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 || !by || (csv && json) ||
		!!q.journal + !!q.redis + !!q.file > 1)
		return cmd_usage("usage");
	if ((code = query_times(&q)) || (code = read_by(&r.table, by)) ||
		(code = read_page(&r.page, sort, limit)))
		return code;
	code = query_begin(&q, options, operands, 0);
	memcpy(r.before.table.by, r.table.by, sizeof(r.table.by));
	r.before.table.nby = r.table.nby;
	for (size_t i = 0; i < r.table.nby; i++)
		by_day |= r.table.by[i] == BY_DAY;
	if (!code && (usage_table_init(&r.table) || usage_table_init(&r.before.table)))
		code = cmd_fail("usage", "out of memory");
	/* A day has no period before its own. */
	code = code ? code : usage_read(&r.table, by_day ? NULL : &r.before, &q);
	if (!code)
		code = print_usage(&r, &q, csv ? FORM_CSV : json ? FORM_JSON : FORM_TEXT);
	free(r.page.row);
	usage_table_free(&r.table);
	usage_table_free(&r.before.table);
	return query_end(&q, code);
}
