/* The form `responses` of requests: OpenAI's Responses API without stored state.
 *
 * The tables map the members of the document and the contents of each type of part to the
 * neutral form (request_private.h). The turns are items of `input`: messages, calls and
 * results are items of their own, and tools can be in namespaces. Source:
 * https://platform.openai.com/docs/api-reference/responses/create */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

/* clang-format off */
static const struct member responses_members[] = {
	{ "max_output_tokens",   IS_NUMBER, SET_CAP },
	{ "temperature",         IS_NUMBER, SET_TEMPERATURE },
	{ "top_p",               IS_NUMBER, SET_TOP_P },
	{ "safety_identifier",   IS_TEXT,   SET_USER },
	{ "user",                IS_TEXT,   SET_USER },
	{ "model",               IS_TEXT,   DOC_MODEL },
	{ "instructions",        IS_TEXT,   DOC_SYSTEM },
	{ "input",               IS_TEXTS,  DOC_TURNS },
	{ "stream",              IS_BOOL,   DOC_STREAM },
	{ "tools",               IS_ARRAY,  DOC_TOOLS },
	{ "tool_choice",         IS_ANY,    DOC_CHOICE },
	{ "parallel_tool_calls", IS_BOOL,   DOC_PARALLEL },
	{ "text.format",             IS_OBJECT, DOC_FORMAT },
	{ "text.format.type",        IS_TEXT,   DOC_FORMAT_TYPE },
	{ "text.format.name",        IS_TEXT,   DOC_SCHEMA_NAME },
	{ "text.format.description", IS_TEXT,   DOC_SCHEMA_DESCRIPTION },
	{ "text.format.schema",      IS_OBJECT, DOC_SCHEMA },
	{ "text.format.strict",      IS_BOOL,   DOC_SCHEMA_STRICT },
	{ "text.verbosity",      IS_TEXT,   SET_VERBOSITY },
	{ "reasoning.effort",    IS_TEXT,   DOC_EFFORT },
	{ "reasoning.summary",   IS_TEXT,   DOC_SUMMARY },
	{ "include",             IS_ARRAY,  DOC_OTHER },
	{ 0 },
};

enum { I_TYPE, I_ID, I_NAME, I_ARGUMENTS, I_OUTPUT, I_INPUT, I_SPACE };
static const struct member item_members[] = {
	{ "type",      IS_TEXT,  I_TYPE },
	{ "call_id",   IS_TEXT,  I_ID },
	{ "name",      IS_TEXT,  I_NAME },
	{ "arguments", IS_TEXT,  I_ARGUMENTS },
	{ "output",    IS_TEXTS, I_OUTPUT },
	{ "input",     IS_TEXT,  I_INPUT },
	{ "namespace", IS_TEXT,  I_SPACE },
	{ 0 },
};
static const struct part_row item_rows[] = {
	{ "function_call",        PART_CALL,   { [HAS_ID] = I_ID, [HAS_NAME] = I_NAME, [HAS_JSON] = I_ARGUMENTS,
		[HAS_MORE] = I_SPACE } },
	{ "custom_tool_call",     PART_CALL,   { [HAS_ID] = I_ID, [HAS_NAME] = I_NAME, [HAS_MORE] = I_SPACE, [HAS_AND] = I_INPUT } },
	{ "function_call_output", PART_RESULT, { [HAS_ID] = I_ID, [HAS_CONTENT] = I_OUTPUT } },
	{ "custom_tool_call_output", PART_RESULT, { [HAS_ID] = I_ID, [HAS_CONTENT] = I_OUTPUT } },
	{ 0 },
};
static const struct part_set items = { item_members, item_rows, true };

enum { P_TYPE, P_TEXT, P_REFUSAL, P_IMAGE, P_DETAIL, P_DATA, P_URL, P_NAME };
static const struct member content_members[] = {
	{ "type",      IS_TEXT, P_TYPE },
	{ "text",      IS_TEXT, P_TEXT },
	{ "refusal",   IS_TEXT, P_REFUSAL },
	{ "image_url", IS_TEXT, P_IMAGE },
	{ "detail",    IS_TEXT, P_DETAIL },
	{ "file_data", IS_TEXT, P_DATA },
	{ "file_url",  IS_TEXT, P_URL },
	{ "filename",  IS_TEXT, P_NAME },
	{ 0 },
};
static const struct part_row content_rows[] = {
	{ "input_text",  PART_TEXT,    { [HAS_TEXT] = P_TEXT } },
	{ "output_text", PART_TEXT,    { [HAS_TEXT] = P_TEXT } },
	{ "text",        PART_TEXT,    { [HAS_TEXT] = P_TEXT } },
	{ "refusal",     PART_REFUSAL, { [HAS_TEXT] = P_REFUSAL } },
	{ "input_image", PART_IMAGE,   { [HAS_AT] = P_IMAGE, [HAS_URI] = P_IMAGE, [HAS_TEXT] = P_DETAIL } },
	{ "input_file",  PART_FILE,    { [HAS_AT] = P_DATA, [HAS_URI] = P_DATA, [HAS_URL] = P_URL, [HAS_TEXT] = P_NAME } },
	{ 0 },
};
static const struct member tool_members[] = {
	{ "type",        IS_TEXT,   TOOL_TYPE },
	{ "name",        IS_TEXT,   TOOL_NAME },
	{ "description", IS_TEXT,   TOOL_DESCRIPTION },
	{ "parameters",  IS_OBJECT, TOOL_SCHEMA },
	{ "strict",      IS_BOOL,   TOOL_STRICT },
	{ 0 },
};
static const struct member custom_members[] = {
	{ "type",        IS_TEXT, TOOL_TYPE },
	{ "name",        IS_TEXT, TOOL_NAME },
	{ "description", IS_TEXT, TOOL_DESCRIPTION },
	{ "format.type",       IS_TEXT, TOOL_SCHEMA },
	{ "format.syntax",     IS_TEXT, TOOL_STRICT },
	{ "format.definition", IS_TEXT, TOOL_GRAMMAR },
	{ 0 },
};
/* Tools in a namespace, and in an item of `input`. */
enum { T_TYPE, T_NAME, T_TOOLS, T_DESCRIPTION, T_ROLE, TOOLS_MEMBERS };
static const struct member namespace_members[] = {
	{ "type",        IS_TEXT,  T_TYPE },
	{ "name",        IS_TEXT,  T_NAME },
	{ "tools",       IS_ARRAY, T_TOOLS },
	{ "description", IS_TEXT,  T_DESCRIPTION },
	{ 0 },
};
static const struct member added_members[] = {
	{ "type",  IS_TEXT,  T_TYPE },
	{ "role",  IS_TEXT,  T_ROLE },
	{ "tools", IS_ARRAY, T_TOOLS },
	{ 0 },
};
static const struct member turn_members[] = {
	{ "type", IS_TEXT, TURN_TYPE }, { "role", IS_TEXT, TURN_ROLE }, { "content", IS_TEXTS, TURN_CONTENT }, { 0 } };
static const struct member named_members[] = {
	{ "type", IS_TEXT, 0 }, { "name", IS_TEXT, 1 }, { "namespace", IS_TEXT, 2 }, { 0 } };
static const char *const choice_words[] = { "", "auto", "required", "none", NULL };
static const char *const item_roles[] = { "system", "user", "assistant", "developer", NULL };

static const struct part_form content_forms[] = {
	{ PART_TEXT,    FROM_ANY,   "{'type':'input_text','text':%t}" },
	{ PART_REFUSAL, FROM_ANY,   "{'type':'refusal','refusal':%t}" },
	{ PART_IMAGE,   FROM_ANY,   "{'type':'input_image','image_url':%u%E}" },
	/* a text document becomes a text */
	{ PART_FILE,    FROM_PLAIN, "{'type':'input_text','text':%d}" },
	{ PART_FILE,    FROM_URL,   "{'type':'input_file','file_url':%u}" },
	{ PART_FILE,    FROM_DATA,  "{'type':'input_file','filename':%f,'file_data':%u}" },
	{ 0 },
};
static const struct part_form call_forms[] = {
	{ PART_CALL, FROM_ANY, "{'type':'function_call','call_id':%i,'name':%n,'arguments':%a}" }, { 0 } };
static const struct part_form custom_forms[] = {
	{ PART_CALL, FROM_ANY, "{'type':'custom_tool_call','call_id':%i,'name':%n,'input':%t}" }, { 0 } };
static const struct part_form said_text[] = { { PART_TEXT, FROM_ANY, "{'type':'output_text','text':%t}" }, { 0 } };
/* clang-format on */

/* ---- reading ---- */

static void read_responses_tool(struct question *q, const struct node *of);

static void
read_listed_tools(struct question *q, const struct node *list)
{
	for (struct node *n = tree_elements(list); n && !q->err; n = n->next)
		read_responses_tool(q, n);
}

static void
read_responses_tool(struct question *q, const struct node *of)
{
	const struct node *type = tree_member(of, "type");
	struct node *m[TOOL_MEMBERS], *in[TOOLS_MEMBERS];

	if (node_is(type, "custom")) {
		if (question_members(q, of, custom_members, m))
			question_custom_tool(q, of, m);
	} else if (!node_is(type, "namespace") || q->space) {
		question_typed_tool(q, of);
	} else if (!question_may_go(q, type) && question_members(q, of, namespace_members, in)) {
		if (in[T_DESCRIPTION] && node_text(in[T_DESCRIPTION]).n)
			question_refuse(q, in[T_DESCRIPTION], question_nowhere);
		q->space = in[T_NAME];
		read_listed_tools(q, in[T_TOOLS]);
		q->space = NULL;
	}
}

static void
read_input_item(struct question *q, const struct node *of)
{
	const struct node *type = tree_member(of, "type");

	if (node_says_nothing(type) || node_is(type, "message")) {
		question_role_turn(q, of);
		return;
	}
	if (node_is(type, "additional_tools")) {
		struct node *m[TOOLS_MEMBERS];
		if (question_members(q, of, added_members, m))
			read_listed_tools(q, m[T_TOOLS]);
		return;
	}
	if (node_is(type, "item_reference")) {
		question_refuse(q, type,
			"item_reference: the item is stored at OpenAI and cannot be read. Set "
			"`store: false` in the client, which then sends the item itself");
		return;
	}
	bool result = node_is(type, "function_call_output") ||
		      node_is(type, "custom_tool_call_output");
	struct turn *t = question_turn(q, result ? TURN_USER : TURN_ASSISTANT, of);
	if (t && node_is(type, "reasoning")) /* only the provider that sealed it can read it */
		turn_part(q, t, PART_REASONING, of);
	else if (t)
		question_part(q, t, of, &items);
}

static void
read_responses_part(struct question *q, struct part *p, struct node **m)
{
	if (p->kind != PART_CALL)
		return;
	p->space = node_text(m[I_SPACE]);
	part_custom_input(q, p, m[I_INPUT]);
}

static void
read_responses(struct question *q)
{
	read_openai_choice(q, named_members);
	q->shows_thinking = q->set[DOC_SUMMARY];
	for (const struct node *n = tree_elements(q->set[DOC_OTHER]); n && !q->err; n = n->next)
		question_refuse(q, n, question_nowhere);
}

/* ---- writing ---- */

static void
put_item_result(struct question *q, const struct part *r)
{
	struct part failed;
	const struct part *one = result_parts(r, &failed);

	json_put_form(q->out, "{'type':%s,'call_id':%t",
		r->custom ? "custom_tool_call_output" : "function_call_output", question_id(q, r->id));
	if (!one || (one->kind == PART_TEXT && !one->next)) {
		put_written(q->out, "output", one ? one->text : SPAN_LIT(""));
	} else {
		json_put_open(q->out, "output", '[');
		for (const struct part *p = one; p && !q->err; p = p->next)
			put_part(q, content_forms, p);
		json_put_close(q->out, ']');
	}
	json_put_close(q->out, '}');
}

/* Writes a turn as items: results, one message with its texts, calls. */
static void
put_turn_items(struct question *q, const struct turn *t)
{
	const struct part_form *texts = t->role == TURN_ASSISTANT ? said_text : content_forms;
	bool said = false;

	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (p->kind == PART_RESULT)
			put_item_result(q, p);
	for (const struct part *p = t->first; p && !q->err; p = p->next) {
		if (p->kind == PART_CALL || p->kind == PART_RESULT)
			continue;
		if (!said)
			json_put_form(q->out, "{'type':'message','role':%s,'content':[",
				item_roles[t->role]);
		said = true;
		put_part(q, p->kind == PART_TEXT ? texts : content_forms, p);
	}
	if (said)
		json_put_form(q->out, "]}");
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (p->kind == PART_CALL)
			put_part(q, p->custom ? custom_forms : call_forms, p);
}

static void
put_responses_tool(struct question *q, const struct tool_offer *t)
{
	struct buf *b = q->out;

	if (q->customs && t->custom) {
		json_put_form(b, "{'type':'custom'");
		put_tool(b, t, NULL);
		if (t->grammar) {
			json_put_form(b, "'format':{'type':'grammar'");
			put_node(b, "syntax", t->syntax);
			put_node(b, "definition", t->grammar);
			json_put_close(b, '}');
		}
		json_put_close(b, '}');
		return;
	}
	json_put_form(b, "{'type':'function'");
	put_tool(b, t, "parameters");
	if (!t->schema) /* parameters are required */
		json_put_raw(b, "parameters", SPAN_LIT("{\"type\":\"object\",\"properties\":{}}"));
	if (!t->strict) /* the default is true */
		json_put_bool(b, "strict", false);
	json_put_close(b, '}');
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
	for (const struct tool_offer *t = q->tools; t; t = t->next)
		put_responses_tool(q, t);
	if (q->tools)
		json_put_close(b, ']');
	put_openai_choice(q, "'tool_choice':{'type':'function','name':%t}",
		"'tool_choice':{'type':'custom','name':%t}");
	if (q->set[DOC_SCHEMA] || q->any_json || q->set[SET_VERBOSITY]) {
		json_put_open(b, "text", '{');
		if (q->set[DOC_SCHEMA]) {
			json_put_form(b, "'format':{'type':'json_schema'");
			put_schema(q);
			json_put_close(b, '}');
		} else if (q->any_json) {
			json_put_form(b, "'format':{'type':'json_object'}");
		}
		put_node(b, "verbosity", q->set[SET_VERBOSITY]);
		json_put_close(b, '}');
	}
	if (q->effort_is > EFFORT_UNSAID)
		json_put_form(b, "'reasoning':{'effort':%s}", openai_effort(q));
	if (q->to->stream)
		json_put_bool(b, "stream", true);
	json_put_bool(b, "store", false);
}

/* clang-format off */
static const struct member *const more_members[] = { item_members, custom_members, namespace_members, added_members, NULL };
const struct request_form responses_request_form = {
	.form = FORM_RESPONSES, .members = responses_members,
	.most = { [SET_TEMPERATURE] = 2, [SET_TOP_P] = 1, [SET_USER] = 64 }, .choices = choice_words, .roles = item_roles,
	.turn = turn_members, .parts = { content_members, content_rows, true }, .more = more_members,
	.tool = tool_members, .tool_type = "function", .tool_typed = true,
	.read_turn = read_input_item, .read_tool = read_responses_tool, .read_part = read_responses_part, .read = read_responses,
	.write = write_responses,
	.name_max = 128, .text_format = true, .any_json = true, .customs = true,
};
/* clang-format on */
