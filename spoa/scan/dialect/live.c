/* Classifies the events of realtime sessions. OpenAI's events have a `type`. Gemini's events
 * are named by their members: {"serverContent":{…}}. Each table row states what an event of
 * this name does (flags) and whether it can contain text. An event that should contain no text
 * is checked byte for byte by holds_no_text(); if it has any other member or string, the event
 * is LIVE_TEXT and is inspected.
 *
 *   https://platform.openai.com/docs/api-reference/realtime-client-events
 *   https://ai.google.dev/api/live */
#include "scan/dialect/live.h"

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/scoped.h"

enum { WORD_MAX = 64, NUMBER_MAX = 8, KEYS_MAX = 12 };

/* Flags of events, as the members of struct live_event. OVER: the response ends, its usage
 * follows. CONTENT: the event's own members determine the rest. */
enum {
	ASKS = 1,
	BEGINS = 2,
	ENDS = 4,
	OVER = 8,
	ASIDE = 16,
	USAGE = 32,
	CONTENT = 64,
	ERROR = 128
};

struct live_row {
	const char *name; /* the event's type (OpenAI) or member (Gemini) */
	enum live_is is;
	unsigned flags;
	/* LIVE_SIGNAL, LIVE_MEDIA: all permitted keys, at any depth */
	const char *keys[KEYS_MAX];
};

/* clang-format off */
#define OPENAI_IDS "type", "event_id", "item_id", "response_id"
static const struct live_row openai_client[] = {
	{ "input_audio_buffer.append",  LIVE_MEDIA,  0, { OPENAI_IDS, "audio" } },
	{ "input_audio_buffer.commit",  LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "input_audio_buffer.clear",   LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "output_audio_buffer.clear",  LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "response.cancel",            LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "conversation.item.retrieve", LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "conversation.item.delete",   LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "conversation.item.truncate", LIVE_SIGNAL, 0, { OPENAI_IDS, "content_index", "audio_end_ms" } },
	{ "response.create",            LIVE_TEXT,   ASKS, { NULL } },
	{ 0 },
};
#define OPENAI_PLACE OPENAI_IDS, "output_index", "content_index"
static const struct live_row openai_provider[] = {
	{ "response.created",            LIVE_TEXT,  BEGINS, { NULL } },
	{ "response.output_audio.delta", LIVE_MEDIA, 0, { OPENAI_PLACE, "delta" } },
	{ "response.audio.delta",        LIVE_MEDIA, 0, { OPENAI_PLACE, "delta" } },
	{ "response.done",               LIVE_TEXT,  ENDS, { NULL } },
	{ "response.completed",          LIVE_TEXT,  ENDS, { NULL } },
	{ "response.incomplete",         LIVE_TEXT,  ENDS, { NULL } },
	{ "response.failed",             LIVE_TEXT,  ENDS, { NULL } },
	{ "error",                       LIVE_TEXT,  ERROR, { NULL } },
	/* transcripts of audio: complete, perhaps after they arrived in pieces */
	{ "conversation.item.input_audio_transcription.delta",     LIVE_TEXT, BEGINS|ASIDE, { NULL } },
	{ "conversation.item.input_audio_transcription.segment",   LIVE_TEXT, BEGINS|ASIDE, { NULL } },
	{ "conversation.item.input_audio_transcription.completed", LIVE_TEXT, BEGINS|ENDS|ASIDE, { NULL } },
	{ "conversation.item.input_audio_transcription.failed",    LIVE_TEXT, ENDS|ASIDE|ERROR, { NULL } },
	{ "input_audio_buffer.speech_started", LIVE_SIGNAL, 0, { OPENAI_IDS, "audio_start_ms" } },
	{ "input_audio_buffer.speech_stopped", LIVE_SIGNAL, 0, { OPENAI_IDS, "audio_end_ms" } },
	{ "input_audio_buffer.cleared",  LIVE_SIGNAL, 0, { OPENAI_IDS } },
	{ "input_audio_buffer.committed", LIVE_SIGNAL, 0, { OPENAI_IDS, "previous_item_id" } },
	{ "response.output_audio.done",  LIVE_SIGNAL, 0, { OPENAI_PLACE } },
	{ 0 },
};
static const struct live_row gemini_client[] = {
	{ "realtimeInput", LIVE_MEDIA, 0, { "realtimeInput", "audio", "video", "mediaChunks", "data",
		"mimeType", "audioStreamEnd", "activityStart", "activityEnd" } },
	{ "realtime_input", LIVE_MEDIA, 0, { "realtime_input", "audio", "video", "media_chunks", "data",
		"mime_type", "audio_stream_end", "activity_start", "activity_end" } },
	{ "clientContent",  LIVE_TEXT, CONTENT, { NULL } },
	{ "client_content", LIVE_TEXT, CONTENT, { NULL } },
	{ "toolResponse",   LIVE_TEXT, ASKS, { NULL } },
	{ "tool_response",  LIVE_TEXT, ASKS, { NULL } },
	{ 0 },
};
/* Members of clientContent. Without turnComplete, more content follows before a response. */
static const struct live_row gemini_said[] = {
	{ "turnComplete",  LIVE_TEXT, ASKS, { NULL } },
	{ "turn_complete", LIVE_TEXT, ASKS, { NULL } },
	{ 0 },
};
/* An event can have several members; their flags are combined. */
static const struct live_row gemini_provider[] = {
	{ "serverContent",  LIVE_TEXT, CONTENT, { NULL } },
	{ "server_content", LIVE_TEXT, CONTENT, { NULL } },
	{ "toolCall",       LIVE_TEXT, BEGINS, { NULL } },
	{ "tool_call",      LIVE_TEXT, BEGINS, { NULL } },
	/* the usage so far, which any event can have */
	{ "usageMetadata",  LIVE_TEXT, USAGE, { NULL } },
	{ "usage_metadata", LIVE_TEXT, USAGE, { NULL } },
	{ "setupComplete", LIVE_SIGNAL, 0, { "setupComplete", "sessionId" } },
	{ 0 },
};
/* Members of serverContent. Any other member is part of a response. turnComplete follows an
 * interruption too. */
static const struct live_row gemini_content[] = {
	{ "turnComplete",         LIVE_TEXT, ENDS, { NULL } },
	{ "turn_complete",        LIVE_TEXT, ENDS, { NULL } },
	{ "interrupted",          LIVE_TEXT, OVER, { NULL } },
	{ "generationComplete",   LIVE_TEXT, 0, { NULL } },
	{ "generation_complete",  LIVE_TEXT, 0, { NULL } },
	{ "turnCompleteReason",   LIVE_TEXT, 0, { NULL } },
	{ "turn_complete_reason", LIVE_TEXT, 0, { NULL } },
	{ "waitingForInput",      LIVE_TEXT, 0, { NULL } },
	{ "waiting_for_input",    LIVE_TEXT, 0, { NULL } },
	{ 0 },
};

/* Paths of session handles, each name in both spellings. */
enum { HANDLE_DEEP = 3 };
static const char *const handle_client[HANDLE_DEEP][2] = { { "setup", "setup" },
	{ "sessionResumption", "session_resumption" }, { "handle", "handle" } };
static const char *const handle_provider[HANDLE_DEEP][2] = {
	{ "sessionResumptionUpdate", "session_resumption_update" }, { "newHandle", "new_handle" } };

/* Members that hold base64, its media type, ids, and lists. No other member may have a string
 * or a list. */
static const char *const media[] = { "audio", "delta", "data" }, *const types[] = { "mimeType", "mime_type" },
	*const ids[] = { "type", "event_id", "item_id", "response_id", "previous_item_id", "sessionId" },
	*const chunks[] = { "mediaChunks", "media_chunks" };
/* clang-format on */

/* ---- endpoints ---- */

bool
live_endpoint(const struct endpoint *e)
{
	static const char *const names[] = { "realtime", "live", "responses" };

	return e->name && !e->beside && SPAN_IN(span_str(e->name), names);
}

static bool
is_gemini(const struct endpoint *e)
{
	return !strcmp(e->name, "live");
}

bool
live_has_ids(const struct endpoint *e)
{
	return !is_gemini(e);
}

/* ---- messages without text ---- */

static const struct live_row *
live_row_of(const struct live_row *rows, struct span name)
{
	for (; rows->name; rows++)
		if (span_is(name, rows->name))
			return rows;
	return NULL;
}

static bool
live_row_has(const struct live_row *row, struct span key)
{
	for (size_t i = 0; i < KEYS_MAX && row->keys[i]; i++)
		if (span_is(key, row->keys[i]))
			return true;
	return false;
}

/* Returns true for a media type without text: type = ( "audio" | "image" | "video" ) "/" name {
 * ";" parameter }. "+xml" (RFC 6839) is text: '+' is not allowed. */
static bool
is_media_type(struct span type)
{
	static const char *const kinds[] = { "audio", "image", "video" };
	size_t slash = span_chr(type, '/');
	struct span rest = span_cut(type, slash + 1, type.n);

	for (size_t i = 0; i < rest.n; i++)
		if (!is_alnum(rest.p[i]) && !is_one_of(rest.p[i], "_-.:;=") &&
			!(rest.p[i] == ' ' && i && rest.p[i - 1] == ';'))
			return false;
	return type.n <= WORD_MAX && rest.n && SPAN_IN(span_cut(type, 0, slash), kinds);
}

/* Returns true if a string with this key contains no text. Sets *is_media for base64, *is_type
 * for a media type. */
static bool
is_no_text(struct span key, struct span text, bool *is_media, bool *is_type)
{
	if (SPAN_IN(key, media)) {
		*is_media = true;
		return span_is_alnum(text, "+/-_="); /* both alphabets of RFC 4648 4 and 5 */
	}
	if (SPAN_IN(key, types)) {
		*is_type = true;
		return is_media_type(text);
	}
	/* A long id without a letter may be a personal number: a credit card, a telephone. */
	return SPAN_IN(key, ids) && text.n <= WORD_MAX && span_is_alnum(text, "_-.:") &&
	       (text.n <= NUMBER_MAX || span_some(text, is_alpha));
}

/* Returns true if the message contains only keys of the row, ids, numbers, and base64 where
 * media are expected. `typed_media`: each object with base64 must also have a media type.
 * *bytes counts the base64. */
static bool
holds_no_text(const struct live_row *row, bool typed_media, struct span message,
	struct arena *a, uint64_t *bytes)
{
	struct json *j = json_open(a, message);
	bool is_media = false, is_type = false;
	struct span key = { NULL, 0 };
	struct json_event ev;
	size_t depth = 0;

	for (enum json_tok t; j && (t = json_next(j, &ev)) != JSON_END;) {
		struct span text = span_cut(message, ev.start, ev.end);
		bool had = is_media;
		if (t == JSON_ERROR || ((t == JSON_KEY || t == JSON_STRING) && ev.escaped))
			return false;
		if (t == JSON_KEY) {
			key = text;
			if (!live_row_has(row, key))
				return false;
		} else if (t == JSON_STRING) {
			if (!is_no_text(key, text, &is_media, &is_type))
				return false;
			*bytes += is_media > had ? text.n : 0;
		} else if (t == JSON_ARRAY && !SPAN_IN(key, chunks)) {
			return false;
		} else if (t == JSON_OBJECT || t == JSON_OBJECT_END) {
			bool deep = t == JSON_OBJECT && depth++;
			if (typed_media ? is_media && !is_type : deep)
				return false;
			is_media = is_type = false;
		}
	}
	return j != NULL;
}

/* ---- classifying a message ---- */

/* Reads the `id` of an object whose brace has been read, up to its end. */
static int
response_id(struct json *j, struct span message, struct arena *a, struct span *id)
{
	struct json_member m;
	struct json_event ev;
	int err = 0;

	while (json_member(j, a, message, &m, &ev, &err)) {
		if (span_is(m.key, "id") && ev.tok == JSON_STRING)
			*id = json_text(a, message, &ev);
		json_skip(j, &ev);
	}
	return err;
}

/* Returns the row that the event's type names, or NULL. *id: the id of the response or item. */
static const struct live_row *
typed(const struct live_row *rows, struct span message, struct arena *a, struct span *id)
{
	const struct live_row *row = NULL;
	struct json *j = json_open(a, message);
	struct span item = { NULL, 0 };
	struct json_member m;
	struct json_event ev;
	int err = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return NULL;
	while (json_member(j, a, message, &m, &ev, &err)) {
		if (span_is(m.key, "type") && ev.tok == JSON_STRING)
			row = live_row_of(rows, json_text(a, message, &ev));
		else if (span_is(m.key, "response_id") && ev.tok == JSON_STRING)
			*id = json_text(a, message, &ev);
		else if (span_is(m.key, "item_id") && ev.tok == JSON_STRING)
			item = json_text(a, message, &ev);
		if (span_is(m.key, "response") && ev.tok == JSON_OBJECT)
			err = response_id(j, message, a, id);
		else if (json_skip(j, &ev) == JSON_ERROR)
			return NULL;
		if (err)
			return NULL;
	}
	if (row && row->flags & ASIDE)
		*id = item;
	return err ? NULL : row;
}

/* Combines the flags of an object's members. *only: the row of the only member, or NULL. */
static unsigned
named(struct json *j, const struct live_row *rows, struct span message, struct arena *a,
	const struct live_row **only)
{
	const struct live_row *inner = rows == gemini_client ? gemini_said : gemini_content;
	unsigned flags = 0, n = 0;
	struct json_member m;
	struct json_event ev;
	int err = 0;

	*only = NULL;
	while (json_member(j, a, message, &m, &ev, &err)) {
		const struct live_row *row = live_row_of(rows, m.key), *none;
		bool says = ev.tok != JSON_NULL && ev.tok != JSON_FALSE;
		*only = n++ ? NULL : row;
		if (says)
			flags |= row ? row->flags : rows == gemini_content ? BEGINS : 0;
		if (row && (row->flags & CONTENT) && ev.tok == JSON_OBJECT)
			flags |= named(j, inner, message, a, &none);
		else
			json_skip(j, &ev);
	}
	if (err)
		*only = NULL;
	return err ? 0 : flags;
}

static struct live_event
live_read(bool gemini, const struct live_row *rows, struct span message, struct arena *a)
{
	struct live_event e = { .is = LIVE_TEXT };
	const struct live_row *row;
	unsigned flags;

	if (gemini) {
		struct json *j = json_open(a, message);
		struct json_event ev;
		bool is = j && json_next(j, &ev) == JSON_OBJECT;
		row = NULL;
		flags = is ? named(j, rows, message, a, &row) : 0;
	} else {
		row = typed(rows, message, a, &e.response);
		flags = row ? row->flags : 0;
	}
	e.asks = flags & ASKS;
	e.begins = flags & BEGINS;
	e.aside = flags & ASIDE;
	e.ends = flags & (ENDS | OVER);
	e.usage = flags & USAGE;
	e.error = flags & ERROR;
	/* the usage has not arrived yet; it may follow */
	e.more = gemini && e.ends && !((flags & ENDS) && e.usage);
	if (row && row->is != LIVE_TEXT &&
		holds_no_text(row, gemini, message, a, &e.media_bytes))
		e.is = row->is == LIVE_MEDIA && !e.media_bytes ? LIVE_SIGNAL : row->is;
	return e;
}

struct live_event
live_client(const struct endpoint *e, struct span message, struct arena *a)
{
	return live_read(
		is_gemini(e), is_gemini(e) ? gemini_client : openai_client, message, a);
}

struct live_event
live_provider(const struct endpoint *e, struct span message, struct arena *a)
{
	return live_read(
		is_gemini(e), is_gemini(e) ? gemini_provider : openai_provider, message, a);
}

/* ---- handles of sessions ---- */

static void
handle_found(struct live_handle *h, struct span message, struct arena *a,
	const struct json_event *ev)
{
	struct span text = { NULL, 0 };

	if (ev->tok == JSON_STRING)
		text = json_text(a, message, ev);
	if (ev->tok == JSON_NULL || (ev->tok == JSON_STRING && text.n == 0 && text.p))
		return; /* treated like a missing member */
	h->odd |= ev->tok != JSON_STRING || h->text.n || !text.p;
	h->text = text;
	h->start = ev->start;
	h->end = ev->end;
}

struct live_handle
live_handle(const struct endpoint *e, bool of_client, struct span message, struct arena *a)
{
	const char *const(*path)[2] = of_client ? handle_client : handle_provider;
	struct json *j = is_gemini(e) ? json_open(a, message) : NULL;
	struct live_handle h = { .odd = false };
	struct json_event ev;
	size_t inside = 0; /* depth in the path; members beside the path are skipped */

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return h;
	for (enum json_tok t; (t = json_next(j, &ev)) != JSON_END;) {
		if (t == JSON_ERROR)
			return (struct live_handle){ .odd = false };
		if (t == JSON_OBJECT_END)
			inside -= inside > 0;
		if (t != JSON_KEY)
			continue;
		struct span key = json_text(a, message, &ev);
		bool on = span_is(key, path[inside][0]) || span_is(key, path[inside][1]);
		bool last = inside + 1 == HANDLE_DEEP || !path[inside + 1][0];
		t = json_next(j, &ev);
		if (on && last)
			handle_found(&h, message, a, &ev);
		if (on && !last && t == JSON_OBJECT)
			inside++;
		else
			json_skip(j, &ev);
	}
	return h;
}

/* ---- transcripts ---- */

bool
live_is_heard(struct span message)
{
	static const char *const keys[] = { "transcript", "inputTranscription",
		"input_transcription", "outputTranscription", "output_transcription" };
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct json_event ev;
	bool type = false;

	if (!message.n || (!memmem(message.p, message.n, "ranscript", 9) &&
				  !memchr(message.p, '\\', message.n)))
		return false;
	struct json *j = json_open(&a, message);
	for (enum json_tok t; j && (t = json_next(j, &ev)) != JSON_END;
		type = t == JSON_KEY && type) {
		if (t == JSON_ERROR)
			return false;
		if (t != JSON_KEY && !(t == JSON_STRING && type))
			continue;
		struct span text = json_text(&a, message, &ev);
		if (t == JSON_KEY ? SPAN_IN(text, keys)
				  : text.n && memmem(text.p, text.n, "transcript", 10))
			return true;
		type = ev.depth == 1 && span_is(text, "type");
	}
	return false;
}
