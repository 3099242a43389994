/* Collects the tools of recent records. It is separate from check.c, because it reads records
 * and not files of the configuration.
 *
 * A tool counts for the route of its record: a route may have rows of its own (`restore`). A
 * record of a route that the policy no longer has is skipped. */
#include "cmd/used_tools.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/codec/json_text.h"
#include "cmd/recent_records.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/tools.h"
#include "record/audit/record_fields.h"

enum { TOOLS_MAX = 512, TOOLS_SHOWN = 12 };

struct used_tool {
	char *name;
	uint64_t calls, left; /* left: placeholders that stayed in its calls */
};

struct used_tools {
	const struct policy *p;
	struct used_tool v[TOOLS_MAX];
	size_t n;
};

/* Returns the route of a record if its responses are restored, or NULL. */
static const struct route *
restoring_route(const struct policy *p, const json_t *record)
{
	struct span name = json_span(record_in(record, RF_ROUTE));

	for (size_t i = 0; i < p->nroutes; i++)
		if (span_is(name, p->routes[i].name))
			return p->routes[i].response & RESP_RESTORE ? &p->routes[i] : NULL;
	return NULL;
}

static void
add_used_tool(struct used_tools *u, const struct route *r, struct span name, uint64_t calls,
	uint64_t left)
{
	size_t i = 0;

	if (!name.n || policy_tool_row(r->tools, r->ntools, name))
		return;
	while (i < u->n && !span_is(name, u->v[i].name))
		i++;
	if (i == TOOLS_MAX)
		return;
	if (i == u->n && !(u->v[u->n++].name = strndup(name.p, name.n))) {
		u->n--;
		return;
	}
	u->v[i].calls += calls;
	u->v[i].left += left;
}

static void
add_record(void *arg, struct span line)
{
	struct used_tools *u = arg;
	json_auto_t *record = NULL;
	json_t *one, *count;
	const char *why;
	size_t i;

	if (!memmem(line.p, line.n, "\"calls\":[", 9) &&
		!memmem(line.p, line.n, "\"offered\":[", 11))
		return;
	record = json_loadb(line.p, line.n, 0, NULL);
	const struct route *r = record ? restoring_route(u->p, record) : NULL;
	if (!r)
		return;
	json_array_foreach(record_get(record, RF_OFFERED), i, one)
		add_used_tool(u, r, json_span(one), 0, 0);
	json_array_foreach(record_get(record, RF_CALLS), i, one)
	{
		uint64_t left = 0;
		if (!span_is(json_span(record_in(one, RF_CALLS_BY)), "answer"))
			continue;
		json_object_foreach(record_in(one, RF_CALLS_LEFT), why, count) left +=
			(uint64_t)json_integer_value(count);
		/* a tool that calls another one has a row */
		struct span wraps = json_span(record_in(one, RF_CALLS_WRAPS));
		add_used_tool(u, r,
			wraps.n ? wraps : json_span(record_in(one, RF_CALLS_TOOL)), 1, left);
	}
}

static int
by_weight(const void *a, const void *b)
{
	const struct used_tool *x = a, *y = b;

	if (x->left != y->left)
		return x->left < y->left ? 1 : -1;
	if (x->calls != y->calls)
		return x->calls < y->calls ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void
put_tools_note(struct used_tools *u, struct buf *out)
{
	qsort(u->v, u->n, sizeof(*u->v), by_weight);
	buf_printf(out,
		"note: tools: no row has %s of recent records (calls, placeholders that "
		"stayed): ",
		u->n == 1 ? "this tool" : "these tools");
	for (size_t i = 0; i < u->n && i < TOOLS_SHOWN; i++)
		buf_printf(out, "%s%s (%llu, %llu)", i ? ", " : "", u->v[i].name,
			(unsigned long long)u->v[i].calls, (unsigned long long)u->v[i].left);
	if (u->n > TOOLS_SHOWN)
		buf_printf(out, " and %zu more", u->n - TOOLS_SHOWN);
	buf_str(out,
		": a string of their arguments that has a URL or a host gets no values: add "
		"them to `tools` (docs/answers.md)\n");
}

void
used_tools_note(const char *journal, const struct policy *p, struct buf *out)
{
	struct used_tools *u = calloc(1, sizeof(*u));

	if (u) {
		u->p = p;
		recent_records(journal, add_record, u);
		if (u->n)
			put_tools_note(u, out);
	}
	for (size_t i = 0; u && i < u->n; i++)
		free(u->v[i].name);
	free(u);
}
