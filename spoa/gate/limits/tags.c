/* request.tags: labels that callers put into a request's body, selected by the policy's list,
 * as "NAME:VALUE". The caller chooses the value, so a tag with a finding is dropped. */
#include <stdio.h>

#include "base/utf8.h"
#include "gate/limits/limits.h"

/* clang-format off */
/* Fields that name the user, in this order: OpenAI's two, Anthropic's. */
static const struct { const char *object, *name; } users[] = {
	{ NULL,       "user" },
	{ NULL,       "safety_identifier" },
	{ "metadata", "user_id" },
};
/* Objects that hold labels: OpenAI, Anthropic and Mistral; Bedrock; Vertex AI. */
static const char *const holders[] = { "metadata", "requestMetadata", "labels" };
/* clang-format on */

/* Returns true if the segment is the value of `name` in the body itself, or in its member
 * `object`. */
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

/* Returns true if the segment has a finding, or repeats a value found elsewhere. */
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
