/* The audit thread: writes records in group commits: see audit.h.
 *
 * One thread must own the order of records, and a sync blocks, so it is not a worker. Records
 * that queue during one sync form the next commit; a slow disk therefore makes large commits.
 * If several callers' records arrive together, a commit also waits, at most GATHER_US, until
 * a quarter as many records have arrived as in the last moments. This saves syncs, signatures
 * and wake-ups. A lone caller never waits. */
#include "record/audit/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/pool.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "policy/config/config.h"
#include "record/audit/keys.h"
#include "record/audit/measure.h"
#include "record/audit/mirror.h"
#include "record/audit/tree.h"
#include "record/journal/chain.h"
#include "record/journal/recover.h"
#include "record/journal/signkey.h"
#include "record/journal/startpoint.h"
#include "record/seal/shares.h"
#include "record/seal/texts.h"

/* Appends the members of the boot record, except its tree. `policy_version` NULL: the policy
 * is not known yet. `stream`: records are copied to the Redis Stream. */
static void
audit_boot(struct buf *b, const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, const struct recovery *found, const struct signkey *key,
	bool stream)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	json_put_str(b, "type", "boot");
	json_put_str(b, "program", "tollgate " TG_VERSION);
	json_put_opt(b, "written_by", cfg->written_by);
	json_put_str(b, "key", key->pub.id);
	json_put_str(b, "config", cfg->file);
	json_put_str(b, "policy", cfg->policy);
	json_put_uint(b, "workers", cfg->workers);
	json_put_bool(b, "stream", stream);
	measure_put(b, cfg, policy_version);
	json_put_form(b, "'hash_key':{'id':%s,'from':%s}", hash->id,
		hash->derived ? "derived" : "file");
	if (found->at.seq == 0) {
		json_put_null(b, "previous");
	} else {
		chain_hex(found->at.head, head);
		json_put_form(b, "'previous':{'boot':%u,'seq':%u,'head':%s", found->at.boot,
			found->at.seq, head);
		json_put_bool(b, "clean", found->clean);
		json_put_close(b, '}');
	}
	if (found->cut_bytes)
		json_put_form(b, "'cut':{'records':%u,'bytes':%u}", found->cut_records,
			found->cut_bytes);
}

/* Bytes after which a commit takes no more entries. A reader's buffer holds such a commit. */
#define COMMIT_BYTES (512u << 10)
/* Entries in a commit, which leaves room for records that may join them: checkpoint, resume,
 * keys. */
#define COMMIT_ENTRIES (CHAIN_COMMIT_RECORDS - 8 - AUDIT_KEYS_RECORDS)
/* µs; a disk that takes longer for one commit is reported as not ready */
#define STALL_US  1000000
#define RETRY_US  100000 /* between two tries while the disk refuses */
#define LOOK_US	  250000 /* between two looks at the journal while there is nothing to write */
#define GATHER_US 1500	 /* µs that a commit waits for further entries, at most */
/* A commit waits for a quarter of the entries of the last RECENT_US, if at least RECENT_AT_ONCE
 * entries were queued together. RECENT_COMMITS commits are looked back at. */
#define RECENT_US      3000
#define RECENT_AT_ONCE 3
#define RECENT_COMMITS 16
#define STOP_MIRROR_US 2000000 /* a stop waits this long for the mirror */
#define REKEY_US       2000000 /* a reload waits this long for a key rotation */
#define LOCK_TRIES     100     /* 100 ms apart, because a previous daemon may just be ending */

/* Entries, linked through mail.next. owner: audit. */
struct queue {
	struct mail *first, *last;
};

struct audit {
	/* Members that any thread may use: */
	struct mailbox in;
	sem_t wake;
	atomic_bool woken, ready, stopping;
	_Atomic size_t queued; /* entries that were sent and not yet taken */
	/* bytes of parts of texts and of kept entries that wait for the disk */
	_Atomic size_t waits;
	/* the number of queued entries that wakes a gathering thread; SIZE_MAX: it does
	 * not gather */
	_Atomic size_t want;
	/* monotonic µs: when the sync in progress began; 0: none */
	_Atomic uint64_t syncing_us;
	const char *_Atomic why; /* the reason while not ready; a static string */
	bool _Atomic of_shares;	 /* while not ready: the file of shares cannot be written */

	/* The rest: owner audit. */
	/* checks that one thread writes the chain: first the starter, then the audit
	 * thread */
	struct owner writer;
	struct journal journal;
	struct chain chain; /* the last durable record */
	struct audit_keys keys;
	audit_told_fn *told; /* set before the first entry that has a note */
	void *told_arg;
	struct texts *texts; /* NULL: no texts are kept */
	struct shares *shares;
	int texts_err;	/* error of writing texts in the current commit */
	int shares_err; /* error of syncing shares in the last commit */
	/* day of the open file of texts, in days since 1970 */
	int64_t texts_day;
	struct metrics *metrics;
	struct mirror *mirror;
	struct tree *tree;
	struct buf checkpoint; /* members of a checkpoint record */
	/* out: the current commit; boot: members of the boot record, until it is
	 * durable */
	struct buf out, boot;
	struct queue waiting;
	/* entries with `keep`: they wait while the disk refuses, and are written before
	 * the others */
	struct queue kept;
	/* the boot record is durable */
	bool booted;
	bool noted; /* the note next to the folder names the open segment */
	/* the last commit failed */
	bool failing;
	/* wall clock minus monotonic clock at the last commit, in ns; 0: no commit yet
	 */
	int64_t clock_off_ns;
	/* while the disk refuses: number of refused entries; monotonic µs of the next try */
	uint64_t refused, retry_us;
	size_t took; /* entries in the last commit */
	struct {
		uint64_t us;
		/* at_once: with those that arrived during the commit */
		size_t took, at_once;
	} recent[RECENT_COMMITS]; /* the last commits, for gather_batch() */
	unsigned next_recent;
	struct startpoint startpoint; /* offset 0: no start checkpoint is used */
	bool started;		      /* the thread runs */
	/* RFC 3339 time since which the disk refuses records */
	char since[CLOCK_RFC3339_LEN];
	/* members of a record that reports the loss of the open segment; "" */
	char alarm[320];
	/* the alarm in the open segment reports records from this one on as lost; */
	uint64_t lost_from;
	/* the first record of that segment; 0: its first commit has no alarm */
	uint64_t lost_segment;
	pthread_t thread;
};

/* ---- entries ---- */

/* Runs on the thread of the entry's reply_to. */
static void
deliver(struct mail *m, void *consumer UNUSED)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	e->done(e, e->err);
}

/* Hands an entry back to its owner. */
static void
answer_entry(struct audit *a, struct audit_entry *e, int err)
{
	if (err)
		metric_inc(a->metrics, M_AUDIT_FAILED);
	INVARIANT(e->with_audit); /* an entry is answered once */
	if (e->waits) {
		size_t had = atomic_fetch_sub(&a->waits, e->waits);
		INVARIANT(had >= e->waits);
	}
	e->with_audit = false;
	text_parts_free(&e->parts);
	e->err = err;
	e->mail.run = deliver;
	if (e->reply_to)
		mailbox_send(e->reply_to, &e->mail);
	else
		e->done(e, err);
}

static void
push(struct queue *q, struct mail *m)
{
	INVARIANT(!q->first == !q->last && m != q->last);
	atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
	if (q->last)
		atomic_store_explicit(&q->last->next, m, memory_order_relaxed);
	else
		q->first = m;
	q->last = m;
}

static struct audit_entry *
pop(struct queue *q)
{
	struct mail *m = q->first;

	if (!m)
		return NULL;
	q->first = atomic_load_explicit(&m->next, memory_order_relaxed);
	INVARIANT(q->first || q->last == m); /* the list ends at its last element */
	if (!q->first)
		q->last = NULL;
	return CONTAINER_OF(m, struct audit_entry, mail);
}

/* Takes an entry out of the mailbox, on the audit thread. */
static void
enqueue(struct mail *m, void *consumer)
{
	struct audit *a = consumer;

	INVARIANT(owner_is_here(&a->writer));
	push(CONTAINER_OF(m, struct audit_entry, mail)->keep ? &a->kept : &a->waiting, m);
	atomic_fetch_sub(&a->queued, 1);
}

static void
refuse_all(struct audit *a, int err)
{
	struct audit_entry *e;

	while ((e = pop(&a->waiting))) {
		a->refused++;
		answer_entry(a, e, err);
	}
}

static void
wake_audit(void *arg)
{
	struct audit *a = arg;

	if (!atomic_exchange(&a->woken, true))
		sem_post(&a->wake);
}

void
audit_append(struct audit *a, struct audit_entry *e)
{
	INVARIANT(!e->with_audit && e->done); /* an entry may be appended again only
						 after it was answered */
	e->with_audit = true;
	e->mail.run = enqueue;
	e->waits = e->keep ? e->fields.n : 0;
	for (const struct text_part *p = e->parts; p; p = p->next)
		e->waits += p->n;
	if (e->waits)
		atomic_fetch_add(&a->waits, e->waits);
	mailbox_send(&a->in, &e->mail);
	if (atomic_fetch_add(&a->queued, 1) + 1 == atomic_load(&a->want))
		sem_post(&a->wake);
}

void
audit_tell(struct audit *a, audit_told_fn *told, void *arg)
{
	a->told = told;
	a->told_arg = arg;
}

void
audit_keeps(struct audit *a, struct texts *texts, struct shares *shares)
{
	a->texts = texts;
	a->shares = shares;
}

bool
audit_stream_conflict(const struct audit *a)
{
	return a->mirror && mirror_state(a->mirror) == MIRROR_CONFLICT;
}

void
audit_stream_says(const struct audit *a, struct buf *out)
{
	if (a->mirror)
		mirror_says(a->mirror, out);
}

void
audit_stream_pause(struct audit *a, bool pause)
{
	if (a->mirror)
		mirror_pause(a->mirror, pause);
}

struct redis_ballast *
audit_ballast(const struct audit *a)
{
	return a->mirror ? mirror_ballast(a->mirror) : NULL;
}

uint64_t
audit_stream_behind(const struct audit *a)
{
	return a->mirror ? mirror_behind(a->mirror) : 0;
}

uint64_t
audit_copied(const struct audit *a)
{
	return a->mirror ? mirror_copied(a->mirror) : UINT64_MAX;
}

struct audit_keys *
audit_keys(struct audit *a)
{
	return &a->keys;
}

void
audit_rekey(struct audit *a, struct audit_keys_order *o)
{
	uint64_t taken, until_us = clock_mono_us() + REKEY_US;
	bool waits = true;

	pthread_mutex_lock(&a->keys.lock);
	taken = a->keys.taken;
	pthread_mutex_unlock(&a->keys.lock);
	mailbox_send(&a->in, &o->mail);
	while (waits && clock_mono_us() < until_us) {
		usleep(1000);
		pthread_mutex_lock(&a->keys.lock);
		waits = a->keys.taken == taken || a->keys.rotates;
		pthread_mutex_unlock(&a->keys.lock);
	}
}

bool
audit_note(const struct audit *a, struct buf *out, uint64_t *size)
{
	return tree_note(a->tree, out, size);
}

bool
audit_end(const struct audit *a, struct follow_end *out)
{
	return tree_end(a->tree, out);
}

void
audit_tree(const struct audit *a, struct tree_status *out)
{
	tree_status(a->tree, out);
}

bool
audit_ready(const struct audit *a)
{
	uint64_t since = atomic_load_explicit(&a->syncing_us, memory_order_relaxed);

	return atomic_load_explicit(&a->ready, memory_order_relaxed) &&
	       (since == 0 || clock_mono_us() < since + STALL_US);
}

bool
audit_has_room(const struct audit *a)
{
	return atomic_load_explicit(&a->waits, memory_order_relaxed) < CAP_TEXTS_WAITING;
}

const char *
audit_away(const struct audit *a)
{
	if (audit_ready(a))
		return NULL;
	return atomic_load_explicit(&a->ready, memory_order_relaxed)
		       ? "the disk does not respond"
		       : atomic_load_explicit(&a->why, memory_order_acquire);
}

const char *
audit_away_shares(const struct audit *a)
{
	return audit_away(a) && atomic_load(&a->of_shares) ? shares_file(a->shares) : NULL;
}

void
audit_away_put(const struct audit *a, struct buf *out)
{
	const char *why = audit_away(a), *shares = audit_away_shares(a);

	if (shares)
		buf_printf(out, "%s (seal.shares) cannot be written: %s", shares, why);
	else if (why)
		buf_printf(out, "the journal cannot be written: %s", why);
}

/* ---- a commit ---- */

/* Adds a record to the commit. Also passed as a callback to audit_keys_records(). */
static void
put_record(void *audit, struct chain *c, int64_t now_ns, struct span fields)
{
	struct audit *a = audit;
	uint64_t seq = c->seq;

	chain_record(&a->out, c, now_ns, fields);
	INVARIANT(c->seq == seq || c->seq == seq + 1);
	if (c->seq > seq)
		tree_record(a->tree, c->head, fields);
}

/* Adds the queued entries to the commit, kept ones first. */
static void
take_entries(struct audit *a, struct chain *c, int64_t now_ns, struct queue *took)
{
	struct audit_entry *e;

	for (size_t n = 0; n < COMMIT_ENTRIES && a->out.n < COMMIT_BYTES &&
			   ((e = pop(&a->kept)) || (e = pop(&a->waiting)));
		n++) {
		int err = buf_failed(&e->fields)     ? ERR_LIMIT
			  : !e->fields.n && e->parts ? 0
						     : chain_fields_check(buf_view(&e->fields));
		if (err) {
			log_event(LOG_ERROR, "audit.record_refused", LS("why", err_str(err)),
				LI("bytes", e->fields.n));
			answer_entry(a, e, err);
			continue;
		}
		for (struct text_part *p = e->parts; p && !a->texts_err; p = p->next)
			if ((a->texts_err = texts_write(a->texts, p)))
				a->journal.sys = errno;
		if (e->fields.n)
			put_record(a, c, now_ns, buf_view(&e->fields));
		e->seq = c->seq;
		memcpy(e->hash, c->head, sizeof(e->hash));
		push(took, &e->mail);
		a->took++;
		INVARIANT(a->took <= COMMIT_ENTRIES);
	}
}

/* Makes durable what the coming records name: shares, and parts of texts. */
static int
make_texts_durable(struct audit *a)
{
	int err = a->texts_err;

	if (!a->texts)
		return 0;
	a->shares_err = 0;
	if (!err && shares_dirty(a->shares) && (err = a->shares_err = shares_sync(a->shares)))
		a->journal.sys = errno;
	stop_at("shares-synced");
	if (!err && (err = texts_sync(a->texts)))
		a->journal.sys = errno;
	return err;
}

/* Returns true if the clock was set since the last commit. The commit then begins a new
 * segment, so that the times within a segment are in order and its first and last line
 * bound them. Sets *off_ns to the offset with which the next commit is compared. */
static bool
clock_was_set(const struct audit *a, int64_t now_ns, int64_t *off_ns)
{
	*off_ns = now_ns - (int64_t)clock_mono_us() * 1000;
	return a->clock_off_ns && a->journal.fd >= 0 && a->journal.good > 0 &&
	       llabs(*off_ns - a->clock_off_ns) > CLOCK_STEP_NS;
}

/* Writes and syncs the commit. `step`: begin a new segment. */
static int
make_durable(struct audit *a, const struct chain *c, bool step)
{
	bool begin = false;

	INVARIANT(c->seq > a->chain.seq);
	atomic_store(&a->syncing_us, clock_mono_us());
	int err = buf_failed(&a->out) ? ERR_NOMEM : make_texts_durable(a);

	if (!err)
		err = journal_ready(&a->journal, &begin);
	begin |= !err && step;
	if (!err && begin)
		err = journal_begin(&a->journal, c->boot, a->chain.seq + 1);
	if (begin)
		stop_at("segment-begun");
	if (begin)
		a->noted = false;
	if (!err)
		err = journal_append(&a->journal, buf_view(&a->out));
	atomic_store(&a->syncing_us, 0);
	return err;
}

/* Writes which segment is the newest, for the next start. This is only an additional
 * check, so a failure is logged and the daemon continues. */
static void
note_position(struct audit *a)
{
	a->noted = true;
	if (journal_note(&a->journal, a->chain.boot, a->journal.first))
		log_event(LOG_WARN, "audit.note_failed", LS("journal", a->journal.dir),
			LS("system", strerror(a->journal.sys)));
}

/* Stores the node's name, so that the next start uses it even if the host is renamed.
 * Until the file can be written, the newest segment has the name. */
static void
keep_node_name(const struct config *cfg)
{
	SCOPED_BUF(why, 512);
	if (node_keep(cfg->journal, cfg->node, &why))
		log_event(LOG_WARN, "audit.node_not_kept", LS("node", cfg->node),
			LSP("why", buf_view(&why)));
}

/* A commit failed: not ready, and log it once. */
static void
note_failure(struct audit *a, int err)
{
	a->retry_us = clock_mono_us() + RETRY_US;
	if (a->failing)
		return;
	const char *system = err == ERR_NOMEM	? "out of memory"
			     : a->journal.moved ? "the folder was moved or replaced"
			     : a->journal.sys	? strerrordesc_np(a->journal.sys)
						: err_str(err);
	a->failing = true;
	a->refused = 0;
	clock_rfc3339(clock_wall_ns(), a->since);
	atomic_store(&a->of_shares, err == a->shares_err);
	atomic_store_explicit(&a->why, system ? system : err_str(err), memory_order_release);
	atomic_store(&a->ready, false);
	log_event(LOG_ERROR, "audit.failing", LS("why", err_str(err)), LS("system", system),
		LS("journal", a->journal.dir),
		LS("shares", err == a->shares_err ? shares_file(a->shares) : NULL));
}

static void
note_success(struct audit *a)
{
	if (a->failing)
		log_event(LOG_WARN, "audit.resumed", LS("since", a->since),
			LI("refused", a->refused), LI("seq", a->chain.seq));
	a->failing = false;
	a->refused = 0;
	atomic_store(&a->ready, true);
}

/* If another program removed or changed the open segment, prepares an alarm. Its
 * records cannot be brought back; the alarm records that they existed, and the chain
 * continues in a new segment. */
static void
look_after_segment(struct audit *a)
{
	const char *how = journal_lost(&a->journal);

	if (!how)
		return;
	log_event(LOG_ERROR, "audit.segment_lost", LS("segment", a->journal.name),
		LS("how", how));
	/* If the lost segment itself began with an alarm, that alarm is repeated. */
	if (a->lost_segment != a->journal.first)
		a->lost_from = a->journal.first;
	snprintf(a->alarm, sizeof(a->alarm),
		"\"type\":\"alarm\",\"segment\":\"%s\",\"how\":\"%s\",\"from\":"
		"%" PRIu64,
		a->journal.name, how, a->lost_from);
}

/* The commit that is being made. */
struct making {
	struct chain end; /* the chain after its last record */
	uint64_t first;	  /* number of its first record */
	/* wall clock, ns since 1970 */
	int64_t now_ns;
	int64_t clock_off_ns;  /* now_ns minus the monotonic clock */
	struct queue took;     /* the entries in the commit */
	bool checkpoint, keys; /* the commit has a checkpoint; the commit has key records */
	bool note;	       /* shares note how far they have followed the journal */
};

/* Does what must precede the first record. */
static void
begin_commit(struct audit *a, struct making *m)
{
	buf_clear(&a->out);
	a->took = 0;
	a->texts_err = 0;
	if (a->texts && m->now_ns / CLOCK_DAY_NS != a->texts_day) {
		a->texts_day = m->now_ns / CLOCK_DAY_NS;
		texts_roll(a->texts);
	}
	look_after_segment(a);
	if (a->alarm[0] && tree_pace.hurries)
		tree_hurry(a->tree);
}

/* Adds the records that precede those of entries: the boot record or a checkpoint, the
 * count of refused entries after the disk had failed, and the alarm. */
static void
put_first(struct audit *a, struct making *m)
{
	char resume[128];

	m->checkpoint = tree_checkpoint(a->tree, a->booted ? &a->keys : NULL, &a->checkpoint);
	if (!a->booted) {
		m->end.boot++;
		put_record(a, &m->end, m->now_ns, buf_view(&a->boot));
	} else if (m->checkpoint) {
		put_record(a, &m->end, m->now_ns, buf_view(&a->checkpoint));
		stop_at("checkpoint-made");
	}
	if (a->failing) {
		snprintf(resume, sizeof(resume),
			"\"type\":\"resume\",\"since\":\"%s\",\"refused\":%" PRIu64, a->since,
			a->refused);
		put_record(a, &m->end, m->now_ns, span_str(resume));
	}
	if (a->alarm[0])
		put_record(a, &m->end, m->now_ns, span_str(a->alarm));
}

/* Adds all records of the commit in their order. `last`: as for commit(). */
static void
put_records(struct audit *a, struct making *m, const char *last)
{
	put_first(a, m);
	take_entries(a, &m->end, m->now_ns, &m->took);
	if (last)
		put_record(a, &m->end, m->now_ns, span_str(last));
	m->keys = a->keys.due && !last;
	if (m->keys)
		audit_keys_records(&a->keys, &m->end, m->now_ns, put_record, a);
	INVARIANT(m->end.seq + 1 - m->first <= CHAIN_COMMIT_RECORDS);
}

/* The commit has only parts of texts, and no record names them yet. They are made
 * durable before they are released; after a failed sync they are written again. */
static int
end_parts(struct audit *a, struct queue *took)
{
	struct audit_entry *e;

	atomic_store(&a->syncing_us, clock_mono_us());
	int err = make_texts_durable(a);
	atomic_store(&a->syncing_us, 0);
	if (err)
		note_failure(a, err);
	while ((e = pop(took)))
		if (err)
			push(&a->kept, &e->mail);
		else
			answer_entry(a, e, 0);
	return err;
}

/* The commit is durable, and is now the end of the chain. */
static void
keep_commit(struct audit *a, struct making *m)
{
	/* Record numbers are used once and have no gaps. */
	INVARIANT(m->first == a->chain.seq + 1 && m->end.seq >= m->first);
	INVARIANT(m->end.boot >= a->chain.boot && m->end.boot <= a->chain.boot + 1);
	a->chain = m->end;
	a->clock_off_ns = m->clock_off_ns;
	a->booted = true;
	if (a->alarm[0])
		a->lost_segment = a->journal.first;
	a->alarm[0] = '\0';
	note_success(a);
	m->note |= !a->noted;
	if (!a->noted)
		note_position(a);
	metric_add(a->metrics, M_AUDIT_RECORDS, m->end.seq - m->first + 1);
	metric_inc(a->metrics, M_AUDIT_COMMITS);
	if (a->mirror)
		mirror_publish(a->mirror, a->journal.name, a->journal.good, &m->end, m->first,
			buf_view(&a->out));
}

/* Answers every entry of the commit. If it failed, entries with `keep` wait for the
 * next try. */
static void
answer_taken(struct audit *a, struct queue *took, int err)
{
	struct audit_entry *e;

	while ((e = pop(took))) {
		if (err && e->keep) {
			push(&a->kept, &e->mail);
			continue;
		}
		if (err)
			a->refused++;
		if (!err && e->note && a->told)
			a->told(a->told_arg, e);
		answer_entry(a, e, err ? ERR_IO : 0);
	}
}

/* Reports the result of the commit to shares, tree and keys. */
static void
end_commit(struct audit *a, const struct making *m, int err)
{
	if (!err && a->shares)
		shares_seen(a->shares, m->end.seq, m->note);
	if (m->checkpoint)
		stop_at(err ? "checkpoint-failed" : "checkpoint-durable");
	if (err)
		tree_failed(a->tree);
	else
		tree_commit(a->tree, a->journal.name, a->journal.good, &m->end);
	if (m->checkpoint)
		stop_at("checkpoint-fed");
	if (m->checkpoint && !err)
		audit_keys_again(&a->keys);
	if (m->keys) {
		stop_at(err ? "key-failed" : "key-durable");
		audit_keys_done(&a->keys, err);
		stop_at("key-kept");
	}
}

/* Makes one commit: the records that must be first, the queued entries, and `last`
 * (members of a record, or NULL). Signs, writes and syncs it, and answers every entry
 * in it. Returns 0, also if there was nothing to write. */
static int
commit(struct audit *a, const char *last)
{
	struct making m = { .end = a->chain,
		.first = a->chain.seq + 1,
		.now_ns = clock_wall_ns(),
		.note = last != NULL };

	INVARIANT(owner_is_here(&a->writer)); /* a chain has one writer */
	begin_commit(a, &m);
	put_records(a, &m, last);
	/* If memory is exhausted, `out` may have no record although there are entries.
	 */
	int err = buf_failed(&a->out) ? ERR_NOMEM : 0;
	if (!err && m.end.seq < m.first && !m.took.first)
		return 0; /* all entries were invalid */
	if (!err && m.end.seq < m.first)
		return end_parts(a, &m.took);
	if (!err)
		chain_commit(&a->out, &m.end, m.first, m.now_ns, &a->keys.now);
	if (m.keys)
		stop_at("key-made");
	if (!err)
		err = make_durable(a, &m.end, clock_was_set(a, m.now_ns, &m.clock_off_ns));
	if (err)
		note_failure(a, err);
	else
		keep_commit(a, &m);
	answer_taken(a, &m.took, err);
	end_commit(a, &m, err);
	return err;
}

/* ---- the thread ---- */

/* Waits until woken, until the time of the next checkpoint, or until the next try while the
 * disk refuses. Returns false if the wait timed out. */
static bool
wait_for_work(struct audit *a)
{
	uint64_t until = clock_mono_us() + LOOK_US, due = tree_due_us(a->tree);

	if (a->failing)
		until = a->retry_us;
	else if (due < until)
		until = due;
	struct timespec at = clock_timespec(until);

	return a->waiting.first || sem_clockwait(&a->wake, CLOCK_MONOTONIC, &at) == 0 ||
	       a->failing || errno != ETIMEDOUT;
}

/* Returns how many entries gather_batch() should wait for; 0: it should not wait. */
static size_t
worth_waiting(const struct audit *a, uint64_t now)
{
	size_t n = 0, at_once = 0;

	for (unsigned i = 0; i < RECENT_COMMITS; i++) {
		if (now - a->recent[i].us >= RECENT_US)
			continue;
		n += a->recent[i].took;
		if (a->recent[i].at_once > at_once)
			at_once = a->recent[i].at_once;
	}
	return at_once < RECENT_AT_ONCE ? 0 : n / 4;
}

/* Waits for further entries if more are likely. Meanwhile a sender wakes this thread
 * only if its entry makes the number sufficient. */
static void
gather_batch(struct audit *a)
{
	uint64_t until = clock_mono_us();
	size_t want = worth_waiting(a, until);

	if (want <= 1 || a->waiting.first || a->failing || atomic_load(&a->stopping))
		return;
	struct timespec at = clock_timespec(until + GATHER_US);
	atomic_store(&a->want, want);
	while (atomic_load(&a->queued) < want && !atomic_load(&a->stopping) &&
		(sem_clockwait(&a->wake, CLOCK_MONOTONIC, &at) == 0 || errno != ETIMEDOUT))
		;
	atomic_store(&a->want, SIZE_MAX);
}

static void *
write_commits(void *arg)
{
	struct audit *a = arg;

	INVARIANT(owner_is_here(&a->writer));
	for (;;) {
		/* Check the journal also while there is no record to write: /readyz
		 * then reports interference by other programs, and the alarm is
		 * recorded before the next start looks for it. */
		bool asked = wait_for_work(a);
		if (!asked && journal_moved(&a->journal))
			note_failure(a, ERR_IO);
		else if (!asked && commit(a, NULL) == 0)
			tree_look(a->tree);
		gather_batch(a);
		/* Cleared before the mailbox is drained, so that a later sender wakes
		 * this thread again. */
		atomic_exchange(&a->woken, false);
		bool stop = atomic_load(&a->stopping);
		mailbox_drain(&a->in, a);
		if (a->failing && !stop && clock_mono_us() < a->retry_us) {
			refuse_all(a, ERR_IO);
			continue;
		}
		if (a->waiting.first || a->kept.first || a->failing || a->keys.due) {
			commit(a, NULL);
			a->recent[a->next_recent].us = clock_mono_us();
			a->recent[a->next_recent].took = a->took;
			a->recent[a->next_recent].at_once = a->took + atomic_load(&a->queued);
			a->next_recent = (a->next_recent + 1) % RECENT_COMMITS;
		}
		if (stop && (!a->waiting.first || a->failing))
			break;
	}
	refuse_all(a, ERR_IO);
	if (tree_pace.hurries)
		tree_hurry(a->tree);
	commit(a, "\"type\":\"close\"");
	mailbox_drain(&a->in, a);
	refuse_all(a, ERR_BAD_STATE);
	while (a->kept.first)
		answer_entry(a, pop(&a->kept), ERR_BAD_STATE);
	return NULL;
}

/* By default SIGXFSZ ends the process; ignore it, so that write(2) returns EFBIG. */
static int
start_thread(struct audit *a)
{
	struct sigaction old;

	owner_leave(&a->writer);
	if (sigaction(SIGXFSZ, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		signal(SIGXFSZ, SIG_IGN);
	return thread_start(&a->thread, "tg-audit", write_commits, a);
}

/* ---- start and stop ---- */

/* Opens the journal; retries while a previous daemon still has it locked. */
static int
open_journal(struct audit *a, const struct config *cfg, struct buf *why)
{
	for (int tries = 1;; tries++) {
		buf_clear(why);
		int err = journal_open(
			&a->journal, cfg->journal, cfg->node, cfg->journal_segment_bytes, why);
		if (err != ERR_BAD_STATE || tries == LOCK_TRIES)
			return err;
		usleep(100000);
	}
}

/* Loads the start checkpoint. One that does not fit is not used, and the journal is
 * read as if there were none. */
static void
load_startpoint(struct audit *a, const struct config *cfg)
{
	SCOPED_BUF(why, 4096);
	int err = startpoint_load(&a->startpoint, cfg->journal, cfg->node, &a->keys.ring, &why);

	if (!err)
		return;
	startpoint_free(&a->startpoint);
	if (err == ERR_NOTFOUND && !why.n)
		return;
	metric_inc(a->metrics, M_START_REFUSED);
	log_event(LOG_WARN, "start.checkpoint_refused", LS("journal", cfg->journal),
		LSP("why", buf_view(&why)),
		LS("note", "the start ignores the start checkpoint and reads the whole "
			   "journal"));
}

static void
audit_destroy(struct audit **ap)
{
	struct audit *a = *ap;

	if (!a)
		return;
	mirror_stop(&a->mirror, STOP_MIRROR_US);
	tree_stop(&a->tree);
	journal_close(&a->journal);
	audit_keys_free(&a->keys);
	startpoint_free(&a->startpoint);
	buf_free(&a->out);
	buf_free(&a->boot);
	buf_free(&a->checkpoint);
	sem_destroy(&a->wake);
	free(a);
	*ap = NULL;
}

struct audit *
audit_start(const struct config *cfg, const char *policy_version, const struct hashkey *hash,
	struct metrics *m, struct buf *why)
{
	struct recovery found = { .clean = false };
	struct audit *a = calloc(1, sizeof(*a));
	bool stream = cfg->redis_url && cfg->audit_stream;
	int err = 0;

	if (!a) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	a->metrics = m;
	a->journal.dirfd = a->journal.fd = -1;
	mailbox_init(&a->in, wake_audit, a);
	sem_init(&a->wake, 0, 0);
	atomic_store(&a->want, SIZE_MAX);
	buf_init(&a->out, 0);
	buf_init(&a->boot, CAP_RECORD_BYTES);
	buf_init(&a->checkpoint, CAP_RECORD_BYTES);
	if (!cfg->journal || !cfg->audit_key)
		err = why_err(why, ERR_NOTFOUND,
			"audit.%s: not configured: set it in tollgate.yaml",
			cfg->journal ? "key" : "journal");
	if (!err && !chain_node_valid(span_str(cfg->node)))
		err = why_err(why, ERR_SYNTAX,
			"node: 1 to 64 letters, digits, _ . and - are permitted");
	if (!err)
		err = audit_keys_load(&a->keys, cfg, hash, why);
	if (!err)
		err = open_journal(a, cfg, why);
	if (!err)
		load_startpoint(a, cfg);
	if (!err)
		err = journal_recover(
			&a->journal, &a->keys.ring, audit_startpoint(a), &found, why);
	if (!err)
		keep_node_name(cfg);
	if (!err)
		err = audit_keys_begin(&a->keys, &found, why);
	if (!err) {
		a->tree = tree_new(cfg, m, why);
		err = a->tree ? 0 : ERR_NOMEM;
	}
	if (!err && stream) {
		struct redis_options redis;
		struct mirror_options o = { &redis, cfg->journal, cfg->node,
			cfg->audit_stream_maxlen, cfg->audit_stream_bytes,
			config_redis_filled(cfg), cfg->audit_stream_consumed };
		err = config_redis(cfg, &redis);
		a->mirror = err ? NULL : mirror_start(&o, m, why);
		err = a->mirror ? 0 : ERR_IO;
		explicit_bzero(&redis, sizeof(redis));
	}
	if (!err) {
		a->chain = found.at;
		tree_recover(a->tree, &found.at, audit_startpoint(a));
		audit_boot(&a->boot, cfg, policy_version, hash, &found, &a->keys.now,
			a->mirror != NULL);
		tree_boot(a->tree, &a->boot);
		err = commit(a, NULL);
		/* A full disk may get room again. Other errors persist. */
		if (err && err != ERR_FULL)
			buf_printf(why, "%s: %s", cfg->journal, strerror(a->journal.sys));
		if (err == ERR_FULL)
			err = 0;
	}
	if (!err)
		err = tree_start(a->tree);
	if (!err)
		err = start_thread(a);
	buf_free(&found.learned);
	if (err)
		audit_destroy(&a);
	else
		a->started = true;
	return a;
}

const struct startpoint *
audit_startpoint(const struct audit *a)
{
	return a->startpoint.offset ? &a->startpoint : NULL;
}

void
audit_startpoint_free(struct audit *a)
{
	startpoint_free(&a->startpoint);
}

int
audit_try(const struct config *cfg, bool *of_keys, struct buf *why)
{
	const struct hashkey none = { .derived = false };
	struct audit_keys *keys = calloc(1, sizeof(*keys));
	struct recovery found = { .clean = false };
	struct journal j = { .dirfd = -1, .fd = -1 };

	*of_keys = true;
	int err = keys ? audit_keys_load(keys, cfg, &none, why) : ERR_NOMEM;
	if (!err) {
		*of_keys = false;
		err = journal_look(&j, cfg->journal, cfg->node, why);
		if (!err)
			err = journal_recover(&j, &keys->ring, NULL, &found, why);
		if (!err) {
			err = audit_keys_fit(keys, &found, why);
			*of_keys = err != 0;
		}
		journal_close(&j);
	}
	buf_free(&found.learned);
	if (keys)
		audit_keys_free(keys);
	free(keys);
	return why->n ? err : 0;
}

void
audit_finish(struct audit *a, struct follow_end *end)
{
	if (a->started) {
		atomic_store(&a->stopping, true);
		/* Not wake_audit(): an earlier wake-up may have been consumed before
		 * this store. */
		sem_post(&a->wake);
		pthread_join(a->thread, NULL);
	}
	a->started = false;
	*end = (struct follow_end){ .bytes = a->journal.good, .seq = a->chain.seq };
	memcpy(end->name, a->journal.name, sizeof(end->name));
}

void
audit_stop(struct audit **ap)
{
	struct follow_end end;

	if (!*ap)
		return;
	audit_finish(*ap, &end);
	audit_destroy(ap);
}
