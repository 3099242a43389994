/* Counts on Redis: the content and the time of each pipeline of reservations, corrections of
 * counts, and notes of slices. quota_part.c writes the pipelines and reads the replies.
 *
 * All reservations of a turn of the loop are sent in one pipeline at its end, after all
 * corrections. The pipeline counts, then reads Redis' clock, then the counters that are not
 * known (quota_known.h), and last the epoch and the revision. An admission is valid if the
 * clock is in the window that was counted and the epoch is the one of the keys. Everything
 * admitted at a moment of Redis' clock is then in that moment's window, and the last one to
 * count has seen all others. Otherwise the count is taken back (or forgotten, in another
 * epoch), and the request is tried again.
 *
 * Amounts held until a long deadline are read only if "tollgate:longs:EPOCH" exists. A worker
 * that holds for so long sets that key before it counts, and the key is read last. A worker
 * that does not see the key has counted earlier, and its count is seen.
 *
 * The keys of a dim are on one node, which has a clock and an epoch of its own. A turn is one
 * pipeline for each node, and a request is decided when its last node has replied.
 *
 * Corrections are settlements, refunds, and the commands that add to a counter. A correction
 * without a reply is kept and sent again. It has an id, so that Redis makes it only once even if
 * the first command was executed. The id of a settlement is drawn at the reservation and is part of
 * its record. Redis keeps it as long as the counters that are settled. When Redis has replied, a
 * later record of this daemon states the id, and the id is removed from Redis. A start sends the
 * settlements again whose id no record states (budget/recall/). Without an id are corrections if
 * Redis forbids EVAL, or while a slot of a cluster moves: additions are then sent at least
 * once, subtractions at most once. A count that is wrong afterwards is too high, so that no limit
 * is exceeded.
 *
 * For each sub-bucket there is a hash of notes (quota_window.h), "tollgate:p:…", whose fields are
 * the slices. A note frees an amount before its sub-bucket leaves, so the notes must never exceed
 * the count. An amount is therefore noted after Redis has replied that it is counted, at most once,
 * and a refund reduces the note before the count. A lost note does little harm: the amount leaves
 * with its sub-bucket.
 *
 * Each hash needs a TTL. A worker's first note of each slice is followed by EXPIRE. Redis may
 * have lost or refused an earlier note, or another worker may have removed the hash. A reply
 * that equals the amount means that the hash may be new, so it is followed by EXPIRE, too.
 *
 * Notes are needed only ten sub-buckets later. They wait for the next pipeline of
 * reservations, or for WAIT_US, and amounts of one slice become one command. */
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/quota_part.h"
#include "budget/quota/quota_private.h"

/* ---- notes of slices ---- */

enum { NOTES = 256, NOTE_WAYS = 8 /* places that a note may have */, WAIT_US = 20000 };

/* owner: worker */
struct quota_notes {
	size_t n; /* number of elements in `waits` */
	unsigned char waits[NOTES]; /* indexes of the notes that wait to be sent */
	uint64_t since_us;	    /* monotonic, when the oldest of them was added */
	struct note {
		char key[QUOTA_KEY_MAX];
		uint64_t epoch;
		int64_t bucket, slice, n, ttl_s;
		bool makes; /* this worker has not noted anything in the slice before */
	} note[NOTES]; /* hash table by key, sub-bucket and slice; n 0: the place is free */
	struct sent_notes {
		struct tag tag;
		struct quota *quota;
		size_t n;
		struct note note[NOTES];
	} sent; /* the argument of the next pipeline, which copies its first n notes */
};

static struct quota_notes *
notes_new(void)
{
	return calloc(1, sizeof(struct quota_notes));
}

static size_t
notes_key(char out[CELL_KEY_TEXT], const char *key, uint64_t epoch, int64_t bucket)
{
	struct quota_dim d = { .n = 0 };

	strcpy(d.key, key);
	return cell_key(out, &d, epoch, (struct cell){ CELL_SLICES, bucket });
}

/* Appends HINCRBY. */
static void
add_to_slice(struct redis_pipe *p, const char *key, size_t kn, int64_t slice, int64_t delta)
{
	char field[SPAN_DECIMAL], by[SPAN_DECIMAL];

	redis_command(p, 4, (const char *[]){ "HINCRBY", key, field, by },
		(const size_t[]){
			7, kn, span_decimal(field, slice - 1), span_decimal(by, delta) });
}

static void
expire_hash(struct redis_pipe *p, const char *key, size_t kn, int64_t ttl_s)
{
	char ttl[SPAN_DECIMAL];

	redis_command(p, 3, (const char *[]){ "EXPIRE", key, ttl },
		(const size_t[]){ 6, kn, span_decimal(ttl, ttl_s) });
}

/* Returns true if the replies to this note show that the hash has a TTL. */
static bool
has_ttl(const struct note *w, const struct redis_reply_ints *reply)
{
	if (w->makes && !reply[1].err && reply[1].i == 1)
		return true;
	return !reply[0].err && reply[0].i != w->n;
}

static void
on_noted(void *arg, int err, const struct redis_reply_ints *reply, size_t n)
{
	const struct sent_notes *s = TAGGED(sent_notes, arg);
	const struct redis_reply_ints *first = reply;
	struct redis_pipe *p = NULL;
	char key[CELL_KEY_TEXT];

	for (const struct note *w = s->note; w < s->note + s->n; w++) {
		bool ends = !err && has_ttl(w, reply);
		if (!err)
			reply += w->makes ? 2 : 1;
		if (ends)
			continue;
		if (!p)
			p = redis_begin(s->quota->redis, s->n, NULL, NULL, 0);
		expire_hash(p, key, notes_key(key, w->key, w->epoch, w->bucket), w->ttl_s);
	}
	INVARIANT(err || (size_t)(reply - first) == n); /* each note used its own replies */
	if (p)
		redis_send(p);
}

static void
send_notes(struct quota *qt)
{
	struct quota_notes *notes = qt->notes;
	struct sent_notes *sent = &notes->sent;
	char key[CELL_KEY_TEXT];

	sent->n = 0;
	for (size_t i = 0; i < notes->n; i++) {
		struct note *w = &notes->note[notes->waits[i]];
		if (w->n) /* otherwise a refund took it */
			sent->note[sent->n++] = *w;
		w->n = 0;
	}
	notes->n = 0;
	if (!sent->n)
		return;
	sent->quota = qt;
	TAG(sent_notes, sent);
	struct redis_pipe *p = redis_begin(qt->redis, 2 * sent->n, on_noted, sent,
		offsetof(struct sent_notes, note) + sent->n * sizeof(sent->note[0]));
	for (const struct note *w = sent->note; w < sent->note + sent->n; w++) {
		size_t kn = notes_key(key, w->key, w->epoch, w->bucket);
		add_to_slice(p, key, kn, w->slice, w->n);
		if (w->makes)
			expire_hash(p, key, kn, w->ttl_s);
	}
	redis_send(p);
}

/* Sends the notes if reservations are sent too, or if they have waited for long. */
static void
notes_send(struct quota *qt, uint64_t now_us)
{
	if (qt->notes->n && (qt->first || now_us - qt->notes->since_us >= WAIT_US))
		send_notes(qt);
}

static bool
is_note_of(const struct note *w, const struct quota_dim *d, const struct quota_place *at)
{
	return w->n && w->bucket == at->bucket && w->slice == at->slice &&
	       w->epoch == at->epoch && strcmp(w->key, d->key) == 0;
}

/* Returns the note of that place, or a free one with n 0, or NULL if all its places are in
 * use. */
static struct note *
note_place(const struct quota *qt, const struct quota_dim *d, const struct quota_place *at)
{
	uint64_t i = d->hash + (uint64_t)at->bucket * QUOTA_SLICES + (uint64_t)at->slice;
	struct note *w, *unused = NULL;

	for (uint64_t way = 0; way < NOTE_WAYS; way++) {
		w = &qt->notes->note[(i + way) % NOTES];
		if (is_note_of(w, d, at))
			return w;
		if (!w->n && !unused)
			unused = w;
	}
	return unused;
}

void
notes_add(struct quota *qt, const struct quota_dim *d, const struct quota_place *at, int64_t n)
{
	const struct cell c = { CELL_SLICES, at->bucket * QUOTA_SLICES + at->slice };
	struct note *w = note_place(qt, d, at);

	INVARIANT(n > 0 && at->slice > 0 && at->slice <= QUOTA_SLICES);
	if (w && w->n) {
		w->n += n;
		return;
	}
	if (!w || qt->notes->n == NOTES) {
		send_notes(qt);
		w = note_place(qt, d, at);
	}
	INVARIANT(w && w->n == 0 && qt->notes->n < NOTES);
	*w = (struct note){ .epoch = at->epoch,
		.bucket = at->bucket,
		.slice = at->slice,
		.n = n,
		.ttl_s = window_ttl_s(d),
		.makes = !known_made(qt->known, d, at, c) };
	memcpy(w->key, d->key, sizeof(w->key));
	known_makes(qt->known, d, at, c);
	if (qt->notes->n == 0)
		qt->notes->since_us = clock_mono_us();
	qt->notes->waits[qt->notes->n++] = (unsigned char)(w - qt->notes->note);
}

/* Returns true if an unsent note has at least n, and reduces it by n. */
static bool
notes_take(struct quota *qt, const struct quota_dim *d, const struct quota_place *at, int64_t n)
{
	struct note *w = note_place(qt, d, at);

	INVARIANT(n > 0); /* only a refund reduces a note */
	if (!w || !w->n || w->n < n)
		return false;
	w->n -= n;
	if (!w->n && w->makes)
		known_makes(qt->known, d, at, (struct cell){ CELL_SLICES, -1 });
	return true;
}

/* Adds the command that reduces a note before a refund. */
static void
notes_reduce(struct redis_pipe *p, const struct change *c)
{
	char key[CELL_KEY_TEXT];
	size_t kn = notes_key(key, c->dim.key, c->at.epoch, c->at.bucket);

	INVARIANT(c->own < 0 && c->at.slice > 0);
	add_to_slice(p, key, kn, c->at.slice, c->own);
}

void
notes_drop(struct quota *qt, const char *name, uint64_t epoch, int64_t bucket)
{
	char key[CELL_KEY_TEXT];
	size_t kn = notes_key(key, name, epoch, bucket);

	redis_send_only(
		qt->redis, 2, (const char *[]){ "DEL", key }, (const size_t[]){ 3, kn });
}

/* Takes the reply to that command; NULL: there is none. If it is not certain that a smaller
 * count has a smaller note, the notes of the sub-bucket are removed. If the command created
 * the key, the key gets a TTL. */
static void
notes_reduced(struct quota *qt, const struct change *c, const struct redis_reply_ints *reply)
{
	if (!reply || reply->err) {
		notes_drop(qt, c->dim.key, c->at.epoch, c->at.bucket);
	} else if (reply->i == c->own) {
		char key[CELL_KEY_TEXT];
		size_t kn = notes_key(key, c->dim.key, c->at.epoch, c->at.bucket);
		struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);
		expire_hash(p, key, kn, window_ttl_s(&c->dim));
		redis_send(p);
	}
}

/* ---- corrections ---- */

/* A correction on its way to Redis. */
struct sent {
	struct tag tag;
	struct quota *quota;
	struct change change;
	size_t own, spent; /* index of the reply to each addition */
	bool once;	   /* one EVAL with the id made both */
	bool spent_alone;  /* sent without renewing the key's TTL */
	bool reduces;	   /* the reply before `own` belongs to the note */
};

enum {
	REVISION_S = 60,     /* outlives every count that was read under it */
	/* corrections that wait for Redis; further ones are dropped and counted as lost */
	LATE_MAX = 16384,
	LATE_TURN = 1024,    /* corrections of those that are sent in one turn */
	LATE_US = 50000,     /* the earliest time to send them again */
	/* settlements that Redis has and that no record states yet; of further ones the ids stay
	 * in Redis until their counters expire */
	COUNTED_MAX = 4096,
	REFUSED_US = 250000, /* the earliest time after Redis refused one */
	ID_S = 300,	     /* lifetime in Redis of an id that is in no record */
	EVAL_US = 60000000,  /* time until EVAL is tried again after Redis forbade it */
};

/* If KEYS[1], the id, does not exist: creates it for ARGV[1] seconds, and adds to each further
 * key the next argument, which the key of an amount below zero raises to 0. The argument after
 * it is the key's TTL. Returns the last sum. */
static const char add_once[] = "if redis.call('SET',KEYS[1],'','NX','EX',ARGV[1])then local v "
			       "for i=2,#KEYS do local k=KEYS[i]"
			       "v=redis.call('INCRBY',k,ARGV[2*i-2])"
			       "if v<0 then v=redis.call('INCRBY',k,-v)end "
			       "redis.call('EXPIRE',k,ARGV[2*i-1])end return v end";

size_t
life_key(char out[CELL_KEY_TEXT], const char *name, const struct redis_life *life,
	uint64_t epoch)
{
	char *end = stpcpy(stpcpy(stpcpy(out, "tollgate:"), name), ":");

	if (life->tag[0])
		end = stpcpy(stpcpy(end, life->tag), ":");
	return (size_t)(end - out) + span_decimal(end, (int64_t)epoch);
}

/* A key never exists without a TTL. A worker that has not counted in the key yet creates it
 * with a TTL, and renews the TTL (another worker may have created the key early). */
void
key_add(struct redis_pipe *p, const char *key, size_t kn, int64_t delta, int64_t ttl_s,
	enum add how)
{
	char by[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *make[] = { "SET", key, "0", "EX", ttl, "NX" },
		   *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl };
	size_t tn = how == ADD_ONLY ? 0 : span_decimal(ttl, ttl_s);
	const size_t ml[] = { 3, kn, 1, 2, tn, 2 }, il[] = { 6, kn, span_decimal(by, delta) },
		     el[] = { 6, kn, tn };

	if (how == ADD_WITH_TTL)
		redis_command(p, 6, make, ml);
	redis_command(p, 3, incr, il);
	if (how == ADD_WITH_TTL)
		redis_command(p, 3, expire, el);
}

/* Writes "tollgate:i:{LIMIT:HASH}:ID", in the slot of the counter. The id depends on the
 * epoch, because a new epoch has none of the earlier additions. */
static size_t
id_key(char out[CELL_KEY_TEXT], const struct quota_dim *d, uint64_t epoch, uint64_t id)
{
	static const char counter[] = "tollgate:q:", name[] = "tollgate:i:";
	size_t n = strlen(d->key);

	memcpy(out, d->key, n);
	memcpy(out, name, sizeof(counter) - 1);
	out[n++] = ':';
	return n + span_decimal(out + n, (int64_t)((id ^ epoch) & INT64_MAX));
}

void
cell_add(struct redis_pipe *p, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, int64_t now_ms, enum add how)
{
	char key[CELL_KEY_TEXT];
	size_t kn = cell_key(key, d, at->epoch, c);

	key_add(p, key, kn, delta, how == ADD_ONLY ? 0 : cell_ttl_s(d, at, c, now_ms), how);
}

void
key_set(struct redis_pipe *p, const char *key, size_t kn, int64_t v, int64_t ttl_s)
{
	char value[SPAN_DECIMAL], ttl[SPAN_DECIMAL];

	redis_command(p, 5, (const char *[]){ "SET", key, value, "EX", ttl },
		(const size_t[]){ 3, kn, span_decimal(value, v), 2, span_decimal(ttl, ttl_s) });
}

/* Returns how long the id of a correction must exist: as long as its counters, if a start may
 * send it again. */
static int64_t
id_ttl_s(const struct change *c, int64_t now_ms)
{
	const struct quota_dim *d = &c->dim;
	int64_t spent_s = cell_ttl_s(d, &c->at, cell_spent(d, &c->at), now_ms),
		own_s = cell_ttl_s(d, &c->at, cell_own(d, &c->at), now_ms);

	if (!d->id)
		return ID_S;
	return c->spent && spent_s > own_s ? spent_s : own_s;
}

/* Appends SET of the id. */
static void
mark_sent(struct redis_pipe *p, const struct change *c, int64_t now_ms)
{
	char key[CELL_KEY_TEXT];

	key_set(p, key, id_key(key, &c->dim, c->at.epoch, c->dim.id), 0, id_ttl_s(c, now_ms));
}

/* Appends one EVAL of add_once, which makes the whole correction. */
static void
change_once(struct redis_pipe *p, const struct change *c, uint64_t id, int64_t now_ms)
{
	const struct quota_dim *d = &c->dim;
	const struct cell cells[] = { cell_spent(d, &c->at), cell_own(d, &c->at) };
	const int64_t delta[] = { c->spent, c->own };
	char key[1 + COUNT_OF(cells)][CELL_KEY_TEXT],
		number[1 + 2 * COUNT_OF(cells)][SPAN_DECIMAL], nkeys[SPAN_DECIMAL];
	const char *argv[4 + 3 * COUNT_OF(cells) + 1] = { "EVAL", add_once, nkeys };
	size_t len[COUNT_OF(argv)] = { 4, sizeof(add_once) - 1 }, n = 3, keys = 0, numbers = 1;

	argv[n] = key[keys];
	len[n++] = id_key(key[keys++], d, c->at.epoch, id);
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		if (!delta[i])
			continue;
		argv[n] = key[keys];
		len[n++] = cell_key(key[keys++], d, c->at.epoch, cells[i]);
	}
	len[2] = span_decimal(nkeys, (int64_t)keys);
	size_t of_id = n++;
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		if (!delta[i])
			continue;
		argv[n] = number[numbers];
		len[n++] = span_decimal(number[numbers++], delta[i]);
		argv[n] = number[numbers];
		len[n++] = span_decimal(number[numbers++],
			cell_ttl_s(d, &c->at, cells[i], now_ms));
	}
	argv[of_id] = number[0];
	len[of_id] = span_decimal(number[0], id_ttl_s(c, now_ms));
	redis_command(p, (int)n, argv, len);
}

static int64_t
redis_ms(const struct quota *qt, const struct quota_dim *d)
{
	return redis_life_ms(counts_life(qt, d), clock_mono_us());
}

/* ---- settlements that Redis has ---- */

static void
note_counted(struct quota *qt, const struct change *c)
{
	struct counted *is = &qt->counted;

	if (!c->dim.id || is->n == COUNTED_MAX)
		return;
	if (!is->v && !(is->v = calloc(COUNTED_MAX, sizeof(is->v[0]))))
		return;
	struct quota_counted *to = &is->v[(is->first + is->n++) % COUNTED_MAX];
	to->id = c->dim.id;
	to->epoch = c->at.epoch;
	memcpy(to->key, c->dim.key, sizeof(to->key));
}

size_t
quota_take_counted(struct quota *qt, struct quota_counted *out, size_t most)
{
	struct counted *is = &qt->counted;
	size_t n = 0;

	for (; n < most && is->n; n++, is->n--)
		out[n] = is->v[is->first++ % COUNTED_MAX];
	return n;
}

void
quota_counted_noted(struct quota *qt, const struct quota_counted *v, size_t n, bool noted)
{
	struct quota_dim d = { .n = 0 };
	char key[CELL_KEY_TEXT];

	if (!n)
		return;
	if (!noted) {
		for (size_t i = 0; i < n; i++) {
			struct change c = { .dim.id = v[i].id, .at.epoch = v[i].epoch };
			memcpy(c.dim.key, v[i].key, sizeof(c.dim.key));
			note_counted(qt, &c);
		}
		return;
	}
	struct redis_pipe *p = redis_begin(qt->redis, n, NULL, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		memcpy(d.key, v[i].key, sizeof(d.key));
		size_t kn = id_key(key, &d, v[i].epoch, v[i].id);
		redis_command(p, 2, (const char *[]){ "DEL", key }, (const size_t[]){ 3, kn });
	}
	redis_send(p);
}

/* ---- corrections that wait ---- */

void
counts_keep(struct quota *qt, const struct change *c)
{
	if (qt->nlate >= LATE_MAX) {
		metric_inc(qt->metrics, M_QUOTA_LOST);
		return;
	}
	struct late *l = malloc(sizeof(*l));
	if (!l) {
		metric_inc(qt->metrics, M_QUOTA_LOST);
		return;
	}
	/* the last element has no successor, so the list cannot become a ring */
	INVARIANT(!*qt->last_late);
	*l = (struct late){ .change = *c };
	*qt->last_late = l;
	qt->last_late = &l->next;
	qt->nlate++;
}

/* Gives a TTL to a key that Redis had lost and that the addition created again. */
static void
make_quota_place(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	struct cell c)
{
	struct redis_pipe *p = redis_begin(qt->redis, ADD_WITH_TTL, NULL, NULL, 0);

	cell_add(p, d, at, c, 0, redis_ms(qt, d), ADD_WITH_TTL);
	redis_send(p);
}

uint64_t
quota_draw_id(struct quota *qt)
{
	qt->last_id = qt->last_id % INT64_MAX + 1;
	return qt->last_id;
}

/* Returns true if Redis did not execute the command. A null reply means that the id was
 * known: an earlier command with this id was executed. */
static bool
not_done_yet(const struct redis_reply_ints *r)
{
	return r->err && !r->nil;
}

static void
eval_forbidden(struct quota *qt)
{
	qt->eval_us = clock_mono_us() + EVAL_US;
	if (!qt->said_eval)
		log_event(LOG_WARN, "quota.no_eval",
			LS("why",
				"Redis forbids EVAL, so a settlement with a late reply may be "
				"counted twice: add +eval to the ACL rule of the Redis user"));
	qt->said_eval = true;
}

/* Keeps a correction that is sent again. The known counts are corrected, since otherwise each
 * attempt to send the refund would lower them again. For an addition, the known count stays too
 * high meanwhile, which never over-admits. */
static void
keep_unknown(struct quota *qt, const struct change *c)
{
	const struct quota_dim *d = &c->dim;

	if (c->spent < 0 && !c->unseen)
		known_corrected(qt->known, d, &c->at, cell_spent(d, &c->at), -c->spent);
	if (c->own < 0 && !c->unseen)
		known_corrected(qt->known, d, &c->at, cell_own(d, &c->at), -c->own);
	counts_keep(qt, c);
}

/* Redis returned an error, for example because its memory is full: nothing was counted or
 * given back. */
static void
change_refused(struct quota *qt, const struct change *c)
{
	keep_unknown(qt, c);
	qt->late_us = clock_mono_us() + REFUSED_US;
}

/* Takes the replies to a correction. A Redis that evicts keys may have lost the count. A
 * refund then leaves a negative count without a TTL, which would hide later usage, so the
 * count is raised to 0. If two workers do this at the same time, the count is too high, which
 * never over-admits. */
static void
on_changed(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct sent *s = TAGGED(sent, arg);
	struct change c = s->change;

	INVARIANT(err || ((!c.own || s->own < n) && (!c.spent || s->spent < n)));
	if (s->reduces)
		notes_reduced(s->quota, &c, err ? NULL : &replies[s->once ? 0 : s->own - 1]);
	else if (c.own > 0 && c.at.slice && !err && replies[s->own].err == 0)
		notes_add(s->quota, &c.dim, &c.at, c.own);
	if (err) {
		if (!s->once) {
			c.spent = c.spent > 0 ? c.spent : 0;
			c.own = c.own > 0 ? c.own : 0;
		}
		if (s->reduces) /* the notes of the sub-bucket were removed */
			c.at.slice = 0;
		if (c.spent || c.own)
			keep_unknown(s->quota, &c);
		return;
	}
	struct change not_done = c;
	if (!c.own || s->own >= n || !not_done_yet(&replies[s->own]))
		not_done.own = 0;
	if (!c.spent || s->spent >= n || !not_done_yet(&replies[s->spent]))
		not_done.spent = 0;
	if (not_done.own || not_done.spent) {
		not_done.without_id = (not_done.own && replies[s->own].split) ||
				      (not_done.spent && replies[s->spent].split);
		change_refused(s->quota, &not_done);
		if (c.id && ((not_done.own && replies[s->own].forbidden) ||
				    (not_done.spent && replies[s->spent].forbidden)))
			eval_forbidden(s->quota);
		for (size_t i = 0; i < n; i++)
			if (replies[i].err == ERR_FULL) {
				redis_give_way(s->quota->redis, 1);
				break;
			}
	} else {
		note_counted(s->quota, &c);
	}
	if (s->once)
		return; /* the script gave the keys a TTL and raised what was below 0 */
	if (s->spent_alone && n && replies[s->spent].err == 0 &&
		replies[s->spent].i == c.spent)
		make_quota_place(s->quota, &c.dim, &c.at, cell_spent(&c.dim, &c.at));
	if (c.own < 0 && s->own < n && replies[s->own].err == 0 && replies[s->own].i < 0) {
		c.spent = 0;
		c.id = c.dim.id = 0;
		c.own = -replies[s->own].i;
		counts_change(s->quota, &c);
	}
}

/* Call it after an addition that was not decided on: workers read the known buckets again. */
void
counts_revise(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch)
{
	char key[CELL_KEY_TEXT];
	size_t kn = life_key(key, "revision", life, epoch);

	key_set(p, key, kn, (int64_t)redis_life_draw(), REVISION_S);
}

/* Sends a correction. The usage is counted before the reserved amount is given back, so that
 * no reader misses both. */
void
counts_change(struct quota *qt, const struct change *c)
{
	const struct quota_dim *d = &c->dim;
	struct cell own = cell_own(d, &c->at), spent = cell_spent(d, &c->at);
	struct sent s = { .quota = qt, .change = *c };
	int64_t now_ms = redis_ms(qt, d);

	INVARIANT(c->own || c->spent); /* an empty pipeline would get no reply */
	INVARIANT(c->at.epoch != 0);
	enum add how = known_made(qt->known, d, &c->at, spent) ? ADD_ONLY : ADD_WITH_TTL;
	enum add own_how = c->own < 0 && !c->unseen ? ADD_ONLY : ADD_WITH_TTL;
	TAG(sent, &s);
	if (!s.change.id)
		s.change.id = d->id ? d->id : quota_draw_id(qt);
	s.once = c->repeats || (!c->without_id && clock_mono_us() >= qt->eval_us);
	/* so that a later start does not repeat what has no id here */
	bool marks = !s.once && d->id;
	s.change.without_id = false;
	s.reduces = c->own < 0 && c->at.slice && !notes_take(qt, d, &c->at, -c->own);
	s.spent_alone = !s.once && c->spent && how == ADD_ONLY;
	s.spent = s.once ? (size_t)s.reduces : (size_t)marks + (how == ADD_WITH_TTL);
	s.own = s.once ? (size_t)s.reduces
		       : (size_t)marks + (c->spent ? how : 0) + s.reduces +
				  (own_how == ADD_WITH_TTL);
	struct redis_pipe *p =
		redis_begin(qt->redis, 2 * ADD_WITH_TTL + 3, on_changed, &s, sizeof(s));
	if (marks)
		mark_sent(p, c, now_ms);
	if (c->spent && !s.once)
		cell_add(p, d, &c->at, spent, c->spent, now_ms, how);
	if (s.reduces)
		notes_reduce(p, c);
	if (s.once)
		change_once(p, c, s.change.id, now_ms);
	else if (c->own)
		cell_add(p, d, &c->at, own, c->own, now_ms, own_how);
	/* After the addition: a worker that still sees the old revision has read before the
	 * addition was counted, or has read the addition, too. */
	if (c->own > 0 && own.kind == CELL_SUB)
		counts_revise(p, counts_life(qt, d), c->at.epoch);
	redis_send(p);
	if (c->spent)
		known_makes(qt->known, d, &c->at, spent);
	if (c->unseen)
		return;
	if (c->spent)
		known_corrected(qt->known, d, &c->at, spent, c->spent);
	if (c->own)
		known_corrected(qt->known, d, &c->at, own, c->own);
}

void
counts_make(struct quota *qt, const struct quota_dim *d)
{
	make_quota_place(qt, d, &d->at, cell_own(d, &d->at));
}

/* Sends a correction of a charge in the ledger. If its epoch has ended, the ledger has
 * counted it again already. */
static void
send_noted(struct quota *qt, const struct change *c)
{
	uint64_t epoch = counts_life(qt, &c->dim)->epoch;
	struct cell own = cell_own(&c->dim, &c->at);
	struct change now = *c;

	if (!counts_reach(qt, &c->dim)) {
		counts_keep(qt, c);
		return;
	}
	if (!cell_takes(&c->dim, &c->at, own, now.own, redis_ms(qt, &c->dim)))
		now.own = 0;
	if (epoch == c->at.epoch && (now.own || now.spent))
		counts_change(qt, &now);
}

/* Puts the list before those that wait. */
static void
keep_rest(struct quota *qt, struct late *rest)
{
	struct late *last = rest;

	for (qt->nlate++; last->next; qt->nlate++)
		last = last->next;
	last->next = qt->late;
	if (!qt->late)
		qt->last_late = &last->next;
	qt->late = rest;
}

/* Sends the corrections that were kept; frees them. Corrections from an earlier epoch
 * are adapted by quota_change(). */
static void
counts_send_late(struct quota *qt)
{
	struct late *l = qt->late;

	if (!l || !redis_ready(qt->redis) || !lives_all_settled(qt))
		return;
	uint64_t now_us = clock_mono_us();
	if (now_us < qt->late_us)
		return;
	INVARIANT(qt->nlate > 0);
	qt->late_us = now_us + LATE_US;
	qt->late = NULL;
	qt->last_late = &qt->late;
	qt->nlate = 0;
	for (size_t n = 0; l; n++) {
		struct late *next = l->next;
		if (n == LATE_TURN) { /* before those that were kept meanwhile */
			keep_rest(qt, l);
			return;
		}
		if (l->change.at.noted)
			send_noted(qt, &l->change);
		else
			quota_change(qt, &l->change, clock_mono_us());
		free(l);
		l = next;
	}
}

static void
counts_free_late(struct quota *qt)
{
	while (qt->late) {
		struct late *l = qt->late;
		qt->late = l->next;
		free(l);
	}
}

/* ---- pipelines of reservations ---- */

/* "longs" is set again if it would live for a shorter time */
enum { LONGS_LEAST_S = 2 * CELL_HOLD_MAX_S };

/* Returns the commands for a dim. */
static enum plan
plan_of(const struct quota *qt, const struct quota_request *q, const struct quota_dim *d,
	uint64_t now)
{
	bool rolling = d->span.kind == QUOTA_ROLLING,
	     longs = cell_expires(d) && known_longs(qt->known, d->at.epoch);
	enum plan former = d->former ? FORMER : 0;

	if (q->looks)
		return READS | LOOKS | (longs ? LONGS : 0) | former;
	if (rolling)
		return d->n && !former && !q->doubts &&
				       known_near(qt->known, d, now - KNOWN_AGE_US,
					       &(struct window_counts){ 0 })
			       ? COUNTS
			       : COUNTS | READS | MAKES | former;
	enum plan plan = COUNTS | (cell_spends(d, &d->at) ? SPENDS : 0) | (longs ? LONGS : 0) |
			 former;
	if (former || !known_made(qt->known, d, &d->at, cell_own(d, &d->at)))
		return plan | READS | MAKES;
	/* a dim that takes nothing reads what others left */
	return cell_expires(d) || !d->n ? plan | READS : plan;
}

/* Prepares the next try. If the request does not fit by the known counts, it is refused
 * without counting, or is first sent as a read. Returns false if the request is decided
 * already. */
static bool
prepare_request(struct quota *qt, struct quota_request *q, uint64_t now)
{
	enum known_answer worst = KNOWN_ROOM;
	bool looked = q->looked;

	q->result = QUOTA_FAILED;
	q->looked = false;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		const struct redis_life *life = counts_life(qt, d);
		int64_t retry_ms, at_ms = redis_life_ms(life, now);
		d->at = cell_place(d, at_ms, life->epoch);
		d->former = redis_former_epoch(qt->redis, span_str(d->key));
		d->asked_s = at_ms / 1000;
		enum known_answer a = known_ask(qt->known, d, at_ms, now, &retry_ms);
		if (a != KNOWN_ROOM) {
			part_over(q, k, retry_ms);
			worst = worst == KNOWN_FULL ? worst : a;
		}
	}
	/* After a read the request is refused even if the counts are old; otherwise they
	 * would always be too old in slow turns. */
	if (worst == KNOWN_FULL || (worst == KNOWN_OLD && looked)) {
		quota_unmove(qt, q, now);
		quota_tell(qt, q);
		return false;
	}
	q->result = QUOTA_ADMITTED;
	q->retry_after_s = 0;
	q->looks = worst == KNOWN_OLD;
	q->unanswered = (unsigned)q->ndims;
	for (size_t k = 0; k < q->ndims; k++)
		known_sent(qt->known, &q->dim[k], q->looks);
	return true;
}

/* Sends the items of one node after another. */
static void
send_items(struct quota *qt, struct item *item, size_t n, uint64_t now)
{
	struct part *t = qt->part;

	while (n) {
		size_t rest = 0;
		struct redis *node = redis_at(qt->redis, span_str(item_dim(item)->key));
		*t = (struct part){ .quota = qt,
			.node = node,
			.sent_us = now,
			.epoch = redis_life(node)->epoch };
		TAG(part, t);
		for (size_t i = 0; i < n; i++) {
			const struct quota_dim *d = item_dim(&item[i]);
			if (redis_at(qt->redis, span_str(d->key)) != node) {
				item[rest++] = item[i];
				continue;
			}
			t->former += (item[i].plan & FORMER) != 0;
			t->revision |= d->span.kind == QUOTA_ROLLING && item[i].plan & READS;
			t->longs |=
				d->at.hold == QUOTA_HOLD_LONG && item[i].plan & COUNTS &&
				known_longs(qt->known, t->epoch) < d->asked_s + LONGS_LEAST_S;
			INVARIANT(t->nitems < TURN_ITEMS + QUOTA_DIMS_MAX);
			t->item[t->nitems++] = item[i];
		}
		part_send(qt, t);
		n = rest;
	}
}

/* Returns true if every server of the request's counters answers. */
static bool
has_all_epochs(const struct quota *qt, const struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (!counts_life(qt, &q->dim[k])->epoch)
			return false;
	return true;
}

/* Sends as many of the requests from *rest on as fit into a turn. */
static void
send_turn(struct quota *qt, struct quota_request **rest)
{
	struct item item[TURN_ITEMS + QUOTA_DIMS_MAX];
	uint64_t now = clock_mono_us();
	struct quota_request *q;
	size_t n = 0;

	while ((q = *rest) && n < TURN_ITEMS) {
		*rest = q->next;
		if (!has_all_epochs(qt, q)) {
			metric_inc(qt->metrics, M_REDIS_ERRORS);
			quota_fail(qt, q, false);
			continue;
		}
		if (!prepare_request(qt, q, now))
			continue;
		for (size_t k = 0; k < q->ndims; k++)
			item[n++] = (struct item){ q, (unsigned short)k,
				(unsigned short)plan_of(qt, q, &q->dim[k], now) };
		INVARIANT(n <= TURN_ITEMS + QUOTA_DIMS_MAX);
	}
	send_items(qt, item, n, now);
}

const struct redis_life *
counts_life(const struct quota *qt, const struct quota_dim *d)
{
	static const struct redis_life none;
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node ? redis_life(node) : &none;
}

bool
counts_reach(const struct quota *qt, const struct quota_dim *d)
{
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node && redis_ready(node);
}

void
counts_queue(struct quota *qt, struct quota_request *q)
{
	/* only once: a request that is queued twice would make the list a ring */
	quota_enter(q, QUOTA_QUEUED);
	q->next = NULL;
	*qt->last = q;
	qt->last = &q->next;
}

/* Returns true if a server of the request is in an epoch in which not everything is counted
 * again yet, or has only just become known. */
static bool
is_unsettled(const struct quota *qt, const struct quota_request *q)
{
	for (const struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		const struct redis *node = redis_at(qt->redis, span_str(d->key));
		if (node && (redis_life(node)->epoch ? !lives_settled(qt, d) : redis_coming(node)))
			return true;
	}
	return false;
}

/* Takes the requests that can be sent from the queue. The others wait, for as long as for a
 * reply of Redis. */
static struct quota_request *
take_settled(struct quota *qt, uint64_t now)
{
	struct quota_request *q = qt->first, *next, *out = NULL, **last = &out;

	qt->first = NULL;
	qt->last = &qt->first;
	for (; q; q = next) {
		next = q->next;
		quota_enter(q, QUOTA_ASKED);
		if (is_unsettled(qt, q)) {
			if (now - q->queued_us < redis_deadline_us(qt->redis))
				counts_queue(qt, q);
			else
				quota_fail(qt, q, false);
			continue;
		}
		lives_share(qt, q, now);
		q->next = NULL;
		*last = q;
		last = &q->next;
	}
	return out;
}

static void
write_turn(void *quota)
{
	struct quota *qt = TAGGED(quota, quota);

	INVARIANT(owner_is_here(&qt->thread));
	if (redis_life_asked(qt->redis))
		return;
	uint64_t now = clock_mono_us();
	lives_turn(qt, now);
	counts_send_late(qt);
	notes_send(qt, now);
	struct quota_request *rest = take_settled(qt, now);
	while (rest)
		send_turn(qt, &rest);
}

bool
counts_new(struct quota *qt)
{
	qt->known = calloc(1, sizeof(*qt->known));
	qt->ledger = calloc(1, sizeof(*qt->ledger));
	qt->lives = lives_new();
	qt->notes = notes_new();
	qt->part = malloc(
		sizeof(*qt->part) + (TURN_ITEMS + QUOTA_DIMS_MAX) * sizeof(qt->part->item[0]));
	redis_before_write(qt->redis, write_turn, qt);
	return qt->known && qt->ledger && qt->lives && qt->notes &&
	       qt->part;
}

void
counts_free(struct quota *qt)
{
	lives_leave(qt);
	redis_before_write(qt->redis, NULL, NULL);
	counts_free_late(qt);
	free(qt->counted.v);
	free(qt->known);
	ledger_free(&qt->ledger);
	lives_free(&qt->lives);
	free(qt->notes);
	free(qt->part);
}
