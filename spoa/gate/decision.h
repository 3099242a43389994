/* The decision on a request. Only decision.c writes request.out.decision, which `make lint`
 * checks; every file may read it. */
#ifndef GATE_DECISION_H
#define GATE_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deny_status.h"
#include "base/span.h"
#include "gate/wait.h"

/* D_DEFER: the relay must read the body first. D_OBSERVED: a cutover's request;
 * request.out.would has the decision that is not enforced. */
enum decision_kind { D_NONE, D_PERMIT, D_REDACT, D_DENY, D_DEFER, D_OBSERVED };
enum decision_via { VIA_NONE, VIA_DIRECT, VIA_RELAY, VIA_OBSERVE };

struct decision { /* owner: worker, or the helper thread while WAIT_HELPER */
	enum decision_kind kind;
	enum decision_via via;
	int status;		/* D_DENY: the HTTP status */
	const char *code;	/* D_DENY: the error code; NULL: it follows from the status */
	struct span message;	/* D_DENY: for the caller; never prompt text */
	const char *rule;	/* the rule that decided; "": none */
	uint64_t retry_after_s; /* seconds; 0: no Retry-After */
	bool final;		/* 429: the wait is too long for an automatic retry */
	/* D_DENY: the OAuth scope that the caller's token lacks; NULL: none */
	const char *scope;
};

extern const char *const decision_names[]; /* indexed by enum decision_kind */
extern const char *const via_names[];	   /* indexed by enum decision_via */

struct request;

/* Decides anything but a denial. `rule` is a rule's name, or "". Nothing of an earlier decision
 * stays. */
void request_decide(
	struct request *r, enum decision_kind kind, enum decision_via via, const char *rule);
/* Decides a denial and returns STEP_DECIDED. `message` is a constant or lives in the arena; it
 * never holds prompt text. A 503 has Retry-After 1 s. Nothing of an earlier decision stays.
 * Each status has a row of DENY_STATUS (base/deny_status.h). */
enum step_result request_deny(
	struct request *r, enum deny_status status, const char *code, const char *rule,
	struct span message);
/* The following calls add to a denial: another message for the caller, the scope that its token
 * lacks (NULL: none), and when a retry is useful (0: no Retry-After). `final`: the wait is too
 * long for an automatic retry. */
void request_denial_says(struct request *r, struct span message);
void request_denial_scope(struct request *r, const char *scope);
void request_denial_retry(struct request *r, uint64_t after_s, bool final);
/* Puts a decision back that was kept. With a D_NONE, the request is undecided again. */
void request_decided(struct request *r, const struct decision *kept);
/* Replaces the decision on a cutover's request by D_OBSERVED, and keeps it as out.would. */
void request_decide_observed(struct request *r);

#endif
