/* What people say out of courtesy, and by which words one sees that it may be more than that:
 * policies/courtesy.yaml, which is compiled in, or another file. Immutable: any thread. */
#ifndef POLICY_COURTESY_H
#define POLICY_COURTESY_H

#include "base/codec/yaml.h"

enum { COURTESY_LANGUAGES = 32, COURTESY_PHRASES = 2048, COURTESY_WORDS = 4096 };
enum { COURTESY_BYTES = 64 }; /* of a phrase, or a word: a longer word is none of them */

/* In small letters, ordered by their bytes. */
struct courtesy_list {
	struct span *v;
	size_t n;
};
struct courtesy_language {
	/* Phrases before a request, of which the former need a sign after them; after it. */
	struct courtesy_list greets, first, last;
	struct courtesy_list asks; /* words that a request begins with */
};
/* A word after which every other counts. No two match the same one. */
struct courtesy_word {
	struct span text;
	bool open;     /* and all that begin so */
	bool courtesy; /* it is a phrase of a language */
};
struct courtesy_words {
	const struct courtesy_word *v; /* ordered by their bytes */
	size_t n;
	uint16_t first[257]; /* the first that begins with this byte, or a later one */
};
struct courtesy {
	const struct courtesy_language *languages;
	size_t nlanguages;
	struct courtesy_words words;
	/* Where meanings are compared: words that begin a sentence and are no names; and those
	 * that turn what it says, as "not" does. */
	struct courtesy_list firsts;
	struct courtesy_words turns;
	const struct yaml_node *tree; /* the file */
};

/* The file, or what is compiled in where it is NULL, in the arena. Every mistake goes to *d;
 * NULL: there is one. */
const struct courtesy *courtesy_load(struct arena *a, const char *file, struct diag *d);

/* After the word that begins at `at`, a run of letters, digits and _; `at`: none does. s is
 * UTF-8. */
size_t courtesy_past_word(struct span s, size_t at);
/* In small letters; a longer one is cut, and is none of any list's. */
struct span courtesy_lower(struct span word, char out[COURTESY_BYTES + 8]);
/* Both of a word in small letters. */
bool courtesy_listed(const struct courtesy_list *l, struct span lower);
const struct courtesy_word *courtesy_word_find(
	const struct courtesy_words *of, struct span lower);

/* The file that is compiled in. */
struct courtesy_file {
	const char *name, *text;
	size_t n;
};
extern const struct courtesy_file courtesy_builtin[];
extern const size_t courtesy_builtin_count;

#endif
