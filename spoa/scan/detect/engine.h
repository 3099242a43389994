/* What the parts of the engine share. Not included outside detect/ itself. */
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

/* After the last pattern: builds what the scan walks, and the version. 0 or
 * ERR_NOMEM. */
int rules_finish(struct detect_rules *r);

/* ---- scan.c ---- */

/* Every rule, where its start condition holds. 0 or negative. */
int rules_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);
/* Whether p may begin at `at`, and more of the text than there is may make a match of it. */
bool rules_may_go_on(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct pattern *p, size_t at);

/* ---- open.c ---- */

/* After the prefilter. 0 or ERR_NOMEM. */
int open_finish(struct detect_rules *r);

/* For stream/: what of a text that goes on may be the beginning of something. Tokens are what
 * separators part: after one, a word, a number or a key is over. */

/* Blanks " ( ) , ; > [ ] { | } */
bool open_separates(char c);

/* Scans `text`, which goes on, for whatever may be or become a candidate of the rules `r`;
 * opt->used is not looked at. The candidates are left in the scratch. *from: where, at `at` or
 * after, the first match begins that the end cuts off; text.n: none is. 0 or negative. */
int open_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, size_t at, size_t *from);

/* Early reject: whether no pattern begins at `at` or after, up to *open, which is moved back
 * to where one could with what comes. For plain words in small letters, of which no other
 * stage makes anything. */
bool open_is_quiet(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span text, size_t at, size_t *open);

/* ---- rules.c: for some of the entities ---- */

struct detect_used {
	uint64_t entities[DETECT_ENTITIES_MAX / 64];
	struct detect_rules
		*rules;	   /* theirs alone; NULL: they are most, and all are searched */
	float *thresholds; /* one an entity; above 1.0 for all but them */
};

/* Findings of other entities leave. */
void used_filter(const struct detect_used *u, struct findings *f);

/* ---- pipeline.c ---- */

/* The stages alone: the candidates are in the scratch. opt->used is not looked at. */
int scan_candidates(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

#endif
