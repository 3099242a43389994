/* The verdict on one request: rules are evaluated from top to bottom on facts. Nothing else is
 * read or changed. The same facts and policy version give the same verdict. */
#ifndef POLICY_VERDICT_DECIDE_H
#define POLICY_VERDICT_DECIDE_H

#include "policy/cel/cel.h"
#include "policy/effect.h"
#include "policy/entities.h"
#include "policy/identity/identity.h"

struct external;
struct on_failure;
struct policy_class;
struct tool_call;

/* The position of a target before rules are evaluated, by price, load, health and earlier
 * attempts. The gate fills it. */
struct policy_rank {
	/* of the targets that the rules leave, the one with the smallest place is chosen */
	uint8_t place;
	enum target_out {
		TARGET_IN,
		TARGET_TRIED,	/* used by an earlier attempt of this request */
		TARGET_EJECTED, /* unhealthy, or ejected by an operator */
		TARGET_BUSY,	/* the provider has as many requests in flight as it may have */
		TARGET_WINDOW,	/* the request is longer than the model's window */
		TARGET_OUTPUT,	/* the request asks for more output than the model can write */
		TARGET_PINNED,	/* the request names something that only another target has */
		TARGET_KEYLESS, /* the gateway's credential for it cannot be used now */
		/* found out after the choice: */
		TARGET_LIMIT, /* a limit has no room for the request there */
		TARGET_FORM,  /* the target's forms cannot express the request */
		TARGET_OUTS
	} out;
	/* TARGET_EJECTED: a fixed word for records; TARGET_LIMIT: the limit; TARGET_FORM: the
	 * form; NULL: not set */
	const char *state;
};
extern const char *const target_outs[TARGET_OUTS]; /* names in records */

/* State of a target that conditions read. */
struct policy_target_facts {
	double price;	/* highest cost of this request there in dollars; 0: unknown */
	double latency; /* seconds to first content */
	double errors;	/* share of failed requests in the last ten seconds */
};

/* Everything that a condition may read (POLICY_ENV). The gate fills it. Borrowed for the time
 * of a call. */
struct policy_facts {
	const struct identity *identity;
	const struct route *route;
	const struct target *target;	 /* one of the route's targets; NULL: the first */
	const struct target *only; /* the request belongs to this target; NULL: to any */
	const struct policy_rank *ranks; /* one rank for each target; NULL: all are available,
					  * in the route's order */
	const struct policy_target_facts
		*at; /* facts about each target; NULL: nothing is known */
	struct span method, host, path;
	struct span conversation; /* request.conversation */
	const struct span *tags;  /* request.tags */
	size_t ntags;
	int64_t now_wall_ns;
	/* true once the body is read; false: rules that need the body wait */
	bool whole;
	const struct body *body; /* parameters, references; NULL: none */
	struct span raw;	 /* bytes of the body */
	/* prompt.tool_results, if they are recorded; NULL: they are read from `raw` */
	const struct span *results;
	size_t nresults;
	struct span model;	  /* the model that the conditions read; empty: none */
	const struct span *media; /* prompt.media */
	size_t nmedia;
	const struct span *speech; /* prompt.speech */
	size_t nspeech;
	int64_t speech_seconds; /* prompt.speech_seconds */
	bool macros;		/* prompt.macros */
	const struct entity_set *entities; /* found, with scores over their thresholds */
	/* for each entity: bits of the segments' roles (enum seg_role) in which it was found;
	 * NULL: any */
	const uint16_t *roles;
	const struct detect_rules *rules; /* names of the entities */
	int64_t tokens, bytes;
	double injection; /* highest score of a segment */
	/* for each of the policy's `data`: the fetched value, or NULL. Without a value, files
	 * are looked up. NULL: no values */
	const struct cel_value *const *data;
	/* an obfuscated value, or text that hides or reorders what is displayed (prose: ok
	 * what) */
	bool evasion;
	/* for entries of lists only, whose arguments are unknown: tool.origins is not read */
	bool entries;
	size_t invisible; /* characters that nobody sees and no spelling needs */
	/* the call of the request (policy/verdict/tool.h), for limits that count calls; NULL:
	 * none */
	const struct tool_call *call;
	/* descriptions of the tools that a chat request offers, for rules on calls in its
	 * response; NULL: none */
	const struct tools_told *told;
};

/* Descriptions of offered tools, at most CAP_TOOL_DESCRIPTIONS bytes. */
struct tools_told {
	struct tool_told {
		struct span name, description;
	} * v;
	size_t n, room, bytes;
	bool cut; /* some descriptions did not fit */
};

struct rule_trace { /* the result of one rule, for explain and records */
	const struct rule *rule;
	enum { RULE_NOT_REACHED, RULE_NO_MATCH, RULE_MATCHED, RULE_ERROR, RULE_WAITS } fate;
	struct span error; /* why a condition failed */
};

/* A letter for each fate, for records: '-' 'n' 'm' 'e' 'w'. */
extern const char explain_letters[];

/* The result of the rules of one phase. */
struct rule_outcome {
	enum rule_effect effect; /* the enforced effect: deny, permit or redact */
	/* deny or permit: the rule that ended the evaluation; redact: the first rule that
	 * redacts a finding; NULL: none */
	const struct rule *rule;
	bool failed; /* denied because a condition failed (on_error: deny) */
	int status;  /* status of a denial; 0 for a denied call */
	const char *reason;
	/* shadow mode: the result if all rules were enforced */
	bool shadowed;
	enum rule_effect shadow_effect;
	const struct rule *shadow_rule;
	struct rule_trace *trace; /* one entry for each rule of the phase */
	/* tags of all rules that matched, also in shadow mode; without duplicates */
	const char **tags;
	size_t ntags;
};

/* Enforced redactions. with[e]: enum redact_style of the first rule that names entity e; 0 for
 * entities that are not in `of`. */
struct redactions {
	struct entity_set of;
	uint8_t with[DETECT_ENTITIES_MAX];
};
/* Adds the redactions of *more that *r does not have, for entities in `found` (NULL: all).
 * Returns true if any was added. */
bool redactions_add(
	struct redactions *r, const struct redactions *more, const struct entity_set *found);
/* Adds tags that are not in the list yet, as far as there is room. Returns the new number of
 * tags. */
size_t tags_join(
	const char **tags, size_t n, size_t room, const char *const *more, size_t nmore);

/* One of the route's targets, and why it was not chosen. */
struct policy_candidate {
	const struct target *target;
	enum {
		CANDIDATE_CHOSEN,
		CANDIDATE_LEFT,
		CANDIDATE_DENIED,
		CANDIDATE_ROUTED,
		CANDIDATE_OUT
	} fate;
	enum target_out out; /* reason for CANDIDATE_OUT */
	/* the rule that denied the target or routed elsewhere; NULL: the default */
	const struct rule *rule;
	struct rule_trace
		/* results of the rules with this target; shared if no rule reads the target */
		*trace;
};

/* Changes by rules to a permitted request. */
struct policy_changes {
	const struct target *target; /* the target that receives the request */
	/* model of the first rule that names one, else of the target; NULL: unchanged */
	const char *model;
	const struct rule *model_rule; /* NULL: the target's model */
	uint64_t max_output_tokens;    /* the lowest of all rules; 0: no cap */
	uint64_t require;	       /* bit by index of policy.externals */
	const struct rule **rules;     /* rules that set headers, in order */
	size_t nrules;
};

/* The result of policy_decide(). */
struct policy_verdict {
	/* `rule` NULL: the default applied. `trace` is that of the chosen target, or of the
	 * denial */
	struct rule_outcome ruled;
	bool waits; /* facts->whole is false, and a rule that could decide needs the body */
	struct redactions redact; /* redactions of the findings */
	bool redacts;
	/* the bits of enum media_action of the rules that redact: 0 if none has `media` */
	unsigned strips;
	struct policy_changes changes;
	struct policy_candidate *candidates; /* candidates in the route's order */
	size_t ncandidates;
	/* the rules leave targets, but facts->ranks has none of them available */
	bool none_in;
	/* bits of recognizers that some rule that matched for any target requires */
	uint64_t may_require;
	struct policy_changes shadow_changes; /* valid if `shadowed` is true */
	uint32_t data_read;		      /* bit i: a rule read data source i */
	struct entity_set classes_hit;	      /* bit i: policy class i is in prompt.classes */
};

/* Evaluates the rules from top to bottom. deny and permit end the evaluation, and other effects
 * add up. If no rule ends it, the default applies. A rule that fails counts as its on_error: a
 * denial with the rule's own status (403 if it has none), or no match.
 *
 * If a rule reads the target, the rules are evaluated for each of the route's targets; rules
 * that do not read it are evaluated once. A target that is denied, or that `route.targets` of a
 * rule leaves out, is dropped. The other targets are ordered by the route or, if the route chooses by order (choose.by), by the first such rule. The first target is chosen, and its verdict
 * applies. If no target is left, the first denial applies, or a 403 if rules only routed
 * elsewhere. With facts->ranks, the available target with the smallest place (after a rule's
 * order) is the first. If rules leave only targets that are unavailable, `none_in` is set, and
 * the verdict of the first of them applies.
 *
 * If facts->whole is false, a rule that reads the body is marked RULE_WAITS. A denial is final
 * unless a waiting rule before it could end the evaluation. A permit or the default is final if
 * no rule waits and none redacts. Otherwise `waits` is set, and the caller repeats the call
 * once the body is read.
 *
 * Shadow mode: if the policy is in shadow mode, denials and redactions by rules that matched
 * are recorded and not enforced, for verified identities only. Failures of conditions and the
 * default are enforced. The mode of a single rule does the same for that rule. A permit or a
 * change by such a rule is not enforced for anyone; `require` is treated like a denial, and
 * tags are always kept.
 *
 * Returns 0 or ERR_NOMEM. */
int policy_decide(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_verdict *out);

/* Returns the outcome of on_failure.classifier for the findings: the strictest outcome of the
 * classes that were found, else the default one. *by is that class, or NULL. */
enum outcome policy_unclassified(const struct policy *p, const struct on_failure *of,
	const struct entity_set *found, const uint16_t *roles, double injection,
	const struct policy_class **by);

/* Clears the pointers into the arena of policy_decide(). */
void policy_verdict_forget(struct policy_verdict *v);

/* Returns the value of data source i for these facts, or an empty map if there is none. */
struct cel_value policy_data(
	const struct policy *p, const struct policy_facts *f, size_t i, struct arena *a);

/* Returns true if the recognizer must be asked about these facts. A condition that fails counts
 * as true. */
bool policy_asks(const struct policy *p, const struct external *x, const struct policy_facts *f,
	struct arena *a);

/* Returns true if the transcriber may be asked about these facts. A condition that fails counts as
 * true. */
struct transcriber;
bool policy_transcribes(const struct policy *p, const struct transcriber *t,
	const struct policy_facts *f, struct arena *a);

/* Sets *which to the recognizers that a rule may require, as far as is known before they
 * answer. Returns 0 or ERR_NOMEM. */
int policy_requires(
	const struct policy *p, const struct policy_facts *f, struct arena *a, uint64_t *which);

/* Returns true if the caller has this server of a joined route (struct target). A condition that
 * fails counts as false. */
bool policy_has_server(const struct policy *p, const struct target *t,
	const struct policy_facts *f, struct arena *a);

/* Returns the limits that apply to these facts, with the values of their dimensions, which the
 * caller hashes. A list gives one hit for each member, and several dimensions give all
 * combinations. Limits that read a field of a call apply only if the facts have a call. If
 * `whole` is false, only limits that do not need the body are returned, never those that count
 * tokens. A `when` that fails applies the limit, and a `per` that fails counts as the empty
 * value. Returns 0, ERR_NOMEM, or ERR_LIMIT for more than LIMIT_HITS_MAX. */
enum { LIMIT_HITS_MAX = 64 };
struct policy_limit_hit {
	const struct limit *limit;
	struct span values; /* "LENGTH:VALUE" for each dimension, in the order of `per` */
	const struct limit
		/* the policy's limit, if `limit` has another amount; NULL: a key's own limit */
		*of;
};
int policy_limits(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_limit_hit **hits, size_t *n);

#endif
