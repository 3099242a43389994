/* Obfuscated values: the stage that finds what the rules would find if the text were written
 * plainly. It resolves Unicode look-alikes, escapes, encodings and unusual spelling in views of
 * the text (view.h), runs the rules on the views, and maps the findings back to the bytes of the
 * original. Not included outside detect/. All state is in the caller's struct detect_scratch,
 * which one thread uses at a time. */
#ifndef SCAN_DETECT_DISGUISE_EVADE_H
#define SCAN_DETECT_DISGUISE_EVADE_H

#include "scan/detect/disguise/look.h"
#include "scan/detect/disguise/view.h"
#include "scan/detect/rules/scratch.h"

/* Flags of a candidate that are removed when overlaps are resolved. A weak candidate gives way
 * to an equal one. */
#define FINDING_WEAK 0x8000u
/* The candidate contains its own name ("license no. …"), because the pattern matched both. */
#define FINDING_NAMED 0x4000u
/* The candidate begins or ends inside a terminal sequence. It gives way to candidates that do
 * not. */
#define FINDING_CUT   0x0800u
#define FINDING_WHILE (FINDING_WEAK | FINDING_NAMED | FINDING_CUT)

typedef int rules_fn(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

enum {
	EVADE_CHUNK = 12 << 10,	 /* bytes that are examined together */
	EVADE_OVERLAP = 4 << 10, /* bytes before a chunk's end that are examined again if a key
				  * may continue */
	EVADE_SHORT = 1 << 10,	 /* the same for any other value */
	EVADE_BLOCKS = EVADE_CHUNK / BLOCK,
	EVADE_PASSES = 8, /* rounds of unescaping the result of unescaping; regular expressions
			   * need five */
};

/* The bytes of the original that belong to values which the rules find without a guess: a bit
 * for each byte from `from` on. If pieces only stand next to each other, they are not joined if
 * one of them is such a value (heuristic_whole()). */
struct whole {
	size_t from;
	bool any; /* at least one bit is set */
	uint64_t bits[(EVADE_CHUNK + 2 * EVADE_OVERLAP) / BLOCK];
};

static inline bool
whole_has(const struct whole *w, size_t at)
{
	at -= w->from; /* a byte before `from` wraps around to a large number */
	return at < 64 * COUNT_OF(w->bits) && w->bits[at / 64] >> (at % 64) & 1;
}

/* A chunk of a text, and the classification of its bytes. */
struct chunk {
	struct span text;
	size_t from, to;		    /* offsets in the text */
	bool named;			    /* a key precedes the text, so a name may be near */
	const struct whole *whole;	    /* complete values; NULL: unknown */
	struct look look[EVADE_BLOCKS + 1]; /* one per block, and one for the block after the
					     * chunk */
};

/* Appends the findings of the rules in obfuscated text to the scratch's candidates, marked
 * FINDING_EVASION. Sets s->evasion if the text hides something, whether or not a value was
 * found. Returns 0, ERR_NOMEM, or ERR_LIMIT if encodings are nested too deeply, so that part of
 * the text was not scanned. */
int evade_scan(rules_fn *rules, const struct detect_rules *r, struct detect_scratch *s,
	struct span text, const struct detect_options *opt);
/* evade_is_numeral_word() returns true if the word stands for digits. evade_is_sign_word() returns
 * true if the word stands for a sign of an address ("at", "dot"). More such words may follow in a
 * stream. */
bool evade_is_numeral_word(struct span word);
bool evade_is_sign_word(struct span word);
/* Returns true if the value is only the beginning of a key, its prefix and digits, although the
 * rules may find it as another value. */
bool evade_key_begun(struct span value);
/* evade_wipe() zeroes the texts in the scratch's buffers; evade_free() also releases them. */
void evade_wipe(struct detect_scratch *s);
void evade_free(struct detect_scratch *s);

/* prose: ok normalise (a file name)
 * normalise.c: characters and escapes. Edits all text that differs from what it reads as. Sets
 * *signal if the text contains characters that hide something. */
void normalise_edit(const struct chunk *c, struct editor *ed, bool *signal);
/* heuristics.c: spelling, separators, line breaks and joints, as guesses. */
void heuristics_edit(const struct chunk *c, struct editor *ed);

#endif
