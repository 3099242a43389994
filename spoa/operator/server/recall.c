/* Reads the journals of both instances, counts their amounts, and settles decisions without
 * completion. The own journal is read at the start. The other instance's journal is read when
 * no process writes to it: at the start, or after the older instance has ended. Until then that
 * instance counts and settles its requests itself.
 *
 * An orphan of the other instance's journal is settled by a completion in the own one. The
 * state of limits remembers such orphans (quota_fold.h), so that the other instance's next
 * start settles none a second time. */
#include "operator/server/recall.h"
#include "operator/server/recall_gone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "record/audit/audit.h"
#include "record/audit/keys.h"
#include "record/audit/usage.h"
#include "record/seal/shares.h"

enum {
	WINDOWS_S = 32 * 86400, /* no reservation and no window lasts longer */
	SAID_MAX = 65536,
	ULID_TIME = 10, /* characters of an id that are its time */
};

/* The result of reading one journal. */
struct recalled {
	struct quota_recall found;
	struct startpoint used; /* the checkpoint from which the journal was read */
	struct shares *shares;	/* borrowed for the own journal, owned for the other one */
	bool read;
};

/* owner: main until recall_settle() or recall_other(), then the worker */
struct recall {
	struct tag tag;
	struct mail mail;
	struct worker *worker;
	struct audit *audit;
	const struct config *cfg;
	struct quota_table *table;
	struct recalled of[LEDGER_PARTS];
	/* the own decisions whose id is less were settled by another daemon */
	char settled_before[ULID_TIME + 1];
	bool late; /* the other instance's journal was read while the worker runs */
};

struct recall_after {
	struct quota_fold *ended;
};

static void
recall_free(struct recall **rp)
{
	struct recall *r = *rp;

	if (!r)
		return;
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++) {
		quota_recall_free(&r->of[i].found);
		startpoint_free(&r->of[i].used);
	}
	shares_close(&r->of[LEDGER_OTHER].shares);
	TAG_CLEAR(recall, r);
	free(r);
	*rp = NULL;
}

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

/* ---- reading ---- */

static struct quota_recall_into
into_of(struct recall *r, enum ledger_of part, struct quota_ledger *ledger)
{
	/* Use the earlier of the possible times: with a clock that is ahead, a window would
	 * seem to have ended, and its charges would be missing once the clock is corrected. */
	return (struct quota_recall_into){ .table = r->table,
		.ledger = ledger,
		.part = part,
		.now_ms = wall_least_ns() / 1000000,
		.shares = r->of[part].shares,
		.settled_before = part == LEDGER_OWN ? r->settled_before : NULL,
		.orphan = on_orphan };
}

static void
log_read(const struct config *of, const struct quota_recall *found,
	const struct startpoint *from, uint64_t began_us, struct metrics *m)
{
	log_event(LOG_INFO, "quota.recalled", LS("node", of->node),
		LI("records", found->records), LI("ms", (clock_mono_us() - began_us) / 1000),
		LS("from", from && !found->whole ? "checkpoint" : "journal"));
	if (found->whole) {
		metric_inc(m, M_START_REFUSED);
		log_event(LOG_WARN, "start.checkpoint_refused", LS("journal", of->journal),
			LS("why", found->whole),
			LS("note", "the start ignores the start checkpoint and reads the whole "
				   "journal"));
	}
	if (found->fold->full)
		log_event(LOG_WARN, "quota.recall_full", LI("counters", FOLD_COUNTS_MAX),
			LI("decisions", QUOTA_ORPHANS_MAX),
			LS("why", "the journal has more counters or unfinished decisions than "
				  "a start reads: usage of the rest is not counted again"));
	if (found->cut)
		log_event(LOG_WARN, "quota.recall",
			LS("why", "the journal is longer than a start reads: earlier usage is "
				  "counted in Redis only"));
	if (found->unnamed)
		log_event(LOG_WARN, "quota.unnamed", LI("charges", found->unnamed),
			LS("why", "the shares of these persons no longer exist: their charges "
				  "are not counted again, and their reservations expire"));
}

static int
read_part(struct recall *r, enum ledger_of part, const struct startpoint *from,
	const struct follow_end *end, struct metrics *m, struct buf *why)
{
	const struct config *of = config_part(r->cfg, part);
	struct quota_recall_into into = into_of(r, part, NULL);
	const uint64_t began_us = clock_mono_us();

	into.from = from;
	into.end = end;
	int err = quota_recall_lines(&r->of[part].found, of->journal, of->node,
		into.now_ms / 1000 - WINDOWS_S, &into, why);
	if (err)
		return err;
	r->of[part].read = true;
	log_read(of, &r->of[part].found, from, began_us, m);
	return 0;
}

/* Loads the other instance's start checkpoint. Without one that verifies, the whole journal is
 * read. */
static void
load_other_startpoint(const struct config *other, struct startpoint *out)
{
	const struct hashkey none = { .derived = false };
	struct audit_keys *keys = calloc(1, sizeof(*keys));
	SCOPED_BUF(why, 4096);
	int err = keys ? audit_keys_load(keys, other, &none, &why) : ERR_NOMEM;

	if (!err)
		err = startpoint_load(out, other->journal, other->node, &keys->ring, &why);
	if (err) {
		startpoint_free(out);
		if (why.n)
			log_event(LOG_WARN, "start.checkpoint_refused",
				LS("journal", other->journal), LSP("why", buf_view(&why)),
				LS("note", "the start ignores the start checkpoint and reads "
					   "the whole journal"));
	}
	if (keys)
		audit_keys_free(keys);
	free(keys);
}

/* Reads the other instance's journal. A failure is logged: the own usage is known, and requests
 * are decided by it. */
static bool
read_other(struct recall *r, struct metrics *m)
{
	const struct config *other = config_part(r->cfg, CONFIG_OTHER);
	struct recalled *of = &r->of[LEDGER_OTHER];
	SCOPED_BUF(why, 4096);
	SCOPED_BUF(lost_why, 4096);
	uint64_t lost;

	if (other->nauditors && other->seal_shares && access(other->seal_shares, F_OK) == 0)
		of->shares = shares_open(
			other->seal_shares, NULL, other->node, &lost, &lost_why, &why);
	load_other_startpoint(other, &of->used);
	int err = read_part(r, LEDGER_OTHER, of->used.offset ? &of->used : NULL, NULL, m, &why);
	if (err || why.n)
		log_event(LOG_ERROR, "quota.recall_other", LS("journal", other->journal),
			LSP("why", buf_view(&why)),
			LS("note", "usage that the other instance recorded is not counted "
				   "again if Redis loses its data"));
	return err == 0;
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

/* Lists the orphans of both journals that neither journal settles. */
static void
match_orphans(struct recall *r, bool take_other)
{
	struct recalled *own = &r->of[LEDGER_OWN], *other = &r->of[LEDGER_OTHER];

	if (other->read) {
		quota_fold_settled_by(own->found.fold, other->found.fold);
		quota_fold_settled_by(other->found.fold, own->found.fold);
		if (take_other)
			quota_fold_forget_ended(own->found.fold, other->found.fold);
	}
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++) {
		struct quota_recall_into into = into_of(r, i, NULL);
		if (r->of[i].read && (i == LEDGER_OWN || take_other))
			quota_recall_orphans(
				&r->of[i].found, config_part(r->cfg, i)->journal, &into);
	}
}

/* Writes the begin of the ids of that time: a ULID (gate/request.c). */
static void
put_id_time(char out[ULID_TIME + 1], int64_t ns)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t ms = (uint64_t)ns / 1000000;

	for (int i = ULID_TIME - 1; i >= 0; i--, ms >>= 5)
		out[i] = alphabet[ms & 31];
}

int
recall_read(struct recall **out, struct startpoints_from *from, struct recall_after **after,
	const struct config *cfg, struct audit *audit, struct quota_table *table,
	struct quota_ledger *ledger, struct shares *shares, int64_t settled_ns, struct metrics *m,
	struct buf *why)
{
	struct follow_end end;
	bool durable = audit_end(audit, &end);
	const struct startpoint *used = audit_startpoint(audit);
	const struct config *other = config_other_that_wrote(cfg);
	bool take_other = other && journal_is_free(other->journal);
	struct recall *r = calloc(1, sizeof(*r));

	*out = NULL;
	*after = NULL;
	*from = (struct startpoints_from){ .fold = NULL };
	if (!r)
		return ERR_NOMEM;
	TAG(recall, r);
	r->cfg = cfg;
	r->table = table;
	r->of[LEDGER_OWN].shares = shares;
	if (settled_ns)
		put_id_time(r->settled_before, settled_ns);
	int err = read_part(r, LEDGER_OWN, used, durable ? &end : NULL, m, why);
	if (err < 0) {
		recall_free(&r);
		return err;
	}
	struct quota_recall *own = &r->of[LEDGER_OWN].found;
	/* The other instance may have settled orphans of this one, also if it runs now. */
	if (take_other || (other && own->fold->nopen))
		take_other = read_other(r, m) && take_other;
	match_orphans(r, take_other);
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++) {
		struct quota_recall_into into = into_of(r, i, ledger);
		if (i == LEDGER_OWN || take_other)
			quota_recall_count(&r->of[i].found, config_part(cfg, i)->node, &into);
	}
	if (other && !take_other && (*after = calloc(1, sizeof(**after)))) {
		(*after)->ended = quota_fold_new(NULL);
		if (!(*after)->ended || quota_fold_copy_ended((*after)->ended, own->fold))
			recall_after_free(after);
	}
	keep_state(own, durable, used, !used || own->whole, from);
	audit_startpoint_free(audit);
	size_t orphans = own->norphans + (take_other ? r->of[LEDGER_OTHER].found.norphans : 0);
	size_t late = own->nlate + (take_other ? r->of[LEDGER_OTHER].found.nlate : 0);
	if (!orphans && !late) {
		recall_free(&r);
		return 0;
	}
	if (orphans)
		log_event(LOG_INFO, "quota.orphans", LI("decisions", orphans));
	if (late)
		log_event(LOG_INFO, "quota.repeated", LI("settlements", late));
	*out = r;
	return 0;
}

void
recall_after_free(struct recall_after **a)
{
	if (*a)
		quota_fold_free(&(*a)->ended);
	free(*a);
	*a = NULL;
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
	struct quota *qt = gate_quota(r->worker->gate);
	uint64_t now = clock_mono_us();

	if (r->late) {
		struct quota_recall_into into = into_of(r, LEDGER_OTHER, quota_ledger_of(qt));
		quota_recall_count(&r->of[LEDGER_OTHER].found,
			config_part(r->cfg, CONFIG_OTHER)->node, &into);
		quota_other_added(qt);
	}
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++) {
		const struct quota_recall *found = &r->of[i].found;
		for (struct quota_orphan_of *o = found->orphans; o; o = o->next) {
			if (i == LEDGER_OWN && strcmp(o->id, r->settled_before) < 0)
				continue;
			record_orphan(r->audit, o);
			quota_recall_settle(qt, o, r->of[i].shares, now);
		}
		for (size_t k = 0; k < found->nlate; k++)
			quota_repeat(qt, &found->late[k]);
	}
	recall_free(&r);
}

static void
send_to_worker(struct recall *r, struct worker *w, struct audit *audit)
{
	r->worker = w;
	r->audit = audit;
	r->mail.run = on_worker;
	mailbox_send(&w->mail, &r->mail);
}

void
recall_settle(struct recall **rp, struct worker *w, struct audit *audit)
{
	struct recall *r = *rp;

	*rp = NULL;
	if (r)
		send_to_worker(r, w, audit);
}

bool
recall_other(const struct recall_after *after, const struct config *cfg, struct worker *w,
	struct quota_table *table, struct audit *audit, struct metrics *m)
{
	struct recall *r = calloc(1, sizeof(*r));

	if (!r)
		return false;
	TAG(recall, r);
	r->cfg = cfg;
	r->table = table;
	r->late = true;
	if (!read_other(r, m)) {
		recall_free(&r);
		return false;
	}
	struct quota_recall_into into = into_of(r, LEDGER_OTHER, NULL);
	quota_fold_settled_by(r->of[LEDGER_OTHER].found.fold, after->ended);
	quota_recall_orphans(
		&r->of[LEDGER_OTHER].found, config_part(cfg, CONFIG_OTHER)->journal, &into);
	if (r->of[LEDGER_OTHER].found.norphans)
		log_event(LOG_INFO, "quota.orphans",
			LI("decisions", r->of[LEDGER_OTHER].found.norphans));
	send_to_worker(r, w, audit);
	return true;
}

/* ---- a retired node's journal ---- */

/* owner: the admin thread until recall_gone_settle(), then the worker */
struct recall_gone {
	struct tag tag;
	struct mail mail;
	struct worker *worker;
	struct audit *audit;
	struct quota_table *table;
	char node[CHAIN_NODE_MAX + 1];
	struct quota_recall found;
	bool counts;
};

static struct quota_recall_into
into_of_gone(const struct recall_gone *r, struct quota_ledger *ledger)
{
	return (struct quota_recall_into){ .table = r->table,
		.ledger = ledger,
		.part = LEDGER_OTHER,
		.now_ms = wall_least_ns() / 1000000,
		.orphan = on_orphan };
}

void
recall_gone_free(struct recall_gone **rp)
{
	struct recall_gone *r = *rp;

	if (!r)
		return;
	quota_recall_free(&r->found);
	TAG_CLEAR(recall_gone, r);
	free(r);
	*rp = NULL;
}

struct recall_gone *
recall_gone_read(const char *journal, const char *node, struct quota_table *table, struct buf *why)
{
	struct recall_gone *r = calloc(1, sizeof(*r));

	if (!r) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	TAG(recall_gone, r);
	r->table = table;
	snprintf(r->node, sizeof(r->node), "%s", node);
	struct quota_recall_into into = into_of_gone(r, NULL);
	int err = quota_recall_lines(
		&r->found, journal, r->node, into.now_ms / 1000 - WINDOWS_S, &into, why);
	if (err && !why->n)
		buf_str(why, err_str(err));
	else if (!err && !r->found.records)
		buf_printf(why, "%s has no records of node %s within the last 32 days", journal,
			node);
	if (!why->n)
		quota_recall_orphans(&r->found, journal, &into);
	else
		recall_gone_free(&r);
	return r;
}

size_t
recall_gone_open(const struct recall_gone *r)
{
	return r->found.norphans;
}

static void
on_gone_worker(struct mail *m, void *worker UNUSED)
{
	struct recall_gone *r = TAGGED_OF(recall_gone, mail, m);
	struct quota *qt = gate_quota(r->worker->gate);
	uint64_t now = clock_mono_us();

	if (r->counts && quota_ledger_of(qt)) {
		struct quota_recall_into into = into_of_gone(r, quota_ledger_of(qt));
		quota_recall_count(&r->found, r->node, &into);
		quota_other_added(qt);
	}
	for (struct quota_orphan_of *o = r->found.orphans; o; o = o->next) {
		record_orphan(r->audit, o);
		quota_recall_settle(qt, o, NULL, now);
	}
	for (size_t k = 0; k < r->found.nlate; k++)
		quota_repeat(qt, &r->found.late[k]);
	recall_gone_free(&r);
}

void
recall_gone_settle(struct recall_gone **rp, struct worker *w, struct audit *audit, bool counts)
{
	struct recall_gone *r = *rp;

	*rp = NULL;
	r->worker = w;
	r->audit = audit;
	r->counts = counts;
	r->mail.run = on_gone_worker;
	mailbox_send(&w->mail, &r->mail);
}
