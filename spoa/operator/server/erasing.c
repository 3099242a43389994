/* A share that is erased opens no text any more, whoever has which key. An erasure is done here
 * before the daemon serves, where its file came back from a backup too: what was carried out is
 * in that file, so an older one has it done again. */
#include "operator/server/erasing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/changes/live.h"
#include "operator/server/looks.h"
#include "operator/server/server.h"
#include "record/audit/audit.h"
#include "record/seal/shares.h"

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

/* Nobody waits: it is kept until the journal takes it. */
static void
record_erasure(struct server *s, const json_t *e, const struct buf *pseudonyms)
{
	static const char *const texts[][2] = { { "why", "why" }, { "ticket", "ticket" },
		{ "by", "by" }, { "time", "ordered_at" }, { "node", "ordered_on" } };
	struct audit_entry *r = s->audit ? audit_entry_new() : NULL;

	if (!r)
		return;
	json_put_str(&r->fields, "type", "erase");
	json_put_str(&r->fields, "erasure", json_text_in(e, "id"));
	json_put_int(&r->fields, "serial", json_int_in(e, "serial"));
	json_put_printf(&r->fields, "pseudonyms", "[%.*s]", SPAN_ARG(buf_view(pseudonyms)));
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		json_put_opt(&r->fields, texts[i][1], json_str_in(e, texts[i][0]));
	audit_append(s->audit, r);
}

/* A daemon without seal: has no shares; a file of them from before holds some yet. */
static bool
has_no_shares(const struct server *s)
{
	SCOPED_BUF(file, 4096);
	if (!s->shared_cfg->journal)
		return true;
	buf_printf(&file, "%s.shares", s->shared_cfg->journal);
	buf_putc(&file, '\0');
	return !buf_failed(&file) && access(buf_view(&file).p, F_OK) < 0 && errno == ENOENT;
}

/* 0, or errno. */
static int
erase_one(struct server *s, const json_t *e)
{
	const char *id = json_text_in(e, "id");
	int64_t serial = json_int_in(e, "serial"), now = clock_wall_ns();
	struct erased_holder h = { .live = s->live };

	SCOPED_BUF(pseudonyms, 0);
	if (s->shares ? shares_has_erased(s->shares, id, serial) : has_no_shares(s)) {
		live_erasure_done(s->live, id, serial, now, false);
		return 0;
	}
	sha256_read(json_span(json_object_get(e, "tag")), h.tag);
	errno = ENOKEY; /* no seal:, and a file of shares */
	int err = s->shares
			  ? shares_erase(s->shares, is_erased, &h, id, serial, now, &pseudonyms)
			  : ERR_IO;
	if (err) {
		int sys = errno ? errno : EIO;
		log_event(LOG_ERROR, "shares.not_erased", LS("erasure", id),
			LS("why", s->shares ? strerror(sys)
					    : "a file of shares is here, and no seal:"));
		return sys;
	}
	record_erasure(s, e, &pseudonyms);
	live_erasure_done(s->live, id, serial, now, true);
	log_event(LOG_INFO, "shares.erased", LS("erasure", id), LI("shares", pseudonyms.n > 0));
	return 0;
}

void
erasing_now(struct server *s)
{
	int failed = 0, err;
	json_t *one;
	size_t i;

	if (!s->live)
		return;
	pthread_mutex_lock(&s->erasing.lock);
	json_auto_t *list = live_undone(s->live);
	json_array_foreach(list, i, one) if ((err = erase_one(s, one))) failed = err;
	atomic_store(&s->erasing.failed, failed);
	pthread_mutex_unlock(&s->erasing.lock);
}

bool
erasing_away(struct server *s, struct buf *why)
{
	int failed = atomic_load(&s->erasing.failed);

	if (failed)
		buf_printf(why, "an erasure is not carried out: %s",
			failed == ENOKEY ? "a file of shares is here, and no seal:"
					 : strerror(failed));
	return failed != 0;
}

/* What the disk did not take before. */
void
erasing_look(struct server *s)
{
	if (atomic_load(&s->erasing.failed))
		erasing_now(s);
}
