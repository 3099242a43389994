/* Internals of the stage that finds names: the words and runs of words of a text, and functions
 * that the finders share. Not included outside names*.c. */
#ifndef SCAN_DETECT_NAMES_NAMES_RUN_H
#define SCAN_DETECT_NAMES_NAMES_RUN_H

#include "scan/detect/names/names.h"
#include "scan/detect/rules/scratch.h"

enum { RUN_MAX = 12, BACK_WORDS = 4, BACKS = 4, SMALL_WORDS = 2, KNOWN_SLOTS = 8 };
#define NO_BLOCK SIZE_MAX

/* A word of the text. Offsets are in the text. */
struct word {
	size_t start, end; /* without a possessive 's */
	/* hash and flags as in the lists (names.h); kind of the first letter */
	uint64_t hash;
	uint32_t flags;
	enum letter first;
	bool caps;    /* more than one letter, all of them capitals */
	bool initial; /* a single capital letter */
	bool possessive;
	bool dot;   /* a dot follows */
	bool comma; /* the next word of the run follows after a comma */
	bool code;  /* characters of program code touch the word */
	bool hump;  /* in no list, and written as programs write names: ItemType */
};

/* A run: capitalized words with one space between them, and the small words between these. At most
 * RUN_MAX words. */
struct run {
	struct word w[RUN_MAX];
	size_t n;
	uint32_t any, all; /* `any`: flags that a word or term has; `all`: flags that every word
			    * has */
	bool initials;	   /* a word of the run is an initial */
	/* Flags of the terms of two and more words that begin at word i: terms[i][0] is for two
	 * words. */
	uint32_t terms[RUN_MAX][RUN_MAX];
	uint8_t nterms[RUN_MAX];
};

/* Cache of the words before a place of the text, which all finders ask for. n 0: there are none. */
struct looked {
	size_t at; /* the place */
	/* a colon, an equals sign or a quote is between; a dot is between */
	bool label, dot;
	size_t n; /* terms of 1 to n words: the beginning and the flags of each */
	size_t from[BACK_WORDS];
	uint32_t flags[BACK_WORDS];
};

/* The words of the field that begins at `from`. */
struct field {
	size_t from, end;      /* the end of the last word; without a dot that ends a sentence */
	size_t words;	       /* number of words without initials, particles and suffixes */
	size_t initials;
	bool dotted;	       /* an initial has a dot */
	size_t given, surname; /* in the lists, and no ordinary words */
	size_t weak;	       /* in the lists, and ordinary words too */
	size_t unknown;	       /* in no list of names */
	size_t ordinary, caps; /* of the unknown: ordinary words; words in capitals only */
	bool given_first, surname_last;
	bool given_alone; /* the first word is a given name, perhaps of a program too */
	bool comma; /* a family name, a comma, given names */
	bool whole; /* all words are written as those of names, and the field ends after them */
};

/* The kind of label before a field. */
enum field_lead {
	LEAD_NONE,
	LEAD_KEY,   /* a weak key as data and programs have it: name: 'Foo', <name>, "Name": */
	LEAD_LABEL, /* a weak label of a form: "Name: Maria" */
	LEAD_SURE,  /* a label that names people only: "First name", "Patient" */
};

/* The state of one pass over a text, on the stack of names_scan(). */
struct names_sweep {
	const struct detect_rules *r;
	const struct names_table *t;
	struct detect_scratch *s;
	const struct detect_options *opt;
	struct span text;
	float threshold[FINDERS]; /* threshold of each finder's entity; 1 and above: not asked
				   * for */
	size_t block;		  /* the block of the text that `begins` describes; NO_BLOCK:
				   * none */
	uint64_t begins; /* bits: the first letter of a word that matters may be here */
	struct looked back[BACKS];	  /* by the last bits of the place */
	enum field_lead key;		  /* the kind of the key before the text */
	bool lower;			  /* the text is written without capitals */
	bool rejects;			  /* word_rejected() may be asked */
	bool labeled;			  /* only people's names after a label are found */
	size_t titled;			  /* in a text without capitals: offset of the word after
					   * a title; 0: none */
	struct known_names *known;	  /* people found so far, to find parts of their names
					   * again */
	uint64_t known_bits[KNOWN_SLOTS]; /* a filter of their hashes */
	/* The last person found, for lists such as "Anna, Ben and Carla". */
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

/* ---- names.c ---- */

/* Returns the offset after the character at i. */
size_t past_glyph(struct span t, size_t i);
/* Returns where small words such as "de la" before `at` begin, or `at`. */
size_t past_particles(const struct names_sweep *w, size_t at);

/* ---- names_tokens.c ---- */

/* Reads the word that begins at `at`. Returns false if that character is no letter. */
bool word_read(const struct names_sweep *w, size_t at, struct word *out);
/* Returns true if the word counts as capitalized. */
bool word_stands_out(const struct names_sweep *w, const struct word *word);
/* Returns the number of words of the longest term with a flag of `want` at word i of the run, 0
 * if none has. Sets *flags to the flags of the term. run_phrase() is the same, faster for
 * single words. */
size_t run_terms(const struct run *run, size_t i, uint32_t want, uint32_t *flags);
static inline size_t
run_phrase(const struct run *run, size_t i, uint32_t want, uint32_t *flags)
{
	*flags = run->w[i].flags;
	return *flags & W_MORE ? run_terms(run, i, want, flags) : (*flags & want) != 0;
}
/* Reads the rest of the run whose first word was read already. */
void run_read(const struct names_sweep *w, struct run *run);
/* Returns those flags of `want` that a term ending before `at` has. If the result is not 0,
 * *label is set if a colon, an equals sign or a quote stands between, and *start to where the
 * term begins. */
uint32_t words_before(
	struct names_sweep *w, size_t at, uint32_t want, bool *label, size_t *start);
/* Returns the flags of the word that ends at `end`, without those of the long lists (W_BIG). */
uint32_t word_ending(const struct names_sweep *w, size_t end);
/* Returns the flags of the word after `at`; a comma and a space may stand between. The result may
 * be 0 for a word without a flag of W_FOLLOWS. */
uint32_t word_after(const struct names_sweep *w, size_t at);
/* Returns true if a sentence, a line or the text begins at `at`. */
bool sentence_begins(struct span text, size_t at);
/* Returns true if thresholds and text allow the early reject. */
bool words_rejectable(const struct names_sweep *w);
/* Returns the end of a capitalized word in which the finders cannot find anything, or 0 if they
 * have to look. */
size_t word_rejected(struct names_sweep *w, size_t at);
/* Returns the end of a word that is no part of a known person's name, or 0 if the word must be
 * read. */
size_t word_unknown(const struct names_sweep *w, size_t at);

/* ---- names_field.c ---- */

void field_read(const struct names_sweep *w, size_t at, struct field *f);
/* Returns true if a key of personal data is next to the field in its record: in the same braces,
 * item of a list or paragraph. */
bool field_beside(struct names_sweep *w, const struct field *f);
/* Returns true if the field is a person's name. `beside`: as field_beside(). */
bool field_is_name(const struct field *f, enum field_lead lead, bool beside);

/* ---- names_person.c and its siblings ---- */

/* Adds a candidate for the finder's entity if its score reaches the threshold. Errors are stored in
 * w->err. */
void names_keep(struct names_sweep *w, enum finder f, size_t start, size_t end, float score);
/* Early reject before find_person(): returns true if the words are in no list and nothing announces
 * a person. */
bool no_person_in(struct names_sweep *w, const struct run *run);
void find_person(struct names_sweep *w, struct run *run);
void find_known(struct names_sweep *w, const struct word *word);
/* Returns true if a postcode is next to the place, or if the place has a line of its own. */
bool place_stands_out(struct span t, size_t start, size_t end);
void find_place(struct names_sweep *w, struct run *run);
void find_organisation(struct names_sweep *w, struct run *run);
void find_street(struct names_sweep *w, struct run *run);
/* Returns true if a word that begins a street's name leads to `at`: "rue de …". */
bool street_leads(struct names_sweep *w, size_t at);
/* Finds only streets whose name begins with such a word. */
void find_street_start(struct names_sweep *w, struct run *run);
/* Finds names in scripts without capitals and spaces: Chinese, Japanese, Korean. Returns the end
 * of the text that was examined. */
size_t find_han(struct names_sweep *w, size_t at);

#endif
