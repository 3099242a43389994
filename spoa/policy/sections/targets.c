/* Reads `providers`, `models` and the targets of routes: where requests may go, which target is
 * tried first, what is tried again, and names of models that stand for targets of their own
 * (aliases). Prices and forms of each target are resolved here too.
 *
 * A form is one layout of requests, such as OpenAI's chat completions. `speaks` has the forms
 * of requests that a provider accepts. build_forms() determines which requests of a route must
 * be translated, and `translate` what they may lose. */
#include <stdio.h>

#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "policy/config/config.h"
#include "policy/config/credentials.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/policy.h"

#include "policy/build.h"

/* ---- forms ---- */

/* Returns the first form of the set that requests can be translated into, or FORM_NONE. */
static enum form
first_translated(unsigned forms)
{
	for (enum form f = FORM_NONE + 1; f < FORMS; f++)
		if (forms >> f & 1 && forms_into(f))
			return f;
	return FORM_NONE;
}

/* Reads `speaks` of a provider. */
static void
build_speaks(struct builder *b, const struct yaml_node *n, struct provider *v)
{
	const struct yaml_node *c = build_each(b, n, "speaks", NULL, NULL);

	v->translated = first_translated(c ? 0 : forms_of_dialect(v->dialect));
	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		enum form f = FORM_NONE + 1;
		while (f <= FORM_EMBEDDINGS && !nearest_is(&near, form_name(f)))
			f++;
		if (f > FORM_EMBEDDINGS) {
			diag_at(b->d, c,
				"speaks: chat, responses, messages, generate, converse or "
				"embeddings is expected, found %s%s",
				c->s.p, nearest_hint(&near));
			continue;
		}
		if (!v->translated)
			v->translated = first_translated(1u << f);
		v->forms |= 1u << f;
	}
}

/* Sets the forms of a target on a route whose dialect is known. Returns false if the target
 * needs another form and nothing can be translated into it. */
static bool
build_forms(const struct provider *v, struct route *r, struct target *t)
{
	unsigned callers = forms_of_dialect(r->dialect);
	bool other = v->dialect && v->dialect != r->dialect;

	t->forms = v->forms ? v->forms : other ? forms_of_dialect(v->dialect) : 0;
	t->translated = v->translated;
	t->dialect = v->dialect;
	if (!other && v->forms)
		t->forms |= 1u << FORM_NONE | 1u << FORM_EMBEDDINGS;
	if (!other)
		r->translates |= v->forms != 0;
	else if (!(callers & t->forms) && !(callers & forms_into(t->translated)))
		return false;
	r->translates |= other;
	return true;
}

void
build_translate(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *drop = yaml_get(n, "drop");

	if (!build_section(b, n, SECTION_TRANSLATE, NULL))
		return;
	if (!drop)
		diag_at(b->d, n->key,
			"translate: drop is missing: list the members that may be dropped if "
			"a target's form has no place for them");
	else
		build_each(b, drop, "drop", &r->drop, &r->ndrop);
	if (r->ndrop > DROPS_MAX)
		diag_at(b->d, drop, "drop: more than %d", DROPS_MAX);
	if (!r->translates)
		diag_at(b->d, n->key,
			"translate: every target accepts the form of the route's callers, so "
			"nothing is translated: remove it");
}

/* ---- the default breaker and target ---- */

const char *const attempt_causes[CAUSES] = { "done", "never_sent", "throttled", "refused_us",
	"perhaps_billed", "final", "aborted", "ruled" };

/* The breaker of a provider without `breaker`: off; with several targets it is turned on, and
 * opens for 5 s after 5 failures. */
#define UNTOLD                                                                                 \
	{                                                                                      \
		false, 5, 5 * SECOND_US                                                        \
	}
static const struct breaker untold = UNTOLD;
/* The target of a route without `targets`: HAProxy chooses the server. */
static const struct target nowhere = { .name = "",
	.region = "",
	.known = "",
	.known_region = "",
	.external = true,
	.weight = 1,
	.priority = 1,
	.breaker = UNTOLD };

/* ---- providers ---- */

/* dialect: NAME */
static void
provider_dialect(struct builder *b, const struct yaml_node *n, const struct dialect **out)
{
	if (n->kind == YAML_SCALAR && (*out = dialect_find(n->s)))
		return;
	diag_at(b->d, n, "dialect: one of %s is expected, found %s", dialect_names(),
		yaml_found(n));
}

/* headers: [NAME, …] */
static void
provider_headers(struct builder *b, const struct yaml_node *n, struct provider *v)
{
	size_t count;

	for (const struct yaml_node *c = n ? build_each(b, n, "headers", &v->headers, &count)
					   : NULL;
		c; c = yaml_next(n, c)) {
		char *name = arena_strdup(b->a, c->s.p);
		ascii_lower(name, span_str(name).n);
		const char *fault = name ? build_header_fault(b->p, span_str(name)) : "";
		if (fault)
			diag_at(b->d, c, "headers: %s %s", c->s.p, fault);
		else
			v->headers[v->nheaders++] = name;
	}
}

/* providers: {NAME: {backend: …, …}} */
void
build_providers(struct builder *b, const struct yaml_node *n)
{
	if (!n || !read_map(b->d, n, "providers", NULL, NULL))
		return;
	b->providers = build_array(b, n, n->count, sizeof(*b->providers));
	for (const struct yaml_node *c = n->child; c && b->providers; c = c->next) {
		struct provider *v = &b->providers[b->nproviders];
		const struct yaml_node *x;
		*v = (struct provider){ .region = "", .external = true, .breaker = untold };
		if (!build_name(b, c->key, 64, &v->name))
			continue;
		b->nproviders++;
		if (!build_section(b, c, SECTION_PROVIDER, v))
			continue;
		if ((x = read_needed(b->d, c, c->key, v->name, "backend")))
			build_backend(b, x, &v->backend);
		if ((x = yaml_get(c, "dialect")))
			provider_dialect(b, x, &v->dialect);
		if (!yaml_get(c, "threads"))
			v->threads = v->dialect == dialect_find(SPAN_LIT("anthropic"));
		if (!yaml_get(c, "bills_after_close"))
			v->bills_on = dialect_bills_on(v->dialect);
		provider_headers(b, yaml_get(c, "headers"), v);
		build_speaks(b, yaml_get(c, "speaks"), v);
		if ((x = yaml_get(c, "prices")) && v->prices)
			build_prices_named(b, x);
		v->breaker.on = build_section(
			b, yaml_get(c, "breaker"), SECTION_TARGET_BREAKER, &v->breaker);
	}
}

/* Returns a hint for an unknown provider: the name that is spelled most like it, or the first
 * SHOWN names of the policy. */
static const char *
providers_hint(const struct builder *b, struct nearest *near, char out[256])
{
	enum { SHOWN = 8 };
	size_t n = 0;

	if (*nearest_hint(near) || !b->nproviders)
		return b->nproviders ? near->hint : ": the policy has no providers";
	for (size_t i = 0; i < b->nproviders && i < SHOWN && n < 256; i++)
		n += (size_t)snprintf(out + n, 256 - n, "%s%.24s", i ? ", " : ": there are ",
			b->providers[i].name);
	if (b->nproviders > SHOWN && n < 256)
		snprintf(out + n, 256 - n, ", …");
	return out;
}

/* Returns true if a recognizer names the credential. */
static bool
recognizer_uses(const struct policy *p, const struct provider_credential *c)
{
	for (size_t i = 0; i < p->nexternals; i++)
		if (p->externals[i].credential == c)
			return true;
	return false;
}

/* A credential whose provider is misspelled would never be used. A shadow policy sends no
 * requests, so its providers are not checked. */
void
build_credentials(struct builder *b)
{
	const struct config *cfg = b->cfg;

	if (!cfg || (cfg->shadow_policy && str_same(b->file, cfg->shadow_policy) &&
			    !str_same(cfg->policy, cfg->shadow_policy)))
		return;
	for (size_t i = 0; i < cfg->ncredentials; i++) {
		const struct provider_credential *c = &cfg->credentials[i];
		struct nearest near = nearest_to(span_str(c->provider));
		bool of_provider = nearest_find(&near, b->providers, b->nproviders,
					   sizeof(*b->providers)) < b->nproviders;
		char there[256];
		if (!of_provider && !recognizer_uses(b->p, c))
			diag_at(b->d, c->at, "credentials: policy %s has no provider %s%s",
				b->file, c->provider, providers_hint(b, &near, there));
		if (of_provider && c->header && !read_listed(credential_set, span_str(c->header)))
			diag_at(b->d, c->at,
				"credentials: HAProxy would not send %s to a provider: the header is "
				"for recognizers only",
				c->header);
	}
}

/* ---- items of `targets` ---- */

/* Reads one item of `targets`: a provider's name, or {provider, model, weight, priority}.
 * Returns its provider, or NULL after an error was reported. */
static const struct provider *
resolve_target(struct builder *b, const struct yaml_node *n, struct target *t)
{
	const struct yaml_node *name = n, *model = NULL;

	*t = nowhere;
	if (n->kind == YAML_MAPPING) {
		if (!build_section(b, n, SECTION_TARGET, t))
			return NULL;
		model = yaml_get(n, "model");
		if (!(name = read_needed(b->d, n, n, "targets", "provider")))
			return NULL;
	}
	if (name->kind != YAML_SCALAR || name->s.n == 0) {
		diag_at(b->d, name, "targets: the name of a provider is expected, found %s",
			yaml_type_name(name));
		return NULL;
	}
	if (model && !build_model(b, model, &t->model))
		return NULL;
	struct nearest near = nearest_to(name->s);
	size_t k = nearest_find(&near, b->providers, b->nproviders, sizeof(*b->providers));
	if (k == b->nproviders) {
		char there[256];
		diag_at(b->d, name, "targets: the policy has no provider %s%s", name->s.p,
			providers_hint(b, &near, there));
		return NULL;
	}
	const struct provider *v = &b->providers[k];
	t->name = t->known = v->name;
	t->region = t->known_region = v->region;
	t->external = v->external;
	t->all_headers = !v->external;
	t->headers = v->headers;
	t->nheaders = v->nheaders;
	for (size_t i = 0; b->cfg && i < b->cfg->ncredentials && !t->credential; i++)
		if (!strcmp(b->cfg->credentials[i].provider, v->name))
			t->credential = &b->cfg->credentials[i];
	t->relay = v->relay || t->credential;
	t->threads = v->threads;
	t->bills_on = v->bills_on;
	t->backend = v->backend;
	t->concurrent = v->concurrent;
	t->breaker = v->breaker;
	t->at = n;
	return v;
}

/* All targets must use the route's dialect, or one that its requests can be translated into. */
static void
check_target_dialect(struct builder *b, const struct yaml_node *said, struct target *t,
	const struct provider *v, struct route *r)
{
	if (!r->dialect)
		r->dialect = v->dialect;
	if (build_forms(v, r, t))
		return;
	if (dialect_is_of_mcp(v->dialect)) {
		diag_at(b->d, t->at,
			"targets: %s has dialect: mcp, and the route has %s: its calls would "
			"not be evaluated",
			t->name, dialect_name(r->dialect));
		return;
	}
	/* rest has no roles and translates nothing, so any provider may serve such a path */
	if (said && r->dialect == dialect_find(SPAN_LIT("rest")))
		return;
	if (said && r->ntargets == 1)
		diag_at(b->d, said,
			"dialect: the target's dialect is %s, and no request of this dialect "
			"can be translated into it",
			dialect_name(v->dialect));
	else
		diag_at(b->d, t->at,
			"targets: %s has dialect %s, and no request of the route's dialect %s "
			"can be translated into it",
			t->name, dialect_name(v->dialect), dialect_name(r->dialect));
}

/* Reads `targets` of a route or an alias: a list, or one target. Returns NULL if there is
 * none. */
static struct target *
targets_list(struct builder *b, const struct yaml_node *n, size_t *out)
{
	size_t count = n->kind == YAML_SEQUENCE ? n->count : 1;
	struct target *v = build_array(b, n, count, sizeof(*v));

	*out = 0;
	if (count == 0)
		diag_at(b->d, n, "targets: the list is empty");
	if (count > TARGETS_MAX)
		diag_at(b->d, n, "targets: more than %d", TARGETS_MAX);
	if (!v || count == 0 || count > TARGETS_MAX)
		return NULL;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		struct target *t = &v[*out];
		if (!resolve_target(b, c, t))
			continue;
		for (size_t i = 0; i < *out; i++)
			if (!strcmp(v[i].name, t->name) && str_same(v[i].model, t->model))
				diag_at(b->d, c, "targets: %s is listed twice", t->name);
		++*out;
	}
	return v;
}

/* If there are several targets, each has a breaker by default. */
static void
break_by_default(struct target *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i].breaker.on |= n > 1;
}

/* Returns the provider of a target that target() has resolved. */
static const struct provider *
provider_of(const struct builder *b, const struct target *t)
{
	size_t i = 0;

	while (strcmp(b->providers[i].name, t->name))
		i++;
	return &b->providers[i];
}

bool
build_embeddings(struct builder *b, const struct yaml_node *n, struct target *t)
{
	struct yaml_node name = *n, model = *n;

	if (n->kind == YAML_SCALAR) {
		struct span rest = n->s;
		struct span first = span_next(&rest, '/');
		name.s = arena_printf(b->a, "%.*s", SPAN_ARG(first));
		model.s = arena_printf(b->a, "%.*s", SPAN_ARG(rest));
	}
	if (n->kind != YAML_SCALAR || !name.s.n || !model.s.n) {
		diag_at(b->d, n, "embeddings: PROVIDER/MODEL is expected, found %s",
			yaml_found(n));
		return false;
	}
	const struct provider *v = resolve_target(b, &name, t);
	if (!v || !build_model(b, &model, &t->model))
		return false;
	t->at = n;
	t->prices = build_price_list(b, v, v->dialect);
	if (!v->dialect || strcmp(dialect_name(v->dialect), "openai")) {
		diag_at(b->d, n,
			"embeddings: provider %s does not have dialect: openai, in which "
			"embeddings are requested",
			v->name);
		return false;
	}
	if (!t->credential)
		return true;
	diag_at(b->d, n,
		"embeddings: the relay adds the credential of %s, but embeddings are "
		"requested through HAProxy: use a provider whose key HAProxy adds",
		v->name);
	return false;
}

/* Returns true for via: relay. */
static bool
is_via_relay(const struct route *r)
{
	return yaml_get(r->at, "via") && !r->direct;
}

/* Reads `when` of a joined route's target. The condition decides before the message is read. */
static void
build_target_when(struct builder *b, struct target *t)
{
	const struct yaml_node *c = yaml_get(t->at, "when");
	bool reads_late = false;

	if (!c || !(t->when = build_condition(b, c, &reads_late)))
		return;
	reads_late |= build_reads_target(t->when) || cel_reads(t->when, V_MODEL_NAME);
	for (size_t i = 0; i < b->p->ndata; i++)
		reads_late |= cel_reads(t->when, V_COUNT + i);
	if (reads_late)
		diag_at(b->d, c,
			"when: whether a caller has the server is decided before the message is "
			"read: use identity, route, request and now");
}

static void
build_targets(struct builder *b, const struct yaml_node *n, const struct yaml_node *said,
	struct route *r)
{
	size_t count;
	struct target *v = targets_list(b, n, &count);

	if (!v)
		return;
	r->targets = v;
	r->ntargets = count;
	for (size_t i = 0; i < count; i++) {
		struct target *t = &v[i];
		const struct provider *p = provider_of(b, t);
		t->relay |= is_via_relay(r);
		check_target_dialect(b, said, t, p, r);
		t->prices = build_price_list(b, p, p->dialect ? p->dialect : r->dialect);
		if (yaml_get(r->at, "mcp"))
			build_target_when(b, t);
		if (t->model && r->dialect && !dialect_has_model(r->dialect))
			diag_at(b->d, yaml_get(t->at, "model"),
				"model: a body in dialect %s contains no model: remove it",
				dialect_name(r->dialect));
	}
	break_by_default(v, yaml_get(r->at, "mcp") ? 1 : count);
}

/* ---- order and retries ---- */

static bool
build_choose(struct builder *b, const struct yaml_node *n, struct choose *out)
{
	bool read = build_section(b, n, SECTION_CHOOSE, out);

	b->p->reads_conversation |= out->sticky == STICKY_CONVERSATION;
	return read;
}

static void
retry_causes(struct builder *b, const struct yaml_node *n, unsigned *on)
{
	const struct yaml_node *c = build_each(b, n, "on", NULL, NULL);

	*on = c ? 0 : *on;
	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		unsigned k = CAUSE_NEVER_SENT;
		while (k <= CAUSE_PERHAPS_BILLED && !nearest_is(&near, attempt_causes[k]))
			k++;
		*on |= 1u << k;
		if (k > CAUSE_PERHAPS_BILLED)
			diag_at(b->d, c,
				"on: one of never_sent, throttled, refused_us, perhaps_billed "
				"is expected, found %s%s",
				c->s.p, nearest_hint(&near));
	}
}

/* The default of retry.attempts is the number of targets, at most RETRY_ATTEMPTS_DEFAULT. It is
 * 1 if requests go direct. */
static void
default_attempts(const struct builder *b, struct route *r)
{
	const struct yaml_node *retry = yaml_get(r->at, "retry");
	/* each call of a joined route belongs to one server */
	bool one = r->direct || r->joined || (!retry && b->cfg && !b->cfg->relay);

	if (one)
		r->retry.attempts = 1;
	else if (!yaml_get(retry, "attempts"))
		r->retry.attempts = r->ntargets < RETRY_ATTEMPTS_DEFAULT
					    ? (unsigned)r->ntargets
					    : RETRY_ATTEMPTS_DEFAULT;
}

static void
build_retry(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *c = yaml_get(n, "retry"), *said = yaml_get(c, "attempts");

	r->retry.on = 1u << CAUSE_NEVER_SENT | 1u << CAUSE_THROTTLED | 1u << CAUSE_REFUSED_US |
		      1u << CAUSE_PERHAPS_BILLED;
	if (c && build_section(b, c, SECTION_RETRY, &r->retry))
		retry_causes(b, yaml_get(c, "on"), &r->retry.on);
	if (r->direct && r->retry.attempts > 1)
		diag_at(b->d, said, "attempts: via: direct allows one attempt only");
	if (said && r->dialect && dialect_is_of_mcp(r->dialect) && r->retry.attempts > 1)
		diag_at(b->d, said,
			"attempts: a failed call may have been executed: a route with "
			"dialect: mcp has one attempt");
	default_attempts(b, r);
}

/* Returns the provider that has this backend, or NULL if none has it. If several have it,
 * returns the only one with the route's dialect, or NULL. */
static const struct provider *
provider_with(const struct builder *b, const char *backend, const struct dialect *d)
{
	const struct provider *any = NULL, *speaks = NULL;
	size_t n = 0, nspeak = 0;

	for (size_t i = 0; i < b->nproviders; i++) {
		const struct provider *v = &b->providers[i];
		if (!str_same(v->backend, backend))
			continue;
		n++;
		any = v;
		if (v->dialect && v->dialect == d) {
			nspeak++;
			speaks = v;
		}
	}
	return n == 1 ? any : nspeak == 1 ? speaks : NULL;
}

/* Between the provider's name and the tool's. */
static const char separator[] = "__";

/* A joined route's target must leave no doubt where its name ends in PROVIDER__TOOL. */
static void
check_joined_target(struct builder *b, const struct target *t)
{
	struct span name = span_str(t->name);

	if (strstr(t->name, separator) || span_ends(name, SPAN_LIT("_")))
		diag_at(b->d, t->at,
			"targets: the tools of %s would be named %s%sTOOL, and a provider of "
			"a joined route has no __ in its name and no _ at its end: rename it",
			t->name, t->name, separator);
}

static void
refuse_target_when(struct builder *b, const struct target *v, size_t n)
{
	const struct yaml_node *c;

	for (size_t i = 0; i < n; i++)
		if ((c = yaml_get(v[i].at, "when")))
			diag_at(b->d, c->key,
				"when: only targets of a route that joins MCP servers have a "
				"condition: use a rule with the effect route");
}

/* Reads `mcp` of a route, after its targets. */
static void
build_joined(struct builder *b, const struct yaml_node *n, const struct yaml_node *to,
	struct route *r)
{
	bool mcp = to && r->dialect && dialect_is_of_mcp(r->dialect);

	if (!n) {
		refuse_target_when(b, r->targets, r->ntargets);
		if (mcp && r->ntargets > 1)
			diag_at(b->d, to,
				"targets: a session belongs to one MCP server: leave one "
				"target, or add mcp: {names: prefixed} to join the servers");
		return;
	}
	r->joined = true;
	r->list_deadline_us = 2 * SECOND_US;
	if (!build_section(b, n, SECTION_JOINED, r))
		return;
	if (!mcp) {
		diag_at(b->d, n->key,
			"mcp: the route has no targets with dialect: mcp: remove mcp");
		return;
	}
	for (size_t i = 0; i < r->ntargets; i++)
		check_joined_target(b, &r->targets[i]);
}

void
build_destination(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *backend = yaml_get(n, "backend"), *to = yaml_get(n, "targets"),
			       *d = yaml_get(n, "dialect"), *c = yaml_get(n, "choose");
	struct target *own = build_array(b, n, 1, sizeof(*own));

	r->targets = &nowhere;
	r->ntargets = 1;
	if (d)
		provider_dialect(b, d, &r->dialect);
	if (own) {
		*own = nowhere;
		own->relay = is_via_relay(r);
		own->prices = build_price_list(b, NULL, r->dialect ? r->dialect : r->api);
		r->targets = own;
	}
	if (own && backend && build_backend(b, backend, &own->backend)) {
		/* Rules, prices and health of that provider do not apply: records name it,
		 * and it determines which headers are sent. */
		const struct provider *v =
			provider_with(b, own->backend, r->dialect ? r->dialect : r->api);
		own->known = v ? v->name : own->backend;
		own->known_region = v ? v->region : "";
		own->all_headers = v && !v->external;
		own->headers = v ? v->headers : NULL;
		own->nheaders = v ? v->nheaders : 0;
	}
	if (to && backend)
		diag_at(b->d, backend->key,
			"backend: the target's provider already names the backend: remove one "
			"of the two");
	if (to)
		build_targets(b, to, d, r);
	build_joined(b, yaml_get(n, "mcp"), to, r);
	if (c)
		build_choose(b, c, &r->choose);
	build_retry(b, n, r);
}

/* ---- models: names that stand for targets ---- */

/* models: {NAME: {targets: …}}: one alias. */
static void
build_alias(struct builder *b, const struct yaml_node *n, struct alias *x)
{
	const struct yaml_node *to, *c = yaml_get(n, "choose");
	bool named = false;

	x->at = n;
	if (!build_name(b, n->key, 128, &x->name) || !build_section(b, n, SECTION_MODEL, NULL))
		return;
	x->chooses = c && build_choose(b, c, &x->choose);
	to = read_needed(b->d, n, n->key, x->name, "targets");
	if (!to || !(x->targets = targets_list(b, to, &x->ntargets)))
		return;
	for (size_t i = 0; i < x->ntargets; i++)
		named |= x->targets[i].model != NULL;
	refuse_target_when(b, x->targets, x->ntargets);
	if (x->ntargets && !named)
		diag_at(b->d, to,
			"targets: none of them has a model, so the provider would receive the "
			"name %s itself: set model for a target",
			x->name);
}

void
build_models(struct builder *b, const struct yaml_node *n)
{
	if (!n || !read_map(b->d, n, "models", NULL, NULL))
		return;
	if (n->count > ALIASES_MAX)
		diag_at(b->d, n, "models: more than %d", ALIASES_MAX);
	b->aliases = build_array(b, n, n->count, sizeof(*b->aliases));
	for (const struct yaml_node *c = n->child; c && b->aliases; c = c->next)
		build_alias(b, c, &b->aliases[b->naliases++]);
}

static bool
has_target_of(const struct route *r, const struct target *t)
{
	for (size_t i = 0; i < r->ntargets; i++)
		if (!strcmp(r->targets[i].name, t->name))
			return true;
	return false;
}

/* Fills *out with the route as it is for the alias. Returns false if the route has none of the
 * alias's targets. */
static bool
route_for_alias(struct builder *b, struct route *r, const struct alias *x, struct route *out)
{
	struct target *v = build_array(b, x->at, x->ntargets, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < x->ntargets; i++) {
		const struct provider *p = provider_of(b, &x->targets[i]);
		if (!has_target_of(r, &x->targets[i]))
			continue;
		v[n] = x->targets[i];
		build_forms(p, r, &v[n]);
		v[n].relay |= is_via_relay(r);
		v[n++].prices = build_price_list(b, p, p->dialect ? p->dialect : r->dialect);
	}
	if (n == 0)
		return false;
	break_by_default(v, n);
	*out = *r;
	out->targets = v;
	out->ntargets = n;
	out->aliases = NULL;
	out->naliases = 0;
	out->of = r;
	out->alias = x->name;
	if (x->chooses)
		out->choose = x->choose;
	default_attempts(b, out);
	return true;
}

void
build_aliases(struct builder *b)
{
	for (size_t i = 0; i < b->p->nroutes; i++) {
		struct route *r = &b->routes[i];
		bool none = r->dialect && !dialect_has_model(r->dialect);
		struct route *v = build_array(b, r->at, b->naliases, sizeof(*v));
		for (size_t k = 0; v && !none && k < b->naliases; k++)
			if (route_for_alias(b, r, &b->aliases[k], &v[r->naliases])) {
				b->aliases[k].known = true;
				r->naliases++;
			}
		r->aliases = v;
	}
	for (size_t k = 0; k < b->naliases; k++)
		if (!b->aliases[k].known)
			diag_at(b->d, b->aliases[k].at->key,
				"models: %s: no route whose requests name a model has a "
				"provider of its targets",
				b->aliases[k].name);
}
