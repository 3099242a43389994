/* What limits make of a request, besides the counting, which is quota/'s: what it takes of
 * each, what it took in the end, what it becomes where there is no room. Called by steps and,
 * at its end, by the gate. */
#ifndef GATE_LIMITS_LIMITS_H
#define GATE_LIMITS_LIMITS_H

#include "gate/request.h"

/* Over any count: what is read decides nothing. */
#define LIMITS_NO_BOUND (INT64_MAX / 8)

/* The key that it is the value of, or that it is a key below; NULL: there is none. */
static inline const struct segment *
limits_key_of(const struct body *b, const struct segment *s)
{
	return s && s->key < b->nsegments ? &b->segments[s->key] : NULL;
}

/* tokens.c: whether a condition reads prompt.tokens of a body that is there. */
bool request_tokens_needed(const struct request *r);
/* The model's own vocabulary; NULL: it is not known exactly, or not here. */
const struct ranks *request_own_ranks(const struct request *r, struct span model);
/* Counts the prompt as the model that is asked does, where it has not been yet: found.tokens,
 * input_tokens, and prompt_tokens while no rule was asked. A long one takes milliseconds. */
void request_count_tokens(struct request *r);
/* step_tokens.c: one of the steps. */
enum step_result step_tokens(struct request *r);

/* run_time.c: policy_limits() into found.limits, once for a model. */
int limits_apply(struct request *r, const struct policy_facts *f);
/* Returns true if an override of the limit names a model: its amount is known once the body is read. On the
 * gate's worker, not between live_enter() and live_leave(). */
bool limits_overridden_by_model(const struct request *r, const struct limit *l);
/* Of *n that apply by the policy: amounts that were given at run time, and after them limits of
 * the API key's own; in the request's arena. On the gate's worker. */
int limits_live(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t *n);
/* found.conversation, where the policy reads it and the body is whole. */
void request_conversation(struct request *r);
/* What choices stick to, 0 for chance: the conversation, as the policy's sources, the dialect or
 * its first texts tell it; or who asks. The same in daemons that share redact.key_file. */
uint64_t request_sticky(struct request *r, enum choose_sticky by);
/* Who asks, as targets know him: never 0. */
uint32_t request_caller(const struct request *r);

/* tags.c: found.tags, where the policy lists any and the body is whole; once it was searched.
 */
void request_tags(struct request *r);

/* dims.c: fills the dims of this run, made where a limit applies; and limits_amounts(). 0,
 * ERR_NOMEM, or ERR_LIMIT: more limits than a request can carry. */
int limits_collect(struct request *r);
/* Does the same for a request that is denied, and fills in only limits in requests. */
int limits_collect_denied(struct request *r);
/* Does the same before the body is read. It fills in only limits in requests that do not depend on the body
 * or a later step, and that refuse a request instead of moving it to another model. */
int limits_collect_early(struct request *r);
/* What each of them takes, by found.input_tokens and output_tokens; found.message_over and
 * found.unpriced. */
void limits_amounts(struct request *r);
/* What the request takes in dollars at most, were it sent there, by what is known of its tokens
 * now. False: nobody knows. */
bool limits_price(struct request *r, const struct target *to, uint64_t *nanousd);
/* Where it counts: unit, window, bound, name and key of a dim, the rest of which is zero; of
 * its burst, which it has. */
void limits_dim(const struct limit *l, struct span values, bool burst, struct quota_dim *d);
/* The same of a limit that counts calls, with what is let go without Redis. */
void limits_call_dim(const struct request *r, const struct policy_limit_hit *hit, bool burst,
	struct quota_dim *d);
/* The policy's limit of that name, its amount as the policy has it; NULL: it is an API key's own.
 */
const struct limit *limits_of(const struct request *r, const char *name);

/* Whether what each limit counts of the request is under a hundredth of what is left of it, or of
 * what is left until it warns, as this worker last heard. */
bool limits_have_room(const struct request *r);
/* tokens.c, after limits_collect(): where the prompt is not counted yet, what it takes is the
 * bound if that takes less than a hundredth of what is left of each limit, as far as is known;
 * else it is counted. */
void limits_count_prompt(struct request *r);

/* batch.c: true where the request is a batch's job, and what its files take is to be looked up:
 * this run's dims ask for it, once. */
bool limits_ask_files(struct request *r);
/* The answer, where it came: input_tokens, output_tokens, and dollars are what they take. */
void limits_files(struct request *r, struct quota_request *q);
/* A batch's file is taken on: what it takes is remembered, for its jobs, and not charged.
 * False: it is none, or nobody knows what it is called. */
bool limits_keep_file(struct request *r);

/* fall.c: takes what at_limit (soft: at_soft) of the limit says. True: another model or cap is
 * asked for, and the request is to be rewritten and reserved again. Once a request. */
bool limits_fall(struct request *r, const struct limit *l, bool soft);
/* What the rewrite step made is made anew. */
void limits_forget_rewrite(struct request *r);
/* Of an admitted reservation: tags of soft limits that it reached, and what is left of a limit
 * past which it was let. */
void limits_admitted(struct request *r, struct quota_request *q);

/* learned.c: true where less than the request asks for is held and asked for: it is to be
 * written anew. Once a request. And what its answer took. */
bool limits_learned(struct request *r);
void limits_learn(struct request *r, uint64_t output_tokens);

/* calls.c: limits that count calls, where a model's answer makes them. */
/* Whether the segment is the name of a tool that the body offers: a definition's own, and not one
 * of a parameter's; of a tool that the provider runs, its type. */
bool limits_names_tool(const struct body *b, const struct segment *s);
/* Once a request, when it goes: what is left of the limits of each tool that it offers is to be
 * asked for by *q, whose dims take nothing; NULL: there is nothing to ask. 0, ERR_NOMEM, or
 * ERR_LIMIT: more of them than are counted. */
int limits_look_calls(struct request *r, struct quota_request **q);
/* True where such an answer came; *q: the next to ask, or NULL. */
bool limits_calls_heard(struct request *r, struct quota_request **q);

/* cap.c: whether a limit of that kind counts what the answer takes. */
bool limits_counts_answer(enum limit_of of);
/* That, or what the request says. */
bool limits_counts_text(enum limit_of of);
/* Before the body is written: whether a limit bounds the answer, where the body asks for the
 * model that it is sent to; then as limits_send_default(). */
void limits_expect(struct request *r);
/* True where output_default is to be sent as the cap of a request that states none, so that it
 * is to be written anew; after limits_collect(). Once a request. */
bool limits_send_default(struct request *r);

/* elsewhere.c: the limit that the decision names says no to the request where it goes, of which
 * it takes n; `key` of its counter, NULL: it has none. True: another target is left at which it
 * does not count, or takes less; this one is out, and nothing of what was made for it is left.
 * The decision is kept. */
bool limits_elsewhere(struct request *r, const struct limit *of, enum limit_of counts,
	const char *key, uint64_t n);
/* The decision, a denial, is kept where it is the first, or one before which the request may come
 * again. False: no memory. */
bool limits_keep_denial(struct request *r);
/* The target that was chosen is out; nothing of what was made for it is left. */
void limits_leave_target(struct request *r, enum target_out out, const char *state);
/* Where none is left after all: of the decisions that were kept, and the request's own where it
 * is a denial by a limit, the one after which it may soonest come again. */
enum step_result limits_over(struct request *r);

/* form.c: whether it goes to the target that was chosen in another form than it came in. */
bool request_translates(const struct request *r);
/* Whether requests of this one's form may have threads at the target. Whose a thread is, is known
 * from the response that made it: where responses are not read, there are none. */
bool limits_keeps_threads(const struct request *r, const struct target *to);
/* The last of what is made of its body: `rewritten`, `new_target` and found.form, where it goes so.
 * 0, or an error of memory. */
int request_translate(struct request *r);
/* Once it is known that the target's form cannot hold it: STEP_REROUTES, with that one out, or the
 * 400. On the gate's worker. */
enum step_result limits_form(struct request *r);

/* fit.c: the model that is asked for at a target, were the request sent there. */
struct span limits_model_at(const struct request *r, const struct target *t);
/* Whether the request fits the model of a target of its route: TARGET_IN, TARGET_WINDOW,
 * TARGET_OUTPUT, TARGET_PINNED. What it cannot tell fits. Before the choice; a long body's
 * takes milliseconds.
 */
enum target_out limits_fit(struct request *r, const struct target *t);
/* After the choice: STEP_DECIDED where no target that the rules leave reads so much, or not the
 * one that is chosen, of several whose model a rule changed: 400 in the dialect's words. */
enum step_result limits_too_long(struct request *r);

/* pins.c: one of the steps. Of a route with several targets, whether the request brings what
 * belongs to one of them. */
enum step_result step_pins(struct request *r);
/* After the choice, where no target is in: true where it is to be made again, without the pin: a
 * rule says otherwise, or what is pinned may go. */
bool limits_unpin(struct request *r);

/* warn.c: counts and logs who is near a limit. */
void limits_warn(struct request *r, const struct quota_request *q);

/* told.c: whether what is over is a budget, which a caller cannot wait for as for a rate. */
bool limits_exhausted(const struct quota_dim *d);
/* Why it is refused. */
struct span limits_why_over(struct request *r, const struct quota_dim *d, uint64_t retry_s);
struct span limits_why_never(struct request *r, const struct quota_dim *d);
struct span limits_why_long(struct request *r, const struct limit *l);
/* In records: what it counts, as the policy's key says, dollars in "nanousd"; and its calendar.
 */
extern const char *const limits_kinds[]; /* by enum limit_of */
const char *limits_calendar(const struct quota_dim *d);

/* targets.c: found.ranks and found.at, where the route has several targets or its only one may
 * be out. False: no memory. */
bool request_rank(struct request *r);
/* Takes the place at the target that was chosen, where ends of attempts are known: through the
 * relay. */
enum begun {
	BEGUN,	    /* or there is nothing to take */
	BEGUN_NOT,  /* it cannot be had any more: rank and decide again */
	BEGUN_WAITS /* there is no other: the step waits for room, or for one that is out */
} request_begin(struct request *r);

/* offered.c: found.offer. STEP_NEXT, or the denial of a request that offers what may not be run.
 */
enum step_result request_filter_offered(struct request *r);
/* The edits of its body, with these cuts: there is room for found.offer.ncuts more; those within a
 * cut go. How many. */
size_t request_cut_offered(struct request *r, struct splice *edits, size_t n);

/* ---- for steps and the engine ---- */
struct attempt;
struct change;

/* settle.c: what was reserved becomes what was used. How many corrections of the
 * counters that takes, CORRECTIONS_MAX at most: they are sent after the completion was handed
 * to the audit thread. */
size_t exchange_settle(struct request *r, struct change *out);
/* calls.c */
/* An attempt's answer begins: what the one before it let go is not made. */
void limits_answer_begins(struct request *r);
/* `arg` is found.calls: the call goes, and takes one of what was left (NULL), or why it does
 * not. On any thread, one at a time. */
const char *limits_may_call(void *arg, struct span name);
/* One that goes unasked. */
void limits_called(struct request *r, struct span name);
/* What was let go counts, at the answer's end. */
void limits_count_calls(struct request *r);
void limits_free_calls(struct request *r);
/* settle.c: what the attempt took of limits of tokens and money, by x->used_by, and the
 * charge as text to *said; what counts requests stays. How many corrections, as above. */
size_t exchange_settle_attempt(struct request *r, struct buf *said, struct change *out);
/* settle.c: tokens and dollars that x->used_by means. */
void exchange_took(struct request *r, struct attempt *a);
/* fall.c: what the steps made for one target is made anew, for another. */
void request_forget_target(struct request *r);
/* pins.c: what its answer made belongs to its target from now on. */
void request_pin_made(struct request *r);
/* tokens.c: keeps found.texts, in `own`; and counts them, if there are any. */
void request_keep_texts(struct request *r, struct arena *own);
bool request_count_kept(struct request *r);
/* Limits that the caller is near, and how much of them is used: "team 93%"; empty: none. */
struct span request_limit_warning(struct request *r);
/* targets.c: what the target is told of the attempt: its first content, so long after the
 * request's last byte; and its end, once, whoever says it first. */
/* Who would ask that target, and what for; *beside is what it points to. */
struct target_asks request_asks(
	const struct request *r, const struct target *to, struct target_load *beside);
/* An attempt that was begun as a first one, and is one more at what others failed: takes it from
 * its caller's budget of repeats. False: there were enough of those. */
bool request_draws(struct request *r);
/* The provider says that it does not have the model that was sent. */
void request_lacks_model(const struct request *r);
void request_first_content(struct request *r, uint64_t took_us);
/* In which time its route wants the head of this one's answer; 0: it does not say. */
uint64_t request_head_within(const struct request *r);
void request_attempt_over(struct request *r, enum attempt_cause cause, int status, bool our_key,
	uint64_t asked_us);
/* It waits for room at a provider, or for a target that is out: there may be some now, or
 * waiting is in vain. */
bool request_has_room(const struct request *r);
/* It waits no more. */
void request_unqueue(struct request *r);
/* The refusal where the rules leave targets and none of them is in. */
enum step_result request_none_in(struct request *r);
/* Whether one of those that the rules leave takes nothing now, and may take this request later. */
bool limits_some_are_away(const struct request *r);
/* changes.c */
/* What is to be changed in the body; false: nothing. */
bool request_amendment(const struct request *r, struct amendment *am);
/* What an answer of `model` may take where no cap is stated; empty: of those that the body
 * names the most, or the least. */
uint64_t request_output_default(const struct request *r, struct span model, bool most);
/* fit.c: what its answers may be asked to be at most, where the body states more; 0.
 * `model`: that is sent instead of the body's; empty: none. */
uint64_t request_output_ceiling(const struct request *r, struct span model);
/* Its target says that it is longer than the model reads: so it is for all of no larger window.
 * Where a window is not known it may fit. */
void request_was_too_long(struct request *r);
bool request_is_too_long(const struct request *r, const struct target *t);

#endif
