/* Numbered placeholders for redacted values: <EMAIL_ADDRESS_1>. Numbers count
 * per entity from 1 in the order of first appearance; equal values get equal
 * numbers, so that a model can still tell them apart. One map a request. */
#ifndef SCAN_TEXT_PLACEHOLDER_H
#define SCAN_TEXT_PLACEHOLDER_H

#include "base/arena.h"
#include "base/span.h"

struct placeholders; /* in the arena */

/* An empty map. NULL only if the arena failed. */
struct placeholders *placeholders_new(struct arena *a);

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

/* Each placeholder that was given away, in order, with the value that it was first given for,
 * as that was spelled. What placeholders_taken() saw, before or since, is not among them. */
typedef void placeholder_seen(void *arg, struct span placeholder, struct span value);
void placeholders_each(const struct placeholders *p, placeholder_seen *seen, void *arg);

/* What tells values apart: entity, NUL and value, with `fold` only its letters and digits,
 * letters in upper case, where it has any. p == NULL if the arena failed. */
struct span placeholder_key(struct arena *a, struct span entity, struct span value, bool fold);

#endif
