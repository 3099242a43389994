/* Values in disguise: the stage that looks for what the rules would find if the text
 * were written plainly. It undoes Unicode's look-alikes, escapes, encodings and
 * spelling in views of the text (view.h), runs the rules on those, and brings what they
 * find back to the bytes of the original. Not included outside detect/. */
#ifndef SCAN_DETECT_DISGUISE_EVADE_H
#define SCAN_DETECT_DISGUISE_EVADE_H

#include "scan/detect/disguise/look.h"
#include "scan/detect/disguise/view.h"
#include "scan/detect/rules/scratch.h"

/* Of a candidate, until the overlaps are resolved: it gives way to an equal one. */
#define FINDING_WEAK 0x8000u
/* The same: its own name is before it ("licence no. …"), and the pattern read both. */
#define FINDING_NAMED 0x4000u
/* It begins or ends inside a terminal's sequence: gives way to what does not. */
#define FINDING_CUT   0x0800u
#define FINDING_WHILE (FINDING_WEAK | FINDING_NAMED | FINDING_CUT)

typedef int rules_fn(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

enum {
	EVADE_CHUNK = 12 << 10,	 /* looked at together */
	EVADE_OVERLAP = 4 << 10, /* looked at again where a key may go on, */
	EVADE_SHORT = 1 << 10,	 /* and where any other value may */
	EVADE_BLOCKS = EVADE_CHUNK / BLOCK,
	EVADE_PASSES = 8, /* of undoing escapes in what escapes stood for; regular expressions
			     need five */
};

/* The bytes of the original that belong to values which the rules find without a guess: one
 * bit for each byte from `from` on. Pieces that merely stand next to each other are not
 * joined where one of them is such a value (heuristic_whole). */
struct whole {
	size_t from;
	bool any; /* a bit is set */
	uint64_t bits[(EVADE_CHUNK + 2 * EVADE_OVERLAP) / BLOCK];
};

static inline bool
whole_has(const struct whole *w, size_t at)
{
	at -= w->from; /* wraps round where it is before */
	return at < 64 * COUNT_OF(w->bits) && w->bits[at / 64] >> (at % 64) & 1;
}

/* A part of a text and what was seen in it. */
struct chunk {
	struct span text;
	size_t from, to;		    /* of the text */
	bool named;			    /* a key comes before it */
	const struct whole *whole;	    /* NULL: not known */
	struct look look[EVADE_BLOCKS + 1]; /* and the block after */
};

/* Appends what the rules find in disguise; marks FINDING_EVASION. Sets
 * s->evasion where the text hides something, found or not. 0, ERR_LIMIT (encodings
 * nested too deep: part of the text was not read), ERR_NOMEM. */
int evade_scan(rules_fn *rules, const struct detect_rules *r, struct detect_scratch *s,
	struct span text, const struct detect_options *opt);
/* Whether the word is one of those that stand for digits, or for the signs of an address:
 * more of them may follow. */
bool evade_numeral(struct span word);
bool evade_sign(struct span word);
/* Whether the value is only the beginning of a key, whatever the rules find: its prefix and
 * digits. */
bool evade_key_begun(struct span value);
void evade_wipe(struct detect_scratch *s);
void evade_free(struct detect_scratch *s);

/* normalise.c: characters and escapes. Edits what is written otherwise than it reads;
 * *signal is set where somebody hides something. */
void normalise_edit(const struct chunk *c, struct editor *ed, bool *signal);
/* heuristics.c: spelling, separators, breaks and joints. */
void heuristics_edit(const struct chunk *c, struct editor *ed);

#endif
