/* The steps of a decision. Each is a function that takes the request and returns next, wait or
 * decided. A step that waits (for Redis, a recognizer, the disk) parks the request. The
 * callback resumes it, usually in the same step. */
#ifndef GATE_STEPS_STEPS_H
#define GATE_STEPS_STEPS_H

#include "gate/gate_private.h"

struct step {
	const char *name;
	enum step_result (*run)(struct request *r);
	bool looks_at_all; /* the step reads the whole body; runs on a helper thread if the
			    * body is long */
	uint8_t stage; /* enum tally_stage (budget/tally/tally.h) to which its time counts */
};
extern const struct step steps[];

/* The steps of a decision, in the order of the path: the list to read first.
 * X(name, looks at all of the body, stage of the tallies) */
/* clang-format off */
#define STEPS(X) \
	X(framing,  false, MATCH)    /* ambiguous framing: 400, 501 */ \
	X(target,   false, MATCH)    /* data in path and query (step_classify.c) */ \
	X(declared, false, MATCH)    /* the body as the head describes it: 413, 415 */ \
	X(match,    false, MATCH)    /* the route: 404 */ \
	X(identity, false, IDENTITY) /* the caller; may wait for an issuer's keys: 401, 403, 503 */ \
	X(over,     false, IDENTITY) /* a caller known to be over a limit of requests (step_quota.c): 429 */ \
	X(read,     true,  READ)     /* the body's segments; skipped while the body is not whole */ \
	X(files,    true,  READ)     /* kinds of files in the body (files/) */ \
	X(extract,  false, READ)     /* texts of files: waits for tollgate-extract (files/) */ \
	X(pages,    true,  READ)     /* adds the texts of files as segments (files/) */ \
	X(classify, true,  CLASSIFY) /* data in the segments */ \
	X(data,     false, OUTSIDE)  /* values that conditions read from outside; may wait: 503 */ \
	X(external, false, OUTSIDE)  /* findings of external recognizers; may wait */ \
	X(pins,     false, OUTSIDE)  /* the target that the request belongs to; may wait for Redis (limits/) */ \
	X(policy,   true,  POLICY)   /* the verdict of the policy in force */ \
	X(mentions, true,  REWRITE)  /* other occurrences of redacted values, and credentials */ \
	X(rewrite,  true,  REWRITE)  /* the body and the target to send */ \
	X(tokens,   true,  QUOTA)    /* a token count, if a limit needs it (limits/) */ \
	X(cache,    false, QUOTA)    /* a stored response; may wait for Redis */ \
	X(quota,    false, QUOTA)    /* the reservation; may wait for Redis */ \
	X(audit,    false, AUDIT)    /* the durable record; waits for the disk */

#define STEP_FUNCTION(name, all, stage) enum step_result step_##name(struct request *r);
/* clang-format on */
STEPS(STEP_FUNCTION)

/* The index of each step, STEP_AT_read and so on, and the number of steps. The steps resume at
 * `read` after a deferred body arrived, at `policy` for another target, at `rewrite` to rewrite
 * the request again, and at `quota` to charge a request that is denied. */
#define STEP_INDEX(name, all, stage) STEP_AT_##name,
enum step_index { STEPS(STEP_INDEX) STEPS_COUNT };

/* observe.c: request_observe() determines whether the request is a cutover's, once its host is
 * known. The body of such a request is read if it arrived whole, whatever its framing.
 * request_observed() replaces the decision by D_OBSERVED and keeps it in out.would. */
enum step_result request_observe(struct request *r);
void request_observed(struct request *r);

/* step_identity.c: found.identity is an identity of perhaps hours ago, and is brought up to
 * date. Returns NULL, or why the caller would not be admitted now. */
const char *request_identity_again(struct request *r);
/* Returns the names with commas between them, cut after 256 bytes, in the request's arena. */
struct span request_listed(struct request *r, const char *const *names, size_t n);

/* step_match.c: returns true if the path's segment names the model. */
bool request_names_model(const struct request *r, const struct segment *s);
/* A web page may use a host name of its own that resolves to the gateway, and the browser would
 * send its user's credentials for that name. However, the browser always sends the page's origin,
 * and HAProxy has the list of permitted origins. Returns STEP_NEXT if no page sent the request
 * or its origin is listed, else denies with 403. */
enum step_result request_not_by_page(struct request *r);

/* step_read.c: notes that parts of the target or body could not be inspected. Returns false if
 * memory ran out. */
bool request_unread(struct request *r, const struct unread *u);

/* step_external.c: returns true if a recognizer did not reply and on_failure has the outcome
 * `o` for it. */
bool request_silence(const struct request *r, enum outcome o);
/* Return whether a recognizer that a rule requires did not reply, and whether that denies the
 * request. */
bool request_unanswered(const struct request *r);
bool request_unmet(const struct request *r);

/* step_policy.c: estimates the request's tokens: the prompt's bytes ÷ 3 unless a better count
 * is needed (gate/limits/tokens.c), and the output limit. */
void request_estimate_tokens(struct request *r);

/* shadow.c: evaluates the shadow policy after the first policy's verdict. `mine`: the facts
 * that the first one read. */
void request_shadow(struct request *r, const struct policy_facts *mine);

/* ---- step_mentions.c: the parts to redact ---- */
/* Returns segment i in the order of classification: those of the target, then those of the
 * body. NULL: the end. */
const struct segment *request_segment(const struct request *r, size_t i);
bool request_in_target(const struct request *r, const struct segment *s);
/* Compares by that order. */
bool request_segment_before(
	const struct request *r, const struct segment *a, const struct segment *b);
/* For qsort_r() with the request as argument: by segment, then by offset. */
int request_order_hits(const void *x, const void *y, void *arg);

/* ---- number.c ---- */
/* Sets `with` of each hit of the overlay. Returns false if memory ran out. */
bool request_number_hits(struct request *r);

/* record.c: writes the members of the records. */
void record_decision(struct request *r, struct buf *out);
void record_completion(struct request *r, const struct exchange_result *res,
	const char *outcome, struct buf *out);

/* record.c: counts the tool call of a decided request for /metrics. */
void request_count_call(struct request *r);

/* ---- for the engine ---- */
struct exchange_result;

/* Drop what these steps hold for a request. Calls in progress are canceled. */
void request_drop_job(struct request *r);
void request_drop_mentions(struct request *r);
void request_drop_data(struct request *r);
/* Releases what an unfinished request has reserved in Redis. */
void request_release(struct request *r);
/* Copies the model's name, and hides it if it contains a finding. Call after the rules read it
 * and before a record or a variable contains it. */
void request_hide_model(struct request *r);
/* Hands the decision's record to the audit thread. The request may be waiting for the record or
 * not. Returns 0 or ERR_NOMEM. */
int request_record(struct request *r);
/* Hands over the record without the request, which continues at once and may move to another
 * worker; the reply does not touch it. `undone`: why the request is not forwarded; NULL: it is
 * forwarded. If set, a completion `abandoned` is written once the record is durable, and
 * nothing else of the request is recorded. */
void request_record_leave(struct request *r, const char *undone);
/* Writes the completion record. The request ends once that is durable. */
void request_complete(
	struct request *r, const struct exchange_result *res, const char *outcome);
/* Returns the style in which findings of this entity were replaced, or NULL if they were not
 * replaced. */
const char *request_redacted_with(const struct request *r, size_t entity);
/* Changes the facts that rules on responses read into those of the shadow policy: its route and
 * target, and the fetched values of its data, in data[CAP_DATA], all NULL at first. Returns
 * false if it has no such rules, or no such route. */
bool request_shadow_facts(
	const struct request *r, struct policy_facts *f, const struct cel_value **data);

#endif
