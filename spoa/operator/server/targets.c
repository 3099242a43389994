/* The targets of the policy in force by name, and how each does. */
#include "base/clock.h"
#include "gate/auth/auth.h"
#include "gate/snapshot.h"
#include "gate/targets/state.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

static void
look_at_target(struct target_table *table, const struct snapshot *snap,
	const struct route *routes, size_t n, struct nearest *near, bool *found)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < routes[i].ntargets; k++) {
			const struct target *t = &routes[i].targets[k];
			if (!t->name[0])
				continue;
			struct target_state *s = target_state_of(table, t);
			target_named(
				s, t->credential && snap->auths &&
					   !auth_usable(snap->auths[t->credential->index]));
			*found |= nearest_is(near, t->name) || nearest_is(near, target_name(s));
		}
}

/* Each target of the policy in force has its entry then, asked or not. Whether one has this
 * name.
 */
bool
server_target_find(struct server *s, const char *name, struct nearest *near)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;
	bool found = false;

	*near = nearest_to(span_str(name));
	look_at_target(gate_targets(s->shared), snap, p->routes, p->nroutes, near, &found);
	for (size_t i = 0; i < p->nroutes; i++)
		look_at_target(gate_targets(s->shared), snap, p->routes[i].aliases,
			p->routes[i].naliases, near, &found);
	return found;
}

void
server_targets(struct server *s, struct buf *json, struct buf *metrics)
{
	struct nearest near;

	server_target_find(s, "", &near);
	if (json)
		target_table_json(json, gate_targets(s->shared), clock_mono_us());
	if (metrics)
		target_table_metrics(metrics, gate_targets(s->shared), clock_mono_us());
}
