/* A share that is erased opens no text any more, whoever has which key. An erasure is done here
 * before the daemon serves, where its file came back from a backup too: what was carried out is
 * in that file, so an older one has it done again. */
#include "gate/changes/erasing.h"

#include <errno.h>
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

static const char no_seal[] = "a file of shares is here, and no seal:";

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

/* An erasure whose record is on its way. */
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

/* Nobody waits: it is kept until the journal takes it, and only then the file of shares says
 * that it is done. A start in between does it again. */
static void
record_erasure(struct erasing *x, const json_t *e, const struct buf *pseudonyms)
{
	static const char *const texts[][2] = { { "why", "why" }, { "ticket", "ticket" },
		{ "by", "by" }, { "time", "ordered_at" }, { "node", "ordered_on" } };
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial");

	if (!x->audit) {
		shares_erase_recorded(x->shares, id, serial);
		return;
	}
	struct recorded_erasure *is = calloc(1, sizeof(*is));
	struct audit_entry *r = is ? audit_entry_new() : NULL;
	if (!r) {
		free(is);
		return;
	}
	is->shares = x->shares;
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
	audit_append(x->audit, r);
}

/* A daemon without seal: has no shares; a file of them from before holds some yet. */
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

/* 0, or errno; ENOKEY: there is a file of shares, and nobody who opens it. */
static int
erase_one(struct erasing *x, const json_t *e)
{
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial"), now = clock_wall_ns();
	struct erased_holder h = { .live = x->live };
	int sys = 0;

	SCOPED_BUF(pseudonyms, 0);
	if (x->shares ? shares_has_erased(x->shares, id, serial) : has_no_shares(x->journal)) {
		live_erasure_done(x->live, id, serial, now, false);
		return 0;
	}
	sha256_read(json_span(json_object_get(e, "tag")), h.tag);
	errno = EIO;
	if (!x->shares)
		sys = ENOKEY;
	else if (shares_erase(x->shares, is_erased, &h, id, serial, now, &pseudonyms))
		sys = errno;
	if (sys) {
		log_event(LOG_ERROR, "shares.not_erased", LS("erasure", id),
			LS("why", sys == ENOKEY ? no_seal : strerror(sys)));
		return sys;
	}
	record_erasure(x, e, &pseudonyms);
	live_erasure_done(x->live, id, serial, now, true);
	log_event(LOG_INFO, "shares.erased", LS("erasure", id), LI("shares", pseudonyms.n > 0));
	return 0;
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
	json_array_foreach(list, i, one) if ((err = erase_one(x, one))) failed = err;
	atomic_store(&x->failed, failed);
}

void
erasing_again(struct erasing *x)
{
	if (atomic_load(&x->failed))
		erasing_now(x);
}

bool
erasing_away(struct erasing *x, struct buf *why)
{
	int failed = atomic_load(&x->failed);

	if (failed)
		buf_printf(why, "an erasure is not carried out: %s",
			failed == ENOKEY ? no_seal : strerror(failed));
	return failed != 0;
}
