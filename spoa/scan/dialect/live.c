/* OpenAI's events have a type, Gemini's are called by their one member.
 * https://platform.openai.com/docs/api-reference/realtime-client-events
 * https://ai.google.dev/api/live */
#include "scan/dialect/live.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/scoped.h"

enum { WORD_MAX = 128, KEYS_MAX = 12 };

enum { ASKS = 1, BEGINS = 2, ENDS = 4, MORE = 8, ASIDE = 16, ERROR = 32 };

struct live_row {
	const char *name; /* of the event */
	enum live_is is;
	unsigned flags;
	const char *keys[KEYS_MAX]; /* LIVE_SIGNAL, LIVE_MEDIA: all that it may have, at any
				       depth */
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
	/* what was said, written down */
	{ "conversation.item.input_audio_transcription.completed", LIVE_TEXT, BEGINS|ENDS|ASIDE, { NULL } },
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
	{ "clientContent",  LIVE_TEXT, ASKS, { NULL } },
	{ "client_content", LIVE_TEXT, ASKS, { NULL } },
	{ "toolResponse",   LIVE_TEXT, ASKS, { NULL } },
	{ "tool_response",  LIVE_TEXT, ASKS, { NULL } },
	{ 0 },
};
/* An event may have several members: each says what it is. */
static const struct live_row gemini_provider[] = {
	{ "serverContent", LIVE_TEXT, BEGINS, { NULL } },
	{ "toolCall",      LIVE_TEXT, BEGINS, { NULL } },
	{ "turnComplete",  LIVE_TEXT, ENDS|MORE, { NULL } }, /* of serverContent */
	{ "interrupted",   LIVE_TEXT, ENDS|MORE, { NULL } },
	{ "usageMetadata", LIVE_TEXT, ENDS, { NULL } },
	{ "setupComplete", LIVE_SIGNAL, 0, { "setupComplete", "sessionId" } },
	{ 0 },
};

/* Where handles are, in both spellings. */
enum { HANDLE_DEEP = 3 };
static const char *const handle_client[HANDLE_DEEP][2] = { { "setup", "setup" },
	{ "sessionResumption", "session_resumption" }, { "handle", "handle" } };
static const char *const handle_provider[HANDLE_DEEP][2] = {
	{ "sessionResumptionUpdate", "session_resumption_update" }, { "newHandle", "new_handle" } };

/* Members that hold base64. */
static const char *const media[] = { "audio", "delta", "data", "video" };
/* clang-format on */

bool
live_endpoint(const struct endpoint *e)
{
	static const char *const names[] = { "realtime", "live", "responses" };

	return e->name && SPAN_IN(span_str(e->name), names);
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

static const struct live_row *
live_row_of(const struct live_row *rows, struct span name)
{
	for (; rows->name; rows++)
		if (span_is(name, rows->name))
			return rows;
	return NULL;
}

static bool
all_of(struct span s, bool (*is)(char c))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i]))
			return false;
	return true;
}

static bool
is_word_char(char c)
{
	return is_alnum(c) || strchr("_-./;=+", c);
}

/* Of both alphabets (RFC 4648 4 and 5). */
static bool
is_base64_char(char c)
{
	return is_alnum(c) || c == '+' || c == '/' || c == '-' || c == '_' || c == '=';
}

static bool
live_row_has(const struct live_row *row, struct span key)
{
	for (size_t i = 0; i < KEYS_MAX && row->keys[i]; i++)
		if (span_is(key, row->keys[i]))
			return true;
	return false;
}

/* All that is in it are keys of the row, words, numbers, and base64 where media are. */
static bool
holds_no_text(const struct live_row *row, struct span message, struct arena *a, uint64_t *bytes)
{
	struct json *j = json_open(a, message);
	struct json_event ev;
	struct span key = { NULL, 0 };

	for (enum json_tok t; j && (t = json_next(j, &ev)) != JSON_END;) {
		struct span text = span_cut(message, ev.start, ev.end);
		if (t == JSON_ERROR || ((t == JSON_KEY || t == JSON_STRING) && ev.escaped))
			return false;
		if (t == JSON_KEY) {
			key = text;
			if (!live_row_has(row, key))
				return false;
		} else if (t == JSON_STRING && row->is == LIVE_MEDIA && SPAN_IN(key, media)) {
			if (!all_of(text, is_base64_char))
				return false;
			*bytes += text.n;
		} else if (t == JSON_STRING &&
			   (text.n > WORD_MAX || !all_of(text, is_word_char))) {
			return false;
		}
	}
	return j != NULL;
}

/* The id of the object that was just begun; it is read to its end. */
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

/* The row that an event's type names; NULL: none. */
static const struct live_row *
typed(const struct live_row *rows, struct span message, struct arena *a, struct span *id)
{
	const struct live_row *row = NULL;
	struct json *j = json_open(a, message);
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
		if (span_is(m.key, "response") && ev.tok == JSON_OBJECT)
			err = response_id(j, message, a, id);
		else if (json_skip(j, &ev) == JSON_ERROR)
			return NULL;
		if (err)
			return NULL;
	}
	return err ? NULL : row;
}

/* Of an event that is called by its members, and those of serverContent. */
static unsigned
named(const struct live_row *rows, struct span message, struct arena *a,
	const struct live_row **only)
{
	struct json *j = json_open(a, message);
	struct json_event ev;
	unsigned flags = 0, n = 0;
	bool inside = false;

	*only = NULL;
	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return 0;
	for (enum json_tok t; (t = json_next(j, &ev)) != JSON_END;) {
		if (t == JSON_ERROR) {
			*only = NULL;
			return 0;
		}
		if (t == JSON_OBJECT_END)
			inside = false;
		if (t != JSON_KEY)
			continue;
		struct span key = json_text(a, message, &ev);
		const struct live_row *row = live_row_of(rows, key);
		if (row)
			flags |= row->flags;
		if (!inside)
			*only = n++ ? NULL : row;
		inside |= span_is(key, "serverContent");
		if (inside && span_is(key, "serverContent")) {
			if (json_next(j, &ev) != JSON_OBJECT)
				inside = false;
		} else if (json_next(j, &ev) == JSON_ERROR || json_skip(j, &ev) == JSON_ERROR) {
			*only = NULL;
			return 0;
		}
	}
	return flags;
}

static struct live_event
live_read(bool gemini, const struct live_row *rows, struct span message, struct arena *a)
{
	struct live_event e = { .is = LIVE_TEXT };
	const struct live_row *row;
	unsigned flags;

	if (gemini) {
		flags = named(rows, message, a, &row);
	} else {
		row = typed(rows, message, a, &e.response);
		flags = row ? row->flags : 0;
	}
	e.asks = flags & ASKS;
	e.begins = flags & BEGINS;
	e.aside = flags & ASIDE;
	e.ends = flags & ENDS;
	e.error = flags & ERROR;
	/* what was used came, or comes later */
	e.more = gemini && (flags & MORE) && !memmem(message.p, message.n, "usageMetadata", 13);
	if (row && row->is != LIVE_TEXT && holds_no_text(row, message, a, &e.media_bytes))
		e.is = row->is == LIVE_MEDIA && !e.media_bytes ? LIVE_SIGNAL : row->is;
	return e;
}

/* Of clientContent: more of it comes before an answer is made. */
static bool
content_goes_on(struct span message, struct arena *a)
{
	static const char *const contents[] = { "clientContent", "client_content" },
				 *const ends[] = { "turnComplete", "turn_complete" };
	struct json *j = json_open(a, message);
	struct json_event ev;
	bool content = false, over = false;

	for (enum json_tok t; j && (t = json_next(j, &ev)) != JSON_END;) {
		if (t == JSON_ERROR)
			return false;
		if (t != JSON_KEY)
			continue;
		struct span key = json_text(a, message, &ev);
		if (ev.depth == 1 && !SPAN_IN(key, contents))
			return false;
		content |= ev.depth == 1;
		if (ev.depth == 2 && SPAN_IN(key, ends)) {
			t = json_next(j, &ev);
			over |= t != JSON_FALSE && t != JSON_NULL;
		}
	}
	return content && !over;
}

struct live_event
live_client(const struct endpoint *e, struct span message, struct arena *a)
{
	struct live_event got = live_read(
		is_gemini(e), is_gemini(e) ? gemini_client : openai_client, message, a);

	got.asks = got.asks && !(is_gemini(e) && content_goes_on(message, a));
	return got;
}

struct live_event
live_provider(const struct endpoint *e, struct span message, struct arena *a)
{
	return live_read(
		is_gemini(e), is_gemini(e) ? gemini_provider : openai_provider, message, a);
}

static void
handle_found(struct live_handle *h, struct span message, struct arena *a,
	const struct json_event *ev)
{
	struct span text = { NULL, 0 };

	if (ev->tok == JSON_STRING)
		text = json_text(a, message, ev);
	if (ev->tok == JSON_NULL || (ev->tok == JSON_STRING && text.n == 0 && text.p))
		return; /* as if it were not there */
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
	size_t inside = 0; /* of the path; what is not on it is skipped */

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

bool
live_is_heard(struct span message)
{
	static const char *const keys[] = { "transcript", "inputTranscription",
		"input_transcription", "outputTranscription", "output_transcription" };
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct json_event ev;
	bool type = false;

	if (!message.n || (!memmem(message.p, message.n, "ranscript", 9) &&
				  !memmem(message.p, message.n, "\\u", 2)))
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
