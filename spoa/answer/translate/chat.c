/* OpenAI's chat completions: read and written.
 * https://platform.openai.com/docs/api-reference/chat/create */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

static const char odd_type[] = "it is of a type that nobody knows";

/* clang-format off */
static const struct setting_row chat_settings[] = {
	{ "max_completion_tokens", SET_CAP,         IS_NUMBER, 0 },
	{ "max_tokens",            SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",           SET_TEMPERATURE, IS_NUMBER, 2 },
	{ "top_p",                 SET_TOP_P,       IS_NUMBER, 1 },
	{ "stop",                  SET_STOP,        IS_TEXTS,  4 },
	{ "seed",                  SET_SEED,        IS_NUMBER, 0 },
	{ "frequency_penalty",     SET_FREQUENCY,   IS_NUMBER, 2 },
	{ "presence_penalty",      SET_PRESENCE,    IS_NUMBER, 2 },
	{ "safety_identifier",     SET_USER,        IS_TEXT,   0 },
	{ "user",                  SET_USER,        IS_TEXT,   0 },
	{ 0 },
};

/* https://docs.mistral.ai/api/#operation/chatCompletion: it takes no member that it has not. */
static const struct setting_row mistral_settings[] = {
	{ "max_tokens",        SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",       SET_TEMPERATURE, IS_NUMBER, 1.5 },
	{ "top_p",             SET_TOP_P,       IS_NUMBER, 1 },
	{ "stop",              SET_STOP,        IS_TEXTS,  0 },
	{ "random_seed",       SET_SEED,        IS_NUMBER, 0 },
	{ "frequency_penalty", SET_FREQUENCY,   IS_NUMBER, 2 },
	{ "presence_penalty",  SET_PRESENCE,    IS_NUMBER, 2 },
	{ 0 },
};

enum { MODEL, MESSAGES, STREAM, STREAM_OPTIONS, TOOLS, TOOL_CHOICE, PARALLEL, FORMAT, EFFORT };
static const struct member chat_members[] = {
	[MODEL]          = { "model",                 IS_TEXT },
	[MESSAGES]       = { "messages",              IS_ARRAY },
	[STREAM]         = { "stream",                IS_BOOL },
	[STREAM_OPTIONS] = { "stream_options",        IS_OBJECT },
	[TOOLS]          = { "tools",                 IS_ARRAY },
	[TOOL_CHOICE]    = { "tool_choice",           IS_ANY },
	[PARALLEL]       = { "parallel_tool_calls",   IS_BOOL },
	[FORMAT]         = { "response_format",       IS_OBJECT },
	[EFFORT]         = { "reasoning_effort",      IS_TEXT },
	{ 0 },
};

enum { M_ROLE, M_CONTENT, M_CALLS, M_CALL_ID, M_REFUSAL, M_REASONING, M_THOUGHT };
static const struct member message_members[] = {
	[M_ROLE]      = { "role",              IS_TEXT },
	[M_CONTENT]   = { "content",           IS_TEXTS },
	[M_CALLS]     = { "tool_calls",        IS_ARRAY },
	[M_CALL_ID]   = { "tool_call_id",      IS_TEXT },
	[M_REFUSAL]   = { "refusal",           IS_TEXT },
	[M_REASONING] = { "reasoning_content", IS_TEXT },
	[M_THOUGHT]   = { "reasoning",         IS_TEXT },
	{ 0 },
};

enum { P_TYPE, P_TEXT, P_REFUSAL, P_IMAGE, P_FILE, P_AUDIO };
static const struct member part_members[] = {
	[P_TYPE]    = { "type",        IS_TEXT },
	[P_TEXT]    = { "text",        IS_TEXT },
	[P_REFUSAL] = { "refusal",     IS_TEXT },
	[P_IMAGE]   = { "image_url",   IS_OBJECT },
	[P_FILE]    = { "file",        IS_OBJECT },
	[P_AUDIO]   = { "input_audio", IS_OBJECT },
	{ 0 },
};
static const char *const part_types[] = { "", "text", "refusal", "image_url", "file", "input_audio", NULL };
static const struct member image_members[] = { { "url", IS_TEXT }, { 0 } };
enum { F_DATA, F_NAME };
static const struct member file_members[] = { { "file_data", IS_TEXT }, { "filename", IS_TEXT }, { 0 } };
enum { C_ID, C_TYPE, C_FUNCTION };
static const struct member call_members[] = { { "id", IS_TEXT }, { "type", IS_TEXT }, { "function", IS_OBJECT }, { 0 } };
enum { CF_NAME, CF_ARGUMENTS };
static const struct member called_members[] = { { "name", IS_TEXT }, { "arguments", IS_TEXT }, { 0 } };
enum { T_TYPE, T_FUNCTION };
static const struct member tool_members[] = { { "type", IS_TEXT }, { "function", IS_OBJECT }, { 0 } };
static const struct member function_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "parameters", IS_OBJECT }, { "strict", IS_BOOL }, { 0 } };
static const struct member named_members[] = { { "name", IS_TEXT }, { 0 } };
static const char *const choice_words[] = { "", "auto", "required", "none", NULL }; /* by enum choice */
static const char *const only_function[] = { "function", NULL };
enum { F_TYPE, F_SCHEMA };
static const struct member format_members[] = { { "type", IS_TEXT }, { "json_schema", IS_OBJECT }, { 0 } };
static const char *const format_types[] = { "text", "json_schema", NULL };
enum { S_NAME, S_DESCRIPTION, S_SCHEMA, S_STRICT };
static const struct member schema_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "schema", IS_OBJECT }, { "strict", IS_BOOL }, { 0 } };
static const struct member stream_members[] = { { "include_usage", IS_BOOL }, { 0 } };
/* clang-format on */

/* ---- read ---- */

static void
read_chat_image(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(image_members)];

	if (!question_members(q, of, image_members, m))
		return;
	if (!m[0])
		question_odd(q, of, "it has no address");
	struct part *p = turn_part(q, t, PART_IMAGE, m[0] ? m[0] : of);
	if (p && !part_data_uri(q, p, m[0]))
		p->url = node_written(m[0]);
}

static void
read_chat_file(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(file_members)];

	if (!question_members(q, of, file_members, m))
		return;
	struct part *p = turn_part(q, t, PART_FILE, of);
	if (!p)
		return;
	p->text = node_written(m[F_NAME]);
	if (!part_data_uri(q, p, m[F_DATA]) &&
		question_refuse(q, m[F_DATA] ? m[F_DATA] : of, "it is no data: URI in base64"))
		part_goes(p);
}

static void
read_chat_part(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(part_members)];

	if (!question_members(q, of, part_members, m))
		return;
	int is = question_word(q, m[P_TYPE], part_types);
	if (is <= 0 || !m[is]) {
		question_odd(q, of, odd_type);
		return;
	}
	question_only(q, m, P_AUDIO + 1, 1u << P_TYPE | 1u << is,
		"a part of this type has no such member");
	switch (is) {
	case P_TEXT: turn_text(q, t, PART_TEXT, of, m[is]); break;
	case P_REFUSAL: turn_text(q, t, PART_REFUSAL, of, m[is]); break;
	case P_IMAGE: read_chat_image(q, t, m[is]); break;
	case P_FILE: read_chat_file(q, t, m[is]); break;
	default: question_refuse(q, m[is], question_nowhere);
	}
}

static void
read_chat_call(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(call_members)], *f[COUNT_OF(called_members)];

	if (!question_members(q, of, call_members, m))
		return;
	if ((m[C_TYPE] && question_word(q, m[C_TYPE], only_function) < 0) || !m[C_FUNCTION] ||
		!question_members(q, m[C_FUNCTION], called_members, f)) {
		question_odd(q, of, "it is no call of a function");
		return;
	}
	struct part *p = turn_call(q, t, of, m[C_ID], f[CF_NAME]);
	if (p)
		question_arguments(q, p, f[CF_ARGUMENTS]);
}

static void
read_chat_message(struct question *q, const struct node *of)
{
	static const char *const roles[] = { "system", "developer", "user", "assistant", "tool",
		NULL };
	static const enum turn_role is[] = { TURN_SYSTEM, TURN_SYSTEM, TURN_USER,
		TURN_ASSISTANT };
	struct node *m[COUNT_OF(message_members)];

	if (!question_members(q, of, message_members, m))
		return;
	int role = question_word(q, m[M_ROLE], roles);
	if (role < 0) {
		question_odd(q, of, "its role is none that anybody knows");
		return;
	}
	const struct node *not_his = role != 4 && m[M_CALL_ID] ? m[M_CALL_ID]
				     : role == 3	       ? NULL
				     : m[M_CALLS]	       ? m[M_CALLS]
							       : m[M_REFUSAL];
	if (not_his) {
		question_odd(q, not_his, "a turn of this role has no such member");
		return;
	}
	if (role == 4) {
		turn_result(q, question_turn(q, TURN_USER, of), of, m[M_CALL_ID], m[M_CONTENT],
			read_chat_part);
		return;
	}
	struct turn *t = question_turn(q, is[role], of);
	if (!t)
		return;
	struct node *thought = m[M_REASONING] ? m[M_REASONING] : m[M_THOUGHT];
	if (thought)
		turn_text(q, t, PART_REASONING, thought, thought);
	turn_content(q, t, m[M_CONTENT], read_chat_part);
	if (m[M_REFUSAL])
		turn_text(q, t, PART_REFUSAL, m[M_REFUSAL], m[M_REFUSAL]);
	for (struct node *n = tree_elements(m[M_CALLS]); n && !q->err; n = n->next)
		read_chat_call(q, t, n);
}

static void
read_chat_tool(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tool_members)], *f[COUNT_OF(function_members)];

	if (node_is(tree_member(of, "type"), "custom")) {
		question_refuse(q, of, question_nowhere);
		return;
	}
	if (!question_members(q, of, tool_members, m) ||
		question_word(q, m[T_TYPE], only_function) < 0 || !m[T_FUNCTION]) {
		question_odd(q, of, odd_type);
		return;
	}
	if (question_members(q, m[T_FUNCTION], function_members, f))
		question_tool(q, of, f);
}

static void
read_chat_choice(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tool_members)], *f[COUNT_OF(named_members)];

	q->choice.at = of;
	if (of->tok == JSON_STRING) {
		int is = question_word(q, of, choice_words);
		q->choice.is = is > 0 ? (enum choice)is : CHOICE_UNSAID;
		return;
	}
	if (!node_is(tree_member(of, "type"), "function")) {
		question_refuse(q, of, question_nowhere);
		return;
	}
	if (!question_members(q, of, tool_members, m) || !m[T_FUNCTION] ||
		!question_members(q, m[T_FUNCTION], named_members, f)) {
		question_odd(q, of, "it names no function");
		return;
	}
	q->choice.is = CHOICE_TOOL;
	q->choice.name = node_text(f[0]);
}

static void
read_chat_format(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(format_members)], *s[COUNT_OF(schema_members)];

	if (!question_members(q, of, format_members, m))
		return;
	if (!m[F_TYPE])
		question_odd(q, of, odd_type);
	if (question_word(q, m[F_TYPE], format_types) != 1)
		return;
	if (!m[F_SCHEMA] || !question_members(q, m[F_SCHEMA], schema_members, s) ||
		!s[S_SCHEMA]) {
		question_odd(q, of, "it has no schema");
		return;
	}
	q->schema = s[S_SCHEMA];
	q->schema_name = s[S_NAME];
	q->schema_description = s[S_DESCRIPTION];
	q->schema_strict = s[S_STRICT];
}

static void
read_chat(struct question *q, struct node **m)
{
	struct node *o[COUNT_OF(stream_members)] = { NULL };

	for (struct node *n = tree_elements(m[MESSAGES]); n && !q->err; n = n->next)
		read_chat_message(q, n);
	for (struct node *n = tree_elements(m[TOOLS]); n && !q->err; n = n->next)
		read_chat_tool(q, n);
	if (m[TOOL_CHOICE])
		read_chat_choice(q, m[TOOL_CHOICE]);
	if (m[FORMAT])
		read_chat_format(q, m[FORMAT]);
	if (m[PARALLEL] && !node_true(m[PARALLEL]))
		q->one_call = m[PARALLEL];
	q->effort_is = question_word(q, m[EFFORT], efforts);
	if (m[STREAM_OPTIONS])
		question_members(q, m[STREAM_OPTIONS], stream_members, o);
	q->to->stream = node_true(m[STREAM]);
	q->to->wants_usage = node_true(o[0]);
}

/* ---- write ---- */

static void
put_chat_text(struct buf *b, struct span written)
{
	json_put_form(b, "{'type':'text','text':%w}", written);
}

static void
put_chat_part(struct question *q, const struct part *p)
{
	struct buf *b = q->out;

	switch (p->kind) {
	case PART_TEXT: put_chat_text(b, p->text); break;
	case PART_IMAGE:
		json_put_form(b, "{'type':'image_url','image_url':{");
		if (p->url.p)
			put_written(b, "url", p->url);
		else
			put_data_uri(b, "url", p);
		json_put_form(b, "}}");
		break;
	case PART_FILE:
		if (p->url.p) {
			question_refuse(q, p->at, "a file by its address has no place");
			break;
		}
		if (p->plain) { /* a document that is text is one */
			put_chat_text(b, p->data);
			break;
		}
		json_put_form(b, "{'type':'file','file':{'filename':%w",
			p->text.n ? p->text : SPAN_LIT("file"));
		put_data_uri(b, "file_data", p);
		json_put_form(b, "}}");
		break;
	default: question_refuse(q, p->at, question_nowhere);
	}
}

static bool
is_no_text(const struct part *p)
{
	return p->kind != PART_TEXT && p->kind != PART_REFUSAL && !p->plain;
}

/* The content of a turn: a string where it is one text; of a result its texts alone, since
 * nothing else has a place in it. */
static void
put_chat_content(struct question *q, const struct part *parts, bool texts)
{
	const struct part *one = NULL;
	size_t n = 0;

	for (const struct part *p = parts; p; p = p->next)
		if (!texts || !is_no_text(p)) {
			one = p;
			n++;
		}
	if (n <= 1 && (!one || one->kind == PART_TEXT)) {
		put_written(q->out, "content", one ? one->text : SPAN_LIT(""));
		return;
	}
	json_put_open(q->out, "content", '[');
	for (const struct part *p = parts; p && !q->err; p = p->next)
		if (!texts || !is_no_text(p))
			put_chat_part(q, p);
	json_put_close(q->out, ']');
}

/* Nothing says that it failed but its text. */
static void
put_chat_failure(struct question *q, const struct part *r)
{
	json_put_open(q->out, "content", '[');
	put_chat_text(q->out, tool_failed.text);
	for (const struct part *p = r->parts; p && !q->err; p = p->next)
		if (!is_no_text(p))
			put_chat_part(q, p);
	json_put_close(q->out, ']');
}

/* Each result is a message; what in them is no text is said after them, with the rest. */
static void
put_chat_user(struct question *q, const struct turn *t)
{
	const struct part *p = t->first;
	bool more = false;

	for (; p && p->kind == PART_RESULT && !q->err; p = p->next) {
		json_put_form(
			q->out, "{'role':'tool','tool_call_id':%t", question_id(q, p->id));
		if (p->failed)
			put_chat_failure(q, p);
		else
			put_chat_content(q, p->parts, true);
		json_put_close(q->out, '}');
		for (const struct part *i = p->parts; i; i = i->next)
			more |= is_no_text(i);
	}
	if (!more && !p)
		return;
	json_put_form(q->out, "{'role':'user'");
	if (!more) {
		put_chat_content(q, p, false);
	} else {
		json_put_open(q->out, "content", '[');
		for (const struct part *r = t->first; r != p; r = r->next)
			for (const struct part *i = r->parts; i && !q->err; i = i->next)
				if (is_no_text(i))
					put_chat_part(q, i);
		for (; p && !q->err; p = p->next)
			put_chat_part(q, p);
		json_put_close(q->out, ']');
	}
	json_put_close(q->out, '}');
}

static void
put_chat_assistant(struct question *q, struct turn *t)
{
	struct part *texts = NULL, **end = &texts, *next;
	struct part *refusals = NULL, **refused = &refusals;
	bool calls = false;

	for (struct part *p = t->first; p; p = p->next)
		calls |= p->kind == PART_CALL;
	json_put_form(q->out, "{'role':'assistant'");
	if (calls) {
		json_put_open(q->out, "tool_calls", '[');
		for (const struct part *p = t->first; p; p = p->next) {
			if (p->kind != PART_CALL)
				continue;
			json_put_form(q->out,
				"{'id':%t,'type':'function','function':{'name':%t,'arguments':%"
				"t}}",
				question_id(q, p->id), p->name, p->json);
		}
		json_put_close(q->out, ']');
	}
	for (struct part *p = t->first; p && !q->err; p = next) {
		next = p->next;
		if (p->kind == PART_TEXT) {
			*end = p;
			end = &p->next;
		} else if (p->kind == PART_REFUSAL) {
			*refused = p;
			refused = &p->next;
		} else if (p->kind != PART_CALL) {
			question_refuse(q, p->at, question_nowhere);
		}
	}
	*end = *refused = NULL;
	if (texts)
		put_chat_content(q, texts, false);
	else if (calls || refusals)
		json_put_null(q->out, "content");
	else
		put_written(q->out, "content", SPAN_LIT(""));
	if (refusals) {
		json_put_name(q->out, "refusal");
		buf_putc(q->out, '"');
		for (const struct part *p = refusals; p; p = p->next)
			buf_span(q->out, p->text);
		buf_putc(q->out, '"');
	}
	json_put_close(q->out, '}');
}

static void
put_chat_tools(struct question *q)
{
	json_put_open(q->out, "tools", '[');
	for (const struct tool_offer *t = q->tools; t; t = t->next) {
		json_put_form(q->out, "{'type':'function','function':{");
		put_tool(q->out, t, "parameters");
		json_put_form(q->out, "}}");
	}
	json_put_close(q->out, ']');
}

static void
put_chat_choice(struct question *q)
{
	if (q->choice.is != CHOICE_TOOL) {
		json_put_str(q->out, "tool_choice", choice_words[q->choice.is]);
		return;
	}
	json_put_form(q->out, "'tool_choice':{'type':'function','function':{'name':%t}}",
		q->choice.name);
}

void
put_schema(struct question *q)
{
	if (q->schema_name)
		put_node(q->out, "name", q->schema_name);
	else
		json_put_str(q->out, "name", "answer");
	put_node(q->out, "description", q->schema_description);
	put_node(q->out, "schema", q->schema);
	if (q->schema_strict)
		put_node(q->out, "strict", q->schema_strict);
	else if (q->form->form == FORM_MESSAGES) /* where each is */
		json_put_bool(q->out, "strict", true);
}

const char *
openai_effort(const struct question *q)
{
	return efforts[q->effort_is == EFFORT_MAX ? EFFORT_XHIGH : q->effort_is];
}

static void
write_chat(struct question *q)
{
	question_put_settings(q);
	json_put_open(q->out, "messages", '[');
	for (struct turn *t = q->turns; t && !q->err; t = t->next) {
		if (t->role == TURN_ASSISTANT) {
			put_chat_assistant(q, t);
		} else if (t->role == TURN_USER) {
			put_chat_user(q, t);
		} else {
			json_put_form(q->out, "{'role':'system'");
			put_chat_content(q, t->first, false);
			json_put_close(q->out, '}');
		}
	}
	json_put_close(q->out, ']');
	if (q->tools)
		put_chat_tools(q);
	if (q->choice.is != CHOICE_UNSAID)
		put_chat_choice(q);
	if (q->one_call)
		json_put_bool(q->out, "parallel_tool_calls", false);
	if (q->schema) {
		json_put_form(
			q->out, "'response_format':{'type':'json_schema','json_schema':{");
		put_schema(q);
		json_put_form(q->out, "}}");
	}
	if (q->effort_is > EFFORT_UNSAID)
		json_put_str(q->out, "reasoning_effort", openai_effort(q));
	if (q->to->stream)
		json_put_bool(q->out, "stream", true);
	if (q->to->stream &&
		q->into != &mistral_request_form) { /* that says its usage anyway */
		json_put_form(q->out, "'stream_options':{'include_usage':true}");
	}
}

const struct request_form chat_request_form = {
	.form = FORM_CHAT,
	.members = chat_members,
	.settings = chat_settings,
	.read = read_chat,
	.write = write_chat,
	.name_max = 64,
};

const struct request_form mistral_request_form = {
	.form = FORM_CHAT,
	.settings = mistral_settings,
	.write = write_chat,
	.name_max = 64,
};
