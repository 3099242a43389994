/* Reads the journal at a start and settles decisions without completion. */
#include "operator/server/recall.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/wall.h"
#include "record/audit/audit.h"
#include "record/audit/usage.h"

enum {
	WINDOWS_S = 32 * 86400, /* no reservation and no window lasts longer */
	SAID_MAX = 65536,
};

/* owner: main until recall_settle(), then the worker */
struct recall {
	struct tag tag;
	struct mail mail;
	struct worker *worker;
	struct audit *audit;
	struct shares *shares;
	struct quota_recall found;
};

/* ---- members of the decision that its completion repeats ---- */

/* Copies the named members that the object has. */
static void
take_over(struct buf *b, struct span object, const char *const *names)
{
	struct span v[16];

	usage_members(object, names, v);
	for (size_t i = 0; names[i]; i++)
		if (v[i].n)
			json_put_raw(b, names[i], v[i]);
}

static uint64_t
number_in(struct span s)
{
	uint64_t n;

	return s.n && span_u64(s, &n) == 0 ? n : 0;
}

/* Returns the reserved dollars from the limits' amounts, for a record without a sum. */
static uint64_t
most_of_limits(const struct quota_orphan_of *o)
{
	uint64_t most = 0;

	for (size_t k = 0; k < o->ndims; k++)
		if (o->dim[k].unit == QUOTA_NANOUSD && o->dim[k].n > most)
			most = o->dim[k].n;
	return most;
}

/* Returns a JSON string without its quotes. */
static struct span
bare_text(struct span s)
{
	return span_cut(s, 1, s.n ? s.n - 1 : 0);
}

/* Writes the attempts: those in the decision's record, and the last one, whose cost is unknown.
 */
static void
put_orphan_attempts(struct buf *b, struct span before, struct span target, struct span model,
	uint64_t tokens, uint64_t nanousd)
{
	json_put_open(b, "attempts", '[');
	buf_span(b, bare_text(before));
	json_put_open(b, NULL, '{');
	json_put_printf(b, "target", "\"%.*s%s%.*s\"", SPAN_ARG(bare_text(target)),
		model.n > 2 ? "/" : "", SPAN_ARG(bare_text(model)));
	json_put_form(b, "'cause':'perhaps_billed','tokens':%u", tokens);
	if (nanousd)
		json_put_uint(b, "cost", nanousd);
	json_put_bool(b, "maybe_billed", true);
	buf_str(b, "}]");
}

/* Collects the members for the completion of a decision. The names are those in
 * record/audit/record_fields.h. */
static void
on_orphan(struct quota_orphan_of *o, struct span line)
{
	static const char *const same[] = { "policy", "policy_version", "shadow", "observing",
		"route", "target", "region", "about", "backend", "model", "tags",
		"request_tags", NULL };
	static const char *const who[] = { "method", "person", "agent", "team", "key", NULL };
	enum { IDENTITY, PROMPT, CANDIDATES, ATTEMPTS, TARGET, MODEL, NANOUSD, N };
	static const char *const names[] = { "identity", "prompt", "candidates", "attempts",
		"target", "model", "reserved_nanousd", NULL };
	static const char *const counted[] = { "reserved_input_tokens",
		"estimated_input_tokens", "reserved_output_tokens", NULL };
	struct span v[N], n[COUNT_OF(counted) - 1];
	struct buf *b = &o->said;

	usage_members(line, names, v);
	usage_members(v[PROMPT], counted, n);
	uint64_t input = number_in(n[n[0].n ? 0 : 1]), output = number_in(n[2]),
		 nanousd = v[NANOUSD].n ? number_in(v[NANOUSD]) : most_of_limits(o);
	buf_init(b, SAID_MAX);
	json_put_open(b, "identity", '{');
	take_over(b, v[IDENTITY], who);
	json_put_form(
		b, "},'reserved_usage':{'input_tokens':%u,'output_tokens':%u", input, output);
	if (nanousd)
		json_put_uint(b, "cost_nanousd", nanousd);
	json_put_close(b, '}');
	take_over(b, line, same);
	if (v[CANDIDATES].n)
		put_orphan_attempts(
			b, v[ATTEMPTS], v[TARGET], v[MODEL], input + output, nanousd);
}

/* Keeps the state for the start checkpoints, if it is known how far the journal is durable. */
static void
keep_state(struct quota_recall *found, bool durable, const struct startpoint *used, bool whole,
	struct startpoints_from *out)
{
	if (!durable || !found->at.offset)
		return;
	*out = (struct startpoints_from){
		.fold = found->fold, .at = found->at, .whole = whole
	};
	if (used)
		startpoint_copy(&out->used, used);
	found->fold = NULL;
	found->at = (struct startpoint){ .offset = 0 };
}

/* Reads what limits had counted before the last stop, from the start checkpoint and the journal
 * after it. If the checkpoint is refused, the whole journal is read. Decisions whose completion
 * is missing, and settlements that Redis may lack, stay in *out until recall_settle(); without
 * any, *out is NULL. */
int
recall_read(struct recall **out, struct startpoints_from *from, const struct config *cfg,
	struct audit *audit, struct quota_table *table, struct quota_ledger *ledger,
	struct shares *shares, struct metrics *m, struct buf *why)
{
	struct follow_end end;
	bool durable = audit_end(audit, &end);
	/* Use the earlier of the possible times: with a clock that is ahead, a window would
	 * seem to have ended, and its charges would be missing once the clock is corrected. */
	const struct quota_recall_into into = { table, ledger, wall_least_ns() / 1000000,
		shares, on_orphan, audit_startpoint(audit), durable ? &end : NULL };
	struct recall *r = calloc(1, sizeof(*r));

	const uint64_t began_us = clock_mono_us();

	*out = NULL;
	*from = (struct startpoints_from){ .fold = NULL };
	if (!r)
		return ERR_NOMEM;
	TAG(recall, r);
	r->shares = shares;
	int err = quota_recall_read(
		&r->found, cfg->journal, cfg->node, into.now_ms / 1000 - WINDOWS_S, &into, why);
	bool whole = !into.from || r->found.whole;
	log_event(LOG_INFO, "quota.recalled", LI("records", r->found.records),
		LI("ms", (clock_mono_us() - began_us) / 1000),
		LS("from", whole ? "journal" : "checkpoint"));
	if (r->found.whole) {
		metric_inc(m, M_START_REFUSED);
		log_event(LOG_WARN, "start.checkpoint_refused", LS("journal", cfg->journal),
			LS("why", r->found.whole),
			LS("note", "the start ignores the start checkpoint and reads the whole "
				   "journal"));
	}
	if (!err && r->found.fold->full)
		log_event(LOG_WARN, "quota.recall_full", LI("counters", FOLD_COUNTS_MAX),
			LI("decisions", QUOTA_ORPHANS_MAX),
			LS("why", "the journal has more counters or unfinished decisions than "
				  "a start reads: usage of the rest is not counted again"));
	if (!err)
		keep_state(&r->found, durable, into.from, whole, from);
	audit_startpoint_free(audit);
	if (r->found.cut)
		log_event(LOG_WARN, "quota.recall",
			LS("why", "the journal is longer than a start reads: earlier usage is "
				  "counted in Redis only"));
	if (r->found.unnamed)
		log_event(LOG_WARN, "quota.unnamed", LI("charges", r->found.unnamed),
			LS("why", "the shares of these persons no longer exist: their charges "
				  "are not counted again, and their reservations expire"));
	if (err < 0 || (!r->found.norphans && !r->found.nlate)) {
		quota_recall_free(&r->found);
		TAG_CLEAR(recall, r);
		free(r);
		return err;
	}
	if (r->found.norphans)
		log_event(LOG_INFO, "quota.orphans", LI("decisions", r->found.norphans));
	if (r->found.nlate)
		log_event(LOG_INFO, "quota.repeated", LI("settlements", r->found.nlate));
	*out = r;
	return 0;
}

/* ---- the record of the settlement ---- */

static void
record_orphan(struct audit *audit, const struct quota_orphan_of *o)
{
	struct audit_entry *e = audit_entry_new();
	struct buf *b = e ? &e->fields : NULL;

	if (!e)
		return;
	json_put_form(b,
		"'type':'completion','id':%t,'outcome':'orphaned','why':'the daemon ended "
		"before the answer did: settled at its reservation'",
		span_str(o->id));
	if (o->said.n && !buf_failed(&o->said))
		json_put_raw(b, NULL, buf_view(&o->said));
	json_put_bool(b, "usage_unknown", true);
	json_put_open(b, "settled", '[');
	for (size_t k = 0; k < o->ndims; k++) {
		char text[QUOTA_TEXT_MAX];
		json_put_text(b, NULL, span_of(text, quota_write(&o->dim[k], text)));
	}
	json_put_close(b, ']');
	audit_append(audit, e);
}

static void
on_worker(struct mail *m, void *worker UNUSED)
{
	struct recall *r = TAGGED_OF(recall, mail, m);
	uint64_t now = clock_mono_us();

	for (struct quota_orphan_of *o = r->found.orphans; o; o = o->next) {
		record_orphan(r->audit, o);
		quota_recall_settle(gate_quota(r->worker->gate), o, r->shares, now);
	}
	for (size_t i = 0; i < r->found.nlate; i++)
		quota_repeat(gate_quota(r->worker->gate), &r->found.late[i]);
	quota_recall_free(&r->found);
	TAG_CLEAR(recall, r);
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
