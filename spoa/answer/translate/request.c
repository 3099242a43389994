/* Translates a request: reads it by tables, checks members without an equivalent, and writes
 * the members that are one value in every form. Adapts JSON Schemas. translate_request() runs
 * the steps. turns.c reads and orders the turns, and each form's file has what is special in
 * it. */
#include <sodium.h>
#include <stdlib.h>

#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/codec/base64.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "base/sha256.h"

static const char *const harmless[] = {
#include "answer/translate/harmless_members.inc"
};

const char question_nowhere[] = "the target's API has no equivalent";

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

/* ---- paths, and members that may be left out ---- */

/* Writes the node's path: "messages[2].content", or with `any` "messages[*].content". */
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

/* Returns true if `listed` matches the node. An entry is a path, or a path = value without
 * quotes, which matches that value only. */
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
	else if (i == to->ndropped)
		to->dropped[i - 1] = "and more";
}

/* The record names members of the route's list, and those marked with ! in the file. */
bool
question_may_go(struct question *q, const struct node *n)
{
	SCOPED_BUF(path, 0);

	put_path(&path, n, true);
	for (size_t i = 0; i < COUNT_OF(harmless); i++) {
		struct span listed = span_str(harmless[i]);
		bool noted = span_take(&listed, '!');
		struct span form = span_next(&listed, ':');
		if ((!span_is(form, "*") && !span_is(form, form_name(q->form->form))) ||
			!is_listed_member(n, buf_view(&path), listed))
			continue;
		if (noted)
			question_dropped(q, listed.p);
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

void
question_left_out(struct question *q, const struct node *n)
{
	SCOPED_BUF(path, 0);

	put_path(&path, n, true);
	struct span kept = arena_dup(q->a, buf_view(&path));
	if (kept.p)
		question_dropped(q, kept.p);
}

/* Removes the document's members on the route's drop list, before they are read. Members in a
 * list (turns, tools) stay, since the rest of the element may need them; they are dropped only
 * if they have no equivalent. */
static void
drop_members(struct question *q, struct node *object)
{
	struct node **at = &object->first, *last = NULL;

	while (*at) {
		struct node *n = *at;
		SCOPED_BUF(path, 0);
		put_path(&path, n, true);
		size_t i = 0;
		while (i < q->ask->ndrop &&
			(span_starts(span_str(q->ask->drop[i]), SPAN_LIT("*.")) ||
				!is_listed_member(
					n, buf_view(&path), span_str(q->ask->drop[i]))))
			i++;
		if (i < q->ask->ndrop) {
			question_dropped(q, q->ask->drop[i]);
			*at = n->next;
			continue;
		}
		if (n->tok == JSON_OBJECT)
			drop_members(q, n);
		last = n;
		at = &n->next;
	}
	object->last = last;
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

/* Returns true if the object may be left out because each of its members may, or needs no
 * equivalent. */
static bool
members_may_go(struct question *q, const struct node *object)
{
	if (object->tok != JSON_OBJECT || !object->first)
		return false;
	for (const struct node *n = object->first; n; n = n->next)
		if (!node_says_nothing(n) && !question_may_go(q, n) && !members_may_go(q, n))
			return false;
	return true;
}

bool
question_refuse(struct question *q, const struct node *at, const char *why)
{
	if (!q->err && question_may_go(q, at))
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

/* Returns the row of the member `key` among the rows below `path`, which are adjacent. */
static const struct member *
member_row(const struct member *row, struct span path, struct span key)
{
	if (!key.n)
		return NULL;
	for (; row->name && (!path.n || !strncmp(row->name, path.p, path.n)); row++) {
		const char *name = row->name + path.n;
		if (*name == *key.p && !strncmp(name, key.p, key.n) &&
			strcspn(name, ".") == key.n)
			return row;
	}
	return NULL;
}

/* Members of a request that names something stored at the caller's own provider: no other provider
 * can read it, but the client can send it instead. */
static const struct {
	const char *name, *why;
} stored_members[] = {
	{ "previous_response_id",
		"the previous response is stored at the provider that made it, and the target "
		"cannot read it. Set `store: false` in the client, which then sends the whole "
		"conversation, or start a new one" },
	{ "conversation",
		"the conversation is stored at the provider that made it, and the target cannot "
		"read it. Set `store: false` in the client and send the whole conversation as "
		"input" },
	{ "previous_interaction_id",
		"the previous interaction is stored at the provider that made it, and the target "
		"cannot read it. Set `store: false` in the client and send the whole "
		"conversation as input" },
};

/* Returns why a member that no row names has no equivalent. */
static const char *
why_nowhere(const struct node *n, struct span path)
{
	for (size_t i = 0; !path.n && i < COUNT_OF(stored_members); i++)
		if (span_is(n->key, stored_members[i].name))
			return stored_members[i].why;
	return question_nowhere;
}

/* Empty objects in these members state something: a choice, a tool with all defaults, or what
 * only one model knows. At the top of the document, so does a search. */
static const char *const empty_states[] = { "tools", "toolChoice",
	"additionalModelRequestFields", "web_search_options" };

/* Returns true if the empty object may state something: as the only member of an element, it is
 * the element's type. */
static bool
empty_object_states(const struct node *n)
{
	const struct node *in = n->up, *list = in ? in->up : NULL;

	if (!in || SPAN_IN(n->key, empty_states) || SPAN_IN(in->key, empty_states))
		return true;
	return list && list->tok == JSON_ARRAY &&
	       (SPAN_IN(list->key, empty_states) || (in->first == n && !n->next));
}

bool
node_says_nothing(const struct node *n)
{
	switch (n ? n->tok : JSON_NULL) {
	case JSON_NULL: return true;
	case JSON_STRING: return n->end - n->start == 2;
	case JSON_ARRAY: return !n->first;
	case JSON_OBJECT: return !n->first && !empty_object_states(n);
	default: return false;
	}
}

static void
read_members_in(struct question *q, const struct node *object, const struct member *rows,
	struct span path, struct node **m)
{
	if (object->tok != JSON_OBJECT)
		question_odd(q, object, "has the wrong type");
	for (struct node *n = object->first; n && !q->err; n = n->next) {
		const struct member *row =
			n->tok == JSON_NULL ? NULL : member_row(rows, path, n->key);
		if (!row) {
			if (!node_says_nothing(n) && !question_may_go(q, n) &&
				!members_may_go(q, n))
				question_refuse(q, n, why_nowhere(n, path));
			continue;
		}
		const char *name = row->name;
		size_t depth = path.n + n->key.n;
		if (!name[depth]) {
			struct node **to = &m[row->to];
			if (!is_member_a(n, row->is))
				question_odd(q, n, "has the wrong type");
			if (!*to || row < member_row(rows, path, (*to)->key))
				*to = n;
			row++;
		}
		/* members of the object */
		if (row->name && !strncmp(row->name, name, depth) && row->name[depth] == '.')
			read_members_in(q, n, row, span_of(row->name, depth + 1), m);
	}
}

bool
question_members(struct question *q, const struct node *object, const struct member *table,
	struct node **m)
{
	for (const struct member *row = table; row->name; row++)
		m[row->to] = NULL;
	read_members_in(q, object, table, SPAN_LIT(""), m);
	return !q->err;
}

int
question_word(struct question *q, const struct node *n, const char *const *words)
{
	for (int i = 0; n && words[i]; i++)
		if (node_is(n, words[i]))
			return i;
	if (!node_says_nothing(n))
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

const struct node *
question_cached_at(const struct question *q, const struct node *of)
{
	const char *mark = q->form->cached;
	const struct node *n = mark ? tree_member(of, mark + strlen("*.")) : NULL;

	return n && n->tok == JSON_OBJECT ? n : NULL;
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

struct turn *
question_role(struct question *q, const struct node *role, const struct node *at)
{
	static const enum turn_role is[] = { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT,
		TURN_SYSTEM, TURN_USER };
	int i = question_word(q, role, q->form->roles);

	if (i >= 0)
		return question_turn(q, is[i], at);
	question_odd(q, at, "the role is unknown");
	return NULL;
}

void
question_role_turn(struct question *q, const struct node *of)
{
	struct node *m[TURN_MEMBERS];

	if (question_members(q, of, q->form->turn, m))
		turn_content(q, question_role(q, m[TURN_ROLE], of), m[TURN_CONTENT]);
}

void
question_tool(struct question *q, const struct node *at, struct node *const *m)
{
	struct tool_offer *t = arena_new(q->a, struct tool_offer);

	if (!t)
		return;
	*t = (struct tool_offer){ .at = at,
		.name = node_text(m[TOOL_NAME]),
		.space = node_text(q->space),
		.description = node_text(m[TOOL_DESCRIPTION]).n ? m[TOOL_DESCRIPTION] : NULL,
		.schema = m[TOOL_SCHEMA],
		/* false has no effect, also in the Responses API */
		.strict = node_true(m[TOOL_STRICT]) ? m[TOOL_STRICT] : NULL,
		.cache = question_cached_at(q, at) };
	*q->tools_end = q->tools_last = t;
	q->tools_end = &t->next;
}

/* Returns the schema of a function that takes a custom tool's input, one string. */
static struct span
custom_schema(struct question *q, struct span grammar)
{
	SCOPED_BUF(b, 0);

	json_put_form(&b, "{'type':'object','properties':{'input':{'type':'string'");
	if (grammar.n)
		json_put_form(&b, "'description':'A text of this grammar:\\n%j'", grammar);
	json_put_form(&b, "}},'required':['input'],'additionalProperties':false}");
	return arena_kept(q->a, &b);
}

void
question_custom_tool(struct question *q, const struct node *at, struct node *const *m)
{
	const struct node *grammar = m[TOOL_GRAMMAR];

	if (grammar && !q->customs && !question_refuse(q, grammar, question_nowhere))
		return;
	question_tool(q, at, m);
	struct tool_offer *t = q->err ? NULL : q->tools_last;
	if (!t)
		return;
	t->custom = true;
	t->syntax = m[TOOL_STRICT];
	t->grammar = grammar;
	t->schema = NULL;
	if (q->customs)
		return;
	t->schema =
		question_json(q, at, custom_schema(q, node_written(grammar)), question_nowhere);
}

void
part_custom_input(struct question *q, struct part *p, const struct node *input)
{
	if (!input)
		return;
	p->custom = q->customs;
	p->text = node_written(input);
	p->json = arena_printf(q->a, "{\"input\":\"%.*s\"}", SPAN_ARG(p->text));
}

void
question_typed_tool(struct question *q, const struct node *of)
{
	const char *const types[] = { q->form->tool_type, NULL };
	struct node *m[TOOL_MEMBERS], *is = tree_member(of, "type");
	bool untyped = node_says_nothing(is);

	if (q->form->tool_typed && untyped)
		question_odd(q, of, "the type is missing");
	if ((untyped || question_word(q, is, types) == 0) &&
		question_members(q, of, q->form->tool, m))
		question_tool(q, of, m);
}

struct node *
question_json(struct question *q, const struct node *at, struct span json, const char *why)
{
	struct tree *t = arena_new(q->a, struct tree);
	int err = t ? tree_read(t, q->a, json) : ERR_NOMEM;

	if (err == ERR_NOMEM)
		q->err = err;
	else if (err || t->root->tok != JSON_OBJECT)
		question_fail(q, ERR_UNSUPPORTED, at, why);
	return q->err ? NULL : t->root;
}

struct span
escaped_json(struct question *q, struct span json)
{
	SCOPED_BUF(b, 0);

	buf_json(&b, json);
	return arena_dup(q->a, buf_view(&b));
}

/* ---- JSON Schemas ---- */

/* Anthropic (https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs) enforces a
 * part of JSON Schema, and refuses the other words. As in Anthropic's SDKs, the description of
 * a schema states such words, and each object excludes further members. OpenAI
 * (https://platform.openai.com/docs/guides/structured-outputs) accepts less, so a schema is
 * checked before OpenAI is requested to enforce it. */

enum { SCHEMA_DEPTH = 64 }; /* deeper ones stay as they are */

/* Words of OpenAPI's and Google's schemas that JSON Schema does not have. */
static const char *const googles[] = { "nullable", "propertyOrdering", "example" };
/* Words whose members or elements are schemas, and words that are a schema or a list of
 * schemas. */
static const char *const maps[] = { "properties", "$defs", "definitions", "patternProperties" };
static const char *const schemas[] = { "items", "prefixItems", "anyOf", "oneOf", "allOf", "not",
	"additionalProperties" };

static void
cut_googles(struct node *schema, unsigned depth)
{
	if (depth == SCHEMA_DEPTH || schema->tok != JSON_OBJECT)
		return;
	for (struct node *n = schema->first; n; n = n->next) {
		bool map = SPAN_IN(n->key, maps) && n->tok == JSON_OBJECT;
		if (SPAN_IN(n->key, googles))
			tree_cut(n);
		else if (SPAN_IN(n->key, schemas) && n->tok == JSON_OBJECT)
			cut_googles(n, depth + 1);
		else if (map || (SPAN_IN(n->key, schemas) && n->tok == JSON_ARRAY))
			for (struct node *in = n->first; in; in = in->next)
				cut_googles(in, depth + 1);
	}
}

/* How a word of a schema is sent to a target that enforces a part of JSON Schema. */
enum enforced {
	WORD_SAID, /* in the description, for the model to read */
	WORD_KEPT,
	WORD_MAP,    /* an object with schemas */
	WORD_LIST,   /* a list of schemas */
	WORD_SCHEMA, /* a schema */
	WORD_ONE_OF, /* as anyOf, since the target does not count how many match */
	WORD_CONST,  /* as an enum of one value */
	WORD_FORMAT, /* some formats are enforced */
	WORD_LEAST,  /* 0 or 1 is enforced */
	WORD_CLOSED, /* false in each object, whatever the schema states */
	WORD_DESCRIPTION,
	WORD_CUT, /* has no effect */
};
static const struct {
	const char *name;
	enum enforced how;
} enforced_words[] = {
	{ "type", WORD_KEPT },
	{ "title", WORD_KEPT },
	{ "enum", WORD_KEPT },
	{ "required", WORD_KEPT },
	{ "properties", WORD_MAP },
	{ "$defs", WORD_MAP },
	{ "definitions", WORD_MAP },
	{ "anyOf", WORD_LIST },
	{ "allOf", WORD_LIST },
	{ "oneOf", WORD_ONE_OF },
	{ "items", WORD_SCHEMA },
	{ "const", WORD_CONST },
	{ "format", WORD_FORMAT },
	{ "minItems", WORD_LEAST },
	{ "additionalProperties", WORD_CLOSED },
	{ "$ref", WORD_KEPT },
	{ "description", WORD_DESCRIPTION },
	{ "$schema", WORD_CUT },
	{ "$id", WORD_CUT },
	{ "$comment", WORD_CUT },
};
static const char *const enforced_formats[] = { "date-time", "time", "date", "duration", "email",
	"hostname", "uri", "ipv4", "ipv6", "uuid" };

/* Returns how the member of a schema is sent. A word with an odd value is only stated. */
static enum enforced
enforced_as(const struct node *schema, const struct node *n)
{
	size_t i = 0;

	while (i < COUNT_OF(enforced_words) && !span_is(n->key, enforced_words[i].name))
		i++;
	enum enforced how = i < COUNT_OF(enforced_words) ? enforced_words[i].how
			    : SPAN_IN(n->key, googles)	 ? WORD_CUT
							 : WORD_SAID;
	switch (how) {
	case WORD_MAP:
	case WORD_SCHEMA: return n->tok == JSON_OBJECT ? how : WORD_SAID;
	case WORD_LIST: return n->tok == JSON_ARRAY ? how : WORD_SAID;
	case WORD_ONE_OF:
		return n->tok == JSON_ARRAY && !tree_member(schema, "anyOf") ? how : WORD_SAID;
	case WORD_CONST: return tree_member(schema, "enum") ? WORD_SAID : how;
	case WORD_FORMAT:
		return SPAN_IN(node_text(n), enforced_formats) ? WORD_KEPT : WORD_SAID;
	case WORD_LEAST: return tree_number(n->of, n, 2) < 2 ? WORD_KEPT : WORD_SAID;
	default: return how;
	}
}

static bool
is_object_schema(const struct node *schema)
{
	const struct node *type = tree_member(schema, "type");
	bool is = node_is(type, "object") || (!type && tree_member(schema, "properties"));

	for (const struct node *e = tree_elements(type); e; e = e->next)
		is |= node_is(e, "object");
	return is;
}

/* Writes the description, and after it the words that the target does not enforce, as in
 * "An age\n\n{minimum: 1, maximum: 130}". */
static void
put_description(struct buf *b, const struct node *description, struct span said)
{
	struct span own = node_written(description);

	if (!own.n && !said.n)
		return;
	json_put_name(b, "description");
	buf_putc(b, '"');
	buf_span(b, own);
	if (said.n) {
		buf_str(b, own.n ? "\\n\\n{" : "{");
		buf_span(b, said);
		buf_putc(b, '}');
	}
	buf_putc(b, '"');
}

/* Writes the schema as the target enforces it. Sets *lost if it enforces less than the schema
 * states. */
static void
put_enforced(struct buf *b, const struct node *schema, unsigned depth, bool *lost)
{
	static const char *const beside_ref[] = { "$ref", "$defs", "definitions" };
	const struct node *description = tree_member(schema, "description"),
			  *ref = tree_member(schema, "$ref");
	SCOPED_BUF(said, 0);

	if (depth == SCHEMA_DEPTH || schema->tok != JSON_OBJECT) {
		put_node(b, NULL, schema);
		return;
	}
	json_put_open(b, NULL, '{');
	for (const struct node *n = schema->first; n; n = n->next) {
		enum enforced how = enforced_as(schema, n);
		struct span raw = tree_raw(n->of, n);
		if (ref && !SPAN_IN(n->key, beside_ref)) { /* nothing may stand beside it */
			*lost |= how != WORD_CUT && how != WORD_DESCRIPTION;
			continue;
		}
		switch (how) {
		case WORD_CUT:
		case WORD_DESCRIPTION: continue;
		case WORD_CLOSED: *lost |= n->tok != JSON_FALSE; continue;
		case WORD_SAID:
			*lost = true;
			buf_str(&said, said.n ? ", " : "");
			buf_json(&said, n->key);
			buf_str(&said, ": ");
			buf_json(&said, raw);
			continue;
		case WORD_CONST: json_put_form(b, "'enum':[%j]", raw); continue;
		default: break;
		}
		json_put_member(b, how == WORD_ONE_OF ? SPAN_LIT("anyOf") : n->key);
		if (how == WORD_KEPT) {
			buf_span(b, raw);
			continue;
		}
		if (how == WORD_SCHEMA) {
			put_enforced(b, n, depth + 1, lost);
			continue;
		}
		json_put_open(b, NULL, how == WORD_MAP ? '{' : '[');
		for (const struct node *in = n->first; in; in = in->next) {
			if (how == WORD_MAP)
				json_put_member(b, in->key);
			put_enforced(b, in, depth + 1, lost);
		}
		json_put_close(b, how == WORD_MAP ? '}' : ']');
	}
	if (!ref)
		put_description(b, description, buf_view(&said));
	if (!ref && is_object_schema(schema))
		json_put_bool(b, "additionalProperties", false);
	json_put_close(b, '}');
}

struct node *
question_schema(struct question *q, struct node *schema, bool closed)
{
	bool lost = false;
	SCOPED_BUF(b, 0);

	if (!schema || (!closed && q->form->form != FORM_GENERATE))
		return schema;
	/* in a tree of its own, since another target may get the original */
	if (closed)
		put_enforced(&b, schema, 0, &lost);
	struct node *own = question_json(q, schema,
		closed ? arena_kept(q->a, &b)
		       : arena_dup(q->a, tree_raw(schema->of, schema)),
		question_nowhere);
	if (own && !closed)
		cut_googles(own, 0);
	if (lost)
		question_left_out(q, question_schema_at(q, schema));
	return own;
}

const struct node *
question_schema_at(const struct question *q, const struct node *schema)
{
	return schema->of == &q->tree ? schema : q->set[DOC_OWN_SCHEMA];
}

bool
question_schema_is_object(const struct node *schema)
{
	const struct node *root = schema, *s = schema;

	/* "#/$defs/name"; a chain of references that is longer leads in a circle */
	for (unsigned i = 0; i < SCHEMA_DEPTH && s && tree_member(s, "$ref"); i++) {
		struct span ref = node_text(tree_member(s, "$ref")), name = ref;
		if (!span_take(&name, '#') || !span_take(&name, '/'))
			return true; /* another document: the target decides */
		for (s = root; s && name.n;) {
			struct span key = span_next(&name, '/');
			const struct node *in = s->tok == JSON_OBJECT ? s->first : NULL;
			while (in && !span_eq(in->key, key))
				in = in->next;
			s = in;
		}
	}
	const struct node *type = s ? tree_member(s, "type") : NULL;
	return !type || is_object_schema(s);
}

/* Words that OpenAI refuses in an enforced schema. */
static const char *const unenforced[] = { "allOf", "oneOf", "not", "if", "then", "else",
	"dependentRequired", "dependentSchemas", "patternProperties" };

static bool
lists_every_member(const struct node *required, const struct node *properties)
{
	for (const struct node *p = properties ? properties->first : NULL; p; p = p->next) {
		const struct node *e = tree_elements(required);
		while (e && !span_eq(node_text(e), p->key))
			e = e->next;
		if (!e)
			return false;
	}
	return true;
}

/* Returns true if the schema is an object, and each object in it excludes further members and
 * requires all of its own. */
static bool
is_enforced_by_openai(const struct node *schema, unsigned depth)
{
	const struct node *type = tree_member(schema, "type"),
			  *more = tree_member(schema, "additionalProperties");
	bool is_object = node_is(type, "object") || tree_member(schema, "properties");

	for (const struct node *e = tree_elements(type); e; e = e->next)
		is_object |= node_is(e, "object");
	if (depth == SCHEMA_DEPTH || schema->tok != JSON_OBJECT || (!depth && !is_object) ||
		(is_object && (!more || more->tok != JSON_FALSE ||
				      !lists_every_member(tree_member(schema, "required"),
					      tree_member(schema, "properties")))))
		return false;
	for (const struct node *n = schema->first; n; n = n->next) {
		bool map = SPAN_IN(n->key, maps) && n->tok == JSON_OBJECT;
		if (SPAN_IN(n->key, unenforced) ||
			(SPAN_IN(n->key, schemas) && n->tok == JSON_OBJECT &&
				!is_enforced_by_openai(n, depth + 1)))
			return false;
		if (map || (SPAN_IN(n->key, schemas) && n->tok == JSON_ARRAY))
			for (const struct node *in = n->first; in; in = in->next)
				if (!is_enforced_by_openai(in, depth + 1))
					return false;
	}
	return true;
}

bool
question_enforced(struct question *q, const struct node *schema, const struct node *at)
{
	enum form from = q->form->form;

	if (from == FORM_CHAT || from == FORM_RESPONSES ||
		(schema && is_enforced_by_openai(schema, 0)))
		return true;
	question_left_out(q, at);
	return false;
}

/* ---- writing ---- */

bool
part_is_text(const struct part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL || p->plain;
}

bool
part_file_text(struct question *q, const struct part *p, struct part *text)
{
	size_t most = p->data.n / 4 * 3, n;
	char *bytes =
		p->kind == PART_FILE && !p->plain && most ? arena_alloc(q->a, most) : NULL;

	*text = *p;
	if (!bytes || base64_get(p->data, bytes, most, &n) || !utf8_text(span_of(bytes, n)))
		return false;
	text->data = escaped_json(q, span_of(bytes, n));
	text->plain = true;
	return true;
}

const struct part *
result_parts(const struct part *r, struct part *failed)
{
	*failed = (struct part){
		.kind = PART_TEXT, .text = SPAN_LIT("The tool failed:"), .next = r->parts
	};
	return r->failed ? failed : r->parts;
}

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

void
put_cache(struct question *q, const char *name, const char *type, const struct node *cache)
{
	if (!cache)
		return;
	json_put_open(q->out, name, '{');
	json_put_str(q->out, "type", type);
	put_node(q->out, "ttl", tree_member(cache, "ttl"));
	json_put_close(q->out, '}');
}

static void
put_part_place(struct question *q, const struct part *p, char place)
{
	static const struct span file = SPAN_LIT("file");
	struct buf *b = q->out;

	switch (place) {
	case 't': put_written(b, NULL, p->text); break;
	case 'd': put_written(b, NULL, p->data); break;
	case 'm': buf_json_str(b, p->media); break;
	case 'f': put_written(b, NULL, p->text.n ? p->text : file); break;
	case 'i': buf_json_str(b, question_id(q, p->id)); break;
	case 'n': buf_json_str(b, p->name); break;
	case 'j': buf_span(b, p->json); break;
	case 'a': buf_json_str(b, p->json); break;
	case 'D':
		if (p->text.n && !span_is(p->text, "auto"))
			put_written(b, "detail", p->text);
		break;
	case 'E': put_written(b, "detail", p->text.n ? p->text : span_str("auto")); break;
	case 'F':
		buf_json_str(b, span_ends(p->media, SPAN_LIT("wav")) ? SPAN_LIT("wav")
								     : SPAN_LIT("mp3"));
		break;
	default:
		buf_putc(b, '"');
		if (!p->url.p) {
			buf_str(b, "data:");
			buf_json(b, p->media);
			buf_str(b, ";base64,");
		}
		buf_span(b, p->url.p ? p->url : p->data);
		buf_putc(b, '"');
	}
}

void
put_part(struct question *q, const struct part_form *row, const struct part *p)
{
	enum part_source from = p->url.p ? FROM_URL : p->plain ? FROM_PLAIN : FROM_DATA;

	while (row->kind && (row->kind != p->kind || (row->source && row->source != from)))
		row++;
	if (!row->kind) {
		question_refuse(q, p->at,
			p->url.p ? "the target does not accept a URL here" : question_nowhere);
		return;
	}
	json_put_name(q->out, NULL);
	for (const char *form = row->form; *form; form++) {
		size_t n = strcspn(form, "'%");
		buf_put(q->out, form, n);
		form += n;
		if (*form == '\'')
			buf_putc(q->out, '"');
		else if (*form)
			put_part_place(q, p, *++form);
		else
			break;
	}
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

/* Returns true if a number, or the number of strings in a list, is above the form's limit. */
static bool
is_above(const struct node *n, double most)
{
	struct span raw = tree_raw(n->of, n);
	char text[32] = "";
	size_t texts = 0;

	if (most <= 0 || n->tok == JSON_STRING)
		return false;
	for (struct node *e = tree_elements(n); e; e = e->next)
		texts++;
	if (n->tok == JSON_ARRAY)
		return (double)texts > most;
	if (raw.n < sizeof(text))
		memcpy(text, raw.p, raw.n);
	return !*text || strtod(text, NULL) > most;
}

void
question_put_user(struct question *q, const char *name)
{
	const struct node *n = q->set[SET_USER];
	unsigned char mac[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct span id = node_text(n);

	if ((double)id.n <= q->into->most[SET_USER]) {
		put_node(q->out, name, n);
		return;
	}
	if (q->ask->user_key)
		hmac_sha256(q->ask->user_key, id, mac);
	else
		sha256(id, mac);
	sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	json_put_str(q->out, name, hex);
}

void
question_put_settings(struct question *q)
{
	for (unsigned s = 0; s < SETTINGS && !q->err; s++) {
		const struct member *row = q->into->members;
		struct node *n = q->set[s];
		/* the default of OpenAI's `stop` ends no response early */
		if (node_says_nothing(n) || (s == SET_STOP && node_is(n, "<|endoftext|>")))
			continue;
		while (row->name && row->to != s)
			row++;
		for (struct node *e = tree_elements(n); row->name && e; e = e->next)
			if (e->tok != JSON_STRING)
				question_odd(q, e, "is not a string");
		if (s == SET_VERBOSITY && q->into->form == FORM_RESPONSES)
			continue; /* written beside the schema, in `text` */
		if (!row->name || is_above(n, q->into->most[s])) {
			question_refuse(q, n,
				row->name ? "the value is larger than the target accepts"
					  : question_nowhere);
			continue;
		}
		if (s == SET_CHOICES)
			q->to->choices = tree_number(n->of, n, 0);
		const char *below = strrchr(row->name, '.');
		const char *name = below ? below + 1 : row->name;
		if (s == SET_USER) {
			question_put_user(q, name);
			continue;
		}
		bool list = row->is == IS_TEXTS && n->tok == JSON_STRING;
		if (list)
			json_put_open(q->out, name, '[');
		put_node(q->out, list ? NULL : name, n);
		if (list)
			json_put_close(q->out, ']');
	}
}

/* Returns true for letters, digits, _ and -, which all targets except Mistral accept. */
bool
translate_id_is_plain(struct span id)
{
	return id.n && id.n <= 64 && span_is_alnum(id, "_-");
}

/* Another id is replaced by a stable one. */
struct span
question_id(struct question *q, struct span id)
{
	if (q->into == &mistral_request_form)
		return id.n == 9 && span_is_alnum(id, "")
			       ? id
			       : arena_printf(q->a, "%09llx",
					 (unsigned long long)(span_hash(id) >> 28));
	if (translate_id_is_plain(id))
		return id;
	return arena_printf(q->a, "call_%016llx", (unsigned long long)span_hash(id));
}

/* ---- the whole request ---- */

/* Returns the tool's name at the target, which depends on name and namespace alone, so that it
 * is the same in each turn. "functions" is OpenAI's word for tools without a namespace. A name
 * that is too long ends with its hash, and a name that begins with a digit or - gets a _ if the
 * target requires it. */
static struct span
name_sent(struct question *q, struct span space, struct span name)
{
	static const size_t hash = 17;
	size_t most = q->into->name_max;

	if (space.n && !span_is(space, "functions"))
		name = arena_printf(q->a, "%.*s__%.*s", SPAN_ARG(space), SPAN_ARG(name));
	if (q->into->name_begins && name.n && !is_alpha(name.p[0]) && name.p[0] != '_')
		name = arena_printf(q->a, "_%.*s", SPAN_ARG(name));
	if (name.n <= most)
		return name;
	return arena_printf(q->a, "%.*s_%016llx", SPAN_ARG(span_cut(name, 0, most - hash)),
		(unsigned long long)span_hash(name));
}

/* Refuses or notes cache marks, if the target has none. */
static void
check_cached(struct question *q)
{
	bool any = q->set[DOC_CACHE];

	for (const struct tool_offer *t = q->tools; t; t = t->next)
		any |= t->cache != NULL;
	if (any && !q->into->caches)
		question_dropped(q, q->form->cached);
}

static void
name_tools(struct question *q)
{
	for (struct tool_offer *t = q->tools; t && !q->err; t = t->next) {
		struct span name = t->name;
		t->name = name_sent(q, t->space, name);
		if (span_eq(name, t->name) && !t->space.n && !t->custom)
			continue;
		struct tool_alias *as = arena_new(q->a, struct tool_alias);
		if (!as)
			return;
		*as = (struct tool_alias){ .sent = arena_dup(q->a, t->name),
			.name = arena_dup(q->a, name),
			.space = arena_dup(q->a, t->space),
			.custom = t->custom,
			.next = q->to->aliases };
		q->to->aliases = as;
	}
	for (const struct tool_alias *as = q->to->aliases; as && !q->err; as = as->next) {
		size_t n = 0;
		for (const struct tool_offer *t = q->tools; t; t = t->next)
			n += span_eq(t->name, as->sent);
		if (n > 1) /* a call of one tool would be returned as a call of the other */
			question_fail(q, ERR_UNSUPPORTED, q->set[DOC_TOOLS],
				"two tools would have the same name at the target");
	}
	if (q->choice.name.n)
		q->choice.name =
			name_sent(q, node_text(q->set[DOC_CHOICE_SPACE]), q->choice.name);
}

static void
check_name(struct question *q, struct span name, const struct node *at,
	const struct request_form *to)
{
	if (!name.n || name.n > to->name_max || !span_is_alnum(name, "_-"))
		question_fail(q, ERR_UNSUPPORTED, at, "the target does not accept this name");
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
	static const char *const images[] = { "image/jpeg", "image/jpg", "image/png",
		"image/gif", "image/webp" };
	static const char *const sounds[] = { "audio/wav", "audio/x-wav", "audio/mp3",
		"audio/mpeg" };

	for (struct part *p = parts; p && !q->err; p = p->next) {
		if (p->kind == PART_CALL) {
			p->name = name_sent(q, p->space, p->name);
			check_name(q, p->name, p->at, to);
		} else if (p->kind == PART_RESULT && p->name.n) {
			p->name = name_sent(
				q, p->space, p->name); /* compared with its call's name */
		}
		if (p->kind == PART_IMAGE && !p->url.p && !SPAN_IN(p->media, images) &&
			question_refuse(
				q, p->at, "the target does not accept images of this type"))
			part_goes(p);
		if (p->kind == PART_AUDIO && to->form == FORM_CHAT &&
			!SPAN_IN(p->media, sounds) &&
			question_refuse(
				q, p->at, "the target does not accept audio of this type"))
			part_goes(p);
		if (p->kind == PART_IMAGE && p->text.n && !span_is(p->text, "auto") &&
			to->form != FORM_CHAT && to->form != FORM_RESPONSES)
			question_dropped(q, "*.detail");
		if (span_is(p->media, "image/jpg"))
			p->media = SPAN_LIT("image/jpeg"); /* accepted by all targets */
		check_turn_parts(q, p->parts, to);
	}
}

/* Reads the effort: a word, whether the model reasons, or a budget of tokens. */
static void
read_effort(struct question *q)
{
	static const struct {
		uint64_t tokens;
		int effort;
	} budgets[] = { { 0, EFFORT_NONE }, { 4096, EFFORT_LOW }, { 16384, EFFORT_MEDIUM },
		{ UINT64_MAX, EFFORT_HIGH } };
	const struct node *word = q->set[DOC_EFFORT], *budget = q->set[DOC_BUDGET];
	size_t i = 0;

	if (!q->effort_at)
		q->effort_at = word ? word : budget ? budget : q->set[DOC_THINKING];
	if (q->effort_is != EFFORT_UNSAID)
		return;
	if (word) {
		q->effort_is = question_word(q, word, efforts);
		/* -1: the model decides */
	} else if (budget && *tree_raw(budget->of, budget).p != '-') {
		uint64_t tokens = tree_number(budget->of, budget, UINT64_MAX);
		while (tokens > budgets[i].tokens)
			i++;
		q->effort_is = budgets[i].effort;
	}
}

void
read_thinking(struct question *q)
{
	static const char *const types[] = { "disabled", "enabled", "adaptive", NULL };
	int thinks = question_word(q, q->set[DOC_THINKING], types);

	if (thinks == 0)
		q->effort_is = EFFORT_NONE;
	q->shows_thinking = thinks > 0;
}

static double
number_of(const struct node *n, double otherwise)
{
	char text[32] = "";
	struct span raw = n ? tree_raw(n->of, n) : SPAN_LIT("");

	if (raw.n >= sizeof(text))
		return otherwise;
	memcpy(text, raw.p, raw.n);
	return *text ? strtod(text, NULL) : otherwise;
}

/* Returns true if the request has a setting that Anthropic's models refuse together with
 * `thinking`. */
static bool
excludes_thinking(const struct question *q)
{
	return q->choice.is == CHOICE_ANY || q->choice.is == CHOICE_TOOL || q->set[SET_TOP_K] ||
	       number_of(q->set[SET_TEMPERATURE], 1) < 1 ||
	       number_of(q->set[SET_TOP_P], 1) < 0.95;
}

/* Leaves out temperature, top_p and top_k if the model refuses them. A value of 1, the default,
 * is not noted. */
static void
settle_sampling(struct question *q)
{
	static const int members[] = { SET_TEMPERATURE, SET_TOP_P, SET_TOP_K };

	for (size_t i = 0; q->ask->fixed_sampling && i < COUNT_OF(members); i++) {
		struct node **at = &q->set[members[i]];
		if (*at && (members[i] == SET_TOP_K || number_of(*at, 1) != 1))
			question_left_out(q, *at);
		*at = NULL;
	}
}

/* Returns the nearest level of the model: the next lower one, or else the next higher one. */
static int
nearest_effort(unsigned levels, int effort)
{
	for (int i = effort; i >= (effort > EFFORT_NONE ? EFFORT_MINIMAL : EFFORT_NONE); i--)
		if (levels >> i & 1)
			return i;
	for (int i = effort; i < EFFORTS; i++)
		if (levels >> i & 1)
			return i;
	return EFFORT_UNSAID;
}

/* Half of the response's tokens at most, unless the caller stated the budget. */
static uint64_t
budget_of(const struct question *q)
{
	static const uint64_t tokens[EFFORTS] = { 0, 1024, 1024, 8192, 24576, 24576, 24576 };
	const struct model_effort *e = &q->ask->effort;
	const struct node *said = q->set[DOC_BUDGET], *cap = q->set[SET_CAP];
	uint64_t most = cap ? tree_number(cap->of, cap, UINT64_MAX) : q->ask->cap_tokens;
	uint64_t budget = said ? tree_number(said->of, said, 0) : 0;

	if (!budget)
		budget = tokens[q->effort_is];
	if (most && budget > most / 2 && (!said || budget >= most))
		budget = most / 2;
	return budget < e->least && most && most / 2 < e->least ? 0
	       : budget < e->least				? e->least
	       : budget > e->most				? e->most
								: budget;
}

/* Converts the effort to one that the model accepts. A stated effort that the model lacks is
 * noted. */
static void
settle_effort(struct question *q)
{
	const struct model_effort *e = &q->ask->effort;
	enum form into = q->into->form;
	bool numbers = e->takes == EFFORT_BUDGET && into != FORM_CHAT && into != FORM_RESPONSES;
	int said = q->effort_is, to = said;

	if (e->takes == EFFORT_IS_OFF)
		q->shows_thinking = false;
	/* Claude reasons only on request, and without a level there is nothing to write */
	if (said == EFFORT_UNSAID && q->shows_thinking && q->set[DOC_THINKING] &&
		(into == FORM_CONVERSE || into == FORM_MESSAGES))
		question_left_out(q, q->set[DOC_THINKING]);
	if (said == EFFORT_UNSAID)
		return;
	if (e->takes == EFFORT_IS_OFF)
		to = said == EFFORT_NONE ? EFFORT_NONE : EFFORT_UNSAID;
	else if (e->takes == EFFORT_LEVELS)
		to = nearest_effort(e->levels, said);
	else if (numbers && said > EFFORT_NONE && into != FORM_GENERATE && excludes_thinking(q))
		to = EFFORT_UNSAID;
	else if (numbers && (said > EFFORT_NONE || (e->least && into == FORM_GENERATE)))
		to = (q->budget = budget_of(q)) ? EFFORT_LOW : EFFORT_UNSAID;
	/* Anthropic's models accept an effort without `thinking` */
	bool less = into == FORM_MESSAGES && to > EFFORT_NONE && excludes_thinking(q);
	if (less || (said == EFFORT_NONE) != (to == EFFORT_NONE) || to == EFFORT_UNSAID)
		question_left_out(q, q->effort_at);
	q->effort_is = e->takes == EFFORT_IS_OFF ? EFFORT_UNSAID : to;
	q->without_thinking = less;
}

/* The schema counts only if the format's type is that of a schema. */
static void
read_format(struct question *q)
{
	static const char *const types[] = { "json_schema", NULL };
	const struct node *format = q->set[DOC_FORMAT], *type = q->set[DOC_FORMAT_TYPE];

	if (!format)
		return;
	if (!type)
		question_odd(q, format, "the type is missing");
	else if (q->form->any_json && node_is(type, "json_object"))
		q->any_json = type;
	else if ((q->form->text_format && node_is(type, "text")) ||
		 question_word(q, type, types) < 0)
		q->set[DOC_SCHEMA] = NULL;
	else if (!q->set[DOC_SCHEMA])
		question_odd(q, format, "the schema is missing");
	if (q->any_json)
		q->set[DOC_SCHEMA] = NULL;
}

static void
read_conversation(struct question *q)
{
	struct node **set = q->set, *turns = set[DOC_TURNS];

	q->to->wants_usage = true;
	if (set[DOC_SYSTEM])
		turn_content(
			q, question_turn(q, TURN_SYSTEM, set[DOC_SYSTEM]), set[DOC_SYSTEM]);
	if (turns && turns->tok == JSON_STRING)
		turn_content(q, question_turn(q, TURN_USER, turns), turns);
	for (struct node *n = tree_elements(turns); n && !q->err; n = n->next)
		q->form->read_turn(q, n);
	for (struct node *n = tree_elements(set[DOC_TOOLS]); n && !q->err; n = n->next)
		q->form->read_tool(q, n);
	q->choice.at = set[DOC_CHOICE];
	if (q->form->read)
		q->form->read(q);
	if (set[DOC_CHOICE_WORD] && q->choice.is == CHOICE_UNSAID) {
		int is = question_word(q, set[DOC_CHOICE_WORD], q->form->choices);
		q->choice.is = is > 0 ? (enum choice)is : CHOICE_UNSAID;
	}
	q->choice.name = node_text(set[DOC_CHOICE_NAME]);
	if (q->choice.is == CHOICE_TOOL && !q->choice.name.n)
		question_odd(q, q->choice.at, "the tool's name is missing");
	read_format(q);
	read_effort(q);
	if (node_true(set[DOC_ONE_CALL]))
		q->one_call = set[DOC_ONE_CALL];
	if (set[DOC_PARALLEL] && !node_true(set[DOC_PARALLEL]))
		q->one_call = set[DOC_PARALLEL];
	q->to->stream |= node_true(set[DOC_STREAM]);
}

static const struct request_form *
form_into(const struct translate_ask *ask)
{
	bool mistral = ask->dialect && ask->dialect == dialect_find(SPAN_LIT("mistral"));

	return ask->to == FORM_CHAT && mistral ? &mistral_request_form : request_forms[ask->to];
}

/* Returns 0, or the error if the body cannot be read. */
static int
read_question(struct question *q)
{
	const struct translate_ask *ask = q->ask;
	const struct request_form *from = q->form;

	q->err = tree_read(&q->tree, q->a, ask->body);
	if (q->err == ERR_NOMEM)
		return q->err;
	if (q->err) {
		q->to->refused = SPAN_LIT("body");
		q->to->why = "is not JSON";
		return ERR_SYNTAX;
	}
	if (from->proto)
		from->proto(q, q->tree.root);
	if (ask->ndrop && q->tree.root->tok == JSON_OBJECT)
		drop_members(q, q->tree.root);
	if (question_members(q, q->tree.root, from->members, q->set))
		(from->read_turn ? read_conversation : from->read)(q);
	return 0;
}

static void
check_tools(struct question *q)
{
	enum form to = q->ask->to;

	for (struct tool_offer *t = q->tools; t && !q->err; t = t->next) {
		check_name(q, t->name, t->at, q->into);
		if (t->strict && (to == FORM_CHAT || to == FORM_RESPONSES) &&
			!question_enforced(q, t->schema, t->strict))
			t->strict = NULL;
	}
	if (!q->tools && (q->choice.is == CHOICE_ANY || q->choice.is == CHOICE_TOOL) &&
		question_refuse(
			q, q->choice.at, "requires a tool call, but the request has no tools"))
		q->choice.is = CHOICE_UNSAID;
	/* without tools, how they may be called has no effect */
	if (!q->tools && q->choice.is != CHOICE_ANY && q->choice.is != CHOICE_TOOL)
		q->choice.is = CHOICE_UNSAID;
	if (!q->tools)
		q->one_call = NULL;
}

/* Checks and orders the parts of the question that the other form lacks or has in another
 * order, and settles sampling and effort. */
static void
settle_question(struct question *q)
{
	name_tools(q);
	check_cached(q);
	for (const struct turn *t = q->turns; t && !q->err; t = t->next)
		check_turn_parts(q, t->first, q->into);
	if (!q->err && !q->set[DOC_INPUTS])
		question_order(q, q->into);
	check_tools(q);
	if (q->any_json && !q->into->any_json)
		question_refuse(
			q, q->any_json, "the target accepts JSON output only with a schema");
	const struct node *schema = q->set[DOC_SCHEMA];
	if (schema && q->into->object_schema && !question_schema_is_object(schema) &&
		question_refuse(q, question_schema_at(q, schema),
			"the target accepts a schema of type object only: make the list or value "
			"a member of an object"))
		q->set[DOC_SCHEMA] = NULL;
	if (q->err)
		return;
	settle_sampling(q);
	settle_effort(q);
}

static void
write_question(struct question *q)
{
	buf_reserve(q->out, q->ask->body.n); /* about as long */
	json_put_open(q->out, NULL, '{');
	if (!q->into->model_in_path)
		json_put_text(q->out, "model", q->ask->model);
	q->into->write(q);
	json_put_close(q->out, '}');
}

int
translate_request(const struct translate_ask *ask, struct arena *a, struct buf *out,
	struct translated_request *made)
{
	const struct request_form *to = form_into(ask);
	struct question q = { .ask = ask,
		.to = made,
		.form = request_forms[ask->from],
		.into = to,
		.a = a,
		.out = out,
		.customs = to->customs && ask->custom_tools,
		.effort_is = EFFORT_UNSAID };

	*made = (struct translated_request){ .stream = ask->stream };
	if (!(forms_into(ask->to) >> ask->from & 1))
		return ERR_UNSUPPORTED;
	q.turns_end = &q.turns;
	q.tools_end = &q.tools;
	int err = read_question(&q);
	if (err)
		return err;
	settle_question(&q);
	if (!q.err)
		write_question(&q);
	return arena_failed(a) || buf_failed(out) ? ERR_NOMEM : q.err;
}
