/* Decides one request offline, with the steps of the daemon. For `decide`, `policy test`,
 * `policy diff` and `policy apply`. */
#ifndef CMD_POLICIES_DECIDE_H
#define CMD_POLICIES_DECIDE_H

#include <jansson.h>

#include "gate/request.h"

/* Loads a policy and everything that it names. Either `config` or `policy` is not NULL; if
 * `policy` is a folder, its policy.yaml is loaded. Mistakes are printed to stderr as
 * "tollgate: WHAT: ...". Returns NULL if the policy cannot be used. */
struct snapshot *decide_load(const char *what, const char *config, const char *policy);

/* Decides the request that `in` describes; tollgate(1) lists the members. `in` must outlive
 * the result. Returns NULL with *why if `in` is wrong. request_free() frees the result. */
struct request *decide_run(struct snapshot *snap, json_t *in, const char **why);
/* Returns a list of the texts. The caller owns the result. */
json_t *decide_names(const char *const *v, size_t n);
/* Return the output of `tollgate decide`, and its member "explain". The caller owns the
 * result. */
json_t *decide_result(struct request *r);
json_t *decide_explain(struct request *r);

/* Evaluates the rules on the response in the member "response" of `in`, unless the request
 * was denied. Adds "response" to `result`, and to `explain` unless that is NULL. Sets
 * `matched`, one flag for each rule on responses, unless it is NULL. Returns NULL, or what
 * is wrong with `in`. */
const char *decide_answer(
	struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched);
/* As decide_answer(), for a tool call in the member "tool" of `in`; `matched` has one flag
 * for each rule on calls. */
const char *decide_tool(
	struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched);

#endif
