/* Opening the chain is a whole audit_start(): the end of the journal is recovered and verified,
 * and the Redis Stream continues. The journal's lock keeps the other instance away meanwhile. */
#include "operator/server/other_chain.h"

#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "record/audit/keys.h"
#include "record/journal/journal.h"
#include "record/seal/shares.h"
#include "record/seal/store.h"

/* how long the close waits for the Redis Stream */
enum { STREAM_LOOKS = 100, STREAM_LOOK_US = 10000 };

/* ---- erasures ---- */

static struct shares *
look_at_shares(void *arg)
{
	const struct other_chain *o = arg;
	uint64_t lost;

	if (!o->cfg.nauditors || access(o->cfg.seal_shares, F_OK) != 0)
		return NULL;
	SCOPED_BUF(lost_why, 4096);
	SCOPED_BUF(why, 4096);
	struct shares *s =
		shares_open(o->cfg.seal_shares, NULL, o->cfg.node, &lost, &lost_why, &why);
	if (!s)
		log_event(LOG_ERROR, "shares.other", LS("file", o->cfg.seal_shares),
			LSP("why", buf_view(&why)));
	return s;
}

static int
open_to_erase(void *arg, struct erasing_place *out)
{
	struct other_chain *o = arg;
	uint64_t lost;

	SCOPED_BUF(lost_why, 4096);
	SCOPED_BUF(why, 4096);
	*out = (struct erasing_place){ .audit = other_chain_open(o, &why) };
	if (!out->audit)
		return why.n ? EIO : EBUSY;
	out->shares = seal_shares_open(&o->cfg, &lost, &lost_why, &why);
	if (out->shares)
		return 0;
	log_event(LOG_ERROR, "shares.other", LS("file", o->cfg.seal_shares),
		LSP("why", buf_view(&why)));
	other_chain_close(o);
	return EIO;
}

static void
close_erased(void *arg, struct erasing_place *p)
{
	other_chain_close(arg); /* the records are durable, and the file may note that */
	shares_sync(p->shares);
	shares_close(&p->shares);
}

/* ---- the chain ---- */

void
other_chain_init(struct other_chain *o, const struct config *cfg, const struct hashkey *hash)
{
	const struct config *other = config_other_that_wrote(cfg);

	*o = (struct other_chain){ .hash = *hash };
	if (other)
		o->cfg = *other;
	o->cfg.written_by = cfg->node;
	o->erases =
		(struct erasing_other){ look_at_shares, open_to_erase, close_erased, o };
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->known, NULL);
}

void
other_chain_free(struct other_chain *o)
{
	INVARIANT(!o->audit);
	explicit_bzero(&o->hash, sizeof(o->hash));
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->known);
}

bool
other_chain_exists(const struct other_chain *o)
{
	return o->cfg.journal != NULL;
}

struct audit *
other_chain_open(struct other_chain *o, struct buf *why)
{
	pthread_mutex_lock(&o->lock);
	if (atomic_load(&o->counted) && journal_is_free(o->cfg.journal))
		o->audit = audit_start(&o->cfg, NULL, &o->hash, &o->metrics, why);
	if (!o->audit) {
		if (why->n)
			log_event(LOG_ERROR, "other.chain", LS("journal", o->cfg.journal),
				LSP("why", buf_view(why)));
		pthread_mutex_unlock(&o->lock);
		return NULL;
	}
	SCOPED_LOCK(&o->known);
	audit_keys_ring(audit_keys(o->audit), &o->ring);
	o->has_ring = true;
	return o->audit;
}

void
other_chain_close(struct other_chain *o)
{
	struct follow_end end;

	audit_finish(o->audit, &end);
	for (int i = 0; i < STREAM_LOOKS && audit_copied(o->audit) < end.seq; i++)
		usleep(STREAM_LOOK_US);
	atomic_store(&o->copied, audit_copied(o->audit));
	audit_stop(&o->audit);
	pthread_mutex_unlock(&o->lock);
}

bool
other_chain_keys(struct other_chain *o, struct keyring *out)
{
	if (!journal_is_free(o->cfg.journal))
		return false;
	SCOPED_LOCK(&o->known);
	if (o->has_ring)
		*out = o->ring;
	return o->has_ring;
}

uint64_t
other_chain_copied(const struct other_chain *o)
{
	return atomic_load(&o->copied);
}
