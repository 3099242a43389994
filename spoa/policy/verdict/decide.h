/* What the policy in force says about one request: evaluates rules top to bottom
 * on facts, touching nothing else. Same facts and version, same verdict. */
#ifndef POLICY_VERDICT_DECIDE_H
#define POLICY_VERDICT_DECIDE_H

#include "policy/identity/identity.h"

struct tool_call;

/* Where a target stands before the rules are asked: what price, load, health and earlier
 * attempts say of it. */
struct policy_rank {
	uint8_t place; /* the smallest of those that the rules leave is taken */
	enum target_out {
		TARGET_IN,
		TARGET_TRIED,	/* by an earlier attempt of this request */
		TARGET_EJECTED, /* it fails, or somebody took it out */
		TARGET_BUSY,	/* as many requests as its provider may have */
		TARGET_WINDOW,	/* the request is longer than the model reads, */
		TARGET_OUTPUT,	/* or asks for more than it writes */
		TARGET_PINNED,	/* something the request names is elsewhere */
		TARGET_KEYLESS, /* we have no credential for it that may be used now */
		/* these are found out after the choice: */
		TARGET_LIMIT, /* a limit leaves no room for the request there */
		TARGET_FORM,  /* the forms that it speaks cannot hold the request */
		TARGET_OUTS
	} out;
	/* TARGET_EJECTED: as what, a fixed word for the record; TARGET_LIMIT: the limit;
	 * TARGET_FORM: the form; NULL: not said */
	const char *state;
};
extern const char *const target_outs[TARGET_OUTS]; /* as records say it */

/* What conditions read of a target besides the policy's own words. */
struct policy_target_facts {
	double price;	/* dollars that this request takes there at most; 0: nobody knows */
	double latency; /* seconds to first content */
	double errors;	/* the share that failed within ten seconds */
};

/* Everything a condition may read (POLICY_ENV). The gate fills it. */
struct policy_facts {
	const struct identity *identity;
	const struct route *route;
	const struct target *target; /* of its targets; NULL: the first */
	const struct policy_rank
		*ranks; /* by index of them; NULL: the route's order, all are in */
	const struct policy_target_facts *at; /* likewise; NULL: nothing is known of them */
	struct span method, host, path;
	struct span conversation; /* request.conversation */
	const struct span *tags;  /* request.tags */
	size_t ntags;
	int64_t now_wall_ns;
	/* known once the body is read; whole == false: rules that need it wait */
	bool whole;
	const struct body *body;    /* model, parameters */
	struct span raw;	    /* its bytes */
	const struct span *results; /* prompt.tool_results, where they are recorded; NULL:
				       they are read in raw */
	size_t nresults;
	struct span model;	  /* where there is none: the path's */
	const struct span *media; /* prompt.media */
	size_t nmedia;
	const struct entity_set *entities; /* found, over their thresholds */
	const uint16_t *roles; /* by entity: bit by enum seg_role it was found in; NULL: any */
	const struct detect_rules *rules; /* names of the entities */
	int64_t tokens, bytes;
	double injection; /* highest score of a segment */
	/* by place in the policy's `data`: what was brought, NULL: nothing; files are looked
	 * into where nothing was. NULL: nothing of any */
	const struct cel_value *const *data;
	bool evasion; /* a value in disguise, or text that hides or reorders what is shown */
	/* What the request calls (policy/verdict/tool.h), for limits that count calls. NULL:
	 * nothing
	 */
	const struct tool_call *call;
	/* What a chat request says of the tools that it offers, for rules on the calls of its
	 * answer. NULL: nothing. */
	const struct tools_told *told;
};

/* Within CAP_TOOL_DESCRIPTIONS. */
struct tools_told {
	struct tool_told {
		struct span name, description;
	} * v;
	size_t n, room, bytes;
	bool cut; /* there are more */
};

struct rule_trace { /* one rule's fate, for explain and the record */
	const struct rule *rule;
	enum { RULE_NOT_REACHED, RULE_NO_MATCH, RULE_MATCHED, RULE_ERROR, RULE_WAITS } fate;
	struct span error; /* message of a failed condition */
};

/* By fate, a letter each, for records: '-' 'n' 'm' 'e' 'w'. */
extern const char explain_letters[];

/* What the rules of one phase, asked from top to bottom, came to. */
struct rule_outcome {
	enum rule_effect effect; /* what is enforced: deny, permit or redact */
	/* deny or permit: the rule that ended it; redact: the first rule that redacts
	 * something found; NULL: none did */
	const struct rule *rule;
	bool failed; /* the denial is a condition's failure (on_error: deny) */
	int status;  /* of a denial; of a call's: 0 */
	const char *reason;
	/* shadow: what the same rules would have done if enforced */
	bool shadowed;
	enum rule_effect shadow_effect;
	const struct rule *shadow_rule;
	struct rule_trace *trace; /* an entry a rule of the phase */
	const char **tags;	  /* of all rules that matched, also in shadow; none twice */
	size_t ntags;
};

/* Enforced redactions. `with`: enum redact_style of the first rule that names the entity; 0 of
 * those that are not in `of`. */
struct redactions {
	struct entity_set of;
	uint8_t with[DETECT_ENTITIES_MAX];
};
/* Adds what *more replaces and *r does not, of what was found (NULL: of anything). True:
 * something was added. */
bool redactions_add(
	struct redactions *r, const struct redactions *more, const struct entity_set *found);
/* Adds those that are not there, as far as there is room. The new number. */
size_t tags_join(
	const char **tags, size_t n, size_t room, const char *const *more, size_t nmore);

/* One of the route's targets, and why it is not where the request goes. */
struct policy_candidate {
	const struct target *target;
	enum {
		CANDIDATE_CHOSEN,
		CANDIDATE_LEFT,
		CANDIDATE_DENIED,
		CANDIDATE_ROUTED,
		CANDIDATE_OUT
	} fate;
	enum target_out out;	 /* CANDIDATE_OUT: why */
	const struct rule *rule; /* that denied it or routed elsewhere; NULL: the default */
	struct rule_trace
		*trace; /* the rules' fates with this target; shared where none reads it */
};

/* What the rules change about a request that may go. */
struct policy_changes {
	const struct target *target; /* where it goes */
	const char *model; /* the first rule's that names one, else the target's; NULL: none */
	const struct rule *model_rule; /* NULL: the target's */
	uint64_t max_output_tokens;    /* the lowest; 0: none */
	uint64_t require;	       /* bit by index of policy.externals */
	const struct rule **rules;     /* that set headers, in order */
	size_t nrules;
};

struct policy_verdict {
	/* `rule` NULL: the default; `trace` is of the target chosen, else of the denial */
	struct rule_outcome ruled;
	bool waits; /* whole == false and a rule that could decide needs the body */
	struct redactions redact; /* of what was found */
	bool redacts;
	bool strips; /* rule.strips of one that redacts */
	struct policy_changes changes;
	struct policy_candidate *candidates; /* as in the route */
	size_t ncandidates;
	/* The rules leave targets, and facts->ranks none of them: nothing is decided but that.
	 */
	bool none_in;
	uint64_t may_require;		      /* by a rule that matched for any of them */
	struct policy_changes shadow_changes; /* where shadowed */
	uint32_t data_read;		      /* bit i: a rule read the policy's data[i] */
	struct entity_set classes_hit;	      /* bit i: policy class i is in prompt.classes */
};

/* Rules top to bottom; deny and permit end it, the others add up; no rule that
 * ends it: the default. A rule that fails at run time counts as its on_error: a
 * denial with the rule's own status (403 where it has none), or no match.
 *
 * Where a rule reads the target, the rules are evaluated for each of the route's
 * targets, those that do not read it once. A target that is denied leaves the list,
 * and so does one that the `route.targets` of a rule leaves out. What is left is
 * ordered as the route does, and where that goes by order (choose.by) as the first such
 * rule says; the first of them is chosen, and the verdict is the one with it. None left: the
 * verdict is the first denial, or a 403 where rules only routed elsewhere. With facts->ranks
 * the first is the one with the smallest place (after a rule's order) of those that are in;
 * where rules leave only such as are out, `none_in`, and the verdict is the one with the first
 * of them.
 *
 * With facts->whole false, a rule that reads the body is marked RULE_WAITS. A
 * head-only deny is final where no waiting rule before it could end the
 * evaluation (permit or deny); a head-only permit or the default is final where
 * no rule waits and none redacts; else `waits`, and the call is repeated once
 * the body is read.
 *
 * Shadow (design rule 11): with the policy's mode, denials and redactions by
 * rules that matched are recorded, not enforced, for a verified identity only;
 * failures of conditions and the default are enforced. A rule's own mode does
 * the same for that rule; a permit by such a rule is not enforced for anybody, and
 * nor is what one changes: `require` is lifted as a denial is, tags always stay.
 *
 * 0, or ERR_NOMEM. */
int policy_decide(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_verdict *out);

/* What on_failure.classifier says of what was found: the strictest outcome of its classes that
 * were, else the one for all others. *by: that class, NULL: none. */
enum outcome policy_unclassified(const struct policy *p, const struct on_failure *of,
	const struct entity_set *found, const uint16_t *roles, double injection,
	const struct policy_class **by);

/* Drops what the arena of policy_decide() holds of it. */
void policy_verdict_forget(struct policy_verdict *v);

/* What data.NAME of the policy's data[i] is in these facts; an empty map: nothing. */
struct cel_value policy_data(
	const struct policy *p, const struct policy_facts *f, size_t i, struct arena *a);

/* Whether the external recognizer is to be asked about these facts; a condition that
 * fails asks. */
bool policy_asks(const struct policy *p, const struct external *x, const struct policy_facts *f,
	struct arena *a);

/* Which recognizers a rule may require, as far as is known before they answered. 0, or
 * ERR_NOMEM. */
int policy_requires(
	const struct policy *p, const struct policy_facts *f, struct arena *a, uint64_t *which);

/* The limits that apply to these facts with the values of their dimensions, for
 * hashing by the caller: one for each member of a list, and for all combinations of several.
 * Those that read a field of a call
 * only where the facts have one. With whole false only limits that need no body (never those
 * that count tokens); with whole true all of them. A `when` that fails applies the limit; a
 * `per` that fails counts under the empty value. 0, ERR_NOMEM, or ERR_LIMIT: more than
 * LIMIT_HITS_MAX. */
enum { LIMIT_HITS_MAX = 64 };
struct policy_limit_hit {
	const struct limit *limit;
	struct span values; /* canonical: "LENGTH:VALUE" each, in the order of `per` */
	const struct limit
		*of; /* the policy's, where `limit` has another amount; NULL: a key's */
};
int policy_limits(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_limit_hit **hits, size_t *n);

#endif
