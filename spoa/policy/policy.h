/* The policy in its compiled, immutable form. It is made from YAML by policy_load() and
 * evaluated in policy/verdict/. Everything below lives in the arena given to policy_load(), and
 * any thread may read it. Member names follow the keys of the file (tollgate-policy(5)).
 *
 * The parts of a policy have headers of their own: route.h, target.h, rule.h, limit.h,
 * external.h, data.h, identity_entry.h, entities.h, on_failure.h and effect.h. The fields of
 * conditions are in env.h. Include this header only where members of struct policy are read or
 * one of the functions below is called. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/span.h"
#include "policy/entities.h"
#include "policy/on_failure.h"

struct arena;
struct cel_program;
struct config;
struct detect_options;
struct diag;
struct login;
struct route;
struct tool_row;
struct yaml_node;

/* `observe`: callers of these hosts who show no key of ours are passed to one backend, with the
 * credentials that they sent (policy/identity/observe.h). */
enum { OBSERVE_DAYS_MAX = 90 };
struct observe {
	const char **hosts; /* like hosts of a route */
	size_t nhosts;
	const char *backend; /* HAProxy backend; NULL: nothing is observed */
	int64_t until_ns;    /* wall clock; requests after it are decided as usual */
	const struct yaml_node *at;
};

/* A tool of `operations`. */
struct operation_tool {
	const char *operation;
	struct span server; /* name of the provider; "": a tool in responses of models */
	struct span tool;   /* "*": all other tools of the server */
	const struct yaml_node *at;
};

/* Sources of request.conversation. The first one with a value is used. */
enum conversation_kind { CONVERSATION_HEADER, CONVERSATION_DIALECT, CONVERSATION_HASH };
enum { CONVERSATION_MAX = 8 };
struct conversation_source {
	enum conversation_kind kind;
	const char *header; /* lower case */
};

/* A field of requests that becomes a tag: request.tags. */
enum { TAG_SOURCES_MAX = 8, TAG_VALUE_MAX = 64, TAG_NAME_MAX = 64 };
struct tag_source {
	const char *metadata; /* a member of the body's metadata; NULL: the body's user */
};

/* A row of output_default. */
struct output_default {
	const char *model; /* a pattern: * is any text */
	uint64_t tokens;
};

struct policy {
	const char *file, *name;
	char version[65];  /* SHA-256 of the meaning, hex */
	const char *label; /* name@first 12 digits of version */
	bool shadow;
	bool default_permit;
	/* probe: provider: probes reach the provider, not only its guard */
	bool probe_provider;
	struct observe observe;
	struct on_failure on_failure;
	const struct identity_entry *identities;
	size_t nidentities;
	const struct policy_class *classes;
	size_t nclasses;
	const struct route *routes;
	size_t nroutes;
	const struct rule *rules; /* rules with phase: request; one array holds these and the
				   * next two */
	size_t nrules, nall_rules;
	const struct rule
		*answer_rules; /* rules with phase: response (policy/verdict/answer.h) */
	size_t nanswer_rules;
	const struct rule *tool_rules; /* rules with phase: tool (policy/verdict/tool.h) */
	size_t ntool_rules;
	/* request fields that response and tool rules read, so that they are kept */
	const uint16_t *answer_slots;
	size_t nanswer_slots;
	/* some request rule reads the target: rules are evaluated for each candidate */
	bool rules_read_target;
	bool changes;	      /* some rule has effects of struct rule_change */
	size_t nheader_rules; /* number of rules that set headers */
	bool requires;	      /* some rule requires a recognizer */
	bool ocr;	      /* some rule requires OCR */
	const struct limit *limits;
	size_t nlimits;
	const struct operation_tool *operations;
	size_t noperations;
	const struct tool_row *tools; /* policy/tools.h */
	size_t ntools;
	const struct label *labels; /* policy/labels.h */
	size_t nlabels;
	const struct prices *prices; /* NULL: no price file */
	/* NULL: limits in dollars refuse unknown models */
	const struct price_row *unknown_price;
	bool show_cost;
	struct conversation_source conversation[CONVERSATION_MAX];
	size_t nconversation;
	struct tag_source tags[TAG_SOURCES_MAX];
	size_t ntags;
	bool logs_in;		 /* some route has `login` */
	bool reads_conversation; /* some condition, limit or target reads conversation */
	bool reads_tokens;	 /* some condition, limit or target reads prompt.tokens */
	bool reads_results;	 /* some condition, limit or target reads prompt.tool_results */
	/* some condition, limit or target reads target.price, target.latency or
	 * target.errors */
	bool reads_target_state;
	bool counts_tokens; /* some limit counts tokens or dollars */
	struct data_source *data;
	size_t ndata;
	const struct cel_env *env; /* policy_env, followed by one slot for each data source */
	const struct external *externals;
	size_t nexternals;
	const struct transcriber *transcribers; /* policy/transcriber.h */
	size_t ntranscribers;
	uint64_t output_default; /* tokens for models that match no row of output_defaults */
	struct output_default *output_defaults;
	size_t noutput_defaults;
	uint64_t tool_calls_default;
	bool hashes; /* some rule redacts with: hash */
	const struct inject *inject;
	uint64_t inject_off; /* bit by pattern: patterns that are turned off */
	/* bit by enum seg_role: segments that are scored; 0: all that can be */
	uint16_t inject_roles;
	bool scores;		 /* a rule, limit or class reads the injection score */
	struct entity_set used;	 /* entities that conditions and effects name: policy/policy.c */
	struct entity_set lists; /* entities that lists of classes and rules name */
	bool uses_all;		 /* some condition may depend on any entity */
	bool skip_samples;	 /* detectors.samples: ignore */
	bool labeled_names;	 /* detectors.names: labeled */
	bool plain_placeholders; /* placeholder.form: plain */
	/* one for each entity, from detectors.thresholds or the rule files */
	float *thresholds;
	/* headers of identity entries that are not in the fixed list of
	 * base/codec/credentials.h, in lower case */
	const char **credential_headers;
	size_t ncredential_headers;
	const char **credential_prefixes; /* prefixes of signed headers, in lower case */
	size_t ncredential_prefixes;
	/* URL parameters of identity entries; NULL after the last */
	const char **credential_parameters;
	/* credential_headers is not empty: HAProxy's files do not delete these headers, so all
	 * requests use the relay */
	bool unusual_credential;
};

/* Returns the name that `operations` gives to a call of the tool: the tool's own row takes
 * precedence over "*" of the server. NULL: none. */
const char *policy_operation(const struct policy *p, struct span server, struct span tool);

/* Returns how requests are searched. The thresholds are borrowed from the policy. */
struct detect_options policy_detect_options(const struct policy *p);

/* Adds the entities that a condition names, directly or by a class. Returns false if the
 * condition may depend on any entity. `when` may be NULL. */
bool policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* Adds the entities in the response that a condition names, as policy_names_used() does. */
bool policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* Iterates over all conditions of a policy: of rules, limits (with the expressions of `per`)
 * and recognizers. Begin with a zeroed *c. Returns false after the last one. */
struct policy_condition {
	/* "rule", "limit", "external" or "transcriber", and its name */
	const char *what, *name;
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	size_t next, per;
};
bool policy_condition_next(const struct policy *p, struct policy_condition *c);
/* Returns the class that a finding of the entity reports: the class of its rule file if the
 * policy leaves it there, else the first class of the policy that contains it. NULL: none. */
const char *policy_class_of(
	const struct policy *p, const struct detect_rules *r, size_t entity);

/* Loads and compiles a policy. Returns NULL after any error, with all errors in *d. `cfg` may
 * be NULL: then backends are not compared, and demo_issuer is an error. Entities that only
 * external recognizers report are added to `rules`. Main thread. */
const struct policy *policy_load(struct arena *a, const char *file, const struct config *cfg,
	struct detect_rules *rules, struct diag *d);
/* Compiles a tree that was read before, as policy_load() does. Relative paths are relative to
 * the folder of `file`. */
const struct policy *policy_compile(struct arena *a, const struct yaml_node *root,
	const char *file, const struct config *cfg, struct detect_rules *rules, struct diag *d);
/* Returns the tokens reserved for a response to a request without a cap. */
uint64_t policy_output_default(const struct policy *p, struct span model);
/* Returns the smallest such number for any model. */
uint64_t policy_output_least(const struct policy *p);
/* Returns the login whose metadata document (RFC 9728) has this host and path, and sets *of to
 * its route. NULL: none. */
const struct login *policy_login(
	const struct policy *p, struct span host, struct span path, const struct route **of);
/* Returns a route to an MCP server that has this path and another host. NULL: none. */
const struct route *policy_route_elsewhere(
	const struct policy *p, struct span method, struct span host, struct span path);
/* Returns the first route that matches, or NULL. `host` has no port and is in lower case. */
const struct route *policy_route(
	const struct policy *p, struct span method, struct span host, struct span path);

#endif
