/* Webhooks over the admin socket: what came of them, and one to try. */
#include "operator/telemetry/notify.h"

#include <microhttpd.h>

#include "base/attr.h"
#include "base/codec/json_text.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"

void
admin_notify(struct server *s, struct buf *out)
{
	notify_status(s->notify, out);
}

static bool
change_notify(struct change *c, json_t **before UNUSED, json_t **after)
{
	if (!c->s->notify)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"notify.url is not configured: nobody would be told");
	if (notify_testing(c->s->notify))
		return change_refuse(
			c, MHD_HTTP_CONFLICT, "a test is under way: see tollgate notify status");
	*after = json_pack("{s:s}", "id", "test");
	return change_sign(c, *after);
}

static void
send_one(struct change *c UNUSED, const json_t *after)
{
	notify_test(json_text_in(after, "by"));
}

const struct change_row admin_notify_test = { "notify", 0, "test", change_notify, send_one };
