/* Bedrock's converse: read and written.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"

/* clang-format off */
static const struct setting_row converse_settings[] = {
	{ "maxTokens",     SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",   SET_TEMPERATURE, IS_NUMBER, 1 },
	{ "topP",          SET_TOP_P,       IS_NUMBER, 1 },
	{ "stopSequences", SET_STOP,        IS_TEXTS,  0 },
	{ 0 },
};

enum { MESSAGES, SYSTEM, CONFIG, TOOLS, OUTPUT };
static const struct member converse_members[] = {
	[MESSAGES] = { "messages",        IS_ARRAY },
	[SYSTEM]   = { "system",          IS_ARRAY },
	[CONFIG]   = { "inferenceConfig", IS_OBJECT },
	[TOOLS]    = { "toolConfig",      IS_OBJECT },
	[OUTPUT]   = { "outputConfig",    IS_OBJECT },
	{ 0 },
};
static const struct member no_members[] = { { 0 } };
enum { M_ROLE, M_CONTENT };
static const struct member message_members[] = { { "role", IS_TEXT }, { "content", IS_ARRAY }, { 0 } };
static const char *const roles[] = { "system", "user", "assistant", NULL }; /* by enum turn_role */

/* A block has one of them. */
enum { B_TEXT, B_IMAGE, B_DOCUMENT, B_CALL, B_RESULT, B_REASONING, B_CACHE, B_JSON };
static const struct member block_members[] = {
	[B_TEXT]      = { "text",             IS_TEXT },
	[B_IMAGE]     = { "image",            IS_OBJECT },
	[B_DOCUMENT]  = { "document",         IS_OBJECT },
	[B_CALL]      = { "toolUse",          IS_OBJECT },
	[B_RESULT]    = { "toolResult",       IS_OBJECT },
	[B_REASONING] = { "reasoningContent", IS_OBJECT },
	[B_CACHE]     = { "cachePoint",       IS_OBJECT },
	[B_JSON]      = { "json",             IS_ANY },
	{ 0 },
};
enum { D_FORMAT, D_SOURCE, D_NAME };
static const struct member media_members[] = {
	{ "format", IS_TEXT }, { "source", IS_OBJECT }, { "name", IS_TEXT }, { 0 } };
enum { S_BYTES, S_TEXT };
static const struct member source_members[] = { { "bytes", IS_TEXT }, { "text", IS_TEXT }, { 0 } };
enum { C_ID, C_NAME, C_INPUT };
static const struct member call_members[] = {
	{ "toolUseId", IS_TEXT }, { "name", IS_TEXT }, { "input", IS_OBJECT }, { 0 } };
enum { R_ID, R_CONTENT, R_STATUS };
static const struct member result_members[] = {
	{ "toolUseId", IS_TEXT }, { "content", IS_ARRAY }, { "status", IS_TEXT }, { 0 } };
enum { T_TOOLS, T_CHOICE };
static const struct member config_members[] = { { "tools", IS_ARRAY }, { "toolChoice", IS_OBJECT }, { 0 } };
enum { T_SPEC, T_CACHE };
static const struct member tool_members[] = { { "toolSpec", IS_OBJECT }, { "cachePoint", IS_OBJECT }, { 0 } };
static const struct member spec_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "inputSchema", IS_OBJECT }, { "strict", IS_BOOL }, { 0 } };
static const struct member schema_members[] = { { "json", IS_OBJECT }, { 0 } };
static const struct member choice_members[] = { /* by enum choice */
	[CHOICE_UNSAID] = { "",     IS_OBJECT },
	[CHOICE_AUTO]   = { "auto", IS_OBJECT },
	[CHOICE_ANY]    = { "any",  IS_OBJECT },
	[CHOICE_NONE]   = { "",     IS_OBJECT },
	[CHOICE_TOOL]   = { "tool", IS_OBJECT },
	{ 0 },
};
static const struct member named_members[] = { { "name", IS_TEXT }, { 0 } };
enum { O_FORMAT, O_EFFORT };
static const struct member output_members[] = { { "textFormat", IS_OBJECT }, { "effort", IS_TEXT }, { 0 } };
enum { X_TYPE, X_STRUCTURE };
static const struct member format_members[] = { { "type", IS_TEXT }, { "structure", IS_OBJECT }, { 0 } };
static const char *const format_types[] = { "json_schema", NULL };
static const struct member structure_members[] = { { "jsonSchema", IS_OBJECT }, { 0 } };
enum { J_SCHEMA, J_NAME, J_DESCRIPTION };
static const struct member text_schema_members[] = {
	{ "schema", IS_TEXT }, { "name", IS_TEXT }, { "description", IS_TEXT }, { 0 } };
static const struct { const char *format, *media; } medias[] = {
	{ "png",  "image/png" },  { "jpeg", "image/jpeg" },      { "gif", "image/gif" },
	{ "webp", "image/webp" }, { "pdf",  "application/pdf" }, { "txt", "text/plain" },
	{ "csv",  "text/csv" },   { "html", "text/html" },       { "md",  "text/markdown" },
};
/* clang-format on */

/* ---- read ---- */

static void
read_converse_media(
	struct question *q, struct turn *t, enum part_kind kind, const struct node *of)
{
	struct node *m[COUNT_OF(media_members)], *s[COUNT_OF(source_members)];
	size_t i = 0;

	if (!question_members(q, of, media_members, m))
		return;
	if (!m[D_SOURCE] || !question_members(q, m[D_SOURCE], source_members, s) ||
		(!s[S_BYTES] && !s[S_TEXT])) {
		question_odd(q, of, "it has no bytes");
		return;
	}
	while (i < COUNT_OF(medias) && !node_is(m[D_FORMAT], medias[i].format))
		i++;
	if (i == COUNT_OF(medias) && !s[S_TEXT]) {
		question_refuse(q, m[D_FORMAT] ? m[D_FORMAT] : of, question_nowhere);
		return;
	}
	struct part *p = turn_part(q, t, kind, of);
	if (!p)
		return;
	p->plain = s[S_TEXT] != NULL;
	p->media = p->plain ? SPAN_LIT("text/plain") : span_str(medias[i].media);
	p->data = node_written(p->plain ? s[S_TEXT] : s[S_BYTES]);
	p->text = node_written(m[D_NAME]);
}

static void read_converse_block(struct question *q, struct turn *t, const struct node *of);

static void
read_converse_result(struct question *q, struct turn *t, const struct node *of)
{
	static const char *const statuses[] = { "success", "error", NULL };
	struct node *m[COUNT_OF(result_members)];

	struct part *p =
		question_members(q, of, result_members, m)
			? turn_result(q, t, of, m[R_ID], m[R_CONTENT], read_converse_block)
			: NULL;
	if (p)
		p->failed = question_word(q, m[R_STATUS], statuses) == 1;
}

static void
read_converse_call(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(call_members)];
	struct part *p = question_members(q, of, call_members, m)
				 ? turn_call(q, t, of, m[C_ID], m[C_NAME])
				 : NULL;

	if (p)
		p->json = m[C_INPUT] ? tree_raw(&q->tree, m[C_INPUT]) : SPAN_LIT("{}");
}

static void
read_converse_block(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(block_members)];
	struct part *p;

	if (!question_members(q, of, block_members, m))
		return;
	if (!of->first || of->first->next)
		question_odd(q, of, "it is no block of one member");
	else if (m[B_TEXT])
		turn_text(q, t, PART_TEXT, of, m[B_TEXT]);
	else if (m[B_JSON] && (p = turn_part(q, t, PART_TEXT, of)))
		p->text = escaped_json(q, tree_raw(&q->tree, m[B_JSON]));
	else if (m[B_IMAGE])
		read_converse_media(q, t, PART_IMAGE, m[B_IMAGE]);
	else if (m[B_DOCUMENT])
		read_converse_media(q, t, PART_FILE, m[B_DOCUMENT]);
	else if (m[B_CALL])
		read_converse_call(q, t, m[B_CALL]);
	else if (m[B_RESULT])
		read_converse_result(q, t, m[B_RESULT]);
	else if (m[B_REASONING])
		turn_part(q, t, PART_REASONING, of);
}

static void
read_converse_tool(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tool_members)], *s[COUNT_OF(spec_members)],
		*j[COUNT_OF(schema_members)] = { NULL };

	if (!question_members(q, of, tool_members, m) || m[T_CACHE])
		return;
	if (!m[T_SPEC] || !question_members(q, m[T_SPEC], spec_members, s) ||
		(s[TOOL_SCHEMA] && !question_members(q, s[TOOL_SCHEMA], schema_members, j))) {
		question_odd(q, of, "it is no tool");
		return;
	}
	s[TOOL_SCHEMA] = j[0];
	question_tool(q, of, s);
}

static void
read_converse_choice(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(choice_members)], *n[COUNT_OF(named_members)];

	q->choice.at = of;
	if (!question_members(q, of, choice_members, m))
		return;
	if (of->first && of->first->next)
		question_odd(q, of, "it is more than one choice");
	for (int i = CHOICE_AUTO; i <= CHOICE_TOOL; i++)
		if (m[i])
			q->choice.is = (enum choice)i;
	if (q->choice.is == CHOICE_TOOL &&
		question_members(q, m[CHOICE_TOOL], named_members, n))
		q->choice.name = node_text(n[0]);
}

/* The schema is a text that is JSON: a tree of its own. */
static void
read_converse_format(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(format_members)], *s[COUNT_OF(structure_members)],
		*j[COUNT_OF(text_schema_members)];
	struct tree *t = arena_new(q->a, struct tree);

	if (!t || !question_members(q, of, format_members, m) ||
		question_word(q, m[X_TYPE], format_types) < 0)
		return;
	if (!m[X_STRUCTURE] || !question_members(q, m[X_STRUCTURE], structure_members, s) ||
		!s[0] || !question_members(q, s[0], text_schema_members, j) || !j[J_SCHEMA]) {
		question_odd(q, of, "it has no schema");
		return;
	}
	int err = tree_read(t, q->a, node_text(j[J_SCHEMA]));
	if (err == ERR_NOMEM)
		q->err = err;
	else if (err || t->root->tok != JSON_OBJECT)
		question_odd(q, j[J_SCHEMA], "the schema is no object");
	q->schema = t->root;
	q->schema_name = j[J_NAME];
	q->schema_description = j[J_DESCRIPTION];
}

static void
read_converse(struct question *q, struct node **m)
{
	struct node *c[COUNT_OF(config_members)], *o[COUNT_OF(output_members)],
		*x[COUNT_OF(message_members)];

	if (m[SYSTEM])
		turn_content(q, question_turn(q, TURN_SYSTEM, m[SYSTEM]), m[SYSTEM],
			read_converse_block);
	for (struct node *n = tree_elements(m[MESSAGES]); n && !q->err; n = n->next) {
		if (!question_members(q, n, message_members, x))
			return;
		int role = question_word(q, x[M_ROLE], roles);
		if (role < 0)
			question_odd(q, n, "its role is none that anybody knows");
		else
			turn_content(q, question_turn(q, (enum turn_role)role, n), x[M_CONTENT],
				read_converse_block);
	}
	if (m[CONFIG])
		question_settings(q, m[CONFIG], no_members, x);
	if (m[TOOLS] && question_members(q, m[TOOLS], config_members, c)) {
		for (struct node *n = tree_elements(c[T_TOOLS]); n && !q->err; n = n->next)
			read_converse_tool(q, n);
		if (c[T_CHOICE])
			read_converse_choice(q, c[T_CHOICE]);
	}
	if (m[OUTPUT] && question_members(q, m[OUTPUT], output_members, o)) {
		q->effort_is = question_word(q, o[O_EFFORT], efforts);
		if (o[O_FORMAT])
			read_converse_format(q, o[O_FORMAT]);
	}
	q->to->wants_usage = true;
}

/* ---- write ---- */

static void
put_converse_text(struct buf *b, struct span written)
{
	json_put_form(b, "{'text':%w}", written);
}

/* Names of documents are letters, digits, blanks, - and brackets, and each is another one. */
static void
put_document_name(struct question *q, const struct part *p)
{
	size_t from = p->at->start;

	json_put_name(q->out, "name");
	buf_putc(q->out, '"');
	for (size_t i = 0; i < p->text.n && i < 100; i++)
		buf_putc(q->out, is_alnum(p->text.p[i]) ? p->text.p[i] : '-');
	buf_printf(q->out, "%s%zu\"", p->text.n ? "-" : "document-", from);
}

static void
put_converse_media(struct question *q, const struct part *p)
{
	struct buf *b = q->out;
	size_t i = 0;

	while (i < COUNT_OF(medias) && !span_is(p->media, medias[i].media))
		i++;
	if (p->url.p || (i == COUNT_OF(medias) && !p->plain)) {
		question_refuse(q, p->at,
			p->url.p ? "what is at an address has no place"
				 : "it is of no kind that the target takes");
		return;
	}
	json_put_open(b, NULL, '{');
	json_put_open(b, p->kind == PART_IMAGE ? "image" : "document", '{');
	json_put_str(b, "format", p->plain ? "txt" : medias[i].format);
	if (p->kind == PART_FILE)
		put_document_name(q, p);
	json_put_open(b, "source", '{');
	put_written(b, p->plain ? "text" : "bytes", p->data);
	json_put_form(b, "}}}");
}

static void put_converse_blocks(struct question *q, const char *name, const struct part *parts);

static void
put_converse_block(struct question *q, const struct part *p)
{
	struct buf *b = q->out;

	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_converse_text(b, p->text); break;
	case PART_IMAGE:
	case PART_FILE: put_converse_media(q, p); break;
	case PART_CALL:
		json_put_form(b, "{'toolUse':{'toolUseId':%t,'name':%t,'input':%j}}",
			question_id(q, p->id), p->name, p->json);
		break;
	case PART_RESULT:
		json_put_form(b, "{'toolResult':{'toolUseId':%t", question_id(q, p->id));
		put_converse_blocks(q, "content", p->parts);
		json_put_form(b, "'status':%s}}", p->failed ? "error" : "success");
		break;
	case PART_REASONING: break; /* turns.c takes it out */
	case PART_AUDIO: question_refuse(q, p->at, question_nowhere); break;
	}
}

static void
put_converse_blocks(struct question *q, const char *name, const struct part *parts)
{
	json_put_open(q->out, name, '[');
	for (const struct part *p = parts; p && !q->err; p = p->next)
		put_converse_block(q, p);
	json_put_close(q->out, ']');
}

static void
put_tool_spec(struct buf *b, const struct tool_offer *t)
{
	json_put_form(b, "{'toolSpec':{");
	put_tool(b, t, NULL);
	json_put_open(b, "inputSchema", '{');
	if (t->schema && t->schema->first)
		put_node(b, "json", t->schema);
	else
		json_put_raw(b, "json", SPAN_LIT("{\"type\":\"object\"}"));
	json_put_form(b, "}}}");
}

static void
put_converse_tools(struct question *q)
{
	static const struct tool_offer no_tool = { .name = SPAN_LIT("no_tool") };
	struct buf *b = q->out;
	bool called = false;

	for (const struct turn *t = q->turns; t; t = t->next)
		for (const struct part *p = t->first; p; p = p->next)
			called |= p->kind == PART_CALL;
	if (q->choice.is == CHOICE_NONE && called &&
		question_refuse(q, q->choice.at, question_nowhere))
		q->choice.is = CHOICE_UNSAID;
	if (q->one_call && q->tools)
		question_refuse(q, q->one_call, question_nowhere);
	if (!q->tools && q->choice.is >= CHOICE_ANY && q->choice.is != CHOICE_NONE &&
		question_refuse(q, q->choice.at, "there is no tool"))
		q->choice.is = CHOICE_UNSAID;
	if (!called && (!q->tools || q->choice.is == CHOICE_NONE))
		return;
	json_put_form(b, "'toolConfig':{'tools':[");
	for (const struct tool_offer *t = q->tools; t; t = t->next)
		put_tool_spec(b, t);
	if (!q->tools) /* a history with calls has to have some */
		put_tool_spec(b, &no_tool);
	json_put_close(b, ']');
	if (q->choice.is != CHOICE_UNSAID) {
		json_put_open(b, "toolChoice", '{');
		json_put_open(b, choice_members[q->choice.is].name, '{');
		if (q->choice.is == CHOICE_TOOL)
			json_put_text(b, "name", q->choice.name);
		json_put_form(b, "}}");
	}
	json_put_close(b, '}');
}

static void
put_converse_output(struct question *q)
{
	struct buf *b = q->out;

	if (!q->schema && q->effort_is <= EFFORT_NONE)
		return;
	json_put_open(b, "outputConfig", '{');
	if (q->schema) {
		json_put_form(b,
			"'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema'"
			":%w",
			escaped_json(q, tree_raw(q->schema->of, q->schema)));
		put_node(b, "name", q->schema_name);
		put_node(b, "description", q->schema_description);
		json_put_form(b, "}}}");
	}
	if (q->effort_is > EFFORT_NONE)
		json_put_str(b, "effort", efforts[q->effort_is]);
	json_put_close(b, '}');
}

static void
write_converse(struct question *q)
{
	struct buf *b = q->out;
	struct turn *t = q->turns;

	if (t && t->role == TURN_SYSTEM) {
		put_converse_blocks(q, "system", t->first);
		t = t->next;
	}
	json_put_open(b, "messages", '[');
	for (; t && !q->err; t = t->next) {
		json_put_form(b, "{'role':%s", roles[t->role]);
		put_converse_blocks(q, "content", t->first);
		json_put_close(b, '}');
	}
	json_put_form(b, "],'inferenceConfig':{");
	question_put_settings(q);
	json_put_close(b, '}');
	put_converse_tools(q);
	put_converse_output(q);
}

const struct request_form converse_request_form = {
	.form = FORM_CONVERSE,
	.members = converse_members,
	.settings = converse_settings,
	.read = read_converse,
	.write = write_converse,
	.name_max = 64,
	.nested = true,
	.titles = true,
	.apart = true,
	.model_in_path = true,
};
