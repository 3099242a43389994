/* Scanning a text that comes in pieces, such as a model's answer: feed what has
 * come, get back what may be passed on and what was found in it.
 *
 * A byte is held only while something that `opt` asks for may have begun at or before it,
 * and text before that is handed out in the same call, where a word ends or, at the latest,
 * where the next begins. Of plain words the one under way is held. What else holds:
 *   - a match that the text's end cuts off, until it is whole or none; so from a label
 *     ("password") as long as its value may come: after "is" and an ordinary word two more;
 *   - a value whose score depends on context, until 80 bytes of that have come after it: also
 *     numbers that are nothing by themselves. What comes before it may be out already;
 *   - words with a capital until the names among them are over: one or two words later, and
 *     32 bytes after what may be a name;
 *   - numbers, tokens, single letters, numerals and whatever else a disguise is made of, until
 *     one or two ordinary words have followed, 112 bytes at most (320 of what may be codes of
 *     characters, 36 in scripts that do not part words);
 *   - a wrapped blob and a key's armour until they end;
 *   - with a policy's own classes a term that may go on; where it has documents'
 *     fingerprints, all text, as far as it takes to know one.
 * Never more than CAP_STREAM_HELD. A candidate longer than that is handed out as a finding,
 * or as PIECE_UNREAD where nothing is known of it (a token's first parts, an armour): never as
 * text. What belongs to it is handed out as `more` of it until it ends. A run of which nothing
 * may be a candidate (a file in base64, a long URL) goes out as text, but for the last
 * kilobytes, in which a value may be encoded.
 *
 * No clock is asked. What is handed out, and after which byte, follows from the bytes alone,
 * never from how they were cut; so do findings and scores. What went out as text is not
 * found later. Long deltas are otherwise: of STREAM_LONG bytes and more what may be handed out
 * is asked at the end only, and of STREAM_MUCH and more all but the last CAP_STREAM_HELD are
 * scanned as one text: they have the findings of a whole, a few of which are lost below.
 *
 * Findings and scores are those of a scan of the whole where nothing beyond this
 * neighbourhood decides. These are lost:
 *   - a name before the mention that confirms it, or in a text that is written without capitals;
 *   - "van den" of a name after a title in small letters;
 *   - a value more than CAP_STREAM_HELD after its label;
 *   - a value in a disguise that is wider than this, or in strings of other texts (chunks of a
 *     stream as JSON);
 *   - the ordinary word that a value in disguise begins with: "alice" of "alice at example dot
 *     com", of which the rest is found;
 *   - a value in a tuple of an SQL INSERT, under a name of the statement's list, if the statement
 *     begins more than STREAM_LEFT bytes before.
 * A table's header counts for all of its rows (context/columns.h says when a table ends and how
 * long a header may be). A cell is judged before the rest of its row has come, so a row that turns
 * out to have too few fields, or to be longer than COLUMN_LINE, is read under the header, too. A stretch of a known document longer
 * than CAP_STREAM_HELD is several findings.
 *
 * It asks at every word: 1 to 8 us of CPU for five bytes. A text that is there as a whole is
 * detect_scan's, which takes a hundredth of that, and so does a long delta.
 *
 * Memory: one allocation of less than 11 KB a stream, and what a scan takes while it runs; of a
 * long delta 256 KB are copied at a time.
 * One stream a choice and a tool call: their texts are apart. owner: whoever feeds it. */
#ifndef SCAN_DETECT_STREAM_STREAM_H
#define SCAN_DETECT_STREAM_STREAM_H

#include "scan/detect/detect.h"

enum {
	STREAM_LEFT = 96, /* bytes of what was handed out that are kept as context, at least */
	STREAM_LONG = 1 << 10,	/* in a delta of so many bytes it asks at the end, */
	STREAM_MUCH = 16 << 10, /* and one of so many is scanned as a whole */
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

/* `opt` as for detect_scan, its thresholds and `used` borrowed, `before` copied. NULL: out
 * of memory. */
struct detect_stream *detect_stream_new(
	const struct detect_rules *r, const struct detect_options *opt);
/* Another one that is where this one is. NULL: out of memory. */
struct detect_stream *detect_stream_copy(const struct detect_stream *s);
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
