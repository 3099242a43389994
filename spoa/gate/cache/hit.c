#include "gate/cache/hit.h"

#include "answer/frames.h"
#include "answer/translate/answer.h"
#include "base/err.h"

enum { STATUS_OK = 200 };

int
cache_answer_again(const struct cache_answer *a, const struct cache_hit *h, struct buf *out)
{
	const struct dialect *d = form_dialect(a->form);
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
	struct translator *t = translator_new(&plan, a->streamed, a->frames, STATUS_OK);
	struct buf body;
	const char *why;
	int err;

	if (!t)
		return ERR_NOMEM;
	buf_init(&body, 8 * CACHE_ENTRY_MOST);
	err = translator_feed(t, a->bytes, &body, &why);
	err = err ? err : translator_end(t, &body, &why);
	if (!err && !buf_failed(&body)) {
		buf_printf(out, "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n"
				 "connection: close\r\n\r\n",
			translator_media_type(t), body.n);
		buf_span(out, buf_view(&body));
	}
	if (!err && (buf_failed(&body) || buf_failed(out)))
		err = ERR_LIMIT;
	buf_free(&body);
	translator_drop(&t);
	return err;
}
