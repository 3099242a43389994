/* What the engine's files share: gate.c runs the steps, exchange.c and attempts.c are the
 * relay's side of a request. */
#ifndef GATE_ENGINE_ENGINE_H
#define GATE_ENGINE_ENGINE_H

#include "gate/engine/gate.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "gate/steps/steps.h"

/* calls.c */
extern const struct request_calls gate_calls;

/* used.c: counts for the rule that decided, and for one in shadow that would have. */
void gate_rules_did(const struct request *r, const char *rule);
/* Something waits that has a deadline: a request, a ticket, or what a recognizer is asked. */
void gate_tick(struct gate *g);
/* Runs the steps from r->run.step until one waits or the decision is made. */
void gate_run(struct request *r);
/* Tokens that the provider reported, by route, provider and model. */
void gate_count_answer(struct request *r, const struct guard_report *a);
void gate_count_tokens(struct request *r, const struct usage *u);
/* Adds decisions, tokens and cost that are not counted yet to the request's team, person and
 * key, as its record names them: with the tokens of a response, or when the request ends. One
 * addition then has the decision, too. */
void gate_count_heavy(struct request *r);
/* The step under way ended so: a denial skips what is left but the record. */
void gate_advance(struct request *r, enum step_result s);
/* The steps run again, from that one: as soon as the mailbox is read. */
void exchange_run_steps(struct exchange *x, size_t step, void (*done)(struct request *r));
/* The body as it goes upstream. */
struct span exchange_body_sent(const struct request *r);
/* Who took up the ticket waits for the decision's record, no longer than the agent would. */
void gate_await_record(struct request *r);
/* It came back after the ACK. */
void gate_recorded(struct request *r, int err);
/* One that was pending is back: the step goes on, or, after the verdict, what it brought
 * is put right. The request may be gone then. */
void request_back(struct request *r);
/* offload.c: the next step is for a helper thread; and there it goes: nothing of the
 * request may be touched after that. */
bool offload_wanted(const struct request *r);
void offload_step(struct request *r);
/* Frees a request whose verdict was given and whose entries came back. */
void gate_request_end(struct request *r);
/* Nobody waits for the verdict any more, or another was given: what the steps
 * still bring is undone. `why`: a fixed phrase for the record. */
void request_withdraw(struct request *r, const char *why);
/* A pending answer came after the verdict. */
void request_late(struct request *r);
/* The denial as status, document and header lines, in the caller's dialect. */
void request_denial(struct request *r, struct exchange_denial *out);
/* "x-tollgate-…: …\r\n" lines for the edge to turn into variables. */
struct span request_fields(struct request *r);
/* Of them those that say which attempt answered. */
struct span request_attempt_fields(struct request *r);

/* vars.c: the variables of a verdict (prefix txn.tollgate.), one table for both ways they
 * travel: SPOP actions, and response header fields from the relay. */
enum { VARS_MAX = 34 };

struct var {
	const char *name;  /* of the variable */
	const char *field; /* x-tollgate-FIELD; NULL: not sent that way */
	bool is_int;
	int64_t i;
	struct span s; /* printable, within CAP_VAR_BYTES; `error` and `challenge` within their
			  own caps */
};
/* In order of importance: what does not fit an ACK is dropped from the end. */
size_t request_vars(struct request *r, struct var out[VARS_MAX]);
/* Makes the exchange of a request whose decision goes via relay, issues its
 * ticket, and lets go of the SPOP frame. 0, ERR_NOMEM, ERR_FULL, ERR_LIMIT. */
/* With what its plan has of the request, as far as that is known; NULL: no memory. */
struct exchange *exchange_new(struct request *r);
int exchange_open(struct request *r);
void exchange_free(struct request *r);
/* The decision's record is durable, or will not be in time (err): a claim that waits for it
 * goes on. The request may be another worker's then. */
void exchange_recorded(struct request *r, int err);
/* Nobody came for the ticket in time: it expired, and its caller answers for it. */
void exchange_uncollected(struct ticket *t, uint64_t now_us);
/* The completion record came back (err: its last byte must not be sent). */
void exchange_completed(struct request *r, int err);
/* The same from the worker's mailbox, where no audit is configured. */
void exchange_completed_later(struct request *r);
/* gate_finish came, and no step is pending any more. */
void exchange_finish(struct request *r);
/* answer.c: what is known of the request when its answer is read, in the arena that stays.
 * 0 or ERR_NOMEM. */
int exchange_expect(struct request *r, struct exchange *x, struct arena *own);
/* used.c: the provider's part is over: counts what came of it. */
void exchange_answered(struct exchange *x);
/* The same of an attempt that another follows: the request is still under way. */
void exchange_attempted(struct exchange *x);
void exchange_left(struct exchange *x);
/* used.c: who says what it used, and *u where it is known or estimated. */
enum used_by exchange_used(
	const struct request *r, const struct exchange_result *res, struct usage *u);
/* Its decision went to the relay: makes x->tries, and the plan of the first attempt, where
 * request_repeats(). 0, ERR_NOMEM or ERR_LIMIT. */
int attempts_open(struct request *r, struct exchange *x);
/* gate_finish() came: nothing is begun any more, and what was said for an attempt that was not
 * is forgotten. */
void attempts_stop(struct exchange *x);
/* The relay refuses the request before anything of its first plan went: there was no attempt.
 */
void attempts_none(struct exchange *x);
/* together.c: then() where nothing else is waited for: at once, or when another request that asks
 * the same has its answer, which is plan.replay then; or when that was in vain. Not after
 * together_over(). */
void together_begin(struct exchange *x, void (*then)(struct exchange *x));
/* meaning.c: then(x, true) where an answer was found to a prompt that means the same, which is in
 * out.replay; else then(x, false). Not inside. False: it is not looked for. */
bool meaning_look(struct exchange *x, void (*then)(struct exchange *x, bool found));
/* Adds its prompt's vector to the set of what may mean the same. */
void meaning_keep(struct exchange *x);
/* It neither waits any more nor is waited for. */
void together_over(struct exchange *x, enum cache_flight_end how);
/* So long may be waited before it is asked, so that it may still be: a share of the time that is
 * left, `most_us` at most. */
uint64_t together_share_us(const struct exchange *x, uint64_t now_us, uint64_t most_us);
/* What was out for it is back: false: the relay let it go meanwhile, and may have freed it. */
bool together_still_waits(struct request *r);
/* Its caller has gone, or the daemon stops: it waits no more. */
void together_gone(struct exchange *x);
void together_abort(struct gate *g);
/* Whether one waits, or is waited for. */
bool together_tick(struct gate *g, uint64_t now_us);
/* Its exchange ends: what was said for the last one that was made holds. */
void attempts_over(struct exchange *x);
/* How the last one ended; its use, as exchange_used() said it, may be put right. */
void attempts_ended(struct exchange *x);
void attempts_free(struct exchange *x);
/* What is put back into its answer, in place of what *out was; NULL: nothing. 0 or
 * ERR_NOMEM. */
int request_vault(struct request *r, struct vault **out);
/* An empty one, for responses of the route. NULL: out of memory. */
struct vault *route_vault(const struct route *route);
/* Adds what the map has given that the vault does not have yet. 0 or ERR_NOMEM. */
int vault_fill(struct vault *v, const struct placeholders *p);
/* How its answer is translated, of a request that is sent in another form; else `from` is
 * FORM_NONE. What it points to is in the arena. */
void request_translate_plan(
	const struct request *r, struct arena *own, struct translate_plan *out);
/* How its answer is read, all of it but what the exchange knows; `path` is the one that was
 * sent. What it points to is borrowed. 0 or ERR_NOMEM. */
int request_guard_plan(struct request *r, struct span path, const struct answer_request *asked,
	const struct vault *vault, const struct translate_plan *translate,
	struct guard_plan *out);

#endif
