/* The page of `tollgate audit subject`, index.html: each decision about the person with its texts
 * and the values that rules read. Text from anyone is escaped, so that no text can add markup. */
#include "cmd/sealed/subject.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "record/audit/record_fields.h"

static const char begin[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>What is held about one person</title>\n<style>"
	"body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
	"article{border-top:1px solid #888;padding:1em 0}h2{font-size:1.1em}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.5em 0}"
	"dt{color:#555}dd{margin:0;overflow-wrap:anywhere}"
	"pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;color:#000;"
	"padding:.6em}"
	"</style></head><body>\n<h1>What is held about one person</h1>\n";

/* Appends text from anyone. Invalid UTF-8 and invisible characters become U+FFFD. */
static void
put_html(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_sequence(s.p + i, s.n - i);
		unsigned char c = (unsigned char)s.p[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			buf_printf(b, "&#%d;", c);
		else if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			buf_str(b, "\xef\xbf\xbd");
		else
			buf_put(b, s.p + i, n);
		i += n ? n : 1;
	}
}

static void
put_row(struct buf *b, const char *name, struct span value)
{
	buf_str(b, "<dt>");
	put_html(b, span_str(name));
	buf_str(b, "</dt><dd dir=\"auto\">");
	put_html(b, value);
	buf_str(b, "</dd>\n");
}

static void
put_json_row(struct buf *b, const char *name, const json_t *v)
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	if (json_is_string(v) || text)
		put_row(b, name, text ? span_str(text) : json_span(v));
	free(text);
}

void
subject_page_begin(struct buf *b, const char *person, const char *made, const char *since,
	const char *until)
{
	buf_str(b, begin);
	buf_str(b, "<p>Each decision that the gateway recorded about this person's requests to "
		   "language models, with the texts that are kept and that the auditor's key "
		   "opens. decisions.jsonl has the same data, and each *.manifest states who "
		   "signed its file."
		   "</p>\n<dl>\n");
	put_row(b, "person", span_str(person));
	put_row(b, "made", span_str(made));
	put_row(b, "from", since[0] ? span_str(since) : SPAN_LIT("the first record"));
	put_row(b, "until", until[0] ? span_str(until) : SPAN_LIT("now"));
	buf_str(b, "</dl>\n");
}

static void
put_subject_text(struct buf *b, const json_t *t)
{
	struct span text = json_span(json_object_get(t, "text"));

	buf_str(b, "<h3>");
	put_html(b, json_span(json_object_get(t, "part")));
	buf_str(b, ": ");
	put_html(b, json_span(json_object_get(t, "is")));
	if (json_is_true(json_object_get(t, "cut")))
		buf_str(b, ", cut");
	buf_str(b, "</h3>\n");
	if (json_object_get(t, "why")) {
		buf_str(b, "<p>");
		put_html(b, json_span(json_object_get(t, "why")));
		buf_str(b, "</p>\n");
	}
	if (json_object_get(t, "text")) {
		buf_str(b, "<pre dir=\"auto\">");
		put_html(b, text);
		buf_str(b, "</pre>\n");
	}
}

void
subject_page_decision(struct buf *b, const json_t *o)
{
	const json_t *one;
	size_t i;

	buf_str(b, "<article><h2>");
	put_html(b, json_span(json_object_get(o, "time")));
	buf_str(b, "</h2>\n");
	json_array_foreach(json_object_get(o, "records"), i, one)
	{
		buf_str(b, "<dl>\n");
		/* members that rules and commands have a name for are of interest to the
		 * person */
		for (size_t f = 0; f < RECORD_FIELDS_COUNT; f++) {
			const struct record_row *row = &record_rows[f];
			if (!row->called || strpbrk(row->path, "[*"))
				continue;
			const json_t *v = record_get(one, (enum record_field)f);
			if (v)
				put_json_row(b, row->called, v);
		}
		buf_str(b, "</dl>\n");
	}
	json_array_foreach(json_object_get(o, "texts"), i, one) put_subject_text(b, one);
	buf_str(b, "<details><summary>Complete record</summary>\n");
	json_array_foreach(json_object_get(o, "records"), i, one)
	{
		char *text = json_dumps(one, JSON_INDENT(1));
		buf_str(b, "<pre>");
		put_html(b, span_str(text ? text : "{}"));
		buf_str(b, "</pre>\n");
		free(text);
	}
	buf_str(b, "</details></article>\n");
}

void
subject_page_end(struct buf *b, size_t decisions, const json_t *texts)
{
	const char *name;
	json_t *n;

	buf_printf(
		b, "<article><h2>Total</h2><dl>\n<dt>decisions</dt><dd>%zu</dd>\n", decisions);
	json_object_foreach((json_t *)(uintptr_t)texts, name, n) put_json_row(b, name, n);
	buf_str(b, "</dl></article>\n</body></html>\n");
}
