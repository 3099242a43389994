/* What must be the same of two prompts whose meanings are compared: vectors of texts are near
 * where one number, name or "not" differs. The rest is the vector's. */
#ifndef GATE_CACHE_MEANING_H
#define GATE_CACHE_MEANING_H

#include "base/buf.h"
#include "policy/courtesy.h"

enum { MEANING_TEXT_MOST = 512 }; /* bytes: a longer prompt is compared with none */

/* Appends, in their order: each word that is in neither `firsts` nor `asks`, or that is one of
 * `turns`, or has a digit or a capital, or follows one with a digit (a unit); and signs but
 * those of sentences. What is left to the vector is how it is asked, not what is asked about:
 * of a list of words that turn a meaning some are always missing. NULL; or why the prompt is
 * compared with none, a fixed phrase, and what was appended is of no use: a long one, one with
 * quotes, code or lines, of a script without capitals, about texts, or that begins with none of
 * `firsts` and `asks`. */
const char *meaning_firm(const struct courtesy *c, struct span text, struct buf *out);

enum { MEANING_DIMS_MOST = 4096 };
/* An answer of /v1/embeddings (https://platform.openai.com/docs/api-reference/embeddings) to
 * one text: *tokens that it took, and the vector appended as 32-bit floats of this machine's
 * order. 0, or ERR_SYNTAX: it is none, or of no length. */
int meaning_vector(struct span answer, struct buf *floats, uint64_t *tokens);

#endif
