/* A route's cache: whose answers are kept, and for how long. */
#include "base/among.h"
#include "policy/build.h"
#include "policy/config/read.h"

#define WARMEST		    2.0
#define SEMANTIC_SIMILARITY 0.95

/* near: true, or how alike and without which courtesies. */
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

/* semantic: by whose embeddings, and how alike. */
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
			"semantic: needs a Redis that has vector sets (VADD: Redis 8 and "
			"later), and tollgate.yaml has no cache.redis");
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
	/* rules judge where the request goes; its prompt goes no further */
	for (size_t i = 0; i < r->ntargets; i++)
		if ((s->at.external && !r->targets[i].external) ||
			strcmp(s->at.region, r->targets[i].region)) {
			diag_at(b->d, at,
				"embeddings: %s is external or of another region, and %s, a "
				"target of the route, is not: rules judge the target alone",
				s->at.name, r->targets[i].known);
			return;
		}
	c->semantic = s;
}

/* A number, or true: whatever it is. */
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

/* Names of header fields (RFC 9110 5.6.2), with '*' at the end for all that begin so. */
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
				"%s: the name of a header field, or the beginning of names with * "
				"after it, is expected, found %s",
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
		diag_at(b->d, n->key, "cache: exact is missing: for how long, as ttl");
		return;
	}
	if (!build_section(b, exact, SECTION_CACHE_EXACT, &r->cache))
		return;
	if (!r->cache.ttl_us && !yaml_get(exact, "ttl"))
		diag_at(b->d, exact->key,
			"exact: ttl is missing: for how long answers are kept");
	build_temperature(b, t, &r->cache);
	build_cache_fields(b, exact, "key_headers", &r->cache.keyed, &r->cache.nkeyed);
	build_cache_fields(b, exact, "ignore_headers", &r->cache.ignored, &r->cache.nignored);
	if (near)
		build_near(b, near, &r->cache);
	if (semantic)
		build_semantic(b, semantic, r);
	if (b->cfg && !b->cfg->relay)
		diag_at(b->d, n->key,
			"cache: answers are given again by the relay, and "
			"tollgate.yaml has no relay.listen");
}
