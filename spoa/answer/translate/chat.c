/* The form `chat` of requests: OpenAI's Chat Completions, and Mistral's variant.
 *
 * The tables map the members of the document and the contents of each type of part to the
 * neutral form (request_private.h). The reader and the writer handle what tables cannot
 * express: the role `tool`, whose messages are results; the calls of a turn; a tool choice;
 * and the content of a message, which is a string if it is one text. Source:
 * https://platform.openai.com/docs/api-reference/chat/create */
#include "answer/translate/request_private.h"
#include "base/json_put.h"

/* clang-format off */
static const struct member chat_members[] = {
	{ "max_completion_tokens",      IS_NUMBER, SET_CAP },
	{ "max_tokens",                 IS_NUMBER, SET_CAP },
	{ "temperature",                IS_NUMBER, SET_TEMPERATURE },
	{ "top_p",                      IS_NUMBER, SET_TOP_P },
	{ "stop",                       IS_TEXTS,  SET_STOP },
	{ "seed",                       IS_NUMBER, SET_SEED },
	{ "random_seed",                IS_NUMBER, SET_SEED },
	{ "frequency_penalty",          IS_NUMBER, SET_FREQUENCY },
	{ "presence_penalty",           IS_NUMBER, SET_PRESENCE },
	{ "safety_identifier",          IS_TEXT,   SET_USER },
	{ "user",                       IS_TEXT,   SET_USER },
	{ "n",                          IS_NUMBER, SET_CHOICES },
	{ "verbosity",                  IS_TEXT,   SET_VERBOSITY },
	{ "safe_prompt",                IS_BOOL,   SET_SAFE_PROMPT },
	{ "prompt_mode",                IS_TEXT,   SET_PROMPT_MODE },
	{ "model",                      IS_TEXT,   DOC_MODEL },
	{ "messages",                   IS_ARRAY,  DOC_TURNS },
	{ "stream",                     IS_BOOL,   DOC_STREAM },
	{ "stream_options.include_usage", IS_BOOL, DOC_USAGE },
	{ "usage.include",              IS_BOOL,   DOC_USAGE }, /* OpenRouter's */
	{ "tools",                      IS_ARRAY,  DOC_TOOLS },
	{ "tool_choice",                IS_ANY,    DOC_CHOICE },
	{ "parallel_tool_calls",        IS_BOOL,   DOC_PARALLEL },
	{ "response_format",            IS_OBJECT, DOC_FORMAT },
	{ "response_format.type",       IS_TEXT,   DOC_FORMAT_TYPE },
	{ "response_format.json_schema.name",        IS_TEXT,   DOC_SCHEMA_NAME },
	{ "response_format.json_schema.description", IS_TEXT,   DOC_SCHEMA_DESCRIPTION },
	{ "response_format.json_schema.schema",      IS_OBJECT, DOC_SCHEMA },
	{ "response_format.json_schema.strict",      IS_BOOL,   DOC_SCHEMA_STRICT },
	{ "reasoning_effort",           IS_TEXT,   DOC_EFFORT },
	{ "cache_control",              IS_OBJECT, DOC_CACHE },
	{ 0 },
};

/* Source: https://docs.mistral.ai/api/#operation/chatCompletion. Mistral refuses unknown
 * members. */
static const struct member mistral_settings[] = {
	{ "max_tokens",        IS_NUMBER, SET_CAP },
	{ "temperature",       IS_NUMBER, SET_TEMPERATURE },
	{ "top_p",             IS_NUMBER, SET_TOP_P },
	{ "stop",              IS_TEXTS,  SET_STOP },
	{ "random_seed",       IS_NUMBER, SET_SEED },
	{ "frequency_penalty", IS_NUMBER, SET_FREQUENCY },
	{ "presence_penalty",  IS_NUMBER, SET_PRESENCE },
	{ "n",                 IS_NUMBER, SET_CHOICES },
	{ "safe_prompt",       IS_BOOL,   SET_SAFE_PROMPT },
	{ "prompt_mode",       IS_TEXT,   SET_PROMPT_MODE },
	{ 0 },
};

enum { M_ROLE, M_CONTENT, M_CALLS, M_CALL_ID, M_REFUSAL, M_REASONING, M_THOUGHT, MESSAGE };
static const struct member message_members[] = {
	{ "role",              IS_TEXT,  M_ROLE },
	{ "content",           IS_TEXTS, M_CONTENT },
	{ "tool_calls",        IS_ARRAY, M_CALLS },
	{ "tool_call_id",      IS_TEXT,  M_CALL_ID },
	{ "refusal",           IS_TEXT,  M_REFUSAL },
	{ "reasoning_content", IS_TEXT,  M_REASONING },
	{ "reasoning",         IS_TEXT,  M_THOUGHT },
	{ 0 },
};

enum { P_TYPE, P_TEXT, P_REFUSAL, P_IMAGE, P_URL, P_DETAIL, P_FILE, P_DATA, P_NAME, P_AUDIO, P_SOUND, P_FORMAT };
static const struct member part_members[] = {
	{ "type",           IS_TEXT,   P_TYPE },
	{ "text",           IS_TEXT,   P_TEXT },
	{ "refusal",        IS_TEXT,   P_REFUSAL },
	{ "image_url",      IS_OBJECT, P_IMAGE },
	{ "image_url.url",  IS_TEXT,   P_URL },
	{ "image_url.detail", IS_TEXT, P_DETAIL },
	{ "file",           IS_OBJECT, P_FILE },
	{ "file.file_data", IS_TEXT,   P_DATA },
	{ "file.filename",  IS_TEXT,   P_NAME },
	{ "input_audio",    IS_OBJECT, P_AUDIO },
	{ "input_audio.data",   IS_TEXT, P_SOUND },
	{ "input_audio.format", IS_TEXT, P_FORMAT },
	{ 0 },
};
static const struct part_row part_rows[] = {
	{ "text",        PART_TEXT,    { [HAS_TEXT] = P_TEXT } },
	{ "refusal",     PART_REFUSAL, { [HAS_TEXT] = P_REFUSAL } },
	{ "image_url",   PART_IMAGE,   { [HAS_IN] = P_IMAGE, [HAS_AT] = P_URL, [HAS_URI] = P_URL, [HAS_TEXT] = P_DETAIL } },
	{ "file",        PART_FILE,    { [HAS_IN] = P_FILE, [HAS_URI] = P_DATA, [HAS_TEXT] = P_NAME } },
	{ "input_audio", PART_AUDIO,   { [HAS_IN] = P_AUDIO, [HAS_DATA] = P_SOUND, [HAS_MORE] = P_FORMAT } },
	{ 0 },
};
enum { C_TYPE, C_ID, C_NAME, C_ARGUMENTS, C_CUSTOM, C_INPUT };
static const struct member call_members[] = {
	{ "type",               IS_TEXT, C_TYPE },
	{ "id",                 IS_TEXT, C_ID },
	{ "function.name",      IS_TEXT, C_NAME },
	{ "function.arguments", IS_TEXT, C_ARGUMENTS },
	{ "custom.name",        IS_TEXT, C_CUSTOM },
	{ "custom.input",       IS_TEXT, C_INPUT },
	{ 0 },
};
static const struct part_row call_rows[] = {
	{ "function", PART_CALL, { [HAS_ID] = C_ID, [HAS_NAME] = C_NAME, [HAS_JSON] = C_ARGUMENTS } },
	{ "custom",   PART_CALL, { [HAS_ID] = C_ID, [HAS_NAME] = C_CUSTOM, [HAS_MORE] = C_INPUT } },
	{ 0 },
};
static const struct part_set call_parts = { call_members, call_rows, false };
static const struct member tool_members[] = {
	{ "type",                 IS_TEXT,   TOOL_TYPE },
	{ "function.name",        IS_TEXT,   TOOL_NAME },
	{ "function.description", IS_TEXT,   TOOL_DESCRIPTION },
	{ "function.parameters",  IS_OBJECT, TOOL_SCHEMA },
	{ "function.strict",      IS_BOOL,   TOOL_STRICT },
	{ 0 },
};
static const struct member custom_members[] = {
	{ "type",               IS_TEXT,   TOOL_TYPE },
	{ "custom.name",        IS_TEXT,   TOOL_NAME },
	{ "custom.description", IS_TEXT,   TOOL_DESCRIPTION },
	{ "custom.format.type", IS_TEXT,   TOOL_SCHEMA },
	{ "custom.format.grammar.syntax",     IS_TEXT, TOOL_STRICT },
	{ "custom.format.grammar.definition", IS_TEXT, TOOL_GRAMMAR },
	{ 0 },
};
static const struct member named_members[] = {
	{ "type", IS_TEXT, 0 }, { "function.name", IS_TEXT, 1 }, { "custom.name", IS_TEXT, 1 }, { 0 } };
static const char *const choice_words[] = { "", "auto", "required", "none", NULL };
static const char *const message_roles[] = { "system", "user", "assistant", "developer", "tool", NULL };
static const char *const tool_types[] = { "function", "custom", NULL };

static const struct part_form part_forms[] = {
	{ PART_TEXT,  FROM_ANY,   "{'type':'text','text':%t}" },
	{ PART_IMAGE, FROM_ANY,   "{'type':'image_url','image_url':{'url':%u%D}}" },
	{ PART_AUDIO, FROM_DATA,  "{'type':'input_audio','input_audio':{'data':%d,'format':%F}}" },
	/* a text document becomes a text */
	{ PART_FILE,  FROM_PLAIN, "{'type':'text','text':%d}" },
	{ PART_FILE,  FROM_DATA,  "{'type':'file','file':{'filename':%f,'file_data':%u}}" },
	{ 0 },
};
static const struct part_form call_forms[] = {
	{ PART_CALL, FROM_ANY, "{'id':%i,'type':'function','function':{'name':%n,'arguments':%a}}" }, { 0 } };
static const struct part_form custom_forms[] = {
	{ PART_CALL, FROM_ANY, "{'id':%i,'type':'custom','custom':{'name':%n,'input':%t}}" }, { 0 } };
/* clang-format on */

/* ---- reading ---- */

/* A mark of the whole message is that of its last part, unless the part has its own. */
static void
cache_last_part(struct question *q, struct part *parts, const struct node *of)
{
	const struct node *cache = question_cached_at(q, of);

	while (parts && parts->next)
		parts = parts->next;
	if (parts && !parts->cache)
		parts->cache = cache;
}

static void
read_chat_message(struct question *q, const struct node *of)
{
	struct node *m[MESSAGE];

	if (!question_members(q, of, message_members, m))
		return;
	struct turn *t = question_role(q, m[M_ROLE], of);
	if (!t)
		return;
	bool result = node_is(m[M_ROLE], "tool");
	const struct node *not_his = !result && m[M_CALL_ID]	 ? m[M_CALL_ID]
				     : t->role == TURN_ASSISTANT ? NULL
				     : m[M_CALLS]		 ? m[M_CALLS]
								 : m[M_REFUSAL];
	if (not_his)
		question_odd(q, not_his, "a message with this role cannot have this field");
	struct node *thought = m[M_REASONING] ? m[M_REASONING] : m[M_THOUGHT];
	if (thought)
		turn_part(q, t, PART_REASONING, thought);
	if (result) {
		struct part *p = turn_part(q, t, PART_RESULT, of);
		struct turn inner = { .at = of, .end = p ? &p->parts : NULL };
		if (p)
			p->id = node_text(m[M_CALL_ID]);
		turn_content(q, p ? &inner : NULL, m[M_CONTENT]);
		cache_last_part(q, p, of);
		return;
	}
	turn_content(q, t, m[M_CONTENT]);
	struct part *refusal =
		m[M_REFUSAL] ? turn_part(q, t, PART_REFUSAL, m[M_REFUSAL]) : NULL;
	if (refusal)
		refusal->text = node_written(m[M_REFUSAL]);
	for (struct node *n = tree_elements(m[M_CALLS]); n && !q->err; n = n->next) {
		const struct node *type = tree_member(n, "type");
		if (node_says_nothing(type) || question_word(q, type, tool_types) >= 0)
			question_part(q, t, n, &call_parts);
	}
	cache_last_part(q, t->first, of);
}

static void
read_chat_tool(struct question *q, const struct node *of)
{
	struct node *m[TOOL_MEMBERS];

	if (node_is(tree_member(of, "type"), "custom")) {
		if (question_members(q, of, custom_members, m))
			question_custom_tool(q, of, m);
	} else if (question_members(q, of, tool_members, m) &&
		   question_word(q, m[TOOL_TYPE], tool_types) == 0) {
		const struct tool_offer *before = q->tools_last;
		question_tool(q, of, m);
		if (q->tools_last != before && !q->tools_last->cache)
			q->tools_last->cache =
				question_cached_at(q, tree_member(of, "function"));
	} else {
		question_odd(q, of, "the type is unknown");
	}
}

void
read_openai_choice(struct question *q, const struct member *named)
{
	struct node *of = q->set[DOC_CHOICE], *m[3] = { NULL };
	const struct node *type = tree_member(of, "type");

	if (node_says_nothing(of))
		return;
	if (of->tok == JSON_STRING) {
		q->set[DOC_CHOICE_WORD] = of;
	} else if (!node_is(type, "function") && !node_is(type, "custom")) {
		question_refuse(q, of, question_nowhere);
	} else if (question_members(q, of, named, m)) {
		q->choice.is = CHOICE_TOOL;
		q->set[DOC_CHOICE_NAME] = m[1];
		q->set[DOC_CHOICE_SPACE] = m[2];
	}
}

static void
read_chat_part(struct question *q, struct part *p, struct node **m)
{
	if (p->kind == PART_CALL)
		part_custom_input(q, p, m[C_INPUT]);
	else if (p->kind == PART_AUDIO && node_is(m[P_FORMAT], "mp3"))
		p->media = SPAN_LIT("audio/mp3");
	else if (p->kind == PART_AUDIO && node_is(m[P_FORMAT], "wav"))
		p->media = SPAN_LIT("audio/wav");
	else if (p->kind == PART_AUDIO && question_refuse(q, p->at, question_nowhere))
		part_goes(p);
}

static void
read_chat(struct question *q)
{
	q->to->wants_usage = node_true(q->set[DOC_USAGE]);
	read_openai_choice(q, named_members);
}

/* ---- writing ---- */

/* The parts that become a turn's content, which is a string if it is one text. CONTENT_TEXTS: a
 * result's texts, since nothing else has a place in it. CONTENT_SAID: the texts of an
 * assistant. */
enum content { CONTENT_ALL, CONTENT_TEXTS, CONTENT_SAID };

static bool
is_in_content(const struct part *p, enum content which)
{
	return which == CONTENT_ALL ||
	       (which == CONTENT_TEXTS ? part_is_text(p) : p->kind == PART_TEXT);
}

static void
put_chat_content(struct question *q, const struct part *parts, enum content which)
{
	const struct part *one = NULL;
	size_t n = 0;

	for (const struct part *p = parts; p; p = p->next)
		if (is_in_content(p, which)) {
			one = p;
			n++;
		}
	if (n <= 1 && (!one || one->kind == PART_TEXT)) {
		put_written(q->out, "content", one ? one->text : SPAN_LIT(""));
		return;
	}
	json_put_open(q->out, "content", '[');
	for (const struct part *p = parts; p && !q->err; p = p->next)
		if (is_in_content(p, which))
			put_part(q, part_forms, p);
	json_put_close(q->out, ']');
}

/* Each result is a message. Parts of results that are not text follow in a user message. */
static void
put_chat_user(struct question *q, const struct turn *t)
{
	struct part *p = t->first, *rest = NULL, **end = &rest, failed;

	for (; p && p->kind == PART_RESULT && !q->err; p = p->next) {
		json_put_form(
			q->out, "{'role':'tool','tool_call_id':%t", question_id(q, p->id));
		put_chat_content(q, result_parts(p, &failed), CONTENT_TEXTS);
		json_put_close(q->out, '}');
		for (struct part *i = p->parts; i; i = i->next)
			if (!part_is_text(i)) {
				*end = i;
				end = &i->next;
			}
	}
	*end = p;
	if (!rest)
		return;
	json_put_form(q->out, "{'role':'user'");
	put_chat_content(q, rest, CONTENT_ALL);
	json_put_close(q->out, '}');
}

static void
put_chat_assistant(struct question *q, const struct turn *t)
{
	bool has[PART_RESULT + 1] = { false };
	struct buf *b = q->out;

	for (const struct part *p = t->first; p; p = p->next)
		has[p->kind] = true;
	json_put_form(b, "{'role':'assistant'");
	if (has[PART_CALL])
		json_put_open(b, "tool_calls", '[');
	for (const struct part *p = t->first; p && !q->err; p = p->next)
		if (p->kind == PART_CALL)
			put_part(q, p->custom ? custom_forms : call_forms, p);
		else if (p->kind != PART_TEXT && p->kind != PART_REFUSAL)
			question_refuse(q, p->at, question_nowhere);
	if (has[PART_CALL])
		json_put_close(b, ']');
	if (has[PART_TEXT] || (!has[PART_CALL] && !has[PART_REFUSAL]))
		put_chat_content(q, t->first, CONTENT_SAID);
	else
		json_put_null(b, "content");
	if (has[PART_REFUSAL]) {
		json_put_form(b, "'refusal':'");
		for (const struct part *p = t->first; p; p = p->next)
			if (p->kind == PART_REFUSAL)
				buf_span(b, p->text);
		buf_putc(b, '"');
	}
	json_put_close(b, '}');
}

void
put_openai_choice(struct question *q, const char *one, const char *custom)
{
	const struct tool_offer *t = q->customs ? q->tools : NULL;

	while (t && !(t->custom && span_eq(t->name, q->choice.name)))
		t = t->next;
	if (q->choice.is == CHOICE_TOOL)
		json_put_form(q->out, t ? custom : one, q->choice.name);
	else if (q->choice.is != CHOICE_UNSAID)
		json_put_str(q->out, "tool_choice", choice_words[q->choice.is]);
	if (q->one_call)
		json_put_bool(q->out, "parallel_tool_calls", false);
}

void
put_schema(struct question *q)
{
	if (q->set[DOC_SCHEMA_NAME])
		put_node(q->out, "name", q->set[DOC_SCHEMA_NAME]);
	else
		json_put_str(q->out, "name", "answer");
	put_node(q->out, "description", q->set[DOC_SCHEMA_DESCRIPTION]);
	put_node(q->out, "schema", q->set[DOC_SCHEMA]);
	if (q->set[DOC_SCHEMA_STRICT])
		put_node(q->out, "strict", q->set[DOC_SCHEMA_STRICT]);
	else if (q->form->form == FORM_MESSAGES && /* Anthropic enforces each */
		 question_enforced(q, q->set[DOC_SCHEMA], q->set[DOC_SCHEMA]))
		json_put_bool(q->out, "strict", true);
}

const char *
openai_effort(const struct question *q)
{
	bool no_max = q->effort_is == EFFORT_MAX && q->ask->effort.takes != EFFORT_LEVELS;

	return efforts[no_max ? EFFORT_XHIGH : q->effort_is];
}

static void
put_chat_tool(struct question *q, const struct tool_offer *t)
{
	bool custom = q->customs && t->custom;

	json_put_form(q->out, custom ? "{'type':'custom','custom':{" : "{'type':'function','function':{");
	put_tool(q->out, t, "parameters");
	if (custom && t->grammar) {
		json_put_form(q->out, "'format':{'type':'grammar','grammar':{");
		put_node(q->out, "syntax", t->syntax);
		put_node(q->out, "definition", t->grammar);
		json_put_form(q->out, "}}");
	}
	json_put_form(q->out, "}}");
}

static void
write_chat(struct question *q)
{
	question_put_settings(q);
	json_put_open(q->out, "messages", '[');
	for (const struct turn *t = q->turns; t && !q->err; t = t->next) {
		if (t->role == TURN_ASSISTANT) {
			put_chat_assistant(q, t);
		} else if (t->role == TURN_USER) {
			put_chat_user(q, t);
		} else {
			json_put_form(q->out, "{'role':'system'");
			put_chat_content(q, t->first, CONTENT_ALL);
			json_put_close(q->out, '}');
		}
	}
	json_put_close(q->out, ']');
	if (q->tools)
		json_put_open(q->out, "tools", '[');
	for (const struct tool_offer *t = q->tools; t; t = t->next)
		put_chat_tool(q, t);
	if (q->tools)
		json_put_close(q->out, ']');
	put_openai_choice(q, "'tool_choice':{'type':'function','function':{'name':%t}}",
		"'tool_choice':{'type':'custom','custom':{'name':%t}}");
	if (q->set[DOC_SCHEMA]) {
		json_put_form(
			q->out, "'response_format':{'type':'json_schema','json_schema':{");
		put_schema(q);
		json_put_form(q->out, "}}");
	} else if (q->any_json) {
		json_put_form(q->out, "'response_format':{'type':'json_object'}");
	}
	if (q->effort_is > EFFORT_UNSAID)
		json_put_str(q->out, "reasoning_effort", openai_effort(q));
	if (q->to->stream)
		json_put_bool(q->out, "stream", true);
	/* Mistral reports usage anyway */
	if (q->to->stream && q->into != &mistral_request_form)
		json_put_form(q->out, "'stream_options':{'include_usage':true}");
}

/* clang-format off */
static const struct member *const more_members[] = { message_members, call_members, tool_members, custom_members, NULL };
const struct request_form chat_request_form = {
	/* as clients of OpenRouter and LiteLLM mark what Anthropic's models cache */
	.form = FORM_CHAT, .cached = "*.cache_control", .members = chat_members,
	.most = { [SET_TEMPERATURE] = 2, [SET_TOP_P] = 1, [SET_STOP] = 4, [SET_FREQUENCY] = 2, [SET_PRESENCE] = 2, [SET_CHOICES] = 128,
		[SET_USER] = 64 },
	.choices = choice_words, .roles = message_roles, .parts = { part_members, part_rows, true }, .more = more_members,
	.read_part = read_chat_part, .read_turn = read_chat_message, .read_tool = read_chat_tool, .read = read_chat, .write = write_chat,
	.name_max = 64, .text_format = true, .any_json = true, .customs = true,
};

const struct request_form mistral_request_form = {
	.form = FORM_CHAT, .members = mistral_settings,
	.most = { [SET_TEMPERATURE] = 1.5, [SET_TOP_P] = 1, [SET_FREQUENCY] = 2, [SET_PRESENCE] = 2, [SET_CHOICES] = 128 },
	.write = write_chat,
	.name_max = 64, .any_json = true,
};
/* clang-format on */
