/* What is wrong with a person's HAProxy files, as tollgate needs them: a table of rules, each
 * with a name and a severity. An error lets a request pass unread, gives away a provider's key
 * or keeps the gate from working; advice is the rest. Every finding names file and line, says
 * why, and gives the lines to paste. */
#ifndef OPERATOR_EDGE_JUDGE_H
#define OPERATOR_EDGE_JUDGE_H

#include "operator/edge/credential.h"
#include "policy/config/config.h"
#include "policy/policy.h"

enum { JUDGE_TEXT_BYTES = 16 << 20 }; /* of findings; the rest is counted */

struct judged {
	struct buf errors, advice; /* "file:line:1: rule: why\n    line to paste\n" */
	unsigned nerrors, nadvice;
};

/* h is resolved; cfg and policy may be NULL: then what compares with them is left out. */
void judge(const struct haproxy *h, const struct config *cfg, const struct policy *policy,
	struct judged *out);
void judged_free(struct judged *j);

/* "# tollgate: no guard" on the section's own line says that what is behind it is no model. */
bool unguarded_by_wish(const struct haproxy_section *s);
/* The frontend that the relay's second pass comes to: that of tollgate.cfg, else the first with the
 * bind. NULL: no file has it. */
const struct haproxy_section *inner_of(const struct haproxy *h);
/* A section of kind backend or listen; NULL: there is none. */
const struct haproxy_section *backend_named(const struct haproxy *h, struct span name);

#endif
