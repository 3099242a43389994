/* Targets by hand: how each does, one that is taken out, one that is let in again. */
#include <microhttpd.h>

#include "base/attr.h"
#include "base/codec/json_text.h"
#include "base/json_put.h"
#include "gate/snapshot.h"
#include "gate/targets/sync.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

void
admin_targets(struct server *s, struct buf *out)
{
	json_put_form(out, "{'targets':");
	server_targets(s, out, NULL);
	buf_str(out, "}\n");
}

static bool
change_target(struct change *c, json_t **before UNUSED, json_t **after)
{
	const char *name = change_text(c, "target");
	struct nearest near;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (!name || !name[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"target is missing: PROVIDER, or PROVIDER/MODEL");
	if (!server_target_find(c->s, name, &near))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.160s: the policy in force has no such target%s", name,
			nearest_hint(&near));
	*after = json_pack("{s:s}", "id", name);
	return change_sign(c, *after);
}

static void
eject(struct change *c, const json_t *after)
{
	target_eject(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

static void
admit(struct change *c, const json_t *after)
{
	target_admit(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

const struct change_row admin_target_eject = { "target", 0, "eject", change_target, eject };

const struct change_row admin_target_admit = { "target", 0, "admit", change_target, admit };
