/* Each purge is a record with the names of what went. Nothing that is in force changes by it,
 * so nobody waits for the record. */
#include "operator/server/looks.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "gate/changes/live.h"
#include "operator/server/server.h"
#include "record/audit/audit.h"

enum { AT_ONCE = 256 }; /* whose names fit into a record */

static void
purge_recorded(struct audit_entry *e, int err UNUSED)
{
	buf_free(&e->fields);
	free(e);
}

/* NULL: out of memory. */
static struct audit_entry *
record_of(size_t n, struct span fields)
{
	struct audit_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	buf_init(&e->fields, CAP_RECORD_BYTES);
	buf_printf(&e->fields,
		"\"type\":\"change\",\"what\":\"live\",\"change\":\"purge\",\"entries\":%zu,"
		"\"ids\":[%.*s]",
		n, SPAN_ARG(fields));
	e->done = purge_recorded;
	e->keep = true;
	return e;
}

void
purging_look(struct server *s)
{
	struct audit_entry *e = NULL;
	struct buf fields;

	if (!s->live || (s->audit && !audit_ready(s->audit)))
		return;
	buf_init(&fields, 0);
	size_t n = live_purge(s->live, clock_wall_ns(), AT_ONCE, &fields);
	if (n)
		log_event(LOG_INFO, "live.purged", LI("entries", n));
	if (n && s->audit)
		e = record_of(n, buf_view(&fields));
	if (e)
		audit_append(s->audit, e);
	buf_free(&fields);
}
