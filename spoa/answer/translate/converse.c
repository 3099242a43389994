/* The form `converse` of requests: Bedrock's Converse.
 *
 * The tables map the members of the document and the contents of each type of part to the
 * neutral form (request_private.h). In a block, the only member at the top level is its type.
 * Cache marks are blocks of their own, names of documents are restricted, and settings of one
 * model family are in a member of their own (Claude, Nova). Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
#include "answer/translate/request_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"

/* clang-format off */
static const struct member converse_members[] = {
	{ "inferenceConfig.maxTokens",     IS_NUMBER, SET_CAP },
	{ "inferenceConfig.temperature",   IS_NUMBER, SET_TEMPERATURE },
	{ "inferenceConfig.topP",          IS_NUMBER, SET_TOP_P },
	{ "inferenceConfig.stopSequences", IS_TEXTS,  SET_STOP },
	{ "messages",                      IS_ARRAY,  DOC_TURNS },
	{ "system",                        IS_ARRAY,  DOC_SYSTEM },
	{ "toolConfig.tools",              IS_ARRAY,  DOC_TOOLS },
	{ "toolConfig.toolChoice",         IS_OBJECT, DOC_CHOICE },
	/* Claude */
	{ "additionalModelRequestFields.thinking.type",          IS_TEXT,   DOC_THINKING },
	{ "additionalModelRequestFields.thinking.budget_tokens", IS_NUMBER, DOC_BUDGET },
	/* Nova */
	{ "additionalModelRequestFields.reasoningConfig.type",   IS_TEXT,   DOC_THINKING },
	{ "additionalModelRequestFields.reasoningConfig.maxReasoningEffort", IS_TEXT, DOC_EFFORT },
	/* Claude */
	{ "additionalModelRequestFields.output_config.effort",   IS_TEXT,   DOC_EFFORT },
	{ "outputConfig.effort",           IS_TEXT,   DOC_EFFORT },
	{ "outputConfig.textFormat",       IS_OBJECT, DOC_FORMAT },
	{ "outputConfig.textFormat.type",  IS_TEXT,   DOC_FORMAT_TYPE },
	{ "outputConfig.textFormat.structure.jsonSchema.schema",      IS_TEXT, DOC_SCHEMA },
	{ "outputConfig.textFormat.structure.jsonSchema.name",        IS_TEXT, DOC_SCHEMA_NAME },
	{ "outputConfig.textFormat.structure.jsonSchema.description", IS_TEXT, DOC_SCHEMA_DESCRIPTION },
	{ 0 },
};
static const struct member turn_members[] = { { "role", IS_TEXT, TURN_ROLE }, { "content", IS_ARRAY, TURN_CONTENT }, { 0 } };
static const char *const converse_roles[] = { "system", "user", "assistant", NULL };

/* A block has exactly one of the members at its top level. */
enum { B_NONE, B_TEXT, B_IMAGE, B_DOCUMENT, B_CALL, B_RESULT, B_FORMAT, B_NAME, B_BYTES, B_PLAIN,
	B_ID, B_INPUT, B_CONTENT, B_STATUS, B_REASONING, B_CACHE, B_JSON };
static const struct member block_members[] = {
	{ "text",                  IS_TEXT,   B_TEXT },
	{ "image",                 IS_OBJECT, B_IMAGE },
	{ "image.format",          IS_TEXT,   B_FORMAT },
	{ "image.source.bytes",    IS_TEXT,   B_BYTES },
	{ "document",              IS_OBJECT, B_DOCUMENT },
	{ "document.format",       IS_TEXT,   B_FORMAT },
	{ "document.name",         IS_TEXT,   B_NAME },
	{ "document.source.bytes", IS_TEXT,   B_BYTES },
	{ "document.source.text",  IS_TEXT,   B_PLAIN },
	{ "toolUse",               IS_OBJECT, B_CALL },
	{ "toolUse.toolUseId",     IS_TEXT,   B_ID },
	{ "toolUse.name",          IS_TEXT,   B_NAME },
	{ "toolUse.input",         IS_OBJECT, B_INPUT },
	{ "toolResult",            IS_OBJECT, B_RESULT },
	{ "toolResult.toolUseId",  IS_TEXT,   B_ID },
	{ "toolResult.content",    IS_ARRAY,  B_CONTENT },
	{ "toolResult.status",     IS_TEXT,   B_STATUS },
	{ "reasoningContent",      IS_OBJECT, B_REASONING },
	{ "cachePoint",            IS_OBJECT, B_CACHE },
	{ "json",                  IS_ANY,    B_JSON },
	{ 0 },
};
static const struct part_row block_rows[] = {
	{ "text",             PART_TEXT,      { [HAS_TEXT] = B_TEXT } },
	{ "image",            PART_IMAGE,     { [HAS_IN] = B_IMAGE, [HAS_DATA] = B_BYTES, [HAS_MORE] = B_FORMAT } },
	{ "document",         PART_FILE,      { [HAS_IN] = B_DOCUMENT, [HAS_DATA] = B_BYTES, [HAS_TEXT] = B_NAME,
		[HAS_MORE] = B_FORMAT, [HAS_PLAIN] = B_PLAIN } },
	{ "toolUse",          PART_CALL,      { [HAS_IN] = B_CALL, [HAS_ID] = B_ID, [HAS_NAME] = B_NAME, [HAS_JSON] = B_INPUT } },
	{ "toolResult",       PART_RESULT,    { [HAS_IN] = B_RESULT, [HAS_ID] = B_ID, [HAS_CONTENT] = B_CONTENT, [HAS_MORE] = B_STATUS } },
	{ "reasoningContent", PART_REASONING, { [HAS_MORE] = B_REASONING } },
	{ "cachePoint",       PART_TEXT,      { [HAS_MORE] = B_CACHE } }, /* an empty text, whose mark the previous part gets */
	{ "json",             PART_TEXT,      { [HAS_MORE] = B_JSON } },
	{ 0 },
};
static const char *const statuses[] = { "success", "error", NULL };
static const struct member tool_members[] = {
	{ "toolSpec.name",             IS_TEXT,   TOOL_NAME },
	{ "toolSpec.description",      IS_TEXT,   TOOL_DESCRIPTION },
	{ "toolSpec.inputSchema.json", IS_OBJECT, TOOL_SCHEMA },
	{ "toolSpec.strict",           IS_BOOL,   TOOL_STRICT },
	{ "cachePoint",                IS_OBJECT, TOOL_TYPE },
	{ 0 },
};
static const char *const choice_words[] = { "", "auto", "any", "", "tool" };
enum { CHOICE_NAMED = CHOICE_TOOL + 1 };
static const struct member choice_members[] = {
	{ "auto",      IS_OBJECT, CHOICE_AUTO },
	{ "any",       IS_OBJECT, CHOICE_ANY },
	{ "tool",      IS_OBJECT, CHOICE_TOOL },
	{ "tool.name", IS_TEXT,   CHOICE_NAMED },
	{ 0 },
};
static const struct part_form block_forms[] = {
	{ PART_TEXT,    FROM_ANY, "{'text':%t}" },
	{ PART_REFUSAL, FROM_ANY, "{'text':%t}" },
	{ PART_CALL,    FROM_ANY, "{'toolUse':{'toolUseId':%i,'name':%n,'input':%j}}" },
	{ 0 },
};
static const struct { const char *format, *media; } medias[] = {
	{ "png",  "image/png" },  { "jpeg", "image/jpeg" },      { "gif", "image/gif" },
	{ "webp", "image/webp" }, { "pdf",  "application/pdf" }, { "txt", "text/plain" },
	{ "csv",  "text/csv" },   { "html", "text/html" },       { "md",  "text/markdown" },
};
/* clang-format on */

/* ---- reading ---- */

static void
read_converse_block(struct question *q, struct part *p, struct node **m)
{
	size_t i = 0;

	p->failed = p->kind == PART_RESULT && question_word(q, m[B_STATUS], statuses) == 1;
	if (m[B_JSON])
		p->text = escaped_json(q, tree_raw(&q->tree, m[B_JSON]));
	if (m[B_PLAIN] && m[B_BYTES])
		question_odd(q, p->at, "has two sources where one is expected");
	if ((p->kind != PART_IMAGE && p->kind != PART_FILE) || p->plain)
		return;
	while (i < COUNT_OF(medias) && !node_is(m[B_FORMAT], medias[i].format))
		i++;
	if (i < COUNT_OF(medias))
		p->media = span_str(medias[i].media);
	else if (question_refuse(q, m[B_FORMAT] ? m[B_FORMAT] : p->at, question_nowhere))
		part_goes(p);
}

static void
read_converse_tool(struct question *q, const struct node *of)
{
	struct node *m[TOOL_MEMBERS];

	if (!question_members(q, of, tool_members, m))
		return;
	if (m[TOOL_TYPE] && q->tools_last)
		q->tools_last->cache = m[TOOL_TYPE];
	else if (m[TOOL_TYPE])
		return;
	else if (m[TOOL_NAME])
		question_tool(q, of, m);
	else
		question_odd(q, of, "is not a tool");
}

static void
read_converse(struct question *q)
{
	struct node *of = q->set[DOC_CHOICE], *m[CHOICE_NAMED + 1] = { NULL };
	struct node **schema = &q->set[DOC_SCHEMA];

	read_thinking(q);
	if (of && question_members(q, of, choice_members, m) && of->first && of->first->next)
		question_odd(q, of, "has more than one choice");
	for (int i = CHOICE_AUTO; i <= CHOICE_TOOL; i++)
		if (m[i])
			q->choice.is = (enum choice)i;
	q->set[DOC_CHOICE_NAME] = m[CHOICE_NAMED];
	q->set[DOC_OWN_SCHEMA] = *schema;
	if (*schema) /* a string with JSON */
		*schema = question_json(
			q, *schema, node_text(*schema), "the schema is not an object");
}

/* ---- writing ---- */

static void
put_converse_media(struct question *q, const struct part *p)
{
	struct buf *b = q->out;
	struct part text;
	size_t i = 0;

	while (i < COUNT_OF(medias) && !span_is(p->media, medias[i].media))
		i++;
	if (i == COUNT_OF(medias) && part_file_text(q, p, &text))
		p = &text;
	if (p->url.p || (i == COUNT_OF(medias) && !p->plain)) {
		question_refuse(q, p->at,
			p->url.p ? "the target does not accept a URL here"
				 : "the target does not accept this media type");
		return;
	}
	json_put_open(b, NULL, '{');
	json_put_open(b, p->kind == PART_IMAGE ? "image" : "document", '{');
	json_put_str(b, "format", p->plain ? "txt" : medias[i].format);
	if (p->kind == PART_FILE) {
		/* letters, digits, spaces, - and brackets; names must differ */
		json_put_form(b, "'name':'");
		for (size_t k = 0; k < p->text.n && k < 100; k++)
			buf_putc(b, is_alnum(p->text.p[k]) ? p->text.p[k] : '-');
		buf_printf(b, "%s%zu\"", p->text.n ? "-" : "document-", p->at->start);
	}
	json_put_open(b, "source", '{');
	put_written(b, p->plain ? "text" : "bytes", p->data);
	json_put_form(b, "}}}");
}

static void
put_cache_point(struct question *q, const struct node *cache)
{
	if (!cache)
		return;
	json_put_open(q->out, NULL, '{');
	put_cache(q, "cachePoint", "default", cache);
	json_put_close(q->out, '}');
}

static void put_converse_blocks(struct question *q, const char *name, const struct part *parts);

static void
put_converse_block(struct question *q, const struct part *p)
{
	const struct node *cache = p->cache;
	struct buf *b = q->out;

	if (p->kind == PART_IMAGE || p->kind == PART_FILE) {
		put_converse_media(q, p);
	} else if (p->kind == PART_RESULT) {
		json_put_form(b, "{'toolResult':{'toolUseId':%t", question_id(q, p->id));
		for (struct part *i = p->parts; i; i = i->next) {
			cache = i->cache ? i->cache : cache; /* a result has no marks inside */
			i->cache = NULL;
		}
		put_converse_blocks(q, "content", p->parts);
		json_put_form(b, "'status':%s}}", statuses[p->failed]);
	} else {
		put_part(q, block_forms, p);
	}
	put_cache_point(q, cache);
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
put_tool_spec(struct question *q, const struct tool_offer *t)
{
	struct buf *b = q->out;
	struct node *schema = t->schema && t->schema->first
				      ? question_schema(q, t->schema, t->strict)
				      : NULL;

	json_put_form(b, "{'toolSpec':{");
	put_tool(b, t, NULL);
	json_put_open(b, "inputSchema", '{');
	if (schema)
		put_node(b, "json", schema);
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
	if (!called && (!q->tools || q->choice.is == CHOICE_NONE))
		return;
	json_put_form(b, "'toolConfig':{'tools':[");
	for (const struct tool_offer *t = q->tools; t; t = t->next) {
		put_tool_spec(q, t);
		put_cache_point(q, t->cache);
	}
	if (!q->tools) { /* a history with calls requires a tool */
		static const struct tool_alias hidden = { .sent = SPAN_LIT("no_tool") };
		put_tool_spec(q, &no_tool);
		q->to->aliases = &hidden;
	}
	json_put_close(b, ']');
	if (q->choice.is != CHOICE_UNSAID) {
		json_put_open(b, "toolChoice", '{');
		json_put_open(b, choice_words[q->choice.is], '{');
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

	if (q->budget)
		json_put_form(b,
			"'additionalModelRequestFields':{'thinking':{'type':'enabled',"
			"'budget_tokens':%u}}",
			q->budget);
	int effort = q->budget ? EFFORT_UNSAID : q->effort_is;
	if (!q->set[DOC_SCHEMA] && effort <= EFFORT_NONE)
		return;
	json_put_open(b, "outputConfig", '{');
	const struct node *schema = question_schema(q, q->set[DOC_SCHEMA], true);
	if (schema) {
		json_put_form(b,
			"'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema'"
			":%w",
			escaped_json(q, tree_raw(schema->of, schema)));
		put_node(b, "name", q->set[DOC_SCHEMA_NAME]);
		put_node(b, "description", q->set[DOC_SCHEMA_DESCRIPTION]);
		json_put_form(b, "}}}");
	}
	if (effort > EFFORT_NONE)
		json_put_str(b, "effort", efforts[effort]);
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
		struct part *last = t->next ? NULL : t->first;
		while (last && last->next)
			last = last->next;
		if (last && !last->cache)
			last->cache = q->set[DOC_CACHE];
		json_put_form(b, "{'role':%s", converse_roles[t->role]);
		put_converse_blocks(q, "content", t->first);
		json_put_close(b, '}');
	}
	json_put_form(b, "],'inferenceConfig':{");
	question_put_settings(q);
	json_put_close(b, '}');
	put_converse_tools(q);
	put_converse_output(q);
}

/* clang-format off */
static const struct member *const more_members[] = { tool_members, choice_members, NULL };
const struct request_form converse_request_form = {
	.form = FORM_CONVERSE, .cached = "*.cachePoint", .members = converse_members,
	.most = { [SET_TEMPERATURE] = 1, [SET_TOP_P] = 1 }, .roles = converse_roles, .turn = turn_members,
	.parts = { block_members, block_rows, false }, .more = more_members, .read_part = read_converse_block,
	.read_turn = question_role_turn, .read_tool = read_converse_tool, .read = read_converse,
	.write = write_converse,
	.name_max = 64, .caches = true, .titles = true, .object_schema = true, .apart = true, .model_in_path = true,
};
/* clang-format on */
