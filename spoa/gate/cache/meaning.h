/* Semantic matches: the conditions that two prompts must meet before their embedding vectors
 * are compared. Vectors of two texts are close even if the texts differ in a number, a name
 * or a "not". These parts (the firm words) must therefore be equal. */
#ifndef GATE_CACHE_MEANING_H
#define GATE_CACHE_MEANING_H

#include "base/buf.h"
#include "policy/courtesy.h"

enum { MEANING_TEXT_MOST = 512 }; /* bytes; a longer prompt is compared with no other */

/* Appends the firm words of a prompt in their order.
 *
 * A word is firm if it is in neither `firsts` nor `asks`, if it is one of `turns`, if it has
 * a digit or a capital, or if it follows a word with a digit (a unit). Signs are firm except
 * those that end sentences. Only the words that ask are left to the vector, not the words
 * that are asked about: a list of words that change a meaning would always be incomplete.
 *
 * Example: in "Explain what 4 eggs cost in Bonn?", the words 4, eggs, cost and Bonn are firm.
 *
 * Returns NULL, or a constant phrase that explains why the prompt is compared with no other;
 * `out` is then useless. Reasons are a long prompt, quotes, code or several lines, a script
 * without capitals, a prompt about texts, and a first word in neither `firsts` nor `asks`. */
const char *meaning_firm(const struct courtesy *c, struct span text, struct buf *out);

enum { MEANING_DIMS_MOST = 4096 };
/* Reads the response of /v1/embeddings
 * (https://platform.openai.com/docs/api-reference/embeddings) to one text. Appends the vector
 * as 32-bit floats in this machine's byte order and sets *tokens to the tokens used (0 if not
 * stated). Returns 0, or ERR_SYNTAX if this is not such a response or the vector has the
 * length 0. */
int meaning_vector(struct span answer, struct buf *floats, uint64_t *tokens);

#endif
