/* Placeholders put back into text that comes in pieces: what goes out depends on the text
 * alone, not on where it was cut. Text is held only while it may be the beginning of one of the
 * vault's placeholders, however spelled (scan/text/spelling.h). owner: worker. */
#ifndef ANSWER_RESTORE_H
#define ANSWER_RESTORE_H

#include "answer/url_place.h"
#include "answer/vault.h"
#include "base/buf.h"

enum {
	/* bytes a restorer holds at most, but for strings of arguments */
	RESTORE_HELD_MOST = SPELLING_MOST + 64,
};

/* What the text is, and so how a value is written into it. */
enum restore_form {
	RESTORE_TEXT,
	/* JSON (the arguments of a tool call), or the inside of a string of it. A string that
	 * is itself JSON is seen: values in a string of that are escaped once more, and so on. */
	RESTORE_JSON,
	RESTORE_JSON2, /* that in a string of JSON, as it is spelled there */
	/* A string of a tool call's arguments, decoded. JSON in it is seen as in RESTORE_JSON. */
	RESTORE_VALUE,
};

/* One for each channel (choice, block, tool call) of an answer. */
struct restorer;

/* The vault must live as long as it. NULL: out of memory. */
struct restorer *restorer_new(const struct vault *v, enum restore_form form);
void restorer_free(struct restorer **r);
/* The text is what a tool is called with, by itself or as strings of JSON: into a string that
 * holds a URL or a host nothing is put back, before it or after it. So a string is held from
 * its first placeholder to its end, `most` bytes of it: in a longer one they stay. `kept`: the
 * tool keeps what it gets, and only into the URL itself nothing is put back. */
void restorer_arguments(struct restorer *r, bool kept, size_t most);
/* The text goes on from another one, which ended in such a place (url_place.h): clients join
 * them. Not for JSON. */
void restorer_goes_on(struct restorer *r, const struct url_place *from);
/* Where what was fed ends, but for what is held. */
const struct url_place *restorer_place(const struct restorer *r);
/* Appends what of the text may go, placeholders replaced. 0, ERR_NOMEM, ERR_LIMIT: it cannot be
 * decided within what is held. */
int restorer_feed(struct restorer *r, struct span text, struct buf *out);
/* The channel ends: appends what is held. 0, ERR_NOMEM. */
int restorer_end(struct restorer *r, struct buf *out);
/* Bytes held now, and placeholders put back so far. */
size_t restorer_held(const struct restorer *r);
size_t restorer_count(const struct restorer *r);
/* Placeholders that stay, because nobody here was given them (vault_count_unknown()). */
size_t restorer_unknown(const struct restorer *r);
/* Placeholders that stay, because they are in URLs (url_place.h). */
size_t restorer_left(const struct restorer *r);

#endif
