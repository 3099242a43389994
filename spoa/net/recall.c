/* Settling what a crash left. */
#include "net/recall.h"

#include <stdlib.h>

#include "audit/audit.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

enum { WINDOWS_S = 32 * 86400 /* no reservation lives longer, and no window */ };

struct recall {
	struct tag tag;
	struct mail mail;
	struct worker *worker;
	struct audit *audit;
	struct quota_recall found;
};

int
recall_read(struct recall **out, const struct config *cfg, struct quota_table *table,
	struct quota_ledger *ledger, struct buf *why)
{
	const struct quota_recall_into into = { table, ledger,
		table_ms(table, clock_mono_us()) };
	struct recall *r = calloc(1, sizeof(*r));

	const uint64_t began_us = clock_mono_us();

	*out = NULL;
	if (!r)
		return ERR_NOMEM;
	TAG(recall, r);
	int err = quota_recall_read(
		&r->found, cfg->journal, cfg->node, into.now_ms / 1000 - WINDOWS_S, &into, why);
	log_event(LOG_INFO, "quota.recalled", LI("records", r->found.records),
		LI("ms", (clock_mono_us() - began_us) / 1000));
	if (r->found.cut)
		log_event(LOG_WARN, "quota.recall",
			LS("why", "the journal is longer than is read at a start: what was "
				  "used before is not counted"));
	if (err < 0 || r->found.norphans == 0) {
		quota_recall_free(&r->found);
		free(r);
		return err;
	}
	log_event(LOG_INFO, "quota.orphans", LI("decisions", r->found.norphans));
	*out = r;
	return 0;
}

/* ---- the record of it ---- */

struct completion {
	struct tag tag;
	struct audit_entry entry;
};

static void
written(struct audit_entry *e, int err UNUSED)
{
	struct completion *c = TAGGED_OF(completion, entry, e);

	buf_free(&c->entry.fields);
	free(c);
}

static void
record(struct audit *audit, const struct quota_orphan_of *o)
{
	struct completion *c = calloc(1, sizeof(*c));
	struct buf *b = c ? &c->entry.fields : NULL;

	if (!c)
		return;
	TAG(completion, c);
	buf_init(b, 16384);
	buf_printf(b,
		"\"type\":\"completion\",\"id\":\"%s\",\"outcome\":\"orphaned\","
		"\"why\":\"the daemon ended before the answer did: settled at its "
		"reservation\",\"usage_unknown\":true,\"settled\":[",
		o->id);
	for (size_t k = 0; k < o->ndims; k++) {
		char text[QUOTA_TEXT_MAX];
		size_t n = quota_write(&o->dim[k], text);
		buf_printf(b, "%s\"%.*s\"", k ? "," : "", (int)n, text);
	}
	buf_str(b, "]");
	c->entry.done = written;
	c->entry.keep = true;
	audit_append(audit, &c->entry);
}

static void
on_worker(struct mail *m, void *worker UNUSED)
{
	struct recall *r = TAGGED_OF(recall, mail, m);
	uint64_t now = clock_mono_us();

	for (struct quota_orphan_of *o = r->found.orphans; o; o = o->next) {
		record(r->audit, o);
		quota_recall_settle(gate_quota(r->worker->gate), o, now);
	}
	quota_recall_free(&r->found);
	free(r);
}

void
recall_settle(struct recall **rp, struct worker *w, struct audit *audit)
{
	struct recall *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	r->worker = w;
	r->audit = audit;
	r->mail.run = on_worker;
	mailbox_send(&w->mail, &r->mail);
}
