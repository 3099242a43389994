/* Writes and reads the frames of a job. The reader trusts no frame: it checks each length, and
 * a result consists of whole frames with FRAME_END as the last one. */
#include "extract/frame.h"

#include "base/json_put.h"
#include "base/scoped.h"
#include "base/utf8.h"

#define X(name, word) word,
const char *const extract_error_words[EXTRACT_ERRORS_N] = { "read", EXTRACT_ERRORS(X) };
const char *const extract_unread_words[EXTRACT_UNREAD_N] = { EXTRACT_UNREAD(X) };
const char *const extract_kind_words[EXTRACT_KINDS_N] = { "", EXTRACT_KINDS(X) };
#undef X

void
frame_put(struct buf *b, enum frame_kind kind, unsigned page, unsigned n)
{
	struct frame f = { kind, page, n };

	buf_put(b, &f, sizeof(f));
}

void
frame_put_text(struct buf *b, enum frame_kind kind, unsigned page, struct span text)
{
	frame_put(b, kind, page, (unsigned)text.n);
	buf_span(b, text);
}

void
frame_error(enum extract_error error, struct buf *json)
{
	json_put_form(json, "{'error':%s}", extract_error_words[error]);
}

/* The content of the frames before the end. */
struct told {
	unsigned pages;
	bool ocr;
	size_t text_bytes;
	struct span places; /* of the next text */
	enum extract_kind kind;
	bool macros;
	struct buf links;  /* JSON strings with commas between */
	uint64_t document; /* bits of enum extract_unread for page 0: each is reported once */
};

/* Reads one frame from the front of the job's output and adds it to the two lists. Returns
 * false if it is not a valid frame. */
static bool
frame_take(struct span *said, struct frame *f, struct told *t, struct buf *texts,
	struct buf *unread)
{
	if (said->n < sizeof(*f))
		return false;
	memcpy(f, said->p, sizeof(*f));
	*said = span_cut(*said, sizeof(*f), said->n);
	switch (f->kind) {
	case FRAME_TEXT:
		if (f->n > said->n)
			return false;
		t->text_bytes += f->n;
		json_put_open(texts, NULL, '{');
		json_put_uint(texts, "page", f->page);
		json_put_name(texts, "text");
		buf_json_utf8(texts, span_cut(*said, 0, f->n));
		if (t->places.n) {
			json_put_name(texts, "places");
			buf_json_utf8(texts, t->places);
		}
		t->places = SPAN_LIT("");
		json_put_close(texts, '}');
		*said = span_cut(*said, f->n, said->n);
		return true;
	case FRAME_UNREAD:
		if (f->n >= EXTRACT_UNREAD_N)
			return false;
		if (f->page == 0 && t->document & 1u << f->n)
			return true;
		if (f->page == 0)
			t->document |= 1u << f->n;
		json_put_open(unread, NULL, '{');
		json_put_uint(unread, "page", f->page);
		json_put_str(unread, "why", extract_unread_words[f->n]);
		json_put_close(unread, '}');
		return true;
	case FRAME_PLACES:
	case FRAME_LINK: {
		if (f->n > said->n)
			return false;
		struct span text = span_cut(*said, 0, f->n);
		*said = span_cut(*said, f->n, said->n);
		if (f->kind == FRAME_PLACES) {
			t->places = text;
			return true;
		}
		if (t->links.n)
			buf_putc(&t->links, ',');
		buf_json_utf8(&t->links, text);
		return true;
	}
	case FRAME_KIND:
		if (f->n >= EXTRACT_KINDS_N || f->n == EXTRACT_NO_KIND)
			return false;
		t->kind = f->n;
		t->macros = f->page;
		return true;
	case FRAME_PAGES: t->pages = f->n; return true;
	case FRAME_OCR: t->ocr = true; return true;
	case FRAME_END: return f->n < EXTRACT_ERRORS_N && said->n == 0;
	default: return false;
	}
}

enum extract_error
frame_answer(struct span said, enum extract_error otherwise, struct buf *json)
{
	SCOPED_BUF(texts, 0);
	SCOPED_BUF(unread, 0);
	struct told t = { 0 };
	struct frame f = { 0 };
	enum extract_error error = otherwise;

	json_put_open(&texts, NULL, '[');
	json_put_open(&unread, NULL, '[');
	while (f.kind != FRAME_END && frame_take(&said, &f, &t, &texts, &unread))
		if (f.kind == FRAME_END)
			error = f.n;
	json_put_close(&texts, ']');
	json_put_close(&unread, ']');
	if (error == EXTRACT_READ && t.text_bytes > EXTRACT_TEXT_BYTES)
		error = EXTRACT_TOO_LARGE;
	if (error == EXTRACT_READ && (buf_failed(&texts) || buf_failed(&unread)))
		error = EXTRACT_MEMORY;
	if (error != EXTRACT_READ) {
		frame_error(error, json);
		buf_free(&t.links);
		return error;
	}
	SCOPED_BUF(links, 0);
	buf_printf(&links, "[%.*s]", SPAN_ARG(buf_view(&t.links)));
	buf_free(&t.links);
	if (t.kind) {
		json_put_form(json,
			"{'kind':%s,'macros':%j,'links':%j,'pages':%u,'texts':%j,'read':%s,'"
			"unread':%j}",
			extract_kind_words[t.kind],
			t.macros ? SPAN_LIT("true") : SPAN_LIT("false"), buf_view(&links),
			(uint64_t)t.pages, buf_view(&texts), t.ocr ? "ocr" : "text",
			buf_view(&unread));
		return error;
	}
	json_put_form(json, "{'pages':%u,'texts':%j,'read':%s,'unread':%j}", (uint64_t)t.pages,
		buf_view(&texts), t.ocr ? "ocr" : "text", buf_view(&unread));
	return error;
}
