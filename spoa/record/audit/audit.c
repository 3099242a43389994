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

static void
audit_boot(struct buf *b, const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, const struct recovery *found, const struct signkey *key,
	bool stream)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	json_put_str(b, "type", "boot");
	json_put_str(b, "program", "tollgate " TG_VERSION);
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

/* The audit thread: group commit. Separate from the workers because one thread
 * must own the order, and because a sync blocks. What queues during one sync is
 * the next commit, so a slow disk makes large commits. Where several callers' records
 * come at once, a commit also waits until a quarter as many are there as came within the
 * last moments, at most GATHER_US: fewer syncs, signatures and wake-ups a record. A
 * caller who is alone never waits. */

#define COMMIT_BYTES                                                                           \
	(512u << 10) /* a commit is closed above this: a line reader's buffer holds it */
#define COMMIT_ENTRIES                                                                         \
	(CHAIN_COMMIT_RECORDS - 8 -                                                            \
		AUDIT_KEYS_RECORDS) /* checkpoint, resume, keys … may join */
#define STALL_US       1000000	    /* a disk that takes longer over one commit is not ready */
#define RETRY_US       100000
#define LOOK_US	       250000 /* where nothing is to be written, the journal is looked at so often */
#define GATHER_US      1500 /* a commit waits for others at most so long, */
#define RECENT_US      3000 /* and for a quarter of what came so lately, */
#define RECENT_AT_ONCE 3    /* where so many were under way together */
#define RECENT_COMMITS 16   /* that are looked back at */
#define STOP_MIRROR_US 2000000
#define REKEY_US       2000000 /* a reload waits so long for a rotation */
#define LOCK_TRIES     20      /* 100 ms apart: the daemon before us may just be ending */

/* Entries, linked through mail.next. */
struct queue {
	struct mail *first, *last;
};

struct audit {
	/* any thread */
	struct mailbox in;
	sem_t wake;
	atomic_bool woken, ready, stopping;
	_Atomic size_t queued; /* entries sent and not yet taken */
	_Atomic size_t waits;  /* bytes: of parts of texts, and of entries that are kept */
	_Atomic size_t want;   /* so many wake the thread; SIZE_MAX: none does */
	_Atomic uint64_t syncing_us; /* when the commit under way began; 0: none */
	const char *_Atomic why;     /* while it is not ready; static */

	/* owner: audit */
	struct owner writer; /* of the chain: the starter, and then the audit thread */
	struct journal journal;
	struct chain chain; /* the last durable record */
	struct audit_keys keys;
	audit_told_fn *told; /* set before the first entry that has a note */
	void *told_arg;
	struct texts *texts; /* NULL: no texts are kept */
	struct shares *shares;
	int texts_err; /* of the commit being made */
	int64_t texts_day;
	struct metrics *metrics;
	struct mirror *mirror;
	struct tree *tree;
	struct buf checkpoint; /* a checkpoint's fields */
	struct buf out, boot;  /* the commit being made; the boot record until it is durable */
	struct queue waiting;
	struct queue kept; /* entries that are not refused: they go before those */
	bool booted;
	bool noted; /* the open segment's beginning is, next to the folder */
	bool failing;
	int64_t clock_off_ns;	    /* the wall clock less the monotonic one at the last commit;
				     * 0: there was none */
	uint64_t refused, retry_us; /* while failing */
	size_t took;		    /* entries in the last commit */
	struct {
		uint64_t us;
		size_t took, at_once; /* with those that came meanwhile */
	} recent[RECENT_COMMITS];     /* the last commits */
	unsigned next_recent;
	struct startpoint startpoint; /* offset 0: none is used */
	bool started;		      /* the thread runs */
	char since[CLOCK_RFC3339_LEN];
	char alarm[320];       /* a record that says the open segment was lost; "" */
	uint64_t lost_from;    /* what the alarm in the open segment says: records from here, */
	uint64_t lost_segment; /* and that segment's first record; 0: it begins with no alarm */
	pthread_t thread;
};

/* ---- entries ---- */

static void
deliver(struct mail *m, void *consumer UNUSED)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	e->done(e, e->err);
}

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
	INVARIANT(q->first || q->last == m); /* the list ends at its last one */
	if (!q->first)
		q->last = NULL;
	return CONTAINER_OF(m, struct audit_entry, mail);
}

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
	INVARIANT(!e->with_audit &&
		  e->done); /* an entry is appended once, until it is answered */
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
		       ? "the disk does not answer"
		       : atomic_load_explicit(&a->why, memory_order_acquire);
}

/* ---- a commit ---- */

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

/* What the records to come name: shares, and texts that they are in. */
static int
make_texts_durable(struct audit *a)
{
	int err = a->texts_err;

	if (!a->texts)
		return 0;
	if (!err && shares_dirty(a->shares) && (err = shares_sync(a->shares)))
		a->journal.sys = errno;
	stop_at("shares-synced");
	if (!err && (err = texts_sync(a->texts)))
		a->journal.sys = errno;
	return err;
}

/* Returns true if the clock was set since the last commit. The commit then begins a new
 * segment, so that the times within a segment are in order, and its first and last lines bound
 * them. *off_ns gets the offset with which the next commit is compared. */
static bool
clock_was_set(const struct audit *a, int64_t now_ns, int64_t *off_ns)
{
	*off_ns = now_ns - (int64_t)clock_mono_us() * 1000;
	return a->clock_off_ns && a->journal.fd >= 0 && a->journal.good > 0 &&
	       llabs(*off_ns - a->clock_off_ns) > CLOCK_STEP_NS;
}

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

/* Which segment is the newest, for the next start. It is a second witness; without it
 * the daemon goes on. */
static void
note_position(struct audit *a)
{
	a->noted = true;
	if (journal_note(&a->journal, a->chain.boot, a->journal.first))
		log_event(LOG_WARN, "audit.note_failed", LS("journal", a->journal.dir),
			LS("system", strerror(a->journal.sys)));
}

/* The next start has this name then, whatever the host is called. Until the file can be written
 * the newest segment has the name. */
static void
keep_node_name(const struct config *cfg)
{
	SCOPED_BUF(why, 512);
	if (node_keep(cfg->journal, cfg->node, &why))
		log_event(LOG_WARN, "audit.node_not_kept", LS("node", cfg->node),
			LSP("why", buf_view(&why)));
}

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
	atomic_store_explicit(&a->why, system ? system : err_str(err), memory_order_release);
	atomic_store(&a->ready, false);
	log_event(LOG_ERROR, "audit.failing", LS("why", err_str(err)), LS("system", system),
		LS("journal", a->journal.dir));
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

/* Bytes that another program removed cannot be brought back; the chain says that
 * they were there, and goes on in a segment of its own. */
static void
look_after_segment(struct audit *a)
{
	const char *how = journal_lost(&a->journal);

	if (!how)
		return;
	log_event(LOG_ERROR, "audit.segment_lost", LS("segment", a->journal.name),
		LS("how", how));
	/* An alarm that was in the lost segment is said again. */
	if (a->lost_segment != a->journal.first)
		a->lost_from = a->journal.first;
	snprintf(a->alarm, sizeof(a->alarm),
		"\"type\":\"alarm\",\"segment\":\"%s\",\"how\":\"%s\",\"from\":%" PRIu64,
		a->journal.name, how, a->lost_from);
}

/* A commit that is being made. */
struct making {
	struct chain end; /* after its last record */
	uint64_t first;	  /* the number of its first record */
	int64_t now_ns;
	int64_t clock_off_ns;  /* of now_ns to the monotonic clock */
	struct queue took;     /* the entries that are in it */
	bool checkpoint, keys; /* it has records of these */
	bool note;	       /* shares write down how far they have seen the journal */
};

/* Does what must be done before a record is made. */
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

/* The records that come before those of entries: a boot or a checkpoint, what was refused while
 * the disk failed, and the alarm. */
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

/* All records of the commit, in their order. `last`: as commit() has it. */
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

/* Only parts of texts came, and no record names them yet. They are durable before they are let
 * go: after a sync that fails they are written again. */
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

/* The commit is durable: the chain ends with it. */
static void
keep_commit(struct audit *a, struct making *m)
{
	/* A number is given once, and none is left out. */
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

/* Every entry that was taken is answered, or kept for the next try. */
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

/* Shares, the tree and the keys learn what became of the commit. */
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
		tree_commit(a->tree, a->journal.name, a->journal.good, m->end.seq);
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

/* Makes records of what must be first, of the entries that are queued, and of `last` (a
 * record's fields, or NULL); signs, writes and syncs them. Every entry that it took is
 * answered. */
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
	/* Without memory there may be no record at all, although the entries have some. */
	int err = buf_failed(&a->out) ? ERR_NOMEM : 0;
	if (!err && m.end.seq < m.first && !m.took.first)
		return 0; /* nothing but refused entries */
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

/* Until woken, or until the next try while the disk refuses. False: for too long. */
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

/* How many entries are worth waiting for; 0: none. */
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

/* Lets entries gather where more are on their way. Whoever sends meanwhile wakes nobody
 * but the one that makes it enough. */
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
		/* What others did to the journal shows while nobody asks for a record too:
		 * /readyz says so, and the alarm is there when the next start looks for it. */
		bool asked = wait_for_work(a);
		if (!asked && journal_moved(&a->journal))
			note_failure(a, ERR_IO);
		else if (!asked && commit(a, NULL) == 0)
			tree_look(a->tree);
		gather_batch(a);
		/* Cleared before the drain: who sends after this wakes us again. */
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

/* SIGXFSZ would end the process where EFBIG is an answer. */
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

/* A start checkpoint that does not fit is not trusted: the journal is read as if there were
 * none. */
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
		LS("note",
			"the start ignores the start checkpoint and reads the whole journal"));
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
		err = why_err(why, ERR_NOTFOUND, "audit.%s: not configured",
			cfg->journal ? "key" : "journal");
	if (!err && !chain_node_valid(span_str(cfg->node)))
		err = why_err(why, ERR_SYNTAX, "node: not of [A-Za-z0-9_.-]{1,64}");
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
		/* A full disk may get room again; whatever else it is will not heal. */
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
		/* Not wake(): a wake-up that is already under way may precede the store. */
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
