/* Carrying out an erasure means, first of all, deleting the person's share: without the
 * share, no key opens the person's sealed content. The file of shares lists the erasures that
 * were carried out. A file from a backup lacks them, so at the start, before the daemon
 * serves, they are carried out again. */
#include "gate/changes/erasing.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/changes/live.h"
#include "record/audit/audit.h"
#include "record/journal/journal.h"
#include "record/seal/shares.h"

static const char no_seal[] =
	"a file of shares exists, but no `seal` is configured to open it: configure `seal`, or "
	"remove the file";

struct erased_holder {
	const struct live *live;
	unsigned char tag[SHA256_BYTES];
};

static bool
is_erased(void *arg, struct span holder)
{
	const struct erased_holder *h = arg;
	unsigned char tag[SHA256_BYTES];

	live_tag(h->live, holder, tag);
	return memcmp(tag, h->tag, sizeof(tag)) == 0;
}

/* An erasure whose record is on its way to the journal. */
struct recorded_erasure {
	struct shares *shares;
	int64_t serial;
	char id[LIVE_ERASE_ID + 1];
};

static void
erasure_recorded(struct audit_entry *e, int err)
{
	struct recorded_erasure *is = e->arg;

	if (!err)
		shares_erase_recorded(is->shares, is->id, is->serial);
	buf_free(&e->fields);
	free(is);
	free(e);
}

/* Appends the record without waiting. The file of shares notes the erasure as recorded only
 * when the journal has taken the record; if the daemon starts again before that, the erasure
 * is carried out again. */
static void
record_erasure(const struct erasing_place *p, const json_t *e, const struct buf *pseudonyms)
{
	static const char *const texts[][2] = { { "why", "why" }, { "ticket", "ticket" },
		{ "by", "by" }, { "time", "ordered_at" }, { "node", "ordered_on" } };
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial");

	if (!p->audit) {
		shares_erase_recorded(p->shares, id, serial);
		return;
	}
	struct recorded_erasure *is = calloc(1, sizeof(*is));
	struct audit_entry *r = is ? audit_entry_new() : NULL;
	if (!r) {
		free(is);
		return;
	}
	is->shares = p->shares;
	is->serial = serial;
	snprintf(is->id, sizeof(is->id), "%s", id);
	r->arg = is;
	r->done = erasure_recorded;
	json_put_str(&r->fields, "type", "erase");
	json_put_str(&r->fields, "erasure", id);
	json_put_int(&r->fields, "serial", serial);
	json_put_printf(&r->fields, "pseudonyms", "[%.*s]", SPAN_ARG(buf_view(pseudonyms)));
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		json_put_opt(&r->fields, texts[i][1], json_str_in(e, texts[i][0]));
	audit_append(p->audit, r);
}

/* Returns true if there are no shares to delete. A daemon without a seal has none, unless a
 * file of shares is left from earlier. */
static bool
has_no_shares(const char *journal)
{
	SCOPED_BUF(file, 4096);
	if (!journal)
		return true;
	buf_printf(&file, "%.*s.shares", SPAN_ARG(journal_folder(journal)));
	buf_putc(&file, '\0');
	return !buf_failed(&file) && access(buf_view(&file).p, F_OK) < 0 && errno == ENOENT;
}

/* ---- caches ---- */

static bool
part_is_left(const json_t *e, enum live_part part)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "left"), i, one) if (span_is(
		json_span(one), live_part_names[part])) return true;
	return false;
}

/* Reads the person's name in that cache. Returns false if version 0.2.0 made the order. */
static bool
name_in_cache(const json_t *e, enum live_part part, unsigned char out[LIVE_NAME_BYTES])
{
	char member[LIVE_FIELD_MAX];

	live_part_tag(part, member);
	const char *hex = json_text_in(e, member);
	return sodium_hex2bin(out, LIVE_NAME_BYTES, hex, strlen(hex), NULL, NULL, NULL) == 0 &&
	       strlen(hex) == 2 * LIVE_NAME_BYTES;
}

/* Deletes the person's content in this process. erasing_forget() deletes it from Redis. */
static void
forget_person(struct erasing *x, const json_t *e)
{
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial");
	unsigned char name[LIVE_NAME_BYTES];
	/* A node without shares keeps no note of what it deleted, so it leaves the orders
	 * that it finds at its start to the other nodes. */
	bool forgotten = x->shares ? shares_has_forgotten(x->shares, id, serial) : !x->began;

	for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++) {
		if (!part_is_left(e, part))
			continue;
		if (forgotten || !name_in_cache(e, part, name)) {
			live_erasure_done(x->live, id, serial, part, clock_wall_ns(), false);
			continue;
		}
		/* once per order, and once more when the caches exist */
		if (x->caches && (part_is_left(e, LIVE_SHARES) || !x->used_caches))
			x->caches->here(x->arg, part, name);
		atomic_store(&x->pending, true);
	}
}

/* Keeps the reason why this part could not be reached, and logs a new reason. An empty `why`
 * means success. */
static void
note_reached(struct erasing *x, enum live_part part, const struct buf *why)
{
	char *was = x->why[part], now[sizeof(x->why[0])];

	snprintf(now, sizeof(now), "%.*s", SPAN_ARG(buf_view(why)));
	SCOPED_LOCK(&x->telling);
	if (now[0] && strcmp(was, now) != 0)
		log_event(LOG_ERROR,
			part == LIVE_CACHE ? "cache.not_erased" : "placeholders.not_erased",
			LS("why", now));
	memcpy(was, now, sizeof(now));
}

/* Deletes one part of an erasure from Redis. Returns false, with *why, if Redis does not
 * answer. */
static bool
forget_part(struct erasing *x, const json_t *e, enum live_part part, struct buf *why)
{
	unsigned char name[LIVE_NAME_BYTES];

	if (!part_is_left(e, part) || !name_in_cache(e, part, name))
		return true;
	if (why->n) /* Redis did not answer for an earlier erasure of this round */
		return false;
	if (x->caches->there(x->arg, part, name, why)) {
		if (!why->n)
			buf_str(why, "Redis did not respond: the daemon tries again");
		return false;
	}
	live_erasure_done(x->live, json_text_in(e, "id"), json_int_in(e, "serial"), part,
		clock_wall_ns(), true);
	return true;
}

void
erasing_forget(struct erasing *x)
{
	const json_t *e;
	size_t i;

	SCOPED_BUF(cache, 4096);
	SCOPED_BUF(placeholders, 4096);
	struct buf *why[LIVE_PARTS] = { [LIVE_CACHE] = &cache,
		[LIVE_PLACEHOLDERS] = &placeholders };
	atomic_store(&x->pending, false);
	json_auto_t *list = live_undone(x->live);
	json_array_foreach(list, i, e)
	{
		bool any = false, all = true;
		for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++) {
			any |= part_is_left(e, part);
			all &= forget_part(x, e, part, why[part]);
		}
		if (any && all && x->shares)
			shares_erase_forgotten(
				x->shares, json_text_in(e, "id"), json_int_in(e, "serial"));
		if (!all)
			atomic_store(&x->pending, true);
	}
	for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++)
		note_reached(x, part, why[part]);
}

/* ---- all of it ---- */

/* Deletes the person's shares from the file, and records that. Returns 0 or an errno. */
static int
erase_in(const struct live *live, const struct erasing_place *p, const json_t *e, int64_t now_ns)
{
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial");
	struct erased_holder h = { .live = live };

	SCOPED_BUF(pseudonyms, 0);
	if (shares_has_erased(p->shares, id, serial))
		return 0;
	sha256_read(json_span(json_object_get(e, "tag")), h.tag);
	errno = EIO;
	if (shares_erase(p->shares, is_erased, &h, id, serial, now_ns, &pseudonyms))
		return errno;
	record_erasure(p, e, &pseudonyms);
	log_event(LOG_INFO, "shares.erased", LS("erasure", id), LI("shares", pseudonyms.n > 0));
	return 0;
}

/* Carries out the erasures of the list in the other instance's file of shares. Returns 0 or an
 * errno. */
static int
erase_in_other(const struct erasing *x, const json_t *list, int64_t now_ns)
{
	struct shares *is = x->other ? x->other->look(x->other->arg) : NULL;
	struct erasing_place p;
	const json_t *e;
	bool left = false;
	size_t i;

	if (!is)
		return 0;
	json_array_foreach(list, i, e) left |= part_is_left(e, LIVE_SHARES) &&
		!shares_has_erased(is, json_text_in(e, "id"), json_int_in(e, "serial"));
	shares_close(&is);
	int err = left ? x->other->open(x->other->arg, &p) : 0;
	if (!left || err)
		return err;
	json_array_foreach(list, i, e)
	{
		int one = part_is_left(e, LIVE_SHARES) ? erase_in(x->live, &p, e, now_ns) : 0;
		err = one ? one : err;
	}
	x->other->close(x->other->arg, &p);
	return err;
}

/* Deletes the person's shares. `other` is the result of erase_in_other(): only if both succeed, the
 * erasure is done here. Returns 0 or an errno; ENOKEY means that a file of shares exists but no
 * seal is configured to open it. */
static int
erase_shares(struct erasing *x, const json_t *e, int other, int64_t now_ns)
{
	const struct erasing_place own = { x->shares, x->audit };
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial");
	bool was = x->shares ? shares_has_erased(x->shares, id, serial)
			     : has_no_shares(x->journal);
	int sys = x->shares ? erase_in(x->live, &own, e, now_ns) : was ? 0 : ENOKEY;

	if (!sys)
		sys = other;
	if (!sys)
		live_erasure_done(x->live, id, serial, LIVE_SHARES, now_ns, !was);
	else if (sys != EBUSY)
		log_event(LOG_ERROR, "shares.not_erased", LS("erasure", id),
			LS("why", sys == ENOKEY ? no_seal : strerror(sys)));
	return sys;
}

void
erasing_now(struct erasing *x)
{
	int failed = 0, err;
	json_t *one;
	size_t i;

	if (!x->live)
		return;
	SCOPED_LOCK(&x->lock);
	json_auto_t *list = live_undone(x->live);
	int64_t now_ns = clock_wall_ns();
	int other = erase_in_other(x, list, now_ns);
	json_array_foreach(list, i, one)
	{
		if (part_is_left(one, LIVE_SHARES) && (err = erase_shares(x, one, other, now_ns)))
			failed = err;
		forget_person(x, one);
	}
	x->began = true;
	x->used_caches |= x->caches != NULL;
	atomic_store(&x->failed, failed);
	if (x->caches && atomic_load(&x->pending))
		x->caches->soon(x->arg);
}

void
erasing_serves(struct erasing *x, const struct erasing_caches *caches, void *arg)
{
	SCOPED_LOCK(&x->lock);
	x->caches = caches;
	x->arg = arg;
}

void
erasing_again(struct erasing *x)
{
	if (atomic_load(&x->failed) || atomic_load(&x->pending))
		erasing_now(x);
}

bool
erasing_away(struct erasing *x, enum live_part part, struct buf *why)
{
	int failed = part == LIVE_SHARES ? atomic_load(&x->failed) : 0;

	SCOPED_LOCK(&x->telling);
	if (x->why[part][0])
		buf_printf(why, "an erasure is incomplete: %s", x->why[part]);
	if (failed == EBUSY)
		buf_str(why, "an erasure waits for the other instance of this node, which runs "
			     "and has not erased its shares yet");
	else if (failed)
		buf_printf(why, "an erasure cannot be carried out: %s",
			failed == ENOKEY ? no_seal : strerror(failed));
	return failed || x->why[part][0];
}
