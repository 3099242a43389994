/* The request to a transcriber and its response (OpenAI's API reference, "Create
 * transcription"). No I/O; any thread. A response is untrusted: a time beyond the sound's end
 * or a member of another type makes it invalid. */
#ifndef SCAN_SPEECH_TRANSCRIPT_H
#define SCAN_SPEECH_TRANSCRIPT_H

#include "base/arena.h"
#include "base/buf.h"

/* The value of response_format. */
enum transcript_format { TRANSCRIPT_VERBOSE, TRANSCRIPT_JSON, TRANSCRIPT_TEXT };

/* The fields of the form. NULL: not sent. */
struct transcript_form {
	const char *model, *language;
	enum transcript_format format;
};

enum { TRANSCRIPT_BOUNDARY = 40 };
/* Appends a multipart body (RFC 7578) with the fields and an empty file, whose name ends with `kind`
 * ("wav"). Returns the offset in *out at which the file's bytes belong. `boundary` must not occur
 * in them. */
size_t transcript_ask(const struct transcript_form *f, const char *kind, const char *boundary,
	struct buf *out);

/* A piece of the text, with the time at which it begins. */
struct transcript_piece {
	size_t at; /* offset in `text` */
	uint64_t ms;
};

struct transcript {
	struct span text; /* UTF-8; pieces are joined by spaces */
	/* the response's own text, if it differs from the pieces by more than spaces; empty:
	 * none */
	struct span other;
	struct transcript_piece *pieces; /* verbose_json only, in the order of `text` */
	size_t npieces;
	struct span language; /* empty: not stated */
	/* 0 to 1, negative if not stated. confidence: each piece has a mean probability of its
	 * words, and this is the lowest. no_speech: the highest probability of silence in a piece */
	double confidence, no_speech;
};

/* Reads a response about a sound of so many milliseconds. Texts are views of the answer or in
 * the arena. Returns 0, ERR_NOMEM, ERR_SYNTAX, or ERR_RANGE: a time is beyond the end. */
int transcript_read(struct span answer, enum transcript_format format, uint64_t ms,
	struct arena *a, struct transcript *out);

/* Returns the time in ms at which the piece with this offset begins; 0 if there are no pieces.
 */
uint64_t transcript_time(const struct transcript_piece *v, size_t n, size_t at);

#endif
