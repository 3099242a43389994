/* What is decided of a request, and what a second policy would have decided. */
#ifndef GATE_DECISION_H
#define GATE_DECISION_H

#include "verdict/decide.h"

/* OBSERVED: a cutover's; what would have been decided is next to it, enforced is nothing. */
enum decision_kind { D_NONE, D_PERMIT, D_REDACT, D_DENY, D_DEFER, D_OBSERVED };
enum decision_via { VIA_NONE, VIA_DIRECT, VIA_RELAY, VIA_OBSERVE };

struct decision {
	enum decision_kind kind;
	enum decision_via via;
	int status;		/* deny */
	const char *code;	/* deny: error code; NULL: follows from the status */
	struct span message;	/* deny: for the caller; never prompt text */
	const char *rule;	/* that decided; "" where none did */
	uint64_t retry_after_s; /* 0: none */
	bool final;		/* 429: to wait so long is no matter of retries */
};

extern const char *const decision_names[]; /* by enum decision_kind */
extern const char *const via_names[];	   /* by enum decision_via */

/* What a second policy says next to the one in force. */
enum { SHADOW_DECISION = 1, SHADOW_RULE = 2, SHADOW_REDACTIONS = 4, SHADOW_ROUTE = 8 };
struct shadow {
	bool asked, failed; /* failed: it could not say */
	enum rule_effect effect;
	int status;	  /* deny */
	const char *rule; /* the snapshot's */
	unsigned differs;
};

#endif
