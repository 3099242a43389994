/* What the parts of policy_compile share: one builder a load, one function a
 * section of the file. Every function reports its mistakes and goes on. Not for
 * other folders. */
#ifndef POLICY_BUILD_H
#define POLICY_BUILD_H

#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/section.h"

struct provider {
	const char *name, *backend, *region;
	const char *prices;	       /* which list; NULL: by its name or dialect */
	const struct dialect *dialect; /* NULL: not said */
	unsigned forms;		       /* `speaks`; 0: not said */
	enum form translated;	       /* as of struct target */
	bool external, relay;
	bool threads; /* it keeps Anthropic's message threads */
	struct breaker breaker; /* on: it says so itself */
	unsigned concurrent;
};

/* A name of `models`, before each route takes what it has of it. */
struct alias {
	const char *name;
	const struct yaml_node *at;
	struct target *targets;
	size_t ntargets;
	struct choose choose;
	bool chooses; /* it says how */
	bool known;   /* to a route */
};

struct builder {
	struct arena *a;
	struct diag *d;
	const char *file;
	const struct config *cfg; /* may be NULL */
	struct detect_rules *rules;
	struct policy *p;
	struct route *routes;  /* p->routes */
	enum rule_phase phase; /* of the condition that is compiled */
	struct provider *providers;
	size_t nproviders;
	struct alias *aliases;
	size_t naliases;
	bool priced; /* it has prices, or an unknown_price other than deny */
	const struct yaml_node *prices_root; /* the price list's tree; NULL: there is none */
	const struct courtesy *courtesy; /* what is compiled in, once a route needs it */
};

/* section_read() with the builder's arena; false too where n is NULL: it is not given. */
bool build_section(
	struct builder *b, const struct yaml_node *n, enum section_name which, void *out);
/* The node, or the beginning of the policy's file where there is none. */
struct yaml_node build_at(const struct builder *b, const struct yaml_node *n);
/* n zeroed elements of a type, or NULL with an error at `at`. */
void *build_array(struct builder *b, const struct yaml_node *at, size_t n, size_t size);
/* read_each() with the builder's arena. */
const struct yaml_node *build_each(struct builder *b, const struct yaml_node *n,
	const char *what, const char ***out, size_t *count);
/* A zeroed element for each entry of the list; NULL where it is none or not given. */
void *build_list(struct builder *b, const struct yaml_node *n, const char *what, size_t size);
/* A name: 1 to max letters, digits and . _ - : / */
bool build_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out);
/* The child `name` of a rule, route or limit; reports where it is missing or was
 * taken before by one of the `taken` elements, `stride` bytes apart, that begin
 * with their const char *name and const struct yaml_node *at. */
bool build_own_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out,
	const void *taken, size_t ntaken, size_t stride);
/* As read_path(); what the file says is part of what is loaded. */
bool build_path(struct builder *b, const struct yaml_node *n, const char **out);
/* The same for a file of keys or tokens (diag_rotates() in base/codec/yaml.h). */
bool build_rotating_path(struct builder *b, const struct yaml_node *n, const char **out);
/* The name of a model, as it goes to the provider. */
bool build_model(struct builder *b, const struct yaml_node *n, const char **out);
bool build_backend(struct builder *b, const struct yaml_node *n, const char **out);

void build_identity(struct builder *b, const struct yaml_node *n);
void build_classes(struct builder *b, const struct yaml_node *n); /* n NULL: the rule files' */
void build_detectors(
	struct builder *b, const struct yaml_node *n); /* n NULL: their thresholds */
/* detectors.external; before the classes, since it may add entities. */
void build_external(struct builder *b, const struct yaml_node *n);
/* Before all conditions: they read it. */
void build_data(struct builder *b, const struct yaml_node *n);
/* A file's one line as "Authorization: Bearer …"; NULL where it is none, which is said. */
const char *build_bearer(struct builder *b, const struct yaml_node *n);
/* Host names or *.example.com, in lower case. */
void build_hosts(struct builder *b, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count);
/* routes.c: why a path is not in normal form, or NULL; a host name, or *.example.com. */
const char *build_path_fault(struct span path);
bool build_host_ok(struct span host);
/* login.c: `login` of a route, after its match and its targets; scopes with spaces between, as
 * a challenge says them: NULL where they are none, which is said. */
void build_login(struct builder *b, const struct yaml_node *n, struct route *r);
const char *build_scope(struct builder *b, const struct yaml_node *n);
/* observe.c; n NULL: nothing is observed. */
void build_observe(struct builder *b, const struct yaml_node *n);
void build_on_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out);
/* Before the routes, whose targets get their lists by build_price_list(); v NULL: a route
 * without targets. */
void build_prices(struct builder *b, const struct yaml_node *root);
/* A provider's `prices`: the list must be there. */
void build_prices_named(struct builder *b, const struct yaml_node *n);
const struct price_list *build_price_list(
	struct builder *b, const struct provider *v, const struct dialect *d);
void build_providers(struct builder *b, const struct yaml_node *n);
/* PROVIDER/MODEL, that is asked for embeddings in OpenAI's form. */
bool build_embeddings(struct builder *b, const struct yaml_node *n, struct target *t);
/* forms.c: a provider's `speaks`. */
void build_speaks(struct builder *b, const struct yaml_node *n, struct provider *v);
/* What the target speaks on a route, and whether that may need translation: after the route's
 * dialect. False: between them nothing is translated. */
bool build_forms(const struct provider *v, struct route *r, struct target *t);
/* A route's `translate`. */
void build_translate(struct builder *b, const struct yaml_node *n, struct route *r);
/* cache.c: a route's `cache`. */
void build_cache(struct builder *b, const struct yaml_node *n, struct route *r);
/* Credentials of tollgate.yaml are of providers that there are. After build_providers(). */
void build_credentials(struct builder *b);
void build_routes(struct builder *b, const struct yaml_node *n);
/* targets.c: where a route goes, what is tried first, and again; after its match. */
void build_destination(struct builder *b, const struct yaml_node *n, struct route *r);
/* After the routes; and once they are what they will be: each as it is for these names. */
void build_models(struct builder *b, const struct yaml_node *n);
void build_aliases(struct builder *b);
/* After the providers, whose names are in it. */
void build_operations(struct builder *b, const struct yaml_node *n);
void build_rules(struct builder *b, const struct yaml_node *n);
void build_limits(struct builder *b, const struct yaml_node *n);

/* Adds the entities of the names in a scalar or list; unknown ones are reported. */
void build_entities(
	struct builder *b, const struct yaml_node *n, const char *what, struct entity_set *out);
/* The same by classes. */
void build_class_members(struct builder *b, const struct yaml_node *n, struct entity_set *out);
/* roles.c: a role or a list of them, a bit each; one that is not in `may` has no score. */
void build_roles(struct builder *b, const struct yaml_node *n, uint16_t may, uint16_t *out);

/* Whether a condition reads the candidate. */
bool build_reads_target(const struct cel_program *prog);
/* changes.c: the effects of a rule besides deny, permit and redact. */
void build_change(struct builder *b, const struct yaml_node *n, struct rule *r);

/* phase.c: what a rule on answers may do; after it the effects are read. And after all rules
 * and routes: which routes they may reach, and what is used of their answers. */
void build_answer_rule(struct builder *b, const struct yaml_node *n, struct rule *r);
void build_tool_rule(struct builder *b, const struct yaml_node *n, struct rule *r);
void build_answers(struct builder *b);

/* used.c: after all conditions and classes. Names of classes and entities in conditions that
 * nothing can be are mistakes. */
void build_names(struct builder *b);
void build_used(struct builder *b);

/* Compiles a condition; *reads_body is set where it needs the body. */
const struct cel_program *build_condition(
	struct builder *b, const struct yaml_node *n, bool *reads_body);

/* The same of a value of that type (CEL_DYN: any); messages begin with `what`. */
const struct cel_program *build_expression(struct builder *b, const struct yaml_node *n,
	const char *what, enum cel_type want, bool *reads_body);

/* limits_terms.c: on_failure.quota. */
void build_quota_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out);
/* changes.c: words for the record. */
void build_tags(
	struct builder *b, const struct yaml_node *n, const char ***tags, size_t *ntags);

/* output_default.c; n NULL: the default. */
void build_output_default(struct builder *b, const struct yaml_node *n);
/* conversation.c; n NULL: the default. */
void build_conversation(struct builder *b, const struct yaml_node *n);
void build_tag_sources(struct builder *b, const struct yaml_node *n);

#endif
