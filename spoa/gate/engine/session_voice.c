/* Sound in a realtime session. */
#include "gate/engine/session_voice.h"

#include <sodium.h>

#include "base/clock.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/engine/session.h"
#include "policy/rule.h"

/* bytes of sound in a message that the gateway sends: no padding of base64 within */
enum { VOICE_PIECE_BYTES = 96 << 10 };

static enum route_audio
audio_of(const struct session *s)
{
	return s->x->r->found.route->audio;
}

static const struct endpoint *
endpoint_of(const struct session *s)
{
	return &s->x->r->found.endpoint;
}

/* Returns true if the sound of a turn is kept for the policy's transcribers. */
static bool
keeps_sound(const struct session *s)
{
	return audio_of(s) == AUDIO_REQUIRED ||
	       (audio_of(s) == AUDIO_JUDGED && !live_has_ids(endpoint_of(s)));
}

/* Returns true if the provider's transcripts are decided. */
static bool
awaits_transcripts(const struct session *s)
{
	return audio_of(s) == AUDIO_JUDGED && live_has_ids(endpoint_of(s));
}

static void
to_provider(struct session *s, bool binary, struct span message)
{
	s->calls.emit(s->calls.arg, false, binary, message);
}

static enum socket_goes
voice_denies(struct session *s, const char *why)
{
	return session_denies(s, "unreadable_content", why);
}

/* ---- the sound of a turn ---- */

static void
drop_sound(struct session *s)
{
	struct voice *v = &s->voice;

	buf_free(&v->sound);
	if (v->held)
		gate_unhold(s->x, v->held);
	v->held = 0;
	v->begun = false;
}

/* Appends the decoded pieces. Returns false with *goes if the session ends. */
static bool
keep_pieces(struct session *s, const struct voice_client *c, enum socket_goes *goes)
{
	struct voice *v = &s->voice;

	for (size_t i = 0; i < c->npieces; i++) {
		struct span text = c->piece[i];
		size_t most = text.n / 4 * 3 + 3, n;
		const char *end;
		if (v->sound.n + most > VOICE_SOUND_MOST) {
			*goes = voice_denies(s, "a turn has too much sound: end it earlier");
			return false;
		}
		char *to = gate_hold(s->x, most) ? buf_reserve(&v->sound, most) : NULL;
		if (to)
			v->held += most;
		if (!to || sodium_base642bin((unsigned char *)to, most, text.p, text.n, NULL, &n,
				   &end, sodium_base64_VARIANT_ORIGINAL) ||
			end != text.p + text.n) {
			*goes = to ? voice_denies(s, "sound must be base64 with padding")
				   : session_ends(s, WS_TRY_AGAIN, false,
					     "the gateway's memory is full");
			return false;
		}
		buf_commit(&v->sound, n);
	}
	return true;
}

static enum socket_goes
take_pieces(struct session *s, bool binary, struct span message, const struct voice_client *c,
	uint64_t bytes)
{
	struct voice *v = &s->voice;
	enum socket_goes goes = SOCKET_GOES;

	if (keeps_sound(s) && !v->manual)
		return voice_denies(s,
			"sound is inspected before it is sent: the client must detect the turns "
			"(turn_detection: null, or automaticActivityDetection: {disabled: true})");
	if (keeps_sound(s) && c->format.rate && v->sound.n &&
		c->format.rate != v->format.rate)
		return voice_denies(s, "the sound of one turn must have one rate");
	if (keeps_sound(s) && c->format.rate)
		v->format = c->format;
	if (!v->format.rate)
		v->format = (struct voice_format){ VOICE_PCM16, 24000 }; /* OpenAI's default */
	if (keeps_sound(s) && !keep_pieces(s, c, &goes))
		return goes;
	s->x->socket.media_in += bytes;
	s->joined.closed = true;
	if (audio_of(s) != AUDIO_REQUIRED)
		to_provider(s, binary, message);
	return SOCKET_GOES;
}

static const char activity_start[] = "{\"realtimeInput\":{\"activityStart\":{}}}",
		  activity_end[] = "{\"realtimeInput\":{\"activityEnd\":{}}}",
		  commit[] = "{\"type\":\"input_audio_buffer.commit\"}",
		  request_response[] = "{\"type\":\"response.create\"}";

/* Begins the decision on the sound of a turn. */
static enum socket_goes
decide_turn(struct session *s, bool binary)
{
	struct voice *v = &s->voice;
	bool asks = !live_has_ids(endpoint_of(s));
	SCOPED_BUF(turn, 0);

	if (asks && session_turns(s) >= CAP_SOCKET_TURNS)
		return session_denies(s, "rate_limit_exceeded",
			"too many responses in progress; wait for one to end");
	voice_put_turn(endpoint_of(s), &v->format, buf_view(&v->sound), &turn);
	struct said *m = buf_failed(&turn)
				 ? NULL
				 : session_asks(s, binary, buf_view(&turn), asks,
					   audio_of(s) == AUDIO_REQUIRED ? SOUND_HELD : SOUND_HEARD);
	if (!m)
		return session_ends(s, WS_TRY_AGAIN, false, "the gateway's memory is full");
	m->voice = SAID_SOUND;
	s->asking = m;
	return SOCKET_WAITS;
}

/* Sends the sound of the turn, and its end. */
static enum socket_goes
voice_send_turn(struct said *m)
{
	struct session *s = m->of;
	struct voice *v = &s->voice;
	bool gemini = !live_has_ids(endpoint_of(s)), withheld = audio_of(s) == AUDIO_REQUIRED;

	if (m->x->r->out.decision.kind == D_REDACT) {
		to_provider(s, m->binary, m->x->plan.body);
		drop_sound(s);
		return SOCKET_GOES;
	}
	if (withheld && v->begun)
		to_provider(s, m->binary, span_str(activity_start));
	for (size_t at = 0; withheld && at < v->sound.n; at += VOICE_PIECE_BYTES) {
		SCOPED_BUF(piece, 0);
		voice_put_piece(endpoint_of(s), &v->format,
			span_cut(buf_view(&v->sound), at, at + VOICE_PIECE_BYTES), &piece);
		if (buf_failed(&piece))
			return session_ends(s, WS_TRY_AGAIN, false, "out of memory");
		to_provider(s, m->binary, buf_view(&piece));
	}
	to_provider(s, m->binary, gemini ? span_str(activity_end) : span_str(commit));
	drop_sound(s);
	return SOCKET_GOES;
}

/* ---- transcripts of the provider ---- */

static struct voice_item *
item_of(struct session *s, struct span id)
{
	struct voice *v = &s->voice;

	for (size_t i = 0; i < v->nitems; i++)
		if (span_eq(span_of(v->item[i].id, v->item[i].nid), id))
			return &v->item[i];
	return NULL;
}

static void
forget_item(struct session *s, struct span id)
{
	struct voice_item *i = item_of(s, id);

	if (i)
		*i = s->voice.item[--s->voice.nitems];
}

static bool
transcripts_expected(const struct session *s)
{
	return s->voice.nitems > 0 || s->voice.ended > 0;
}

static enum socket_goes
item_committed(struct session *s, struct span id)
{
	struct voice *v = &s->voice;

	v->ended -= v->ended > 0;
	if (item_of(s, id))
		return SOCKET_GOES;
	if (!id.n || id.n > VOICE_ITEM_ID || v->nitems == VOICE_ITEMS)
		return voice_denies(s, "too many sounds wait for their transcripts");
	struct voice_item *i = &v->item[v->nitems++];
	*i = (struct voice_item){ .nid = id.n, .since_us = clock_mono_us() };
	memcpy(i->id, id.p, id.n);
	return SOCKET_GOES;
}

/* Begins the decision on a transcript. The message asks for a response if the gateway will. */
static enum socket_goes
transcript_arrived(struct session *s, const struct voice_provider *p)
{
	struct voice_item *i = item_of(s, p->item);
	bool asks = s->voice.asks;
	SCOPED_BUF(text, 0);

	if (p->is == VOICE_UNWRITTEN)
		return voice_denies(s, "the provider could not transcribe a sound");
	if (i && i->decided)
		return SOCKET_GOES;
	if (!i) { /* a sound that was not announced */
		enum socket_goes goes = item_committed(s, p->item);
		if (goes != SOCKET_GOES)
			return goes;
		i = item_of(s, p->item);
	}
	if (asks && session_turns(s) >= CAP_SOCKET_TURNS)
		return session_denies(s, "rate_limit_exceeded",
			"too many responses in progress; wait for one to end");
	voice_put_text(p->transcript, &text);
	struct said *m = buf_failed(&text)
				 ? NULL
				 : session_asks(s, false, buf_view(&text), asks, SOUND_WRITTEN);
	if (!m)
		return session_ends(s, WS_TRY_AGAIN, false, "the gateway's memory is full");
	i->decided = true;
	m->silent = true;
	m->voice = SAID_WRITTEN;
	memcpy(m->item, i->id, i->nid);
	m->nitem = i->nid;
	return SOCKET_GOES;
}

/* Replaces the item by a text if its transcript was redacted, and requests the response. */
static enum socket_goes
transcript_permitted(struct said *m)
{
	struct session *s = m->of;
	const struct request *r = m->x->r;
	struct span id = span_of(m->item, m->nitem);

	if (r->out.decision.kind == D_REDACT) {
		SCOPED_BUF(removal, 0);
		SCOPED_BUF(text, 0);
		buf_str(&removal, "{\"type\":\"conversation.item.delete\",\"item_id\":");
		buf_json_str(&removal, id);
		buf_putc(&removal, '}');
		voice_put_text(SPAN_LIT("[a sound was removed here]"), &text);
		if (buf_failed(&removal) || buf_failed(&text))
			return session_ends(s, WS_TRY_AGAIN, false, "out of memory");
		to_provider(s, false, buf_view(&removal));
		to_provider(s, false,
			r->found.verdict.strips == MEDIA_TRANSCRIPT ? m->x->plan.body
								     : buf_view(&text));
	}
	if (m->turn)
		to_provider(s, false, span_str(request_response));
	forget_item(s, id);
	return SOCKET_GOES;
}

/* ---- the session's setup ---- */

/* Sends the gateway's own setup, before the first message of the client. */
static enum socket_goes
session_announced(struct session *s, const struct voice_provider *p)
{
	struct voice *v = &s->voice;
	SCOPED_BUF(setup, 0);

	if (v->told)
		return SOCKET_GOES;
	v->told = true;
	v->asks = !p->only_writes;
	if (p->only_writes)
		buf_str(&setup, "{}");
	else
		voice_put_setup(&setup, p, s->x->r->found.route->transcription);
	struct said *m = buf_failed(&setup)
				 ? NULL
				 : session_asks(s, false, buf_view(&setup), false, SOUND_NONE);
	if (!m)
		return session_ends(s, WS_TRY_AGAIN, false, "the gateway's memory is full");
	m->silent = true;
	m->voice = SAID_SETUP;
	m->says_nothing = p->only_writes;
	return SOCKET_GOES;
}

/* Notes what a client's setup states. Returns false with *goes if the session ends. */
static bool
take_setup(struct session *s, struct span *message, const struct voice_client *c, struct buf *own,
	enum socket_goes *goes)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct voice *v = &s->voice;

	if (c->format.rate && v->sound.n == 0)
		v->format = c->format;
	if (keeps_sound(s) && c->detection != VOICE_UNSET && c->detection != VOICE_MANUAL) {
		*goes = voice_denies(s,
			"sound is inspected before it is sent: the client must detect the turns "
			"(turn_detection: null, or automaticActivityDetection: {disabled: true})");
		return false;
	}
	if (c->detection != VOICE_UNSET) {
		v->manual = c->detection == VOICE_MANUAL;
		v->asks = c->detection == VOICE_PROVIDER;
	}
	if (!awaits_transcripts(s))
		return true;
	if (!voice_put_judged(*message, s->x->r->found.route->transcription, &a, own))
		return true; /* no JSON: the message is decided, and denied, as any other */
	*message = buf_view(own);
	return true;
}

/* ---- the parts that session.c calls ---- */

static enum socket_goes
client_waits(struct session *s, bool binary, struct span message)
{
	INVARIANT(!s->voice.client.waits);
	s->voice.client.message = message;
	s->voice.client.binary = binary;
	s->voice.client.waits = true;
	return SOCKET_WAITS;
}

bool
voice_from_client(struct session *s, bool binary, struct span *message,
	const struct live_event *e, struct buf *own, enum socket_goes *goes)
{
	struct voice *v = &s->voice;
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);

	*goes = SOCKET_GOES;
	if (awaits_transcripts(s) && (!v->ready || (e->asks && transcripts_expected(s)))) {
		*goes = client_waits(s, binary, *message);
		return true;
	}
	struct voice_client c =
		voice_client_read(endpoint_of(s), *message, e->is != LIVE_TEXT, &a);
	if (audio_of(s) == AUDIO_PERMIT) {
		if (c.npieces && !c.odd && e->is == LIVE_MEDIA)
			*goes = take_pieces(s, binary, *message, &c, e->media_bytes);
		return c.npieces && !c.odd && e->is == LIVE_MEDIA;
	}
	if (c.odd) {
		*goes = voice_denies(s,
			"a message with sound must have nothing else, and a known format");
		return true;
	}
	if (c.setup)
		return !take_setup(s, message, &c, own, goes);
	if (c.npieces) {
		*goes = take_pieces(s, binary, *message, &c, e->media_bytes);
		return true;
	}
	if (c.drops)
		drop_sound(s);
	if (c.begins && audio_of(s) == AUDIO_REQUIRED) {
		v->begun = true;
		return true;
	}
	if (!c.ends)
		return false;
	if (keeps_sound(s) && v->sound.n) {
		*goes = decide_turn(s, binary);
		return true;
	}
	if (awaits_transcripts(s)) {
		v->ended++;
		v->ended_us = clock_mono_us();
	}
	if (v->begun)
		to_provider(s, binary, span_str(activity_start));
	v->begun = false;
	return false;
}

enum socket_goes
voice_from_provider(struct session *s, struct span message)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);

	if (!awaits_transcripts(s))
		return SOCKET_GOES;
	struct voice_provider p = voice_provider_read(message, &a);
	switch (p.is) {
	case VOICE_CREATED: return session_announced(s, &p);
	case VOICE_COMMITTED: return item_committed(s, p.item);
	case VOICE_WRITTEN:
	case VOICE_UNWRITTEN: return transcript_arrived(s, &p);
	case VOICE_NONE_TO_END: s->voice.ended -= s->voice.ended > 0; return SOCKET_GOES;
	default: return SOCKET_GOES;
	}
}

bool
voice_forbids(const struct session *s)
{
	return awaits_transcripts(s) && transcripts_expected(s);
}

enum socket_goes
voice_permitted(struct said *m)
{
	struct session *s = m->of;

	switch (m->voice) {
	case SAID_SETUP:
		if (!m->says_nothing)
			to_provider(s, false, m->x->plan.body);
		s->voice.ready = true;
		return SOCKET_GOES;
	case SAID_WRITTEN: return transcript_permitted(m);
	default: return voice_send_turn(m);
	}
}

void
voice_goes_on(struct session *s)
{
	struct voice *v = &s->voice;

	if (!v->client.waits || !v->ready || transcripts_expected(s) || s->asking)
		return;
	v->client.waits = false;
	session_client_again(s, v->client.binary, v->client.message);
}

bool
voice_is_late(struct session *s)
{
	const struct voice *v = &s->voice;
	uint64_t now = clock_mono_us();
	bool late = v->ended && now - v->ended_us > VOICE_LATE_US;

	for (size_t i = 0; i < v->nitems; i++)
		late |= !v->item[i].decided && now - v->item[i].since_us > VOICE_LATE_US;
	if (late)
		voice_denies(s, "the provider's transcript of a sound did not arrive");
	return late;
}

void
voice_drop(struct session *s)
{
	buf_free(&s->voice.sound);
}
