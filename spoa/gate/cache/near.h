/* When two prompts are near: where they are the same text, but for courtesies before and after
 * it, blanks, the capital that it begins with and its full stop. What may mean anything else
 * stays as it is, so that whatever differs in it differs: numbers, names, "not", the order of
 * words. A text of which these rules are not sure is near to none. */
#ifndef GATE_CACHE_NEAR_H
#define GATE_CACHE_NEAR_H

#include "base/buf.h"
#include "policy/courtesy.h"

enum { NEAR_TEXT_MOST = 16 << 10 }; /* bytes: a longer text is near to none */

/* Appends what is the same of texts that are near. NULL; or why the text is near to none, a
 * fixed phrase, and nothing is appended.
 *
 *   text    = { greeting sign " " / courtesy [ sign ] " " } ask ( " " / "," ) rest
 *   sign    = "," / "." / "!"
 *
 * with an `ask` of the language of the courtesies, and no word in `rest` that says that the
 * text is about texts. Only a rest that is one plain sentence has a courtesy after it:
 *
 *   rest    = sentence ( "," / "." / "?" ) " " courtesy [ "." / "!" ]
 *
 * where after "," it has no other comma; and only there blanks and its full stop do not count.
 */
const char *near_text(const struct courtesy *c, struct span text, struct buf *out);
/* NULL, and whether all of it is letters, digits, blanks and the common signs of a line; or why
 * it cannot be compared, a fixed phrase. */
const char *near_look(struct span text, bool *plain);
/* Whether a text that goes with the prompt is about texts, so that what the prompt's courtesies
 * are is not known: "translate what the user says". */
bool near_speaks(const struct courtesy *c, struct span text);

/* How alike two texts are as they were written, but for case and for signs at words' ends: of
 * their different runs of three words the share that both have, 0 to 1 (Jaccard). 0 where one
 * has fewer than three words, is over NEAR_TEXT_MOST, or memory failed. O(n). */
double near_similarity(struct span a, struct span b);

#endif
