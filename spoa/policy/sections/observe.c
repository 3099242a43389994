/* Reads `observe` of a policy: hosts whose callers without a key are passed to `backend` until
 * a date, while a deployment moves to the gateway. */
#include "base/clock.h"
#include "base/wall.h"
#include "policy/build.h"

/* until: 2026-12-31: the end of the observation, at most OBSERVE_DAYS_MAX days ahead. */
static void
observe_until(struct builder *b, const struct yaml_node *n, struct observe *o)
{
	char latest[CLOCK_RFC3339_LEN];
	int64_t most = wall_now_ns() + OBSERVE_DAYS_MAX * CLOCK_DAY_NS;

	clock_rfc3339(most, latest);
	if (n->kind != YAML_SCALAR || (clock_parse_day(n->s.p, n->s.n, &o->until_ns) < 0 &&
					      clock_parse(n->s.p, n->s.n, &o->until_ns) < 0))
		diag_at(b->d, n,
			"until: a date such as 2026-12-31 (its first moment, UTC) or a time "
			"such as 2026-12-31T18:00:00Z is expected, found %s",
			yaml_found(n));
	else if (o->until_ns > most)
		diag_at(b->d, n,
			"until: %s is more than %d days ahead: the last possible day is %.10s",
			n->s.p, OBSERVE_DAYS_MAX, latest);
}

void
build_observe(struct builder *b, const struct yaml_node *n)
{
	static const char *const needed[] = { "hosts", "backend", "until" };
	struct observe *o = &b->p->observe;
	const struct yaml_node *c;

	if (!n || !build_section(b, n, SECTION_OBSERVE, NULL))
		return;
	o->at = n->key;
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!yaml_get(n, needed[i]))
			diag_at(b->d, n->key, "observe: %s is missing", needed[i]);
	build_hosts(b, yaml_get(n, "hosts"), "hosts", &o->hosts, &o->nhosts);
	if ((c = yaml_get(n, "backend")))
		build_backend(b, c, &o->backend);
	if ((c = yaml_get(n, "until")))
		observe_until(b, c, o);
}
