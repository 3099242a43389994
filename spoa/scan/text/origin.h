/* Where values come from: an index of the words of a conversation, by source, in which values of
 * a call are looked up. The index holds keyed hashes of words and no text. A value is found only
 * as whole words, in any letter case: bob@example.com is not found in xbob@example.com. Numbers of
 * accounts, cards and phones are also found with other spaces and hyphens. */
#ifndef SCAN_TEXT_ORIGIN_H
#define SCAN_TEXT_ORIGIN_H

#include "base/arena.h"
#include "base/span.h"

/* An index. Lives in an arena. One thread fills it; after that several threads may search it. */
struct origins;

enum origin_kind {
	ORIGIN_OTHER, /* a tool, a document, the system: see the source's name */
	ORIGIN_USER,  /* texts that the person typed */
	ORIGIN_MODEL, /* text and calls of the model */
};

/* Returns NULL if memory is exhausted. */
struct origins *origins_new(struct arena *a);
/* Begins a source, in the order of the conversation. `name` must live as long as the index.
 * `message` is the number of its message, 0 if unknown. Returns 0 or ERR_NOMEM. */
int origins_source(
	struct origins *o, enum origin_kind kind, struct span name, uint32_t message);
/* Adds a text of the source that was begun last. Returns 0, ERR_NOMEM, or ERR_LIMIT if the
 * conversation has more than CAP_ORIGIN_WORDS words. */
int origins_text(struct origins *o, struct span text);
/* Returns true if the same text, without case and spaces, was added earlier as a whole, by a
 * source that is not ORIGIN_USER, and sets *name to that source's name. Texts of fewer than four
 * words are not compared. */
bool origins_repeats(struct origins *o, struct span text, struct span *name);

/* A value that is looked up. */
struct origin_value {
	struct span text;
	/* set by origins_find(): the name of the source in which the value occurs first, and its
	 * message; empty: the value occurs nowhere */
	struct span first;
	uint32_t message;
	enum origin_kind kind; /* of `first` */
	bool user;	       /* the person typed the value, at any time */
	uint32_t user_message;
	/* the model wrote the value in a text, and a text of the person follows */
	bool shown;
};

/* Looks up n values in one pass. Returns 0, ERR_NOMEM, or ERR_LIMIT if the search takes more
 * than CAP_ORIGIN_STEPS steps. */
int origins_find(
	const struct origins *o, struct arena *a, struct origin_value *values, size_t n);

/* Returns true for a value that is too short to be looked up: no word, one symbol, or a number of
 * fewer than four digits. */
bool origin_is_small(struct span text);
/* Sets *out to the next piece of a URL (its host, a segment of its path, a value of its query) and
 * cuts the piece off `rest`. Returns false after the last one. */
bool origin_url_piece(struct span *rest, struct span *out);
/* Returns the part of an http URL after its scheme, or an empty span if the text is none. */
struct span origin_url(struct span text);

#endif
