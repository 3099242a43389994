/* The form `generate` of requests: Gemini's generateContent, also on Vertex.
 *
 * The tables map the members of the document and the contents of each type of part to the
 * neutral form (request_private.h). Before a request is read, its two spellings of members
 * (camelCase and snake_case) and single elements in place of lists are normalized. Google's
 * schemas are converted to JSON Schema. Source: https://ai.google.dev/api/generate-content */
#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

/* clang-format off */
static const struct member generate_members[] = {
	{ "generationConfig.maxOutputTokens",    IS_NUMBER, SET_CAP },
	{ "generationConfig.temperature",        IS_NUMBER, SET_TEMPERATURE },
	{ "generationConfig.topP",               IS_NUMBER, SET_TOP_P },
	{ "generationConfig.topK",               IS_NUMBER, SET_TOP_K },
	{ "generationConfig.stopSequences",      IS_TEXTS,  SET_STOP },
	{ "generationConfig.seed",               IS_NUMBER, SET_SEED },
	{ "generationConfig.frequencyPenalty",   IS_NUMBER, SET_FREQUENCY },
	{ "generationConfig.presencePenalty",    IS_NUMBER, SET_PRESENCE },
	{ "generationConfig.candidateCount",     IS_NUMBER, SET_CHOICES },
	{ "generationConfig.responseMimeType",   IS_TEXT,   DOC_MEDIA_TYPE },
	{ "generationConfig.responseSchema",     IS_OBJECT, DOC_OWN_SCHEMA },
	{ "generationConfig.responseJsonSchema", IS_OBJECT, DOC_SCHEMA },
	{ "generationConfig.thinkingConfig.thinkingLevel",  IS_TEXT,   DOC_EFFORT },
	{ "generationConfig.thinkingConfig.thinkingBudget", IS_NUMBER, DOC_BUDGET },
	{ "model",                   IS_TEXT,   DOC_MODEL }, /* the path has it, too */
	{ "contents",                IS_ARRAY,  DOC_TURNS },
	{ "systemInstruction.role",  IS_TEXT,   DOC_OTHER },
	{ "systemInstruction.parts", IS_ARRAY,  DOC_SYSTEM },
	{ "tools",                   IS_ARRAY,  DOC_TOOLS },
	{ "toolConfig",                                    IS_OBJECT, DOC_CHOICE },
	{ "toolConfig.functionCallingConfig.mode",         IS_TEXT,   DOC_CHOICE_WORD },
	{ "toolConfig.functionCallingConfig.allowedFunctionNames", IS_ARRAY, DOC_CHOICE_NAME },
	{ 0 },
};
/* From EFFORT_MINIMAL on; both spellings are accepted. */
static const char *const levels[] = { "MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high", NULL };
enum { C_ROLE, C_PARTS };
static const struct member content_members[] = { { "role", IS_TEXT, C_ROLE }, { "parts", IS_ARRAY, C_PARTS }, { 0 } };

enum { P_SIGNATURE, P_TEXT, P_THOUGHT, P_DATA, P_DATA_TYPE, P_DATA_IS, P_FILE, P_FILE_TYPE, P_FILE_AT, P_CALL, P_CALL_ID,
	P_CALLED, P_ARGS, P_RESULT, P_RESULT_ID, P_RESULT_OF, P_RESPONSE };
static const struct member part_members[] = {
	{ "thoughtSignature",          IS_TEXT,   P_SIGNATURE },
	{ "text",                      IS_TEXT,   P_TEXT },
	{ "thought",                   IS_BOOL,   P_THOUGHT },
	{ "inlineData",                IS_OBJECT, P_DATA },
	{ "inlineData.mimeType",       IS_TEXT,   P_DATA_TYPE },
	{ "inlineData.data",           IS_TEXT,   P_DATA_IS },
	{ "fileData",                  IS_OBJECT, P_FILE },
	{ "fileData.mimeType",         IS_TEXT,   P_FILE_TYPE },
	{ "fileData.fileUri",          IS_TEXT,   P_FILE_AT },
	{ "functionCall",              IS_OBJECT, P_CALL },
	{ "functionCall.id",           IS_TEXT,   P_CALL_ID },
	{ "functionCall.name",         IS_TEXT,   P_CALLED },
	{ "functionCall.args",         IS_OBJECT, P_ARGS },
	{ "functionResponse",          IS_OBJECT, P_RESULT },
	{ "functionResponse.id",       IS_TEXT,   P_RESULT_ID },
	{ "functionResponse.name",     IS_TEXT,   P_RESULT_OF },
	{ "functionResponse.response", IS_OBJECT, P_RESPONSE },
	{ 0 },
};
static const struct part_row part_rows[] = {
	{ "text",             PART_TEXT, { [HAS_TEXT] = P_TEXT, [HAS_AND] = P_THOUGHT } },
	{ "inlineData",       PART_FILE, { [HAS_IN] = P_DATA, [HAS_MEDIA] = P_DATA_TYPE, [HAS_DATA] = P_DATA_IS, [HAS_AND] = P_THOUGHT } },
	{ "fileData",         PART_FILE, { [HAS_IN] = P_FILE, [HAS_MEDIA] = P_FILE_TYPE, [HAS_URL] = P_FILE_AT, [HAS_AND] = P_THOUGHT } },
	{ "functionCall",     PART_CALL, { [HAS_IN] = P_CALL, [HAS_ID] = P_CALL_ID, [HAS_NAME] = P_CALLED, [HAS_JSON] = P_ARGS,
		[HAS_AND] = P_THOUGHT } },
	{ "functionResponse", PART_RESULT, { [HAS_IN] = P_RESULT, [HAS_ID] = P_RESULT_ID, [HAS_NAME] = P_RESULT_OF,
		[HAS_MORE] = P_RESPONSE, [HAS_AND] = P_THOUGHT } },
	{ "thoughtSignature", PART_REASONING, { [HAS_AND] = P_THOUGHT } },
	{ 0 },
};
static const char *const response_words[] = { "output", "error", "result" };
static const struct member tools_members[] = { { "functionDeclarations", IS_ARRAY, 0 }, { 0 } };
static const struct member declaration_members[] = {
	{ "name",                 IS_TEXT,   TOOL_NAME },
	{ "description",          IS_TEXT,   TOOL_DESCRIPTION },
	{ "parametersJsonSchema", IS_OBJECT, TOOL_SCHEMA },
	{ "parameters",           IS_OBJECT, TOOL_TYPE },
	{ 0 },
};
static const char *const modes[] = { "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", NULL };

static const struct part_form part_forms[] = {
	{ PART_TEXT,    FROM_ANY,   "{'text':%t}" },
	{ PART_REFUSAL, FROM_ANY,   "{'text':%t}" },
	{ PART_FILE,    FROM_PLAIN, "{'text':%d}" },
	{ PART_FILE,    FROM_DATA,  "{'inlineData':{'mimeType':%m,'data':%d}}" },
	{ PART_IMAGE,   FROM_DATA,  "{'inlineData':{'mimeType':%m,'data':%d}}" },
	{ PART_AUDIO,   FROM_DATA,  "{'inlineData':{'mimeType':%m,'data':%d}}" },
	{ PART_CALL,    FROM_ANY,   "{'functionCall':{'id':%i,'name':%n,'args':%j}}" },
	{ 0 },
};
/* Gemini 3 rejects a request if the first function call of a step in the current turn lacks its thought
 * signature. Other forms cannot carry signatures; Google defines this value for calls without one.
 * https://ai.google.dev/gemini-api/docs/thought-signatures */
static const struct part_form unsigned_call[] = {
	{ PART_CALL,    FROM_ANY,   "{'functionCall':{'id':%i,'name':%n,'args':%j},'thoughtSignature':'skip_thought_signature_validator'}" },
	{ 0 },
};
/* clang-format on */

/* ---- reading ---- */

/* Converts "max_output_tokens" to "maxOutputTokens". */
static struct span
camel_of(struct question *q, struct span key)
{
	struct span camel = arena_dup(q->a, key);
	size_t n = 0;

	for (size_t i = 0; camel.p && i < key.n; i++) {
		bool next = key.p[i] == '_' && i + 1 < key.n;
		i += next;
		((char *)camel.p)[n++] = next ? to_upper(key.p[i]) : key.p[i];
	}
	return span_of(camel.p, n);
}

/* Wraps an element in a list, because the API expects a list there. */
static void
put_in_list(struct question *q, struct node *n)
{
	struct node *only = arena_new(q->a, struct node);

	if (!only)
		return;
	*only = *n;
	only->key = SPAN_LIT("");
	only->up = n;
	only->next = NULL;
	for (struct node *in = only->first; in; in = in->next)
		in->up = only;
	n->tok = JSON_ARRAY;
	n->first = n->last = only;
}

/* Normalizes proto JSON, which has two spellings of a member, and permits a list of one without
 * brackets. Content of the caller or the model (arguments, schemas, labels) stays. */
static void
read_proto(struct question *q, struct node *object)
{
	static const char *const own[] = { "args", "response", "labels", "parameters",
		"parametersJsonSchema", "responseSchema", "responseJsonSchema" };
	static const char *const lists[] = { "contents", "parts", "tools",
		"functionDeclarations" };

	for (struct node *n = object->first; n; n = n->next) {
		if (n->key.n && memchr(n->key.p, '_', n->key.n))
			n->key = camel_of(q, n->key);
		if (SPAN_IN(n->key, own))
			continue;
		if (n->tok == JSON_OBJECT && SPAN_IN(n->key, lists))
			put_in_list(q, n);
		read_proto(q, n);
	}
}

/* Reads a result: {"output": text} is that text, as SDKs write it; another object is its
 * JSON. */
static void
read_response(struct question *q, struct part *p, const struct node *response)
{
	const struct node *only = response ? response->first : NULL;
	struct turn inner = { .at = p->at, .end = &p->parts };
	struct part *text = turn_part(q, &inner, PART_TEXT, p->at);

	only = only && !only->next ? only : NULL;
	p->failed = only && only->tok != JSON_NULL && span_is(only->key, "error");
	if (!text || !response)
		return;
	if (only && only->tok == JSON_STRING && SPAN_IN(only->key, response_words))
		text->text = node_written(only);
	else
		text->text = escaped_json(q, tree_raw(&q->tree, response));
}

static void
read_generate_part(struct question *q, struct part *p, struct node **m)
{
	static const struct span files = SPAN_LIT("https://generativelanguage.googleapis.com/");
	struct span uri = node_text(m[P_FILE_AT]);

	if (m[P_SIGNATURE] && p->kind != PART_REASONING)
		question_dropped(q, "reasoning");
	if (p->kind == PART_TEXT && node_true(m[P_THOUGHT]))
		p->kind = PART_REASONING;
	if (p->kind == PART_CALL && !p->id.n)
		/* contains a space, so no id of a caller is equal */
		p->id = arena_printf(q->a, "%.*s %zu", SPAN_ARG(p->name), q->unnamed++);
	if (p->kind == PART_RESULT)
		read_response(q, p, m[P_RESPONSE]);
	if (p->kind != PART_FILE)
		return;
	if (!p->media.n && !p->url.p)
		question_odd(q, p->at, "the data is missing");
	else if ((!p->media.n || span_starts(p->media, SPAN_LIT("video/"))) &&
		 question_refuse(q, p->at, question_nowhere)) {
		part_goes(p);
		return;
	}
	if (span_starts(p->media, SPAN_LIT("image/")))
		p->kind = PART_IMAGE;
	else if (span_starts(p->media, SPAN_LIT("audio/")))
		p->kind = PART_AUDIO;
	if ((span_istarts(uri, SPAN_LIT("gs:")) || span_istarts(uri, files)) &&
		question_refuse(q, m[P_FILE_AT],
			"the target cannot read a file that another provider stores"))
		part_goes(p);
}

static void
read_generate_content(struct question *q, const struct node *of)
{
	static const char *const roles[] = { "user", "model", "function", NULL };
	struct node *m[C_PARTS + 1];

	if (!question_members(q, of, content_members, m))
		return;
	int role = node_says_nothing(m[C_ROLE]) ? 0 : question_word(q, m[C_ROLE], roles);
	if (role < 0)
		question_odd(q, of, "the role is unknown");
	struct turn *t = question_turn(q, role == 1 ? TURN_ASSISTANT : TURN_USER, of);
	turn_content(q, t, m[C_PARTS]);
	for (struct part *p = t && role == 2 ? t->first : NULL; p; p = p->next)
		if (p->kind != PART_RESULT)
			question_odd(q, m[C_ROLE],
				"a message with this role can contain tool results only");
}

/* Converts Google's schemas to JSON Schema, in a tree of their own: types are in capitals, null
 * is a member, and counts are strings. */
static struct node *
as_json_schema(struct question *q, struct node *schema)
{
	static const char *const counts[] = { "minItems", "maxItems", "minLength", "maxLength",
		"minProperties", "maxProperties" };
	SCOPED_BUF(b, 0);

	for (struct node *n = schema; n; n = tree_next(n, schema)) {
		uint64_t count;
		if (n->tok == JSON_STRING && SPAN_IN(n->key, counts) &&
			!span_u64(node_text(n), &count))
			tree_put_form(n, "%u", count);
		if (n->tok != JSON_STRING || !span_is(n->key, "type"))
			continue;
		struct span type = arena_dup(q->a, node_text(n));
		for (size_t i = 0; type.p && i < type.n; i++)
			((char *)type.p)[i] = to_lower(type.p[i]);
		bool null = node_true(tree_member(n->up, "nullable"));
		tree_put_form(n, null ? "[%t,'null']" : "%t", type);
	}
	tree_write(&q->tree, schema, &b);
	return question_json(q, schema, arena_dup(q->a, buf_view(&b)), question_nowhere);
}

static void
read_generate_tools(struct question *q, const struct node *of)
{
	struct node *m[1], *d[TOOL_MEMBERS] = { NULL };

	if (!question_members(q, of, tools_members, m))
		return;
	for (struct node *n = tree_elements(m[0]); n && !q->err; n = n->next) {
		if (!question_members(q, n, declaration_members, d))
			return;
		if (d[TOOL_TYPE] && !d[TOOL_SCHEMA])
			d[TOOL_SCHEMA] = as_json_schema(q, d[TOOL_TYPE]);
		question_tool(q, n, d);
	}
}

static void
read_generate(struct question *q)
{
	static const char *const types[] = { "application/json", "text/plain", NULL };
	struct node **set = q->set, *names = set[DOC_CHOICE_NAME], *name = tree_elements(names);
	int level = question_word(q, set[DOC_EFFORT], levels);
	bool any = node_is(set[DOC_CHOICE_WORD], "ANY");

	q->effort_at = set[DOC_EFFORT];
	set[DOC_EFFORT] = NULL;
	if (level >= 0)
		q->effort_is = EFFORT_MINIMAL + level % 4;
	set[DOC_CHOICE_NAME] = name;
	if (name && (name->next || !any))
		question_refuse(q, names,
			any ? "the target accepts only one tool by name"
			    : "the target accepts a tool by name only if a call is required");
	else if (name)
		q->choice.is = CHOICE_TOOL;
	if (set[DOC_OWN_SCHEMA] && !set[DOC_SCHEMA])
		set[DOC_SCHEMA] = as_json_schema(q, set[DOC_OWN_SCHEMA]);
	if (question_word(q, set[DOC_MEDIA_TYPE], types) == 0 && !set[DOC_SCHEMA])
		q->any_json = set[DOC_MEDIA_TYPE];
}

/* ---- writing ---- */

/* Joins the result's texts by line breaks. Its other contents become parts after it. */
static void
put_generate_result(struct question *q, const struct part *r)
{
	struct buf *b = q->out;
	bool any = false;

	json_put_form(b, "{'functionResponse':{'id':%t,'name':%t,'response':{%s:'",
		question_id(q, r->id), r->name, r->failed ? "error" : "output");
	for (const struct part *p = r->parts; p; p = p->next)
		if (part_is_text(p)) {
			buf_str(b, any ? "\\n" : "");
			buf_span(b, p->plain ? p->data : p->text);
			any = true;
		}
	buf_str(b, "\"}}}");
	for (const struct part *p = r->parts; p && !q->err; p = p->next)
		if (p->kind == PART_CALL || p->kind == PART_RESULT)
			question_refuse(q, p->at, question_nowhere);
		else if (!part_is_text(p))
			put_part(q, part_forms, p);
}

/* `sign`: the first call needs a signature. */
static void
put_generate_parts(struct question *q, const char *role, const struct turn *t, bool sign)
{
	json_put_open(q->out, role ? NULL : "systemInstruction", '{');
	if (role)
		json_put_str(q->out, "role", role);
	json_put_open(q->out, "parts", '[');
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (p->kind == PART_RESULT) {
			put_generate_result(q, p);
		} else if (p->kind == PART_CALL) {
			put_part(q, sign ? unsigned_call : part_forms, p);
			sign = false;
		} else {
			put_part(q, part_forms, p);
		}
	json_put_form(q->out, "]}");
}

/* Returns the last turn with the user's own content, not only results of tools. */
static const struct turn *
last_said(const struct question *q)
{
	const struct turn *last = NULL;

	for (const struct turn *t = q->turns; t; t = t->next)
		for (const struct part *p = t->role == TURN_USER ? t->first : NULL; p;
			p = p->next)
			if (p->kind != PART_RESULT)
				last = t;
	return last;
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
		if (t->strict)
			question_refuse(q, t->strict, question_nowhere);
	}
	json_put_form(b, "]}]");
}

static void
put_generate_config(struct question *q)
{
	struct buf *b = q->out;
	int level = q->effort_is > EFFORT_HIGH ? EFFORT_HIGH : q->effort_is;

	json_put_open(b, "generationConfig", '{');
	question_put_settings(q);
	if (q->set[DOC_SCHEMA] || q->any_json)
		json_put_str(b, "responseMimeType", "application/json");
	if (q->set[DOC_SCHEMA])
		put_node(b, "responseJsonSchema", q->set[DOC_SCHEMA]);
	if (level > EFFORT_UNSAID || q->shows_thinking) {
		json_put_open(b, "thinkingConfig", '{');
		if (level == EFFORT_NONE || q->budget)
			json_put_uint(b, "thinkingBudget", q->budget);
		else if (level > EFFORT_NONE)
			json_put_str(b, "thinkingLevel", levels[level - EFFORT_MINIMAL]);
		if (q->shows_thinking && level != EFFORT_NONE)
			json_put_bool(b, "includeThoughts", true);
		json_put_close(b, '}');
	}
	json_put_close(b, '}');
}

static void
write_generate(struct question *q)
{
	struct buf *b = q->out;
	struct turn *t = q->turns;
	const struct turn *said = last_said(q);
	bool one = q->choice.is == CHOICE_TOOL, current = !said;

	if (t && t->role == TURN_SYSTEM) {
		put_generate_parts(q, NULL, t, false);
		t = t->next;
	}
	json_put_open(b, "contents", '[');
	for (; t && !q->err; t = t->next) {
		if (t->next || t->role == TURN_USER ||
			!question_refuse(q, t->at,
				"the provider's API cannot continue a response that has "
				"already begun"))
			put_generate_parts(
				q, t->role == TURN_ASSISTANT ? "model" : "user", t, current);
		current |= t == said;
	}
	json_put_close(b, ']');
	if (q->tools)
		put_generate_tools(q);
	if (q->tools && q->choice.is != CHOICE_UNSAID) {
		json_put_form(b, "'toolConfig':{'functionCallingConfig':{'mode':%s",
			modes[one ? CHOICE_ANY : q->choice.is]);
		if (one)
			json_put_form(b, "'allowedFunctionNames':[%t]", q->choice.name);
		json_put_form(b, "}}");
	}
	if (q->one_call && q->tools)
		question_refuse(q, q->one_call, question_nowhere);
	put_generate_config(q);
}

/* clang-format off */
static const struct member *const more_members[] = { content_members, declaration_members, NULL };
const struct request_form generate_request_form = {
	.form = FORM_GENERATE, .members = generate_members,
	.most = { [SET_TEMPERATURE] = 2, [SET_TOP_P] = 1, [SET_STOP] = 5, [SET_FREQUENCY] = 2, [SET_PRESENCE] = 2, [SET_CHOICES] = 8 },
	.choices = modes, .parts = { part_members, part_rows, false }, .more = more_members, .proto = read_proto, .read_part = read_generate_part,
	.read_turn = read_generate_content, .read_tool = read_generate_tools, .read = read_generate,
	.write = write_generate,
	.name_max = 128, .name_begins = true, .apart = true, .model_in_path = true, .any_json = true,
};
/* clang-format on */
