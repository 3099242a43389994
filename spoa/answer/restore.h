/* Replaces placeholders with their values in text that arrives in pieces. The output depends on
 * the text alone, not on its pieces. Text is held back only while it may be the beginning of
 * one of the vault's placeholders, in any spelling (scan/text/spelling.h). owner: worker. */
#ifndef ANSWER_RESTORE_H
#define ANSWER_RESTORE_H

#include "answer/url_place.h"
#include "answer/vault.h"
#include "base/buf.h"
#include "scan/text/placeholder.h"

enum {
	/* bytes that a restorer holds back at most, not counting strings of arguments */
	RESTORE_HELD_MOST = SPELLING_MOST + 64,
};

/* The kind of text, which determines how a value is written. */
enum restore_form {
	RESTORE_TEXT,
	/* JSON, such as a tool call's arguments, or the inside of one of its strings. A string
	 * that is JSON itself is recognized, and values in its strings are escaped once more,
	 * up to four levels. */
	RESTORE_JSON,
	RESTORE_JSON2, /* JSON inside a JSON string, as it is spelled there */
	/* One string of a tool call's arguments, decoded. JSON in it is recognized as in
	 * RESTORE_JSON. */
	RESTORE_VALUE,
};

/* State of one channel (choice, block, tool call) of a response. */
struct restorer;

/* Returns a new restorer, or NULL if memory is out. The vault must outlive it. */
struct restorer *restorer_new(const struct vault *v, enum restore_form form);
/* Frees `*r`, which may be NULL, and sets it to NULL. */
void restorer_free(struct restorer **r);
/* States that the text is a tool's arguments, or a string of them. If a string contains a URL
 * or a host, no value is put into that string, before or after the URL. Therefore a string is
 * held back from its first placeholder to its end, up to `most` bytes; in a longer one the
 * placeholders stay. `kept`: the tool only stores its input, so just the URL itself gets no
 * values. */
void restorer_arguments(struct restorer *r, bool kept, size_t most);
/* After restorer_arguments() without `kept`: the strings are commands of a shell. A string is
 * held back from its beginning, and if the command only writes files (command.h), it is restored
 * as with `kept`. A list of strings may be one command (command_list()), which is held back too. */
void restorer_command(struct restorer *r);
/* After restorer_arguments() without `kept`: the tool sends its arguments to other machines, so
 * values are put only into URLs of the caller. `why`: the reason that other placeholders stay. */
void restorer_leaves(struct restorer *r, enum placeholder_left why);
/* Makes `inner` the restorer of arguments of the tool `name`; empty: it is not known. */
typedef void restorer_as(void *arg, struct restorer *inner, struct span name);
/* The arguments are those of a tool that calls another one (wrapped.h). They are held back to
 * their end, up to `most` bytes, and restored as the other tool's. Longer ones are restored as those of
 * a tool that is not known. */
void restorer_wrapped(struct restorer *r, size_t most, restorer_as *as, void *arg);
/* States whose arguments the text is: span_hash() of the tool's name. */
void restorer_tool(struct restorer *r, uint64_t tool);
/* States that the text continues another one, which ended at `from` (url_place.h), because
 * clients join both. Ignored for JSON. */
void restorer_goes_on(struct restorer *r, const struct url_place *from);
/* Returns the place after the text that was fed, without the part that is held back.
 * Borrowed. */
const struct url_place *restorer_place(const struct restorer *r);
/* Appends the text that is decided, with values instead of placeholders. Returns 0, ERR_NOMEM,
 * or ERR_LIMIT if RESTORE_HELD_MOST bytes do not suffice to decide. */
int restorer_feed(struct restorer *r, struct span text, struct buf *out);
/* Ends the channel and appends the text that was held back. Returns 0 or ERR_NOMEM. */
int restorer_end(struct restorer *r, struct buf *out);
/* Return the number of bytes held back now, and of placeholders replaced so far. */
size_t restorer_held(const struct restorer *r);
size_t restorer_count(const struct restorer *r);
/* Returns the number of placeholders that stay for this reason. LEFT_UNKNOWN: the vault does not
 * have them (vault_count_unknown()). */
size_t restorer_left(const struct restorer *r, enum placeholder_left why);

#endif
