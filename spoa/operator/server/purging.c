/* Each purge is a record with the names of what went. Nothing that is in force changes by it,
 * so nobody waits for the record. */
#include "operator/server/looks.h"

#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/changes/live.h"
#include "operator/server/server.h"
#include "record/audit/audit.h"

enum { AT_ONCE = 256 }; /* whose names fit into a record */

void
purging_look(struct server *s)
{
	struct audit_entry *e = NULL;

	if (!s->live || (s->audit && !audit_ready(s->audit)))
		return;
	SCOPED_BUF(ids, 0);
	size_t n = live_purge(s->live, clock_wall_ns(), AT_ONCE, &ids);
	if (n)
		log_event(LOG_INFO, "live.purged", LI("entries", n));
	if (n && s->audit && (e = audit_entry_new())) {
		json_put_str(&e->fields, "type", "change");
		json_put_str(&e->fields, "what", "live");
		json_put_str(&e->fields, "change", "purge");
		json_put_uint(&e->fields, "entries", n);
		json_put_printf(&e->fields, "ids", "[%.*s]", SPAN_ARG(buf_view(&ids)));
		audit_append(s->audit, e);
	}
}
