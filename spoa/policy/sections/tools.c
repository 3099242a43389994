/* Reads `tools`: a list of rows, each with names of tools and what becomes of their arguments.
 * Example: [{names: [Write, Edit], arguments: stay}]. The first row that matches a name
 * applies, so that a row for one tool may precede a row with a pattern. */
#include "policy/tools.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "policy/build.h"
#include "policy/cel/functions/glob.h"
#include "policy/policy.h"

enum { TOOL_NAME_BYTES = 256 };

const struct tool_row *
policy_tool_row(const struct tool_row *rows, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < rows[i].nnames; k++)
			if (cel_glob(span_str(rows[i].names[k]), name))
				return &rows[i];
	return NULL;
}

enum tool_arguments
policy_tool_arguments(const struct tool_row *rows, size_t n, struct span name)
{
	const struct tool_row *row = policy_tool_row(rows, n, name);

	return row ? row->arguments : ARGUMENTS_UNLISTED;
}

/* Reports a name that cannot be one of a tool, or that an earlier row has. */
static void
check_tool_name(struct builder *b, const struct yaml_node *n)
{
	const struct policy *p = b->p;

	if (!n->s.n || n->s.n > TOOL_NAME_BYTES || span_past(n->s, 0, is_visible) < n->s.n)
		diag_at(b->d, n,
			"names: a tool's name as models write it, or a pattern such as "
			"*__write_file, of 1 to %d bytes is expected, found %s",
			TOOL_NAME_BYTES, yaml_found(n));
	for (size_t i = 0; i < p->ntools; i++)
		for (size_t k = 0; k < p->tools[i].nnames; k++)
			if (span_is(n->s, p->tools[i].names[k]))
				diag_at(b->d, n, "names: %s is already listed in line %u",
					n->s.p, p->tools[i].at->line);
}

void
build_tools(struct builder *b, const struct yaml_node *n)
{
	struct tool_row *rows = build_list(b, n, "tools", sizeof(*rows));
	size_t names = 0;

	if (!rows)
		return;
	b->p->tools = rows;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct tool_row *row = &rows[b->p->ntools];
		row->at = c;
		row->arguments = ARGUMENTS_UNLISTED;
		if (!build_section(b, c, SECTION_TOOL, row))
			continue;
		const struct yaml_node *list = yaml_get(c, "names");
		const struct yaml_node *t =
			build_each(b, list, "names", &row->names, &row->nnames);
		for (; t; t = yaml_next(list, t))
			check_tool_name(b, t);
		if (!list)
			diag_at(b->d, c, "tools: names is missing: list the names of tools");
		if (!yaml_get(c, "arguments"))
			diag_at(b->d, c,
				"tools: arguments is missing: stay, command, leave or "
				"call is expected");
		names += row->nnames;
		b->p->ntools++;
	}
	if (names > CAP_TOOL_NAMES)
		diag_at(b->d, n, "tools: more than %d names", CAP_TOOL_NAMES);
}
