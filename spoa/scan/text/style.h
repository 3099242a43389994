/* What takes the place of a finding: a policy's `with`. One redactor a request or
 * text: placeholders count on in it. */
#ifndef SCAN_TEXT_STYLE_H
#define SCAN_TEXT_STYLE_H

#include "base/arena.h"
#include "base/span.h"
#include "scan/text/placeholder.h"

enum redact_style {
	STYLE_PLACEHOLDER, /* <EMAIL_ADDRESS_1>: placeholder.h */
	STYLE_MASK,	   /* a '*' for every character, separators too */
	STYLE_HASH,	   /* <EMAIL_ADDRESS:16 hex digits>: HMAC-SHA-256, cut to 64 bits */
	STYLE_REMOVE,	   /* nothing */
	STYLE_LAST4,	   /* **** **** **** 1111 */
	STYLE_COUNT
};
extern const char *const style_names[STYLE_COUNT + 1]; /* as policies write them; NULL ends */

#define STYLE_KEY_BYTES 32

/* Entities whose last four digits may stay. Others get a placeholder instead. */
bool style_keeps_last4(struct span entity);

/* Bytes of the separator at v.p[i] that people write numbers with: ASCII, the blanks
 * that do not break, the dashes. 0: it is none. */
size_t style_separator(struct span v, size_t i);

struct redactor; /* in the arena */

/* `key` is for STYLE_HASH and is copied; NULL: such findings get a placeholder.
 * NULL only if the arena failed. */
struct redactor *redactor_new(struct arena *a, const unsigned char key[STYLE_KEY_BYTES]);

/* The same with the placeholders of a conversation, which must live as long as the redactor. */
struct redactor *redactor_new_in(
	struct arena *a, const unsigned char key[STYLE_KEY_BYTES], struct placeholders *of);

/* The same, but its placeholders carry no number: <EMAIL_ADDRESS>. It remembers nothing. */
struct redactor *redactor_new_plain(struct arena *a, const unsigned char key[STYLE_KEY_BYTES]);

/* Gives each spelling of a value a placeholder of its own, for values that are restored: what
 * is put back then has the bytes that were replaced. Before the first redactor_get(). */
void redactor_by_spelling(struct redactor *r);

/* Writes placeholders and hashes of letters, digits and '_' alone: EMAIL_ADDRESS_1. They cannot
 * be told from other words of a text, so nothing can be put back in their place. */
void redactor_plain_form(struct redactor *r);

/* As placeholders_taken() and placeholders_repeated(). */
void redactor_taken(struct redactor *r, struct span text);
void redactor_repeated(struct redactor *r, struct span text);

/* As placeholders_each(): what no placeholder replaced is not among them. */
void redactor_each(const struct redactor *r, placeholder_seen *seen, void *arg);

/* What replaces `value`, found as `entity`. `fold` as placeholder_get: equal
 * however they are separated. `named`: it is in a name or a path, where nothing
 * and dots alone would change the meaning of the rest: STYLE_REMOVE writes a
 * placeholder there. STYLE_LAST4 does so where the value is not eight digits or
 * more with separators, such as what was found inside an encoding. p == NULL if
 * the arena failed; an empty result has p != NULL. */
struct span redactor_get(struct redactor *r, enum redact_style style, struct span entity,
	struct span value, bool fold, bool named);

#endif
