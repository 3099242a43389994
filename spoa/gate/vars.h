/* The variables of a verdict (prefix txn.tollgate.), one table for both ways they
 * travel: SPOP actions, and response header fields from the relay. */
#ifndef GATE_VARS_H
#define GATE_VARS_H

#include "codec/spop.h"
#include "gate/request.h"

enum { VARS_MAX = 32 };

struct var {
	const char *name;  /* of the variable */
	const char *field; /* x-tollgate-FIELD; NULL: not sent that way */
	bool is_int;
	int64_t i;
	struct span s; /* printable, within CAP_VAR_BYTES; `error` within CAP_ERROR_BYTES */
};

/* In order of importance: what does not fit an ACK is dropped from the end. */
size_t request_vars(struct request *r, struct var out[VARS_MAX]);

#endif
