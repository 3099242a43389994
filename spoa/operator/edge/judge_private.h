/* Shared by the judge_*.c files: the facts about the configuration, the helpers that rules use,
 * and the rules.
 *
 * Terms: the gate is a frontend that loads the SPOE engine `tollgate`. The stanza is the block
 * of lines that tollgate ships for it. `acl tollgate` selects the requests that pass the gate.
 * A request that takes the relay passes HAProxy twice; the second pass arrives on the inner
 * bind, a Unix socket named tollgate-inner. */
#ifndef OPERATOR_EDGE_JUDGE_PRIVATE_H
#define OPERATOR_EDGE_JUDGE_PRIVATE_H

#include "operator/edge/judge.h"
#include "operator/edge/shipped.h"

struct judge_rule;

/* State of one check; judge() owns it. Sections and lines borrow from `h` and `pieces`. */
struct judge {
	const struct haproxy *h;
	const struct config *cfg;
	const struct policy *policy; /* NULL: the policy is absent or invalid */
	struct judged *out;
	const struct judge_rule *rule; /* the rule that is running */
	/* Facts that judge() determines before the first rule runs. */
	/* the frontend that loads the engine: for a rule of each_gate the current one,
	 * otherwise the first; NULL: no frontend does */
	const struct haproxy_section *gate;
	const struct haproxy_line *engine; /* the `filter spoe` line of `gate` */
	/* the section with the bind to which the relay connects; NULL: none */
	const struct haproxy_section *inner;
	const struct haproxy_line *inner_bind;
	/* the inner bind is in a frontend of the gate or in tollgate.cfg, so the layout is not
	 * that of the complete example */
	bool bolt_on;
	struct haproxy pieces; /* the shipped files, parsed like the operator's */
	const struct haproxy_section *shipped_stanza, *shipped_joint, *shipped_older,
		*shipped_edge, *shipped_inner, *shipped_guard;
	/* the shipped section with which `gate` is compared */
	const struct haproxy_section *shipped_gate;
};

struct judge_rule {
	const char *name;
	bool error;	/* false: the finding is advice */
	bool each_gate; /* the rule runs once for each frontend that loads the engine */
	void (*judge)(struct judge *j);
	const char *about; /* one line for the manual page */
};
extern const struct judge_rule judge_rules[];
extern const size_t judge_rules_count;

/* Reports a finding of the running rule at line `at` (NULL: the first line of the files).
 * `paste` has the lines to write, separated by \n; NULL: none. */
__attribute__((format(printf, 4, 5))) void found(struct judge *j, const struct haproxy_line *at,
	const char *paste, const char *fmt, ...);

/* Returns the shipped section with which this section is compared, or NULL if the section is
 * entirely the operator's. */
const struct haproxy_section *shipped_of(
	const struct judge *j, const struct haproxy_section *s);
/* Returns true for a backend that tollgate.cfg defines, by its name. */
bool is_ours(const struct haproxy_section *s);
/* Returns true if the mode of the section, or of its defaults, is http. */
bool speaks_http(const struct haproxy_section *s);
/* Returns the line with which a frontend loads our engine, or NULL. */
const struct haproxy_line *engine_of(const struct haproxy_section *s);
/* Returns the frontend's bind to which the relay connects, or NULL. */
const struct haproxy_line *inner_bind_of(const struct haproxy_section *s);
/* Returns true if an operator's line equals a shipped one, except for values that the operator
 * may choose. */
bool line_matches(const struct haproxy_line *l, const struct haproxy_line *shipped);
/* Returns the line of the section, or of its defaults tollgate-gate, that matches the shipped
 * line, or NULL. */
const struct haproxy_line *find_matching(
	const struct haproxy_section *s, const struct haproxy_line *shipped);
/* Returns true if the line deletes credential headers with the expression of stanzas before
 * 0.4, which also deletes MCP's Mcp-Param-* fields. */
bool line_deletes_arguments(const struct haproxy_line *l, const struct haproxy_line *shipped);
/* Returns the word of a shipped line after which the operator may have a different value, or
 * NULL. */
const char *word_before_own_value(const struct haproxy_line *want);
/* Returns the value of an option on a bind, filter or server line. If it is repeated, the last
 * one counts, as in HAProxy. */
struct span last_value(const struct haproxy_line *l, const char *word);
/* Returns true if the rule's condition excludes the requests that pass the gate:
 * !tollgate-gated in each branch, or `unless tollgate-gated`, or !tollgate where `acl tollgate`
 * still has its original meaning. */
bool excludes_the_gate(const struct haproxy_section *s, const struct haproxy_line *l);
/* One term of a condition: either an ACL's name, or the words between braces. */
struct condition_term {
	bool negated;
	/* index of the first word, and of the word after the last, without braces */
	size_t from, to;
	struct span name; /* empty if the term is in braces */
};
/* Reads the term at word *i and moves *i behind it. */
struct condition_term condition_next(const struct haproxy_line *l, size_t *i);
/* Returns true for the word that separates two branches of a condition. */
bool condition_is_or(struct span word);
/* Returns true for a line with which init excepts paths from the gate, or takes them in again:
 * it sets GATED_VARIABLE only for requests that `acl tollgate` selects. */
bool is_exception(const struct haproxy_line *l);
/* The things that a term of a condition may refer to: GATED, the variable that the stanza's
 * first line sets; NAMED, `acl tollgate`; INNER, the relay's second pass (so_name, or an ACL
 * for it); DECIDED, the existence of a verdict. */
enum named { GATED = 1, NAMED = 2, INNER = 4, DECIDED = 8 };
/* Compare a rule's condition by its words alone. condition_excludes() returns true if every
 * branch is false whenever one of `what` holds; condition_requires() returns true if every
 * branch needs one of `what`. `s` may be NULL if `what` contains only DECIDED and GATED. */
bool condition_excludes(
	const struct haproxy_section *s, const struct haproxy_line *l, unsigned what);
bool condition_requires(
	const struct haproxy_section *s, const struct haproxy_line *l, unsigned what);
/* Returns true if the rule may apply in the relay's second pass. *differs is set to true if the
 * reason is a value that differs between the passes: TLS, ports, HTTP version, credentials or,
 * above the stanza, the client's address. */
bool runs_on_inner(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l, bool *differs);
/* Returns true if, in the second pass, this line runs before the stanza restores the client's
 * address. */
bool is_before_set_src(
	const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l);
/* Returns true if the rule applies to every request of the second pass. */
bool always_on_inner(
	const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l);
/* Returns true for a rule that answers the request or closes the connection. */
bool rule_answers(const struct haproxy_line *l);
/* Returns the HTTP status of such a rule, or 0 if the rule closes the connection without a
 * response. */
int rule_status(const struct haproxy_line *l);
/* Returns the last line of the gate that belongs to the stanza and begins with this word, or
 * NULL. Lines that the operator may place freely are not counted. */
const struct haproxy_line *last_of_stanza(const struct judge *j, const char *word);
/* Returns true if the line refuses under the same condition as a line of the shipped guard. */
bool is_guard(const struct judge *j, const struct haproxy_line *l);
/* Returns the line with which a frontend answers every request, or NULL. */
const struct haproxy_line *answers_all(const struct haproxy_section *s);
/* Returns true if the condition excludes only ACME challenges (RFC 8555 8.3). If `tls` is set,
 * it must also exclude requests over TLS. */
bool excludes_only_acme(
	const struct haproxy_section *s, const struct haproxy_line *l, bool tls);
/* Stores the hosts to which the line's condition applies in host[], at most `most`, and returns
 * their number. *all is true if the condition applies to no other host and all of them fitted.
 */
size_t hosts_of_condition(const struct haproxy_section *s, const struct haproxy_line *l,
	struct span *host, size_t most, bool *all);
/* Returns true if a backend name that a rule computes may be `name`. */
bool may_make(struct span made, struct span name);
/* Returns the line with which requests that bypassed the gate may reach `back` from `front`, or
 * NULL. */
const struct haproxy_line *way_to(
	const struct haproxy_section *front, const struct haproxy_section *back);

/* The stanza decides once per request whether it passes the gate: it sets this variable, and
 * this ACL reads it. */
#define GATED_VARIABLE "txn.tollgate_gated"
#define GATED_ACL      "tollgate-gated"
/* Returns true if the stanza is from a version that evaluated `acl tollgate` at each line
 * instead of once. */
bool older_stanza(const struct haproxy_section *s);
/* Returns true if the relay's second pass arrives in this frontend, or if the stanza has the
 * lines for it, as version 0.2 laid them (joint.cfg). */
bool joint_stanza(const struct haproxy_section *s);
/* Returns the line that first sets GATED_VARIABLE, or NULL for an older stanza and for the
 * complete example, which passes every request. */
const struct haproxy_line *decided_once(const struct haproxy_section *s);
/* Returns true if a rule between the stanza's first line and this line changes a value that
 * `acl tollgate` reads. */
bool scope_changed_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* Returns true if such a rule changes the value for requests that did not pass the gate, so
 * that the ACL may match them afterwards. */
bool scope_widened_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* Returns true if the rule writes the Host header, or a request target that may contain a host.
 */
bool rule_changes_host(const struct haproxy_line *l);
/* Returns true if the criterion begins with a fetch of the path. */
bool reads_path(struct span criterion);
/* Returns true if line `l` of the section or of its defaults comes before line `of` of the
 * section. Lines of defaults come first. */
bool is_before(const struct haproxy_section *s, const struct haproxy_line *l,
	const struct haproxy_line *of);
/* Reads the file that a `filter spoe` line names into one section. Returns false if the file
 * cannot be read. */
bool read_engine(const struct haproxy_line *filter, struct haproxy *spoe);
/* Returns true for the rule that sends the request to tollgate's SPOE engine. Engines of others,
 * such as CrowdSec or Coraza, have groups of their own. */
bool asks_daemon(const struct haproxy_line *l);
/* Returns true if both lines have the same words. */
bool same_line(const struct haproxy_line *a, const struct haproxy_line *b);
/* Returns true if one of the line's words contains `text`. */
bool line_holds(const struct haproxy_line *l, const char *text);
/* Returns the value of the last line of `global` that begins with this word, or an empty span.
 */
struct span global_value(const struct haproxy *h, const char *word);

/* A `listen` section is both a frontend and a backend. */
static inline bool
is_front(const struct haproxy_section *s)
{
	return s->kind == HAPROXY_FRONTEND || s->kind == HAPROXY_LISTEN;
}

static inline bool
is_back(const struct haproxy_section *s)
{
	return s->kind == HAPROXY_BACKEND || s->kind == HAPROXY_LISTEN;
}

/* Returns the dialect that a section's servers speak, by their addresses and, if `by_name`, by
 * the section's name. NULL: no known provider. */
const char *dialect_of_servers(const struct haproxy_section *s, bool by_name);
/* Returns true for a backend that the policy may name or that holds a credential. Backends of
 * tollgate.cfg are not providers. */
bool is_provider(const struct judge *j, const struct haproxy_section *s);

/* The rules, by file. The table in judge.c has their names and severities. */
void rule_stanza_absent(struct judge *j); /* judge_stanza.c */
void rule_stanza_lines(struct judge *j); /* judge_stanza.c */
void rule_stanza_order(struct judge *j); /* judge_stanza.c */
void rule_routes_after_own(struct judge *j); /* judge_stanza.c */
void rule_inner_lines(struct judge *j); /* judge_stanza.c */
void rule_answer_lines(struct judge *j); /* judge_stanza.c */
void rule_stanza_scope(struct judge *j); /* judge_scope.c */
void rule_scope_changed(struct judge *j); /* judge_scope.c */
void rule_variables_limit(struct judge *j); /* judge_scope.c */
void rule_stanza_older(struct judge *j); /* judge_scope.c */
void rule_inner_answered(struct judge *j); /* judge_own.c */
void rule_own_variables(struct judge *j); /* judge_own.c */
void rule_ends_before(struct judge *j); /* judge_own.c */
void rule_cached_answers(struct judge *j); /* judge_own.c */
void rule_own_origins(struct judge *j); /* judge_own.c */
void rule_own_rules_twice(struct judge *j); /* judge_own.c */
void rule_changed_after(struct judge *j); /* judge_own.c */
void rule_credential_unguarded(struct judge *j); /* judge_guard.c */
void rule_credential_in_front(struct judge *j); /* judge_guard.c */
void rule_ungated_provider(struct judge *j); /* judge_guard.c */
void rule_ungated_guarded(struct judge *j); /* judge_guard.c */
void rule_version(struct judge *j); /* judge_tuning.c */
void rule_deadlines(struct judge *j); /* judge_tuning.c */
void rule_compression_filter(struct judge *j); /* judge_tuning.c */
void rule_compression_overflow(struct judge *j); /* judge_tuning.c */
void rule_certificates(struct judge *j); /* judge_certificate.c */

#endif
