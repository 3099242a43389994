/* A route's cache: whose answers are kept, and for how long. */
#include "policy/build.h"

#define WARMEST 2.0

void
build_cache(struct builder *b, const struct yaml_node *n, struct route *r)
{
	const struct yaml_node *exact = yaml_get(n, "exact"),
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
	if (b->cfg && !b->cfg->relay)
		diag_at(b->d, n->key,
			"cache: answers are given again by the relay, and "
			"tollgate.yaml has no relay.listen");
}
