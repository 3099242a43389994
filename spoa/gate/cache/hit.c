#include "gate/cache/hit.h"

#include "answer/frames.h"
#include "answer/translate/answer.h"
#include "base/err.h"

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

/* A whole answer that is asked for whole is what it was, but for its id. */
static int
put_as_it_was(const struct cache_answer *a, const struct cache_hit *h, struct buf *out)
{
	const char *member = ids[a->form], *begins = translator_id_begins(a->form);
	struct span id = member ? cache_member_value(a->bytes, member) : SPAN_LIT("");
	size_t at = id.n ? (size_t)(id.p - a->bytes.p) : 0,
	       made = id.n ? strlen(begins) + h->id.n + 2 : 0;

	put_head("application/json", a->bytes.n - id.n + made, out);
	buf_span(out, span_cut(a->bytes, 0, at));
	if (id.n)
		buf_printf(out, "\"%s%.*s\"", begins, SPAN_ARG(h->id));
	buf_span(out, span_cut(a->bytes, at + id.n, a->bytes.n));
	return buf_failed(out) ? ERR_LIMIT : 0;
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
