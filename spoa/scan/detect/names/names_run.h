/* The inside of the stage that finds names: words and runs of words of a text, and what
 * the finders share. Not included outside names*.c. */
#ifndef SCAN_DETECT_NAMES_NAMES_RUN_H
#define SCAN_DETECT_NAMES_NAMES_RUN_H

#include "scan/detect/names/names.h"
#include "scan/detect/rules/scratch.h"

enum { RUN_MAX = 12, BACK_WORDS = 4, BACKS = 4, SMALL_WORDS = 2, KNOWN_SLOTS = 8 };
#define NO_BLOCK SIZE_MAX

struct word {
	size_t start, end; /* without a possessive 's */
	uint64_t hash;
	uint32_t flags;
	enum letter first;
	bool caps;    /* more than one letter, all of them capitals */
	bool initial; /* one letter */
	bool possessive;
	bool dot;   /* a dot follows */
	bool comma; /* the next word of the run follows a comma */
	bool code;  /* marks of code touch it */
	bool hump;  /* in no list, and written as programs write names: ItemType */
};

/* Words with a capital, one blank apart, and the small words between them. */
struct run {
	struct word w[RUN_MAX];
	size_t n;
	uint32_t any, all; /* flags of a word or a term, of all words */
	bool initials;	   /* there are */
	/* flags of the terms of two words and more that begin at word i */
	uint32_t terms[RUN_MAX][RUN_MAX];
	uint8_t nterms[RUN_MAX];
};

/* The words before a place of the text: read once for all finders. */
struct looked {
	size_t at;
	bool label, dot;
	size_t n; /* terms of 1 to n words */
	size_t from[BACK_WORDS];
	uint32_t flags[BACK_WORDS];
};

struct names_sweep {
	const struct detect_rules *r;
	const struct names_table *t;
	struct detect_scratch *s;
	const struct detect_options *opt;
	struct span text;
	float threshold[FINDERS]; /* 1 and above: not asked for */
	size_t block;		  /* of the text that `begins` is of */
	uint64_t begins; /* bits: where the first letter of a word that matters may be */
	struct looked back[BACKS];	  /* by the place's last bits */
	bool person_key;		  /* the text is the value of a person's name */
	bool lower;			  /* the text is written without capitals */
	bool rejects;			  /* word_rejected may be asked */
	bool labeled;			  /* of people only names behind a label are found */
	size_t titled;			  /* there, the word after a title; 0: none */
	struct known_names *known;	  /* people so far, to find them again */
	uint64_t known_bits[KNOWN_SLOTS]; /* of their hashes' last bits */
	/* the last person, for "Anna, Ben and Carla" */
	size_t last_start, last_end;
	float last_score;
	bool last_kept;
	int err;
};

static inline void
known_mark(struct names_sweep *w, uint64_t hash)
{
	w->known_bits[hash / 64 % KNOWN_SLOTS] |= UINT64_C(1) << (hash & 63);
}

static inline bool
known_maybe(const struct names_sweep *w, uint64_t hash)
{
	return w->known_bits[hash / 64 % KNOWN_SLOTS] >> (hash & 63) & 1;
}

/* ---- names_begin.c ---- */

/* Whether the text is one of a person who writes without capitals. */
bool text_without_capitals(struct span text);
/* The first letter at or after *at that begins a word with a capital (in a text without
 * capitals, any word) or that is Han: its kind, its place in *at; LETTER_NONE: no more.
 * Nothing before *at belongs to it. */
enum letter word_begins(struct names_sweep *w, size_t *at);
size_t past_glyph(struct span t, size_t i);
/* Back over "de la" and its like before `at`. */
size_t past_particles(const struct names_sweep *w, size_t at);
/* The same where a title is before them, "mevrouw van den Heuvel"; otherwise `at`. */
size_t titled_from(struct names_sweep *w, size_t at);

/* ---- names_reject.c ---- */

/* Whether thresholds and text allow the early reject. */
bool words_rejectable(const struct names_sweep *w);
/* The end of a capitalised word in which the finders find nothing; 0: they have to look. */
size_t word_rejected(struct names_sweep *w, size_t at);
/* The end of a word that is no known person's name; 0: it has to be read. */
size_t word_unknown(const struct names_sweep *w, size_t at);

/* ---- names_tokens.c ---- */

/* The word that begins at `at`; false: no letter there. */
bool word_read(const struct names_sweep *w, size_t at, struct word *out);
/* Neither a letter nor what may join letters is at i. */
bool word_ends(struct span t, size_t i);
/* Whether a word of the text counts as a capitalised one. */
bool word_stands_out(const struct names_sweep *w, const struct word *word);
/* The longest term of the lists at word i of the run: how many words, flags in *flags. */
size_t run_terms(const struct run *run, size_t i, uint32_t want, uint32_t *flags);
static inline size_t
run_phrase(const struct run *run, size_t i, uint32_t want, uint32_t *flags)
{
	*flags = run->w[i].flags;
	return *flags & W_MORE ? run_terms(run, i, want, flags) : (*flags & want) != 0;
}
/* The run of the word that was read as its first. */
void run_read(const struct names_sweep *w, struct run *run);
/* foo.Bar, Foo(), Foo::bar, a/Foo; the marks that suffice next to it */
extern const bool code_before[256], code_after[256];
bool touches_code(struct span t, size_t start, size_t end);
/* Early reject of what comes at `at` after a run: small words, as many as `most`, and then
 * none that belongs to it. Nothing that is more than small letters is judged. */
bool run_ends(const struct names_sweep *w, size_t at, size_t most);
/* Flags of `want` that a term ending before `at` has; where there are,
 * in *label whether a colon, an equals sign or a quote comes between, in *start where the
 * term begins. */
uint32_t words_before(
	struct names_sweep *w, size_t at, uint32_t want, bool *label, size_t *start);
/* The flags of the word after `at`, a blank or a comma away, if they have one of W_AFTER
 * and W_EPONYM. */
uint32_t word_after(const struct names_sweep *w, size_t at);
/* Whether a sentence, a line or the text begins at `at`. */
bool sentence_begins(struct span text, size_t at);

/* ---- names_person.c and its siblings ---- */

void names_keep(struct names_sweep *w, enum finder f, size_t start, size_t end, float score);
/* Early reject before find_person: words of no list, which nothing announces. */
bool no_person_in(struct names_sweep *w, const struct run *run);
void find_person(struct names_sweep *w, struct run *run);
void find_known(struct names_sweep *w, const struct word *word);
/* A postcode next to it, or a line of its own. */
bool place_stands_out(struct span t, size_t start, size_t end);
void find_place(struct names_sweep *w, struct run *run);
void find_organisation(struct names_sweep *w, struct run *run);
void find_street(struct names_sweep *w, struct run *run);
/* Whether a word that begins a street's name leads to `at`: "rue de …". */
bool street_leads(struct names_sweep *w, size_t at);
/* Only after such a word. */
void find_street_start(struct names_sweep *w, struct run *run);
/* Names without capitals and blanks: Chinese, Japanese, Korean. The end of what was
 * looked at. */
size_t find_han(struct names_sweep *w, size_t at);

#endif
