/* Sound in realtime sessions. OpenAI's client sends input_audio_buffer.append and commit, and
 * its beta has other members of a session than today's API. Gemini's client sends realtimeInput
 * with sound between activityStart and activityEnd. */
#include "scan/dialect/live_voice.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/json.h"
#include "scan/media/sound.h"

/* ---- values at paths ---- */

/* A value of a message. `text`: of a string. tok JSON_END: there is none. */
struct live_value {
	enum json_tok tok;
	size_t start, end; /* offsets; of a string, between the quotes */
	struct span text;
};

/* Returns the value at a path of members. tok JSON_ERROR: the message is no JSON up to there. */
static struct live_value
value_at(struct span message, const char *path, struct arena *a)
{
	struct span rest = span_str(path), name = span_next(&rest, '.');
	struct live_value none = { .tok = JSON_END }, wrong = { .tok = JSON_ERROR };
	struct json *j = json_open(a, message);
	struct json_member m;
	struct json_event ev;
	int err = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return wrong;
	while (json_member(j, a, message, &m, &ev, &err)) {
		if (!span_eq(m.key, name)) {
			json_skip(j, &ev);
			continue;
		}
		if (rest.n && ev.tok != JSON_OBJECT)
			return none;
		if (rest.n) {
			name = span_next(&rest, '.');
			continue;
		}
		struct live_value v = { .tok = ev.tok, .start = ev.start, .text = SPAN_LIT("") };
		if (ev.tok == JSON_STRING)
			v.text = json_text(a, message, &ev);
		if (json_skip(j, &ev) == JSON_ERROR)
			return wrong;
		v.end = ev.end;
		return v;
	}
	return err ? wrong : none;
}

static bool
is_gemini_live(const struct endpoint *e)
{
	return !strcmp(e->name, "live");
}

/* ---- OpenAI's client ---- */

/* The paths of a session, today's and the beta's. */
static const char *const detections[] = { "session.audio.input.turn_detection",
	"session.turn_detection" };
static const char *const transcriptions[] = { "session.audio.input.transcription",
	"session.input_audio_transcription" };

static enum voice_detection
openai_detection(struct span message, struct arena *a)
{
	enum voice_detection is = VOICE_UNSET;

	for (size_t i = 0; i < COUNT_OF(detections); i++) {
		struct live_value v = value_at(message, detections[i], a);
		if (v.tok == JSON_NULL)
			is = is ? is : VOICE_MANUAL;
		if (v.tok != JSON_OBJECT)
			continue;
		struct span inner = span_cut(message, v.start, v.end);
		bool asks = value_at(inner, "create_response", a).tok != JSON_FALSE;
		is = asks || is == VOICE_PROVIDER ? VOICE_PROVIDER : VOICE_ONLY_ENDS;
	}
	return is;
}

static struct voice_format
openai_format(struct span message, struct arena *a)
{
	static const struct {
		const char *name;
		struct voice_format f;
	} formats[] = { { "audio/pcm", { VOICE_PCM16, 24000 } },
		{ "audio/pcmu", { VOICE_MULAW, 8000 } }, { "audio/pcma", { VOICE_ALAW, 8000 } },
		{ "pcm16", { VOICE_PCM16, 24000 } }, { "g711_ulaw", { VOICE_MULAW, 8000 } },
		{ "g711_alaw", { VOICE_ALAW, 8000 } } };
	struct live_value v = value_at(message, "session.audio.input.format.type", a);

	if (v.tok != JSON_STRING)
		v = value_at(message, "session.input_audio_format", a);
	for (size_t i = 0; i < COUNT_OF(formats) && v.tok == JSON_STRING; i++)
		if (span_is(v.text, formats[i].name))
			return formats[i].f;
	return (struct voice_format){ VOICE_PCM16, 0 };
}

static struct voice_client
openai_client_read(struct span message, bool plain, struct arena *a)
{
	struct voice_client c = { .odd = false };
	struct live_value type = value_at(message, "type", a), audio;

	if (type.tok != JSON_STRING)
		return c;
	c.setup = span_is(type.text, "session.update") ||
		  span_is(type.text, "transcription_session.update");
	if (c.setup) {
		c.detection = openai_detection(message, a);
		c.format = openai_format(message, a);
	}
	if (!span_starts(type.text, SPAN_LIT("input_audio_buffer.")))
		return c;
	c.ends = span_is(type.text, "input_audio_buffer.commit");
	c.drops = span_is(type.text, "input_audio_buffer.clear");
	audio = span_is(type.text, "input_audio_buffer.append")
			? value_at(message, "audio", a)
			: (struct live_value){ .tok = JSON_END };
	if (audio.tok == JSON_STRING)
		c.piece[c.npieces++] = audio.text;
	c.odd = !plain || (!c.ends && !c.drops && audio.tok != JSON_STRING);
	return c;
}

/* ---- Gemini's client ---- */

static struct voice_format
gemini_format(struct span type)
{
	struct voice_format f = { VOICE_PCM16, 16000 };
	struct span kind = span_next(&type, ';');

	if (!span_is(kind, "audio/pcm"))
		return (struct voice_format){ VOICE_PCM16, 0 };
	while (type.n) {
		struct span param = span_trim(span_next(&type, ';'), " ");
		uint64_t rate;
		if (!span_starts(param, SPAN_LIT("rate=")))
			continue;
		bool is = !span_u64(span_cut(param, 5, param.n), &rate) && rate >= 8000 && rate <= 48000;
		f.rate = is ? (unsigned)rate : 0;
	}
	return f;
}

/* One object {"data": base64, "mimeType": type}. Pictures are no sound. */
static void
gemini_piece(struct voice_client *c, struct span object, struct arena *a)
{
	struct live_value data = value_at(object, "data", a),
			  type = value_at(object, "mimeType", a);

	if (type.tok != JSON_STRING)
		type = value_at(object, "mime_type", a);
	if (data.tok != JSON_STRING || !span_starts(type.text, SPAN_LIT("audio/")))
		return;
	struct voice_format f = gemini_format(type.text);
	c->odd |= !f.rate || c->npieces == VOICE_PIECES || (c->npieces && f.rate != c->format.rate);
	if (c->odd)
		return;
	c->format = f;
	c->piece[c->npieces++] = data.text;
}

static void
gemini_chunks(struct voice_client *c, struct span list, struct arena *a)
{
	struct json *j = json_open(a, list);
	struct json_event ev;

	if (!j || json_next(j, &ev) != JSON_ARRAY)
		return;
	while (json_next(j, &ev) == JSON_OBJECT) {
		size_t start = ev.start;
		if (json_skip(j, &ev) == JSON_ERROR)
			return;
		gemini_piece(c, span_cut(list, start, ev.end), a);
	}
}

static bool
is_set_value(const struct live_value *v)
{
	return v->tok != JSON_END && v->tok != JSON_ERROR && v->tok != JSON_NULL;
}

/* Returns who detects turns, as one spelling of the setup states it. */
static enum voice_detection
gemini_detection(struct span setup, const char *path, struct arena *a)
{
	struct live_value v = value_at(setup, path, a);

	return v.tok == JSON_TRUE ? VOICE_MANUAL : is_set_value(&v) ? VOICE_PROVIDER : VOICE_UNSET;
}

static struct voice_client
gemini_client_read(struct span message, bool plain, struct arena *a)
{
	static const char *const inputs[] = { "realtimeInput", "realtime_input" },
		*const chunks[] = { "mediaChunks", "media_chunks" },
		*const begins[] = { "activityStart", "activity_start" },
		*const ends[] = { "activityEnd", "activity_end" };
	struct voice_client c = { .odd = false };
	struct live_value v = value_at(message, "setup", a);

	if (is_set_value(&v)) {
		c.setup = true;
		c.detection = gemini_detection(message,
			"setup.realtimeInputConfig.automaticActivityDetection.disabled", a);
		enum voice_detection other = gemini_detection(message,
			"setup.realtime_input_config.automatic_activity_detection.disabled", a);
		c.detection = !c.detection ? other : other ? VOICE_PROVIDER : c.detection;
		c.detection = c.detection ? c.detection : VOICE_PROVIDER;
	}
	for (size_t i = 0; i < COUNT_OF(inputs); i++) {
		v = value_at(message, inputs[i], a);
		if (v.tok != JSON_OBJECT)
			continue;
		struct span in = span_cut(message, v.start, v.end);
		size_t before = c.npieces;
		v = value_at(in, "audio", a);
		if (v.tok == JSON_OBJECT)
			gemini_piece(&c, span_cut(in, v.start, v.end), a);
		for (size_t k = 0; k < COUNT_OF(chunks); k++) {
			v = value_at(in, chunks[k], a);
			if (v.tok == JSON_ARRAY)
				gemini_chunks(&c, span_cut(in, v.start, v.end), a);
			v = value_at(in, begins[k], a);
			c.begins |= is_set_value(&v);
			v = value_at(in, ends[k], a);
			c.ends |= is_set_value(&v);
		}
		v = value_at(in, "video", a);
		bool sounds = c.npieces > before || c.odd;
		/* one message does one thing, so that its parts can be sent at different times */
		c.odd |= sounds && (!plain || is_set_value(&v) || c.begins || c.ends);
		c.odd |= (c.begins || c.ends) && (!plain || (c.begins && c.ends));
	}
	return c;
}

struct voice_client
voice_client_read(const struct endpoint *e, struct span message, bool plain, struct arena *a)
{
	return is_gemini_live(e) ? gemini_client_read(message, plain, a)
				 : openai_client_read(message, plain, a);
}

/* ---- OpenAI's provider ---- */

struct voice_provider
voice_provider_read(struct span message, struct arena *a)
{
#define WRITTEN "conversation.item.input_audio_transcription."
	struct voice_provider p = { .is = VOICE_OTHER };
	struct span type = value_at(message, "type", a).text;

	if (span_is(type, "session.created") || span_is(type, "transcription_session.created")) {
		struct live_value v = value_at(message, "session.turn_detection", a);
		p.is = VOICE_CREATED;
		p.beta = is_set_value(&v) ||
			 value_at(message, "session.input_audio_format", a).tok == JSON_STRING;
		p.only_writes = span_starts(type, SPAN_LIT("transcription")) ||
				span_is(value_at(message, "session.type", a).text, "transcription");
	} else if (span_is(type, "input_audio_buffer.committed")) {
		p.is = VOICE_COMMITTED;
	} else if (span_is(type, WRITTEN "completed")) {
		struct live_value v = value_at(message, "transcript", a);
		p.is = v.tok == JSON_STRING ? VOICE_WRITTEN : VOICE_UNWRITTEN;
		p.transcript = v.text;
	} else if (span_is(type, WRITTEN "failed")) {
		p.is = VOICE_UNWRITTEN;
	} else if (span_is(type, "error") && span_is(value_at(message, "error.code", a).text,
						     "input_audio_buffer_commit_empty")) {
		p.is = VOICE_NONE_TO_END;
	}
	if (p.is == VOICE_COMMITTED || p.is == VOICE_WRITTEN || p.is == VOICE_UNWRITTEN)
		p.item = value_at(message, "item_id", a).text;
	return p;
#undef WRITTEN
}

/* ---- messages of the gateway ---- */

void
voice_put_setup(struct buf *out, const struct voice_provider *created, const char *model)
{
	static const char detection[] =
		"\"},\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":false}}}";

	buf_str(out, "{\"type\":\"session.update\",\"session\":{");
	buf_str(out, created->beta ? "\"input_audio_transcription\":{\"model\":\""
				   : "\"type\":\"realtime\",\"audio\":{\"input\":{"
				     "\"transcription\":{\"model\":\"");
	buf_json(out, span_str(model));
	buf_str(out, detection);
	buf_str(out, created->beta ? "" : "}}");
}

struct voice_edit {
	size_t start, end;
	const char *with;
	bool model;
};

/* Adds the edit that sets create_response of a turn detection to false, if it is needed. */
static size_t
edit_detection(struct span message, const char *path, struct arena *a, struct voice_edit *to)
{
	struct live_value d = value_at(message, path, a);

	if (d.tok != JSON_OBJECT)
		return 0;
	struct span inner = span_cut(message, d.start, d.end);
	struct live_value v = value_at(inner, "create_response", a);
	bool empty = !span_trim(span_cut(inner, 1, inner.n - 1), " \t\r\n").n;
	if (v.tok == JSON_FALSE)
		return 0;
	if (v.tok == JSON_STRING) { /* with its quotes */
		v.start--;
		v.end++;
	}
	*to = v.tok == JSON_END
		      ? (struct voice_edit){ d.start + 1, d.start + 1,
				empty ? "\"create_response\":false" : "\"create_response\":false,",
				false }
		      : (struct voice_edit){ d.start + v.start, d.start + v.end, "false", false };
	return 1;
}

static int
voice_edit_order(const void *x, const void *y)
{
	const struct voice_edit *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

bool
voice_put_judged(struct span message, const char *model, struct arena *a, struct buf *out)
{
	struct voice_edit edits[4];
	size_t n = 0, at = 0;

	if (value_at(message, "", a).tok == JSON_ERROR)
		return false;
	for (size_t i = 0; i < COUNT_OF(detections); i++) {
		n += edit_detection(message, detections[i], a, &edits[n]);
		struct live_value v = value_at(message, transcriptions[i], a);
		if (v.tok == JSON_NULL)
			edits[n++] = (struct voice_edit){ v.start, v.end, model, true };
	}
	qsort(edits, n, sizeof(*edits), voice_edit_order);
	for (size_t i = 0; i < n; i++) {
		buf_span(out, span_cut(message, at, edits[i].start));
		if (edits[i].model)
			buf_str(out, "{\"model\":");
		if (edits[i].model)
			buf_json_str(out, span_str(edits[i].with));
		buf_str(out, edits[i].model ? "}" : edits[i].with);
		at = edits[i].end;
	}
	buf_span(out, span_cut(message, at, message.n));
	return !buf_failed(out);
}

static void
put_base64(struct buf *out, struct span bytes)
{
	enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };
	size_t size = sodium_base64_encoded_len(bytes.n, VARIANT);
	char *to = buf_reserve(out, size);

	if (!to)
		return;
	sodium_bin2base64(to, size, (const unsigned char *)bytes.p, bytes.n, VARIANT);
	buf_commit(out, size - 1);
}

void
voice_put_turn(
	const struct endpoint *e, const struct voice_format *f, struct span sound, struct buf *out)
{
	static const struct {
		unsigned tag, bits;
	} wav[] = { [VOICE_PCM16] = { 1, 16 }, [VOICE_MULAW] = { 7, 8 }, [VOICE_ALAW] = { 6, 8 } };
	/* base64 of a multiple of three bytes has no padding, so that the rest can follow */
	char head[WAV_HEAD + 1];
	size_t first = WAV_HEAD + (sound.n > 0);
	bool gemini = is_gemini_live(e);

	sound_wav_head(head, wav[f->coding].tag, f->rate, wav[f->coding].bits, sound.n);
	if (sound.n)
		head[WAV_HEAD] = sound.p[0];
	buf_str(out, gemini ? "{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{"
			      "\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\""
			    : "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
			      "\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"audio\":\"");
	put_base64(out, span_of(head, first));
	put_base64(out, span_cut(sound, first - WAV_HEAD, sound.n));
	buf_str(out, gemini ? "\"}}]}],\"turnComplete\":true}}" : "\"}]}}");
}

void
voice_put_piece(
	const struct endpoint *e, const struct voice_format *f, struct span sound, struct buf *out)
{
	if (is_gemini_live(e))
		buf_printf(out,
			"{\"realtimeInput\":{\"audio\":{\"mimeType\":\"audio/pcm;rate=%u\","
			"\"data\":\"",
			f->rate);
	else
		buf_str(out, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"");
	put_base64(out, sound);
	buf_str(out, is_gemini_live(e) ? "\"}}}" : "\"}");
}

void
voice_put_text(struct span text, struct buf *out)
{
	buf_str(out, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
		     "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"");
	buf_json(out, text);
	buf_str(out, "\"}]}}");
}
