/* Reads `operations`: the purposes of tools, by names that the policy chooses. Example: {pay:
 * [bank/transfer]}. The record of a call contains the name. */
#include "policy/build.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "policy/policy.h"

enum { TOOL_BYTES = 256 };
/* A name for one tool takes precedence over one for all tools of a server ("*"). */

const char *
policy_operation(const struct policy *p, struct span server, struct span tool)
{
	const char *of_all = NULL;

	for (size_t i = 0; i < p->noperations; i++) {
		const struct operation_tool *o = &p->operations[i];
		if (!span_eq(o->server, server))
			continue;
		if (span_eq(o->tool, tool))
			return o->operation;
		if (span_is(o->tool, "*"))
			of_all = o->operation;
	}
	return of_all;
}

/* A server is a provider with dialect: mcp. */
static bool
server_known(struct builder *b, const struct yaml_node *n, struct span server)
{
	struct nearest near = nearest_to(server);

	for (size_t i = 0; i < b->nproviders; i++) {
		const struct provider *v = &b->providers[i];
		if (!v->name || !v->dialect || strcmp(dialect_name(v->dialect), "mcp") != 0)
			continue;
		if (nearest_is(&near, v->name))
			return true;
	}
	diag_at(b->d, n, "%.*s: no provider with dialect: mcp has this name%s",
		SPAN_ARG(server), nearest_hint(&near));
	return false;
}

/* Adds SERVER/TOOL, all tools of a server ("SERVER/" and "*") or, for tools in responses of
 * models, /TOOL. */
static void
operation_tool(struct builder *b, const struct yaml_node *n, const char *operation)
{
	struct operation_tool *v = (struct operation_tool *)(uintptr_t)b->p->operations;
	struct span tool = n->s, server = span_next(&tool, '/');

	if (!tool.n || n->s.n > TOOL_BYTES || span_past(n->s, 0, is_visible) < n->s.n) {
		diag_at(b->d, n,
			"operations: SERVER/TOOL, SERVER/* or, for tools in responses of "
			"models, /TOOL is expected, found %s",
			yaml_found(n));
		return;
	}
	if (server.n && !server_known(b, n, server))
		return;
	for (size_t i = 0; i < b->p->noperations; i++)
		if (span_eq(v[i].server, server) && span_eq(v[i].tool, tool)) {
			diag_at(b->d, n, "operations: %s is already listed for %s, in line %u",
				n->s.p, v[i].operation, v[i].at->line);
			return;
		}
	if (b->p->noperations == CAP_OPERATION_TOOLS) {
		diag_at(b->d, n, "operations: more than %d tools", CAP_OPERATION_TOOLS);
		return;
	}
	v[b->p->noperations++] = (struct operation_tool){ operation, server, tool, n };
}

void
build_operations(struct builder *b, const struct yaml_node *n)
{
	size_t most = 0;

	if (!n || !read_map(b->d, n, "operations", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next)
		most += c->count ? c->count : 1;
	b->p->operations = build_array(b, n, most, sizeof(*b->p->operations));
	for (const struct yaml_node *c = n->child; c && b->p->operations; c = c->next) {
		const char *name;
		if (!build_name(b, c->key, 64, &name))
			continue;
		const struct yaml_node *t = build_each(b, c, "operations", NULL, NULL);
		for (; t; t = yaml_next(c, t))
			operation_tool(b, t, name);
	}
}
