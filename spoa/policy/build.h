/* Shared by the files that compile a policy: one builder for each load, and one function for
 * each section. Every function reports errors to b->d and continues, so that one run finds all
 * mistakes. The functions need the order of policy_compile(). For policy/ only. `n` is the node
 * of the section and may be NULL if the section is optional. */
#ifndef POLICY_BUILD_H
#define POLICY_BUILD_H

#include "policy/cel/cel.h"
#include "policy/config/read.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/section.h"

struct policy;

/* One provider of `providers`. Lives in the arena. */
struct provider {
	const char *name, *backend, *region;
	/* name of its price list; NULL: the list with its name or dialect */
	const char *prices;
	const struct dialect *dialect; /* NULL: not set */
	unsigned forms;		       /* `speaks`, bit by enum form; 0: not set */
	enum form translated;	       /* like target.translated */
	bool external, relay;
	const char **headers; /* like target.headers */
	size_t nheaders;
	bool threads;		/* keeps Anthropic's message threads */
	bool bills_on;		/* like target.bills_on */
	struct breaker breaker; /* `on` is true if the provider itself has `breaker` */
	unsigned concurrent;
};

/* A name of `models`. Each route later gets a copy with the targets that it lists. */
struct alias {
	const char *name;
	const struct yaml_node *at;
	struct target *targets;
	size_t ntargets;
	struct choose choose;
	bool chooses; /* `choose` is set */
	bool known;   /* some route has a target of this name */
};

/* State of one policy_compile() call. Lives on its stack. */
struct builder {
	struct arena *a;
	struct diag *d;
	const char *file;
	const struct config *cfg; /* may be NULL */
	struct detect_rules *rules;
	struct policy *p;
	struct route *routes;  /* p->routes */
	enum rule_phase phase; /* phase of the condition that is being compiled */
	struct provider *providers;
	size_t nproviders;
	struct alias *aliases;
	size_t naliases;
	bool priced; /* the policy has a price file, or unknown_price other than deny */
	const struct yaml_node *prices_root; /* tree of the price list; NULL: none */
	/* the built-in polite phrases, loaded when a route first needs them */
	const struct courtesy *courtesy;
};

/* Calls section_read() with the builder's arena. Returns false too if `n` is NULL. */
bool build_section(
	struct builder *b, const struct yaml_node *n, enum section_name which, void *out);
/* Returns the node, or the beginning of the policy's file if `n` is NULL. */
struct yaml_node build_at(const struct builder *b, const struct yaml_node *n);
/* Returns `n` zeroed elements in the arena, or NULL after an error at `at`. */
void *build_array(struct builder *b, const struct yaml_node *at, size_t n, size_t size);
/* Calls read_each() with the builder's arena. */
const struct yaml_node *build_each(struct builder *b, const struct yaml_node *n,
	const char *what, const char ***out, size_t *count);
/* Returns a zeroed element for each entry of the list, or NULL if there is no list. */
void *build_list(struct builder *b, const struct yaml_node *n, const char *what, size_t size);
/* Reads a name: 1 to `max` letters, digits and . _ - : / */
bool build_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out);
/* Reads the child `name` of a rule, route or limit. Reports a missing name, or one that an
 * element of `taken` already has. These are `stride` bytes apart, and each begins with `const
 * char *name` and `const struct yaml_node *at`. */
bool build_own_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out,
	const void *taken, size_t ntaken, size_t stride);
/* Calls read_path(), and adds the file to the files that the policy depends on. */
bool build_path(struct builder *b, const struct yaml_node *n, const char **out);
/* Reads a path as build_path() does, of a file of keys or tokens (diag_rotates() in
 * base/codec/yaml.h). */
bool build_rotating_path(struct builder *b, const struct yaml_node *n, const char **out);
/* Reads the name of a model, as it is sent to the provider. */
bool build_model(struct builder *b, const struct yaml_node *n, const char **out);
bool build_backend(struct builder *b, const struct yaml_node *n, const char **out);

void build_identity(struct builder *b, const struct yaml_node *n);
/* n NULL: classes of rule files only */
void build_classes(struct builder *b, const struct yaml_node *n);
void build_detectors(
	/* n NULL: thresholds of the rule files */
	struct builder *b, const struct yaml_node *n);
/* detectors.external. Before the classes, because recognizers may add entities. */
void build_external(struct builder *b, const struct yaml_node *n);
/* After the data sources, which conditions read. */
void build_transcribers(struct builder *b, const struct yaml_node *n);
/* Before all conditions, which read data.NAME. */
void build_data(struct builder *b, const struct yaml_node *n);
/* Returns the one line of a file as "Authorization: Bearer …", or NULL after an error. */
const char *build_bearer(struct builder *b, const struct yaml_node *n);
/* Reads host names or *.example.com into lower case. */
void build_hosts(struct builder *b, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count);
/* routes.c: returns scopes with spaces between them, or NULL after an error. */
const char *build_scope(struct builder *b, const struct yaml_node *n);
void build_on_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out);
/* Before the routes, whose targets get their lists from build_price_list(). `v` NULL: a route
 * without targets. */
void build_prices(struct builder *b, const struct yaml_node *root);
/* `prices` of a provider: reports a list that does not exist. */
void build_prices_named(struct builder *b, const struct yaml_node *n);
const struct price_list *build_price_list(
	struct builder *b, const struct provider *v, const struct dialect *d);
/* Returns why a policy may not send header `name`, which is in lower case, to a provider, or
 * NULL. */
const char *build_header_fault(const struct policy *p, struct span name);
void build_providers(struct builder *b, const struct yaml_node *n);
/* PROVIDER/MODEL of embeddings, in OpenAI's form. */
bool build_embeddings(struct builder *b, const struct yaml_node *n, struct target *t);
/* `translate` of a route */
void build_translate(struct builder *b, const struct yaml_node *n, struct route *r);
/* Checks that the credentials of tollgate.yaml belong to providers of the policy. After
 * build_providers(). */
void build_credentials(struct builder *b);
/* Before the routes, which use its rows. */
void build_tools(struct builder *b, const struct yaml_node *n);
void build_labels(struct builder *b, const struct yaml_node *n);
void build_routes(struct builder *b, const struct yaml_node *n);
/* targets.c: reads a route's targets and its retries. Called after the route's match. */
void build_destination(struct builder *b, const struct yaml_node *n, struct route *r);
/* build_models(): after the routes. build_aliases(): after all sections, adds to each route its
 * copies for the names. */
void build_models(struct builder *b, const struct yaml_node *n);
void build_aliases(struct builder *b);
/* After the providers. */
void build_operations(struct builder *b, const struct yaml_node *n);
void build_rules(struct builder *b, const struct yaml_node *n);
void build_limits(struct builder *b, const struct yaml_node *n);

/* Adds the entities named in a scalar or list, and all special entities below them. Unknown
 * names are reported. */
void build_entities(
	struct builder *b, const struct yaml_node *n, const char *what, struct entity_set *out);
/* Adds the entities of the classes named in a scalar or list. Unknown names are reported. */
void build_class_members(struct builder *b, const struct yaml_node *n, struct entity_set *out);
/* classes.c: reads roles into bits. A role that is not in `may` is reported as one without
 * injection score. */
void build_roles(struct builder *b, const struct yaml_node *n, uint16_t may, uint16_t *out);

/* rules.c: returns true if a condition reads target.*. `prog` may be NULL. */
bool build_reads_target(const struct cel_program *prog);

/* policy.c: checks the effects of a response or tool rule after they were read. */
void build_answer_rule(struct builder *b, const struct yaml_node *n, struct rule *r);
void build_tool_rule(struct builder *b, const struct yaml_node *n, struct rule *r);

/* Compiles a condition. Sets *reads_body to true if it needs the body. Returns NULL after an
 * error. */
const struct cel_program *build_condition(
	struct builder *b, const struct yaml_node *n, bool *reads_body);

/* Compiles an expression of type `want` (CEL_DYN: any). Messages begin with `what`. */
const struct cel_program *build_expression(struct builder *b, const struct yaml_node *n,
	const char *what, enum cel_type want, bool *reads_body);

/* limits.c: on_failure.quota */
void build_quota_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out);
/* rules.c: tags for records */
void build_tags(
	struct builder *b, const struct yaml_node *n, const char ***tags, size_t *ntags);

/* output_default.c */
void build_output_default(struct builder *b, const struct yaml_node *n);

#endif
