/* Similar prompts. Two prompts are similar if they are the same text except for polite
 * phrases before and after it, spaces, the capital at the beginning and the full stop at the
 * end. All that may change the meaning is kept: numbers, names, "not", the order of words. If
 * these rules cannot judge a text, the text is similar to no other. */
#ifndef GATE_CACHE_NEAR_H
#define GATE_CACHE_NEAR_H

#include "gate/cache/key.h"
#include "policy/courtesy.h"

enum { NEAR_TEXT_MOST = 16 << 10 }; /* bytes; a longer text is similar to no other */

/* Appends the part that is equal in similar texts. Returns NULL, or a constant phrase that
 * explains why the text is similar to no other; then nothing is appended.
 *
 *    text    = { greeting sign " " / phrase [ sign ] " " } ask ( " " / "," ) rest
 *    sign    = "," / "." / "!"
 *
 * The phrases and the verb `ask` are of one language. No word in
 * `rest` may indicate that the text is about texts. Only a rest that is one plain sentence
 * may have a polite phrase after it:
 *
 *    rest    = sentence ( "," / "." / "?" ) " " phrase [ "." / "!" ]
 *
 * After ",", the sentence may contain no other comma. Spaces and the full stop are ignored
 * only in a plain sentence. Example: "Hello, please list  all primes." gives "list
 * all primes". */
const char *near_text(const struct courtesy *c, struct span text, struct buf *out);
/* Sets *plain to whether the text consists of letters, digits, spaces and the common signs of
 * one line. Returns NULL, or a constant phrase that explains why the text cannot be compared.
 */
const char *near_look(struct span text, bool *plain);
/* Returns true if a text of the same request is about texts ("translate what the user
 * writes"). The prompt's polite phrases may then be part of its content. */
bool near_speaks(const struct courtesy *c, struct span text);

/* Returns how much two texts have in common, 0 to 1 (the Jaccard index of their runs of three
 * words; case and signs at the ends of words are ignored). Returns 0 if a text has fewer than
 * three words, is longer than NEAR_TEXT_MOST, or if memory is exhausted. O(n). */
double near_similarity(struct span a, struct span b);

/* ---- keys ----
 *
 * Such a key is made as in key.h, but the prompt is replaced by the part that similar prompts
 * have in common. All other parts of the request count as usual. */

enum { NEAR_BODY_MOST = 64 << 10 }; /* bytes; a longer request has no such key */

/* Writes the key to `out` and appends the prompt's text to `prompt`, for near_similarity().
 * Returns NULL, or a constant phrase that explains why the request has no such key. A request
 * has one only if it contains one text prompt, no tools, and no system text that is about
 * texts. Call it with an `ask` for which cache_key() made a key. */
const char *cache_near_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

/* As cache_near_key(), but with the firm words of the prompt (meaning.h). All entries with
 * the same firm words are in one set under this key. The text in `prompt` is compared by its
 * embedding vector. */
const char *cache_meaning_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

#endif
