/* The subcommands of `tollgate policy`, and the cases of its test files. */
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

/* One case of a test file. Lives in the arena, except for `request`. */
struct policy_case {
	const char *name;
	const struct yaml_node *at, *expect;
	json_t *request; /* the request in the form that decide_run() reads; owned */
};
/* The cases of one test file. Owned by the caller; freed by policy_cases_free(). */
struct policy_cases {
	const char *policy; /* the policy file that the cases are for */
	struct policy_case *v;
	size_t n;
};
/* Loads the cases of a test file. Adds every mistake to *d and returns false if there is
 * one. Call policy_cases_free() in either case. */
bool policy_cases_load(
	struct arena *a, const char *file, struct policy_cases *out, struct diag *d);
void policy_cases_free(struct policy_cases *c);
/* Appends a line for each difference between the output of `decide` and the expectations of
 * the case. Nothing is appended if there is none. */
void policy_case_compare(const struct policy_case *c, json_t *answer, struct buf *out);

#endif
