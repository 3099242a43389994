/* Semantic matches: the conditions that two prompts must meet before their embedding vectors
 * are compared. Vectors of two texts are close even if the texts differ in a number, a name, a
 * "not", or in who does what. So a file lists what may differ (policy/questions.h), and all
 * else must be equal. */
#ifndef GATE_CACHE_MEANING_H
#define GATE_CACHE_MEANING_H

#include "base/buf.h"
#include "policy/courtesy.h"

enum { MEANING_TEXT_MOST = 512 }; /* bytes; a longer prompt is compared with no other */

/* Appends what must be equal in two prompts: the group of the opening, and every word and sign
 * behind it, as written. Polite phrases, spaces, apostrophes and the full stop at the end do not
 * count.
 *
 *    prompt  = { lead [ "," / "." / "!" ] } opening rest { sign closing } [ "." / "?" / "!" ]
 *
 * Example: "Could you tell me how to boil 4 eggs?" and "How do I boil 4 eggs" give "how do i:
 * boil 4 eggs ".
 *
 * Returns NULL, or a constant phrase that explains why the prompt is compared with no other;
 * `out` is then useless. Reasons are a long prompt, quotes, code or several lines, a script
 * without capitals, no listed opening, and words about texts behind the opening. */
const char *meaning_firm(const struct courtesy *c, struct span text, struct buf *out);

enum { MEANING_DIMS_MOST = 4096 };
/* Reads the response of /v1/embeddings
 * (https://platform.openai.com/docs/api-reference/embeddings) to one text. Appends the vector
 * as 32-bit floats in this machine's byte order and sets *tokens to the tokens used (0 if not
 * stated). Returns 0, or ERR_SYNTAX if this is not such a response or the vector has the
 * length 0. */
int meaning_vector(struct span answer, struct buf *floats, uint64_t *tokens);

#endif
