/* Finds where words of seed phrases follow each other (BIP 39): in a text without the label of a phrase,
 * the words alone show it. The validators are in check.h. Pure; any thread. Private to detect/. */
#ifndef SCAN_DETECT_VALIDATE_SEED_H
#define SCAN_DETECT_VALIDATE_SEED_H

#include <string.h>

#include "base/span.h"

/* Bits by a hash of four bytes without case: words of the list begin with them. The fourth byte is a space
 * or a usual mark if the word has three letters. Filled before main(). */
extern uint64_t seed_heads[1024];

static inline uint32_t
seed_head_hash(const char *four)
{
	uint32_t head;

	memcpy(&head, four, sizeof(head));
	return (head | 0x20202020u) * UINT32_C(0x9E3779B1) >> 16;
}

/* Returns true if a word of the list, except for case, may begin with these four bytes. Most other words
 * are refused. */
static inline bool
seed_may_begin(const char *four)
{
	uint32_t hash = seed_head_hash(four);

	return seed_heads[hash / 64] >> (hash % 64) & 1;
}

/* Returns true if the word at *from, which equals *to, is among twelve words of the list or more. *from
 * becomes the beginning of the first, and *to the end of the last that was read. */
bool seed_row(struct span t, size_t *from, size_t *to);
/* For a text that continues: returns the beginning of the words of the list with which t ends, the last of
 * which may be incomplete. Returns t.n if there is none, if there are more than a phrase has, or, inside a
 * sentence, fewer than four complete ones, because sentences have some too. */
size_t seed_open(struct span t);

#endif
