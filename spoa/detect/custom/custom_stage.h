/* A policy's own detectors as part of a rule set: what the loader and the scan call. Not
 * included outside detect/. */
#ifndef DETECT_CUSTOM_STAGE_H
#define DETECT_CUSTOM_STAGE_H

#include "detect/custom/custom.h"
#include "detect/rules/scratch.h"

/* An own class as the tree of a rule file, in the rules' arena; NULL: out of memory. */
const struct yaml_node *custom_rule(
	struct detect_rules *r, const struct detect_own *own, struct diag *d);
/* What no pattern says: its words and files, for the entity that its rule became. */
void custom_attach(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d);
/* After rules_finish: 0 or ERR_NOMEM. */
int custom_finish(struct detect_rules *r);
void custom_free(struct custom **c);

/* The policy's own words and fingerprints, after all rules. 0 or negative. */
int custom_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

#endif
