/* A policy's own detectors as part of a rule set: what the loader and the scan call. Not
 * included outside detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_STAGE_H
#define SCAN_DETECT_CUSTOM_CUSTOM_STAGE_H

#include "scan/detect/custom/custom.h"
#include "scan/detect/custom/custom_regex.h"
#include "scan/detect/rules/scratch.h"

/* What is known of the pattern with that index of a class; false, and said: refused. */
bool custom_pattern(struct detect_rules *r, const struct yaml_node *n, unsigned index,
	struct regex_facts *f, struct diag *d);
/* What no pattern says: the class's words and files. */
void custom_attach(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d);
/* After rules_finish: 0 or ERR_NOMEM. */
int custom_finish(struct detect_rules *r);
void custom_free(struct custom **c);

/* The policy's own words and fingerprints, after all rules. 0 or negative. */
int custom_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);
/* Of a text that goes on: where, at `at` or after, the first of them may begin that its end
 * cuts off; text.n: none does. *may: one that is whole may be there. */
size_t custom_open(const struct detect_rules *r, const struct detect_options *opt,
	struct span text, size_t at, bool *may);

#endif
