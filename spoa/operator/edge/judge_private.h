/* Between the files of judge: what is known of the configuration, and how a rule speaks. */
#ifndef OPERATOR_EDGE_JUDGE_PRIVATE_H
#define OPERATOR_EDGE_JUDGE_PRIVATE_H

#include "operator/edge/judge.h"
#include "operator/edge/shipped.h"

struct judge_rule;

struct judge {
	const struct haproxy *h;
	const struct config *cfg;
	const struct policy *policy; /* NULL: none, or it is wrong */
	struct judged *out;
	const struct judge_rule *rule; /* the one that is asked */
	/* facts */
	const struct haproxy_section *gate;  /* loads our SPOE engine: the first that does, or
					      * of an each_gate rule each; NULL: nobody does */
	const struct haproxy_line *engine;   /* its filter line */
	const struct haproxy_section *inner; /* has the bind that the relay connects to */
	const struct haproxy_line *inner_bind;
	bool bolt_on;	       /* the inner bind is in a frontend of the gate */
	struct haproxy pieces; /* the shipped pieces, read as HAProxy reads them */
	const struct haproxy_section *shipped_stanza, *shipped_older, *shipped_edge,
		*shipped_inner, *shipped_guard;
	const struct haproxy_section *shipped_gate; /* what the gate is held against */
};

struct judge_rule {
	const char *name;
	bool error;	/* otherwise advice */
	bool each_gate; /* is asked for each frontend that loads the engine */
	void (*judge)(struct judge *j);
	const char *about; /* one line for the manual */
};
extern const struct judge_rule judge_rules[];
extern const size_t judge_rules_count;

/* A finding of the rule that is asked; paste may be NULL, else lines with \n between. */
__attribute__((format(printf, 4, 5))) void found(struct judge *j, const struct haproxy_line *at,
	const char *paste, const char *fmt, ...);

/* The shipped section that this one is held against; NULL: it is the person's own. */
const struct haproxy_section *shipped_of(
	const struct judge *j, const struct haproxy_section *s);
/* A backend of tollgate.cfg, by its name. */
bool is_ours(const struct haproxy_section *s);
/* Its mode, or that of its defaults, is http. */
bool speaks_http(const struct haproxy_section *s);
/* The line by which a frontend loads our engine; NULL: it does not. */
const struct haproxy_line *engine_of(const struct haproxy_section *s);
/* The frontend's bind that the relay connects to; NULL: none. */
const struct haproxy_line *inner_bind_of(const struct haproxy_section *s);
/* Whether a person's line says what a shipped one says, words that are his own aside. */
bool line_says(const struct haproxy_line *l, const struct haproxy_line *shipped);
const struct haproxy_line *find_saying(
	const struct haproxy_section *s, const struct haproxy_line *shipped);
/* One that says it deletes with the credentials what MCP has in Mcp-Param-*, as stanzas of
 * before 0.4 do. */
bool line_deletes_arguments(const struct haproxy_line *l, const struct haproxy_line *shipped);
/* The word of a shipped line after which a person has his own; NULL: none. */
const char *before_own_word(const struct haproxy_line *want);
/* The value of an option of a bind, a filter or a server: HAProxy takes the last. */
struct span last_value(const struct haproxy_line *l, const char *word);
/* The rule's condition leaves alone what passes the gate (!tollgate-gated in each part, or
 * unless tollgate-gated; !tollgate where that still means the same), or the relay's second
 * pass. */
bool spares_the_gate(const struct haproxy_section *s, const struct haproxy_line *l);
bool spares_the_inner(const struct haproxy_section *s, const struct haproxy_line *l);
/* By the words alone, whatever they mean there. */
bool spares_the_named(const struct haproxy_section *s, const struct haproxy_line *l);
/* What it fits has passed the gate. */
bool is_of_the_gate(const struct haproxy_section *s, const struct haproxy_line *l);
/* The same by what was decided alone, not by `acl tollgate`. */
bool is_of_the_decided(const struct haproxy_section *s, const struct haproxy_line *l);
/* It fits nothing but the relay's second pass. */
bool is_of_the_inner(const struct haproxy_section *s, const struct haproxy_line *l);
/* Whether the rule may run on the relay's second pass, and whether that is for what differs
 * there from the first: TLS, ports, HTTP version, credentials, above the stanza the client's
 * address. */
bool runs_on_inner(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l, bool *differs);
/* Whether it runs on each second pass, whatever the request holds. */
bool always_on_inner(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l);
/* A rule that answers the request, or ends it without an answer. */
bool rule_answers(const struct haproxy_line *l);
/* The last of the gate's lines that is the shipped one's and begins with this word, the
 * person's own places aside; NULL: none. */
const struct haproxy_line *last_of_stanza(const struct judge *j, const char *word);
/* The line by which a frontend answers all that comes in; NULL: none. */
const struct haproxy_line *answers_all(const struct haproxy_section *s);
/* The line as it is written, its condition so that it leaves these out (b may be NULL): in each
 * part of `if`, or as further parts of `unless`. */
enum { MENDED_BYTES = 4096 };
void mended(const struct haproxy_line *l, const char *a, const char *b, char *out);
/* The same of a rule of the response: !{ var(txn.tollgate.via) -m found } in each part, or
 * !{ var(txn.tollgate_gated) -m bool }. */
bool spares_the_decided(const struct haproxy_line *l);

/* What passes the gate, decided once: the stanza's variable, and its ACL that reads it. */
#define GATED_VARIABLE "txn.tollgate_gated"
#define GATED_ACL      "tollgate-gated"
/* Its lines ask `acl tollgate` each: what tollgate shipped before it decided once. */
bool older_stanza(const struct haproxy_section *s);
/* The line by which the section sets it first; NULL: an older stanza, or the complete example,
 * whose lines test nothing. */
const struct haproxy_line *decided_once(const struct haproxy_section *s);
/* Whether a rule between the stanza's first line and this one changes what `acl tollgate`
 * tests. */
bool scope_changed_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* The same of what did not pass: the ACL may fit that now. */
bool scope_widened_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* The criterion begins with a fetch of the path. */
bool reads_path(struct span criterion);
/* Whether a line of the section or of its defaults, whose rules come first, is before this one
 * of the section. */
bool is_before(const struct haproxy_section *s, const struct haproxy_line *l,
	const struct haproxy_line *of);
/* The file of a `filter spoe` line as one section, comments aside; false: it cannot be read. */
bool read_engine(const struct haproxy_line *filter, struct haproxy *spoe);
/* The first line of s itself that says what l says; NULL: none. */
const struct haproxy_line *find_line(
	const struct haproxy_section *s, const struct haproxy_line *l);
/* Whether a word of the line holds this text. */
bool line_holds(const struct haproxy_line *l, const char *text);
/* The value of global's last line that begins with this word; empty: there is none. */
struct span global_value(const struct haproxy *h, const char *word);
/* "600s", "2m", a number of milliseconds: microseconds; false: no time. */
bool haproxy_time(struct span text, uint64_t *us);
/* Frontends and listens, backends and listens. */
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
/* What the servers of a section speak, by their addresses; NULL: no model's that is known. */
const char *dialect_of_servers(const struct haproxy_section *s);
/* A backend that the policy may name, or that holds a credential; ours are none. */
bool is_provider(const struct judge *j, const struct haproxy_section *s);

/* The rules: judge_guard.c, judge_stanza.c, judge_scope.c, judge_own.c, judge_setup.c,
 * judge_tuning.c, judge_targets.c, judge_certificate.c. */
void rule_certificates(struct judge *j);
void rule_retried_answers(struct judge *j);
void rule_retries(struct judge *j);
void rule_attempt_lines(struct judge *j);
void rule_argument_lines(struct judge *j);
void rule_socket_lines(struct judge *j);
void rule_credential_lines(struct judge *j);
void rule_credential_twice(struct judge *j);
void rule_signed_host(struct judge *j);
void rule_credential_unguarded(struct judge *j);
void rule_credential_in_front(struct judge *j);
void rule_ungated_provider(struct judge *j);
void rule_ungated_guarded(struct judge *j);
void rule_stanza_absent(struct judge *j);
void rule_stanza_scope(struct judge *j);
void rule_stanza_older(struct judge *j);
void rule_scope_changed(struct judge *j);
void rule_variables_limit(struct judge *j);
void rule_stanza_lines(struct judge *j);
void rule_stanza_order(struct judge *j);
void rule_routes_after_own(struct judge *j);
void rule_answer_lines(struct judge *j);
void rule_inner_answered(struct judge *j);
void rule_own_rules_twice(struct judge *j);
void rule_own_variables(struct judge *j);
void rule_ends_before(struct judge *j);
void rule_cached_answers(struct judge *j);
void rule_changed_after(struct judge *j);
void rule_refused_after(struct judge *j);
void rule_own_origins(struct judge *j);
void rule_inner_lines(struct judge *j);
void rule_inner_bind(struct judge *j);
void rule_shipped_missing(struct judge *j);
void rule_deny_answers(struct judge *j);
void rule_shipped_differs(struct judge *j);
void rule_login_lines(struct judge *j);
void rule_gate_mode(struct judge *j);
void rule_sockets(struct judge *j);
void rule_socket_group(struct judge *j);
void rule_bufsize(struct judge *j);
void rule_deadlines(struct judge *j);
void rule_provider_timeouts(struct judge *j);
void rule_http_no_delay(struct judge *j);
void rule_html_errors(struct judge *j);
void rule_compression_filter(struct judge *j);
void rule_compression_overflow(struct judge *j);
void rule_version(struct judge *j);

#endif
