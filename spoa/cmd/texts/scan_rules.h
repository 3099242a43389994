/* The detectors a command works with: the shipped ones, those of a directory, or either
 * with a policy's own classes and thresholds. */
#ifndef CMD_TEXTS_SCAN_RULES_H
#define CMD_TEXTS_SCAN_RULES_H

#include "policy/policy.h"

struct scan_rules {
	struct detect_rules *rules;
	const struct policy *policy; /* NULL: none was named */
	struct arena arena;
};

/* `dir`, `policy`: NULL where not given. EXIT_DONE, or EXIT_CANNOT with every mistake on
 * stderr. */
int scan_rules_load(
	struct scan_rules *r, const char *command, const char *dir, const char *policy);
void scan_rules_free(struct scan_rules *r);
/* As detect_options takes them: NULL without a policy. */
const float *scan_rules_thresholds(const struct scan_rules *r);
/* True if the policy has placeholder: {form: plain}. */
bool scan_rules_plain(const struct scan_rules *r);
/* The policy's, or the rules' own. */
struct detect_options scan_rules_options(const struct scan_rules *r);
/* Calls put(arg, class) for the classes an entity belongs to: the rule file's, or those of
 * the policy. */
void scan_rules_classes(const struct scan_rules *r, size_t entity,
	void (*put)(void *arg, const char *class), void *arg);

#endif
