/* Notes of slices on Redis (quota_window.h). For each sub-bucket there is a hash,
 * "tollgate:p:…", whose fields are the slices. A note frees an amount before its sub-bucket
 * leaves, so the notes must never exceed the count. An amount is therefore noted after Redis
 * has replied that it is counted, at most once, and a refund reduces the note before the
 * count. A lost note does little harm: the amount leaves with its sub-bucket.
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
#include "budget/quota/quota_private.h"

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

struct quota_notes *
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

void
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

bool
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

void
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

void
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
