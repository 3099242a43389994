/* The ledger: a hash table of sums, limited to LEDGER_MAX. Each addition removes the past
 * windows of one chain. */
#include "budget/quota/quota_ledger.h"

#include <stdlib.h>

#include "base/err.h"

void
ledger_free(struct quota_ledger **lp)
{
	struct quota_ledger *l = *lp;

	if (!l)
		return;
	for (size_t i = 0; i < LEDGER_CHAINS; i++)
		while (l->chain[i]) {
			struct ledger_entry *e = l->chain[i];
			l->chain[i] = e->next;
			free(e);
		}
	free(l);
	*lp = NULL;
}

/* Removes the past windows of one chain at each operation, long before the table is full. */
static void
sweep_ledger_chain(struct quota_ledger *l, int64_t now_ms)
{
	struct ledger_entry **e = &l->chain[l->sweep++ % LEDGER_CHAINS];

	while (*e) {
		struct ledger_entry *over = *e;
		if (over->sum != 0 && now_ms < over->ends_ms) {
			e = &over->next;
			continue;
		}
		INVARIANT(l->n > 0);
		*e = over->next;
		free(over);
		l->n--;
	}
}

static struct ledger_entry *
make_ledger_entry(
	struct quota_ledger *l, const struct quota_dim *d, struct cell c, uint64_t epoch)
{
	size_t n = strlen(d->key) + 1;
	struct ledger_entry *e = l->n < LEDGER_MAX ? malloc(sizeof(*e) + n) : NULL;

	if (!e)
		return NULL;
	*e = (struct ledger_entry){ .next = l->chain[d->hash % LEDGER_CHAINS],
		.hash = d->hash,
		.epoch = epoch,
		.part = (unsigned char)l->adds,
		.cell = c,
		.calendar = d->span.calendar };
	memcpy(e->key, d->key, n);
	l->chain[d->hash % LEDGER_CHAINS] = e;
	l->n++;
	return e;
}

bool
ledger_add(struct quota_ledger *l, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch, int64_t now_ms)
{
	/* notes of slices are not in the ledger: losing them does no harm */
	INVARIANT(epoch != 0 && c.kind < CELL_SLICES);
	sweep_ledger_chain(l, now_ms);
	struct ledger_entry *e = l->chain[d->hash % LEDGER_CHAINS];
	while (e &&
		(e->hash != d->hash || e->part != l->adds || e->epoch != epoch ||
			e->cell.kind != c.kind || e->cell.id != c.id || strcmp(e->key, d->key)))
		e = e->next;
	if (!e)
		e = make_ledger_entry(l, d, c, epoch);
	if (!e)
		return false;
	int64_t ends_ms = cell_ends_ms(d, at, c);
	e->sum += delta;
	e->ends_ms = ends_ms > e->ends_ms ? ends_ms : e->ends_ms;
	e->ttl_s = cell_ttl_s(d, at, c, now_ms);
	return true;
}

void
ledger_recalled(struct quota_ledger *l, uint64_t node)
{
	l->part[l->adds].node = node;
	for (size_t i = 0; i < LEDGER_CHAINS; i++)
		for (struct ledger_entry *e = l->chain[i]; e; e = e->next)
			e->recalled |= e->part == l->adds;
}

void
ledger_live(struct quota_ledger *l, enum ledger_of part, uint64_t epoch)
{
	struct ledger_part *p = &l->part[part];

	if (!epoch || ledger_lived(l, part, epoch))
		return;
	if (p->nlived == LEDGER_LIVED_MAX)
		memmove(p->lived, p->lived + 1, --p->nlived * sizeof(p->lived[0]));
	INVARIANT(p->nlived < LEDGER_LIVED_MAX);
	p->lived[p->nlived++] = epoch;
}

bool
ledger_lived(const struct quota_ledger *l, enum ledger_of part, uint64_t epoch)
{
	const struct ledger_part *p = &l->part[part];

	for (size_t i = p->nlived; i-- > 0;)
		if (p->lived[i] == epoch)
			return true;
	return false;
}

bool
ledger_must_ask(const struct quota_ledger *l, uint64_t epoch)
{
	for (enum ledger_of i = 0; i < LEDGER_PARTS; i++)
		if (l->part[i].node && !ledger_lived(l, i, epoch))
			return true;
	return false;
}

void
ledger_drop_other(struct quota_ledger *l)
{
	l->part[LEDGER_OTHER] = (struct ledger_part){ .nlived = 0 };
	for (size_t i = 0; i < LEDGER_CHAINS; i++)
		for (struct ledger_entry **e = &l->chain[i]; *e;) {
			struct ledger_entry *of = *e;
			if (of->part != LEDGER_OTHER) {
				e = &of->next;
				continue;
			}
			INVARIANT(l->n > 0);
			*e = of->next;
			free(of);
			l->n--;
		}
}
