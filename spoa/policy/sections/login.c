/* Reads `login` of a route to MCP servers: where clients get a token. From it two texts are
 * made once: the protected resource metadata of RFC 9728, and the URL and scope of the
 * challenge in a 401 (RFC 6750 3). Both contain only names from the policy, never the Host of a
 * request or the address of the server behind the gateway. */
#include "base/ascii.h"
#include "base/caps.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "policy/build.h"
#include "policy/policy.h"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"

/* ---- scopes ---- */

/* Returns true if `s` is a scope: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), RFC 6749
 * 3.3. */
static bool
is_scope(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_graph) == s.n && span_chr(s, '"') == s.n &&
	       span_chr(s, '\\') == s.n;
}

const char *
build_scope(struct builder *b, const struct yaml_node *n)
{
	bool good = n->kind == YAML_SCALAR && n->s.n > 0 && n->s.n <= CAP_SCOPE_BYTES;

	for (struct span rest = n->s; good && rest.p && rest.n;)
		good = is_scope(span_next(&rest, ' ')) && (!rest.p || rest.n);
	if (good)
		return n->s.p;
	diag_at(b->d, n,
		"scope: printable words with one space between them, at most %d bytes, are "
		"expected, found %s",
		CAP_SCOPE_BYTES, yaml_found(n));
	return NULL;
}

/* ---- URLs ---- */

/* Splits https://HOST[:PORT]REST. Plain http is allowed for this machine alone. Returns NULL,
 * or the reason why `url` is no such URL. */
static const char *
read_origin(struct span url, struct span *host, struct span *rest)
{
	bool safe = span_starts(url, SPAN_LIT("https://"));

	if (!safe && !span_starts(url, SPAN_LIT("http://")))
		return "must begin with https://";
	url = span_cut(url, safe ? 8 : 7, url.n);
	size_t end = span_chr(url, '/');
	struct span at = span_cut(url, 0, end);
	*rest = span_cut(url, end, url.n);
	size_t colon = at.n && *at.p == '[' ? span_chr(at, ']') + 1 : span_chr(at, ':');
	*host = span_cut(at, 0, colon);
	struct span port = span_cut(at, colon, at.n);
	uint64_t number = 0;
	if (!build_host_ok(*host) || span_starts(*host, SPAN_LIT("*.")))
		return "has no host in lower case";
	if (port.n &&
		(span_u64(span_cut(port, 1, port.n), &number) < 0 || !number || number > 65535))
		return "must have a port from 1 to 65535";
	if (!safe && !span_is(*host, "localhost") && !span_is(*host, "127.0.0.1") &&
		!span_is(*host, "[::1]"))
		return "must begin with https:// (http:// is accepted for this machine only)";
	return NULL;
}

/* authorization_servers: a URL, or a list. */
static void
authorization_servers(
	struct builder *b, const struct yaml_node *n, const char ***out, size_t *count)
{
	const struct yaml_node *c = build_each(b, n, "authorization_servers", out, count);
	struct span host, rest;

	for (; c; c = yaml_next(n, c)) {
		const char *fault = read_origin(c->s, &host, &rest);
		if (!fault && rest.n)
			fault = build_path_fault(rest);
		if (!fault && c->s.n > CAP_LOGIN_URL_BYTES)
			fault = "is too long";
		if (fault)
			diag_at(b->d, c, "authorization_servers: %s %s", c->s.p, fault);
	}
}

/* Returns the URL that clients use if the route has exactly one host and one path. */
static const char *
resource_of_route(struct builder *b, const struct yaml_node *n, const struct route *r)
{
	if (r->nhosts == 1 && r->npaths == 1 && !r->nprefixes && !r->api &&
		strncmp(r->hosts[0], "*.", 2) != 0)
		return arena_printf(b->a, "https://%s%s", r->hosts[0], r->paths[0]).p;
	diag_at(b->d, n->key,
		"login: resource is missing: the route does not have exactly one host and one "
		"path, so state the URL that clients use");
	return NULL;
}

/* Reads or derives the URL of the resource. Its host and path must be the route's. The document
 * contains the path even if it is "/". */
static bool
build_resource(
	struct builder *b, const struct yaml_node *n, const struct route *r, struct login *l)
{
	const struct yaml_node *at = yaml_get(n, "resource");
	const char *fault;

	l->resource =
		at ? (at->kind == YAML_SCALAR ? at->s.p : NULL) : resource_of_route(b, n, r);
	if (!at)
		at = n;
	if (!l->resource)
		return false;
	fault = read_origin(span_str(l->resource), &l->host, &l->path);
	if (!fault)
		fault = build_path_fault(l->path);
	if (!fault && strlen(l->resource) > CAP_LOGIN_URL_BYTES)
		fault = "is too long";
	if (!fault && r->nhosts && !policy_host_in(l->host, r->hosts, r->nhosts))
		fault = "has a host that is not one of this route's";
	if (!fault && !policy_route_has_path(r, SPAN_LIT("POST"), l->path))
		fault = "has a path that is not one of this route's";
	if (fault)
		diag_at(b->d, at, "resource: %s %s", l->resource, fault);
	return !fault;
}

struct texts {
	const char **v;
	size_t n;
};

/* Reads scopes_supported, and `scope`, which a first login asks for. Without `scope`, a first
 * login asks for all of scopes_supported. */
static void
build_scopes(struct builder *b, const struct yaml_node *n, struct texts *all, struct login *l)
{
	const struct yaml_node *list = yaml_get(n, "scopes_supported"),
			       *first = yaml_get(n, "scope");

	if (list)
		read_texts(b->a, b->d, list, "scopes_supported", &all->v, &all->n);
	for (const struct yaml_node *c = list ? yaml_first(list) : NULL; c;
		c = yaml_next(list, c))
		if (!is_scope(c->s))
			diag_at(b->d, c,
				"scopes_supported: a scope of printable characters is "
				"expected, found %s",
				yaml_found(c));
	l->scope = "";
	if (first) {
		l->scope = build_scope(b, first);
		return;
	}
	SCOPED_BUF(text, 0);
	for (size_t i = 0; i < all->n; i++)
		buf_printf(&text, "%s%s", i ? " " : "", all->v[i]);
	if (text.n > CAP_SCOPE_BYTES)
		diag_at(b->d, n->key,
			"login: scope is missing: scopes_supported has over %d bytes, too "
			"many for a first login: state the scope of a first login",
			CAP_SCOPE_BYTES);
	else if (text.n)
		l->scope = arena_printf(b->a, "%.*s", SPAN_ARG(buf_view(&text))).p;
}

static void
put_login_list(struct buf *to, const char *name, const struct texts *list)
{
	json_put_open(to, name, '[');
	for (size_t i = 0; i < list->n; i++)
		json_put_str(to, NULL, list->v[i]);
	json_put_close(to, ']');
}

/* Returns the JSON of the protected resource metadata (RFC 9728 2). */
static const char *
resource_metadata(struct builder *b, const struct login *l, const struct texts *servers,
	const struct texts *scopes)
{
	SCOPED_BUF(text, 0);

	json_put_form(&text, "{'resource':%s", l->resource);
	put_login_list(&text, "authorization_servers", servers);
	if (scopes->n)
		put_login_list(&text, "scopes_supported", scopes);
	json_put_form(&text, "'bearer_methods_supported':['header']}");
	return arena_printf(b->a, "%.*s", SPAN_ARG(buf_view(&text))).p;
}

void
build_login(struct builder *b, const struct yaml_node *n, struct route *r)
{
	struct texts issuers = { NULL, 0 }, known = { NULL, 0 };
	const struct yaml_node *c;
	struct login *l;

	if (!build_section(b, n, SECTION_LOGIN, NULL) ||
		!(l = build_array(b, n, 1, sizeof(*l))))
		return;
	if (!r->dialect || !dialect_is_of_mcp(r->dialect)) {
		diag_at(b->d, n->key,
			"login: the route has no provider with dialect: mcp, and clients of "
			"other dialects do not log in: remove login");
		return;
	}
	if ((c = yaml_get(n, "authorization_servers")))
		authorization_servers(b, c, &issuers.v, &issuers.n);
	else
		diag_at(b->d, n->key,
			"login: authorization_servers is missing: add the URL of the server "
			"that issues tokens");
	build_scopes(b, n, &known, l);
	if (!build_resource(b, n, r, l))
		return;
	l->document = resource_metadata(b, l, &issuers, &known);
	/* RFC 9728 3.1: the well-known part stands between host and path. Without a path
	 * nothing follows it. */
	l->metadata = arena_printf(b->a, "%.*s" WELL_KNOWN "%s",
		(int)(strlen(l->resource) - l->path.n), l->resource,
		l->path.n > 1 ? l->path.p : "")
			      .p;
	r->login = l;
	b->p->logs_in = true;
	/* A route without `host` gets the host of the resource. */
	if (r->nhosts || !(r->hosts = build_array(b, n, 1, sizeof(*r->hosts))))
		return;
	r->hosts[0] = arena_printf(b->a, "%.*s", SPAN_ARG(l->host)).p;
	r->nhosts = r->hosts[0] != NULL;
}

/* ---- requests for the metadata ---- */

const struct login *
policy_login(
	const struct policy *p, struct span host, struct span path, const struct route **of)
{
	const struct login *only = NULL;
	size_t here = 0;

	*of = NULL;
	if (!span_starts(path, SPAN_LIT(WELL_KNOWN)))
		return NULL;
	struct span rest = span_cut(path, sizeof(WELL_KNOWN) - 1, path.n);
	for (size_t i = 0; i < p->nroutes; i++) {
		const struct login *l = p->routes[i].login;
		if (!l || !span_eq(l->host, host))
			continue;
		here++;
		only = l;
		*of = &p->routes[i];
		if (span_eq(rest, l->path) || (!rest.n && l->path.n == 1))
			return l;
	}
	/* Some clients ask without the path. The answer is clear if the host has one such
	 * route. */
	if (here == 1 && !rest.n)
		return only;
	*of = NULL;
	return NULL;
}
