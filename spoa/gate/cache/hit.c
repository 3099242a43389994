/* Replays a stored response. If the response was stored whole and is wanted whole, its bytes are
 * copied and only a few members change. Otherwise the translator of answer/translate converts
 * between a whole response and a stream of the same format. */
#include "gate/cache/hit.h"

#include "answer/frames.h"
#include "answer/translate/answer.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/cache/key.h"

enum { STATUS_OK = 200 };

/* Members of a whole response that differ for each caller. `names` lists them: the id
 * (Bedrock's responses have none) and the members that repeat a member of the request without
 * being part of the key. They are written again from the current request. `unsaid` is the
 * value if the request has no such member. */
enum { AGAIN_ID, AGAIN_MOST = 6 };
static const struct said_again {
	const char *names[AGAIN_MOST + 1], *unsaid[AGAIN_MOST];
} said_again[FORMS] = {
	[FORM_CHAT] = { { "id" }, { NULL } },
	[FORM_RESPONSES] = { { "id", "metadata", "user", "safety_identifier",
				     "prompt_cache_key", "prompt_cache_retention" },
		{ NULL, "{}", "null", "null", "null", "null" } },
	[FORM_MESSAGES] = { { "id" }, { NULL } },
	[FORM_GENERATE] = { { "responseId" }, { NULL } },
};

static void
put_head(const char *type, size_t n, struct buf *out)
{
	buf_printf(out,
		"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n"
		"connection: close\r\n\r\n",
		type, n);
}

/* Returns the index of the first member at or after `at`, or AGAIN_MOST. */
static size_t
next_said(const struct span was[AGAIN_MOST], const char *at)
{
	size_t next = AGAIN_MOST;

	for (size_t i = 0; i < AGAIN_MOST; i++)
		if (was[i].n && was[i].p >= at &&
			(next == AGAIN_MOST || was[i].p < was[next].p))
			next = i;
	return next;
}

/* Writes a whole response as stored, except for the members of said_again. */
static int
put_as_it_was(const struct cache_answer *a, const struct cache_hit *h, struct buf *out)
{
	const struct said_again *again = &said_again[a->form];
	struct span was[AGAIN_MOST] = { { NULL, 0 } }, now[AGAIN_MOST] = { { NULL, 0 } };
	struct span bytes = a->bytes;
	size_t n = bytes.n, at = 0;
	SCOPED_BUF(id, 0);

	if (again->names[AGAIN_ID] && !cache_member_values(bytes, again->names, was))
		return ERR_SYNTAX;
	if (again->names[AGAIN_ID + 1])
		cache_member_values(h->asked, again->names, now);
	buf_printf(&id, "\"%s%.*s\"", translator_id_begins(a->form), SPAN_ARG(h->id));
	now[AGAIN_ID] = buf_view(&id);
	for (size_t i = 0; i < AGAIN_MOST; i++) {
		if (!now[i].n && again->unsaid[i])
			now[i] = span_str(again->unsaid[i]);
		n += was[i].n ? now[i].n - was[i].n : 0;
	}
	put_head("application/json", n, out);
	for (size_t i; (i = next_said(was, bytes.p + at)) < AGAIN_MOST;) {
		size_t from = (size_t)(was[i].p - bytes.p);
		buf_span(out, span_cut(bytes, at, from));
		buf_span(out, now[i]);
		at = from + was[i].n;
	}
	buf_span(out, span_cut(bytes, at, bytes.n));
	return buf_failed(&id) || buf_failed(out) ? ERR_LIMIT : 0;
}

int
cache_answer_again(const struct cache_answer *a, const struct cache_hit *h, struct buf *out)
{
	const struct dialect *d = form_dialect(a->form);

	if (!a->streamed && !h->stream)
		return put_as_it_was(a, h, out);
	const struct translate_plan plan = { .from = a->form,
		.to = a->form,
		.format = answer_format_find(span_str(dialect_name(d)), a->path),
		.sent = d,
		.asked = d,
		.wants_usage = h->wants_usage,
		.model = h->model,
		.id = h->id,
		.own_id = true,
		.other_way = a->streamed != h->stream,
		.array = h->stream && h->array,
		.head_tokens = -1 };
	struct buf body;
	const char *why;

	struct translator *t = translator_new(&plan, a->streamed, a->frames, STATUS_OK);
	if (!t)
		return ERR_NOMEM;
	buf_init(&body, 8 * CACHE_ENTRY_MOST);
	int err = translator_feed(t, a->bytes, &body, &why);
	err = err ? err : translator_end(t, &body, &why);
	if (!err && !buf_failed(&body)) {
		put_head(translator_media_type(t), body.n, out);
		buf_span(out, buf_view(&body));
	}
	if (!err && (buf_failed(&body) || buf_failed(out)))
		err = ERR_LIMIT;
	buf_free(&body);
	translator_drop(&t);
	return err;
}
