/* Parses the result of tollgate-extract (spoa/extract/extract.h), which is one JSON object. The
 * helper has processed an untrusted file, so its output is not trusted: any unexpected member
 * makes the whole result invalid. */
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/media/extracted.h"

/* The words that are allowed; any other word makes the result invalid. */
#define WORD(name, word) word,
static const char *const errors[] = { EXTRACT_ERRORS(WORD) };
static const char *const unread_words[] = { EXTRACT_UNREAD(WORD) };
static const char *const kind_words[] = { EXTRACT_KINDS(WORD) };
#undef WORD

/* The state of one extracted_read() call. `ev` is the last token read, `room` the capacity of
 * out->texts. */
struct answer_reader {
	struct span in;
	struct arena *a;
	struct json *j;
	struct json_event ev;
	struct extracted *out;
	size_t room, links_room;
	int err;
};

static const char *
known_word(struct answer_reader *r, const char *const *words, size_t n)
{
	struct span s = json_text(r->a, r->in, &r->ev);

	for (size_t i = 0; r->ev.tok == JSON_STRING && i < n; i++)
		if (span_is(s, words[i]))
			return words[i];
	r->err = ERR_SYNTAX;
	return NULL;
}

static unsigned
small_number(struct answer_reader *r)
{
	uint64_t n;

	if (r->ev.tok == JSON_NUMBER &&
		!span_u64(span_cut(r->in, r->ev.start, r->ev.end), &n) && n <= UINT16_MAX)
		return (unsigned)n;
	r->err = ERR_SYNTAX;
	return 0;
}

/* {"page": 3, "text": "…"} or {"page": 3, "why": "no_text"} */
static void
read_extracted_page(struct answer_reader *r, bool unread)
{
	struct extracted_text page = { 0 };
	const char *why = NULL;
	struct json_member m;

	if (r->ev.tok != JSON_OBJECT)
		r->err = ERR_SYNTAX;
	while (!r->err && json_member(r->j, r->a, r->in, &m, &r->ev, &r->err)) {
		if (span_is(m.key, "page"))
			page.page = small_number(r);
		else if (unread && span_is(m.key, "why"))
			why = known_word(r, unread_words, COUNT_OF(unread_words));
		else if (!unread && span_is(m.key, "text") && r->ev.tok == JSON_STRING)
			page.text = json_text(r->a, r->in, &r->ev);
		else if (!unread && span_is(m.key, "places") && r->ev.tok == JSON_STRING)
			page.places = json_text(r->a, r->in, &r->ev);
		else
			r->err = ERR_SYNTAX;
	}
	if (!r->err && (unread != !page.text.p || unread != !!why))
		r->err = ERR_SYNTAX;
	if (r->err)
		return;
	if (unread && !r->out->why) {
		r->out->why = why;
		r->out->why_page = page.page;
	} else if (!unread &&
		   !ARENA_PUSH(r->a, r->out->texts, r->out->ntexts, r->room, 16, page)) {
		r->err = ERR_NOMEM;
	}
}

static void
read_pages(struct answer_reader *r, bool unread)
{
	if (r->ev.tok != JSON_ARRAY)
		r->err = ERR_SYNTAX;
	while (!r->err && json_next(r->j, &r->ev) != JSON_ARRAY_END)
		read_extracted_page(r, unread);
}

static void
read_links(struct answer_reader *r)
{
	if (r->ev.tok != JSON_ARRAY)
		r->err = ERR_SYNTAX;
	while (!r->err && json_next(r->j, &r->ev) != JSON_ARRAY_END) {
		if (r->ev.tok != JSON_STRING) {
			r->err = ERR_SYNTAX;
			break;
		}
		struct span link = json_text(r->a, r->in, &r->ev);
		if (!ARENA_PUSH(r->a, r->out->links, r->out->nlinks, r->links_room, 4, link))
			r->err = ERR_NOMEM;
	}
}

bool
extracted_place(struct span places, size_t at, struct span *head, struct span *place)
{
	uint64_t from = 0, more;

	*head = span_next(&places, '\n');
	*place = SPAN_LIT("");
	while (places.n) {
		struct span line = span_next(&places, '\n');
		if (span_u64(span_next(&line, ' '), &more) || more > UINT32_MAX)
			return false;
		from += more;
		if (from > at)
			break;
		*place = line;
	}
	return head->n || place->n;
}

int
extracted_read(struct span answer, struct arena *a, struct extracted *out)
{
	struct answer_reader r = {
		.in = answer, .a = a, .j = json_open(a, answer), .out = out
	};
	struct json_member m;

	*out = (struct extracted){ 0 };
	if (!r.j)
		return ERR_NOMEM;
	if (json_next(r.j, &r.ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!r.err && json_member(r.j, a, answer, &m, &r.ev, &r.err)) {
		if (span_is(m.key, "pages"))
			out->pages = small_number(&r);
		else if (span_is(m.key, "texts"))
			read_pages(&r, false);
		else if (span_is(m.key, "unread"))
			read_pages(&r, true);
		else if (span_is(m.key, "error"))
			out->why = known_word(&r, errors, COUNT_OF(errors));
		else if (span_is(m.key, "kind"))
			out->kind = known_word(&r, kind_words, COUNT_OF(kind_words));
		else if (span_is(m.key, "macros") &&
			 (r.ev.tok == JSON_TRUE || r.ev.tok == JSON_FALSE))
			out->macros = r.ev.tok == JSON_TRUE;
		else if (span_is(m.key, "links"))
			read_links(&r);
		else if (span_is(m.key, "read") && r.ev.tok == JSON_STRING)
			out->ocr = span_is(json_text(a, answer, &r.ev), "ocr");
		else
			r.err = ERR_SYNTAX;
	}
	if (r.err == ERR_NOMEM || arena_failed(a))
		return ERR_NOMEM;
	if (r.err || (!out->why && !out->pages && !out->kind) ||
		json_next(r.j, &r.ev) != JSON_END)
		return ERR_SYNTAX;
	return 0;
}
