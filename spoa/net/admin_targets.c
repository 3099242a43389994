/* Targets by hand: how each does, one that is taken out, one that is let in again. */
#include <microhttpd.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "config/read.h"
#include "gate/snapshot.h"
#include "net/change.h"
#include "net/server.h"
#include "targets/sync.h"

static struct target_table *
table_of(struct server *s)
{
	return gate_targets(s->shared);
}

static void
look_at(struct target_table *table, const struct snapshot *snap, const struct route *routes,
	size_t n, struct nearest *near, bool *found)
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
static bool
find(struct server *s, const char *name, struct nearest *near)
{
	struct snapshot *snap = server_snapshot(s);
	const struct policy *p = snap->policy;
	bool found = false;

	*near = nearest_to(span_str(name));
	look_at(table_of(s), snap, p->routes, p->nroutes, near, &found);
	for (size_t i = 0; i < p->nroutes; i++)
		look_at(table_of(s), snap, p->routes[i].aliases, p->routes[i].naliases, near,
			&found);
	snapshot_unref(&snap);
	return found;
}

void
server_targets(struct server *s, struct buf *json, struct buf *metrics)
{
	struct nearest near;

	find(s, "", &near);
	if (json)
		target_table_json(json, table_of(s), clock_mono_us());
	if (metrics)
		target_table_metrics(metrics, table_of(s), clock_mono_us());
}

unsigned
admin_targets(struct server *s, struct buf *out)
{
	buf_str(out, "{\"targets\":");
	server_targets(s, out, NULL);
	buf_str(out, "}\n");
	return MHD_HTTP_OK;
}

static bool
make(struct change *c, json_t **before, json_t **after)
{
	const char *name = change_text(c, "target");
	struct nearest near;

	(void)before;
	if (c->status != MHD_HTTP_OK)
		return false;
	if (!name || !name[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"target is missing: PROVIDER, or PROVIDER/MODEL");
	if (!find(c->s, name, &near))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.160s: the policy in force has no such target%s", name,
			nearest_hint(&near));
	*after = json_pack("{s:s}", "id", name);
	return change_sign(c, *after);
}

static void
eject(struct server *s, const json_t *after)
{
	target_eject(table_of(s), span_str(json_string_value(json_object_get(after, "id"))));
	target_sync_soon(s->target_sync);
}

static void
admit(struct server *s, const json_t *after)
{
	target_admit(table_of(s), span_str(json_string_value(json_object_get(after, "id"))));
	target_sync_soon(s->target_sync);
}

unsigned
admin_target_eject(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	return change_note("target", "eject", make, eject, s, peer, in, out);
}

unsigned
admin_target_admit(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	return change_note("target", "admit", make, admit, s, peer, in, out);
}
