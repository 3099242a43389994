/* Anthropic's messages: read and written. https://docs.anthropic.com/en/api/messages */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

/* clang-format off */
static const struct setting_row messages_settings[] = {
	{ "max_tokens",     SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",    SET_TEMPERATURE, IS_NUMBER, 1 },
	{ "top_p",          SET_TOP_P,       IS_NUMBER, 1 },
	{ "top_k",          SET_TOP_K,       IS_NUMBER, 0 },
	{ "stop_sequences", SET_STOP,        IS_TEXTS,  0 },
	{ 0 },
};

enum { MODEL, SYSTEM, MESSAGES, STREAM, TOOLS, CHOICE, METADATA, THINKING, OUTPUT };
static const struct member messages_members[] = {
	[MODEL]    = { "model",         IS_TEXT },
	[SYSTEM]   = { "system",        IS_TEXTS },
	[MESSAGES] = { "messages",      IS_ARRAY },
	[STREAM]   = { "stream",        IS_BOOL },
	[TOOLS]    = { "tools",         IS_ARRAY },
	[CHOICE]   = { "tool_choice",   IS_OBJECT },
	[METADATA] = { "metadata",      IS_OBJECT },
	[THINKING] = { "thinking",      IS_OBJECT },
	[OUTPUT]   = { "output_config", IS_OBJECT },
	{ 0 },
};
enum { M_ROLE, M_CONTENT };
static const struct member turn_members[] = { { "role", IS_TEXT }, { "content", IS_TEXTS }, { 0 } };

/* Of blocks, by their types: what each has, besides. */
enum { B_TYPE, B_TEXT, B_SOURCE, B_TITLE, B_ID, B_NAME, B_INPUT, B_CALL, B_CONTENT, B_FAILED,
	B_THINKING, B_SIGNATURE, B_DATA };
static const struct member block_members[] = {
	[B_TYPE]      = { "type",        IS_TEXT },
	[B_TEXT]      = { "text",        IS_TEXT },
	[B_SOURCE]    = { "source",      IS_OBJECT },
	[B_TITLE]     = { "title",       IS_TEXT },
	[B_ID]        = { "id",          IS_TEXT },
	[B_NAME]      = { "name",        IS_TEXT },
	[B_INPUT]     = { "input",       IS_OBJECT },
	[B_CALL]      = { "tool_use_id", IS_TEXT },
	[B_CONTENT]   = { "content",     IS_TEXTS },
	[B_FAILED]    = { "is_error",    IS_BOOL },
	[B_THINKING]  = { "thinking",    IS_TEXT },
	[B_SIGNATURE] = { "signature",   IS_TEXT },
	[B_DATA]      = { "data",        IS_TEXT },
	{ 0 },
};
enum { BLOCK_TEXT, BLOCK_IMAGE, BLOCK_DOCUMENT, BLOCK_CALL, BLOCK_RESULT, BLOCK_THINKING, BLOCK_SEALED };
static const unsigned block_has[] = {
	[BLOCK_TEXT]     = 1u << B_TEXT,
	[BLOCK_IMAGE]    = 1u << B_SOURCE,
	[BLOCK_DOCUMENT] = 1u << B_SOURCE | 1u << B_TITLE,
	[BLOCK_CALL]     = 1u << B_ID | 1u << B_NAME | 1u << B_INPUT,
	[BLOCK_RESULT]   = 1u << B_CALL | 1u << B_CONTENT | 1u << B_FAILED,
	[BLOCK_THINKING] = 1u << B_THINKING | 1u << B_SIGNATURE,
	[BLOCK_SEALED]   = 1u << B_DATA,
};
static const char *const block_types[] = { "text", "image", "document", "tool_use", "tool_result",
	"thinking", "redacted_thinking", NULL };
enum { S_TYPE, S_MEDIA, S_DATA, S_URL };
static const struct member source_members[] = {
	{ "type", IS_TEXT }, { "media_type", IS_TEXT }, { "data", IS_TEXT }, { "url", IS_TEXT }, { 0 } };
static const char *const source_types[] = { "base64", "text", "url", NULL };
static const struct member tool_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "input_schema", IS_OBJECT }, { "strict", IS_BOOL },
	{ "type", IS_TEXT }, { 0 } };
enum { C_TYPE, C_NAME, C_ONE };
static const struct member choice_members[] = {
	{ "type", IS_TEXT }, { "name", IS_TEXT }, { "disable_parallel_tool_use", IS_BOOL }, { 0 } };
static const char *const choice_words[] = { "", "auto", "any", "none", "tool", NULL }; /* by enum choice */
enum { H_TYPE, H_BUDGET };
static const struct member thinking_members[] = { { "type", IS_TEXT }, { "budget_tokens", IS_NUMBER }, { 0 } };
static const char *const thinking_types[] = { "disabled", "enabled", "adaptive", NULL };
enum { O_EFFORT, O_FORMAT };
static const struct member output_members[] = { { "effort", IS_TEXT }, { "format", IS_OBJECT }, { 0 } };
enum { F_TYPE, F_SCHEMA };
static const struct member format_members[] = { { "type", IS_TEXT }, { "schema", IS_OBJECT }, { 0 } };
static const char *const format_types[] = { "json_schema", NULL };
/* clang-format on */

/* ---- read ---- */

static void
read_source(struct question *q, struct part *p, const struct node *of)
{
	struct node *m[COUNT_OF(source_members)];

	if (!question_members(q, of, source_members, m))
		return;
	int is = question_word(q, m[S_TYPE], source_types);
	p->plain = is == 1;
	if ((p->plain && p->kind == PART_IMAGE) || m[is == 2 ? S_DATA : S_URL])
		question_odd(q, of, "it is no source of its type");
	p->media = node_text(m[S_MEDIA]);
	if (is == 2 && m[S_URL])
		p->url = node_written(m[S_URL]);
	else if (is >= 0 && m[S_DATA])
		p->data = node_written(m[S_DATA]);
	else
		question_odd(q, of, "it has no data");
}

static void
read_block(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(block_members)];
	struct part *p;

	int is = question_word(q, tree_member(of, "type"), block_types);
	if (is < 0 && !q->err && tree_member(of, "type"))
		return; /* the route lets it go */
	if (is < 0 || !question_members(q, of, block_members, m)) {
		question_odd(q, of, "it is no block of content");
		return;
	}
	question_only(q, m, COUNT_OF(block_members) - 1, block_has[is] | 1u << B_TYPE,
		"a block of this type has no such member");
	switch (is) {
	case BLOCK_TEXT: turn_text(q, t, PART_TEXT, of, m[B_TEXT]); break;
	case BLOCK_IMAGE:
	case BLOCK_DOCUMENT:
		if (!(p = turn_part(q, t, is == BLOCK_IMAGE ? PART_IMAGE : PART_FILE, of)))
			break;
		p->text = node_written(m[B_TITLE]);
		if (m[B_SOURCE])
			read_source(q, p, m[B_SOURCE]);
		else
			question_odd(q, of, "it has no source");
		break;
	case BLOCK_CALL:
		if (!(p = turn_call(q, t, of, m[B_ID], m[B_NAME])))
			break;
		if (m[B_INPUT])
			p->json = tree_raw(&q->tree, m[B_INPUT]);
		else
			question_odd(q, of, "it has no input");
		break;
	case BLOCK_RESULT:
		p = turn_result(q, t, of, m[B_CALL], m[B_CONTENT], read_block);
		if (p)
			p->failed = node_true(m[B_FAILED]);
		break;
	default: turn_text(q, t, PART_REASONING, of, m[B_THINKING]);
	}
}

static void
read_messages_turn(struct question *q, const struct node *of)
{
	static const char *const roles[] = { "system", "user", "assistant", NULL };
	struct node *m[COUNT_OF(turn_members)];

	if (!question_members(q, of, turn_members, m))
		return;
	int role = question_word(q, m[M_ROLE], roles);
	struct turn *t = role < 0 ? NULL : question_turn(q, (enum turn_role)role, of);
	if (t)
		turn_content(q, t, m[M_CONTENT], read_block);
	else
		question_odd(q, of, "its role is none that anybody knows");
}

static void
read_messages_tool(struct question *q, const struct node *of)
{
	static const char *const types[] = { "custom", NULL };
	struct node *m[COUNT_OF(tool_members)], *type = tree_member(of, "type");

	/* others are run by the provider */
	if (type && type->tok != JSON_NULL && question_word(q, type, types) < 0)
		return;
	if (question_members(q, of, tool_members, m))
		question_tool(q, of, m);
}

static void
read_messages_choice(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(choice_members)];

	q->choice.at = of;
	if (!question_members(q, of, choice_members, m))
		return;
	int is = question_word(q, m[C_TYPE], choice_words);
	q->choice.is = is > 0 ? (enum choice)is : CHOICE_UNSAID;
	q->choice.name = node_text(m[C_NAME]);
	if (node_true(m[C_ONE]))
		q->one_call = m[C_ONE];
}

/* How much is thought: a word, or what a budget comes to. */
static void
read_effort(struct question *q, const struct node *thinking, const struct node *word)
{
	struct node *m[COUNT_OF(thinking_members)] = { NULL };

	if (thinking && question_members(q, thinking, thinking_members, m) &&
		question_word(q, m[H_TYPE], thinking_types) == 0)
		q->effort_is = EFFORT_NONE;
	if (m[H_BUDGET])
		q->effort_is = effort_of_budget(m[H_BUDGET]);
	if (word && q->effort_is != EFFORT_NONE)
		q->effort_is = question_word(q, word, efforts);
}

static void
read_messages(struct question *q, struct node **m)
{
	struct node *o[COUNT_OF(output_members)] = { NULL }, *f[COUNT_OF(format_members)];

	if (m[SYSTEM])
		turn_content(
			q, question_turn(q, TURN_SYSTEM, m[SYSTEM]), m[SYSTEM], read_block);
	for (struct node *n = tree_elements(m[MESSAGES]); n && !q->err; n = n->next)
		read_messages_turn(q, n);
	for (struct node *n = tree_elements(m[TOOLS]); n && !q->err; n = n->next)
		read_messages_tool(q, n);
	if (m[CHOICE])
		read_messages_choice(q, m[CHOICE]);
	struct node *user = tree_member(m[METADATA], "user_id");
	if (user && user->tok == JSON_STRING)
		q->set[SET_USER] = user;
	if (m[OUTPUT])
		question_members(q, m[OUTPUT], output_members, o);
	read_effort(q, m[THINKING], o[O_EFFORT]);
	if (o[O_FORMAT] && question_members(q, o[O_FORMAT], format_members, f)) {
		if (!f[F_TYPE] || !f[F_SCHEMA])
			question_odd(q, o[O_FORMAT], "it has no schema");
		if (question_word(q, f[F_TYPE], format_types) == 0)
			q->schema = f[F_SCHEMA];
	}
	q->to->stream = node_true(m[STREAM]);
	q->to->wants_usage = true;
}

/* ---- write ---- */

static void
put_text_block(struct buf *b, struct span written)
{
	json_put_form(b, "{'type':'text','text':%w}", written);
}

static void
put_source(struct question *q, const struct part *p, const char *type)
{
	struct buf *b = q->out;

	if (p->kind == PART_FILE && !p->plain && !p->url.p &&
		!span_is(p->media, "application/pdf")) {
		question_refuse(q, p->at, "it is a file of no kind that the target takes");
		return;
	}
	json_put_form(b, "{'type':%s,'source':{'type':%s", type,
		p->url.p   ? "url"
		: p->plain ? "text"
			   : "base64");
	if (p->url.p) {
		put_written(b, "url", p->url);
	} else {
		json_put_form(b, "'media_type':%t,'data':%w",
			p->plain ? SPAN_LIT("text/plain") : p->media, p->data);
	}
	json_put_close(b, '}');
	if (p->kind == PART_FILE && p->text.n)
		put_written(b, "title", p->text);
	json_put_close(b, '}');
}

static void put_blocks(struct question *q, const char *name, const struct part *parts);

static void
put_block(struct question *q, const struct part *p)
{
	struct buf *b = q->out;

	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_text_block(b, p->text); break;
	case PART_IMAGE: put_source(q, p, "image"); break;
	case PART_FILE: put_source(q, p, "document"); break;
	case PART_CALL:
		json_put_form(b, "{'type':'tool_use','id':%t,'name':%t,'input':%j}",
			question_id(q, p->id), p->name, p->json);
		break;
	case PART_RESULT:
		json_put_form(
			b, "{'type':'tool_result','tool_use_id':%t", question_id(q, p->id));
		put_blocks(q, "content", p->parts);
		if (p->failed)
			json_put_bool(b, "is_error", true);
		json_put_close(b, '}');
		break;
	case PART_REASONING: break; /* turns.c takes it out */
	case PART_AUDIO: question_refuse(q, p->at, question_nowhere); break;
	}
}

/* One text by itself is a string. */
static void
put_blocks(struct question *q, const char *name, const struct part *parts)
{
	if (!parts || (parts->kind == PART_TEXT && !parts->next)) {
		put_written(q->out, name, parts ? parts->text : SPAN_LIT(""));
		return;
	}
	json_put_open(q->out, name, '[');
	for (const struct part *p = parts; p && !q->err; p = p->next)
		put_block(q, p);
	json_put_close(q->out, ']');
}

static bool
has_type_object(const struct node *schema)
{
	return node_is(tree_member(schema, "type"), "object");
}

static void
put_messages_tools(struct question *q)
{
	struct buf *b = q->out;

	json_put_open(b, "tools", '[');
	for (const struct tool_offer *t = q->tools; t && !q->err; t = t->next) {
		if (t->schema && t->schema->first && !has_type_object(t->schema)) {
			question_refuse(q, t->at, "its schema is of another type than object");
			continue;
		}
		json_put_open(b, NULL, '{');
		put_tool(b, t, t->schema && t->schema->first ? "input_schema" : NULL);
		if (!t->schema || !t->schema->first)
			json_put_raw(b, "input_schema", SPAN_LIT("{\"type\":\"object\"}"));
		json_put_close(b, '}');
	}
	json_put_close(b, ']');
}

static void
put_messages_choice(struct question *q)
{
	enum choice is = q->choice.is == CHOICE_UNSAID ? CHOICE_AUTO : q->choice.is;

	json_put_form(q->out, "'tool_choice':{'type':%s", choice_words[is]);
	if (is == CHOICE_TOOL)
		json_put_text(q->out, "name", q->choice.name);
	if (q->one_call && is != CHOICE_NONE)
		json_put_bool(q->out, "disable_parallel_tool_use", true);
	json_put_close(q->out, '}');
}

static void
put_messages_effort(struct question *q)
{
	int effort = q->effort_is == EFFORT_MINIMAL ? EFFORT_LOW : q->effort_is;

	json_put_form(q->out, "'thinking':{'type':%s}",
		effort == EFFORT_NONE ? "disabled" : "adaptive");
	if (effort == EFFORT_NONE && !q->schema)
		return;
	json_put_open(q->out, "output_config", '{');
	if (effort > EFFORT_NONE)
		json_put_str(q->out, "effort", efforts[effort]);
}

static void
write_messages(struct question *q)
{
	struct buf *b = q->out;
	struct turn *t = q->turns;

	if (q->set[SET_USER]) {
		json_put_open(b, "metadata", '{');
		put_node(b, "user_id", q->set[SET_USER]);
		json_put_close(b, '}');
		q->set[SET_USER] = NULL;
	}
	if (!q->set[SET_CAP] && q->ask->cap_tokens)
		json_put_uint(b, "max_tokens", q->ask->cap_tokens);
	else if (!q->set[SET_CAP])
		question_refuse(q, q->tree.root, "it states no cap, and the target needs one");
	question_put_settings(q);
	if (t && t->role == TURN_SYSTEM) {
		put_blocks(q, "system", t->first);
		t = t->next;
	}
	json_put_open(b, "messages", '[');
	for (; t && !q->err; t = t->next) {
		json_put_form(
			b, "{'role':%s", t->role == TURN_ASSISTANT ? "assistant" : "user");
		put_blocks(q, "content", t->first);
		json_put_close(b, '}');
	}
	json_put_close(b, ']');
	if (q->tools)
		put_messages_tools(q);
	if (q->tools && (q->choice.is != CHOICE_UNSAID || q->one_call))
		put_messages_choice(q);
	if (q->effort_is != EFFORT_UNSAID)
		put_messages_effort(q);
	else if (q->schema)
		json_put_open(b, "output_config", '{');
	if (q->schema) {
		json_put_form(b, "'format':{'type':'json_schema'");
		put_node(b, "schema", q->schema);
		json_put_close(b, '}');
	}
	if (q->schema || q->effort_is > EFFORT_NONE)
		json_put_close(b, '}');
	if (q->to->stream)
		json_put_bool(b, "stream", true);
}

const struct request_form messages_request_form = {
	.form = FORM_MESSAGES,
	.members = messages_members,
	.settings = messages_settings,
	.read = read_messages,
	.write = write_messages,
	.name_max = 128,
	.titles = true,
	.apart = true,
};
