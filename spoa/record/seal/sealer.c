/* A worker's seals, and texts under way. Plaintext waits in the frame that it is encrypted in:
 * it is never there twice, and what was sealed is over it. Whether a part is the last goes into
 * its nonce, so one is encrypted once more comes, or nothing. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "base/mem.h"
#include "base/random.h"
#include "record/seal/private.h"

const char *const seal_kinds[] = { "prompt", "response", "tools", NULL };

enum {
	NONE = CAP_SEALS, /* no slot */
	PART_FIRST = 512, /* bytes of plaintext that a part has room for at first, at least */
};

/* A seal in force. */
struct slot {
	char *holder;
	size_t n;
	uint64_t hash;
	unsigned bucket_next, newer, older; /* slots */
	char id[SEAL_ID_LEN + 1];
	unsigned char state[SHARE_BYTES]; /* S_step */
	uint64_t step, share, changes;
	int64_t day;
};

struct sealer { /* owner: worker */
	struct seals *seals;
	struct shares *shares;
	struct texts *texts;
	const char *node;
	unsigned worker;
	EVP_CIPHER_CTX *cipher;
	uint64_t seed, erasures;
	unsigned n, newest, oldest; /* slots in use: the first n, and */
	unsigned unused;	    /* those that were given up, by bucket_next */
	unsigned *bucket;	    /* CAP_SEALS of them */
	struct slot slot[CAP_SEALS];
};

struct sealing {
	struct sealer *by;
	unsigned char key[32]; /* K; wiped at the end */
	struct sealed said;
	size_t at_room;
	struct text_part *part; /* the one that is filled, NULL: none; */
	size_t n, room;		/* its plaintext */
	struct sha256 hash;
	int err;
	bool ended, cut;
	bool full; /* it takes nothing more */
};

/* ---- a worker's seals ---- */

struct sealer *
sealer_new(struct seals *seals, struct shares *shares, struct texts *texts, const char *node,
	unsigned worker)
{
	struct sealer *s = mem_get_zeroed(sizeof(*s));

	if (!s)
		return NULL;
	s->seals = seals;
	s->shares = shares;
	s->texts = texts;
	s->node = node;
	s->worker = worker;
	s->newest = s->oldest = s->unused = NONE;
	s->erasures = shares_erasures(shares);
	random_bytes(&s->seed, sizeof(s->seed));
	s->bucket = malloc(CAP_SEALS * sizeof(*s->bucket));
	s->cipher = EVP_CIPHER_CTX_new();
	if (!s->bucket || !s->cipher) {
		sealer_free(&s);
		return NULL;
	}
	for (size_t i = 0; i < CAP_SEALS; i++)
		s->bucket[i] = NONE;
	return s;
}

static unsigned *
slot_place(struct sealer *s, struct span holder, uint64_t hash)
{
	unsigned *p = &s->bucket[hash % CAP_SEALS];

	while (*p != NONE &&
		(s->slot[*p].hash != hash ||
			!span_eq(span_of(s->slot[*p].holder, s->slot[*p].n), holder)))
		p = &s->slot[*p].bucket_next;
	return p;
}

static void
unlink_used(struct sealer *s, struct slot *t)
{
	*(t->newer == NONE ? &s->newest : &s->slot[t->newer].older) = t->older;
	*(t->older == NONE ? &s->oldest : &s->slot[t->older].newer) = t->newer;
}

static void
link_newest(struct sealer *s, unsigned i)
{
	struct slot *t = &s->slot[i];

	INVARIANT(i < s->n && i != s->newest);
	t->newer = NONE;
	t->older = s->newest;
	*(s->newest == NONE ? &s->oldest : &s->slot[s->newest].newer) = i;
	s->newest = i;
}

/* The slot in its place of a bucket is unused then. */
static void
drop_slot(struct sealer *s, unsigned *place)
{
	unsigned i = *place;
	struct slot *t = &s->slot[i];

	INVARIANT(i < s->n); /* NONE: the slot is in no bucket */
	*place = t->bucket_next;
	unlink_used(s, t);
	explicit_bzero(t->holder, t->n);
	free(t->holder);
	explicit_bzero(t, sizeof(*t));
	t->bucket_next = s->unused;
	s->unused = i;
}

static void
drop_slot_of(struct sealer *s, const struct slot *t)
{
	drop_slot(s, slot_place(s, span_of(t->holder, t->n), t->hash));
}

void
sealer_forget(struct sealer *s, struct span holder)
{
	unsigned *place = slot_place(s, holder, hash_words(s->seed, holder));

	if (*place != NONE)
		drop_slot(s, place);
}

/* Of holders whose share was erased nothing stays. */
static void
drop_erased(struct sealer *s)
{
	uint64_t erasures = shares_erasures(s->shares);
	struct share b;

	if (erasures == s->erasures)
		return;
	s->erasures = erasures;
	for (unsigned i = s->newest, older; i != NONE; i = older) {
		older = s->slot[i].older;
		if (shares_find(s->shares, s->slot[i].share, &b, NULL) != SHARE_HERE)
			drop_slot_of(s, &s->slot[i]);
	}
	explicit_bzero(&b, sizeof(b));
}

void
sealer_free(struct sealer **s)
{
	struct sealer *c = *s;

	if (!c)
		return;
	while (c->newest != NONE)
		drop_slot_of(c, &c->slot[c->newest]);
	EVP_CIPHER_CTX_free(c->cipher);
	free(c->bucket);
	mem_put(c, sizeof(*c));
	*s = NULL;
}

/* A text that began before midnight may come after one of the new day. */
static bool
in_force(const struct sealer *s, const struct slot *t, uint64_t share, int64_t day)
{
	return (day == t->day || day == t->day - 1) && share == t->share &&
	       t->changes == seals_changes(s->seals) && t->step < CAP_SEAL_STEPS;
}

/* Another seal for that holder, who has none. */
static int
begin_seal(struct sealer *s, struct span holder, uint64_t hash, uint64_t share, int64_t day,
	struct buf *record)
{
	struct made_seal m;
	char *copy = malloc(holder.n), when[CLOCK_SECOND_LEN];
	int err = copy ? seals_take(s->seals, &m) : ERR_NOMEM;

	if (err) {
		free(copy);
		return err;
	}
	if (s->unused == NONE && s->n == CAP_SEALS)
		drop_slot_of(s, &s->slot[s->oldest]);
	unsigned i = s->unused != NONE ? s->unused : s->n++;
	INVARIANT(i < CAP_SEALS && s->n <= CAP_SEALS);
	struct slot *t = &s->slot[i];
	if (i == s->unused)
		s->unused = t->bucket_next;
	*t = (struct slot){ .holder = memcpy(copy, holder.p, holder.n),
		.n = holder.n,
		.hash = hash,
		.bucket_next = s->bucket[hash % CAP_SEALS],
		.share = share,
		.changes = m.changes,
		.day = day };
	s->bucket[hash % CAP_SEALS] = i;
	link_newest(s, i);
	memcpy(t->id, m.id, sizeof(t->id));
	memcpy(t->state, m.a, sizeof(t->state));
	clock_second(day * CLOCK_DAY_NS, when);
	json_put_form(record, "'type':'seal','seal':%s,'day':%t,'worker':%u,'share':%u,'to':%j",
		t->id, span_of(when, 10), (uint64_t)s->worker, share, buf_view(&m.to));
	made_seal_wipe(&m);
	if (!buf_failed(record))
		return 0;
	drop_slot_of(s, t);
	return ERR_NOMEM;
}

/* The slot of that holder whose seal is in force, the newest of all then. */
static int
take_slot(struct sealer *s, struct span holder, uint64_t share, int64_t day, struct buf *record,
	struct slot **out)
{
	uint64_t hash = hash_words(s->seed, holder);
	unsigned *place = slot_place(s, holder, hash);
	int err = 0;

	if (*place != NONE && !in_force(s, &s->slot[*place], share, day))
		drop_slot(s, place);
	else if (*place != NONE && *place != s->newest) {
		unlink_used(s, &s->slot[*place]);
		link_newest(s, *place);
	}
	if (*slot_place(s, holder, hash) == NONE)
		err = begin_seal(s, holder, hash, share, day, record);
	/* Of no other holder: a text is never under the seal of somebody else. */
	INVARIANT(err || s->slot[s->newest].hash == hash);
	*out = err ? NULL : &s->slot[s->newest];
	return err;
}

/* ---- texts ---- */

struct sealing *
seal_begin(struct sealer *s, struct span holder, uint64_t share, struct span id,
	enum seal_kind kind, int64_t now_ns, struct buf *record, int *err)
{
	struct sealing *t = calloc(1, sizeof(*t));
	struct slot *slot = NULL;
	struct share b;

	drop_erased(s);
	*err = t ? shares_get(s->shares, holder, !share, &b) : ERR_NOMEM;
	if (!*err && share && share != b.number)
		*err = ERR_NOTFOUND;
	if (!*err)
		*err = take_slot(s, holder, b.number, now_ns / CLOCK_DAY_NS, record, &slot);
	if (!*err) {
		t->by = s;
		t->said.step = slot->step;
		t->said.share = b.number;
		memcpy(t->said.seal, slot->id, sizeof(t->said.seal));
		/* K of the text, and the state after it. */
		seal_text_key(slot->state, 0, &b, s->node, id, kind, t->key);
		seal_ratchet(slot->state, 1);
		INVARIANT(slot->step < CAP_SEAL_STEPS); /* a key is used for one text */
		slot->step++;
		sha256_begin(&t->hash);
	} else {
		free(t);
		t = NULL;
	}
	explicit_bzero(&b, sizeof(b));
	return t;
}

/* Room for n bytes of plaintext in the part that is filled. */
static bool
part_room(struct sealing *t, size_t n)
{
	if (t->part && n <= t->room)
		return true;
	size_t room = t->room ? 2 * t->room : PART_FIRST;
	room = room < n ? n : room > TEXTS_PART_MAX ? TEXTS_PART_MAX : room;
	struct text_part *p =
		realloc(t->part, sizeof(*p) + TEXTS_FRAME_BYTES + room + HPKE_TAG_BYTES);
	if (!p)
		return false;
	t->part = p;
	t->room = room;
	return true;
}

/* What was filled and `more` become a part of the list. */
static int
finish_part(struct sealing *t, struct span more, bool last, struct text_part **parts)
{
	struct sealed *said = &t->said;
	unsigned char nonce[12];

	if ((!t->part && !part_room(t, more.n)) ||
		!mem_room(&said->at, &t->at_room, said->nat + 1, sizeof(*said->at)))
		return ERR_NOMEM;
	struct text_part *p = t->part;
	unsigned char *text = p->frame + TEXTS_FRAME_BYTES;
	const struct span in[] = { span_of(text, t->n), more };
	size_t n = t->n + more.n;
	INVARIANT(n <= t->room && n <= TEXTS_PART_MAX && said->nat < SEAL_PARTS_MAX);
	part_nonce((unsigned)said->nat, last, nonce);
	if (!gcm_seal(t->by->cipher, t->key, nonce, span_of(NULL, 0), in, COUNT_OF(in), text))
		return ERR_NOMEM;
	texts_frame_head((unsigned)said->nat, last, n + HPKE_TAG_BYTES, p->frame);
	sha256_add(&t->hash, span_of(text, n + HPKE_TAG_BYTES));
	p->next = NULL;
	p->n = TEXTS_FRAME_BYTES + n + HPKE_TAG_BYTES;
	p->position = said->at[said->nat++] = texts_take(t->by->texts, p->n);
	said->bytes += n;
	t->part = NULL;
	t->n = t->room = 0;
	while (*parts)
		parts = &(*parts)->next;
	*parts = p;
	return 0;
}

/* A part that is full, with more after it. */
static int
finish_full(struct sealing *t, struct span *bytes, struct text_part **parts)
{
	INVARIANT(t->n <= TEXTS_PART_MAX);
	size_t more = TEXTS_PART_MAX - t->n;

	if (!part_room(t, TEXTS_PART_MAX))
		return ERR_NOMEM;
	int err = finish_part(t, span_cut(*bytes, 0, more), false, parts);
	*bytes = span_cut(*bytes, more, bytes->n);
	return err;
}

int
seal_add(struct sealing *t, struct span bytes, struct text_part **parts)
{
	INVARIANT(!t->ended);
	if (t->full)
		return t->err;
	while (!t->err && bytes.n > TEXTS_PART_MAX - t->n && t->said.nat + 1 < SEAL_PARTS_MAX)
		t->err = finish_full(t, &bytes, parts);
	if (bytes.n > TEXTS_PART_MAX - t->n) {
		bytes.n = TEXTS_PART_MAX - t->n;
		t->cut = true;
	}
	if (!t->err && bytes.n && !part_room(t, t->n + bytes.n))
		t->err = ERR_NOMEM;
	if (!t->err && bytes.n) {
		INVARIANT(t->n + bytes.n <= t->room);
		memcpy(t->part->frame + TEXTS_FRAME_BYTES + t->n, bytes.p, bytes.n);
		t->n += bytes.n;
	}
	return t->err;
}

bool
seal_cut(struct sealing *t)
{
	bool was = t->full;

	t->full = t->cut = true;
	return !was;
}

/* The key is nowhere any more, also not in the cipher. */
static void
wipe_text_key(struct sealing *t)
{
	static const unsigned char none[32];

	explicit_bzero(t->key, sizeof(t->key));
	EVP_EncryptInit_ex(t->by->cipher, NULL, NULL, none, none);
}

int
seal_end(struct sealing *t, bool cut, struct text_part **parts, struct sealed *out)
{
	INVARIANT(!t->ended);
	t->err = t->err ? t->err : finish_part(t, span_of(NULL, 0), true, parts);
	wipe_text_key(t);
	t->ended = true;
	sha256_end(&t->hash, t->said.sha256);
	t->said.cut = cut || t->cut;
	*out = t->said;
	return t->err;
}

void
seal_drop(struct sealing **t)
{
	struct sealing *c = *t;

	if (!c)
		return;
	if (!c->ended)
		wipe_text_key(c);
	if (c->part)
		explicit_bzero(c->part->frame, TEXTS_FRAME_BYTES + c->n);
	free(c->part);
	free(c->said.at);
	explicit_bzero(c, sizeof(*c));
	free(c);
	*t = NULL;
}
