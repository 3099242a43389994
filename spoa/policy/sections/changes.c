/* Reads the effects of a rule that do not end the evaluation: other targets (`route`), another
 * model, a cap on the output, tags, recognizers that must answer (`require`), and headers
 * toward the provider. rules.c refuses combinations that one rule cannot have. */
#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "policy/build.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/policy.h"

enum { TAGS_MAX = 16, HEADERS_MAX = 16, HEADER_BYTES = 1024, MODEL_BYTES = 128 };

/* Headers that a rule cannot set: they frame or encode the message, or the relay rewrites
 * them. */
static const char *const fixed_headers[] = { "connection", "keep-alive", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "host",
	"content-type", "content-encoding", "accept-encoding", "content-digest", "repr-digest",
	"digest", "content-md5", "http2-settings", NULL };

bool
build_model(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_text(b->d, n, "model", out))
		return false;
	bool ok = n->s.n <= MODEL_BYTES && span_past(n->s, 0, is_graph) == n->s.n;
	if (!ok)
		diag_at(b->d, n,
			"model: the name of a model, at most %d printable bytes without "
			"spaces, is expected",
			MODEL_BYTES);
	return ok;
}

bool
build_reads_target(const struct cel_program *prog)
{
	bool reads = false;

	for (size_t slot = V_TARGET_NAME; prog && slot <= V_TARGET_ERRORS; slot++)
		reads |= cel_reads(prog, slot);
	return reads;
}

/* ---- route ---- */

/* Reports a target that no route and no alias has, because the rule would then deny every
 * request. */
static void
known_target(struct builder *b, const struct yaml_node *n)
{
	struct nearest near = nearest_to(n->s);

	for (size_t i = 0; i < b->p->nroutes; i++)
		for (size_t k = 0; k < b->p->routes[i].ntargets; k++)
			if (nearest_is(&near, b->p->routes[i].targets[k].name) ||
				policy_target_is(&b->p->routes[i].targets[k], n->s.p))
				return;
	for (size_t i = 0; i < b->naliases; i++)
		for (size_t k = 0; k < b->aliases[i].ntargets; k++)
			if (policy_target_is(&b->aliases[i].targets[k], n->s.p))
				return;
	diag_at(b->d, n, "targets: no route has target %s%s", n->s.p, nearest_hint(&near));
}

static void
read_route_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	const struct yaml_node *to, *model;

	if (!build_section(b, n, SECTION_EFFECT_ROUTE, NULL))
		return;
	to = yaml_get(n, "targets");
	model = yaml_get(n, "model");
	if (!to && !model)
		diag_at(b->d, n->key, "route: targets or model is missing");
	if (model)
		build_model(b, model, &x->model);
	const struct yaml_node *c = build_each(b, to, "targets", &x->targets, &x->ntargets);
	for (; c; c = yaml_next(to, c))
		known_target(b, c);
}

/* ---- tag, require ---- */

void
build_tags(struct builder *b, const struct yaml_node *n, const char ***tags, size_t *ntags)
{
	const struct yaml_node *c = build_each(b, n, "tag", tags, ntags);
	const char *name;

	if (c && *ntags > TAGS_MAX)
		diag_at(b->d, n, "tag: more than %d", TAGS_MAX);
	for (; c; c = yaml_next(n, c))
		build_name(b, c, 64, &name);
}

static void
read_tag_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	build_tags(b, n, &x->tags, &x->ntags);
}

static void
read_require_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	const struct policy *p = b->p;
	const struct yaml_node *c = build_each(b, n, "require", NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		size_t i =
			nearest_find(&near, p->externals, p->nexternals, sizeof(*p->externals));
		if (i < p->nexternals)
			x->require |= 1ull << i;
		else if (span_is(c->s, "ocr"))
			x->require |= REQUIRE_OCR;
		else
			diag_at(b->d, c,
				"require: %s is not a recognizer of detectors.external%s",
				c->s.p, nearest_hint(&near));
	}
}

/* ---- set_headers ---- */

/* Returns why no rule may set header `name`, which is in lower case, or NULL. */
static const char *
header_fault(const struct policy *p, struct span name)
{
	bool credential =
		credential_header(name) ||
		span_find(name, p->credential_headers, p->ncredential_headers) <
			p->ncredential_headers ||
		span_among(name, p->credential_prefixes, p->ncredential_prefixes, span_starts);
	if (name.n == 0 || name.n > 64 ||
		strspn(name.p, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != name.n)
		return "is not a header name: at most 64 letters, digits and - _ . are "
		       "expected";
	if (span_starts(name, SPAN_LIT("x-tollgate-")))
		return "is a header of tollgate";
	if (read_listed(fixed_headers, name))
		return "belongs to the connection or to the body";
	if (credential)
		return "carries credentials: set the provider's in its HAProxy backend";
	return NULL;
}

static bool
header_value(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_text(b->d, n, n->key->s.p, out))
		return false;
	bool ok = n->s.n <= HEADER_BYTES && n->s.p[0] != ' ' && n->s.p[n->s.n - 1] != ' ';
	for (size_t i = 0; i < n->s.n; i++)
		ok = ok && n->s.p[i] >= ' ' && n->s.p[i] <= '~';
	if (!ok)
		diag_at(b->d, n,
			"%s: one line of printable ASCII, at most %d bytes, without spaces "
			"around it, is expected",
			n->key->s.p, HEADER_BYTES);
	return ok;
}

static void
read_set_headers(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	struct header *h;

	if (n->kind != YAML_MAPPING || n->count == 0) {
		diag_at(b->d, n,
			"set_headers: a mapping of names to values is expected, found %s",
			n->kind == YAML_MAPPING ? "an empty one" : yaml_type_name(n));
		return;
	}
	if (n->count > HEADERS_MAX) {
		diag_at(b->d, n, "set_headers: more than %d", HEADERS_MAX);
		return;
	}
	if (!(h = build_array(b, n, n->count, sizeof(*h))))
		return;
	x->headers = h;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		char *name = arena_strdup(b->a, c->key->s.p);
		ascii_lower(name, span_str(name).n);
		const char *fault = name ? header_fault(b->p, span_str(name)) : "";
		if (fault) {
			diag_at(b->d, c->key, "set_headers: %s %s", c->key->s.p, fault);
			continue;
		}
		for (size_t i = 0; i < x->nheaders; i++)
			if (!strcmp(h[i].name, name))
				diag_at(b->d, c->key, "set_headers: %s is listed twice", name);
		h[x->nheaders].name = name;
		if (header_value(b, c, &h[x->nheaders].value))
			x->nheaders++;
	}
}

/* ---- all effects ---- */

void
build_change(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	static const struct {
		const char *key;
		void (*read)(struct builder *, const struct yaml_node *, struct rule_change *);
	} effects[] = {
		{ "route", read_route_effect },
		{ "tag", read_tag_effect },
		{ "require", read_require_effect },
		{ "set_headers", read_set_headers },
	};
	struct rule_change *x = build_array(b, n, 1, sizeof(*x));
	const struct yaml_node *c;
	bool any = false;

	for (size_t i = 0; x && i < COUNT_OF(effects); i++)
		if ((c = yaml_get(n, effects[i].key))) {
			effects[i].read(b, c, x);
			any = true;
		}
	if (x && (c = yaml_get(n, "max_output_tokens"))) {
		read_uint(b->d, c, 1, 10000000, &x->max_output_tokens);
		any = true;
	}
	if (!any)
		return;
	r->change = x;
	b->p->changes = true;
	b->p->nheader_rules += x->nheaders > 0;
	b->p->requires |= x->require != 0;
	b->p->ocr |= (x->require & REQUIRE_OCR) != 0;
}
