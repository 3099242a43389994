/* The seals of a worker, and texts in progress: see seal.h. Plaintext is collected in the
 * frame in which it is then encrypted, so there is never a second copy, and the ciphertext
 * overwrites it. The nonce of a part depends on whether it is the last, so a full part is
 * encrypted only when more bytes or the end arrive. */
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
	PART_FIRST = 512, /* bytes of plaintext for which a part first has room */
};

/* A seal in use for one holder. */
struct slot {
	char *holder;
	size_t n;
	uint64_t hash;
	unsigned bucket_next, newer, older; /* indexes of slots */
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
	/* the slots 0..n-1 were used; newest, oldest: by last use */
	unsigned n, newest, oldest;
	unsigned unused;  /* first slot that was given up, linked by bucket_next */
	unsigned *bucket; /* CAP_SEALS of them */
	struct slot slot[CAP_SEALS];
};

struct sealing {
	struct sealer *by;
	unsigned char key[32]; /* K; erased at the end */
	struct sealed said;
	size_t at_room;
	struct text_part *part; /* the part that is being filled; NULL: none */
	size_t n, room;		/* bytes of its plaintext; bytes for which it has room */
	struct sha256 hash;
	int err;
	bool ended, cut;
	bool full; /* it ignores further bytes */
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

/* Erases the slot to which *place leads, and makes it free. */
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

/* Drops the seals of holders whose shares were erased. */
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

/* Returns true if the seal can be used. A text that began before midnight can arrive after
 * one of the new day. */
static bool
in_force(const struct sealer *s, const struct slot *t, uint64_t share, int64_t day)
{
	return (day == t->day || day == t->day - 1) && share == t->share &&
	       t->changes == seals_changes(s->seals) && t->step < CAP_SEAL_STEPS;
}

/* Begins a seal for a holder who has none. */
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

/* Finds the holder's usable seal or begins one, and makes it the newest. */
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
	/* A text is never sealed under another holder's seal. */
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
		/* The key of this text, and the state after it. */
		seal_text_key(slot->state, 0, &b, s->node, id, kind, t->key);
		seal_ratchet(slot->state, 1);
		/* a key is used for one text only */
		INVARIANT(slot->step < CAP_SEAL_STEPS);
		slot->step++;
		sha256_begin(&t->hash);
	} else {
		free(t);
		t = NULL;
	}
	explicit_bzero(&b, sizeof(b));
	return t;
}

/* Makes room for n bytes of plaintext in the current part. */
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

/* Encrypts the collected bytes and `more` as a part and appends it to the list. */
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

/* Finishes a full part, after which more bytes follow. */
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

/* Erases the key, also in the cipher context. */
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
