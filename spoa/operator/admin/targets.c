/* Targets by hand: how each does, one that is taken out, one that is let in again. */
#include <microhttpd.h>

#include "gate/snapshot.h"
#include "gate/targets/sync.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

static struct target_table *
table_of(struct server *s)
{
	return gate_targets(s->shared);
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
change_target(struct change *c, json_t **before, json_t **after)
{
	const char *name = change_text(c, "target");
	struct nearest near;

	(void)before;
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
	return change_note("target", "eject", change_target, eject, s, peer, in, out);
}

unsigned
admin_target_admit(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	return change_note("target", "admit", change_target, admit, s, peer, in, out);
}
