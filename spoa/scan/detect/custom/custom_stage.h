/* A policy's own detectors as a part of a rule set: the functions that the loader and the scan
 * call. Private to detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_STAGE_H
#define SCAN_DETECT_CUSTOM_CUSTOM_STAGE_H

#include "scan/detect/custom/custom.h"
#include "scan/detect/custom/custom_regex.h"
#include "scan/detect/rules/scratch.h"

/* Analyzes pattern number `index` of a class. Returns false if the pattern is refused; the
 * reason is then in *d. */
bool custom_pattern(struct detect_rules *r, const struct yaml_node *n, unsigned index,
	struct regex_facts *f, struct diag *d);
/* Adds a class's words, dictionary and fingerprints to the rule set. Errors are in *d. */
void custom_attach(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d);
/* Completes the tables; call after rules_finish(). Returns 0 or ERR_NOMEM. */
int custom_finish(struct detect_rules *r);
/* Adds the words and lists of an entity to the hash (detect_entity_meaning()). */
uint64_t custom_meaning(const struct detect_rules *r, size_t entity, uint64_t hash);
void custom_free(struct custom **c);

/* Finds the policy's words and fingerprints, after all patterns. Returns 0 or a negative
 * error. */
int custom_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);
/* For a text that continues: returns the offset, at least `at`, of the first word or document
 * that the end may cut off; text.n: none. *may: the text may contain a complete one. */
size_t custom_open(const struct detect_rules *r, const struct detect_options *opt,
	struct span text, size_t at, bool *may);

#endif
