/* Polite phrases, such as "please" and "thank you", and the words by which a phrase may be more
 * than politeness. The cache compares prompts without such phrases. They are read from
 * policies/courtesy.yaml, which is compiled in, or from another file. Immutable: any thread. (prose: ok courtesy) */
#ifndef POLICY_COURTESY_H
#define POLICY_COURTESY_H

#include "base/codec/yaml.h"
#include "policy/questions.h"

enum { COURTESY_LANGUAGES = 32, COURTESY_PHRASES = 2048, COURTESY_WORDS = 4096 };
enum { COURTESY_BYTES = 64 }; /* most bytes of a phrase or word; a longer word is in no list */

/* In lower case, sorted by bytes. */
struct courtesy_list {
	struct span *v;
	size_t n;
};
struct courtesy_language {
	/* Phrases before a request (`greets` need punctuation after them) and after it. */
	struct courtesy_list greets, first, last;
	struct courtesy_list asks; /* words with which a request begins */
};
/* A word after which every other word counts, so that nothing is ignored. No two entries match
 * the same word. */
struct courtesy_word {
	struct span text;
	bool open;     /* matches all words that begin so */
	bool courtesy; /* a polite phrase of some language */
};
struct courtesy_words {
	const struct courtesy_word *v; /* sorted by bytes */
	size_t n;
	/* index of the first entry that begins with this byte or a later one */
	uint16_t first[257];
};
struct courtesy {
	const struct courtesy_language *languages;
	size_t nlanguages;
	struct courtesy_words words;
	const struct questions *questions; /* for `semantic`; NULL if the file is a route's own */
	const struct yaml_node *tree; /* the parsed file */
};

/* Loads the file, or the built-in one if `file` is NULL, into the arena. Returns NULL with
 * errors in *d. */
const struct courtesy *courtesy_load(struct arena *a, const char *file, struct diag *d);

/* Returns the offset after the word that begins at `at`: a run of letters, digits and _.
 * Returns `at` if there is none. `s` is valid UTF-8. */
size_t courtesy_past_word(struct span s, size_t at);
/* Returns the word in lower case, in `out`. A word over COURTESY_BYTES is cut and then matches
 * no list. */
struct span courtesy_lower(struct span word, char out[COURTESY_BYTES + 8]);
/* Search for a word in lower case. courtesy_word_find() returns NULL if there is none. */
bool courtesy_listed(const struct courtesy_list *l, struct span lower);
const struct courtesy_word *courtesy_word_find(
	const struct courtesy_words *of, struct span lower);

/* the built-in file */
struct courtesy_file {
	const char *name, *text;
	size_t n;
};
extern const struct courtesy_file courtesy_builtin[];
extern const size_t courtesy_builtin_count;

#endif
