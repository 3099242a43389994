/* Checks an operator's HAProxy files for tollgate's needs, by a table of rules
 * (judge.c). Each rule has a name and a severity. An error lets a request reach a
 * provider uninspected, reveals a provider's key, or keeps the gate from working; every other
 * finding is advice. A finding has file, line, rule, reason and the lines to paste. */
#ifndef OPERATOR_EDGE_JUDGE_H
#define OPERATOR_EDGE_JUDGE_H

#include "operator/edge/credential.h"
#include "policy/config/config.h"

struct policy;

/* bytes of errors and of advice, each; findings beyond are counted but not written */
enum { JUDGE_TEXT_BYTES = 16 << 20 };

/* The findings of one check. The caller frees them with judged_free(). */
struct judged {
	struct buf errors, advice; /* "file:line:1: rule: why\n    line to paste\n" */
	unsigned nerrors, nadvice;
};

/* Checks `h`, which haproxy_resolve() has finished. `cfg` and `policy` may be NULL; rules that
 * compare with them are then skipped. */
void judge(const struct haproxy *h, const struct config *cfg, const struct policy *policy,
	struct judged *out);
void judged_free(struct judged *j);

/* Returns true if the section's first line has the comment "# tollgate: no guard": the operator
 * states that the section leads to no provider. */
bool unguarded_by_wish(const struct haproxy_section *s);
/* Returns the frontend that receives the relay's second pass: that of tollgate.cfg, otherwise
 * the first with a bind named tollgate-inner, or NULL. */
const struct haproxy_section *inner_of(const struct haproxy *h);
/* Returns the `backend` or `listen` section of this name, or NULL. */
const struct haproxy_section *backend_named(const struct haproxy *h, struct span name);

#endif
