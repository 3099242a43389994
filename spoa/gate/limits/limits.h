/* The effects of limits on a request, apart from counting, which quota/ does: how much the
 * request takes of each limit, how much it took in the end, and how it changes if a limit
 * leaves no room. Called by steps, and by the engine at the end of an exchange. All functions
 * run on the request's worker unless noted. */
#ifndef GATE_LIMITS_LIMITS_H
#define GATE_LIMITS_LIMITS_H

#include "gate/request.h"
#include "policy/limit.h"

/* Above any count: a condition that compares a token count with it never matches. */
#define LIMITS_NO_BOUND (INT64_MAX / 8)

/* tokens.c: returns true if a condition reads prompt.tokens and the whole body is present. */
bool request_tokens_needed(const struct request *r);
/* Returns the model's own vocabulary; NULL: unknown, or not installed. */
const struct ranks *request_own_ranks(const struct request *r, struct span model);
/* Counts the prompt with the requested model's vocabulary, unless that was done: sets
 * found.tokens and input_tokens, and prompt_tokens until the rules have been evaluated. A long
 * prompt takes milliseconds. */
void request_count_tokens(struct request *r);
/* The step *tokens* (tokens.c). */
enum step_result step_tokens(struct request *r);

/* dims.c: collects the limits that apply into found.limits, once for each model. Returns 0,
 * ERR_NOMEM or ERR_LIMIT. */
int limits_apply(struct request *r, const struct policy_facts *f);
/* Changes the *n limits that apply: sets amounts that an operator gave at run time, and appends
 * the API key's own limits, in the request's arena. Returns 0, ERR_NOMEM or ERR_LIMIT. Call on
 * the gate's worker. */
int limits_live(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t *n);
/* Sets found.conversation, if the policy reads it and the body is whole. */
void request_conversation(struct request *r);

/* dims.c: makes the counters of this run if a limit applies, and calls limits_amounts().
 * Returns 0, ERR_NOMEM, or ERR_LIMIT (more limits than a request can carry). */
int limits_collect(struct request *r);
/* Does the same for a request that is denied, but only for limits in requests. */
int limits_collect_denied(struct request *r);
/* Does the same before the body is read. It fills in only limits in requests that do not depend
 * on the body or a later step, and that refuse a request instead of moving it to another model.
 */
int limits_collect_early(struct request *r);
/* Sets the amount that each counter takes, from found.input_tokens and output_tokens; also
 * found.message_over and found.unpriced. */
void limits_amounts(struct request *r);
/* Computes the most that the request costs at target `to`, from the token counts known so far.
 * Returns false if there is no price. */
bool limits_price(struct request *r, const struct target *to, uint64_t *nanousd);
/* Fills in unit, window, bound, name and key of a counter; its other members are zero. `burst`:
 * the counter of the limit's burst, which the limit must have. */
void limits_dim(const struct limit *l, struct span values, bool burst, struct quota_dim *d);
/* Fills in a counter of a limit that counts tool calls, with the number of calls that are
 * permitted while Redis does not answer. */
void limits_call_dim(const struct request *r, const struct policy_limit_hit *hit, bool burst,
	struct quota_dim *d);
/* Returns the policy's limit of that name, with the policy's amount; NULL: the limit is an API
 * key's own. */
const struct limit *limits_of(const struct request *r, const char *name);

/* Returns true if the request takes less than a hundredth of the rest of each limit, and of the
 * rest before it warns, by this worker's last report from Redis. */
bool limits_have_room(const struct request *r);

/* dims.c: returns true once if the request is a batch's job and the cost of its files must be
 * looked up. The counters of this run then ask Redis for it. */
bool limits_ask_files(struct request *r);
/* Takes the reply: sets input_tokens, output_tokens and dollars to the cost of the files, if
 * known. */
void limits_files(struct request *r, struct quota_request *q);

/* Drops the results of the rewrite step, which will run again. */
void limits_forget_rewrite(struct request *r);

/* amendment.c, for reserve: learned: returns true once if the output limit is lowered to the
 * learned one; the request must be rewritten. */
bool limits_learned(struct request *r);
/* Learns from the output tokens of a response. */
void limits_learn(struct request *r, uint64_t output_tokens);

/* tool_calls.c: limits that count the tool calls of a model's response. */
/* Returns true if the segment is the name of a tool that the body offers, not the name of a
 * parameter. For a tool that the provider runs, the name is its type. */
bool limits_names_tool(const struct body *b, const struct segment *s);
/* Once for each request, before it is forwarded: makes a question for the rest of each offered
 * tool's limits in *q, which charges nothing; NULL: nothing to ask. Returns 0, ERR_NOMEM, or
 * ERR_LIMIT (more limits than are counted). */
int limits_look_calls(struct request *r, struct quota_request **q);
/* Takes a reply from Redis. Returns true if it was one of these; *q: the next question, or
 * NULL. */
bool limits_calls_heard(struct request *r, struct quota_request **q);

/* amendment.c: returns true if a limit of that kind counts the response's tokens. */
bool limits_counts_answer(enum limit_of of);
/* Returns true if it counts tokens of the request or the response. */
bool limits_counts_text(enum limit_of of);
/* Before the body is rewritten: notes whether a limit bounds the response, if the model is not
 * changed; then does the same as limits_send_default(). */
void limits_expect(struct request *r);
/* Returns true once if output_default must be sent, because the request states no output limit
 * and a limit counts the response. The request must be rewritten. Call after limits_collect().
 */
bool limits_send_default(struct request *r);

/* Keeps the current denial if none was kept yet, or if it has a shorter wait than the kept one.
 * Returns false if memory ran out. */
bool limits_keep_denial(struct request *r);
/* Marks the chosen target as out, and drops all that was made for it. */
void limits_leave_target(struct request *r, enum target_out out, const char *state);
/* If no target is left: decides the kept denial with the shortest wait, or the request's own if
 * that is a limit's. */
enum step_result limits_over(struct request *r);

/* target_form.c: returns true if the chosen target needs the request in another form. */
bool request_translates(const struct request *r);
/* Returns true if requests of this form may use threads at the target. The gateway learns the
 * owner of a thread from the response that made it, so there are no threads if responses are
 * not read. */
bool limits_keeps_threads(const struct request *r, const struct target *to);
/* Last change of the body: writes the target's form into `rewritten` and `new_target`, and sets
 * found.form. Does nothing if the form is the same. Returns 0 or ERR_NOMEM. */
int request_translate(struct request *r);
/* If the target's form cannot hold the request: marks the target as out and returns
 * STEP_REROUTES, or denies with 400. Call on the gate's worker. */
enum step_result limits_form(struct request *r);

/* fit.c: returns the model that the request would ask for at target `t`. */
struct span limits_model_at(const struct request *r, const struct target *t);
/* Returns whether the request fits the model of one of its route's targets: TARGET_IN,
 * TARGET_WINDOW, TARGET_OUTPUT or TARGET_PINNED. If sizes are unknown, it fits. Call before the
 * choice. A long body takes milliseconds. */
enum target_out limits_fit(struct request *r, const struct target *t);
/* After the choice: denies with 400 in the dialect's words if no permitted target reads a
 * request of this length, or if the chosen one does not because a rule changed the model. Else
 * returns STEP_NEXT. */
enum step_result limits_too_long(struct request *r);

/* The step *pins* (step_pins.c): on a route with several targets, finds the target at which an
 * object in the request was made. */
enum step_result step_pins(struct request *r);
/* After the choice, if no target is in: returns true if the choice must be repeated without the
 * pin, because a rule overrides it or the pinned object can be removed. */
bool limits_unpin(struct request *r);

/* warn.c: counts and logs callers that are near a limit, after a reply from Redis. */
void limits_warn(struct request *r, const struct quota_request *q);

/* denials.c: returns true if the counter is a budget (calendar window, or dollars), for which a
 * caller cannot wait as for a rate. */
bool limits_exhausted(const struct quota_dim *d);
/* Return the text of a denial, in the arena: `over` for a limit with no room left, `never` for
 * a request that takes more than the whole limit, `long` for a limit of tokens for each
 * request. retry_s: seconds until it may succeed. */
struct span limits_why_over(struct request *r, const struct quota_dim *d, uint64_t retry_s);
struct span limits_why_never(struct request *r, const struct quota_dim *d);
struct span limits_why_long(struct request *r, const struct limit *l);
/* For records: the name of the calendar window. */
const char *limits_calendar(const struct quota_dim *d);

/* target_choice.c: sets found.ranks and found.at, if the route has several targets or its only
 * one may be out. Returns false if memory ran out. */
bool request_rank(struct request *r);
/* Takes the place at the chosen target, if the end of the attempt will be known, which is so on
 * the relay. */
enum begun {
	BEGUN,	    /* taken, or there is nothing to take */
	BEGUN_NOT,  /* no longer available: rank and decide again */
	BEGUN_WAITS /* no other target: the step waits for room, or for a target that is out */
} request_begin(struct request *r);

/* offered.c: sets found.offer. Returns STEP_NEXT, or denies a request that offers a tool which
 * must not run. */
enum step_result request_filter_offered(struct request *r);

/* ---- for steps and the engine ---- */
struct attempt;
struct change;

/* dims.c: replaces the reservation by the amount used. Writes at most CORRECTIONS_MAX
 * corrections of counters to `out` and returns their number. Send them after the completion was
 * handed to the audit thread. */
size_t exchange_settle(struct request *r, struct change *out);
/* tool_calls.c: the calls in a response.
 * An attempt's response begins: forgets calls that an earlier attempt let through. */
void limits_answer_begins(struct request *r);
/* `arg` is found.calls. Returns NULL and takes one of the rest if the call may be made, or why
 * it may not. On any thread, one at a time. */
const char *limits_may_call(void *arg, struct span name);
/* Counts a call that was not checked. */
void limits_called(struct request *r, struct span name);
/* Sends the counts at the end of the response. */
void limits_count_calls(struct request *r);
/* Frees found.calls. */
void limits_free_calls(struct request *r);
/* dims.c: the amount that the attempt used of limits in tokens and dollars, by x->used_by.
 * Appends the charge as text to the buffer. Counters of requests stay. Returns the number of
 * corrections, as above. */
size_t exchange_settle_attempt(struct request *r, struct buf *said, struct change *out);
/* dims.c: sets tokens and dollars of the attempt by x->used_by. */
void exchange_took(struct request *r, struct attempt *a);
/* fallback.c: drops the results of the steps for one target, because another is tried. */
void request_forget_target(struct request *r);
/* step_pins.c: binds the objects that the response made to its target. */
void request_pin_made(struct request *r);
/* tokens.c: keeps found.texts in `own`, for a count at the end. request_count_kept() counts
 * them and returns false if none were kept. */
void request_keep_texts(struct request *r, struct arena *own);
bool request_count_kept(struct request *r);
/* Returns the limits that the caller is near, with the used part: "team 93%"; empty: none. In
 * the arena. */
struct span request_limit_warning(struct request *r);
/* target_choice.c: reports of an attempt to its target. */
/* Returns who asks the target, and for how much; the result borrows *beside. */
struct target_asks request_asks(
	const struct request *r, const struct target *to, struct target_load *beside);
/* Call when an attempt that began as a first one repeats a failed one: takes it from the
 * caller's retry budget. Returns false if the budget is used up. */
bool request_draws(const struct request *r);
/* The provider reported that it does not have the requested model. */
void request_lacks_model(const struct request *r);
/* The first content arrived, took_us after the request's last byte. */
void request_first_content(struct request *r, uint64_t took_us);
/* Returns the time in µs within which the route wants the response's head; 0: no limit. */
uint64_t request_head_within(const struct request *r);
/* The attempt ended. Only the first report counts. */
void request_attempt_over(struct request *r, enum attempt_cause cause, int status,
	enum attempt_refused refused, uint64_t asked_us);
/* For WAIT_ROOM: returns true if a place may be free now, or if waiting is useless. */
bool request_has_room(const struct request *r);
/* Leaves the queue of a target. */
void request_unqueue(struct request *r);
/* Denies a request if the rules leave targets but none is in. */
enum step_result request_none_in(struct request *r);
/* Returns true if a permitted target is out now and may take this request later. */
bool limits_some_are_away(const struct request *r);
/* amendment.c: */
/* Fills in the changes of model and output limit in the body. Returns false if there are none.
 */
bool request_amendment(const struct request *r, struct amendment *am);
/* Returns the output tokens of `model` if the request states no limit. model empty: the largest
 * (`most`) or smallest value of the models that the body names. */
uint64_t request_output_default(const struct request *r, struct span model, bool most);
/* fit.c: returns the limit to which stated output limits are lowered; 0: none. `model`: the
 * model that is sent instead of the body's; empty: the body's. */
uint64_t request_output_ceiling(const struct request *r, struct span model);
/* The target reported that the prompt exceeds the model's window: then it also exceeds smaller
 * windows. request_is_too_long() returns true for targets with such windows. A target of
 * unknown window may fit. */
void request_was_too_long(struct request *r);
bool request_is_too_long(const struct request *r, const struct target *t);

#endif
