/* Numbered placeholders for redacted values: <EMAIL_ADDRESS_1>. Numbers count per entity from 1
 * in the order of first appearance; equal values get equal numbers, so that a model can still
 * tell them apart. A map is for one request, or for a conversation whose earlier placeholders
 * are added to it. Inside one map a placeholder stands for one value for as long as the map
 * lives. docs/placeholders.md */
#ifndef SCAN_TEXT_PLACEHOLDER_H
#define SCAN_TEXT_PLACEHOLDER_H

#include "base/arena.h"
#include "base/span.h"

struct placeholders; /* in the arena */

/* An empty map for one request. NULL only if the arena failed. */
struct placeholders *placeholders_new(struct arena *a);

/* An empty map with memory of its own, for a conversation that goes on while this process
 * lives, such as a WebSocket session. Any thread may use it, several at once. After
 * CAP_KEPT_VALUES values, further ones get tagged placeholders that it does not remember.
 * NULL: out of memory. */
struct placeholders *placeholders_open(void);
/* Zeroes the values and frees the map; accepts NULL. */
void placeholders_close(struct placeholders **p);

enum { PLACEHOLDER_TAG_KEY = 32 /* bytes */ };
/* From now on new values get tagged placeholders, <EMAIL_ADDRESS_7GKQ2MPX_1>. The tag is 40
 * bits of a keyed hash of entity and value, so it cannot be mistaken for a number that somebody
 * else was given. Values that are in the map keep their placeholders. `key` is copied. */
void placeholders_tag(struct placeholders *p, const unsigned char key[PLACEHOLDER_TAG_KEY]);

/* Adds a placeholder that was given away earlier in the conversation; value.p NULL: its number
 * is only not to be given again. One placeholder that is added with two values stands for
 * neither from then on. The placeholder must live as long as a map for one request. False: out
 * of memory. */
bool placeholders_add(
	struct placeholders *p, struct span placeholder, struct span entity, struct span value);

/* The placeholder of `value` found as `entity`. With `fold` (entities written
 * with or without separators: cards, phones, IBANs) only letters and digits are
 * compared, letters without case; else the bytes. The text lives in the arena;
 * p == NULL if the arena failed. `entity` is copied. */
struct span placeholder_get(
	struct placeholders *p, struct span entity, struct span value, bool fold);

/* Numbers whose placeholder is in `text` already, however it is spelled (scan/text/spelling.h), are
 * not given away from now on: the reader could not tell them from ours. Past ten thousand
 * different ones, numbering goes on after the highest. */
void placeholders_taken(struct placeholders *p, struct span text);
/* The same for text in which the caller repeats what the model wrote, or of a conversation that
 * goes on: a placeholder that was given away before stays what it is. */
void placeholders_repeated(struct placeholders *p, struct span text);

/* Each placeholder that was given away, in order, with the value that it was first given for,
 * as that was spelled. What placeholders_taken() saw, before or since, is not among them. */
typedef void placeholder_seen(void *arg, struct span placeholder, struct span value);
void placeholders_each(const struct placeholders *p, placeholder_seen *seen, void *arg);

/* Each placeholder that may not be given to another value, in order: those of
 * placeholders_each() with their entity, then those that are nobody's (entity and value: p
 * NULL). placeholders_add() takes them back. */
typedef void placeholder_kept(
	void *arg, struct span placeholder, struct span entity, struct span value);
void placeholders_all(const struct placeholders *p, placeholder_kept *kept, void *arg);
/* Returns the number up to which no placeholder may be given, whatever its entity; 0: none. */
size_t placeholders_floor(const struct placeholders *p);
void placeholders_raise(struct placeholders *p, size_t floor);

/* What tells values apart: entity, NUL and value, with `fold` only its letters and digits,
 * letters in upper case, where it has any. p == NULL if the arena failed. */
struct span placeholder_key(struct arena *a, struct span entity, struct span value, bool fold);

#endif
