/* Scanning a text that comes in pieces, such as a model's answer: feed what has
 * come, get back what may be passed on and what was found in it.
 *
 * The text is scanned in windows whose places follow from the text alone, never
 * from how it was cut: any cut gives the same pieces with the same findings and
 * scores. A window is a tail of what was handed out (context to the left,
 * and what may lead up to a value, "curl" before its -u), a step,
 * and what is not decided yet: STREAM_LAG bytes, since a finding may be longer than
 * what has come of it and its score depends on the words after it. An open
 * candidate (a finding that reaches the window's end, a run of token characters, a
 * key's armour) holds back the text from where it began.
 *
 * Held back are at most STREAM_STEP + STREAM_LAG bytes, with a policy's own long terms up
 * to STREAM_LAG_MAX in place of the second, and with an open candidate at most
 * CAP_STREAM_HELD. A candidate longer than that is handed out as a finding, or
 * as PIECE_UNREAD where nothing is known of it (a blob that the whole might decode):
 * never as text. What belongs to it is handed out as `more` of it until it ends.
 *
 * Findings and scores are those of a scan of the whole where nothing beyond this
 * neighbourhood decides. Lost are: a name before the mention that confirms it, or in a
 * text that is written without capitals; a column's header more than STREAM_LEFT bytes
 * before; a value in a disguise that is wider than the lag (a token in lists of codes, or
 * with a tag around each letter); a match of a policy's own pattern that has blanks and is
 * wider than STREAM_LAG_MAX. A stretch of a known document longer than CAP_STREAM_HELD is
 * several findings.
 *
 * Memory: one allocation of less than 10 KB a stream, and what a scan of a window
 * takes while it runs. One stream a choice and a tool call: their texts are apart.
 * owner: whoever feeds it. */
#ifndef DETECT_STREAM_H
#define DETECT_STREAM_H

#include "detect/detect.h"

enum {
	STREAM_STEP = 224,     /* bytes decided by a window, if nothing is open */
	STREAM_LAG = 160,      /* bytes after them that it reads too */
	STREAM_LAG_MAX = 1024, /* with a policy's own long terms, patterns and documents */
	STREAM_LEFT = 96,      /* bytes before them, at least */
};

struct detect_stream;

enum stream_kind {
	PIECE_TEXT,    /* nothing was found in it */
	PIECE_FINDING, /* all of it is a finding */
	PIECE_UNREAD,  /* too long to be looked at: the classifier's declared outcome */
};

struct stream_piece {
	enum stream_kind kind;
	bool more;		/* goes on with the finding or unread run before it */
	size_t start;		/* of its first byte in the stream */
	struct span text;	/* until the call returns */
	struct finding finding; /* PIECE_FINDING; start and end in the stream */
};

/* Takes a piece; the pieces in their order are the text. Not 0 ends the stream with
 * that error. */
typedef int stream_take_fn(void *arg, const struct stream_piece *p);

/* `opt` as for detect_scan, its thresholds borrowed, `before` copied. NULL: out of
 * memory. */
struct detect_stream *detect_stream_new(
	const struct detect_rules *r, const struct detect_options *opt);
/* Zeroes and frees; clears *s. */
void detect_stream_free(struct detect_stream **s);

/* Calls `take` with what can be handed out after this delta. 0, or the error of a
 * scan or of `take`, which stays: what is held then is not handed out any more. */
int detect_stream_feed(struct detect_stream *s, struct detect_scratch *scratch,
	struct span delta, stream_take_fn *take, void *arg);
/* The text is over: hands out the rest. */
int detect_stream_finish(struct detect_stream *s, struct detect_scratch *scratch,
	stream_take_fn *take, void *arg);

/* As findings.evasion, of all windows so far. */
bool detect_stream_evasion(const struct detect_stream *s);
/* Bytes fed and not handed out. */
size_t detect_stream_held(const struct detect_stream *s);

#endif
