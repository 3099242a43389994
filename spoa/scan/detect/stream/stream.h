/* Scans a text that arrives in pieces, such as a model's response. The caller feeds new text and
 * gets back the text that may be passed on, and the findings in it.
 *
 * A byte is held only while a match that `opt` asks for may have begun at or before it. Earlier
 * text is returned by the same call, when a word ends or, at the latest, when the next word
 * begins. In a text of plain words only the current word is held. More is held in these cases:
 * - A match that the end of the text cuts off is held until it is complete or ruled out. A label
 *   ("password") is therefore held as long as its value may follow: after "is" and an ordinary
 *   word, two more words.
 * - A value whose score depends on context is held until 80 bytes of context have followed. Such
 *   values include numbers that mean nothing by themselves. The context before the value may
 *   have been returned already.
 * - Words with a capital are held until the names among them have ended: one or two words later,
 *   and 32 bytes after a possible name.
 * - Numbers, tokens, single letters, numerals and other material of obfuscated values are held
 *   until one or two ordinary words have followed. At most 112 bytes are held for them: 320 bytes
 *   if the words may be character codes, 36 in scripts that do not separate words.
 * - A wrapped blob and the armor of a key are held until they end.
 * - If a policy has its own classes, a term that may continue is held. If it has document
 *   fingerprints, all text is held as far as needed to recognize a document.
 *
 * At most CAP_STREAM_HELD bytes are held. A longer candidate is returned as a finding, or as
 * PIECE_UNREAD if nothing is known about it (the first part of a token, an armor), but never as
 * text. Its continuation is returned as `more` of it until it ends. A run in which no candidate
 * can begin (a file in base64, a long URL) is returned as text, except for the last kilobytes,
 * in which a value may be encoded.
 *
 * No clock is used. The pieces, findings and scores depend on the bytes alone, not on how the
 * bytes were cut into deltas. Text that was returned is not found later. Long deltas are the
 * exception: in a delta of STREAM_LONG bytes or more, the stream asks only at the end which text
 * may be returned. In a delta of STREAM_MUCH bytes or more, all but the last CAP_STREAM_HELD
 * bytes are scanned as one text. Such deltas have the findings of a whole text, including some
 * of those listed below as lost.
 *
 * If nothing beyond these distances matters, the findings and scores are those of a scan of the
 * whole text.
 *
 * These findings are lost:
 * - A name before the mention that confirms it, or in a text written without capitals.
 * - "van den" of a name after a title in small letters.
 * - A value more than CAP_STREAM_HELD bytes after its label.
 * - An obfuscated value that is wider than these distances, or that is spread over strings of other
 *   texts (chunks of a stream as JSON).
 * - The first four words of a seed phrase that follows the words of a sentence without a colon or a
 *   line break between. The rest is found.
 * - The ordinary word that an obfuscated value begins with: "alice" in "alice at example dot com",
 *   of which the rest is found.
 * - A value in a tuple of an SQL INSERT, under a name in the statement's list, if the statement
 *   begins more than STREAM_LEFT bytes earlier.
 *
 * A table's header applies to all of its rows (context/columns.h defines when a table ends and
 * how long a header may be). A cell is judged before the rest of its row has arrived. So a row
 * that turns out to have too few fields, or to be longer than COLUMN_LINE, is read under the
 * header too. A section of a known document that is longer than CAP_STREAM_HELD becomes several
 * findings.
 *
 * Cost: the stream asks at every word, which takes 1 to 8 µs of CPU for five bytes. For a text
 * that is available as a whole use detect_scan(), which takes a hundredth of that; a long delta
 * costs as little.
 * Memory: one allocation of less than 12 KB for each stream, and the memory of a scan while it
 * runs. For a long delta, 256 KB are copied at a time.
 * Use one stream for each choice and each tool call, because their texts are separate. The
 * caller of detect_stream_new() owns the stream; one thread at a time. */
#ifndef SCAN_DETECT_STREAM_STREAM_H
#define SCAN_DETECT_STREAM_STREAM_H

#include "scan/detect/detect.h"

enum {
	STREAM_LEFT = 96, /* least bytes of returned text that are kept as context */
	STREAM_LONG = 1 << 10,	/* in a delta of so many bytes, the stream asks only at the end */
	STREAM_MUCH = 16 << 10, /* a delta of so many bytes is scanned as a whole text */
};

struct detect_stream;

enum stream_kind {
	PIECE_TEXT,    /* no finding in it */
	PIECE_FINDING, /* all of it is one finding */
	PIECE_UNREAD,  /* too long to be examined: the caller applies the classifier's
			* `on_failure` */
};

/* A piece of the stream, as it is returned. */
struct stream_piece {
	enum stream_kind kind;
	bool more;		/* continues the finding or uninspected run of the piece before */
	size_t start;		/* offset of its first byte in the stream */
	struct span text;	/* valid until the call returns */
	struct finding finding; /* PIECE_FINDING only; start and end are offsets in the stream */
};

/* Receives a piece. The pieces in their order are the whole text. A result other than 0 ends the
 * stream with that error. */
typedef int stream_take_fn(void *arg, const struct stream_piece *p);

/* Returns a new stream. `opt` is as for detect_scan(): its thresholds and `used` are borrowed,
 * `before` is copied. Returns NULL if memory is exhausted. */
struct detect_stream *detect_stream_new(
	const struct detect_rules *r, const struct detect_options *opt);
/* Returns a copy of the stream in its current state, or NULL if memory is exhausted. */
struct detect_stream *detect_stream_copy(const struct detect_stream *s);
/* Zeroes and frees the stream, and sets *s to NULL. Accepts a pointer to NULL. */
void detect_stream_free(struct detect_stream **s);

/* Adds text and calls `take` with all pieces that can be returned. Returns 0, or the error of a
 * scan or of `take`. After an error every further call returns the same error, and the held text
 * is not returned. */
int detect_stream_feed(struct detect_stream *s, struct detect_scratch *scratch,
	struct span delta, stream_take_fn *take, void *arg);
/* Ends the text and returns the held rest through `take`. Returns as detect_stream_feed(). */
int detect_stream_finish(struct detect_stream *s, struct detect_scratch *scratch,
	stream_take_fn *take, void *arg);

/* Returns true if any part of the text hid something, as findings.evasion. */
bool detect_stream_evasion(const struct detect_stream *s);
/* Returns the number of bytes that were fed and not yet returned. */
size_t detect_stream_held(const struct detect_stream *s);

#endif
