/* The content of the simulated provider's responses, before any dialect. Rules for tests:
 *
 * A token is a word (a run of bytes between white space). Prompt tokens are the words of all
 * message texts and of the system text; output tokens are the words of the response (reasoning
 * and a tool's arguments included), times n. `usage` is therefore exact, and a test can count
 * it. The model chooses the response:
 *
 *   echo      the last user text
 *   say:TEXT  TEXT
 *   call      calls the first tool offered; its first property is the last user text
 *   call:word the same, with the last word of the text
 *   call:both two such calls at the same time, with the first word and with the last one
 *   tool:NAME calls the tool whose name ends in NAME, with the last user text; once it has a
 *             result, the response is the sentence
 *   task:NAME the same, with the last word of the text
 *   think     reasons with the last user text, then returns it
 *   cite      returns the last user text and quotes it as the source
 *   cached    echo; half of the prompt's tokens came from a cache, a quarter went into it
 *
 * TGI's adapter is such a model. Every other model returns the sentence below. A tool that is
 * not offered is not called: the response is that of echo. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

#define SENTENCE "The simulated provider has read your message and agrees."
#define N_MAX	 128

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

int64_t
mock_words(struct span s)
{
	int64_t count = 0;
	bool in = false;

	for (size_t i = 0; i < s.n; i++) {
		bool space = is_space(s.p[i]);
		count += !space && !in;
		in = !space;
	}
	return count;
}

/* Returns the end of `chars` characters. */
static size_t
chars_end(struct span s, size_t chars)
{
	size_t i = 0;

	while (i < s.n && chars--)
		for (i++; i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80; i++)
			;
	return i;
}

static size_t
word_end(struct span s)
{
	size_t i = 0;

	while (i < s.n && is_space(s.p[i]))
		i++;
	while (i < s.n && !is_space(s.p[i]))
		i++;
	while (i < s.n && is_space(s.p[i]))
		i++;
	return i;
}

size_t mock_pieces;

struct span
mock_next_piece(struct span *s)
{
	mock_pieces++;
	size_t n = mock_control.event_chars ? chars_end(*s, mock_control.event_chars)
					    : word_end(*s);
	struct span piece = span_cut(*s, 0, n);

	*s = span_cut(*s, n, s->n);
	return piece;
}

json_t *
mock_text(struct span s)
{
	json_t *j = json_stringn_nocheck(s.n ? s.p : "", s.n);

	if (!j)
		abort();
	return j;
}

/* ---- the prompt ---- */

static struct span
string_of(json_t *j)
{
	return span_of(json_string_value(j), json_string_length(j));
}

struct prompt {
	int64_t tokens;
	struct buf *last_user;
};

static void
read_text(json_t *text, struct prompt *p, bool user)
{
	struct span s = string_of(text);

	p->tokens += mock_words(s);
	if (user && p->last_user->n)
		buf_putc(p->last_user, '\n');
	if (user)
		buf_span(p->last_user, s);
}

/* A string, strings, or parts, of which those with a "text" count. */
static void
read_content(json_t *content, struct prompt *p, bool user)
{
	size_t i;
	json_t *part;

	if (user)
		buf_clear(p->last_user);
	if (json_is_string(content))
		read_text(content, p, user);
	json_array_foreach(content, i, part)
	{
		json_t *t = json_is_string(part) ? part : json_object_get(part, "text");
		if (json_is_string(t))
			read_text(t, p, user);
	}
}

/* Gemini has parts, other dialects have content. */
static json_t *
content_of(json_t *m)
{
	json_t *parts = json_object_get(m, "parts");

	return parts ? parts : json_object_get(m, "content");
}

static void
read_prompt(json_t *req, struct prompt *p)
{
	static const char *const systems[] = { "system", "instructions" };
	static const char *const users[] = { "input", "prompt", "inputs", "texts", "query",
		"documents" };
	static const char *const lists[] = { "messages", "input", "contents" };
	size_t i;
	json_t *m;

	for (i = 0; i < COUNT_OF(systems); i++)
		read_content(json_object_get(req, systems[i]), p, false);
	read_content(content_of(json_object_get(req, "systemInstruction")), p, false);
	read_content(content_of(json_object_get(req, "content")), p, true);
	for (i = 0; i < COUNT_OF(users); i++)
		if ((m = json_object_get(req, users[i])))
			read_content(m, p, true);
	for (size_t l = 0; l < COUNT_OF(lists); l++) {
		json_array_foreach(json_object_get(req, lists[l]), i, m)
		{
			const char *role = json_string_value(json_object_get(m, "role"));
			if (json_is_object(m) && content_of(m))
				read_content(content_of(m), p, role && !strcmp(role, "user"));
		}
	}
}

/* ---- a tool ---- */

static json_t *
first_of(json_t *j)
{
	return json_is_array(j) ? json_array_get(j, 0) : j;
}

/* Returns the description of a tool: OpenAI's function, Gemini's declaration, Bedrock's
 * toolSpec, or the tool itself. */
static json_t *
tool_inside(json_t *tool)
{
	static const char *const inner[] = { "function", "functionDeclarations", "toolSpec" };

	for (size_t i = 0; i < COUNT_OF(inner); i++)
		if (json_object_get(tool, inner[i]))
			return first_of(json_object_get(tool, inner[i]));
	return tool;
}

/* Returns the first tool whose name ends in `ends`, also of those in a namespace of Responses,
 * or in a list of Gemini's. */
static json_t *
tool_offered(json_t *req, struct span ends, struct span *space)
{
	json_t *config = json_object_get(req, "toolConfig"), *tool, *inside, *in;
	json_t *tools =
		json_object_get(json_object_get(config, "tools") ? config : req, "tools");
	size_t i, k;

	if (!ends.n)
		return tool_inside(first_of(tools));
	json_array_foreach(tools, i, tool)
	{
		if (span_ends(string_of(json_object_get(tool_inside(tool), "name")), ends))
			return tool_inside(tool);
		json_t *list = json_object_get(tool, "functionDeclarations");
		inside = list ? list : json_object_get(tool, "tools");
		json_array_foreach(inside, k, in)
		{
			if (!span_ends(string_of(json_object_get(in, "name")), ends))
				continue;
			*space = string_of(json_object_get(tool, "name"));
			return in;
		}
	}
	return NULL;
}

static const char *
first_property(json_t *tool)
{
	static const char *const schemas[] = { "parameters", "parametersJsonSchema",
		"input_schema", "inputSchema" };
	json_t *s = NULL, *inner;

	for (size_t i = 0; i < COUNT_OF(schemas) && !s; i++)
		s = json_object_get(tool, schemas[i]);
	if ((inner = json_object_get(s, "json")))
		s = inner;
	void *it = json_object_iter(json_object_get(s, "properties"));
	return it ? json_object_iter_key(it) : "text";
}

/* An object of one member, in memory[n]. */
static struct span
arguments_of(struct mock_say *s, int n, json_t *tool, struct span value)
{
	json_t *args = json_object();

	json_object_set_new(args, first_property(tool), mock_text(value));
	mock_put(&s->memory[n], args);
	return buf_view(&s->memory[n]);
}

static bool
read_tool(struct mock_say *s, struct span ends, struct span user, struct span more)
{
	json_t *tool = tool_offered(s->req, ends, &s->space),
	       *name = json_object_get(tool, "name");

	if (!json_is_string(name))
		return false;
	s->tool = string_of(name);
	s->args = arguments_of(s, 1, tool, user);
	if (more.n)
		s->more = arguments_of(s, 2, tool, more);
	return true;
}

/* ---- the response ---- */

/* The counts of /_control's "usage" replace the usual ones; the names of either dialect are
 * accepted. */
static void
controlled_usage(struct mock_counts *c)
{
	json_t *u = mock_control.usage, *v;

	c->none = u && !json_is_object(u);
	if ((v = json_object_get(u, "prompt_tokens")) ||
		(v = json_object_get(u, "input_tokens")))
		c->in = json_integer_value(v);
	if ((v = json_object_get(u, "completion_tokens")) ||
		(v = json_object_get(u, "output_tokens")))
		c->out = json_integer_value(v);
}

/* Returns the most tokens that the request permits for a choice; -1: it has no limit. */
static int64_t
cap_of(json_t *req)
{
	static const struct {
		const char *in, *name;
	} caps[] = { { NULL, "max_completion_tokens" }, { NULL, "max_output_tokens" },
		{ NULL, "max_tokens" }, { NULL, "max_gen_len" },
		{ NULL, "max_tokens_to_sample" }, { "generationConfig", "maxOutputTokens" },
		{ "inferenceConfig", "maxTokens" }, { "inferenceConfig", "max_new_tokens" },
		{ "textGenerationConfig", "maxTokenCount" }, { "options", "num_predict" },
		{ "parameters", "max_new_tokens" } };
	json_t *v;

	for (size_t i = 0; i < COUNT_OF(caps); i++) {
		v = caps[i].in ? json_object_get(req, caps[i].in) : req;
		v = json_object_get(v, caps[i].name);
		if (json_is_integer(v) && json_integer_value(v) >= 0)
			return json_integer_value(v);
	}
	return -1;
}

/* A model with a long answer, which stops at the limit. */
static void
controlled_length(struct mock_say *s)
{
	int64_t cap = cap_of(s->req), n = mock_control.length;

	if (n)
		s->c.out = (cap >= 0 && cap < n ? cap : n) * s->n;
}

void
mock_usage_extra(struct buf *b)
{
	static const char *const known[] = { "prompt_tokens", "input_tokens",
		"completion_tokens", "output_tokens", "total_tokens" };
	const char *k;
	json_t *v;

	json_object_foreach(mock_control.usage, k, v)
	{
		bool skip = false;
		for (size_t i = 0; i < COUNT_OF(known); i++)
			skip |= strcmp(k, known[i]) == 0;
		if (skip)
			continue;
		buf_printf(b, ",\"%s\":", k);
		mock_put(b, json_incref(v));
	}
}

static struct span
last_word(struct span text)
{
	struct span t = span_trim(text, " \t\r\n");
	size_t from = t.n;

	while (from && !strchr(" \t\r\n", t.p[from - 1]))
		from--;
	return span_cut(t, from, t.n);
}

/* Returns whether there is a tool result, in the place of each dialect: Anthropic's block,
 * Responses' item, chat's message, Gemini's part, Bedrock's block. */
static bool
has_result(json_t *req)
{
	static const char *const lists[] = { "messages", "input", "contents" };
	size_t l, i, k;
	json_t *m, *part;

	for (l = 0; l < COUNT_OF(lists); l++) {
		json_array_foreach(json_object_get(req, lists[l]), i, m)
		{
			if (span_is(string_of(json_object_get(m, "role")), "tool") ||
				span_ends(string_of(json_object_get(m, "type")),
					SPAN_LIT("_call_output")))
				return true;
			json_array_foreach(content_of(m), k, part)
			{
				if (span_is(string_of(json_object_get(part, "type")),
					    "tool_result") ||
					json_object_get(part, "functionResponse") ||
					json_object_get(part, "toolResult"))
					return true;
			}
		}
	}
	return false;
}

static void
choose(struct mock_say *s, struct span user)
{
	s->text = span_str(SENTENCE);
	if (span_starts(s->model, SPAN_LIT("say:")))
		s->text = span_cut(s->model, 4, s->model.n);
	if (span_is(s->model, "echo") || span_is(s->model, "call") ||
		span_is(s->model, "think") || span_is(s->model, "cite") ||
		span_is(s->model, "cached"))
		s->text = user;
	if (span_is(s->model, "call") && read_tool(s, SPAN_LIT(""), user, SPAN_LIT("")))
		s->text = SPAN_LIT("");
	if (span_is(s->model, "call:word") &&
		read_tool(s, SPAN_LIT(""), last_word(user), SPAN_LIT("")))
		s->text = SPAN_LIT("");
	if (span_is(s->model, "call:both") &&
		read_tool(s, SPAN_LIT(""), span_cut(user, 0, span_chr(user, ' ')),
			last_word(user)))
		s->text = SPAN_LIT("");
	bool task = span_starts(s->model, SPAN_LIT("task:"));
	if ((task || span_starts(s->model, SPAN_LIT("tool:"))) && !has_result(s->req) &&
		read_tool(s, span_cut(s->model, 5, s->model.n), task ? last_word(user) : user,
			SPAN_LIT("")))
		s->text = SPAN_LIT("");
	if (span_is(s->model, "think"))
		s->thinking = user;
	s->cites = span_is(s->model, "cite");
}

bool
mock_say_read(struct mock_say *s, const struct mock_request *r, struct span in_path)
{
	struct prompt p = { .last_user = &s->memory[0] };

	s->req = json_loadb(r->body.p ? r->body.p : "", r->body.n, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(s->req))
		return false;
	read_prompt(s->req, &p);
	json_t *adapter = json_object_get(json_object_get(s->req, "parameters"), "adapter_id");
	json_t *named = json_object_get(s->req, "model");
	s->model = in_path.n ? in_path : string_of(named ? named : adapter);
	s->sse = memmem(r->target.p, r->target.n, "alt=sse", 7) != NULL;
	choose(s, buf_view(p.last_user));
	json_t *n_of = json_object_get(s->req, "n");
	json_t *config = json_object_get(s->req, "generationConfig");
	json_int_t n = json_integer_value(
		n_of ? n_of : json_object_get(config, "candidateCount"));
	s->n = (int)(n < 1 ? 1 : n > N_MAX ? N_MAX : n);
	s->include_usage = json_is_true(
		json_object_get(json_object_get(s->req, "stream_options"), "include_usage"));
	s->c.in = p.tokens;
	s->c.reasoning = mock_words(s->thinking);
	s->c.out = (s->c.reasoning + mock_words(s->text) + mock_words(s->args) +
			   mock_words(s->more)) *
		   s->n;
	if (span_is(s->model, "cached")) {
		s->c.cached = s->c.in / 2;
		s->c.written = s->c.in / 4;
	}
	controlled_usage(&s->c);
	controlled_length(s);
	return true;
}

void
mock_say_free(struct mock_say *s)
{
	json_decref(s->req);
	for (size_t i = 0; i < COUNT_OF(s->memory); i++)
		buf_free(&s->memory[i]);
}
