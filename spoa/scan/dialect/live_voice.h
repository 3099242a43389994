/* Sound in realtime sessions: the effect of a message on it, and the messages that the gateway sends
 * about it. Any thread.
 *
 *   https://platform.openai.com/docs/api-reference/realtime-client-events
 *   https://ai.google.dev/api/live */
#ifndef SCAN_DIALECT_LIVE_VOICE_H
#define SCAN_DIALECT_LIVE_VOICE_H

#include "base/buf.h"
#include "scan/dialect/dialect.h"

enum { VOICE_PIECES = 8 };

/* The side that decides when the person has finished speaking. */
enum voice_detection {
	VOICE_UNSET,	/* the message does not state it */
	VOICE_MANUAL,	/* the client states the end of each turn */
	VOICE_PROVIDER, /* the provider detects it, and responds */
	VOICE_ONLY_ENDS /* the provider detects it; a response must be requested */
};

/* A format of sound without a header. rate 0: not stated. */
struct voice_format {
	enum { VOICE_PCM16, VOICE_MULAW, VOICE_ALAW } coding;
	unsigned rate; /* Hz */
};

/* A client's message. The spans are views of it. */
struct voice_client {
	bool odd;    /* about sound, in a form that is not known: it must not be forwarded */
	bool setup;  /* states how the session works: the next two */
	bool begins; /* the person begins to speak */
	bool ends;   /* the person has finished speaking */
	bool drops;  /* the sound since the last `ends` is dropped */
	enum voice_detection detection;
	struct voice_format format; /* of the pieces, or what a setup states */
	struct span piece[VOICE_PIECES]; /* base64, in order */
	size_t npieces;
};
/* `plain`: live_client() found no text in the message. */
struct voice_client voice_client_read(
	const struct endpoint *e, struct span message, bool plain, struct arena *a);

/* A provider's message of OpenAI's. The spans are in the arena or the message. */
struct voice_provider {
	enum {
		VOICE_OTHER,
		VOICE_CREATED,	  /* the session is announced */
		VOICE_COMMITTED,  /* an item has sound, whose transcript follows */
		VOICE_WRITTEN,	  /* the transcript of an item */
		VOICE_UNWRITTEN,  /* the item could not be transcribed */
		VOICE_NONE_TO_END /* there was no sound to commit */
	} is;
	struct span item, transcript;
	bool beta;	 /* CREATED: the session has the members of the beta */
	bool only_writes; /* CREATED: a session that transcribes and does not respond */
};
struct voice_provider voice_provider_read(struct span message, struct arena *a);

/* Writes OpenAI's session.update that asks for transcripts by `model` and turns automatic
 * responses off. */
void voice_put_setup(struct buf *out, const struct voice_provider *created, const char *model);
/* Writes OpenAI's session.update of a client with automatic responses off, and with transcripts
 * if it turned them off. Returns false if the message is not valid. */
bool voice_put_judged(struct span message, const char *model, struct arena *a, struct buf *out);
/* Writes a message with the sound, as a WAV file in base64, for a decision; and the message that
 * sends a piece of it. */
void voice_put_turn(
	const struct endpoint *e, const struct voice_format *f, struct span sound, struct buf *out);
void voice_put_piece(
	const struct endpoint *e, const struct voice_format *f, struct span sound, struct buf *out);
/* Writes a message with a text of the person: a transcript. */
void voice_put_text(struct span text, struct buf *out);

#endif
