/* The form `messages` of requests: Anthropic's Messages API.
 *
 * The tables map the members of the document and the contents of each type of part to the
 * neutral form (request_private.h). The system prompt is a member of the document, results of
 * tools are blocks of a user's turn, and cache marks are members of blocks. Source:
 * https://docs.anthropic.com/en/api/messages */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

/* clang-format off */
static const struct member messages_members[] = {
	{ "max_tokens",     IS_NUMBER, SET_CAP },
	{ "temperature",    IS_NUMBER, SET_TEMPERATURE },
	{ "top_p",          IS_NUMBER, SET_TOP_P },
	{ "top_k",          IS_NUMBER, SET_TOP_K },
	{ "stop_sequences", IS_TEXTS,  SET_STOP },
	{ "model",          IS_TEXT,   DOC_MODEL },
	{ "system",         IS_TEXTS,  DOC_SYSTEM },
	{ "messages",       IS_ARRAY,  DOC_TURNS },
	{ "stream",         IS_BOOL,   DOC_STREAM },
	{ "tools",          IS_ARRAY,  DOC_TOOLS },
	{ "tool_choice",      IS_OBJECT, DOC_CHOICE },
	{ "tool_choice.type", IS_TEXT,   DOC_CHOICE_WORD },
	{ "tool_choice.name", IS_TEXT,   DOC_CHOICE_NAME },
	{ "tool_choice.disable_parallel_tool_use", IS_BOOL, DOC_ONE_CALL },
	{ "metadata",       IS_OBJECT, DOC_OTHER },
	{ "cache_control",  IS_OBJECT, DOC_CACHE },
	{ "thinking.type",          IS_TEXT,   DOC_THINKING },
	{ "thinking.budget_tokens", IS_NUMBER, DOC_BUDGET },
	{ "output_config.effort",        IS_TEXT,   DOC_EFFORT },
	{ "output_config.format",        IS_OBJECT, DOC_FORMAT },
	{ "output_config.format.type",   IS_TEXT,   DOC_FORMAT_TYPE },
	{ "output_config.format.schema", IS_OBJECT, DOC_SCHEMA },
	{ "output_format",               IS_OBJECT, DOC_FORMAT }, /* its name in 2025 */
	{ "output_format.type",          IS_TEXT,   DOC_FORMAT_TYPE },
	{ "output_format.schema",        IS_OBJECT, DOC_SCHEMA },
	{ 0 },
};

enum { B_TYPE, B_TEXT, B_SOURCE, B_SOURCE_TYPE, B_MEDIA, B_DATA, B_URL, B_TITLE, B_ID, B_NAME, B_INPUT,
	B_CALL, B_CONTENT, B_FAILED, B_THINKING, B_SIGNATURE, B_SEALED };
static const struct member block_members[] = {
	{ "type",              IS_TEXT,   B_TYPE },
	{ "text",              IS_TEXT,   B_TEXT },
	{ "source",            IS_OBJECT, B_SOURCE },
	{ "source.type",       IS_TEXT,   B_SOURCE_TYPE },
	{ "source.media_type", IS_TEXT,   B_MEDIA },
	{ "source.data",       IS_TEXT,   B_DATA },
	{ "source.url",        IS_TEXT,   B_URL },
	{ "title",             IS_TEXT,   B_TITLE },
	{ "id",                IS_TEXT,   B_ID },
	{ "name",              IS_TEXT,   B_NAME },
	{ "input",             IS_OBJECT, B_INPUT },
	{ "tool_use_id",       IS_TEXT,   B_CALL },
	{ "content",           IS_TEXTS,  B_CONTENT },
	{ "is_error",          IS_BOOL,   B_FAILED },
	{ "thinking",          IS_TEXT,   B_THINKING },
	{ "signature",         IS_TEXT,   B_SIGNATURE },
	{ "data",              IS_TEXT,   B_SEALED },
	{ 0 },
};
#define SOURCE [HAS_MEDIA] = B_MEDIA, [HAS_DATA] = B_DATA, [HAS_URL] = B_URL, [HAS_MORE] = B_SOURCE, [HAS_AND] = B_SOURCE_TYPE
static const struct part_row block_rows[] = {
	{ "text",        PART_TEXT,   { [HAS_TEXT] = B_TEXT } },
	{ "image",       PART_IMAGE,  { SOURCE } },
	{ "document",    PART_FILE,   { SOURCE, [HAS_TEXT] = B_TITLE } },
	{ "tool_use",    PART_CALL,   { [HAS_ID] = B_ID, [HAS_NAME] = B_NAME, [HAS_JSON] = B_INPUT } },
	{ "tool_result", PART_RESULT, { [HAS_ID] = B_CALL, [HAS_CONTENT] = B_CONTENT, [HAS_MORE] = B_FAILED } },
	{ "thinking",    PART_REASONING, { [HAS_TEXT] = B_THINKING, [HAS_MORE] = B_SIGNATURE } },
	{ "redacted_thinking", PART_REASONING, { [HAS_MORE] = B_SEALED } },
	{ 0 },
};
#undef SOURCE
static const char *const source_types[] = { "base64", "text", "url", NULL };
static const struct member tool_members[] = {
	{ "type",         IS_TEXT,   TOOL_TYPE },
	{ "name",         IS_TEXT,   TOOL_NAME },
	{ "description",  IS_TEXT,   TOOL_DESCRIPTION },
	{ "input_schema", IS_OBJECT, TOOL_SCHEMA },
	{ "strict",       IS_BOOL,   TOOL_STRICT },
	{ 0 },
};
static const char *const choice_words[] = { "", "auto", "any", "none", "tool", NULL };
static const struct member turn_members[] = { { "role", IS_TEXT, TURN_ROLE }, { "content", IS_TEXTS, TURN_CONTENT }, { 0 } };
static const char *const turn_roles[] = { "system", "user", "assistant", NULL };

/* Each form lacks its closing bracket, since a title and a cache mark may follow. */
static const struct part_form block_forms[] = {
	{ PART_TEXT,    FROM_ANY,   "{'type':'text','text':%t" },
	{ PART_REFUSAL, FROM_ANY,   "{'type':'text','text':%t" },
	{ PART_IMAGE,   FROM_DATA,  "{'type':'image','source':{'type':'base64','media_type':%m,'data':%d}" },
	{ PART_IMAGE,   FROM_URL,   "{'type':'image','source':{'type':'url','url':%u}" },
	{ PART_FILE,    FROM_DATA,  "{'type':'document','source':{'type':'base64','media_type':%m,'data':%d}" },
	{ PART_FILE,    FROM_PLAIN, "{'type':'document','source':{'type':'text','media_type':'text/plain','data':%d}" },
	{ PART_FILE,    FROM_URL,   "{'type':'document','source':{'type':'url','url':%u}" },
	{ PART_CALL,    FROM_ANY,   "{'type':'tool_use','id':%i,'name':%n,'input':%j" },
	{ 0 },
};
/* clang-format on */

/* ---- reading ---- */

static void
read_block(struct question *q, struct part *p, struct node **m)
{
	if (p->kind == PART_IMAGE || p->kind == PART_FILE) {
		int is = question_word(q, m[B_SOURCE_TYPE], source_types);
		p->plain = is == 1;
		if ((p->plain && p->kind == PART_IMAGE) || m[is == 2 ? B_DATA : B_URL] ||
			(is < 0 && !q->err))
			question_odd(q, m[B_SOURCE],
				"the fields do not match the type of the source");
	}
	if (p->kind == PART_CALL && !m[B_INPUT])
		question_odd(q, p->at, "the input is missing");
	p->failed = p->kind == PART_RESULT && node_true(m[B_FAILED]);
}

static void
read_messages(struct question *q)
{
	struct node *user = tree_member(q->set[DOC_OTHER], "user_id");

	if (user && user->tok == JSON_STRING)
		q->set[SET_USER] = user;
	read_thinking(q);
}

/* ---- writing ---- */

static void put_blocks(struct question *q, const char *name, const struct part *parts);

static void
put_block(struct question *q, const struct part *p)
{
	struct buf *b = q->out;
	struct part text;

	if (p->kind == PART_FILE && !p->plain && !span_is(p->media, "application/pdf") &&
		(!p->url.p || p->media.n)) {
		if (!part_file_text(q, p, &text)) {
			question_refuse(
				q, p->at, "the target does not accept files of this type");
			return;
		}
		p = &text;
	}
	if (p->kind == PART_RESULT) {
		json_put_form(
			b, "{'type':'tool_result','tool_use_id':%t", question_id(q, p->id));
		put_blocks(q, "content", p->parts);
		if (p->failed)
			json_put_bool(b, "is_error", true);
	} else {
		put_part(q, block_forms, p);
		if (p->kind == PART_FILE && p->text.n)
			put_written(b, "title", p->text);
	}
	put_cache(q, "cache_control", "ephemeral", p->cache);
	json_put_close(b, '}');
}

/* A single text is written as a string. */
static void
put_blocks(struct question *q, const char *name, const struct part *parts)
{
	if (!parts || (parts->kind == PART_TEXT && !parts->next && !parts->cache)) {
		put_written(q->out, name, parts ? parts->text : SPAN_LIT(""));
		return;
	}
	json_put_open(q->out, name, '[');
	for (const struct part *p = parts; p && !q->err; p = p->next)
		put_block(q, p);
	json_put_close(q->out, ']');
}

static void
put_messages_tools(struct question *q)
{
	struct buf *b = q->out;

	json_put_open(b, "tools", '[');
	for (const struct tool_offer *t = q->tools; t && !q->err; t = t->next) {
		bool any = t->schema && t->schema->first;
		if (any && !node_is(tree_member(t->schema, "type"), "object")) {
			question_refuse(
				q, t->at, "the target requires a schema of type object");
			continue;
		}
		json_put_open(b, NULL, '{');
		struct tool_offer as = *t;
		as.schema = any ? question_schema(q, t->schema, t->strict) : NULL;
		put_tool(b, &as, "input_schema");
		if (!any)
			json_put_form(b, "'input_schema':{'type':'object'}");
		put_cache(q, "cache_control", "ephemeral", t->cache);
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
put_messages_output(struct question *q)
{
	int effort = q->effort_is == EFFORT_MINIMAL ? EFFORT_LOW : q->effort_is;
	struct buf *b = q->out;

	if (q->budget) {
		json_put_form(b, "'thinking':{'type':'enabled','budget_tokens':%u}", q->budget);
		effort = EFFORT_UNSAID;
	}
	if (effort != EFFORT_UNSAID && !q->without_thinking)
		json_put_form(b, "'thinking':{'type':%s}",
			effort == EFFORT_NONE ? "disabled" : "adaptive");
	if (!q->set[DOC_SCHEMA] && effort <= EFFORT_NONE)
		return;
	json_put_open(b, "output_config", '{');
	if (effort > EFFORT_NONE)
		json_put_str(b, "effort", efforts[effort]);
	if (q->set[DOC_SCHEMA]) {
		json_put_form(b, "'format':{'type':'json_schema'");
		put_node(b, "schema", question_schema(q, q->set[DOC_SCHEMA], true));
		json_put_close(b, '}');
	}
	json_put_close(b, '}');
}

static void
write_messages(struct question *q)
{
	struct buf *b = q->out;
	struct turn *t = q->turns;

	if (q->set[SET_USER]) {
		json_put_open(b, "metadata", '{');
		question_put_user(q, "user_id");
		json_put_close(b, '}');
		q->set[SET_USER] = NULL;
	}
	if (!q->set[SET_CAP] && q->ask->cap_tokens)
		json_put_uint(b, "max_tokens", q->ask->cap_tokens);
	else if (!q->set[SET_CAP])
		question_refuse(q, q->tree.root,
			"the request has no limit on output tokens, which the target requires");
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
	put_messages_output(q);
	put_cache(q, "cache_control", "ephemeral", q->set[DOC_CACHE]);
	if (q->to->stream)
		json_put_bool(b, "stream", true);
}

/* clang-format off */
const struct request_form messages_request_form = {
	.form = FORM_MESSAGES, .cached = "*.cache_control", .members = messages_members,
	.most = { [SET_TEMPERATURE] = 1, [SET_TOP_P] = 1, [SET_USER] = 256 }, .choices = choice_words, .roles = turn_roles,
	.turn = turn_members, .parts = { block_members, block_rows, true }, .read_part = read_block,
	.tool = tool_members, .tool_type = "custom",
	.read_turn = question_role_turn, .read_tool = question_typed_tool, .read = read_messages,
	.write = write_messages,
	.name_max = 128, .caches = true, .titles = true, .object_schema = true, .apart = true,
};
/* clang-format on */
