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
	bool bolt_on;	       /* the inner bind is in a frontend of the gate, or in tollgate.cfg */
	struct haproxy pieces; /* the shipped pieces, read as HAProxy reads them */
	const struct haproxy_section *shipped_stanza, *shipped_joint, *shipped_older,
		*shipped_edge, *shipped_inner, *shipped_guard;
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
/* Of the section, or of the defaults tollgate-gate that it begins with. */
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
 * unless tollgate-gated; !tollgate where that still means the same). */
bool spares_the_gate(const struct haproxy_section *s, const struct haproxy_line *l);
/* What it fits has passed the gate. */
bool is_of_the_gate(const struct haproxy_section *s, const struct haproxy_line *l);
/* What words of a condition may name: what the stanza's first line decided; what `acl tollgate`
 * names now; the relay's second pass, by so_name or an ACL for it; that there is a verdict. */
enum named { GATED = 1, NAMED = 2, INNER = 4, DECIDED = 8 };
/* By the words alone, whatever they mean there: each part of the rule's condition is true only
 * where none of these is, or where one is. s NULL: DECIDED and GATED alone are asked for. */
bool spares(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what);
bool fits_only(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what);
/* Whether the rule may run on the relay's second pass, and whether that is for what differs
 * there from the first: TLS, ports, HTTP version, credentials, above the stanza the client's
 * address. */
bool runs_on_inner(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l, bool *differs);
/* Whether the client's address is not known yet where this line is asked on that pass. */
bool is_before_set_src(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l);
/* Whether it runs on each second pass, whatever the request holds. */
bool always_on_inner(
	const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l);
/* A rule that answers the request, or ends it without an answer. */
bool rule_answers(const struct haproxy_line *l);
/* The status that such a rule answers with; 0: it ends the connection without one. */
int rule_status(const struct haproxy_line *l);
/* The last of the gate's lines that is the shipped one's and begins with this word, the
 * person's own places aside; NULL: none. */
const struct haproxy_line *last_of_stanza(const struct judge *j, const char *word);
/* The line refuses as one of the guard does. */
bool is_guard(const struct judge *j, const struct haproxy_line *l);
/* The line by which a frontend answers all that comes in; NULL: none. */
const struct haproxy_line *answers_all(const struct haproxy_section *s);
/* The rule's condition leaves alone nothing but the challenges of ACME (RFC 8555 8.3); tls: and
 * what came by TLS, which it must name. */
bool spares_acme(const struct haproxy_section *s, const struct haproxy_line *l, bool tls);
/* The hosts that the line's condition names, which it fits; *all: it fits no others. At most
 * `most`; more: *all is false. */
size_t hosts_of_condition(const struct haproxy_section *s, const struct haproxy_line *l,
	struct span *host, size_t most, bool *all);
/* A backend's name that a rule makes may be this one. */
bool may_make(struct span made, struct span name);
/* The line by which requests that did not pass the gate may come from this frontend to that
 * backend; NULL: none. */
const struct haproxy_line *way_to(
	const struct haproxy_section *front, const struct haproxy_section *back);
/* The line as it is written, its condition so that it leaves these out (b may be NULL): in each
 * part of `if`, or as further parts of `unless`. */
enum { MENDED_BYTES = 4096 };
void mended(const struct haproxy_line *l, const char *a, const char *b, char *out);

/* What passes the gate, decided once: the stanza's variable, and its ACL that reads it. */
#define GATED_VARIABLE "txn.tollgate_gated"
#define GATED_ACL      "tollgate-gated"
/* Its lines ask `acl tollgate` each: what tollgate shipped before it decided once. */
bool older_stanza(const struct haproxy_section *s);
/* The relay's second pass comes in by this very frontend, or by another one whose stanza has
 * its lines too, as version 0.2 laid them (joint.cfg). */
bool joint_stanza(const struct haproxy_section *s);
/* The line by which the section sets it first; NULL: an older stanza, or the complete example,
 * whose lines test nothing. */
const struct haproxy_line *decided_once(const struct haproxy_section *s);
/* Whether a rule between the stanza's first line and this one changes what `acl tollgate`
 * tests. */
bool scope_changed_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* The same of what did not pass: the ACL may fit that now. */
bool scope_widened_before(const struct haproxy_section *s, const struct haproxy_line *l);
/* The rule writes the header Host, or a target that may have a host. */
bool rule_changes_host(const struct haproxy_line *l);
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
/* The same words. */
bool same_line(const struct haproxy_line *a, const struct haproxy_line *b);
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
/* What a section's servers speak, by their addresses, or by its name too; NULL: no model's that
 * is known. */
const char *dialect_of_servers(const struct haproxy_section *s, bool by_name);
/* A backend that the policy may name, or that holds a credential; ours are none. */
bool is_provider(const struct judge *j, const struct haproxy_section *s);

/* The rules: judge_guard.c, judge_stanza.c, judge_scope.c, judge_own.c, judge_setup.c,
 * judge_tuning.c, judge_targets.c, judge_certificate.c. */
/* clang-format off */
/*  name                     error   asked  function                     one line for the manual.  GATES: asked for each frontend that loads the engine */
#define JUDGE_RULES(X) \
  X("haproxy-version",       ADVICE, ONCE,  rule_version,               "tollgate is tested with this version of HAProxy") \
  X("stanza-absent",         ERROR,  ONCE,  rule_stanza_absent,         "a frontend loads the SPOE engine of tollgate") \
  X("shipped-missing",       ERROR,  ONCE,  rule_shipped_missing,       "HAProxy loads tollgate.cfg in addition to your own files") \
  X("gate-mode",             ERROR,  GATES, rule_gate_mode,             "the frontend of the gate speaks HTTP") \
  X("stanza-scope",          ERROR,  GATES, rule_stanza_scope,          "the ACL of the gate matches a host or a bind, never a path") \
  X("stanza-lines",          ERROR,  GATES, rule_stanza_lines,          "the stanza has every line of the shipped stanza, without a change") \
  X("scope-changed",         ERROR,  GATES, rule_scope_changed,         "no rule changes the values of the stanza's ACL so that requests bypass it") \
  X("stanza-order",          ERROR,  GATES, rule_stanza_order,          "the stanza's lines have the shipped order") \
  X("routes-after-own",      ERROR,  GATES, rule_routes_after_own,      "the stanza's use_backend lines come before any other") \
  X("inner-lines",           ERROR,  ONCE,  rule_inner_lines,           "the relay's second pass has its own rules") \
  X("inner-bind",            ERROR,  ONCE,  rule_inner_bind,            "only tollgate can connect to the relay's bind, which is a Unix socket") \
  X("inner-routes",          ERROR,  ONCE,  rule_inner_routes,          "each relayed request has a backend") \
  X("inner-answered",        ERROR,  ONCE,  rule_inner_answered,        "no rule answers relayed requests for values that differ in the second pass") \
  X("credential-unguarded",  ERROR,  ONCE,  rule_credential_unguarded,  "each backend that holds a credential begins with the guard") \
  X("credential-in-front",   ERROR,  ONCE,  rule_credential_in_front,   "no frontend sets a provider's credential") \
  X("ungated-provider",      ERROR,  ONCE,  rule_ungated_provider,      "a request that bypasses the gate reaches no provider without key and guard") \
  X("own-variables",         ERROR,  ONCE,  rule_own_variables,         "only the shipped rules write the variables that the gate reads") \
  X("variables-limit",       ERROR,  ONCE,  rule_variables_limit,       "no limit of HAProxy's memory drops variables that the gate reads") \
  X("ends-before",           ERROR,  GATES, rule_ends_before,           "no `allow` before the stanza ends the evaluation of rules") \
  X("cached-answers",        ERROR,  GATES, rule_cached_answers,        "no HAProxy cache answers requests that pass the gate") \
  X("own-origins",           ERROR,  GATES, rule_own_origins,           "only origins.lst determines which pages may read responses") \
  X("deny-answers",          ERROR,  ONCE,  rule_deny_answers,          "the backend tollgate-deny forwards no denied request") \
  X("sockets",               ERROR,  ONCE,  rule_sockets,               "HAProxy connects to tollgate's sockets, also from its chroot") \
  X("deadlines",             ERROR,  ONCE,  rule_deadlines,             "HAProxy's timeouts are longer than tollgate's own") \
  X("compression-filter",    ERROR,  GATES, rule_compression_filter,    "a frontend with compression and SPOE declares its compression filter") \
  X("compression-overflow",  ERROR,  ONCE,  rule_compression_overflow,  "large buffers leave enough space for the worst case of compression") \
  X("retried-answers",       ERROR,  ONCE,  rule_retried_answers,       "no provider's backend repeats a request that may have been charged") \
  X("credential-lines",      ERROR,  ONCE,  rule_credential_lines,      "the relay's second pass sets the credentials of tollgate.yaml") \
  X("credential-twice",      ERROR,  ONCE,  rule_credential_twice,      "a backend sets a credential or gets one from tollgate.yaml, not both") \
  X("signed-host",           ERROR,  ONCE,  rule_signed_host,           "a backend sends the Host header that the relay signs for it") \
  X("socket-group",          ADVICE, ONCE,  rule_socket_group,          "HAProxy is in the group of tollgate's sockets") \
  X("shipped-differs",       ADVICE, ONCE,  rule_shipped_differs,       "tollgate.cfg and spoe.cfg are the files of this version") \
  X("stanza-older",          ADVICE, GATES, rule_stanza_older,          "the stanza evaluates its ACL once for each request") \
  X("attempt-lines",         ADVICE, ONCE,  rule_attempt_lines,         "HAProxy reports why an attempt failed, if a route allows another attempt") \
  X("argument-lines",        ADVICE, ONCE,  rule_argument_lines,        "header fields with arguments of MCP reach the server") \
  X("socket-lines",          ADVICE, ONCE,  rule_socket_lines,          "the policy decides WebSockets on routes that allow them") \
  X("caller-lines",          ADVICE, GATES, rule_caller_lines,          "external providers receive no header that reveals a caller's origin") \
  X("caller-address",        ADVICE, ONCE,  rule_caller_address,        "no option or rule adds the caller's address for external providers") \
  X("login-lines",           ADVICE, ONCE,  rule_login_lines,           "clients of MCP receive the login address, and pages in origins.lst may connect") \
  X("retries",               ADVICE, ONCE,  rule_retries,               "HAProxy does not delay a request that may have another attempt") \
  X("answer-lines",          ADVICE, GATES, rule_answer_lines,          "callers receive all header fields that the shipped stanza adds") \
  X("own-rules-twice",       ADVICE, GATES, rule_own_rules_twice,       "rules before the stanza do not run again on the relay's second pass") \
  X("changed-after",         ADVICE, GATES, rule_changed_after,         "no rule changes the path or method after the policy's decision") \
  X("refused-after",         ADVICE, GATES, rule_refused_after,         "rules that refuse requests come before the stanza") \
  X("ungated-guarded",       ADVICE, ONCE,  rule_ungated_guarded,       "no frontend without the stanza leads to a guarded backend") \
  X("bufsize",               ADVICE, ONCE,  rule_bufsize,               "HAProxy's buffer is large enough for most bodies") \
  X("provider-timeouts",     ADVICE, ONCE,  rule_provider_timeouts,     "the timeouts of providers allow minutes for a response") \
  X("http-no-delay",         ADVICE, ONCE,  rule_http_no_delay,         "HAProxy sends streamed tokens without delay") \
  X("certificates",          ADVICE, ONCE,  rule_certificates,          "no certificate expires within 14 days") \
  X("html-errors",           ADVICE, ONCE,  rule_html_errors,           "callers receive JSON, not HTML, if a provider refuses the connection")
/* clang-format on */

#define X(name, is_error, gates, fn, about) void fn(struct judge *j);
JUDGE_RULES(X)
#undef X

#endif
