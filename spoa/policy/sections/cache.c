/* A route's cache: whose answers are kept, and for how long. */
#include "policy/build.h"
#include "policy/config/read.h"

#define WARMEST 2.0

/* near: true, or how alike and without which courtesies. */
static void
build_near(struct builder *b, const struct yaml_node *n, struct route_cache *c)
{
	const struct yaml_node *likeness = yaml_get(n, "likeness"),
			       *file = yaml_get(n, "courtesy");
	const char *path = NULL;
	bool on = true;

	if (n->kind == YAML_SCALAR && (!read_bool(b->d, n, &on) || !on))
		return;
	if (n->kind != YAML_SCALAR && !build_section(b, n, SECTION_CACHE_NEAR, NULL))
		return;
	c->likeness = NEAR_LIKENESS_LEAST;
	if (likeness && !(yaml_double(likeness, &c->likeness) &&
				c->likeness >= NEAR_LIKENESS_LEAST && c->likeness <= 1))
		diag_at(b->d, likeness,
			"likeness: a number from 0.9 to 1 is expected, found %s",
			yaml_found(likeness));
	if (file && !build_path(b, file, &path))
		return;
	if (!path && !b->courtesy)
		b->courtesy = courtesy_load(b->a, NULL, b->d);
	c->near = path ? courtesy_load(b->a, path, b->d) : b->courtesy;
}

void
build_cache(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *exact = yaml_get(n, "exact"), *near = yaml_get(n, "near"),
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
	if (t && !(yaml_double(t, &r->cache.temperature) && r->cache.temperature >= 0 &&
			 r->cache.temperature <= WARMEST))
		diag_at(b->d, t, "temperature: a number from 0 to 2 is expected, found %s",
			yaml_found(t));
	if (near)
		build_near(b, near, &r->cache);
	if (b->cfg && !b->cfg->relay)
		diag_at(b->d, n->key,
			"cache: answers are given again by the relay, and "
			"tollgate.yaml has no relay.listen");
}
