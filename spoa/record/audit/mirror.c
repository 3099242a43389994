/* Copies the journal into a Redis Stream: see mirror.h. The stream's last entry shows how far
 * it is. After a restart of the daemon, or after Redis was restarted, flushed or failed over
 * to a lagging replica, the journal is all that is needed to continue.
 *
 * States: BEGINNING, then FOLLOWING; AWAY if Redis or the journal cannot be read; CONFLICT if
 * stream and journal contradict each other. AWAY and CONFLICT are left by trying again.
 *
 * Each batch is one transaction that WATCHes the stream and first reads its last id. Another
 * writer or a flush is therefore noticed before anything is added, and a batch is added
 * completely or not at all. */
#include "record/audit/mirror.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis_life.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_service.h"
#include "base/scoped.h"
#include "record/journal/chain.h"
#include "record/journal/follow.h"

/* records and bytes of a batch, at most */
#define BATCH_RECORDS 512
#define BATCH_BYTES   (1u << 20)
/* records of a batch after Redis was full, because a transaction takes memory, too */
#define BATCH_TIGHT 16
/* bytes of commits that are kept in memory for a mirror that keeps up */
#define FEED_BYTES (512u << 10)
/* µs between two looks at an idle stream, and between two calls to an absent Redis */
#define IDLE_US 1000000
/* µs between batches, so that batches of a busy daemon are large */
#define GATHER_US 20000
/* µs until the next try in a conflict */
#define CONFLICT_US 5000000
/* µs between two questions to Redis how far the consumer groups are */
#define CONSUMED_US 5000000
/* consumer groups that are evaluated, at most */
#define GROUPS_MAX  1000
#define ENTRY_BYTES 64 /* bytes of an entry besides its record: id, fields, lengths */
/* bytes; a new stream gets at most as many records as fit at this size */
#define RECORD_LEAST	1024
#define TRIMMED_AT_ONCE 10000 /* entries that one XTRIM with ~ removes at most */
/* µs between two log events about trimmed entries; µs for which /readyz mentions them */
#define GAVE_WAY_SAID_US  60000000
#define GAVE_WAY_SHOWN_US 600000000
#define ROOM_US		  10000000 /* µs between two questions to Redis how full it is */

/* The last commits as they were written, records first..next - 1, so that a mirror that keeps
 * up need not read them from the disk. */
struct feed {
	struct buf bytes;
	uint64_t first, next, boot;
};

struct mirror {
	struct redis_service service;
	/* Under the lock of `service`: */
	/* the durable end of the journal */
	struct follow_end pub;
	struct feed feed;
	/* the last batch was just sent; wait GATHER_US for the next */
	bool gathering;
	char short_of[200]; /* the text of redis_room_short(); "": Redis has room */

	/* owner: the mirror's thread */
	char dir[JOURNAL_DIR_MAX], node[CHAIN_NODE_MAX + 1], key[96];
	uint64_t maxlen, bytes_max, others;
	bool here; /* Redis is on this machine */
	/* monotonic µs: the last question how full Redis is; 0: none yet */
	uint64_t room_us;
	/* bytes of the stream in Redis' memory: the last measurement plus at least what was
	 * added since */
	uint64_t used;
	bool measured;	 /* `used` was measured on this connection, or cannot be measured */
	bool bytes_said; /* a failed measurement was logged */
	struct redis_ballast ballast;
	/* value of ballast.given at the last log event, and when that was, monotonic µs */
	uint64_t given_said, given_said_us;
	/* monotonic µs: when entries were last trimmed for room */
	_Atomic uint64_t given_us;
	/* trim what all consumer groups have acknowledged */
	bool consumed;
	/* monotonic µs: the last question to the groups; 0: none yet */
	uint64_t consumed_us;
	bool consumed_said; /* it was logged that this cannot be done */
	struct metrics *metrics;
	_Atomic bool paused;		    /* set by any thread */
	_Atomic enum mirror_state state;    /* read by any thread */
	_Atomic uint64_t published, copied; /* records; for mirror_behind() */
	uint64_t next_us; /* monotonic µs: no try before this, while AWAY or in CONFLICT */
	/* records of a batch; less than BATCH_RECORDS after Redis was full */
	int batch_most;
	bool placed;	    /* `follow` is behind the stream's last entry */
	uint64_t boot, seq; /* boot and number of the stream's last entry; seq 0: the stream
			     * is empty */
	uint64_t begin;	    /* the record with which an empty stream begins */
	struct follow follow;
	uint64_t at;	  /* the record that `follow` reads next; 0: any */
	struct feed mine; /* commits taken from `feed` */
	uint64_t next;	  /* the record that must come next; 0: any */
	bool past;	  /* a gap was skipped, and no record was read since */
	/* a record that waits for the next line, which may be its commit */
	struct buf held;
	struct chain_line held_is;
};

static void
enter_state(struct mirror *m, enum mirror_state s, const char *why)
{
	if (s != MIRROR_FOLLOWING)
		m->next_us = clock_mono_us() + (s == MIRROR_CONFLICT ? CONFLICT_US : IDLE_US);
	if (s == m->state)
		return;
	if (s == MIRROR_FOLLOWING)
		log_event(LOG_INFO, "audit.stream_following", LS("stream", m->key),
			LI("seq", m->seq));
	else if (s == MIRROR_AWAY)
		log_event(LOG_WARN, "audit.stream_away", LS("stream", m->key), LS("why", why));
	else if (s == MIRROR_CONFLICT)
		log_event(LOG_ERROR, "audit.stream_conflict", LS("stream", m->key),
			LS("why", why));
	m->state = s;
}

static void
hang_up_mirror(struct mirror *m, enum mirror_state s, const char *why)
{
	enter_state(m, s, why);
	redis_service_hang_up(&m->service);
	m->placed = m->measured = false;
}

/* ---- memory ---- */

/* Trims the stream to about `left` entries. Returns how many were removed; 0 also if Redis
 * refused or is away. */
static uint64_t
trim_stream(struct mirror *m, uint64_t left)
{
	redisReply *r = redis_ask(
		m->service.redis, "XTRIM %s MAXLEN ~ %llu", m->key, (unsigned long long)left);
	uint64_t n = r && r->type == REDIS_REPLY_INTEGER ? (uint64_t)r->integer : 0;

	freeReplyObject(r);
	redis_ballast_trimmed(&m->ballast, n);
	return n;
}

/* Asks Redis for the stream's entries and bytes. Returns false if Redis did not report them. */
static bool
measure_stream(struct mirror *m)
{
	redisReply *n = redis_ask(m->service.redis, "XLEN %s", m->key), *b = NULL;
	bool ok = n && n->type == REDIS_REPLY_INTEGER;

	if (ok) {
		atomic_store(&m->ballast.entries, (uint64_t)n->integer);
		b = redis_ask(m->service.redis, "MEMORY USAGE %s SAMPLES 0", m->key);
		m->used = b && b->type == REDIS_REPLY_INTEGER ? (uint64_t)b->integer : 0;
		m->measured = b != NULL;
		ok = m->used > 0;
	}
	if (b && b->type == REDIS_REPLY_ERROR && m->bytes_max && !m->bytes_said) {
		log_event(LOG_WARN, "audit.stream_untrimmed", LS("stream", m->key),
			LS("why", b->str));
		m->bytes_said = true;
	}
	freeReplyObject(n);
	freeReplyObject(b);
	if (m->service.redis->err)
		hang_up_mirror(m, MIRROR_AWAY, redis_service_why(&m->service, NULL));
	return ok;
}

/* Trims the stream to bytes_max. Entries that were added since the last measurement are
 * counted as a quarter larger than their bytes, which is more than Redis' overhead. A
 * sixteenth more than necessary is trimmed, so that the stream is measured only after each
 * further sixteenth. No transaction may be open. */
static void
keep_to_bytes(struct mirror *m)
{
	while (m->service.redis && (!m->measured || (m->bytes_max && m->used > m->bytes_max))) {
		uint64_t n, any = 0, most = m->bytes_max - m->bytes_max / 16;
		if (!measure_stream(m) || !m->bytes_max || m->used <= m->bytes_max)
			return;
		uint64_t left = (uint64_t)((double)atomic_load(&m->ballast.entries) *
					   (double)most / (double)m->used);
		do
			any += n = trim_stream(m, left ? left : 1);
		while (n >= TRIMMED_AT_ONCE);
		if (!any)
			return; /* only one node of entries is left */
	}
}

/* Checks whether Redis has room: the memory in use plus what the stream may still get. Other
 * daemons' streams are counted at their current size, because each daemon checks its own. */
static void
look_at_room(struct mirror *m)
{
	uint64_t now = clock_mono_us();
	struct redis_room room;

	if (!m->service.redis || (m->room_us && now < m->room_us + ROOM_US))
		return;
	m->room_us = now;
	redisReply *r = redis_ask(m->service.redis, "INFO");
	SCOPED_BUF(text, sizeof(m->short_of));
	if (r && r->type == REDIS_REPLY_STRING) {
		redis_room_read(span_of(r->str, (size_t)r->len), m->here, &room);
		redis_room_short(&room, m->used, m->bytes_max, m->others, &text);
	}
	freeReplyObject(r);
	SCOPED_LOCK(&m->service.lock);
	snprintf(m->short_of, sizeof(m->short_of), "%.*s", SPAN_ARG(buf_view(&text)));
}

/* Redis is full: trims the oldest entries on a new connection, because replies to the batch
 * wait on the old one. Returns false if no entries may be trimmed. */
static bool
make_room(struct mirror *m)
{
	uint64_t had, left, n;

	redis_service_hang_up(&m->service);
	if (!redis_service_dial(&m->service, span_str(m->key)))
		return false;
	if (!atomic_load(&m->ballast.entries))
		measure_stream(m);
	had = atomic_load(&m->ballast.entries);
	left = redis_ballast_left(had, 1);
	n = m->service.redis && left < had ? trim_stream(m, left) : 0;
	atomic_fetch_add(&m->ballast.given, n);
	m->measured = false;
	return n > 0;
}

/* Reports entries that were trimmed to make room. Workers may have trimmed some, too. */
static void
say_gave_way(struct mirror *m)
{
	uint64_t given = atomic_load(&m->ballast.given), now = clock_mono_us();
	uint64_t more = given - m->given_said;

	if (!more)
		return;
	m->given_said = given;
	atomic_store(&m->given_us, now);
	metric_add(m->metrics, M_AUDIT_GAVE_WAY, more);
	if (m->given_said_us && now - m->given_said_us < GAVE_WAY_SAID_US)
		return;
	m->given_said_us = now;
	log_event(LOG_WARN, "audit.stream_gave_way", LS("stream", m->key), LI("entries", given),
		LS("note", "Redis is full, so the oldest entries were trimmed to leave room "
			   "for counters: raise maxmemory or lower audit.stream_bytes"));
}

/* ---- position ---- */

/* Reads id and record of the last entry from an XREVRANGE reply. Returns false if the stream
 * is empty. */
static bool
last_entry(const redisReply *r, uint64_t *boot, uint64_t *seq, struct span *record)
{
	*boot = *seq = 0;
	*record = (struct span){ NULL, 0 };
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 1 || r->element[0]->elements != 2)
		return false;
	const redisReply *id = r->element[0]->element[0], *f = r->element[0]->element[1];
	struct span s = span_of(id->str, (size_t)id->len), b = span_next(&s, '-');
	if (span_u64(b, boot) || span_u64(s, seq))
		/* not an id of ours: treat the stream as ahead of the journal */
		*boot = *seq = UINT64_MAX;
	for (size_t i = 0; i + 1 < f->elements; i += 2)
		if (span_is(span_of(f->element[i]->str, (size_t)f->element[i]->len), "r"))
			*record =
				span_of(f->element[i + 1]->str, (size_t)f->element[i + 1]->len);
	return true;
}

/* Watches the stream and asks for its last entry. Returns NULL if Redis is away. */
static redisReply *
ask_last(struct mirror *m)
{
	redisAppendCommand(m->service.redis, "WATCH %s", m->key);
	redisAppendCommand(m->service.redis, "XREVRANGE %s + - COUNT 1", m->key);
	redisReply *watch = redis_reply(m->service.redis),
		   *r = watch ? redis_reply(m->service.redis) : NULL;
	bool ok = r && watch->type != REDIS_REPLY_ERROR && r->type == REDIS_REPLY_ARRAY;
	if (!ok)
		hang_up_mirror(m, MIRROR_AWAY,
			redis_service_why(
				&m->service, r && r->type == REDIS_REPLY_ERROR ? r : watch));
	freeReplyObject(watch);
	if (ok)
		return r;
	freeReplyObject(r);
	return NULL;
}

/* Moves to the journal's line after the stream's last entry. That entry is a record, or
 * describes a gap and has no record. */
static int
place_after(struct mirror *m, const struct follow_end *pub, uint64_t boot, uint64_t seq,
	struct span record)
{
	struct follow_gap gap;
	int err = ERR_NOTFOUND;

	if (record.p) {
		err = follow_place(&m->follow, pub, seq, record);
		if (!err && m->follow.boot != boot)
			err = ERR_AUTH;
	}
	if (err != ERR_NOTFOUND && err != ERR_AUTH)
		return err;
	/* The record may have been destroyed in the journal since. */
	return follow_past(&m->follow, record.p ? seq : seq + 1, &gap) == 0 ? 0 : err;
}

/* Compares the end of the stream with the journal and continues from there. */
static bool
resume(struct mirror *m, const struct follow_end *pub, const redisReply *r)
{
	uint64_t boot, seq;
	struct span record;
	int err;

	follow_close(&m->follow);
	buf_clear(&m->held);
	m->held_is.seq = 0;
	m->past = false;

	if (last_entry(r, &boot, &seq, &record)) {
		if (seq > pub->seq) {
			enter_state(m, MIRROR_CONFLICT,
				"the stream is ahead of the journal: records were cut off the "
				"journal, or another daemon uses this node name");
			return false;
		}
		err = place_after(m, pub, boot, seq, record);
		m->begin = m->next = seq + 1;
	} else {
		uint64_t most = m->maxlen ? m->maxlen : UINT64_MAX;
		if (m->bytes_max && m->bytes_max / RECORD_LEAST < most)
			most = m->bytes_max / RECORD_LEAST + 1;
		m->begin = pub->seq > most ? pub->seq - most + 1 : 1;
		m->next = 0;
		err = follow_place(&m->follow, pub, m->begin - 1, (struct span){ NULL, 0 });
		/* archived or damaged: begin with the oldest record that is available */
		if (err == ERR_NOTFOUND || err == ERR_AUTH)
			err = follow_place(&m->follow, pub, 0, (struct span){ NULL, 0 });
		seq = boot = 0;
	}
	if (err == ERR_AUTH)
		enter_state(m, MIRROR_CONFLICT,
			"the last record of the stream differs from the journal: another "
			"daemon uses this node name, or the stream or the journal was changed");
	else if (err == ERR_NOTFOUND)
		enter_state(m, MIRROR_CONFLICT,
			"the journal no longer has the record after the last one in the "
			"stream: delete the stream, so that it begins again");
	else if (err)
		enter_state(m, MIRROR_AWAY, "the journal cannot be read");
	m->boot = boot;
	m->seq = seq;
	m->copied = seq;
	m->at = m->next;
	m->placed = err == 0;
	return m->placed;
}

/* ---- batches ---- */

/* A transaction: number of entries, bytes, and the id of the last entry. */
struct batch {
	int n;
	size_t bytes;
	uint64_t boot, seq;
};

/* Adds a command to the batch, whose entry gets this id. */
static void
begin_entry(struct mirror *m, struct batch *b, uint64_t boot, uint64_t seq)
{
	if (b->n++ == 0)
		redisAppendCommand(m->service.redis, "MULTI");
	b->boot = boot;
	b->seq = seq;
}

/* Adds the entry that begin_entry() began: a record, with the commit line if the record is
 * the last of its commit. */
static void
add_entry(struct mirror *m, struct batch *b, struct span record, struct span commit)
{
	char id[48];
	int n = snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64, b->boot, b->seq);
	const char *argv[] = { "XADD", m->key, id, "r", record.p, "c", commit.p };
	const size_t lens[] = { 4, strlen(m->key), (size_t)n, 1, record.n, 1, commit.n };

	redisAppendCommandArgv(m->service.redis, commit.n ? 7 : 5, argv, lens);
	b->bytes += record.n + commit.n + ENTRY_BYTES;
}

/* The journal does not have the next record. If an alarm states that, adds one entry that
 * describes the gap, with the id of the last missing record. */
static int
leave_gap(struct mirror *m, struct batch *b)
{
	struct follow_gap gap;
	uint64_t seq = m->held_is.seq ? m->held_is.seq : m->next ? m->next : m->begin;
	int err = m->past ? ERR_AUTH : follow_past(&m->follow, seq, &gap);

	if (err)
		return err == ERR_NOTFOUND ? ERR_AUTH : err;
	buf_clear(&m->held);
	m->held_is.seq = 0;
	m->past = true;
	m->at = m->next = gap.last + 1;
	if (gap.first > gap.last)
		return 0;
	log_event(LOG_WARN, "audit.stream_gap", LS("stream", m->key), LI("first", gap.first),
		LI("last", gap.last), LS("segment", gap.segment), LS("how", gap.how));
	begin_entry(m, b, gap.boot, gap.last);
	redisAppendCommand(m->service.redis,
		"XADD %s %" PRIu64 "-%" PRIu64 " g {\"first\":%" PRIu64 ",\"last\":%" PRIu64
		",\"segment\":\"%s\",\"how\":\"%s\"}",
		m->key, gap.boot, gap.last, gap.first, gap.last, gap.segment, gap.how);
	return 0;
}

/* Takes a line of the journal. The held record goes into the batch; a new record is held
 * until the next line shows whether it is the last of its commit. */
static int
take_mirror_line(struct mirror *m, struct batch *b, struct span line)
{
	struct chain_line l;

	if (chain_parse(line, &l) || (!l.commit && m->next && l.seq != m->next))
		return leave_gap(m, b);
	if (m->held_is.seq) {
		begin_entry(m, b, m->held_is.boot, m->held_is.seq);
		add_entry(m, b, buf_view(&m->held), l.commit ? line : (struct span){ NULL, 0 });
	}
	buf_clear(&m->held);
	m->held_is.seq = 0;
	if (!l.commit) {
		m->at = m->next = l.seq + 1;
		m->past = false;
		if (l.seq >= m->begin) {
			buf_span(&m->held, line);
			m->held_is = l;
		}
	}
	return buf_failed(&m->held) ? ERR_NOMEM : 0;
}

/* Takes the fed commits if they begin at the right record. */
static bool
take_feed(struct mirror *m)
{
	buf_clear(&m->mine.bytes);
	SCOPED_LOCK(&m->service.lock);
	bool fits = m->next && m->feed.first <= m->next && m->next < m->feed.next &&
		    !m->held_is.seq;
	if (fits) {
		struct feed taken = m->feed;
		m->feed = m->mine;
		m->feed.first = m->feed.next = taken.next;
		m->feed.boot = taken.boot;
		m->mine = taken;
		m->past = false;
	}
	return fits;
}

/* Adds whole commits as the audit thread wrote them; only their lines are separated. */
static void
queue_feed(struct mirror *m, struct batch *b)
{
	struct span rest = buf_view(&m->mine.bytes), none = { NULL, 0 }, record = none;

	for (uint64_t seq = m->mine.first; rest.n;) {
		struct span line = span_next(&rest, '\n');
		bool commit = span_starts(line, SPAN_LIT("{\"v\":1,\"commit\""));
		if (record.p) {
			begin_entry(m, b, m->mine.boot, m->next++);
			add_entry(m, b, record, commit ? line : none);
		}
		record = commit || seq < m->next ? none : line;
		seq += !commit;
	}
}

/* Fills a batch with fed commits, or with records from the journal. */
static int
queue_batch(struct mirror *m, const struct follow_end *pub, struct batch *b)
{
	struct span line;
	int got = 0, err = 0;

	if (m->batch_most == BATCH_RECORDS && take_feed(m)) {
		queue_feed(m, b);
		return 0;
	}
	if (m->at != m->next) {
		m->at = m->next;
		err = follow_place(&m->follow, pub, m->next - 1, (struct span){ NULL, 0 });
		if (err == ERR_NOTFOUND || err == ERR_AUTH)
			err = leave_gap(m, b);
	}
	while (!err && b->n < m->batch_most && b->bytes < BATCH_BYTES &&
		(got = follow_line(&m->follow, pub, &line)) > 0)
		err = take_mirror_line(m, b, line);
	return err ? err : got < 0 ? got : 0;
}

/* Ends the transaction. Its last reply decides about the whole batch: added, refused, or not
 * executed because another program wrote to the stream meanwhile. */
static void
execute(struct mirror *m, const struct batch *b)
{
	int replies = b->n + 2; /* MULTI, the entries, EXEC */

	INVARIANT(b->n > 0); /* EXEC without MULTI is an error */
	if (m->maxlen) {
		redisAppendCommand(m->service.redis, "XTRIM %s MAXLEN ~ %llu", m->key,
			(unsigned long long)m->maxlen);
		replies++;
	}
	redisAppendCommand(m->service.redis, "EXEC");
	redisReply *r = redis_service_replies(&m->service, (size_t)replies);
	/* The first error among the replies in the transaction. */
	const char *why = r ? redis_service_exec_error(r) : NULL;
	if (r && redis_is_full(r) && make_room(m)) {
		m->placed = false; /* the whole batch was refused: send it again */
		m->batch_most = BATCH_TIGHT;
	} else if (!r || r->type == REDIS_REPLY_ERROR) {
		hang_up_mirror(m, MIRROR_AWAY, redis_service_why(&m->service, r));
	} else if (r->type == REDIS_REPLY_NIL) {
		m->placed = false; /* another program wrote to the stream: compare again */
	} else if (why || r->type != REDIS_REPLY_ARRAY) {
		m->placed = false;
		enter_state(m, MIRROR_CONFLICT, why ? why : "");
	} else {
		m->boot = b->boot;
		m->seq = b->seq;
		m->copied = b->seq;
		m->used += b->bytes + b->bytes / 4;
		m->batch_most =
			2 * m->batch_most < BATCH_RECORDS ? 2 * m->batch_most : BATCH_RECORDS;
		atomic_fetch_add(&m->ballast.entries, (uint64_t)b->n);
		metric_add(m->metrics, M_AUDIT_MIRRORED, (uint64_t)b->n);
		enter_state(m, MIRROR_FOLLOWING, "");
	}
	freeReplyObject(r);
}

/* ---- trimming acknowledged entries ---- */

/* A stream id, BOOT-SEQ. */
struct entry_id {
	uint64_t boot, seq;
};

static bool
read_id(const redisReply *r, struct entry_id *out)
{
	if (r->type != REDIS_REPLY_STRING)
		return false;
	struct span s = span_of(r->str, (size_t)r->len), b = span_next(&s, '-');
	return span_u64(b, &out->boot) == 0 && span_u64(s, &out->seq) == 0;
}

static const redisReply *
reply_member(const redisReply *r, const char *name)
{
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2)
		if (r->element[i]->type == REDIS_REPLY_STRING &&
			!strcmp(r->element[i]->str, name))
			return r->element[i + 1];
	return NULL;
}

/* Finds the first entry that a group still needs: the oldest that it has not acknowledged, or
 * else the last that it received, which therefore stays. Returns false if Redis does not
 * report it. */
static bool
group_needs(struct mirror *m, const redisReply *group, struct entry_id *out)
{
	const redisReply *name = reply_member(group, "name"),
			 *pending = reply_member(group, "pending"),
			 *last = reply_member(group, "last-delivered-id");

	if (!name || name->type != REDIS_REPLY_STRING || !pending ||
		pending->type != REDIS_REPLY_INTEGER || !last || !read_id(last, out))
		return false;
	if (pending->integer == 0)
		return true;
	const char *argv[] = { "XPENDING", m->key, name->str };
	const size_t lens[] = { 8, strlen(m->key), (size_t)name->len };
	redisReply *r = redis_ask_argv(m->service.redis, 3, argv, lens);
	/* Everything was acknowledged meanwhile: then the last received entry counts. */
	bool ok = r && r->type == REDIS_REPLY_ARRAY && r->elements >= 2 &&
		  (r->element[1]->type == REDIS_REPLY_NIL || read_id(r->element[1], out));
	freeReplyObject(r);
	return ok;
}

/* Finds the first entry that any group still needs. Returns false if there is no group. */
static bool
slowest_group(struct mirror *m, const redisReply *groups, struct entry_id *out)
{
	struct entry_id is;

	if (groups->type != REDIS_REPLY_ARRAY || !groups->elements ||
		groups->elements > GROUPS_MAX)
		return false;
	for (size_t i = 0; i < groups->elements; i++) {
		if (!group_needs(m, groups->element[i], &is))
			return false;
		if (!i || is.boot < out->boot || (is.boot == out->boot && is.seq < out->seq))
			*out = is;
	}
	return true;
}

/* Trims what all groups have acknowledged; without a group, nothing. No transaction may be
 * open, and no WATCH: it would notice our own XTRIM. */
static void
trim_consumed(struct mirror *m)
{
	struct entry_id from = { 0, 0 };
	uint64_t now = clock_mono_us();

	if (!m->consumed || !m->service.redis ||
		(m->consumed_us && now < m->consumed_us + CONSUMED_US))
		return;
	m->consumed_us = now;
	redisReply *r = redis_ask(m->service.redis, "UNWATCH");
	freeReplyObject(r);
	redisReply *groups = r ? redis_ask(m->service.redis, "XINFO GROUPS %s", m->key) : NULL;
	bool any = groups && slowest_group(m, groups, &from);
	r = any ? redis_ask(m->service.redis, "XTRIM %s MINID %llu-%llu", m->key,
			  (unsigned long long)from.boot, (unsigned long long)from.seq)
		: NULL;
	if (r && r->type == REDIS_REPLY_ERROR && !m->consumed_said)
		log_event(LOG_WARN, "audit.stream_untrimmed", LS("stream", m->key),
			LS("why", r->str));
	m->consumed_said = r && r->type == REDIS_REPLY_ERROR;
	freeReplyObject(r);
	freeReplyObject(groups);
	if (m->service.redis->err)
		hang_up_mirror(m, MIRROR_AWAY, redis_service_why(&m->service, NULL));
}

/* Sends one batch, or looks at an idle stream. Returns true if there may be more to send at
 * once. */
static bool
step_mirror(struct mirror *m, const struct follow_end *pub)
{
	uint64_t boot, seq;
	struct span record;
	redisReply *r;

	if (!redis_service_dial(&m->service, span_str(m->key)) || !(r = ask_last(m)))
		return false;
	last_entry(r, &boot, &seq, &record);
	if (m->placed && (boot != m->boot || seq != m->seq))
		m->placed = false;
	bool ok = m->placed || resume(m, pub, r);
	freeReplyObject(r);
	if (!ok)
		return false;
	struct batch b = { 0 };
	int err = queue_batch(m, pub, &b);
	if (err) {
		/* The queued commands are not sent. */
		if (err == ERR_AUTH)
			hang_up_mirror(m, MIRROR_CONFLICT,
				"the journal is damaged, and no alarm in it reports the "
				"damage: run tollgate audit verify");
		else
			hang_up_mirror(m, MIRROR_AWAY, "the journal cannot be read");
		return false;
	}
	if (b.n == 0) {
		enter_state(m, MIRROR_FOLLOWING, "");
		trim_consumed(m);
		if (!m->measured && !m->consumed && m->service.redis)
			freeReplyObject(redis_ask(m->service.redis, "UNWATCH"));
		keep_to_bytes(m);
		look_at_room(m);
		return false;
	}
	execute(m, &b);
	if (m->state == MIRROR_FOLLOWING) {
		trim_consumed(m);
		keep_to_bytes(m);
		look_at_room(m);
	}
	return m->state == MIRROR_FOLLOWING;
}

/* ---- the thread ---- */

static bool
held_off(const struct mirror *m)
{
	return m->state == MIRROR_AWAY || m->state == MIRROR_CONFLICT;
}

/* One turn of the thread. After a batch, records are gathered for GATHER_US: two round trips
 * and three wake-ups for each commit would cost more than the commit. */
static enum redis_turn
mirror_turn(void *arg, uint64_t puts UNUSED)
{
	struct mirror *m = arg;
	uint64_t was = m->seq;

	say_gave_way(m);
	pthread_mutex_lock(&m->service.lock);
	struct follow_end pub = m->pub;
	bool idle = m->paused || !pub.name[0] || (m->gathering && pub.seq == m->seq);
	m->gathering = false;
	pthread_mutex_unlock(&m->service.lock);
	if (idle)
		return REDIS_TURN_DONE;
	if (step_mirror(m, &pub) && m->seq < pub.seq)
		m->service.next_us = clock_mono_us();
	if (held_off(m)) {
		m->service.next_us = m->next_us;
		return REDIS_TURN_AWAY;
	}
	if (m->seq == was)
		return REDIS_TURN_DONE;
	pthread_mutex_lock(&m->service.lock);
	m->gathering = true;
	m->service.soon = m->pub.seq - m->seq >= BATCH_RECORDS;
	pthread_mutex_unlock(&m->service.lock);
	m->service.next_us = clock_mono_us() + GATHER_US;
	return REDIS_TURN_DONE;
}

/* Sends the rest at the end, while Redis responds and time is left. */
static void
mirror_last(void *arg)
{
	struct mirror *m = arg;
	struct follow_end pub;

	for (;;) {
		pthread_mutex_lock(&m->service.lock);
		pub = m->pub;
		pthread_mutex_unlock(&m->service.lock);
		if (m->paused || pub.seq <= m->seq || held_off(m) || clock_mono_us() >= m->service.stop_us)
			return;
		step_mirror(m, &pub);
	}
}

static void
mirror_lost(void *arg, const char *why)
{
	struct mirror *m = arg;

	enter_state(m, MIRROR_AWAY, why);
}

static const struct redis_service_kind mirror_service = { .thread = "tg-mirror",
	.every_us = IDLE_US,
	.again_us = IDLE_US,
	.turn = mirror_turn,
	.lost = mirror_lost,
	.last = mirror_last };

void
mirror_pause(struct mirror *m, bool pause)
{
	/* otherwise the thread sleeps until the next record or second */
	if (atomic_exchange(&m->paused, pause) && !pause)
		redis_service_wake(&m->service);
}

void
mirror_publish(struct mirror *m, const char *name, uint64_t bytes, const struct chain *end,
	uint64_t first, struct span commit)
{
	uint64_t seq = end->seq;

	SCOPED_LOCK(&m->service.lock);
	struct feed *f = &m->feed;
	/* Each durable commit arrives once, in the order of the chain. */
	INVARIANT(first > 0 && first <= seq && (!m->pub.seq || m->pub.seq + 1 == first));
	if (f->next != first || f->boot != end->boot || f->bytes.n + commit.n > FEED_BYTES) {
		buf_clear(&f->bytes);
		f->first = f->next = seq + 1;
	}
	if (f->next == first) {
		buf_span(&f->bytes, commit);
		f->next = seq + 1;
	}
	INVARIANT(f->first <= f->next && f->next == seq + 1);
	f->boot = end->boot;
	snprintf(m->pub.name, sizeof(m->pub.name), "%s", name);
	m->pub.bytes = bytes;
	m->pub.seq = seq;
	m->published = seq;
	if (!m->gathering || seq - m->copied >= BATCH_RECORDS) {
		m->service.soon = true;
		pthread_cond_signal(&m->service.changed);
	}
}

uint64_t
mirror_behind(const struct mirror *m)
{
	uint64_t copied = m->copied, published = m->published;

	return published > copied ? published - copied : 0;
}

struct redis_ballast *
mirror_ballast(struct mirror *m)
{
	return &m->ballast;
}

void
mirror_says(struct mirror *m, struct buf *out)
{
	uint64_t at = atomic_load(&m->given_us);

	if (at && clock_mono_us() - at < GAVE_WAY_SHOWN_US)
		buf_printf(out,
			"audit stream: gave way: %" PRIu64
			" entries were trimmed early since the start, because Redis is full: "
			"raise maxmemory or lower audit.stream_bytes\n",
			atomic_load(&m->ballast.given));
	SCOPED_LOCK(&m->service.lock);
	if (m->short_of[0])
		buf_printf(out, "redis: %s\n", m->short_of);
}

uint64_t
mirror_copied(const struct mirror *m)
{
	return m->copied;
}

enum mirror_state
mirror_state(const struct mirror *m)
{
	return atomic_load_explicit(&m->state, memory_order_relaxed);
}

struct mirror *
mirror_start(const struct mirror_options *o, struct metrics *metrics, struct buf *why)
{
	struct mirror *m = calloc(1, sizeof(*m));

	if (!m) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	snprintf(m->dir, sizeof(m->dir), "%s", o->journal);
	snprintf(m->node, sizeof(m->node), "%s", o->node);
	m->follow.dir = m->dir;
	m->follow.node = m->node;
	snprintf(m->key, sizeof(m->key), "tollgate:audit:%s", m->node);
	snprintf(m->ballast.key, sizeof(m->ballast.key), "%s", m->key);
	m->batch_most = BATCH_RECORDS;
	m->maxlen = o->maxlen;
	m->bytes_max = o->bytes;
	m->others = o->others;
	m->here = redis_is_here(o->redis);
	m->consumed = o->consumed;
	m->metrics = metrics;
	buf_init(&m->held, CHAIN_LINE_MAX);
	buf_init(&m->feed.bytes, FEED_BYTES);
	buf_init(&m->mine.bytes, FEED_BYTES);
	redis_service_init(&m->service, &mirror_service, m, o->redis);
	if (redis_service_start(&m->service, why))
		mirror_stop(&m, 0);
	return m;
}

void
mirror_stop(struct mirror **mp, uint64_t timeout_us)
{
	struct mirror *m = *mp;

	if (!m)
		return;
	redis_service_stop(&m->service, timeout_us);
	follow_close(&m->follow);
	buf_free(&m->held);
	buf_free(&m->feed.bytes);
	buf_free(&m->mine.bytes);
	free(m);
	*mp = NULL;
}
