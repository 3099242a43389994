/* audit_entry_new(): a file of its own, because tests replace the functions of audit.c and
 * need this one. */
#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "record/audit/audit.h"

static void
free_entry(struct audit_entry *e, int err UNUSED)
{
	buf_free(&e->fields);
	free(e);
}

struct audit_entry *
audit_entry_new(void)
{
	struct audit_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	buf_init(&e->fields, CAP_RECORD_BYTES);
	e->done = free_entry;
	e->keep = true;
	return e;
}
