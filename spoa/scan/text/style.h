/* Produces the text that replaces a finding: the `with` of a policy. Use one redactor per
 * request or text, because placeholder numbers are counted in it. One thread. */
#ifndef SCAN_TEXT_STYLE_H
#define SCAN_TEXT_STYLE_H

#include "base/arena.h"
#include "base/span.h"
#include "scan/text/placeholder.h"

enum redact_style {
	STYLE_PLACEHOLDER, /* <EMAIL_ADDRESS_1>, see placeholder.h */
	STYLE_MASK,	   /* one '*' for every character, separators included */
	STYLE_HASH,	   /* <EMAIL_ADDRESS:16 hex digits>: HMAC-SHA-256, cut to 64 bits */
	STYLE_REMOVE,	   /* the empty text */
	STYLE_LAST4,	   /* **** **** **** 1111 */
	STYLE_COUNT
};
extern const char *const style_names[STYLE_COUNT + 1]; /* as policies write them; NULL ends the
							* list */

#define STYLE_KEY_BYTES 32

/* Returns true for entities whose last four digits may be shown. Others get a placeholder
 * instead. */
bool style_keeps_last4(struct span entity);

/* Returns the number of bytes of the separator at v.p[i], as people write them in numbers:
 * ASCII, non-breaking spaces, dashes. Returns 0 if there is none. */
size_t style_separator(struct span v, size_t i);

struct redactor; /* in the arena */

/* Returns a redactor with placeholders of its own. `key` is for STYLE_HASH and is copied; NULL:
 * such findings get a placeholder. Returns NULL only if the arena failed. */
struct redactor *redactor_new(struct arena *a, const unsigned char key[STYLE_KEY_BYTES]);

/* The same with the placeholders of a conversation, which must live as long as the redactor. */
struct redactor *redactor_new_in(
	struct arena *a, const unsigned char key[STYLE_KEY_BYTES], struct placeholders *of);

/* The same with placeholders without numbers: <EMAIL_ADDRESS>. The redactor stores no values. */
struct redactor *redactor_new_plain(struct arena *a, const unsigned char key[STYLE_KEY_BYTES]);

/* Gives each spelling of a value its own placeholder, so that restoring writes exactly the bytes
 * that were replaced. Call before the first redactor_get(). */
void redactor_by_spelling(struct redactor *r);

/* Writes placeholders and hashes only with letters, digits and '_': EMAIL_ADDRESS_1. They cannot
 * be distinguished from other words of a text, so they cannot be restored. */
void redactor_plain_form(struct redactor *r);

/* See placeholders_taken() and placeholders_repeated(). */
void redactor_taken(struct redactor *r, struct span text);
void redactor_repeated(struct redactor *r, struct span text);

/* See placeholders_url(). */
void redactor_url(struct redactor *r, struct span url);

/* See placeholders_each(). Values that another style replaced are left out. */
void redactor_each(const struct redactor *r, placeholder_seen *seen, void *arg);

/* Returns the text that replaces `value`, which was found as `entity`. `fold` as in
 * placeholder_get(). `named`: the value is in a name or a path, where an empty text would change
 * the meaning of the rest, so STYLE_REMOVE writes a placeholder. STYLE_LAST4 writes a
 * placeholder if the value is not eight or more digits with separators, for example if it was
 * found inside an encoding. p is NULL if the arena failed; an empty result has p != NULL. */
struct span redactor_get(struct redactor *r, enum redact_style style, struct span entity,
	struct span value, bool fold, bool named);

#endif
