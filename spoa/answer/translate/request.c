/* From one form into another: what is read by tables, what has no place, and the members that
 * are one value everywhere. Turns are in turns.c, what a form has for itself in its own file.
 */
#include <stdlib.h>

#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

static const char *const harmless[] = {
#include "answer/translate/harmless_members.inc"
};

const char *const efforts[] = { "none", "minimal", "low", "medium", "high", "xhigh", "max",
	NULL };

const char question_nowhere[] = "it has no place in the form of the target";

static const struct request_form *const request_forms[FORMS] = {
	[FORM_CHAT] = &chat_request_form,
	[FORM_RESPONSES] = &responses_request_form,
	[FORM_MESSAGES] = &messages_request_form,
	[FORM_GENERATE] = &generate_request_form,
	[FORM_CONVERSE] = &converse_request_form,
	[FORM_EMBEDDINGS] = &embeddings_request_form,
	[FORM_EMBED_GEMINI] = &embed_gemini_request_form,
	[FORM_EMBED_COHERE] = &embed_cohere_request_form,
	[FORM_EMBED_INVOKED] = &embed_invoked_request_form,
	[FORM_EMBED_TITAN] = &embed_titan_request_form,
};

/* ---- where it is, and whether that matters ---- */

/* "messages[2].content", or "messages[*].content". */
static void
put_path(struct buf *b, const struct node *n, bool any)
{
	if (!n->up)
		return;
	put_path(b, n->up, any);
	if (n->up->tok == JSON_ARRAY && any) {
		buf_str(b, "[*]");
		return;
	}
	if (n->up->tok == JSON_ARRAY) {
		size_t place = 0;
		for (const struct node *o = n->up->first; o != n; o = o->next)
			place++;
		buf_printf(b, "[%zu]", place);
		return;
	}
	buf_str(b, b->n ? "." : "");
	buf_span(b, n->key);
}

/* `listed`: a path, with = and a value, without its quotes, where only that is meant. */
static bool
is_listed_member(const struct node *n, struct span path, struct span listed)
{
	struct span value = listed, name = span_next(&value, '=');

	if (span_starts(name, SPAN_LIT("*."))) {
		if (!span_eq(n->key, span_cut(name, 2, name.n)))
			return false;
	} else if (!span_eq(path, name)) {
		return false;
	}
	if (name.n == listed.n)
		return true;
	struct span raw = tree_raw(n->of, n);
	for (size_t i = 0; i < raw.n; i++)
		if (!strchr(" \t\r\n\"", raw.p[i]) && !span_take(&value, raw.p[i]))
			return false;
	return !value.n;
}

void
question_dropped(struct question *q, const char *path)
{
	struct translated_request *to = q->to;
	size_t i = 0;

	while (i < to->ndropped && strcmp(to->dropped[i], path))
		i++;
	if (i == to->ndropped && i < TRANSLATE_DROPS)
		to->dropped[to->ndropped++] = path;
}

/* What may go without a word, and what the route lets go, which is noted. */
static bool
member_may_go(struct question *q, const struct node *n)
{
	SCOPED_BUF(path, 0);

	put_path(&path, n, true);
	for (size_t i = 0; i < COUNT_OF(harmless); i++) {
		struct span listed = span_str(harmless[i]);
		if (span_is(span_next(&listed, ':'), form_name(q->form->form)) &&
			is_listed_member(n, buf_view(&path), listed))
			return true;
	}
	for (size_t i = 0; i < q->ask->ndrop; i++) {
		if (!is_listed_member(n, buf_view(&path), span_str(q->ask->drop[i])))
			continue;
		question_dropped(q, q->ask->drop[i]);
		return true;
	}
	return false;
}

static void
question_fail(struct question *q, int err, const struct node *at, const char *why)
{
	SCOPED_BUF(path, 0);

	if (q->err)
		return;
	put_path(&path, at, false);
	q->to->refused = arena_dup(q->a, buf_view(&path));
	q->to->why = why;
	q->err = q->to->refused.p ? err : ERR_NOMEM;
}

bool
question_refuse(struct question *q, const struct node *at, const char *why)
{
	if (!q->err && member_may_go(q, at))
		return true;
	question_fail(q, ERR_UNSUPPORTED, at, why);
	return false;
}

void
question_odd(struct question *q, const struct node *at, const char *why)
{
	question_fail(q, ERR_SYNTAX, at, why);
}

/* ---- members ---- */

static bool
is_member_a(const struct node *n, enum member_is is)
{
	switch (is) {
	case IS_TEXT: return n->tok == JSON_STRING;
	case IS_NUMBER: return n->tok == JSON_NUMBER;
	case IS_BOOL: return n->tok == JSON_TRUE || n->tok == JSON_FALSE;
	case IS_OBJECT: return n->tok == JSON_OBJECT;
	case IS_ARRAY: return n->tok == JSON_ARRAY;
	case IS_TEXTS: return n->tok == JSON_STRING || n->tok == JSON_ARRAY;
	case IS_ANY: break;
	}
	return true;
}

static void
read_member(struct question *q, struct node *n, const struct member *table, struct node **m)
{
	size_t i = 0;

	while (table[i].name && !span_is(n->key, table[i].name))
		i++;
	if (!table[i].name)
		question_refuse(q, n, question_nowhere);
	else if (m[i])
		question_odd(q, n, "it is there twice");
	else if (!is_member_a(n, table[i].is))
		question_odd(q, n, "it is of another type");
	else
		m[i] = n;
}

bool
question_members(struct question *q, const struct node *object, const struct member *table,
	struct node **m)
{
	if (object->tok != JSON_OBJECT)
		question_odd(q, object, "it is no object");
	for (size_t i = 0; table[i].name; i++)
		m[i] = NULL;
	for (struct node *n = object->first; n && !q->err; n = n->next)
		if (n->tok != JSON_NULL)
			read_member(q, n, table, m);
	return !q->err;
}

int
question_word(struct question *q, const struct node *n, const char *const *words)
{
	for (int i = 0; n && words[i]; i++)
		if (node_is(n, words[i]))
			return i;
	if (n)
		question_refuse(q, n, question_nowhere);
	return -1;
}

bool
node_is(const struct node *n, const char *word)
{
	return n && tree_is(n->of, n, word);
}

bool
node_true(const struct node *n)
{
	return n && n->tok == JSON_TRUE;
}

struct span
node_written(const struct node *n)
{
	return n && n->tok == JSON_STRING ? span_cut(n->of->raw, n->start + 1, n->end - 1)
					  : SPAN_LIT("");
}

struct span
node_text(const struct node *n)
{
	return n ? tree_text(n->of, n) : SPAN_LIT("");
}

struct turn *
question_turn(struct question *q, enum turn_role role, const struct node *at)
{
	struct turn *t = arena_new(q->a, struct turn);

	if (!t)
		return NULL;
	*t = (struct turn){ .role = role, .at = at, .end = &t->first };
	*q->turns_end = t;
	q->turns_end = &t->next;
	return t;
}

struct part *
turn_part(struct question *q, struct turn *t, enum part_kind kind, const struct node *at)
{
	struct part *p = arena_new(q->a, struct part);

	if (!p)
		return NULL;
	*p = (struct part){ .kind = kind, .at = at };
	*t->end = p;
	t->end = &p->next;
	return p;
}

bool
part_data_uri(struct question *q, struct part *p, const struct node *url)
{
	struct span s = node_text(url), rest = span_cut(s, strlen("data:"), s.n);
	struct span head = span_next(&rest, ',');

	if (!span_istarts(s, SPAN_LIT("data:")))
		return false;
	/* it is written as it is */
	if (!span_ends(head, SPAN_LIT(";base64")) || !span_is_alnum(rest, "+/=-_"))
		question_odd(q, url, "it is no data: URI in base64");
	p->media = span_next(&head, ';');
	p->data = rest;
	return true;
}

struct part *
turn_text(struct question *q, struct turn *t, enum part_kind kind, const struct node *at,
	const struct node *text)
{
	struct part *p = turn_part(q, t, kind, at);

	if (p)
		p->text = node_written(text);
	return p;
}

void
turn_content(struct question *q, struct turn *t, const struct node *content,
	void (*read)(struct question *q, struct turn *t, const struct node *of))
{
	if (!t)
		return;
	if (content && content->tok == JSON_STRING)
		turn_text(q, t, PART_TEXT, content, content);
	for (struct node *n = tree_elements(content); n && !q->err; n = n->next)
		read(q, t, n);
}

struct part *
turn_result(struct question *q, struct turn *t, const struct node *at, const struct node *id,
	const struct node *content,
	void (*read)(struct question *q, struct turn *t, const struct node *of))
{
	struct part *p = t ? turn_part(q, t, PART_RESULT, at) : NULL;

	if (!p)
		return NULL;
	struct turn inner = { .at = at, .end = &p->parts };
	p->id = node_text(id);
	turn_content(q, &inner, content, read);
	return p;
}

struct part *
turn_call(struct question *q, struct turn *t, const struct node *at, const struct node *id,
	const struct node *name)
{
	struct part *p = t ? turn_part(q, t, PART_CALL, at) : NULL;

	if (p) {
		p->id = node_text(id);
		p->name = node_text(name);
	}
	return p;
}

void
question_only(
	struct question *q, struct node *const *m, size_t n, unsigned has, const char *why)
{
	for (size_t i = 0; i < n; i++)
		if (m[i] && !(has >> i & 1))
			question_odd(q, m[i], why);
}

void
question_tool(struct question *q, const struct node *at, struct node *const *m)
{
	struct tool_offer *t = arena_new(q->a, struct tool_offer);

	if (!t)
		return;
	*t = (struct tool_offer){ .at = at,
		.name = node_text(m[TOOL_NAME]),
		.description = m[TOOL_DESCRIPTION],
		.schema = m[TOOL_SCHEMA],
		.strict = m[TOOL_STRICT] };
	*q->tools_end = t;
	q->tools_end = &t->next;
}

bool
question_arguments(struct question *q, struct part *call, const struct node *text)
{
	struct tree t;

	call->json = span_trim(node_text(text), " \t\r\n");
	if (!call->json.n) {
		call->json = SPAN_LIT("{}");
	} else {
		int err = tree_read(&t, q->a, call->json);
		if (err == ERR_NOMEM)
			q->err = err;
		else if (err || t.root->tok != JSON_OBJECT)
			question_fail(q, ERR_UNSUPPORTED, text,
				"the arguments are no JSON object that all read alike");
	}
	return !q->err;
}

struct span
escaped_json(struct question *q, struct span json)
{
	SCOPED_BUF(b, 0);

	buf_json(&b, json);
	return arena_dup(q->a, buf_view(&b));
}

/* A budget of thinking as an effort: up to so many tokens. */
int
effort_of_budget(const struct node *tokens)
{
	static const struct {
		uint64_t tokens;
		int effort;
	} budgets[] = { { 0, EFFORT_NONE }, { 4096, EFFORT_LOW }, { 16384, EFFORT_MEDIUM },
		{ UINT64_MAX, EFFORT_HIGH } };
	uint64_t n = tree_number(tokens->of, tokens, UINT64_MAX);
	size_t i = 0;

	while (n > budgets[i].tokens)
		i++;
	return budgets[i].effort;
}

/* ---- writing ---- */

void
put_written(struct buf *b, const char *name, struct span written)
{
	json_put_name(b, name);
	buf_putc(b, '"');
	buf_span(b, written);
	buf_putc(b, '"');
}

void
put_node(struct buf *b, const char *name, const struct node *n)
{
	if (!n)
		return;
	json_put_name(b, name);
	tree_write(n->of, n, b);
}

const struct part tool_failed = { .kind = PART_TEXT, .text = SPAN_LIT("The tool failed:") };

void
put_data_uri(struct buf *b, const char *name, const struct part *p)
{
	json_put_name(b, name);
	buf_str(b, "\"data:");
	buf_json(b, p->media);
	buf_str(b, ";base64,");
	buf_span(b, p->data);
	buf_putc(b, '"');
}

void
put_tool(struct buf *b, const struct tool_offer *t, const char *schema)
{
	json_put_text(b, "name", t->name);
	put_node(b, "description", t->description);
	if (schema)
		put_node(b, schema, t->schema);
	put_node(b, "strict", t->strict);
}

/* As the row has it. False: it has no place, and q->err or it goes. */
static bool
setting_fits(struct question *q, const struct setting_row *row, struct node *n)
{
	char text[32] = "";
	struct span raw = tree_raw(n->of, n);
	size_t texts = 0;

	if (n->tok == JSON_NUMBER && row->most > 0) {
		if (raw.n < sizeof(text))
			memcpy(text, raw.p, raw.n);
		if (!*text || strtod(text, NULL) > row->most) {
			question_refuse(q, n, "it is more than the form of the target has");
			return false;
		}
	}
	for (struct node *e = tree_elements(n); e; e = e->next, texts++)
		if (e->tok != JSON_STRING)
			question_odd(q, e, "it is no text");
	if (row->type == IS_TEXTS && row->most > 0 && texts > (size_t)row->most) {
		question_refuse(q, n, "it has more elements than the form of the target has");
		return false;
	}
	return !q->err;
}

void
question_put_settings(struct question *q)
{
	for (int s = 0; s < SETTINGS && !q->err; s++) {
		const struct setting_row *row = q->into->settings;
		struct node *n = q->set[s];
		if (!n)
			continue;
		while (row->name && row->is != (enum setting)s)
			row++;
		if (!row->name) {
			question_refuse(q, n, question_nowhere);
		} else if (setting_fits(q, row, n)) {
			bool list = row->type == IS_TEXTS && n->tok == JSON_STRING;
			if (list)
				json_put_open(q->out, row->name, '[');
			put_node(q->out, list ? NULL : row->name, n);
			if (list)
				json_put_close(q->out, ']');
		}
	}
}

/* Letters, digits, _ and -, as all but Mistral take it; another one is the same one each time.
 */
struct span
question_id(struct question *q, struct span id)
{
	if (q->into == &mistral_request_form)
		return id.n == 9 && span_is_alnum(id, "")
			       ? id
			       : arena_printf(q->a, "%09llx",
					 (unsigned long long)(span_hash(id) >> 28));
	if (id.n && id.n <= 64 && span_is_alnum(id, "_-"))
		return id;
	return arena_printf(q->a, "call_%016llx", (unsigned long long)span_hash(id));
}

/* ---- all of it ---- */

bool
question_settings(struct question *q, const struct node *object, const struct member *table,
	struct node **m)
{
	const struct setting_row *by[SETTINGS] = { NULL };

	if (object->tok != JSON_OBJECT)
		question_odd(q, object, "it is no object");
	for (size_t i = 0; table[i].name; i++)
		m[i] = NULL;
	for (struct node *n = object->first; n && !q->err; n = n->next) {
		const struct setting_row *row = q->form->settings;
		if (n->tok == JSON_NULL)
			continue;
		while (row->name && !span_is(n->key, row->name))
			row++;
		if (!row->name)
			read_member(q, n, table, m);
		else if (!is_member_a(n, row->type))
			question_odd(q, n, "it is of another type");
		else if (by[row->is] == row)
			question_odd(q, n, "it is there twice");
		else if (!by[row->is] || row < by[row->is]) {
			by[row->is] = row;
			q->set[row->is] = n;
		}
	}
	return !q->err;
}

static void
check_name(struct question *q, struct span name, const struct node *at,
	const struct request_form *to)
{
	if (!name.n || name.n > to->name_max || !span_is_alnum(name, "_-"))
		question_fail(q, ERR_UNSUPPORTED, at,
			"its name is none that the form of the target takes");
}

void
part_goes(struct part *p)
{
	p->kind = PART_TEXT;
	p->text = SPAN_LIT("");
}

static void
check_turn_parts(struct question *q, struct part *parts, const struct request_form *to)
{
	static const char *const images[] = { "image/jpeg", "image/png", "image/gif",
		"image/webp" };

	for (struct part *p = parts; p && !q->err; p = p->next) {
		if (p->kind == PART_CALL)
			check_name(q, p->name, p->at, to);
		if (p->kind == PART_IMAGE && !p->url.p && !SPAN_IN(p->media, images) &&
			question_refuse(q, p->at, "it is an image of no kind that is known"))
			part_goes(p);
		check_turn_parts(q, p->parts, to);
	}
}

static bool
is_mistral(const struct dialect *d)
{
	return d && d == dialect_find(SPAN_LIT("mistral"));
}

int
translate_request(const struct translate_ask *ask, struct arena *a, struct buf *out,
	struct translated_request *made)
{
	const struct request_form *from = request_forms[ask->from],
				  *to = ask->to == FORM_CHAT && is_mistral(ask->dialect)
						? &mistral_request_form
						: request_forms[ask->to];
	struct node *m[REQUEST_MEMBERS];
	struct question q = {
		.ask = ask, .to = made, .form = from, .into = to, .a = a, .out = out
	};

	*made = (struct translated_request){ .stream = ask->stream };
	if (!(forms_into(ask->to) >> ask->from & 1))
		return ERR_UNSUPPORTED;
	q.turns_end = &q.turns;
	q.tools_end = &q.tools;
	q.effort_is = EFFORT_UNSAID;
	q.err = tree_read(&q.tree, a, ask->body);
	if (q.err == ERR_NOMEM)
		return q.err;
	if (q.err) {
		made->refused = SPAN_LIT("body");
		made->why = "it is no JSON";
		return ERR_SYNTAX;
	}
	if ((from->nested ? question_members : question_settings)(
		    &q, q.tree.root, from->members, m))
		from->read(&q, m);
	for (const struct turn *t = q.turns; t && !q.err; t = t->next)
		check_turn_parts(&q, t->first, to);
	if (q.choice.is == CHOICE_TOOL && !q.choice.name.n)
		question_odd(&q, q.choice.at, "it names no tool");
	if (!q.err && !q.inputs)
		question_order(&q, to);
	for (const struct tool_offer *t = q.tools; t && !q.err; t = t->next)
		check_name(&q, t->name, t->at, to);
	if (!q.err) {
		buf_reserve(out,
			ask->body.n); /* about as long: a long one is not moved as it grows */
		json_put_open(out, NULL, '{');
		if (!to->model_in_path)
			json_put_text(out, "model", ask->model);
		to->write(&q);
		json_put_close(out, '}');
	}
	if (arena_failed(a) || buf_failed(out))
		return ERR_NOMEM;
	return q.err;
}
