/* Sealed texts: see seal.h.
 *
 * Shares A are sealed to the auditors ahead of time, because sealing takes two multiplications on
 * the curve for each auditor, for which no worker should wait.
 *
 * A worker has seals, and texts in progress. Plaintext is collected in the frame in which it is
 * then encrypted, so there is never a second copy, and the ciphertext overwrites it. The nonce of
 * a part depends on whether it is the last, so a full part is encrypted only when more bytes or
 * the end arrive.
 *
 * The last section opens sealed texts, and checks them without a key. Only records and files are
 * needed, not the daemon. */
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/service.h"
#include "base/why.h"
#include "record/seal/private.h"

/* ---- seals made ahead ---- */

/* A share A that is sealed to the auditors. */
struct made_seal {
	char id[SEAL_ID_LEN + 1];
	unsigned char a[SHARE_BYTES];
	struct buf to;	  /* the array `to` of its record */
	uint64_t changes; /* seals_changes() of the auditors that it is sealed to */
};

#define SEAL_INFO SPAN_LIT("tollgate-seal-v1")

struct auditors {
	struct auditor a[AUDITORS_MAX];
	size_t n;
};

struct seals {
	char node[65];
	_Atomic uint64_t changes;

	pthread_mutex_t lock; /* guards the following */
	struct auditors to;
	struct made_seal made[CAP_SEALS_AHEAD];
	size_t nmade;

	struct service service;
};

/* Appends the AAD of a seal: node ‖ 0x00 ‖ the seal's id. */
static void
seal_aad(const char *node, struct span id, struct buf *out)
{
	buf_str(out, node);
	buf_putc(out, '\0');
	buf_span(out, id);
}

static void
made_seal_wipe(struct made_seal *m)
{
	explicit_bzero(m->a, sizeof(m->a));
	buf_free(&m->to);
}

static int
seal_to_auditor(
	const struct auditor *a, const struct made_seal *m, struct span aad, struct buf *to)
{
	unsigned char enc[HPKE_KEY_BYTES], sealed[SHARE_BYTES + HPKE_TAG_BYTES];
	int err = hpke_seal(a->key, SEAL_INFO, aad, span_of(m->a, sizeof(m->a)), enc, sealed);

	if (err)
		return err;
	json_put_form(to, "{'auditor':%t,'key':%s,'enc':'", span_str(a->name), a->id);
	base64_put(to, enc, sizeof(enc));
	buf_putc(to, '"');
	json_put_form(to, "'sealed':'");
	base64_put(to, sealed, sizeof(sealed));
	buf_str(to, "\"}");
	return 0;
}

static int
make_seal(const char *node, const struct auditors *to, struct made_seal *m)
{
	unsigned char id[SEAL_ID_LEN / 2];
	int err = 0;

	/* without an auditor nobody could open the texts */
	INVARIANT(to->n > 0 && to->n <= AUDITORS_MAX);
	*m = (struct made_seal){ .id = "" };
	random_bytes(id, sizeof(id));
	sodium_bin2hex(m->id, sizeof(m->id), id, sizeof(id));
	random_bytes(m->a, sizeof(m->a));
	SCOPED_BUF(aad, 0);
	seal_aad(node, span_of(m->id, SEAL_ID_LEN), &aad);
	json_put_open(&m->to, NULL, '[');
	for (size_t i = 0; !err && i < to->n; i++)
		err = seal_to_auditor(&to->a[i], m, buf_view(&aad), &m->to);
	json_put_close(&m->to, ']');
	if (!err && (buf_failed(&aad) || buf_failed(&m->to)))
		err = ERR_NOMEM;
	if (err)
		made_seal_wipe(m);
	return err;
}

static void
wipe_made(struct seals *s)
{
	while (s->nmade)
		made_seal_wipe(&s->made[--s->nmade]);
}

/* Makes one seal ahead. If there are enough, or a seal cannot be made, the next turn waits
 * until a seal is taken. */
static uint64_t
seal_ahead(void *arg)
{
	struct seals *s = arg;
	struct made_seal m;

	pthread_mutex_lock(&s->lock);
	bool full = s->nmade == CAP_SEALS_AHEAD;
	struct auditors to = s->to;
	uint64_t changes = atomic_load(&s->changes);
	pthread_mutex_unlock(&s->lock);
	if (full || make_seal(s->node, &to, &m) != 0)
		return SERVICE_WHEN_WOKEN;
	m.changes = changes;
	SCOPED_LOCK(&s->lock);
	INVARIANT(s->nmade < CAP_SEALS_AHEAD); /* only this thread makes seals ahead */
	if (changes == atomic_load(&s->changes))
		s->made[s->nmade++] = m;
	else
		made_seal_wipe(&m);
	explicit_bzero(&m, sizeof(m));
	return 0;
}

/* Takes a seal that was made ahead, or makes one. Returns 0, ERR_NOMEM or ERR_SYNTAX. */
static int
seals_take(struct seals *s, struct made_seal *out)
{
	struct auditors to;

	pthread_mutex_lock(&s->lock);
	bool has = s->nmade > 0;
	if (has) {
		*out = s->made[--s->nmade];
		explicit_bzero(&s->made[s->nmade], sizeof(*out));
	} else {
		to = s->to;
	}
	uint64_t changes = atomic_load(&s->changes);
	pthread_mutex_unlock(&s->lock);
	service_wake(&s->service);
	int err = has ? 0 : make_seal(s->node, &to, out);
	if (!err)
		out->changes = changes;
	return err;
}

/* Returns how often the auditors were changed. Any thread. */
static uint64_t
seals_changes(const struct seals *s)
{
	return atomic_load_explicit(&s->changes, memory_order_acquire);
}

int
seals_change(struct seals *s, const struct auditor *to, size_t n)
{
	if (n == 0 || n > AUDITORS_MAX)
		return ERR_LIMIT;
	SCOPED_LOCK(&s->lock);
	bool same = s->to.n == n;
	for (size_t i = 0; same && i < n; i++)
		same = str_same(s->to.a[i].name, to[i].name) &&
		       memcmp(s->to.a[i].key, to[i].key, HPKE_KEY_BYTES) == 0;
	if (!same) {
		memcpy(s->to.a, to, n * sizeof(*to));
		s->to.n = n;
		wipe_made(s);
		atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
		service_wake(&s->service);
	}
	return 0;
}

struct seals *
seals_start(const char *node, const struct auditor *to, size_t n, struct buf *why)
{
	struct seals *s = calloc(1, sizeof(*s));
	const struct service_options o = { .name = "tg-seals", .turn = seal_ahead, .arg = s };

	if (!s || strlen(node) >= sizeof(s->node) || n == 0 || n > AUDITORS_MAX) {
		why_err(why, ERR_LIMIT,
			!s	 ? "out of memory"
			: n == 0 ? "no auditor is configured: add one to seal.auditors"
			: n > AUDITORS_MAX ? "there are too many auditors"
					   : "the node's name is too long");
		free(s);
		return NULL;
	}
	memcpy(s->node, node, strlen(node));
	memcpy(s->to.a, to, n * sizeof(*to));
	s->to.n = n;
	pthread_mutex_init(&s->lock, NULL);
	if (service_start(&s->service, &o)) {
		why_err(why, ERR_NOMEM,
			"the thread that makes seals cannot start: out of memory or threads");
		free(s);
		return NULL;
	}
	return s;
}

void
seals_stop(struct seals **s)
{
	struct seals *c = *s;

	if (!c)
		return;
	service_stop(&c->service);
	wipe_made(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*s = NULL;
}

/* ---- a worker's seals ---- */

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
	bool full; /* the text is full, and ignores further bytes */
};

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

/* ---- opening: keys ---- */

void
seal_ratchet(unsigned char state[SHARE_BYTES], uint64_t steps)
{
	unsigned char next[SHARE_BYTES];

	for (; steps; steps--) {
		hmac_sha256(state, SPAN_LIT("next"), next);
		memcpy(state, next, sizeof(next));
	}
	explicit_bzero(next, sizeof(next));
}

void
seal_text_key(const unsigned char s0[SHARE_BYTES], uint64_t step, const struct share *b,
	const char *node, struct span id, enum seal_kind kind, unsigned char out[32])
{
	static const char zero[1];
	unsigned char state[SHARE_BYTES], message[SHA256_BYTES];
	struct sha256 h;

	memcpy(state, s0, sizeof(state));
	seal_ratchet(state, step < CAP_SEAL_STEPS ? step : CAP_SEAL_STEPS);
	hmac_sha256(state, SPAN_LIT("text"), message);
	hmac_begin(&h, message);
	sha256_add(&h, span_of(b->key, sizeof(b->key)));
	sha256_add(&h, SPAN_LIT("tollgate-text-v1"));
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, span_str(node));
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, id);
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, span_str(seal_kinds[kind]));
	hmac_end(&h, message, out);
	explicit_bzero(state, sizeof(state));
	explicit_bzero(message, sizeof(message));
}

static struct span
json_span(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return span_of(json_string_value(v), json_string_length(v));
}

int
seal_open_share(const json_t *record, const char *node, const unsigned char key[HPKE_KEY_BYTES],
	const char id[AUDITOR_ID_LEN + 1], unsigned char out[SHARE_BYTES], struct buf *why)
{
	unsigned char enc[HPKE_KEY_BYTES], sealed[SHARE_BYTES + HPKE_TAG_BYTES];
	struct span seal = json_span(record, "seal");
	const json_t *to = json_object_get(record, "to"), *one = NULL;
	size_t i, n = 0, m = 0;

	if (!span_is(json_span(record, "type"), "seal") || seal.n != SEAL_ID_LEN ||
		!json_is_array(to))
		return why_err(why, ERR_SYNTAX, "the record is not a seal record");
	for (i = 0; i < json_array_size(to); i++)
		if (span_is(json_span(one = json_array_get(to, i), "key"), id))
			break;
	if (i == json_array_size(to))
		return why_err(why, ERR_NOTFOUND, "seal %.*s is not sealed to the key %s",
			SPAN_ARG(seal), id);
	if (base64_get(json_span(one, "enc"), enc, sizeof(enc), &n) || n != sizeof(enc) ||
		base64_get(json_span(one, "sealed"), sealed, sizeof(sealed), &m) ||
		m != sizeof(sealed))
		return why_err(
			why, ERR_SYNTAX, "seal %.*s: its share is malformed", SPAN_ARG(seal));
	SCOPED_BUF(aad, 0);
	seal_aad(node, seal, &aad);
	int err = buf_failed(&aad) ? ERR_NOMEM
				   : hpke_open(key, enc, SEAL_INFO, buf_view(&aad),
					     span_of(sealed, m), out);
	return err ? why_err(why, err,
			     "seal %.*s: its share cannot be opened with the key %s: the "
			     "record was changed, or the key is another one",
			     SPAN_ARG(seal), id)
		   : 0;
}

/* ---- opening: texts ---- */

/* The contents of a member `kept`. */
struct kept {
	const json_t *at;
	size_t n;
	uint64_t bytes;
	unsigned char sha256[SHA256_BYTES];
};

static int
read_kept(const json_t *o, struct kept *k, struct buf *why)
{
	const json_t *bytes = json_object_get(o, "bytes");

	k->at = json_object_get(o, "at");
	k->n = json_array_size(k->at);
	k->bytes = (uint64_t)json_integer_value(bytes);
	if (k->n == 0 || k->n > SEAL_PARTS_MAX || !json_is_integer(bytes) ||
		json_integer_value(bytes) < 0 ||
		!sha256_read(json_span(o, "sha256"), k->sha256))
		return why_err(
			why, ERR_SYNTAX, "the record's description of the text is malformed");
	return 0;
}

/* Appends part i of the text to *out, and checks that it is the right part. */
static int
read_kept_part(const struct kept *k, size_t i, const char *journal, const char *node,
	struct buf *out, struct buf *why)
{
	const json_t *at = json_array_get(k->at, i);
	json_int_t position = json_integer_value(at);
	unsigned part = 0;
	bool last = false;

	if (!json_is_integer(at) || position < 0)
		return why_err(why, ERR_SYNTAX, "part %zu has no position", i);
	int err = texts_read(journal, node, (uint64_t)position, &part, &last, out, why);
	if (!err && (part != i || last != (i + 1 == k->n)))
		return why_err(why, ERR_AUTH,
			"position %lld has part %u of a text%s, not part %zu of %zu: the "
			"record or the file was changed",
			(long long)position, part, last ? ", its last" : "", i, k->n);
	return err;
}

/* Reads all parts and compares their hash. end[i] is where part i ends in *out. */
static int
read_parts(const json_t *o, const char *journal, const char *node, struct kept *k,
	struct buf *out, size_t end[SEAL_PARTS_MAX], struct buf *why)
{
	unsigned char hash[SHA256_BYTES];
	int err = read_kept(o, k, why);

	for (size_t i = 0; !err && i < k->n; i++) {
		err = read_kept_part(k, i, journal, node, out, why);
		end[i] = out->n;
	}
	if (err)
		return err;
	sha256(buf_view(out), hash);
	if (memcmp(hash, k->sha256, sizeof(hash)) != 0)
		return why_err(why, ERR_AUTH,
			"the hash of the ciphertext differs from the record: the file or the "
			"record was changed");
	if (out->n - k->n * HPKE_TAG_BYTES != k->bytes)
		return why_err(
			why, ERR_AUTH, "the length of the ciphertext differs from the record");
	return 0;
}

int
seal_check_text(const json_t *kept, const char *journal, const char *node, struct buf *why)
{
	size_t end[SEAL_PARTS_MAX];
	struct kept k;

	SCOPED_BUF(sealed, 0);
	return read_parts(kept, journal, node, &k, &sealed, end, why);
}

int
seal_open_text(const json_t *kept, const char *journal, const char *node,
	const unsigned char key[32], struct buf *out, struct buf *why)
{
	size_t end[SEAL_PARTS_MAX], from = 0, had = out->n;
	unsigned char nonce[12];
	struct kept k;

	SCOPED_BUF(sealed, 0);
	int err = read_parts(kept, journal, node, &k, &sealed, end, why);
	unsigned char *to = err ? NULL : (unsigned char *)buf_reserve(out, k.bytes + 1);
	if (!err && !to)
		err = why_err(why, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	for (size_t i = 0; !err && i < k.n; from = end[i++]) {
		struct span part = span_cut(buf_view(&sealed), from, end[i]);
		part_nonce((unsigned)i, i + 1 == k.n, nonce);
		err = gcm_open(key, nonce, span_of(NULL, 0), part, to);
		if (err)
			why_err(why, err, "part %zu cannot be opened with this key", i);
		to += part.n - HPKE_TAG_BYTES;
	}
	if (!err)
		buf_commit(out, k.bytes);
	else if (to)
		explicit_bzero(buf_reserve(out, k.bytes + 1), k.bytes);
	INVARIANT(!err || out->n == had);
	return err;
}
