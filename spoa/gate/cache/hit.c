#include "gate/cache/hit.h"

#include "answer/frames.h"
#include "answer/translate/answer.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/cache/key.h"

enum { STATUS_OK = 200 };

/* Where a whole answer's id is; NULL: it has none. */
static const char *const ids[FORMS] = { [FORM_CHAT] = "id",
	[FORM_RESPONSES] = "id",
	[FORM_MESSAGES] = "id",
	[FORM_GENERATE] = "responseId" };

static void
put_head(const char *type, size_t n, struct buf *out)
{
	buf_printf(out,
		"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n"
		"connection: close\r\n\r\n",
		type, n);
}

/* What responses say again of their request and no key has: of the one who asks now. */
static const struct {
	const char *name, *unsaid;
} said_again[] = { { "metadata", "{}" }, { "user", "null" }, { "safety_identifier", "null" },
	{ "prompt_cache_key", "null" }, { "prompt_cache_retention", "null" } };

/* The object in *body with this value of that member, where it has one. */
static void
put_instead(const char *name, struct span value, struct buf *body)
{
	struct span json = buf_view(body), was = cache_member_value(json, name);
	SCOPED_BUF(made, 0);

	if (!was.n)
		return;
	size_t at = (size_t)(was.p - json.p);
	buf_span(&made, span_cut(json, 0, at));
	buf_span(&made, value);
	buf_span(&made, span_cut(json, at + was.n, json.n));
	buf_clear(body);
	buf_move(body, &made);
}

/* A whole answer that is asked for whole is what it was, but for its id and what is its
 * caller's. */
static int
put_as_it_was(const struct cache_answer *a, const struct cache_hit *h, struct buf *out)
{
	const char *member = ids[a->form], *begins = translator_id_begins(a->form);
	struct span bytes = a->bytes;
	SCOPED_BUF(body, 0);

	if (a->form == FORM_RESPONSES) {
		buf_span(&body, bytes);
		for (size_t i = 0; i < COUNT_OF(said_again); i++) {
			struct span said = cache_member_value(h->asked, said_again[i].name);
			put_instead(said_again[i].name,
				said.n ? said : span_str(said_again[i].unsaid), &body);
		}
		bytes = buf_view(&body);
	}
	struct span id = member ? cache_member_value(bytes, member) : SPAN_LIT("");
	if (!id.p)
		return ERR_SYNTAX;
	size_t at = id.n ? (size_t)(id.p - bytes.p) : 0,
	       made = id.n ? strlen(begins) + h->id.n + 2 : 0;

	put_head("application/json", bytes.n - id.n + made, out);
	buf_span(out, span_cut(bytes, 0, at));
	if (id.n)
		buf_printf(out, "\"%s%.*s\"", begins, SPAN_ARG(h->id));
	buf_span(out, span_cut(bytes, at + id.n, bytes.n));
	return buf_failed(&body) || buf_failed(out) ? ERR_LIMIT : 0;
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
