/* What the words around a value say of it. Not included outside detect/. */
#ifndef DETECT_CONTEXT_H
#define DETECT_CONTEXT_H

#include "detect/context/columns.h"
#include "detect/context/words.h"

enum {
	CONTEXT_BYTES = 64, /* read on either side of a candidate */
	CONTEXT_QUIET = 16,
};

/* An entity's words, and what one of them near by adds or takes. */
struct context_rule {
	struct words words, against;
	float boost, penalty;
};

/* Where words of a list are known not to begin: zeroed before the first question about a
 * text; NULL: every question is answered by itself. */
struct context_memo {
	struct context_quiet {
		const struct words *of;
		size_t from, to;
	} v[CONTEXT_QUIET];
};

/* The score of a candidate after its context: words on both sides and in
 * `before`; the nearer of the two lists counts. */
float context_score(const struct context_rule *c, struct span text, struct span before,
	size_t start, size_t end, float score);
/* The same in two parts: 1 where a word speaks for it, -1 against, else 0; `col`, where
 * the text is a table, says what is above. */
int context_verdict(const struct context_rule *c, struct span text, struct span before,
	const struct column *col, size_t start, size_t end, struct context_memo *memo);
float context_apply(const struct context_rule *c, int verdict, float score);

/* Whether a word begins there. */
bool context_word_begins(struct span t, size_t at);
/* Bytes of t at `at` that spell the word, a space in it standing for any run of
 * blanks, '_' and '-'; 0: they do not. */
size_t context_word_at(struct span t, size_t at, struct span word);
/* Whether they do, and a word ends after them. */
bool context_word_matches(struct span t, size_t at, struct span word);
/* The same, except that a long word need not end there: a window may cut it off. */
bool context_word_may_match(struct span t, size_t at, struct span word);

#endif
