/* request.tags: what callers say of a request in its body, by the policy's list, as
 * "NAME:VALUE". Whoever sends the request chooses the value: a record holds it only where
 * nothing is found in it. */
#include <stdio.h>

#include "base/codec/utf8.h"
#include "gate/limits/limits.h"

/* clang-format off */
/* Where a body has its user: OpenAI's two names, Anthropic's. In this order. */
static const struct { const char *object, *name; } users[] = {
	{ NULL,       "user" },
	{ NULL,       "safety_identifier" },
	{ "metadata", "user_id" },
};
/* Where it has what callers say of it: OpenAI, Anthropic and Mistral, Bedrock, Vertex. */
static const char *const holders[] = { "metadata", "requestMetadata", "labels" };
/* clang-format on */

/* Whether this text is the value of a member of the body itself, or (object) of that of it. */
static bool
is_member(const struct body *b, const struct segment *s, const char *object, const char *name)
{
	if (s->role == ROLE_KEY || s->key == SEGMENT_NO_KEY)
		return false;
	const struct segment *key = &b->segments[s->key];
	if (!span_is(key->text, name))
		return false;
	if (!object || key->key == SEGMENT_NO_KEY)
		return !object && key->key == SEGMENT_NO_KEY;
	const struct segment *of = &b->segments[key->key];
	return of->key == SEGMENT_NO_KEY && span_is(of->text, object);
}

static const struct segment *
find_tag_segment(const struct body *b, const char *object, const char *name)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (is_member(b, &b->segments[i], object, name))
			return &b->segments[i];
	return NULL;
}

/* What was found there, or elsewhere and stands there again. */
static bool
found_in(const struct request *r, const struct segment *s)
{
	for (size_t i = 0; i < r->scan.nhits; i++) {
		const struct hit *h = &r->scan.hits[i];
		struct span value = span_cut(h->segment->text, h->f.start, h->f.end);
		if (h->segment == s ||
			(value.n && memmem(s->text.p, s->text.n, value.p, value.n)))
			return true;
	}
	return false;
}

void
request_tags(struct request *r)
{
	const struct policy *p = r->snap->policy;

	r->found.ntags = 0;
	if (!p->ntags || !r->in.have_body || r->in.body_state == BODY_STATE_PARTIAL)
		return;
	r->found.tags = arena_array(&r->arena, p->ntags, sizeof(*r->found.tags));
	for (size_t i = 0; r->found.tags && i < p->ntags; i++) {
		const char *metadata = p->tags[i].metadata,
			   *name = metadata ? metadata : users[0].name;
		const struct segment *s = NULL;
		for (size_t k = 0; !metadata && k < COUNT_OF(users) && !s; k++)
			s = find_tag_segment(&r->in.body, users[k].object, users[k].name);
		for (size_t k = 0; metadata && k < COUNT_OF(holders) && !s; k++)
			s = find_tag_segment(&r->in.body, holders[k], metadata);
		if (!s || s->text.n > TAG_VALUE_MAX || !utf8_line(s->text) || found_in(r, s) ||
			request_credential_in(r, s->text) || request_may_hold(r, s->text))
			continue;
		char text[TAG_NAME_MAX + 1 + TAG_VALUE_MAX + 1];
		int n = snprintf(
			text, sizeof(text), "%s:%.*s", name, (int)s->text.n, s->text.p);
		r->found.tags[r->found.ntags++] =
			arena_dup(&r->arena, span_of(text, (size_t)n));
	}
}
