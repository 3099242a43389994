/* Realtime sessions over WebSockets: OpenAI's Realtime and Responses, Gemini's Live. /_seen has
 * each received message as a request of the method MESSAGE. The reply is the client's last
 * text; "call:NAME ARGS" calls that tool; "say:[…]" makes Live send these messages. Audio is
 * answered with its length once it is committed. A turn uses as many tokens as it has words.
 * "close:CODE" closes, "drop" ends the connection, "frame:HEX" sends these bytes, "silence"
 * gets no reply. "later TEXT" starts a reply that continues after the next one has ended. A
 * session that only transcribes (session.update) answers each commit with one event. A Gemini
 * setup that requests handles to resume by gets one, and one after each turn; "handle:N": a
 * handle of N bytes. */
#include "socket.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/codec/ws.h"

enum { LATER_MAX = 16 };

struct mock_socket {
	struct ws_reader reader;
	enum { REALTIME, RESPONSES, LIVE } kind;
	char path[256];
	uint64_t serial, connection, turns, audio_bytes;
	char *text; /* the client's last text */
	bool gone, resumable, writes_down;
	/* OpenAI: turn_detection is null, or does not request responses; transcripts are on */
	bool manual, only_ends, transcribes;
	struct buf sound; /* decoded bytes since the last commit */
	uint64_t items;
	struct later {
		char id[64], *text, *rest;
	} later[LATER_MAX];
	size_t nlater;
};

static struct span
member_text(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return span_str(s ? s : "");
}

static void
say_message(struct mock_socket *s, struct buf *out, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);

	ws_put(out, s->kind == LIVE ? WS_BINARY : WS_TEXT, true, span_str(text), NULL);
	free(text);
	json_decref(doc);
}

static void
keep_text(struct mock_socket *s, struct span text)
{
	free(s->text);
	s->text = strndup(text.p ? text.p : "", text.n);
}

/* Keeps all texts below: of content, of parts. */
static void
keep_texts(struct mock_socket *s, json_t *v)
{
	const char *k;
	json_t *e;
	size_t i;

	if (json_is_object(v)) {
		if (json_is_string(json_object_get(v, "text")))
			keep_text(s, member_text(v, "text"));
		json_object_foreach(v, k, e) keep_texts(s, e);
	}
	json_array_foreach(v, i, e) keep_texts(s, e);
}

/* close:CODE, frame:HEX, drop: no other reply follows. */
static bool
ends_so(struct mock_socket *s, struct buf *out)
{
	if (!strncmp(s->text, "close:", 6)) {
		ws_put_close(out, (enum ws_code)atoi(s->text + 6), SPAN_LIT("as asked"), NULL);
		return true;
	}
	if (!strncmp(s->text, "frame:", 6)) {
		unsigned byte;
		for (const char *at = s->text + 6; sscanf(at, "%2x", &byte) == 1; at += 2)
			buf_putc(out, (char)byte);
		return true;
	}
	s->gone = !strcmp(s->text, "drop");
	return s->gone;
}

/* ---- OpenAI ---- */

static void
realtime_call(struct mock_socket *s, struct buf *out, const char *id, struct span name,
	struct span args)
{
	json_t *item = json_pack("{s:s,s:s,s:s,s:s,s:s%,s:s%}", "id", id, "type",
		"function_call", "status", "completed", "call_id", "call_1", "name", name.p,
		name.n, "arguments", args.p, args.n);

	say_message(s, out,
		json_pack("{s:s,s:s,s:i,s:O}", "type", "response.output_item.added",
			"response_id", id, "output_index", 0, "item", item));
	say_message(s, out,
		json_pack("{s:s,s:s,s:s,s:i,s:s%}", "type",
			"response.function_call_arguments.delta", "response_id", id, "item_id",
			id, "output_index", 0, "delta", args.p, args.n));
	say_message(s, out,
		json_pack("{s:s,s:s,s:s,s:i,s:s%}", "type",
			"response.function_call_arguments.done", "response_id", id, "item_id",
			id, "output_index", 0, "arguments", args.p, args.n));
	say_message(s, out,
		json_pack("{s:s,s:s,s:i,s:o}", "type", "response.output_item.done",
			"response_id", id, "output_index", 0, "item", item));
}

static void
realtime_piece(struct mock_socket *s, struct buf *out, const char *id, const char *kind,
	struct span piece)
{
	char type[64];

	snprintf(type, sizeof type, "response.%s.delta", kind);
	say_message(s, out,
		json_pack("{s:s,s:s,s:s,s:i,s:i,s:s%}", "type", type, "response_id", id,
			"item_id", id, "output_index", 0, "content_index", 0, "delta", piece.p,
			piece.n));
}

static void
realtime_words(struct mock_socket *s, struct buf *out, const char *id, const char *kind,
	const char *text, struct span rest)
{
	struct span piece;
	char type[64];

	mock_pieces = 0;
	while ((piece = mock_next_piece(&rest)).n)
		realtime_piece(s, out, id, kind, piece);
	snprintf(type, sizeof type, "response.%s.done", kind);
	say_message(s, out,
		json_pack("{s:s,s:s,s:s,s:i,s:i,s:s}", "type", type, "response_id", id,
			"item_id", id, "output_index", 0, "content_index", 0,
			strcmp(kind, "output_text") ? "transcript" : "text", text));
}

static void
openai_done(struct mock_socket *s, struct buf *out, const char *id, int64_t words)
{
	bool realtime = s->kind == REALTIME;

	say_message(s, out,
		json_pack("{s:s,s:{s:s,s:s,s:s,s:[],s:{s:I,s:I,s:I,s:{s:i,s:i},s:{s:i,s:i}}}}",
			"type", realtime ? "response.done" : "response.completed", "response",
			"object", realtime ? "realtime.response" : "response", "id", id,
			"status", "completed", "output", "usage", "total_tokens", 2 * words,
			"input_tokens", words, "output_tokens", words, "input_token_details",
			"text_tokens", 0, "audio_tokens", 0, "output_token_details",
			"text_tokens", 0, "audio_tokens", 0));
}

/* The rest of the earlier replies, the oldest first. */
static void
openai_later(struct mock_socket *s, struct buf *out)
{
	for (size_t i = 0; i < s->nlater; i++) {
		struct later *l = &s->later[i];
		realtime_words(s, out, l->id, "output_text", l->text, span_str(l->rest));
		openai_done(s, out, l->id, mock_words(span_str(l->text)));
		free(l->text);
	}
	s->nlater = 0;
}

static void
openai_turn(struct mock_socket *s, struct buf *out, bool audio)
{
	bool realtime = s->kind == REALTIME;
	int64_t words = mock_words(span_str(s->text));
	char id[64];

	if (!strcmp(s->text, "silence") || ends_so(s, out))
		return;
	snprintf(id, sizeof id, "resp_%llu", (unsigned long long)++s->turns);
	say_message(s, out,
		json_pack("{s:s,s:{s:s,s:s,s:s,s:[]}}", "type", "response.created", "response",
			"object", realtime ? "realtime.response" : "response", "id", id,
			"status", "in_progress", "output"));
	if (!strncmp(s->text, "later ", 6) && s->nlater < LATER_MAX) {
		struct later *l = &s->later[s->nlater++];
		snprintf(l->id, sizeof l->id, "%s", id);
		l->text = strdup(s->text + 6);
		struct span rest = span_str(l->text), first = mock_next_piece(&rest);
		l->rest = l->text + first.n;
		realtime_piece(s, out, id, "output_text", first);
		return;
	}
	if (!strncmp(s->text, "call:", 5)) {
		struct span rest = span_str(s->text + 5), name = span_next(&rest, ' ');
		realtime_call(s, out, id, name, rest);
	} else {
		if (audio)
			say_message(s, out,
				json_pack("{s:s,s:s,s:s,s:i,s:i,s:s}", "type",
					"response.output_audio.delta", "response_id", id,
					"item_id", id, "output_index", 0, "content_index", 0,
					"delta", "AAECAwQFBgcICQ=="));
		realtime_words(s, out, id, audio ? "output_audio_transcript" : "output_text",
			s->text, span_str(s->text));
	}
	openai_done(s, out, id, words);
	openai_later(s, out);
}

/* session.audio.input of today's API. */
static void
openai_setup(struct mock_socket *s, json_t *session)
{
	json_t *in = json_object_get(json_object_get(session, "audio"), "input"),
	       *turns = json_object_get(in, "turn_detection");

	if (json_is_object(json_object_get(in, "transcription")))
		s->transcribes = true;
	if (turns) {
		s->manual = json_is_null(turns);
		s->only_ends = json_is_false(json_object_get(turns, "create_response"));
	}
}

/* Sound of the tests is text. "…." ends a turn if the provider detects turns; "mute" gets no
 * transcript, and "noise" a failed one. */
static void
openai_committed(struct mock_socket *s, struct buf *out)
{
	struct span text = buf_view(&s->sound);
	bool fails = span_is(text, "noise");
	char item[32];

	snprintf(item, sizeof item, "item_%llu", (unsigned long long)++s->items);
	say_message(s, out,
		json_pack("{s:s,s:s}", "type", "input_audio_buffer.committed", "item_id", item));
	if (s->transcribes && !span_is(text, "mute"))
		say_message(s, out,
			json_pack("{s:s,s:s,s:i,s:s%}", "type",
				fails ? "conversation.item.input_audio_transcription.failed"
				      : "conversation.item.input_audio_transcription.completed",
				"item_id", item, "content_index", 0, "transcript",
				text.p ? text.p : "", text.n));
	keep_text(s, text);
	buf_clear(&s->sound);
}

static void
openai_sound(struct mock_socket *s, struct span text, struct buf *out)
{
	char *to = buf_reserve(&s->sound, text.n);
	size_t n = 0;

	if (to && !sodium_base642bin((unsigned char *)to, text.n, text.p, text.n, NULL, &n, NULL,
			  sodium_base64_VARIANT_ORIGINAL))
		buf_commit(&s->sound, n);
	if (!s->manual && span_ends(buf_view(&s->sound), SPAN_LIT("....")))
		openai_committed(s, out);
}

static void
openai_message(struct mock_socket *s, json_t *m, struct buf *out)
{
	struct span type = member_text(m, "type");

	if (span_is(type, "session.update")) {
		openai_setup(s, json_object_get(m, "session"));
		s->writes_down = span_is(
			member_text(json_object_get(m, "session"), "type"), "transcription");
		say_message(s, out,
			json_pack("{s:s,s:O}", "type", "session.updated", "session",
				json_object_get(m, "session")));
	} else if (span_is(type, "conversation.item.create")) {
		keep_texts(s, json_object_get(m, "item"));
		say_message(s, out,
			json_pack("{s:s,s:O}", "type", "conversation.item.created", "item",
				json_object_get(m, "item")));
	} else if (span_is(type, "input_audio_buffer.append")) {
		s->audio_bytes += member_text(m, "audio").n;
		if (s->manual || s->only_ends)
			openai_sound(s, member_text(m, "audio"), out);
	} else if ((s->manual || s->only_ends) && !s->sound.n &&
		   span_is(type, "input_audio_buffer.commit")) {
		say_message(s, out,
			json_pack("{s:s,s:{s:s,s:s,s:s}}", "type", "error", "error", "type",
				"invalid_request_error", "code",
				"input_audio_buffer_commit_empty", "message", "no sound"));
	} else if ((s->manual || s->only_ends) && span_is(type, "input_audio_buffer.commit")) {
		openai_committed(s, out);
	} else if (span_is(type, "input_audio_buffer.commit")) {
		char said[64]; /* prose: ok said */
		snprintf(said, sizeof said, "you said %llu bytes",
			(unsigned long long)s->audio_bytes);
		keep_text(s, span_str(said));
		say_message(s, out,
			json_pack("{s:s,s:s}", "type", "input_audio_buffer.committed",
				"item_id", "item_1"));
		if (s->writes_down)
			say_message(s, out,
				json_pack("{s:s,s:s,s:i,s:s}", "type",
					"conversation.item.input_audio_transcription.completed",
					"item_id", "item_1", "content_index", 0, "transcript",
					said));
		else
			openai_turn(s, out, true);
	} else if (span_is(type, "response.create")) {
		keep_texts(s, json_object_get(m, "input"));
		if (json_is_string(json_object_get(m, "input")))
			keep_text(s, member_text(m, "input"));
		openai_turn(s, out, false);
	}
}

/* ---- Gemini ---- */

static void
live_turn(struct mock_socket *s, struct buf *out)
{
	struct span rest = span_str(s->text), piece;
	int64_t words = mock_words(rest);

	if (!strcmp(s->text, "silence") || ends_so(s, out))
		return;
	if (!strncmp(s->text, "say:", 4)) {
		json_t *all = json_loads(s->text + 4, 0, NULL);
		for (size_t i = 0; i < json_array_size(all); i++)
			say_message(s, out, json_incref(json_array_get(all, i)));
		json_decref(all);
		return;
	}
	if (!strncmp(s->text, "call:", 5)) {
		rest = span_cut(rest, 5, rest.n);
		struct span name = span_next(&rest, ' ');
		say_message(s, out,
			json_pack("{s:{s:[{s:s,s:s%,s:o}]}}", "toolCall", "functionCalls", "id",
				"call_1", "name", name.p, name.n, "args",
				json_loadb(rest.p, rest.n, 0, NULL)));
	}
	mock_pieces = 0;
	while (rest.p != NULL && strncmp(s->text, "call:", 5) &&
		(piece = mock_next_piece(&rest)).n)
		say_message(s, out,
			json_pack("{s:{s:{s:s,s:[{s:s%}]}}}", "serverContent", "modelTurn",
				"role", "model", "parts", "text", piece.p, piece.n));
	say_message(s, out,
		json_pack("{s:{s:b},s:{s:I,s:I,s:I}}", "serverContent", "turnComplete", 1,
			"usageMetadata", "promptTokenCount", words, "responseTokenCount", words,
			"totalTokenCount", 2 * words));
}

/* As Gemini's: base64 with its padding. */
static void
live_handle_given(struct mock_socket *s, struct buf *out)
{
	char handle[2048];

	if (!strncmp(s->text, "handle:", 7)) {
		int n = atoi(s->text + 7);
		snprintf(handle, sizeof handle, "%0*d", n, 7);
	} else {
		snprintf(handle, sizeof handle,
			"Cih+/%llu_%llu==", (unsigned long long)s->connection,
			(unsigned long long)++s->turns);
	}
	say_message(s, out,
		json_pack("{s:{s:s,s:b}}", "sessionResumptionUpdate", "newHandle", handle,
			"resumable", 1));
}

static void
live_message(struct mock_socket *s, json_t *m, struct buf *out)
{
	json_t *content = json_object_get(m, "clientContent"),
	       *input = json_object_get(m, "realtimeInput"),
	       *setup = json_object_get(m, "setup");

	if (setup) {
		say_message(s, out, json_pack("{s:{}}", "setupComplete"));
		s->resumable = json_is_object(json_object_get(setup, "sessionResumption"));
	}
	if (content) {
		keep_texts(s, content);
		if (json_is_true(json_object_get(content, "turnComplete")))
			live_turn(s, out);
	}
	if (json_is_string(json_object_get(input, "text"))) {
		keep_text(s, member_text(input, "text"));
		live_turn(s, out);
	}
	if (s->resumable && (setup || content))
		live_handle_given(s, out);
	s->audio_bytes += member_text(json_object_get(input, "audio"), "data").n;
	if (json_is_true(json_object_get(input, "audioStreamEnd"))) {
		keep_text(s, SPAN_LIT("you were heard"));
		live_turn(s, out);
	}
	if (json_is_object(json_object_get(input, "activityEnd"))) {
		keep_text(s, SPAN_LIT("you have spoken"));
		live_turn(s, out);
	}
}

/* ---- the connection ---- */

bool
mock_socket_asked(const struct mock_request *r)
{
	return mock_field(r, "upgrade") && mock_field(r, "sec-websocket-key") &&
	       !mock_control.status && !mock_control.wire.n &&
	       (span_ends(r->path, SPAN_LIT("/realtime")) ||
		       span_ends(r->path, SPAN_LIT("/responses")) ||
		       span_ends(r->path, SPAN_LIT("BidiGenerateContent")));
}

struct mock_socket *
mock_socket_new(
	const struct mock_request *r, uint64_t serial, uint64_t connection, struct buf *out)
{
	struct mock_socket *s = calloc(1, sizeof *s);
	char accept[WS_ACCEPT_BYTES];

	if (!s)
		abort();
	ws_accept(mock_field(r, "sec-websocket-key")->value, accept);
	ws_reader_init(&s->reader, true, MOCK_BODY_MAX);
	s->kind = span_ends(r->path, SPAN_LIT("/realtime"))    ? REALTIME
		  : span_ends(r->path, SPAN_LIT("/responses")) ? RESPONSES
							       : LIVE;
	snprintf(s->path, sizeof s->path, "%.*s", SPAN_ARG(r->path));
	s->serial = serial;
	s->connection = connection;
	s->text = strdup("");
	buf_printf(out,
		"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: "
		"upgrade\r\n"
		"sec-websocket-accept: %s\r\n\r\n",
		accept);
	if (s->kind == REALTIME)
		say_message(s, out,
			json_pack("{s:s,s:{s:s,s:s,s:s}}", "type", "session.created", "session",
				"type", "realtime", "object", "realtime.session", "id",
				"sess_1"));
	return s;
}

void
mock_socket_free(struct mock_socket *s)
{
	if (!s)
		return;
	ws_reader_free(&s->reader);
	while (s->nlater)
		free(s->later[--s->nlater].text);
	free(s->text);
	buf_free(&s->sound);
	free(s);
}

static void
take_message(struct mock_socket *s, struct span text, struct buf *out)
{
	struct mock_request seen = { .method = SPAN_LIT("MESSAGE"),
		.target = span_str(s->path),
		.path = span_str(s->path),
		.body = text };
	json_t *m = json_loadb(text.p, text.n, 0, NULL);

	mock_seen_add(&seen, 0, s->connection);
	if (s->kind == LIVE)
		live_message(s, m, out);
	else
		openai_message(s, m, out);
	json_decref(m);
}

bool
mock_socket_feed(struct mock_socket *s, struct span in, struct buf *out)
{
	struct ws_message m;

	while (in.n && !s->gone) {
		ssize_t n = ws_next(&s->reader, in, &m);
		if (n < 0) {
			ws_put_close(out, s->reader.wrong, SPAN_LIT(""), NULL);
			return false;
		}
		in = span_cut(in, (size_t)n, in.n);
		if (m.op == WS_PING)
			ws_put(out, WS_PONG, true, m.payload, NULL);
		if (m.op == WS_CLOSE) {
			ws_put_close(out, m.code, SPAN_LIT(""), NULL);
			return false;
		}
		if (m.op == WS_TEXT || m.op == WS_BINARY)
			take_message(s, m.payload, out);
	}
	return !s->gone;
}
