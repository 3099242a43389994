/* Reads a kept text as runs, with one walk over its JSON for all APIs. The walk knows members
 * by their names: which have texts, reasoning, arguments, and which are of no interest to a
 * person. A string in an unknown member is shown under the member's name if it has several
 * words, so that an API that nobody taught the walk loses little.
 *
 * Events of a stream are JSON objects with other bytes between them: "data:" of server-sent
 * events, lines, the frames of AWS. Pieces of one text are joined. */
#include "cmd/records/kept_runs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "base/scoped.h"

/* ---- names of members ---- */

enum member {
	MEMBER_OTHER,
	MEMBER_TEXT,
	MEMBER_REASONING,
	MEMBER_CALL,
	MEMBER_SYSTEM,
	MEMBER_SKIP
};

/* clang-format off */
static const struct { const char *name; enum member is; } members[] = {
	{ "text", MEMBER_TEXT }, { "content", MEMBER_TEXT }, { "input", MEMBER_TEXT }, { "prompt", MEMBER_TEXT },
	{ "query", MEMBER_TEXT }, { "delta", MEMBER_TEXT }, { "refusal", MEMBER_TEXT }, { "completion", MEMBER_TEXT },
	{ "output", MEMBER_TEXT }, { "output_text", MEMBER_TEXT }, { "response", MEMBER_TEXT }, { "message", MEMBER_TEXT },
	{ "inputText", MEMBER_TEXT }, { "outputText", MEMBER_TEXT }, { "transcript", MEMBER_TEXT },
	{ "generated_text", MEMBER_TEXT }, { "inputs", MEMBER_TEXT }, { "result", MEMBER_TEXT },
	{ "thinking", MEMBER_REASONING }, { "reasoning_content", MEMBER_REASONING }, { "reasoning", MEMBER_REASONING },
	{ "reasoningText", MEMBER_REASONING },
	{ "arguments", MEMBER_CALL }, { "partial_json", MEMBER_CALL }, { "args", MEMBER_CALL },
	{ "system", MEMBER_SYSTEM }, { "instructions", MEMBER_SYSTEM }, { "systemInstruction", MEMBER_SYSTEM },
	{ "system_instruction", MEMBER_SYSTEM },
	{ "id", MEMBER_SKIP }, { "object", MEMBER_SKIP }, { "model", MEMBER_SKIP }, { "type", MEMBER_SKIP },
	{ "role", MEMBER_SKIP }, { "signature", MEMBER_SKIP }, { "encrypted_content", MEMBER_SKIP },
	{ "usage", MEMBER_SKIP }, { "tools", MEMBER_SKIP }, { "functions", MEMBER_SKIP }, { "toolConfig", MEMBER_SKIP },
	{ "tool_choice", MEMBER_SKIP }, { "response_format", MEMBER_SKIP }, { "logprobs", MEMBER_SKIP },
	{ "obfuscation", MEMBER_SKIP }, { "finish_reason", MEMBER_SKIP }, { "stop_reason", MEMBER_SKIP },
};
static const char *const file_names[] = { "filename", "file_name", "title", "name", "display_name", "displayName" };
static const char *const file_types[] = { "media_type", "mime_type", "mimeType", "format" };
/* clang-format on */

static enum member
member_of(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (!strcmp(members[i].name, name))
			return members[i].is;
	return MEMBER_OTHER;
}

/* ---- runs ---- */

/* The walk at one value, with the facts that the objects around it state. */
struct runs_walk {
	struct kept_runs *out;
	bool stream; /* pieces of a text are joined */
	const char *by;
	const char *tool;		   /* name of a called tool, or NULL */
	const char *file_name, *file_type; /* or NULL */
	const char *key;		   /* the member, or "" */
	enum member is;
	json_int_t choice; /* 0: the first */
	unsigned depth;
};

static bool
copy_plain(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++)
		to[n++] = is_graph(*from) || *from == ' ' ? *from : '?';
	to[n] = '\0';
	return n > 0;
}

static bool
add_run(const struct runs_walk *w, const char *what, struct span text)
{
	struct kept_runs *out = w->out;
	struct kept_run *last = out->n ? &out->v[out->n - 1] : NULL;
	struct kept_run run = { .text = { 0 } };
	char by[64];

	if (!text.n)
		return true;
	if (w->choice)
		snprintf(by, sizeof(by), "%s, choice %lld", w->by, (long long)w->choice + 1);
	else
		snprintf(by, sizeof(by), "%s", w->by);
	copy_plain(run.by, sizeof(run.by), by);
	copy_plain(run.what, sizeof(run.what), what);
	if (!w->stream || !last || strcmp(last->by, run.by) != 0 ||
		strcmp(last->what, run.what) != 0) {
		if (!mem_room(&out->v, &out->room, out->n + 1, sizeof(*out->v)))
			return false;
		last = &out->v[out->n++];
		*last = run;
	}
	buf_span(&last->text, text);
	return !buf_failed(&last->text);
}

/* ---- files ---- */

/* Returns true for a data URI, and for base64 that is too long for a word. */
static bool
is_file_data(struct span s)
{
	enum { LONG = 400, SEEN = 400 };

	if (span_starts(s, SPAN_LIT("data:")))
		return true;
	if (s.n < LONG)
		return false;
	return span_is_alnum(span_cut(s, 0, SEEN), "+/-_=");
}

static bool
add_file(const struct runs_walk *w, struct span data)
{
	SCOPED_BUF(text, 4096);
	struct span type = w->file_type ? span_str(w->file_type) : SPAN_LIT("");
	size_t comma = span_chr(data, ',');

	if (span_starts(data, SPAN_LIT("data:"))) {
		struct span head = span_cut(data, strlen("data:"), comma);
		type = span_cut(head, 0, span_chr(head, ';'));
		data = span_cut(data, comma + 1, data.n);
	}
	buf_str(&text, w->file_name ? w->file_name : "without a name");
	buf_printf(&text, " (%.*s%sabout %zu bytes)", SPAN_ARG(type), type.n ? ", " : "",
		data.n / 4 * 3);
	return add_run(w, "file", buf_view(&text));
}

/* ---- the walk ---- */

static bool walk_kept_json(struct runs_walk w, const json_t *v);

static bool
is_last_run(const struct runs_walk *w, const char *what)
{
	return w->out->n && !strcmp(w->out->v[w->out->n - 1].what, what);
}

static bool
walk_string(const struct runs_walk *w, struct span s)
{
	char what[96];

	if (is_file_data(s))
		return add_file(w, s);
	if (w->is == MEMBER_TEXT || w->is == MEMBER_SYSTEM)
		return add_run(w, "", s);
	if (w->is == MEMBER_REASONING)
		return add_run(w, "reasoning", s);
	if (w->is == MEMBER_CALL) {
		bool named = w->tool && !w->stream;
		snprintf(what, sizeof(what), "call%s%s", named ? " of " : "",
			named ? w->tool : "");
		return add_run(w, what, s);
	}
	/* several words: somebody may have written them */
	bool shown = (s.n >= 12 && span_chr(s, ' ') < s.n) || span_starts(s, SPAN_LIT("http"));
	return !shown || add_run(w, w->key, s);
}

static const char *
first_text(const json_t *o, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_object_get(o, names[i]));
		if (s && *s)
			return s;
	}
	return NULL;
}

/* Learns from an object whose text its members are. */
static void
learn_object(struct runs_walk *w, const json_t *o)
{
	const char *role = json_string_value(json_object_get(o, "role"));
	const char *type = json_string_value(json_object_get(o, "type"));
	const char *name = first_text(o, file_names, COUNT_OF(file_names));
	const char *of = first_text(o, file_types, COUNT_OF(file_types));
	const json_t *choice = json_object_get(o, "index");

	if (role)
		w->by = !strcmp(role, "model") ? "assistant" : role;
	if (type && strstr(type, "reasoning"))
		w->is = MEMBER_REASONING;
	if (type && (!strcmp(type, "tool_result") || !strcmp(type, "function_call_output")))
		w->by = "tool";
	if (json_object_get(o, "toolResult") || json_object_get(o, "functionResponse"))
		w->by = "tool";
	w->file_name = name ? name : w->file_name;
	w->file_type = of ? of : w->file_type;
	if (json_is_integer(choice) &&
		(json_object_get(o, "delta") || json_object_get(o, "message")) && !type)
		w->choice = json_integer_value(choice);
}

/* The input of a call is an object: it is shown as JSON. */
static bool
walk_call(struct runs_walk *w, const json_t *o, const json_t *input)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	char what[96];
	char *text = json_dumps(input, JSON_COMPACT);

	/* in a stream, the arguments follow in pieces */
	bool follows = w->stream && json_object_size(input) == 0;
	snprintf(what, sizeof(what), "call%s%s", name && !w->stream ? " of " : "",
		name && !w->stream ? name : "");
	bool good = !text || follows || add_run(w, what, span_str(text));
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return good;
}

static bool
walk_object(struct runs_walk w, const json_t *o)
{
	const char *name, *called = json_string_value(json_object_get(o, "name"));
	const json_t *v;
	bool good = true;

	learn_object(&w, o);
	if (w.stream && called &&
		(json_object_get(o, "arguments") || json_object_get(o, "input"))) {
		SCOPED_BUF(head, 0);
		buf_printf(&head, "%s%s ", is_last_run(&w, "call") ? "\n" : "", called);
		good = add_run(&w, "call", buf_view(&head));
	}
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		struct runs_walk in = w;
		enum member is = member_of(name);
		bool is_input = !strcmp(name, "input") || is == MEMBER_CALL;
		if (is == MEMBER_SKIP)
			continue;
		in.key = name;
		in.is = w.is == MEMBER_REASONING && is == MEMBER_TEXT ? w.is : is;
		in.tool = called ? called : w.tool;
		in.by = is == MEMBER_SYSTEM ? "system" : w.by;
		good = good && (called && is_input && json_is_object(v) ? walk_call(&in, o, v)
									: walk_kept_json(in, v));
	}
	return good;
}

static bool
walk_kept_json(struct runs_walk w, const json_t *v)
{
	enum { DEEPEST = 64 };
	const json_t *one;
	size_t i;
	bool good = true;

	if (++w.depth > DEEPEST)
		return true;
	if (json_is_string(v))
		return walk_string(&w, span_of(json_string_value(v), json_string_length(v)));
	if (json_is_object(v))
		return walk_object(w, v);
	json_array_foreach((json_t *)(uintptr_t)v, i, one) good = good && walk_kept_json(w, one);
	return good;
}

/* ---- texts ---- */

/* A line of the form "texts": {"kind","choice","by","tool","text" | "arguments" | "result"}. */
static bool
walk_kept_line(struct runs_walk w, const json_t *o)
{
	static const char *const said[] = { "text", "arguments", "result" };
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *by = json_string_value(json_object_get(o, "by"));
	const char *tool = json_string_value(json_object_get(o, "tool"));
	bool good = true;

	w.by = by ? by : "assistant";
	w.choice = json_integer_value(json_object_get(o, "choice"));
	for (size_t i = 0; i < COUNT_OF(said); i++) {
		const json_t *v = json_object_get(o, said[i]);
		char what[96];
		snprintf(what, sizeof(what), "%s%s%s",
			i == 1				    ? "call"
			: i == 2			    ? "result"
			: kind && strcmp(kind, "text") != 0 ? kind
							    : "",
			i && tool ? " of " : "", i && tool ? tool : "");
		if (json_is_string(v))
			good = good &&
			       add_run(&w, what,
				       span_of(json_string_value(v), json_string_length(v)));
		else if (v)
			good = good && walk_call(&w, o, v);
	}
	return good;
}

/* Parses the JSON value at the front of s and cuts it off. Returns NULL if there is none. */
static json_t *
cut_json(struct span *s)
{
	json_error_t at;
	json_t *v = json_loadb(s->p, s->n, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &at);

	if (v)
		*s = span_cut(*s, at.position > 0 ? (size_t)at.position : 1, s->n);
	return v;
}

/* Returns true if an event has the whole response at its end, after all pieces of it (OpenAI's
 * Responses API). */
static bool
is_whole(const json_t *o)
{
	const char *type = json_string_value(json_object_get(o, "type"));

	return type &&
	       (!strcmp(type, "response.completed") || !strcmp(type, "response.incomplete"));
}

/* Returns true if the event repeats text of earlier ones, or of the event after it. */
static bool
repeats_text(const json_t *o)
{
	const char *type = json_string_value(json_object_get(o, "type"));

	return type && !strncmp(type, "response.", 9) && !strstr(type, ".delta") &&
	       strcmp(type, "response.error") != 0;
}

static bool
walk_events(struct runs_walk w, struct span text, bool lines)
{
	enum { FAULTS_MOST = 32 }; /* each may read to the end of the text */
	bool good = true, whole = false;
	unsigned faults = 0;

	w.stream = !lines;
	while (text.n && good) {
		text = span_cut(text, span_chr(text, '{'), text.n);
		json_t *o = text.n ? cut_json(&text) : NULL;
		if (!o && faults++ == FAULTS_MOST)
			return add_run(&w, "the rest", text);
		if (!o) {
			text = span_cut(text, 1, text.n);
			continue;
		}
		if (lines) {
			good = walk_kept_line(w, o);
		} else if (is_whole(o)) {
			kept_runs_free(w.out);
			whole = true;
			w.stream = false;
			good = walk_kept_json(w, json_object_get(o, "response"));
		} else if (!whole && !repeats_text(o)) {
			good = walk_kept_json(w, o);
		}
		json_decref(o);
	}
	return good;
}

/* Returns true if the text begins as events of a stream do: server-sent events, JSON lines, or
 * the frames of AWS, whose length begins with a zero. */
static bool
begins_stream(struct span s)
{
	static const char *const begins[] = { "data:", "event:", "id:", ":", "{", "[" };

	if (s.n > 16 && s.p[0] == '\0')
		return true;
	s = span_trim(s, " \t\r\n");
	for (size_t i = 0; i < COUNT_OF(begins); i++)
		if (span_starts(s, span_str(begins[i])))
			return true;
	return false;
}

bool
kept_runs_read(struct span text, bool lines, enum seal_kind kind, struct kept_runs *out)
{
	struct runs_walk w = {
		.out = out, .by = kind == SEAL_PROMPT ? "user" : "assistant", .key = ""
	};
	json_t *whole = lines ? NULL : json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	bool good = true;

	if (whole)
		good = walk_kept_json(w, whole);
	else if (lines || begins_stream(text))
		good = walk_events(w, text, lines);
	json_decref(whole);
	w.stream = false;
	return good && (out->n || add_run(&w, "", text));
}

void
kept_runs_free(struct kept_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++)
		buf_free(&runs->v[i].text);
	free(runs->v);
	*runs = (struct kept_runs){ 0 };
}
