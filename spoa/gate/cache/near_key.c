/* Finds the only prompt of a request: the text of the role user, if no turn except the
 * system's comes before. Other texts of the request may state what to do with the prompt, so
 * they are searched for words about texts. Then a phrase such as "please" may be content, for
 * example in a text to translate, and must not be ignored. */
#include "gate/cache/meaning.h"
#include "gate/cache/near_key.h"

#include "base/codec/json.h"
#include "base/scoped.h"

enum { NEAR_ARENA_MOST = 8 << 20 };

/* The members of a format that hold the turns, and the content of a turn. */
struct near_form {
	const char *turns, *content;
};
static const struct near_form near_forms[FORMS] = {
	[FORM_CHAT] = { "messages", "content" },
	[FORM_RESPONSES] = { "input", "content" },
	[FORM_MESSAGES] = { "messages", "content" },
	[FORM_GENERATE] = { "contents", "parts" },
	[FORM_CONVERSE] = { "messages", "content" },
};

struct near_reading {
	const struct near_form *form;
	const struct courtesy *c;
	struct arena *a;
	struct json *j;
	struct span body;
	/* `prompt` is the string as written, with its quotes; `text` is its value */
	struct span prompt, text;
	const char *why;
};

/* The content of one turn. */
struct near_said {
	struct span prompt, text; /* the first text */
	size_t texts, others;	  /* number of texts, and of other contents */
	bool speaks;		  /* a text other than the first is about texts */
};

static const char *const no_one_text = "the request has more than one text";

static void
near_off(struct near_reading *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static bool
string_speaks(struct near_reading *r, const struct json_event *ev)
{
	struct span text = json_text(r->a, r->body, ev);

	return !text.p || near_speaks(r->c, text);
}

/* Reads all strings of the value that begins with *ev. Returns true if one of them is about
 * texts. */
static bool
value_speaks(struct near_reading *r, struct json_event *ev)
{
	unsigned depth = ev->depth;
	bool speaks = false;

	while (ev->tok != JSON_ERROR) {
		if (ev->tok == JSON_STRING)
			speaks |= string_speaks(r, ev);
		if (ev->depth == depth && ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
			break;
		json_next(r->j, ev);
	}
	return speaks;
}

static void
take_said_text(struct near_reading *r, struct near_said *said, const struct json_event *ev)
{
	if (said->texts++) {
		said->speaks |= string_speaks(r, ev);
		return;
	}
	said->prompt = span_cut(r->body, ev->start - 1, ev->end + 1);
	said->text = json_text(r->a, r->body, ev);
}

/* Reads one part: { "type": "text", "text": "…" }. Some formats have no type. */
static void
take_part(struct near_reading *r, struct near_said *said, struct json_event *ev)
{
	struct json_member m;
	int err = 0;

	if (ev->tok != JSON_OBJECT) {
		said->others++;
		said->speaks |= value_speaks(r, ev);
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, ev, &err)) {
		struct span s = ev->tok == JSON_STRING ? span_cut(r->body, ev->start, ev->end)
						       : SPAN_LIT("");
		if (span_is(m.key, "text") && ev->tok == JSON_STRING) {
			take_said_text(r, said, ev);
			continue;
		}
		said->others += !(span_is(m.key, "cache_control") ||
				  (span_is(m.key, "type") &&
					  (span_is(s, "text") || span_is(s, "input_text"))));
		said->speaks |= value_speaks(r, ev);
	}
}

static void
take_content(struct near_reading *r, struct near_said *said, struct json_event *ev)
{
	if (ev->tok == JSON_STRING) {
		take_said_text(r, said, ev);
		return;
	}
	if (ev->tok != JSON_ARRAY) {
		said->others++;
		said->speaks |= value_speaks(r, ev);
		return;
	}
	while (json_next(r->j, ev) != JSON_ARRAY_END && ev->tok != JSON_ERROR)
		take_part(r, said, ev);
}

static void
take_prompt(struct near_reading *r, const struct near_said *said)
{
	if (said->texts != 1 || said->others)
		near_off(r, no_one_text);
	r->prompt = said->prompt;
	r->text = said->text;
}

/* Reads one turn. In Gemini's format the role may be missing. */
static void
take_turn(struct near_reading *r, struct json_event *ev)
{
	struct near_said said = { .texts = 0 };
	struct span role = SPAN_LIT("user");
	struct json_member m;
	bool contents = false;
	int err = 0;

	if (ev->tok != JSON_OBJECT) {
		near_off(r, no_one_text);
		value_speaks(r, ev);
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, ev, &err)) {
		if (span_is(m.key, r->form->content)) {
			take_content(r, &said, ev);
			contents = true;
			continue;
		}
		if (span_is(m.key, "role"))
			role = ev->tok == JSON_STRING ? json_text(r->a, r->body, ev)
						      : SPAN_LIT("");
		else if (!span_is(m.key, "name") && !span_is(m.key, "type") &&
			 !span_is(m.key, "cache_control"))
			said.others++;
		value_speaks(r, ev);
	}
	if (r->prompt.n || !contents)
		near_off(r, "the request has earlier turns");
	else if (span_is(role, "user"))
		take_prompt(r, &said);
	else if (!span_is(role, "system") && !span_is(role, "developer"))
		near_off(r, "the request has earlier turns");
	else if (said.speaks || near_speaks(r->c, said.text))
		near_off(r, "the system prompt is about a text, so polite phrases may be content");
}

static void
take_turns(struct near_reading *r, struct json_event *ev)
{
	struct near_said said = { .texts = 0 };

	if (ev->tok == JSON_ARRAY) {
		while (json_next(r->j, ev) != JSON_ARRAY_END && ev->tok != JSON_ERROR)
			take_turn(r, ev);
		return;
	}
	take_content(r, &said, ev);
	take_prompt(r, &said);
}

/* An empty array or object offers no tool. */
static void
take_tools(struct near_reading *r, struct json_event *ev)
{
	size_t start = ev->start;
	bool null = ev->tok == JSON_NULL,
	     open = ev->tok == JSON_ARRAY || ev->tok == JSON_OBJECT;

	value_speaks(r, ev);
	for (size_t i = start + 1; open && i + 1 < ev->end; i++)
		if (!strchr(" \t\r\n", r->body.p[i]))
			open = false;
	if (!null && !open)
		near_off(r, "the request has tools");
}

static void
find_prompt(struct near_reading *r)
{
	struct json_event ev;
	struct json_member m;
	int err = 0;

	if (!r->j || json_next(r->j, &ev) != JSON_OBJECT) {
		near_off(r, "the body cannot be compared");
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, &ev, &err)) {
		if (span_is(m.key, r->form->turns))
			take_turns(r, &ev);
		else if (span_starts(m.key, SPAN_LIT("tool")) ||
			 span_starts(m.key, SPAN_LIT("function")))
			take_tools(r, &ev);
		else if (value_speaks(r, &ev) && !span_starts(m.key, SPAN_LIT("model")))
			near_off(r, "the system prompt is about a text, so polite phrases may "
				    "be content");
	}
	if (err || json_next(r->j, &ev) != JSON_END)
		r->why = "the body cannot be compared";
	if (!r->prompt.n)
		near_off(r, "the request has no prompt");
}

typedef const char *same_of(const struct courtesy *c, struct span text, struct buf *out);

static const char *
prompt_key(const struct cache_ask *ask, const struct courtesy *c, same_of *same_is,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	SCOPED_ARENA(a, NEAR_ARENA_MOST, true);
	SCOPED_BUF(same, NEAR_TEXT_MOST);

	if (!near_forms[ask->form].turns)
		return "requests of this API are not cached";
	if (ask->body.n > NEAR_BODY_MOST)
		return "the request is too long to be compared";
	struct near_reading r = { .form = &near_forms[ask->form],
		.c = c,
		.a = &a,
		.j = json_open(&a, ask->body),
		.body = ask->body };
	find_prompt(&r);
	const char *why = r.why ? r.why : same_is(c, r.text, &same);
	if (why)
		return why;
	if (arena_failed(&a) || buf_failed(&same))
		return "out of memory";
	struct cache_ask near = *ask;
	near.prompt = r.prompt;
	near.same = buf_view(&same);
	if ((why = cache_key(&near, secret, out)))
		return why;
	buf_clear(prompt);
	buf_span(prompt, r.text);
	return buf_failed(prompt) ? "out of memory" : NULL;
}

const char *
cache_near_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	return prompt_key(ask, c, near_text, secret, prompt, out);
}

/* The line feed distinguishes this key from that of a similar prompt, which never begins with
 * one. */
static const char *
meaning_same(const struct courtesy *c, struct span text, struct buf *out)
{
	buf_putc(out, '\n');
	return meaning_firm(c, text, out);
}

const char *
cache_meaning_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	return prompt_key(ask, c, meaning_same, secret, prompt, out);
}
