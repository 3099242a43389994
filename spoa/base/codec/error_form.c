/* Fills the form of an error document. If the line is too long, the message is cut, if necessary
 * to nothing; then %x is left out. */
#include "base/codec/error_form.h"

#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"

static void
fill_form(const char *form, const struct error_words *e, struct buf *out)
{
	for (const char *p = form; *p; p++) {
		if (*p != '%') {
			buf_putc(out, *p == '\'' ? '"' : *p);
			continue;
		}
		switch (*++p) {
		case 't': buf_str(out, e->type); break;
		case 'c': buf_str(out, e->code); break;
		case 'n': buf_int(out, e->number); break;
		case 'm': buf_json_str(out, e->message); break;
		case 'p':
			if (e->param.n)
				buf_json_str(out, e->param);
			else
				buf_str(out, "null");
			break;
		case 'i': buf_json_str(out, e->decision); break;
		case 'r': buf_span(out, e->request); break;
		case 'x': buf_span(out, e->more); break;
		default: invariant_failed("a place of the form is filled", __FILE__, __LINE__);
		}
	}
}

void
error_write(const char *form, struct error_words e, struct buf *out)
{
	struct span all = span_cut(e.message, 0, CAP_ERROR_BYTES), message = all;

	SCOPED_BUF(text, 0);
	SCOPED_BUF(doc, 0);
	e.decision = span_cut(e.decision, 0, 64);
	e.decision.n = utf8_prefix(e.decision);
	e.param = span_cut(e.param, 0, 128);
	e.param.n = utf8_prefix(e.param);
	for (;;) {
		message.n = utf8_prefix(message);
		buf_clear(&text);
		buf_clear(&doc);
		buf_span(&text, message);
		if (e.decision.n) {
			buf_str(&text, " (decision ");
			buf_span(&text, e.decision);
			buf_putc(&text, ')');
		}
		e.message = buf_view(&text);
		fill_form(form, &e, &doc);
		if (doc.n <= CAP_ERROR_BYTES || !(message.n || e.more.n))
			break;
		if (!message.n) { /* the strings from outside are too long by themselves */
			e.more = SPAN_LIT("");
			message = all;
			continue;
		}
		size_t over = doc.n - CAP_ERROR_BYTES;
		message.n = over < message.n / 2 ? message.n - over : message.n / 2;
	}
	/* type, code and id are words of this program; the request's id takes half of the line
	 * at most */
	INVARIANT(buf_failed(&doc) || doc.n <= CAP_ERROR_BYTES);
	buf_span(out, buf_view(&doc));
	out->failed |= doc.failed || text.failed;
}
