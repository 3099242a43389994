/* Reads `tags` of a policy: fields of a request that become tags of its record, as in [user,
 * {metadata: project}]. */
#include "policy/build.h"

#define USER "user"

/* A metadata name must be one that can be written before a colon, because a tag is
 * NAME:VALUE. */
static void
tag_of_metadata(struct builder *b, const struct yaml_node *n, struct tag_source *out)
{
	static const char accepted[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.";

	if (!build_section(b, n, SECTION_TAG, out))
		return;
	if (!out->metadata) {
		diag_at(b->d, n, "tags: metadata is missing");
		return;
	}
	size_t len = strlen(out->metadata);
	if (!len || len > TAG_NAME_MAX || strspn(out->metadata, accepted) != len)
		diag_at(b->d, yaml_get(n, "metadata"),
			"metadata: a name of at most %d letters, digits, _, - and . is "
			"expected, found %.80s",
			TAG_NAME_MAX, out->metadata);
	else
		out->metadata = arena_strdup(b->a, out->metadata);
}

static const char *
tag_name(const struct tag_source *s)
{
	return s->metadata ? s->metadata : USER;
}

void
build_tag_sources(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n || !read_list(b->d, n, "tags"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (p->ntags == TAG_SOURCES_MAX) {
			diag_at(b->d, c, "tags: more than %d", TAG_SOURCES_MAX);
			return;
		}
		struct tag_source *s = &p->tags[p->ntags++];
		if (c->kind == YAML_MAPPING)
			tag_of_metadata(b, c, s);
		else if (c->kind != YAML_SCALAR || !span_is(c->s, USER))
			diag_at(b->d, c, "tags: user or {metadata: NAME} is expected, found %s",
				yaml_found(c));
		for (size_t i = 0; i + 1 < p->ntags; i++)
			if (!strcmp(tag_name(&p->tags[i]), tag_name(s)))
				diag_at(b->d, c, "tags: %s is listed twice", tag_name(s));
	}
	if (n->count == 0)
		diag_at(b->d, n, "tags: the list is empty");
}
