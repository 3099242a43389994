/* Opens and closes all parts of sealing: see store.h. */
#include "record/seal/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/journal/journal.h"

_Static_assert(AUDITORS_MAX >= CAP_AUDITORS, "each that a configuration may have");

int
seal_auditors(const struct config *cfg, struct auditor out[AUDITORS_MAX], size_t *n,
	const struct yaml_node **at, struct buf *why)
{
	int err = 0;

	for (*n = 0; *n < cfg->nauditors && !err; (*n)++) {
		const struct config_auditor *a = &cfg->auditors[*n];
		if (at)
			*at = a->at;
		err = auditor_read(span_str(a->name), span_str(a->public_key), &out[*n], why);
		for (size_t i = 0; i < *n && !err; i++)
			if (!strcmp(out[i].id, out[*n].id))
				err = why_err(why, ERR_SYNTAX,
					"auditor %s: the public key is also that of auditor "
					"%s: give each auditor a key of their own",
					a->name, out[i].name);
	}
	return err;
}

/* Applies erasures in the journal, which may be newer than a file of shares that was restored
 * from a backup. */
static void
follow_journal(struct seal_store *s, const struct config *cfg)
{
	size_t erased;

	if (shares_follow(s->shares, cfg->journal, cfg->node, &erased, &s->unerased_why))
		log_event(
			LOG_ERROR, "shares.not_erased", LSP("why", buf_view(&s->unerased_why)));
	if (erased)
		log_event(LOG_WARN, "shares.erased_again", LI("shares", erased),
			LS("file", cfg->seal_shares));
}

struct shares *
seal_shares_open(
	const struct config *cfg, uint64_t *lost, struct buf *lost_why, struct buf *why)
{
	char head[JOURNAL_PATH_MAX];

	snprintf(head, sizeof(head), "%.*s" TEXTS_SUFFIX ".head",
		SPAN_ARG(journal_folder(cfg->journal)));
	return shares_open(cfg->seal_shares, head, cfg->node, lost, lost_why, why);
}

struct seal_store *
seal_store_open(const struct config *cfg, struct buf *why)
{
	struct seal_store *s = calloc(1, sizeof(*s));
	struct auditor to[AUDITORS_MAX];
	size_t n;

	if (!s)
		return NULL;
	buf_init(&s->lost_why, 4096);
	buf_init(&s->unerased_why, 4096);
	if (seal_auditors(cfg, to, &n, NULL, why) ||
		!(s->texts = texts_open(cfg->journal, cfg->node, why)) ||
		!(s->shares = seal_shares_open(cfg, &s->lost, &s->lost_why, why)) ||
		!(s->seals = seals_start(cfg->node, to, n, why)))
		seal_store_close(&s);
	else
		follow_journal(s, cfg);
	return s;
}

void
seal_store_close(struct seal_store **sp)
{
	struct seal_store *s = *sp;

	if (!s)
		return;
	seals_stop(&s->seals);
	if (s->shares)
		shares_sync(s->shares); /* notes how far the audit thread came */
	shares_close(&s->shares);
	texts_close(&s->texts);
	buf_free(&s->lost_why);
	buf_free(&s->unerased_why);
	free(s);
	*sp = NULL;
}
