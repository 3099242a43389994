/* Reads `routes`: which requests are served, where they go, and how their responses are
 * handled. A request that matches no route is refused. For this reason paths are compared whole
 * and in normal form only. The last part of the file matches requests.
 *
 * `login` of a route to MCP servers states where clients get a token. From it two texts are
 * made once: the protected resource metadata of RFC 9728, and the URL and scope of the
 * challenge in a 401 (RFC 6750 3). Both contain only names from the policy, never the Host of a
 * request or the address of the server behind the gateway. */
#include "policy/build.h"

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "policy/config/config.h"
#include "policy/config/read.h"
#include "policy/courtesy.h"
#include "policy/policy.h"
#include "policy/tools.h"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"

/* ---- hosts and paths ---- */

/* Returns true for a host name or *.example.com. */
static bool
build_host_ok(struct span s)
{
	if (span_starts(s, SPAN_LIT("*.")))
		s = span_cut(s, 2, s.n);
	if (s.n > 2 && s.p[0] == '[')
		return s.p[s.n - 1] == ']' && strspn(s.p + 1, "0123456789abcdef:.") == s.n - 2;
	return s.n > 0 && s.n <= 253 && s.p[0] != '.' && s.p[0] != '-' && s.p[s.n - 1] != '.' &&
	       strspn(s.p, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == s.n;
}

/* Returns why a path is not in normal form (RFC 3986 6.2.2), or NULL. The gateway answers 400
 * to a request whose path has another form, so a route with such a path could never match. */
static const char *
build_path_fault(struct span s)
{
	if (s.n == 0 || s.p[0] != '/')
		return "must begin with /";
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
			return "contains a character that must be written as %XX";
		if (c == '?' || c == '#')
			return "must be a path without query and fragment";
		if (c == '/' && i + 1 < s.n && s.p[i + 1] == '/')
			return "contains //";
		if (c != '%')
			continue;
		int v = uri_escape_at(s.p + i, s.p + s.n);
		if (v < 0)
			return "contains a broken percent escape";
		if (v < ' ' || v == 0x7f || v == '/' || v == '\\')
			return "contains a separator or control character as %XX";
		if (uri_unreserved((char)v))
			return "contains a character as %XX that must be written as itself";
	}
	for (struct span rest = s; rest.p;) {
		struct span seg = span_next(&rest, '/');
		if (span_is(seg, ".") || span_is(seg, ".."))
			return "contains a dot segment";
	}
	return NULL;
}

/* ---- login: scopes ---- */

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

/* ---- login: URLs ---- */

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

/* Reads `login` of a route, after its match and targets. */
static void
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

/* ---- login: requests for the metadata ---- */

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

/* ---- what a route matches ---- */

static const char *const response_later[] = { "cache", NULL };

static void
match_paths(struct builder *b, const struct yaml_node *n, const char ***out, size_t *count)
{
	const struct yaml_node *c = build_each(b, n, "path", out, count);

	for (; c; c = yaml_next(n, c)) {
		const char *fault = build_path_fault(c->s);
		if (fault)
			diag_at(b->d, c, "%s: %s %s", n->key->s.p, c->s.p, fault);
	}
}

static void
match_methods(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *c = build_each(b, n, "methods", &r->methods, &r->nmethods);

	for (; c; c = yaml_next(n, c)) {
		if (strspn(c->s.p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != c->s.n)
			diag_at(b->d, c,
				"methods: a method in capital letters is expected, found %s",
				c->s.p);
		else if (span_is(c->s, "CONNECT") || span_is(c->s, "TRACE"))
			diag_at(b->d, c, "methods: the gateway always refuses %s", c->s.p);
	}
}

void
build_hosts(struct builder *b, const struct yaml_node *n, const char *what, const char ***out,
	size_t *count)
{
	const struct yaml_node *c = build_each(b, n, what, out, count);
	size_t i = 0;

	if (!c)
		return;
	for (; c; c = yaml_next(n, c)) {
		char *lower = arena_strdup(b->a, c->s.p);
		ascii_lower(lower, span_str(lower).n);
		if (!lower || !build_host_ok(span_str(lower)))
			diag_at(b->d, c,
				"%s: a host name without port, or *.example.com, is expected, "
				"found %s",
				what, c->s.p);
		else
			(*out)[i++] = lower;
	}
	*count = i;
}

/* api: openai: all paths of a dialect, which becomes the route's dialect. */
static void
match_api(struct builder *b, const struct yaml_node *n, struct route *r)
{
	if (!n)
		return;
	if (n->kind != YAML_SCALAR || !(r->api = dialect_find(n->s)))
		diag_at(b->d, n, "api: one of %s is expected, found %s", dialect_names(),
			yaml_found(n));
	else if (!dialect_has_model(r->api))
		diag_at(b->d, n, "api: dialect %s has no fixed paths: use path or path_prefix",
			n->s.p);
	else
		r->dialect = r->api;
}

static void
build_match(struct builder *b, const struct yaml_node *route, struct route *r)
{
	const struct yaml_node *m = read_needed(b->d, route, route, NULL, "match");

	if (!m || !build_section(b, m, SECTION_MATCH, NULL))
		return;
	match_methods(b, yaml_get(m, "methods"), r);
	match_paths(b, yaml_get(m, "path"), &r->paths, &r->npaths);
	match_paths(b, yaml_get(m, "path_prefix"), &r->prefixes, &r->nprefixes);
	build_hosts(b, yaml_get(m, "host"), "host", &r->hosts, &r->nhosts);
	match_api(b, yaml_get(m, "api"), r);
	if (!yaml_get(m, "path") && !yaml_get(m, "path_prefix") && !yaml_get(m, "api"))
		diag_at(b->d, m->key, "match: path, path_prefix or api is missing");
}

/* ---- the cache of a route ---- */

/* Reads `cache` of a route: how long responses are kept (`exact`), and which other requests get
 * a stored response: those with a nearly equal prompt (`near`) or with a similar meaning
 * (`semantic`). */

#define WARMEST		    2.0	 /* the highest temperature that providers accept */
#define SEMANTIC_SIMILARITY 0.95 /* default; the least is SEMANTIC_SIMILARITY_LEAST */

/* prose: ok courtesy. near: true, or {similarity: …, courtesy: FILE}. The file lists polite
 * phrases that do not change the meaning of a prompt. */
static void
build_near(struct builder *b, const struct yaml_node *n, struct route_cache *c)
{
	const struct yaml_node *similarity = yaml_get(n, "similarity"),
			       *file = yaml_get(n, "courtesy");
	const char *path = NULL;
	bool on = true;

	if (n->kind == YAML_SCALAR && (!read_bool(b->d, n, &on) || !on))
		return;
	if (n->kind != YAML_SCALAR && !build_section(b, n, SECTION_CACHE_NEAR, NULL))
		return;
	c->similarity = NEAR_SIMILARITY_LEAST;
	if (similarity && !(yaml_double(similarity, &c->similarity) &&
				  c->similarity >= NEAR_SIMILARITY_LEAST && c->similarity <= 1))
		diag_at(b->d, similarity,
			"similarity: a number from 0.9 to 1 is expected, found %s",
			yaml_found(similarity));
	if (file && !build_path(b, file, &path))
		return;
	if (!path && !b->courtesy)
		b->courtesy = courtesy_load(b->a, NULL, b->d);
	c->near = path ? courtesy_load(b->a, path, b->d) : b->courtesy;
}

/* semantic: {embeddings: PROVIDER/MODEL, similarity: …}. Prompts are compared by the vectors of
 * the embeddings model, which Redis stores. */
static void
build_semantic(struct builder *b, const struct yaml_node *n, struct route *r)
{
	struct route_cache *c = &r->cache;
	const struct yaml_node *similarity = yaml_get(n, "similarity"), *at;
	struct cache_semantic *s = build_array(b, n, 1, sizeof(*s));

	if (!s || !build_section(b, n, SECTION_CACHE_SEMANTIC, NULL) ||
		!(at = read_needed(b->d, n, n->key, "semantic", "embeddings")))
		return;
	if (b->cfg && !b->cfg->cache_redis) {
		diag_at(b->d, n->key,
			"semantic: needs a Redis with vector sets (VADD: Redis 8 and later): "
			"add cache.redis to tollgate.yaml");
		return;
	}
	s->similarity = SEMANTIC_SIMILARITY;
	if (similarity &&
		!(yaml_double(similarity, &s->similarity) &&
			s->similarity >= SEMANTIC_SIMILARITY_LEAST && s->similarity <= 1))
		diag_at(b->d, similarity,
			"similarity: a number from 0.8 to 1 is expected, found %s",
			yaml_found(similarity));
	if (!b->courtesy)
		b->courtesy = courtesy_load(b->a, NULL, b->d);
	s->words = b->courtesy;
	if (!build_embeddings(b, at, &s->at))
		return;
	/* Rules evaluate the route's target only. The prompt must not be sent to an embeddings
	 * model that is external or in another region if a target is not. */
	for (size_t i = 0; i < r->ntargets; i++)
		if ((s->at.external && !r->targets[i].external) ||
			strcmp(s->at.region, r->targets[i].region)) {
			diag_at(b->d, at,
				"embeddings: %s is external or in another region, but target "
				"%s of the route is not, and rules evaluate the target alone: "
				"use a model with the same region",
				s->at.name, r->targets[i].known);
			return;
		}
	c->semantic = s;
}

/* temperature: a number, up to which responses are kept; true keeps them all. */
static void
build_temperature(struct builder *b, const struct yaml_node *n, struct route_cache *c)
{
	if (!n)
		return;
	if (n->kind == YAML_SCALAR && (span_is(n->s, "true") || span_is(n->s, "false")))
		c->temperature = span_is(n->s, "true") ? WARMEST : 0;
	else if (!(yaml_double(n, &c->temperature) && c->temperature >= 0 &&
			 c->temperature <= WARMEST))
		diag_at(b->d, n,
			"temperature: a number from 0 to 2, or true, is expected, found %s",
			yaml_found(n));
}

/* Reads names of header fields (RFC 9110 5.6.2). A name that ends with '*' means all fields
 * whose names begin so. */
static void
build_cache_fields(struct builder *b, const struct yaml_node *exact, const char *key,
	const char ***out, size_t *count)
{
	const struct yaml_node *n = yaml_get(exact, key);

	for (const struct yaml_node *c = n ? build_each(b, n, key, out, count) : NULL; c;
		c = yaml_next(n, c)) {
		struct span name = c->s;
		if (name.n > 1 && name.p[name.n - 1] == '*')
			name.n--;
		if (!span_all(name, is_tchar) || span_chr(name, '*') < name.n || !name.n)
			diag_at(b->d, c,
				"%s: the name of a header field, or the beginning of names "
				"followed by *, is expected, found %s",
				key, c->s.p);
	}
}

static void
build_cache(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *exact = yaml_get(n, "exact"), *near = yaml_get(n, "near"),
			       *semantic = yaml_get(n, "semantic"),
			       *t = yaml_get(exact, "temperature");

	if (!build_section(b, n, SECTION_ROUTE_CACHE, NULL))
		return;
	if (!exact) {
		diag_at(b->d, n->key, "cache: exact is missing: add exact: {ttl: DURATION}");
		return;
	}
	if (!build_section(b, exact, SECTION_CACHE_EXACT, &r->cache))
		return;
	if (!r->cache.ttl_us && !yaml_get(exact, "ttl"))
		diag_at(b->d, exact->key,
			"exact: ttl is missing: state how long responses are kept, such as 1h");
	build_temperature(b, t, &r->cache);
	build_cache_fields(b, exact, "key_headers", &r->cache.keyed, &r->cache.nkeyed);
	build_cache_fields(b, exact, "ignore_headers", &r->cache.ignored, &r->cache.nignored);
	if (near)
		build_near(b, near, &r->cache);
	if (semantic)
		build_semantic(b, semantic, r);
	if (b->cfg && !b->cfg->relay)
		diag_at(b->d, n->key,
			"cache: the relay serves stored responses, and tollgate.yaml has no "
			"relay.listen");
}

/* ---- the response ---- */

/* response: ignore, or a list of words whose effects add up. */
static void
build_response(struct builder *b, const struct yaml_node *n, struct route *r)
{
	static const struct {
		const char *word;
		unsigned bits;
	} words[] = { { "meter", RESP_METER }, { "inspect", RESP_INSPECT },
		{ "restore", RESP_RESTORE },
		{ "restore_urls", RESP_RESTORE | RESP_RESTORE_URLS },
		{ "record", RESP_RECORD } };

	if (n && n->kind == YAML_SCALAR && span_is(n->s, "ignore")) {
		r->response_ignore = n;
		return;
	}
	const struct yaml_node *c = build_each(b, n, "response", NULL, NULL);
	for (; c; c = yaml_next(n, c)) {
		size_t i = 0;
		while (i < COUNT_OF(words) && !span_is(c->s, words[i].word))
			i++;
		if (i < COUNT_OF(words))
			r->response |= words[i].bits;
		else if (read_listed(response_later, c->s))
			diag_at(b->d, c, "%s: not supported by this version of tollgate",
				c->s.p);
		else
			diag_at(b->d, c,
				"response: ignore, or a list of meter, inspect, restore, "
				"restore_urls, record is expected, found %s",
				c->s.p);
	}
}

/* record: {prompt: …, response: …, tools: …}. Recording a response implies reading it
 * (RESP_RECORD), and a sealed text needs an auditor. */
static void
routes_record(struct builder *b, const struct yaml_node *n, struct route *r)
{
	build_section(b, n, SECTION_RECORD, r);
	const struct {
		const char *key;
		enum record_text how;
	} texts[] = { { "prompt", r->record_prompt }, { "response", r->record_answer },
		{ "tools", r->record_tools } };
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (b->cfg && !b->cfg->nauditors && record_text_sealed(texts[i].how))
			diag_at(b->d, yaml_get(n, texts[i].key),
				"%s: %s: the text is sealed to auditors, because records "
				"contain no text in plain, and tollgate.yaml has none: add "
				"seal: {auditors: [{name: NAME, public_key: BASE64}]} "
				"(openssl genpkey -algorithm X25519 -aes256 -out auditor.key "
				"makes the pair, openssl pkey -in auditor.key -pubout prints "
				"the key), or write %s: hash",
				texts[i].key, yaml_get(n, texts[i].key)->s.p, texts[i].key);
	if ((!yaml_get(n, "response") || r->record_answer == KEPT_OFF) &&
		!record_text_sealed(r->record_tools))
		return;
	r->response |= RESP_RECORD;
	if (r->response_ignore)
		diag_at(b->d, r->response_ignore,
			"response: ignore: the route records responses or tools, which must "
			"be read: remove ignore");
}

/* about: {use_case: …}: lines that each record of the route contains. */
static void
build_about(struct builder *b, const struct yaml_node *n, struct about *out)
{
	if (!build_section(b, n, SECTION_ABOUT, out))
		return;
	if (n->count == 0)
		diag_at(b->d, n->key,
			"about: is empty: use_case, risk, operation or reviewer is expected");
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		bool text = c->kind == YAML_SCALAR && c->s.n > 0;
		bool plain = c->s.n <= ABOUT_BYTES && span_past(c->s, 0, is_in_line) == c->s.n;
		if (span_is(c->key->s, "operation"))
			build_name(b, c, 64, &out->operation);
		else if (section_field(SECTION_ABOUT, c->key->s) && text && !plain)
			diag_at(b->d, c, "%s: a line of 1 to %d bytes is expected, found %s",
				c->key->s.p, ABOUT_BYTES, yaml_found(c));
	}
}

/* restore: {tools: […]}: tools whose arguments stay on the caller's machine, as a row before
 * those of the policy's `tools`. */
static void
build_restore(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *tools = yaml_get(n, "tools");

	r->tools = b->p->tools;
	r->ntools = b->p->ntools;
	if (!build_section(b, n, SECTION_RESTORE, r))
		return;
	struct tool_row *rows = build_array(b, n, b->p->ntools + 1, sizeof(*rows));
	if (rows && tools) {
		rows[0] = (struct tool_row){ .arguments = ARGUMENTS_STAY, .at = n };
		read_texts(b->a, b->d, tools, "tools", &rows[0].names, &rows[0].nnames);
		if (b->p->ntools)
			memcpy(rows + 1, b->p->tools, b->p->ntools * sizeof(*rows));
		r->tools = rows;
		r->ntools = b->p->ntools + 1;
	}
	if (!tools)
		diag_at(b->d, n->key,
			"restore: tools is missing: list the tools that only store their "
			"arguments");
	if (!(r->response & RESP_RESTORE))
		diag_at(b->d, n->key,
			"restore: the route restores no values in its responses: add "
			"response: [restore]");
}

/* websocket: true, or {message_max: …}. The default deadline of a session, 1 h, is longer than
 * that of a response. */
static void
build_websocket(struct builder *b, const struct yaml_node *n, struct route *r)
{
	bool on = true;

	if (!n || (n->kind == YAML_SCALAR && (!read_bool(b->d, n, &on) || !on)))
		return;
	r->websocket = CAP_SOCKET_MESSAGE;
	if (n->kind != YAML_SCALAR)
		build_section(b, n, SECTION_WEBSOCKET, r);
	if (!yaml_get(r->at, "deadline"))
		r->deadline_us = 3600 * SECOND_US;
	if (r->ntargets > 1)
		diag_at(b->d, n->key,
			"websocket: a session stays with one target, and the route has %zu: "
			"leave one",
			r->ntargets);
	else if (r->ntargets == 1 && r->targets[0].model)
		diag_at(b->d, n->key,
			"websocket: the model of a session is in its URL and cannot be "
			"replaced: remove the target's model");
	if (r->cache.ttl_us)
		diag_at(b->d, n->key,
			"websocket: responses of sessions are not cached: remove cache");
	if (b->cfg && !b->cfg->relay)
		diag_at(b->d, n->key,
			"websocket: the relay reads WebSockets, and tollgate.yaml has no "
			"relay.listen");
}

/* realtime: {audio, transcription, webrtc} */
static void
build_realtime(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *c = n ? yaml_get(n, "audio") : NULL;

	r->transcription = "gpt-4o-mini-transcribe";
	build_section(b, n, SECTION_REALTIME, r);
	if (!c || !r->audio)
		return;
	if (!r->websocket)
		diag_at(b->d, c->key,
			"realtime: audio: the route serves no sessions: add websocket: true");
	bool own = r->audio == AUDIO_REQUIRED ||
		   (r->audio == AUDIO_JUDGED && r->dialect == dialect_find(SPAN_LIT("gemini")));
	if (own && !b->p->ntranscribers)
		diag_at(b->d, c->key,
			"realtime: audio: nobody transcribes the sound: add transcribers");
}

/* Reads one route of the list. */
static void
build_route(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *c;

	r->at = n;
	r->name = "";
	r->on_failure = b->p->on_failure;
	r->deadline_us = 900 * SECOND_US;
	r->show_cost = b->p->show_cost;
	if (!build_section(b, n, SECTION_ROUTE, r))
		return;
	build_own_name(b, n, 64, &r->name, b->p->routes, b->p->nroutes, sizeof(*r));
	build_match(b, n, r);
	build_destination(b, n, r);
	build_response(b, yaml_get(n, "response"), r);
	if ((c = yaml_get(n, "show_cost")) && r->show_cost && !r->response)
		diag_at(b->d, c->key,
			"show_cost: the route does not read its responses: add response: "
			"[meter]");
	if (c && r->show_cost && !b->priced)
		diag_at(b->d, c->key,
			"show_cost: the policy has no prices: add prices or unknown_price");
	if (b->p->plain_placeholders && r->response & RESP_RESTORE)
		diag_at(b->d, yaml_get(n, "response")->key,
			"response: restore needs placeholders in brackets, and placeholder: "
			"{form: plain} is set");
	routes_record(b, yaml_get(n, "record"), r);
	build_about(b, yaml_get(n, "about"), &r->about);
	build_login(b, yaml_get(n, "login"), r);
	build_restore(b, yaml_get(n, "restore"), r);
	build_translate(b, yaml_get(n, "translate"), r);
	build_cache(b, yaml_get(n, "cache"), r);
	build_on_failure(b, yaml_get(n, "on_failure"), &r->on_failure);
	build_websocket(b, yaml_get(n, "websocket"), r);
	build_realtime(b, yaml_get(n, "realtime"), r);
}

void
build_routes(struct builder *b, const struct yaml_node *n)
{
	struct route *routes = build_list(b, n, "routes", sizeof(*routes));

	if (!routes)
		return;
	b->p->routes = b->routes = routes;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		build_route(b, c, &routes[b->p->nroutes]);
		b->p->nroutes++;
	}
	if (n->count == 0)
		diag_at(b->d, n,
			"routes: the list is empty, so every request would be refused: add a "
			"route");
}

/* ---- matching a request ---- */

bool
policy_host_in(struct span host, const char *const *hosts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool any = !strncmp(hosts[i], "*.", 2);
		struct span suffix = span_str(hosts[i] + any);
		if (any ? host.n > suffix.n && span_ends(host, suffix) : span_eq(host, suffix))
			return true;
	}
	return false;
}

bool
policy_route_has_path(const struct route *r, struct span method, struct span path)
{
	if (span_find(path, r->paths, r->npaths) < r->npaths)
		return true;
	if (r->api && !r->nprefixes)
		return dialect_serves(r->api, method, path, SPAN_LIT(""));
	for (size_t i = 0; i < r->nprefixes; i++) {
		struct span prefix = span_str(r->prefixes[i]);
		if (r->api ? dialect_serves(r->api, method, path, prefix)
			   : span_starts(path, prefix) &&
					(prefix.p[prefix.n - 1] == '/' || path.n == prefix.n ||
						path.p[prefix.n] == '/'))
			return true;
	}
	return false;
}

const struct route *
policy_route(const struct policy *p, struct span method, struct span host, struct span path)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if ((!r->nmethods ||
			    span_find(method, r->methods, r->nmethods) < r->nmethods) &&
			(!r->nhosts || policy_host_in(host, r->hosts, r->nhosts)) &&
			policy_route_has_path(r, method, path))
			return r;
	}
	return NULL;
}

const struct route *
policy_route_elsewhere(
	const struct policy *p, struct span method, struct span host, struct span path)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->nhosts && r->dialect && dialect_is_of_mcp(r->dialect) &&
			!policy_host_in(host, r->hosts, r->nhosts) &&
			policy_route_has_path(r, method, path))
			return r;
	}
	return NULL;
}

bool
policy_target_is(const struct target *t, const char *name)
{
	size_t n = strlen(t->name);

	return !strncmp(name, t->name, n) &&
	       (!name[n] || (name[n] == '/' && t->model && !strcmp(name + n + 1, t->model)));
}

const struct route *
policy_route_as(const struct route *r, struct span model)
{
	const struct route *own = r && r->of ? r->of : r;

	for (size_t i = 0; own && i < own->naliases; i++)
		if (span_is(model, own->aliases[i].alias))
			return &own->aliases[i];
	return own;
}
