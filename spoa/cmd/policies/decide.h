/* One request decided offline, by the daemon's own steps: for decide, policy test
 * and policy diff. */
#ifndef CMD_POLICIES_DECIDE_H
#define CMD_POLICIES_DECIDE_H

#include <jansson.h>

#include "gate/request.h"

/* The policy (a folder stands for its policy.yaml) and what it names; mistakes go to
 * standard error, as "tollgate: WHAT: …". NULL: it cannot be used. One of both is given. */
struct snapshot *decide_load(const char *what, const char *config, const char *policy);

/* Decides the request that `in` describes; tollgate(1) has the members. `in` must
 * outlive the result. NULL: *why says what is wrong with `in`. */
struct request *decide_run(struct snapshot *snap, json_t *in, const char **why);
/* s as a JSON string, the caller's; "" where it is no UTF-8. */
json_t *decide_text(struct span s);
/* A list of texts. */
json_t *decide_names(const char *const *v, size_t n);
/* What base64 says, blanks of `ignored` aside, in the arena. NULL; or why not: `bad`, or out of
 * memory. */
const char *decide_base64(struct arena *a, struct span b64, const char *ignored,
	const char *bad, struct span *out);
/* NULL in place of what holds nothing. */
json_t *decide_unless_empty(json_t *v);
/* The answer of `tollgate decide`, and its member "explain"; the caller's. */
json_t *decide_result(struct request *r);
json_t *decide_explain(struct request *r);

/* The answer that `in` gives as its member "response", where the request was not denied:
 * adds "response" to `result`, and to `explain` unless that is NULL; sets `matched`, one a
 * rule on answers, unless it is NULL. NULL, or what is wrong with `in`. */
const char *decide_answer(
	struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched);
/* The same of a call, as its member "tool"; `matched`, one a rule on calls. */
const char *decide_tool(
	struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched);

#endif
