/* Reads `conversation` of a policy: the fields of a request that name its conversation, in the
 * order in which they are tried, as in [{header: x-session}, dialect, hash]. */
#include "base/ascii.h"
#include "policy/build.h"

static void
conversation_header(
	struct builder *b, const struct yaml_node *n, struct conversation_source *out)
{
	char *name = NULL;

	if (!build_section(b, n, SECTION_CONVERSATION, out))
		return;
	if (!out->header) {
		diag_at(b->d, n, "conversation: header is missing");
		return;
	}
	name = arena_strdup(b->a, out->header);
	if (!name)
		return;
	struct span s = span_str(name);
	ascii_lower(name, s.n);
	if (s.n > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != s.n ||
		span_starts(s, SPAN_LIT("x-tollgate-")))
		diag_at(b->d, yaml_get(n, "header"),
			"header: the name of a header that callers send is expected, found %s",
			name);
	out->header = name;
}

void
build_conversation(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n) {
		p->conversation[p->nconversation++].kind = CONVERSATION_DIALECT;
		p->conversation[p->nconversation++].kind = CONVERSATION_HASH;
		return;
	}
	if (!read_list(b->d, n, "conversation"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		size_t last = p->nconversation;
		if (last == CONVERSATION_MAX) {
			diag_at(b->d, c, "conversation: more than %d", CONVERSATION_MAX);
			return;
		}
		if (last && p->conversation[last - 1].kind == CONVERSATION_HASH)
			diag_at(b->d, c,
				"conversation: hash always finds a conversation, so entries "
				"after hash are never tried");
		struct conversation_source *s = &p->conversation[p->nconversation++];
		if (c->kind == YAML_MAPPING)
			conversation_header(b, c, s);
		else if (c->kind == YAML_SCALAR && span_is(c->s, "dialect"))
			s->kind = CONVERSATION_DIALECT;
		else if (c->kind == YAML_SCALAR && span_is(c->s, "hash"))
			s->kind = CONVERSATION_HASH;
		else
			diag_at(b->d, c,
				"conversation: dialect, hash or {header: NAME} is expected, "
				"found %s",
				yaml_found(c));
	}
	if (n->count == 0)
		diag_at(b->d, n, "conversation: the list is empty");
}
