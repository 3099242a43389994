/* Texts for the detection benchmark: made from words and tables in detect_texts.c
 * by a generator with a fixed seed, the same bytes on every machine. */
#ifndef BENCH_DETECT_TEXTS_H
#define BENCH_DETECT_TEXTS_H

#include "base/span.h"

struct text_kind {
	const char *name;
	void (*fill)(const struct text_kind *k, char *to, size_t n);
	const char *unit; /* of a hostile text: the repeated part */
};

extern const struct text_kind text_kinds[]; /* typical texts */
extern const size_t text_kinds_count;
extern const struct text_kind text_hostile[]; /* texts that are slow to scan */
extern const size_t text_hostile_count;

/* The next number of a generator; *state may start at any value. */
uint32_t text_random(uint64_t *state);

#endif
