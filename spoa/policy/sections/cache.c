/* Reads `cache` of a route: how long responses are kept (`exact`), and which other requests get
 * a stored response: those with a nearly equal prompt (`near`) or with a similar meaning
 * (`semantic`). */
#include "base/among.h"
#include "policy/build.h"
#include "policy/config/read.h"

#define WARMEST		    2.0	 /* the highest temperature that providers accept */
#define SEMANTIC_SIMILARITY 0.95 /* default; the least is SEMANTIC_SIMILARITY_LEAST */

/* prose: ok courtesy. near: true, or {similarity: …, courtesy: FILE}. The file lists polite phrases that do not
 * change the meaning of a prompt. */
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

void
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
