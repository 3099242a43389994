/* Gemini's generateContent, Vertex' too: read and written.
 * https://ai.google.dev/api/generate-content */
#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

/* clang-format off */
static const struct setting_row generate_settings[] = {
	{ "maxOutputTokens",  SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",      SET_TEMPERATURE, IS_NUMBER, 2 },
	{ "topP",             SET_TOP_P,       IS_NUMBER, 1 },
	{ "topK",             SET_TOP_K,       IS_NUMBER, 0 },
	{ "stopSequences",    SET_STOP,        IS_TEXTS,  5 },
	{ "seed",             SET_SEED,        IS_NUMBER, 0 },
	{ "frequencyPenalty", SET_FREQUENCY,   IS_NUMBER, 2 },
	{ "presencePenalty",  SET_PRESENCE,    IS_NUMBER, 2 },
	{ 0 },
};

enum { CONTENTS, SYSTEM, TOOLS, TOOL_CONFIG, CONFIG };
static const struct member generate_members[] = {
	[CONTENTS]    = { "contents",          IS_ARRAY },
	[SYSTEM]      = { "systemInstruction", IS_OBJECT },
	[TOOLS]       = { "tools",             IS_ARRAY },
	[TOOL_CONFIG] = { "toolConfig",        IS_OBJECT },
	[CONFIG]      = { "generationConfig",  IS_OBJECT },
	{ 0 },
};
enum { G_MIME, G_SCHEMA, G_JSON_SCHEMA, G_THINKING };
static const struct member config_members[] = {
	[G_MIME]        = { "responseMimeType",   IS_TEXT },
	[G_SCHEMA]      = { "responseSchema",     IS_OBJECT },
	[G_JSON_SCHEMA] = { "responseJsonSchema", IS_OBJECT },
	[G_THINKING]    = { "thinkingConfig",     IS_OBJECT },
	{ 0 },
};
enum { H_LEVEL, H_BUDGET };
static const struct member thinking_members[] = { { "thinkingLevel", IS_TEXT }, { "thinkingBudget", IS_NUMBER }, { 0 } };
/* From EFFORT_MINIMAL on; both are taken. */
static const char *const levels[] = { "MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high", NULL };
enum { C_ROLE, C_PARTS };
static const struct member content_members[] = { { "role", IS_TEXT }, { "parts", IS_ARRAY }, { 0 } };

enum { P_TEXT, P_INLINE, P_FILE, P_CALL, P_RESULT, P_THOUGHT, P_SIGNATURE };
static const struct member part_members[] = {
	[P_TEXT]      = { "text",             IS_TEXT },
	[P_INLINE]    = { "inlineData",       IS_OBJECT },
	[P_FILE]      = { "fileData",         IS_OBJECT },
	[P_CALL]      = { "functionCall",     IS_OBJECT },
	[P_RESULT]    = { "functionResponse", IS_OBJECT },
	[P_THOUGHT]   = { "thought",          IS_BOOL },
	[P_SIGNATURE] = { "thoughtSignature", IS_TEXT },
	{ 0 },
};
enum { D_MIME, D_DATA };
static const struct member inline_members[] = { { "mimeType", IS_TEXT }, { "data", IS_TEXT }, { 0 } };
static const struct member file_members[] = { { "mimeType", IS_TEXT }, { "fileUri", IS_TEXT }, { 0 } };
enum { F_ID, F_NAME, F_VALUE };
static const struct member call_members[] = { { "id", IS_TEXT }, { "name", IS_TEXT }, { "args", IS_OBJECT }, { 0 } };
static const struct member result_members[] = { { "id", IS_TEXT }, { "name", IS_TEXT }, { "response", IS_OBJECT }, { 0 } };
static const struct member response_members[] = { { "output", IS_ANY }, { "error", IS_ANY }, { "result", IS_ANY }, { 0 } };
static const struct member tools_members[] = { { "functionDeclarations", IS_ARRAY }, { 0 } };
enum { T_PARAMETERS = TOOL_MEMBERS };
static const struct member declaration_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "parametersJsonSchema", IS_OBJECT },
	[TOOL_STRICT] = { "", IS_ANY }, [T_PARAMETERS] = { "parameters", IS_OBJECT }, { 0 } };
static const struct member tool_config_members[] = { { "functionCallingConfig", IS_OBJECT }, { 0 } };
enum { M_MODE, M_NAMES };
static const struct member mode_members[] = { { "mode", IS_TEXT }, { "allowedFunctionNames", IS_ARRAY }, { 0 } };
static const char *const modes[] = { "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", NULL }; /* by enum choice */
/* clang-format on */

/* ---- read ---- */

static void
read_generate_call(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(call_members)];

	if (!question_members(q, of, call_members, m))
		return;
	struct part *p = turn_part(q, t, PART_CALL, of);
	if (!p)
		return;
	p->name = node_text(m[F_NAME]);
	p->id = node_text(m[F_ID]);
	if (!p->id.n) /* with a blank, as no name has it: no caller's id is like it */
		p->id = arena_printf(q->a, "%.*s %zu", SPAN_ARG(p->name), q->unnamed++);
	p->json = m[F_VALUE] ? tree_raw(&q->tree, m[F_VALUE]) : SPAN_LIT("{}");
}

/* {"output": text} is that text, as SDKs write it; another object is its JSON. */
static void
read_generate_result(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(result_members)];
	struct turn inner = { .at = of };

	if (!question_members(q, of, result_members, m))
		return;
	struct part *p = turn_part(q, t, PART_RESULT, of);
	if (!p)
		return;
	p->id = node_text(m[F_ID]);
	p->name = node_text(m[F_NAME]);
	inner.end = &p->parts;
	struct part *text = turn_part(q, &inner, PART_TEXT, of);
	const struct node *response = m[F_VALUE], *only = response ? response->first : NULL;
	bool named = only && !only->next && only->tok == JSON_STRING;
	p->failed =
		only && !only->next && only->tok != JSON_NULL && span_is(only->key, "error");
	if (!text || !response)
		return;
	if (named)
		for (size_t i = 0; response_members[i].name; i++)
			if (span_is(only->key, response_members[i].name)) {
				text->text = node_written(only);
				return;
			}
	text->text = escaped_json(q, tree_raw(&q->tree, response));
}

static void
read_generate_media(struct question *q, struct turn *t, const struct node *of, bool inlined)
{
	static const struct span files = SPAN_LIT("https://generativelanguage.googleapis.com/");
	struct node *m[COUNT_OF(inline_members)];

	if (!question_members(q, of, inlined ? inline_members : file_members, m) ||
		!m[D_MIME] || !m[D_DATA]) {
		question_odd(q, of, "it has no data");
		return;
	}
	struct span media = node_text(m[D_MIME]);
	enum part_kind kind = span_starts(media, SPAN_LIT("image/"))   ? PART_IMAGE
			      : span_starts(media, SPAN_LIT("audio/")) ? PART_AUDIO
								       : PART_FILE;
	struct part *p = turn_part(q, t, kind, of);
	if (!p)
		return;
	p->media = media;
	struct span uri = node_text(m[D_DATA]);
	if (!inlined && (span_istarts(uri, SPAN_LIT("gs:")) || span_istarts(uri, files)) &&
		question_refuse(q, m[D_DATA], "a file that the provider keeps has no place")) {
		part_goes(p);
		return;
	}
	*(inlined ? &p->data : &p->url) = node_written(m[D_DATA]);
}

static void
read_generate_part(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(part_members)];
	struct part *p;
	size_t said = 0;

	if (!question_members(q, of, part_members, m))
		return;
	for (size_t i = P_TEXT; i <= P_RESULT; i++)
		said += m[i] != NULL;
	if (said != 1 && !(said == 0 && m[P_SIGNATURE]))
		question_odd(q, of, "it is no part that says one thing");
	if (said && m[P_SIGNATURE])
		question_dropped(q, "reasoning");
	if (q->err)
		return;
	if (m[P_INLINE] || m[P_FILE])
		read_generate_media(
			q, t, m[P_INLINE] ? m[P_INLINE] : m[P_FILE], m[P_INLINE] != NULL);
	else if (m[P_CALL])
		read_generate_call(q, t, m[P_CALL]);
	else if (m[P_RESULT])
		read_generate_result(q, t, m[P_RESULT]);
	else if ((p = turn_part(q, t,
			  node_true(m[P_THOUGHT]) || !m[P_TEXT] ? PART_REASONING : PART_TEXT,
			  of)))
		p->text = node_written(m[P_TEXT]);
}

static void
read_generate_content(struct question *q, const struct node *of, enum turn_role as)
{
	static const char *const roles[] = { "user", "model", "function", NULL };
	struct node *m[COUNT_OF(content_members)];

	if (!question_members(q, of, content_members, m))
		return;
	int role = as == TURN_SYSTEM || !m[C_ROLE] ? 0 : question_word(q, m[C_ROLE], roles);
	if (role < 0)
		question_odd(q, of, "its role is none that anybody knows");
	struct turn *t = question_turn(q, role == 1 ? TURN_ASSISTANT : as, of);
	for (struct node *n = tree_elements(m[C_PARTS]); t && n && !q->err; n = n->next)
		read_generate_part(q, t, n);
	for (struct part *p = t && role == 2 ? t->first : NULL; p; p = p->next)
		if (p->kind != PART_RESULT)
			question_odd(q, m[C_ROLE], "a turn of this role has results alone");
}

/* Types of Google's own schemas are in capitals, those of JSON Schema are not: a tree of its
 * own.
 */
static struct node *
as_json_schema(struct question *q, struct node *schema)
{
	struct tree *t = arena_new(q->a, struct tree);
	SCOPED_BUF(b, 0);

	for (struct node *n = schema; n; n = tree_next(n, schema)) {
		if (n->tok != JSON_STRING || !span_is(n->key, "type"))
			continue;
		struct span type = arena_dup(q->a, node_text(n));
		for (size_t i = 0; type.p && i < type.n; i++)
			((char *)type.p)[i] = to_lower(type.p[i]);
		tree_put_text(&q->tree, n, type);
	}
	tree_write(&q->tree, schema, &b);
	if (!t || tree_read(t, q->a, arena_dup(q->a, buf_view(&b)))) {
		q->err = ERR_NOMEM;
		return schema;
	}
	return t->root;
}

static void
read_generate_tools(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tools_members)], *d[COUNT_OF(declaration_members)];

	if (!question_members(q, of, tools_members, m))
		return;
	for (struct node *n = tree_elements(m[0]); n && !q->err; n = n->next) {
		if (!question_members(q, n, declaration_members, d))
			return;
		if (d[T_PARAMETERS] && !d[TOOL_SCHEMA])
			d[TOOL_SCHEMA] = as_json_schema(q, d[T_PARAMETERS]);
		question_tool(q, n, d);
	}
}

static void
read_generate_mode(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tool_config_members)], *c[COUNT_OF(mode_members)];

	q->choice.at = of;
	if (!question_members(q, of, tool_config_members, m) || !m[0] ||
		!question_members(q, m[0], mode_members, c))
		return;
	int is = c[M_MODE] ? question_word(q, c[M_MODE], modes) : CHOICE_UNSAID;
	q->choice.is = is > 0 ? (enum choice)is : CHOICE_UNSAID;
	struct node *name = tree_elements(c[M_NAMES]);
	if (name && (name->next || is != CHOICE_ANY)) {
		question_refuse(q, c[M_NAMES],
			is == CHOICE_ANY
				? "more than one tool by name has no place"
				: "a tool by its name has a place only where it is to be "
				  "called");
	} else if (name) {
		q->choice.is = CHOICE_TOOL;
		q->choice.name = node_text(name);
	}
}

static void
read_generate_config(struct question *q, const struct node *of)
{
	static const char *const types[] = { "application/json", "text/plain", NULL };
	struct node *m[COUNT_OF(config_members)], *h[COUNT_OF(thinking_members)];

	if (!question_settings(q, of, config_members, m))
		return;
	if (m[G_JSON_SCHEMA] || m[G_SCHEMA])
		q->schema =
			m[G_JSON_SCHEMA] ? m[G_JSON_SCHEMA] : as_json_schema(q, m[G_SCHEMA]);
	if (m[G_MIME] && question_word(q, m[G_MIME], types) == 0 && !q->schema)
		question_refuse(q, m[G_MIME], "JSON without a schema has no place");
	if (!m[G_THINKING] || !question_members(q, m[G_THINKING], thinking_members, h))
		return;
	int level = question_word(q, h[H_LEVEL], levels);
	if (level >= 0)
		q->effort_is = EFFORT_MINIMAL + level % 4;
	else if (h[H_BUDGET] && q->tree.raw.p[h[H_BUDGET]->start] != '-') /* -1: as it likes */
		q->effort_is = effort_of_budget(h[H_BUDGET]);
}

static void
read_generate(struct question *q, struct node **m)
{
	if (m[SYSTEM])
		read_generate_content(q, m[SYSTEM], TURN_SYSTEM);
	for (struct node *n = tree_elements(m[CONTENTS]); n && !q->err; n = n->next)
		read_generate_content(q, n, TURN_USER);
	for (struct node *n = tree_elements(m[TOOLS]); n && !q->err; n = n->next)
		read_generate_tools(q, n);
	if (m[TOOL_CONFIG])
		read_generate_mode(q, m[TOOL_CONFIG]);
	if (m[CONFIG])
		read_generate_config(q, m[CONFIG]);
	q->to->wants_usage = true;
}

/* ---- write ---- */

static void
put_generate_text(struct buf *b, struct span written)
{
	json_put_form(b, "{'text':%w}", written);
}

static void
put_generate_data(struct question *q, const struct part *p)
{
	struct buf *b = q->out;

	if (p->plain) {
		put_generate_text(b, p->data);
		return;
	}
	if (p->url.p) {
		question_refuse(q, p->at, "what is at an address has no place");
		return;
	}
	json_put_form(b, "{'inlineData':{'mimeType':%t,'data':%w}}", p->media, p->data);
}

static bool
is_textual(const struct part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL || p->plain;
}

/* Its texts are one, by lines; what in it is no text is a part after it. */
static void
put_generate_result(struct question *q, const struct part *r)
{
	struct buf *b = q->out;
	bool any = false;

	json_put_form(b, "{'functionResponse':{'id':%t,'name':%t,'response':{",
		question_id(q, r->id), r->name);
	json_put_name(b, r->failed ? "error" : "output");
	buf_putc(b, '"');
	for (const struct part *p = r->parts; p; p = p->next)
		if (is_textual(p)) {
			buf_str(b, any ? "\\n" : "");
			buf_span(b, p->plain ? p->data : p->text);
			any = true;
		}
	buf_putc(b, '"');
	json_put_form(b, "}}}");
	for (const struct part *p = r->parts; p && !q->err; p = p->next)
		if (p->kind == PART_IMAGE || p->kind == PART_AUDIO ||
			(p->kind == PART_FILE && !p->plain))
			put_generate_data(q, p);
		else if (!is_textual(p))
			question_refuse(q, p->at, question_nowhere);
}

static void
put_generate_part(struct question *q, const struct part *p)
{
	struct buf *b = q->out;

	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_generate_text(b, p->text); break;
	case PART_IMAGE:
	case PART_FILE:
	case PART_AUDIO: put_generate_data(q, p); break;
	case PART_CALL:
		json_put_form(b, "{'functionCall':{'id':%t,'name':%t,'args':%j}}",
			question_id(q, p->id), p->name, p->json);
		break;
	case PART_RESULT: put_generate_result(q, p); break;
	case PART_REASONING: break;
	}
}

static void
put_generate_parts(struct question *q, const char *role, const struct turn *t)
{
	json_put_open(q->out, role ? NULL : "systemInstruction", '{');
	if (role)
		json_put_str(q->out, "role", role);
	json_put_open(q->out, "parts", '[');
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		put_generate_part(q, p);
	json_put_form(q->out, "]}");
}

static void
put_generate_tools(struct question *q)
{
	struct buf *b = q->out;

	json_put_form(b, "'tools':[{'functionDeclarations':[");
	for (const struct tool_offer *t = q->tools; t && !q->err; t = t->next) {
		json_put_form(b, "{'name':%t", t->name);
		put_node(b, "description", t->description);
		put_node(b, "parametersJsonSchema", t->schema);
		json_put_close(b, '}');
		if (node_true(t->strict))
			question_refuse(q, t->strict, question_nowhere);
	}
	json_put_form(b, "]}]");
}

static void
put_generate_mode(struct question *q)
{
	struct buf *b = q->out;
	bool one = q->choice.is == CHOICE_TOOL;

	json_put_form(b, "'toolConfig':{'functionCallingConfig':{'mode':%s",
		modes[one ? CHOICE_ANY : q->choice.is]);
	if (one) {
		json_put_form(b, "'allowedFunctionNames':[%t]", q->choice.name);
	}
	json_put_form(b, "}}");
}

static void
put_generate_config(struct question *q)
{
	struct buf *b = q->out;
	int level = q->effort_is > EFFORT_HIGH ? EFFORT_HIGH : q->effort_is;

	json_put_open(b, "generationConfig", '{');
	question_put_settings(q);
	if (q->schema) {
		json_put_str(b, "responseMimeType", "application/json");
		put_node(b, "responseJsonSchema", q->schema);
	}
	if (level > EFFORT_UNSAID) {
		json_put_open(b, "thinkingConfig", '{');
		if (level == EFFORT_NONE)
			json_put_uint(b, "thinkingBudget", 0);
		else
			json_put_str(b, "thinkingLevel", levels[level - EFFORT_MINIMAL]);
		json_put_close(b, '}');
	}
	json_put_close(b, '}');
}

static void
write_generate(struct question *q)
{
	struct buf *b = q->out;
	struct turn *t = q->turns;

	if (t && t->role == TURN_SYSTEM) {
		put_generate_parts(q, NULL, t);
		t = t->next;
	}
	json_put_open(b, "contents", '[');
	for (; t && !q->err; t = t->next)
		if (t->next || t->role == TURN_USER ||
			!question_refuse(q, t->at, "an answer that is begun has no place"))
			put_generate_parts(q, t->role == TURN_ASSISTANT ? "model" : "user", t);
	json_put_close(b, ']');
	if (q->tools)
		put_generate_tools(q);
	if (q->tools && q->choice.is != CHOICE_UNSAID)
		put_generate_mode(q);
	if (q->one_call && q->tools)
		question_refuse(q, q->one_call, question_nowhere);
	put_generate_config(q);
}

const struct request_form generate_request_form = {
	.form = FORM_GENERATE,
	.members = generate_members,
	.settings = generate_settings,
	.read = read_generate,
	.write = write_generate,
	.name_max = 64,
	.nested = true,
	.apart = true,
	.model_in_path = true,
};
