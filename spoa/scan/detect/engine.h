/* Internals of the engine: declarations that its files share. Not included outside detect/. */
#ifndef SCAN_DETECT_ENGINE_H
#define SCAN_DETECT_ENGINE_H

#include "scan/detect/detect.h"
#include "scan/detect/rules/scratch.h"

/* A file of rules compiled into the program. */
struct detect_file {
	const char *name;
	const char *text;
	size_t n;
};
extern const struct detect_file detect_builtin[];
extern const size_t detect_builtin_count;

/* ---- rules.c ---- */

/* Builds the indexes for the scan, and the version. Call it after the last pattern was added.
 * Returns 0 or ERR_NOMEM. */
int rules_finish(struct detect_rules *r);

/* ---- scan.c ---- */

/* Tries every rule at the places where its start condition holds. Returns 0 or a negative error. */
int rules_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

/* ---- scan.c: texts that continue ---- */

/* Builds the index of beginnings. Call it after the prefilter was built. Returns 0 or ERR_NOMEM. */
int open_finish(struct detect_rules *r);

/* For stream/: determines which part of a text that continues may be the beginning of a match.
 * Separators divide the text into tokens: a word, a number or a key has ended before a
 * separator. */

/* Returns true for a separator: space characters and " ( ) , ; > [ ] { | } */
bool open_separates(char c);

/* Scans `text`, which continues, for everything that is or may become a candidate of the rules
 * `r`. opt->used is ignored. The candidates are in the scratch. *from becomes the offset, at or
 * after `at`, of the first match that the end cuts off; text.n: there is none. Returns 0 or a
 * negative error. */
int open_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, size_t at, size_t *from);

/* Early reject: returns true if no pattern begins in [at, *open). *open is moved back to the
 * first place at which a pattern could begin with the text that follows. Only for plain words
 * in small letters, in which no other stage finds anything. */
bool open_is_quiet(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span text, size_t at, size_t *open);

/* ---- rules.c: for some of the entities ---- */

struct detect_used {
	uint64_t entities[DETECT_ENTITIES_MAX / 64];
	/* a rule set with only the rules of these entities; NULL: most rules belong to these
	 * entities, so a scan uses the whole rule set */
	struct detect_rules *rules;
	/* threshold of each entity; above 1.0 for an entity that is not used */
	float *thresholds;
};

/* Removes the findings of entities that are not used. */
void used_filter(const struct detect_used *u, struct findings *f);

/* ---- pipeline.c ---- */

/* Runs the stages without resolving overlaps: the candidates are in the scratch. opt->used is
 * ignored. Returns 0 or a negative error. */
int scan_candidates(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

#endif
