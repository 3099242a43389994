/* Sound in a realtime session, if the route has realtime.audio (docs/realtime.md). Used by
 * session.c. owner: worker.
 *
 * judged, OpenAI: the gateway turns automatic responses off. The provider transcribes each item
 * with sound; the transcript is decided as a message of the person, and then the response is
 * requested. While a transcript is expected, the client's own request for a response waits.
 *
 * required, and judged with Gemini: the client states when the person has finished. The sound
 * until then is kept, and transcribed and decided as a message with a WAV file. required sends
 * the sound after that; judged has sent it, and sends the end of the activity after that. */
#ifndef GATE_ENGINE_SESSION_VOICE_H
#define GATE_ENGINE_SESSION_VOICE_H

#include "gate/engine/engine.h"
#include "policy/route.h"
#include "scan/dialect/live.h"
#include "scan/dialect/live_voice.h"

struct said;
struct session;

enum {
	VOICE_ITEM_ID = 64,
	VOICE_ITEMS = 16,	      /* items whose transcripts are expected at the same time */
	VOICE_SOUND_MOST = 12u << 20, /* bytes of a turn's sound: 4 minutes of 24 kHz */
	VOICE_LATE_US = 30000000,     /* longest wait for the provider's transcript */
};

struct voice {
	bool ready;  /* judged: the gateway's own session.update was sent */
	bool told;   /* judged: the provider has announced the session */
	bool manual; /* the client states the end of each turn */
	bool asks;   /* the gateway requests responses, because it turned automatic ones off */
	bool begun;  /* required: activityStart was withheld */
	struct voice_format format;
	struct buf sound; /* bytes of the turn so far */
	size_t held;	  /* bytes of `sound` that the gate counts as held */
	/* the client ended turns that the provider has not confirmed; since when */
	unsigned ended;
	uint64_t ended_us;
	struct voice_item {
		char id[VOICE_ITEM_ID];
		size_t nid;
		uint64_t since_us; /* monotonic */
		bool decided;	   /* its transcript has arrived */
	} item[VOICE_ITEMS];
	size_t nitems;
	struct { /* the client's message that waits, a view of the relay's buffer */
		struct span message;
		bool binary, waits;
	} client;
};

/* The use of a message that the gateway made: message_decided() reads it. */
enum said_voice {
	SAID_TEXT,    /* none was */
	SAID_SETUP,   /* the gateway's session.update */
	SAID_SOUND,   /* a turn with its sound */
	SAID_WRITTEN, /* the provider's transcript of an item */
};

/* Handles a client's message on a route with realtime.audio. Returns true and sets *goes if the message is
 * done with. Returns false if it is handled like any other; it may be another one then, in `own`. */
bool voice_from_client(struct session *s, bool binary, struct span *message,
	const struct live_event *e, struct buf *own, enum socket_goes *goes);
/* Handles a provider's message that was passed on. */
enum socket_goes voice_from_provider(struct session *s, struct span message);
/* Returns true if the provider must not begin a response by itself now. */
bool voice_forbids(const struct session *s);
/* Sends what a permitted message stands for. */
enum socket_goes voice_permitted(struct said *m);
/* The message is over: continues with the client's waiting message. */
void voice_goes_on(struct session *s);
/* Ends the session and returns true if a transcript did not arrive in time. */
bool voice_is_late(struct session *s);
void voice_drop(struct session *s);

#endif
