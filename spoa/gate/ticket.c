/* The ticket table: chained buckets by random keys, and a list by age. */
#include "gate/ticket.h"

#include <sodium.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/random.h"

void
tickets_init(struct tickets *t, size_t cap)
{
	memset(t, 0, sizeof(*t));
	t->cap = cap;
	TAILQ_INIT(&t->ages);
}

/* Keys are random, so their first bits serve as hash. */
static struct ticket **
bucket_of(struct tickets *t, const unsigned char key[16])
{
	return &t->bucket[(key[0] | (unsigned)key[1] << 8) % TICKET_BUCKETS];
}

int
ticket_issue(struct tickets *t, struct ticket *k, unsigned worker, uint64_t expires_us,
	char text[TICKET_TEXT])
{
	INVARIANT(!k->live && !k->chain && worker <= 0xffff);
	INVARIANT(t->n <= t->cap);
	if (t->n >= t->cap)
		return ERR_FULL;
	random_bytes(k->key, sizeof(k->key));
	k->expires_us = expires_us;
	k->live = true;
	struct ticket **b = bucket_of(t, k->key);
	k->chain = *b;
	*b = k;
	TAILQ_INSERT_TAIL(&t->ages, k, by_age);
	t->n++;
	snprintf(text, TICKET_TEXT, "%04x-", worker & 0xffffu);
	sodium_bin2hex(text + 5, 33, k->key, sizeof(k->key));
	return 0;
}

/* Accepts lower case only, so that a ticket has one spelling. */
static int
lower_hex_value(char c)
{
	return is_upper(c) ? -1 : hex_value(c);
}

int
ticket_parse(struct span s, unsigned *worker, unsigned char key[16])
{
	unsigned w = 0;

	if (s.n != TICKET_TEXT - 1 || s.p[4] != '-')
		return ERR_SYNTAX;
	for (int i = 0; i < 4; i++) {
		int d = lower_hex_value(s.p[i]);
		if (d < 0)
			return ERR_SYNTAX;
		w = w << 4 | (unsigned)d;
	}
	for (size_t i = 0; i < 16; i++) {
		int hi = lower_hex_value(s.p[5 + 2 * i]), lo = lower_hex_value(s.p[6 + 2 * i]);
		if (hi < 0 || lo < 0)
			return ERR_SYNTAX;
		key[i] = (unsigned char)(hi << 4 | lo);
	}
	*worker = w;
	return 0;
}

static void
remove_ticket(struct tickets *t, struct ticket *k)
{
	struct ticket **b = bucket_of(t, k->key);

	INVARIANT(k->live && t->n > 0);
	while (*b && *b != k)
		b = &(*b)->chain;
	INVARIANT(*b == k);
	*b = k->chain;
	TAILQ_REMOVE(&t->ages, k, by_age);
	k->chain = NULL;
	k->live = false;
	t->n--;
}

struct ticket *
ticket_take(struct tickets *t, const unsigned char key[16])
{
	for (struct ticket *k = *bucket_of(t, key); k; k = k->chain)
		if (sodium_memcmp(k->key, key, sizeof(k->key)) == 0) {
			remove_ticket(t, k);
			return k;
		}
	return NULL;
}

void
tickets_hasten(struct tickets *t, uint64_t latest_us)
{
	struct ticket *k;

	TAILQ_FOREACH (k, &t->ages, by_age)
		if (k->expires_us > latest_us)
			k->expires_us = latest_us;
}

struct ticket *
ticket_expired(struct tickets *t, uint64_t now_us)
{
	struct ticket *k = TAILQ_FIRST(&t->ages);

	INVARIANT(!k == (t->n == 0));
	if (k && k->expires_us > now_us)
		k = NULL;
	if (k)
		remove_ticket(t, k);
	return k;
}
