/* Declarations that the engine's files share. gate.c runs the steps; exchange.c and attempts.c
 * are the relay's side of a request. All functions run on the request's worker. */
#ifndef GATE_ENGINE_ENGINE_H
#define GATE_ENGINE_ENGINE_H

#include "gate/engine/gate.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "gate/steps/steps.h"

/* gate.c: the table of calls to higher levels */
extern const struct request_calls gate_calls;

/* Runs the steps from r->run.step until one waits or the decision is made. */
void gate_run(struct request *r);
/* ---- figures.c ---- */
/* Counts a decision: its kind, status and path. */
void gate_count_decision(const struct request *r);
/* Counts a decision by rule, route, provider and model, and adds it to the list of recent ones.
 */
void gate_show_decision(struct request *r);
/* Counts what the guard found in a response, and how long the response took. */
void gate_count_answer(struct request *r, const struct guard_report *a);
/* Counts tokens that the provider reported, by route, provider and model. */
void gate_count_tokens(struct request *r, const struct usage *u);
/* Adds decisions, tokens and cost that are not counted yet to the request's team, person and
 * key, as its record names them: with the tokens of a response, or when the request ends. One
 * addition then has the decision, too. */
void gate_count_heavy(struct request *r);
/* Adds the providers to /metrics before they receive requests. */
void gate_show_providers(struct gate *g);

/* ---- exchange.c, answer.c and others ---- */
/* Runs the steps again from `step`, when the mailbox is next read. done() is called with the
 * verdict. */
void exchange_run_steps(struct exchange *x, size_t step, void (*done)(struct request *r));
/* Returns the body as it is sent upstream. */
struct span exchange_body_sent(const struct request *r);
/* Makes the relay's claim wait for the decision's record, at most as long as the agent would
 * wait. */
void gate_await_record(struct request *r);
/* The result of a pending call arrived: continues the step, or, after the verdict, corrects the
 * counts. The request may be freed when this returns. */
void request_back(struct request *r);
/* Frees a request whose verdict was given and whose records are written. */
void gate_request_end(struct request *r);
/* Nobody waits for the verdict any more, or another verdict was given: undoes the steps'
 * results. `why`: a constant for the record. */
void request_withdraw(struct request *r, const char *why);
/* Handles a result that arrived after the verdict. */
void request_late(struct request *r);
/* Fills in the denial: status, document and header lines, in the caller's dialect. */
void request_denial(struct request *r, struct exchange_denial *out);
/* Returns "x-tollgate-…: …\r\n" lines, which HAProxy turns into variables. */
struct span request_fields(struct request *r);
/* Returns those lines that describe the attempt that succeeded. */
struct span request_attempt_fields(struct request *r);

/* vars.c: the variables of a verdict (prefix txn.tollgate.). One table serves both ways to
 * HAProxy: SPOP actions, and header fields of the relay's response. */
enum { VARS_MAX = 34 };

struct var {
	const char *name;  /* the variable's name */
	const char *field; /* x-tollgate-FIELD; NULL: not sent as a field */
	bool is_int;
	int64_t i;
	/* printable, at most CAP_VAR_BYTES; `error` and `challenge` have limits of their own */
	struct span s;
};
/* Fills in the variables in order of importance. If an ACK has no room for all, the last ones
 * are dropped. Returns their number. */
size_t request_vars(struct request *r, struct var out[VARS_MAX]);
/* Makes the exchange with the parts of its plan that are known now. NULL: out of memory. */
struct exchange *exchange_new(struct request *r);
/* Makes the exchange of a request that uses the relay, issues its ticket, and releases the SPOP
 * frame. Returns 0, ERR_NOMEM, ERR_FULL (no free ticket) or ERR_LIMIT (held bytes). */
int exchange_open(struct request *r);
void exchange_free(struct request *r);
/* The decision's record is durable, or will not be in time (err): a claim that waits for it
 * continues. The request may belong to another worker afterwards. */
void exchange_recorded(struct request *r, int err);
/* The ticket expired before the relay took it up; the caller's counter of expired tickets
 * grows. */
void exchange_uncollected(struct ticket *t, uint64_t now_us);
/* The completion's record is durable. err not 0: the response's last byte must not be sent. */
void exchange_completed(struct request *r, int err);
/* Calls exchange_completed() from the worker's mailbox, if no audit is configured. */
void exchange_completed_later(struct request *r);
/* Ends the exchange after gate_finish(), when no step is pending any more. */
void exchange_finish(struct request *r);
/* answer.c: keeps the facts that are needed to read the response, in `own`. Returns 0 or
 * ERR_NOMEM. */
int exchange_expect(struct request *r, struct exchange *x, struct arena *own);
/* used.c: the provider's part is over: counts the result. */
void exchange_answered(struct exchange *x);
/* used.c: counts the result of an attempt that another attempt follows. The request stays
 * open. */
void exchange_attempted(struct exchange *x);
/* Removes the exchange from the table of open requests. */
void exchange_left(struct exchange *x);
/* used.c: returns the source of the usage, and *u if it is known or estimated. */
enum used_by exchange_used(
	const struct request *r, const struct exchange_result *res, struct usage *u);
/* attempts.c: if request_repeats(), makes x->tries and the plan of the first attempt. Returns
 * 0, ERR_NOMEM or ERR_LIMIT (held bytes). */
int attempts_open(struct request *r, struct exchange *x);
/* The relay refuses the request before it sent anything: there was no attempt. */
void attempts_none(struct exchange *x);
/* together.c: calls then() at once if no identical request is open; else when that request has
 * its response (then plan.replays) or has failed. Never after together_over(). */
void together_begin(struct exchange *x, void (*then)(struct exchange *x));
/* on_behalf.c: calls then() when the caller's token at the provider is in the plan's head, or when the
 * plan has the reason for a refusal. Calls it immediately if the provider needs no token. */
void on_behalf_begin(struct exchange *x, void (*then)(struct exchange *x));
/* together.c: adds the prompt's vector to the set of prompts that may have the same meaning. */
void meaning_keep(struct exchange *x);
/* Ends the waiting: this exchange does not wait, and the others stop waiting for it. */
void together_over(struct exchange *x, enum cache_flight_end how);
/* The caller left, or the daemon stops: the exchange stops waiting. */
void together_gone(struct exchange *x);
/* Does the same for all exchanges of the gate. */
void together_abort(struct gate *g);
/* Ends waits that are over. Returns true if an exchange still waits or is waited for. */
bool together_tick(struct gate *g, uint64_t now_us);
/* The exchange ends: the results for the last attempt that was made apply. */
void attempts_over(struct exchange *x);
/* Notes how the last attempt ended; exchange_used() may be corrected. */
void attempts_ended(struct exchange *x);
/* Replaces *out by the values to restore in the response; NULL: none. `own` must outlive *out. Returns 0
 * or ERR_NOMEM. */
int request_vault(const struct request *r, struct vault **out, struct arena *own);
/* Notes in the vault how values occur in the request, and in the kept conversation that it continues. */
void request_occurrences(const struct request *r, struct vault *v);
/* Returns an empty vault for responses of the route. NULL: out of memory. */
struct vault *route_vault(const struct route *route);
/* Adds to the vault the placeholders that it does not have yet. Returns 0 or ERR_NOMEM. */
int vault_fill(struct vault *v, const struct placeholders *p);
/* Fills in how the response is translated, if the request is sent in another form; else `from`
 * is FORM_NONE. *out borrows from `own`. */
void request_translate_plan(
	const struct request *r, struct arena *own, struct translate_plan *out);
/* Fills in how the response is read, except for the exchange's own data. `path` is the path
 * that was sent. *out borrows its arguments. Returns 0 or ERR_NOMEM. */
int request_guard_plan(const struct request *r, struct span path,
	const struct answer_request *asked, const struct vault *vault,
	const struct translate_plan *translate, struct guard_plan *out);

#endif
