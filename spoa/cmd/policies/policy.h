/* What the policy subcommands share: test, diff, replay. */
#ifndef CMD_POLICIES_POLICY_H
#define CMD_POLICIES_POLICY_H

#include <jansson.h>

#include "base/codec/yaml.h"

int policy_test(int argc, char **argv);
int policy_diff(int argc, char **argv);
int policy_replay(int argc, char **argv);
int policy_apply(int argc, char **argv);
int policy_back(int argc, char **argv);
int policy_history(int argc, char **argv);
int policy_show(int argc, char **argv);

/* ---- cases of a test file: policy_case.c ---- */

struct policy_case {
	const char *name;
	const struct yaml_node *at, *expect;
	json_t *request; /* as decide reads it */
};
struct policy_cases {
	const char *policy; /* the file it is about */
	struct policy_case *v;
	size_t n;
};
/* Every mistake goes to *d; with one, false. policy_cases_free in either case. */
bool policy_cases_load(
	struct arena *a, const char *file, struct policy_cases *out, struct diag *d);
void policy_cases_free(struct policy_cases *c);
/* What of the answer (of decide) is not as expected, a line each; empty: all is. */
void policy_case_compare(const struct policy_case *c, json_t *answer, struct buf *out);

#endif
