/* Texts that are expensive to search: two to four tokens, repeated. The alphabet consists of
 * the beginnings of decoders, validators, heuristics, contexts and names: the pieces in this
 * file, and the literals, context words and examples of the shipped rules. Shape n is the same
 * text in each program. */
#ifndef TESTS_SUPPORT_SHAPES_H
#define TESTS_SUPPORT_SHAPES_H

#include <stdio.h>

#include "scan/detect/rules/rule.h"

enum { SHAPES = 2000, SHAPE_BYTES = 1024, SHAPE_TOKENS = 4, SHAPE_TOKEN_BYTES = 96 };

struct shape {
	char unit[SHAPE_BYTES];
	size_t n;
};

/* Makes shape `number`. */
void shape_make(const struct detect_rules *r, uint32_t number, struct shape *s);

/* Fills n bytes with repetitions of the shape. */
void shape_fill(const struct shape *s, char *to, size_t n);

/* Prints the shape, with escapes for bytes that are not printable. */
void shape_print(FILE *to, const struct shape *s);

#endif
