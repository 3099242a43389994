/* OpenAI's responses, where nothing is kept: read and written.
 * https://platform.openai.com/docs/api-reference/responses/create */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

/* clang-format off */
static const struct setting_row responses_settings[] = {
	{ "max_output_tokens", SET_CAP,         IS_NUMBER, 0 },
	{ "temperature",       SET_TEMPERATURE, IS_NUMBER, 2 },
	{ "top_p",             SET_TOP_P,       IS_NUMBER, 1 },
	{ "safety_identifier", SET_USER,        IS_TEXT,   0 },
	{ "user",              SET_USER,        IS_TEXT,   0 },
	{ 0 },
};

enum { MODEL, INSTRUCTIONS, INPUT, STREAM, TOOLS, CHOICE, PARALLEL, TEXT, REASONING };
static const struct member responses_members[] = {
	[MODEL]        = { "model",               IS_TEXT },
	[INSTRUCTIONS] = { "instructions",        IS_TEXT },
	[INPUT]        = { "input",               IS_TEXTS },
	[STREAM]       = { "stream",              IS_BOOL },
	[TOOLS]        = { "tools",               IS_ARRAY },
	[CHOICE]       = { "tool_choice",         IS_ANY },
	[PARALLEL]     = { "parallel_tool_calls", IS_BOOL },
	[TEXT]         = { "text",                IS_OBJECT },
	[REASONING]    = { "reasoning",           IS_OBJECT },
	{ 0 },
};

static const char *const item_types[] = { "message", "function_call", "function_call_output", "reasoning", NULL };
enum { I_TYPE, I_ROLE, I_CONTENT };
static const struct member item_message[] = {
	{ "type", IS_TEXT }, { "role", IS_TEXT }, { "content", IS_TEXTS }, { 0 } };
enum { C_TYPE, C_ID, C_NAME, C_ARGUMENTS };
static const struct member item_call[] = {
	{ "type", IS_TEXT }, { "call_id", IS_TEXT }, { "name", IS_TEXT }, { "arguments", IS_TEXT }, { 0 } };
enum { R_TYPE, R_ID, R_OUTPUT };
static const struct member item_result[] = {
	{ "type", IS_TEXT }, { "call_id", IS_TEXT }, { "output", IS_TEXTS }, { 0 } };
static const char *const item_roles[] = { "system", "developer", "user", "assistant", NULL };

enum { P_TYPE, P_TEXT, P_REFUSAL, P_IMAGE, P_DATA, P_NAME };
static const struct member content_members[] = {
	[P_TYPE]    = { "type",      IS_TEXT },
	[P_TEXT]    = { "text",      IS_TEXT },
	[P_REFUSAL] = { "refusal",   IS_TEXT },
	[P_IMAGE]   = { "image_url", IS_TEXT },
	[P_DATA]    = { "file_data", IS_TEXT },
	[P_NAME]    = { "filename",  IS_TEXT },
	{ 0 },
};
static const struct { const char *type; enum part_kind kind; int member; unsigned has; } contents[] = {
	{ "input_text",  PART_TEXT,    P_TEXT,    1u << P_TEXT },
	{ "output_text", PART_TEXT,    P_TEXT,    1u << P_TEXT },
	{ "text",        PART_TEXT,    P_TEXT,    1u << P_TEXT },
	{ "refusal",     PART_REFUSAL, P_REFUSAL, 1u << P_REFUSAL },
	{ "input_image", PART_IMAGE,   P_IMAGE,   1u << P_IMAGE },
	{ "input_file",  PART_FILE,    P_DATA,    1u << P_DATA | 1u << P_NAME },
};
static const struct member tool_members[] = {
	{ "name", IS_TEXT }, { "description", IS_TEXT }, { "parameters", IS_OBJECT }, { "strict", IS_BOOL },
	{ "type", IS_TEXT }, { 0 } };
static const char *const only_function[] = { "function", NULL };
static const char *const choice_words[] = { "", "auto", "required", "none", NULL }; /* by enum choice */
static const struct member choice_members[] = { { "type", IS_TEXT }, { "name", IS_TEXT }, { 0 } };
static const struct member text_members[] = { { "format", IS_OBJECT }, { 0 } };
enum { F_TYPE, F_NAME, F_DESCRIPTION, F_SCHEMA, F_STRICT };
static const struct member format_members[] = {
	{ "type", IS_TEXT }, { "name", IS_TEXT }, { "description", IS_TEXT }, { "schema", IS_OBJECT },
	{ "strict", IS_BOOL }, { 0 } };
static const char *const format_types[] = { "text", "json_schema", NULL };
static const struct member reasoning_members[] = { { "effort", IS_TEXT }, { 0 } };
/* clang-format on */

/* ---- read ---- */

static void
read_content_part(struct question *q, struct turn *t, const struct node *of)
{
	struct node *m[COUNT_OF(content_members)];
	size_t is = 0;

	while (is < COUNT_OF(contents) && !node_is(tree_member(of, "type"), contents[is].type))
		is++;
	if (is == COUNT_OF(contents)) {
		question_refuse(q, of, question_nowhere);
		return;
	}
	if (!question_members(q, of, content_members, m))
		return;
	question_only(q, m, COUNT_OF(content_members) - 1, contents[is].has | 1u << P_TYPE,
		"a part of this type has no such member");
	const struct node *said = m[contents[is].member];
	struct part *p = turn_part(q, t, contents[is].kind, said ? said : of);
	if (!p)
		return;
	if (!said)
		question_odd(q, of, "it says nothing");
	else if (p->kind == PART_IMAGE || p->kind == PART_FILE) {
		p->text = node_written(m[P_NAME]);
		if (part_data_uri(q, p, said))
			return;
		if (p->kind == PART_IMAGE)
			p->url = node_written(said);
		else if (question_refuse(q, said, "it is no data: URI in base64"))
			part_goes(p);
	} else {
		p->text = node_written(said);
	}
}

static void
read_item_message(struct question *q, const struct node *of)
{
	static const enum turn_role is[] = { TURN_SYSTEM, TURN_SYSTEM, TURN_USER,
		TURN_ASSISTANT };
	struct node *m[COUNT_OF(item_message)];

	if (!question_members(q, of, item_message, m))
		return;
	int role = question_word(q, m[I_ROLE], item_roles);
	struct turn *t = role < 0 ? NULL : question_turn(q, is[role], of);
	if (t)
		turn_content(q, t, m[I_CONTENT], read_content_part);
	else
		question_odd(q, of, "its role is none that anybody knows");
}

static void
read_input_item(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(content_members)], *type = tree_member(of, "type");
	struct turn *t;
	struct part *p;
	int is = type ? question_word(q, type, item_types) : 0;

	switch (is) {
	case 0: read_item_message(q, of); break;
	case 1:
		p = question_members(q, of, item_call, m)
			    ? turn_call(q, question_turn(q, TURN_ASSISTANT, of), of, m[C_ID],
				      m[C_NAME])
			    : NULL;
		if (p)
			question_arguments(q, p, m[C_ARGUMENTS]);
		break;
	case 2:
		if (question_members(q, of, item_result, m))
			turn_result(q, question_turn(q, TURN_USER, of), of, m[R_ID],
				m[R_OUTPUT], read_content_part);
		break;
	case 3: /* it is for who sealed it */
		if ((t = question_turn(q, TURN_ASSISTANT, of)))
			turn_part(q, t, PART_REASONING, of);
		break;
	default: break; /* refused, or the route lets it go */
	}
}

static void
read_responses_tool(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(tool_members)];

	/* others are run by the provider */
	if (question_word(q, tree_member(of, "type"), only_function) < 0)
		return;
	if (question_members(q, of, tool_members, m))
		question_tool(q, of, m);
}

static void
read_responses_choice(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(choice_members)];

	q->choice.at = of;
	if (of->tok == JSON_STRING) {
		int is = question_word(q, of, choice_words);
		q->choice.is = is > 0 ? (enum choice)is : CHOICE_UNSAID;
	} else if (!node_is(tree_member(of, "type"), "function")) {
		question_refuse(q, of, question_nowhere);
	} else if (question_members(q, of, choice_members, m)) {
		q->choice.is = CHOICE_TOOL;
		q->choice.name = node_text(m[1]);
	}
}

static void
read_responses_text(struct question *q, const struct node *of)
{
	struct node *m[COUNT_OF(text_members)], *f[COUNT_OF(format_members)];

	if (!question_members(q, of, text_members, m) || !m[0] ||
		!question_members(q, m[0], format_members, f))
		return;
	if (!f[F_TYPE])
		question_odd(q, m[0], "it is of no type");
	if (question_word(q, f[F_TYPE], format_types) != 1)
		return;
	if (!f[F_SCHEMA])
		question_odd(q, m[0], "it has no schema");
	q->schema = f[F_SCHEMA];
	q->schema_name = f[F_NAME];
	q->schema_description = f[F_DESCRIPTION];
	q->schema_strict = f[F_STRICT];
}

static void
read_responses(struct question *q, struct node **m)
{
	struct node *r[COUNT_OF(reasoning_members)];

	if (m[INSTRUCTIONS])
		turn_content(q, question_turn(q, TURN_SYSTEM, m[INSTRUCTIONS]), m[INSTRUCTIONS],
			read_content_part);
	if (m[INPUT] && m[INPUT]->tok == JSON_STRING)
		turn_content(
			q, question_turn(q, TURN_USER, m[INPUT]), m[INPUT], read_content_part);
	for (struct node *n = tree_elements(m[INPUT]); n && !q->err; n = n->next)
		read_input_item(q, n);
	for (struct node *n = tree_elements(m[TOOLS]); n && !q->err; n = n->next)
		read_responses_tool(q, n);
	if (m[CHOICE])
		read_responses_choice(q, m[CHOICE]);
	if (m[TEXT])
		read_responses_text(q, m[TEXT]);
	if (m[PARALLEL] && !node_true(m[PARALLEL]))
		q->one_call = m[PARALLEL];
	if (m[REASONING] && question_members(q, m[REASONING], reasoning_members, r)) {
		q->effort_is = question_word(q, r[0], efforts);
	}
	q->to->stream = node_true(m[STREAM]);
	q->to->wants_usage = true;
}

/* ---- write ---- */

static void
put_content_part(struct question *q, const struct part *p, bool said)
{
	struct buf *b = q->out;

	switch (p->kind) {
	case PART_TEXT:
		json_put_form(b, "{'type':%s,'text':%w}", said ? "output_text" : "input_text",
			p->text);
		break;
	case PART_REFUSAL: json_put_form(b, "{'type':'refusal','refusal':%w}", p->text); break;
	case PART_IMAGE:
		json_put_form(b, "{'type':'input_image'");
		if (p->url.p)
			put_written(b, "image_url", p->url);
		else
			put_data_uri(b, "image_url", p);
		json_put_close(b, '}');
		break;
	case PART_FILE:
		if (p->url.p) {
			question_refuse(q, p->at, "a file by its address has no place");
		} else if (p->plain) { /* a document that is text is one */
			json_put_form(b, "{'type':'input_text','text':%w}", p->data);
		} else {
			json_put_form(b, "{'type':'input_file','filename':%w",
				p->text.n ? p->text : SPAN_LIT("file"));
			put_data_uri(b, "file_data", p);
			json_put_close(b, '}');
		}
		break;
	default: question_refuse(q, p->at, question_nowhere);
	}
}

static bool
is_content(const struct part *p)
{
	return p->kind != PART_CALL && p->kind != PART_RESULT;
}

static void
put_item_message(struct question *q, const struct turn *t)
{
	static const char *const roles[] = { "system", "user", "assistant" };
	bool any = false;

	for (const struct part *p = t->first; p; p = p->next)
		any |= is_content(p);
	if (!any)
		return;
	json_put_form(q->out, "{'type':'message','role':%s,'content':[", roles[t->role]);
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (is_content(p))
			put_content_part(q, p, t->role == TURN_ASSISTANT);
	json_put_form(q->out, "]}");
}

static void
put_item_result(struct question *q, const struct part *r)
{
	const struct part *one = r->parts;

	json_put_form(
		q->out, "{'type':'function_call_output','call_id':%t", question_id(q, r->id));
	if (!r->failed && (!one || (one->kind == PART_TEXT && !one->next))) {
		put_written(q->out, "output", one ? one->text : SPAN_LIT(""));
	} else {
		json_put_open(q->out, "output", '[');
		if (r->failed)
			put_content_part(q, &tool_failed, false);
		for (const struct part *p = one; p && !q->err; p = p->next)
			put_content_part(q, p, false);
		json_put_close(q->out, ']');
	}
	json_put_close(q->out, '}');
}

static void
put_turn_items(struct question *q, const struct turn *t)
{
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (p->kind == PART_RESULT)
			put_item_result(q, p);
	put_item_message(q, t);
	for (const struct part *p = t->first; p && !q->err; p = p->next) {
		if (p->kind != PART_CALL)
			continue;
		json_put_form(q->out,
			"{'type':'function_call','call_id':%t,'name':%t,'arguments':%t}",
			question_id(q, p->id), p->name, p->json);
	}
}

static void
write_responses(struct question *q)
{
	struct buf *b = q->out;

	question_put_settings(q);
	json_put_open(b, "input", '[');
	for (const struct turn *t = q->turns; t && !q->err; t = t->next)
		put_turn_items(q, t);
	json_put_close(b, ']');
	if (q->tools)
		json_put_open(b, "tools", '[');
	for (const struct tool_offer *t = q->tools; t; t = t->next) {
		json_put_form(b, "{'type':'function'");
		put_tool(b, t, "parameters");
		if (!t->strict) /* where nobody says so it is true */
			json_put_bool(b, "strict", false);
		json_put_close(b, '}');
	}
	if (q->tools)
		json_put_close(b, ']');
	if (q->choice.is == CHOICE_TOOL) {
		json_put_form(b, "'tool_choice':{'type':'function','name':%t}", q->choice.name);
	} else if (q->choice.is != CHOICE_UNSAID) {
		json_put_str(b, "tool_choice", choice_words[q->choice.is]);
	}
	if (q->one_call)
		json_put_bool(b, "parallel_tool_calls", false);
	if (q->schema) {
		json_put_form(b, "'text':{'format':{'type':'json_schema'");
		put_schema(q);
		json_put_form(b, "}}");
	}
	if (q->effort_is > EFFORT_UNSAID) {
		json_put_form(b, "'reasoning':{'effort':%s}", openai_effort(q));
	}
	if (q->to->stream)
		json_put_bool(b, "stream", true);
	json_put_bool(b, "store", false);
}

const struct request_form responses_request_form = {
	.form = FORM_RESPONSES,
	.members = responses_members,
	.settings = responses_settings,
	.read = read_responses,
	.write = write_responses,
	.name_max = 128,
};
