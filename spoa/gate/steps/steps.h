/* What the steps share. Each is a function from the request to next, wait or decided;
 * one that waits (for Redis, a recognizer, the disk) parks the request, and the answer's
 * callback resumes it, mostly in the same step. */
#ifndef GATE_STEPS_STEPS_H
#define GATE_STEPS_STEPS_H

#include "gate/gate_private.h"

struct step {
	const char *name;
	enum step_result (*run)(struct request *r);
	bool looks_at_all; /* of the body: a helper thread's, where it is long */
	uint8_t stage; /* enum tally_stage (budget/tally/tally.h) that its time counts for */
};
extern const struct step steps[];
/* How many; where a deferred request resumes, one whose target failed, one that goes as
 * another than it asked for, and one that is charged and denied. */
extern const size_t nsteps, step_read_at, step_policy_at, step_rewrite_at, step_quota_at;

/* The steps of a decision, in the order of the path: the list to read first.
 * X(name, looks at all of the body, stage of the tallies) */
/* clang-format off */
#define STEPS(X) \
	X(framing,  false, MATCH)    /* what is ambiguous: 400, 501 */ \
	X(target,   false, MATCH)    /* what data is in path and query (step_classify.c) */ \
	X(declared, false, MATCH)    /* the body as the head describes it: 413, 415 */ \
	X(match,    false, MATCH)    /* which route: 404 */ \
	X(identity, false, IDENTITY) /* who is asking; may wait for an issuer's keys: 401, 403, 503 */ \
	X(over,     false, IDENTITY) /* who is known to be over a limit of requests (step_quota.c): 429 */ \
	X(read,     true,  READ)     /* the body's segments; skipped while it is not whole */ \
	X(files,    true,  READ)     /* what its files are (files/) */ \
	X(extract,  false, READ)     /* what is in them: waits for tollgate-extract (files/) */ \
	X(pages,    true,  READ)     /* their texts, as segments (files/) */ \
	X(classify, true,  CLASSIFY) /* what data is inside */ \
	X(data,     false, OUTSIDE)  /* what conditions read from outside; may wait for it: 503 */ \
	X(external, false, OUTSIDE)  /* what others find in it; may wait for them */ \
	X(pins,     false, OUTSIDE)  /* to which target it belongs; may wait for Redis (limits/) */ \
	X(policy,   true,  POLICY)   /* what the policy in force says */ \
	X(mentions, true,  REWRITE)  /* where else what is redacted is, and credentials */ \
	X(rewrite,  true,  REWRITE)  /* the body and the target to send */ \
	X(tokens,   true,  QUOTA)    /* how many, where a limit of them applies (limits/) */ \
	X(cache,    false, QUOTA)    /* what was answered before; may wait for Redis */ \
	X(quota,    false, QUOTA)    /* reserve; may wait for Redis */ \
	X(audit,    false, AUDIT)    /* the record is durable; waits for the disk */

#define STEP_FUNCTION(name, all, stage) enum step_result step_##name(struct request *r);
/* clang-format on */
STEPS(STEP_FUNCTION)

/* observe.c: whether it is a cutover's, once its host is known; a body that came whole, by
 * whatever framing, is read. And what becomes of such a request, once it is decided. */
enum step_result request_observe(struct request *r);
void request_observed(struct request *r);

/* step_identity.c: found.identity is whose it was, perhaps hours ago, and becomes as it is now.
 * NULL, or why nobody would be let in with it. */
const char *request_identity_again(struct request *r);

/* step_match.c: whether a segment of the path names the model. */
bool request_names_model(const struct request *r, const struct segment *s);
/* A page that a browser shows may ask whom it likes by a name of its own that it lets resolve
 * to us, and the browser sends what it has for that name: it cannot leave out where it comes
 * from. HAProxy has the list of those that may. Next: no page asks, or one that is listed. */
enum step_result request_not_by_page(struct request *r);

/* step_read.c: what of the target or the body nobody could read counts for the request.
 * False: no memory. */
bool request_unread(struct request *r, const struct unread *u);

/* step_external.c: whether a recognizer that did not answer has that outcome. */
bool request_silence(const struct request *r, enum outcome o);
/* Whether a recognizer that a rule requires did not answer, and whether that denies. */
bool request_unanswered(const struct request *r);
bool request_unmet(const struct request *r);

/* step_policy.c: what the request may take: its prompt, by bytes ÷ 3 while nothing asks for more
 * (gate/limits/tokens.c), and the answer's cap. */
void request_estimate_tokens(struct request *r);

/* shadow.c: after the first policy's verdict; the facts that it read. */
void request_shadow(struct request *r, const struct policy_facts *mine);

/* ---- overlay.c ---- */
/* All segments in the order of classification, the target's, then the body's; NULL: the end. */
const struct segment *request_segment(const struct request *r, size_t i);
bool request_in_target(const struct request *r, const struct segment *s);
/* That order. */
bool request_segment_before(
	const struct request *r, const struct segment *a, const struct segment *b);
/* For qsort_r, the request as argument: by segment, then by place. */
int request_order_hits(const void *x, const void *y, void *arg);
/* Whether the verdict redacts it. */
bool request_goes(const struct request *r, const struct hit *h);
/* What to redact of what everybody found; `failed`: segments that the detectors gave
 * up on too. In the arena. 0 or ERR_NOMEM. */
int request_overlay(struct request *r, bool failed, struct overlay *out);

/* record.c: the inside of the records */
void record_decision(struct request *r, struct buf *out);
void record_completion(struct request *r, const struct exchange_result *res,
	const char *outcome, struct buf *out);

/* record_calls.c: what the request calls, for /metrics, once it is decided. */
void request_count_call(struct request *r);

/* ---- for the engine ---- */
struct exchange_result;

/* What they hold for a request goes: calls that are out are over by then. */
void request_drop_job(struct request *r);
void request_drop_mentions(struct request *r);
void request_drop_data(struct request *r);
/* Releases what an unfinished request still holds in the quota. */
void request_release(struct request *r);
/* The model's name is copied, and hidden where something was found in it: after the rules read
 * it, and before a record or a variable says it. */
void request_hide_model(struct request *r);
/* Hands the decision's record to the audit thread, of a request that waits for it or no
 * longer does. 0 or ERR_NOMEM. */
int request_record(struct request *r);
/* The record is written without the request, which goes on at once and may move
 * to another worker: nothing of it is touched when the disk answers. `undone`: why it is not
 * let go; NULL: it is. Once the record is durable a completion says that it was abandoned, and
 * nothing else of the request is recorded. */
void request_record_leave(struct request *r, const char *undone);
/* Writes the completion record; the request ends once it is durable. */
void request_complete(
	struct request *r, const struct exchange_result *res, const char *outcome);
/* How findings of this entity were replaced: a style's name, or NULL where they were
 * not. */
const char *request_redacted_with(const struct request *r, size_t entity);
/* Turns the facts that rules on answers read into those of the shadow policy's: its route and
 * target, and what was brought of its data, in data[CAP_DATA] that is all NULL. False: it has
 * no such rules, or no such route. */
bool request_shadow_facts(
	const struct request *r, struct policy_facts *f, const struct cel_value **data);

#endif
