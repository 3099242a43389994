/* Questions: the openings of prompts that ask the same thing in other words. They are read from
 * policies/questions.yaml, which is compiled in. The semantic cache compares prompts with them
 * (gate/cache/meaning.h). The file lists what may differ; all else must be equal. Immutable: any
 * thread. */
#ifndef POLICY_QUESTIONS_H
#define POLICY_QUESTIONS_H

#include "base/codec/yaml.h"

/* QUESTION_BYTES: most bytes of an opening's part or of a phrase */
enum { QUESTION_BYTES = 96, QUESTION_PARTS = 3 };

/* Tokens: words in lower case and signs, with a space after each. Spaces and apostrophes of the
 * text separate tokens. Example: "What's it?" has the tokens "what s it ? ". */
struct question_phrase {
	struct span tokens;
	size_t n; /* number of tokens */
};
/* An opening. "tell me what * is" has two parts, and * stands for one or more words of the
 * prompt. Part 0 begins the question, part 2 ends it, and part 1 occurs once between them. A part
 * that the form lacks has no tokens. */
struct question_form {
	struct question_phrase part[QUESTION_PARTS];
	const char *group; /* the first form of its group; the same pointer for the whole group */
};
struct questions {
	const struct question_form *forms;
	size_t nforms;
	/* phrases before a question ("tell me") and behind it ("thank you") */
	const struct question_phrase *leads, *closings;
	size_t nleads, nclosings;
};

/* Loads the file, or the built-in one if `text` is empty, into the arena. Returns NULL with
 * errors in *d. */
const struct questions *questions_load(struct arena *a, struct span text, struct diag *d);

/* Returns the end of the token that begins at or after *at, and sets *at to its beginning.
 * Returns 0 if no token follows. `s` is valid UTF-8. */
size_t question_token(struct span s, size_t *at);

/* the built-in file */
struct questions_file {
	const char *name, *text;
	size_t n;
};
extern const struct questions_file questions_builtin[];
extern const size_t questions_builtin_count;

#endif
