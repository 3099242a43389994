/* A bucket a source, which drains with time: what is in it is how many were wrong of late. */
#include "operator/admin/guesses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/scoped.h"

#define FULL	10u	 /* wrong ones at once */
#define EACH_US 6000000u /* so long until one less counts */

struct guesses {
	pthread_mutex_t lock;
	size_t n;
	struct bucket {
		struct source from;
		uint64_t empty_us; /* when nothing is in it any more */
	} row[CAP_ADMIN_SOURCES];
};

struct guesses *
guesses_new(void)
{
	struct guesses *g = calloc(1, sizeof(*g));

	if (g)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void
guesses_free(struct guesses **gp)
{
	if (!*gp)
		return;
	pthread_mutex_destroy(&(*gp)->lock);
	free(*gp);
	*gp = NULL;
}

static struct bucket *
find_bucket(struct guesses *g, const struct source *from)
{
	for (size_t i = 0; i < g->n; i++)
		if (!memcmp(&g->row[i].from, from, sizeof(*from)))
			return &g->row[i];
	return NULL;
}

unsigned
guesses_wait(struct guesses *g, const struct source *from, uint64_t now_us)
{
	SCOPED_LOCK(&g->lock);
	const struct bucket *b = find_bucket(g, from);
	if (!b || b->empty_us <= now_us + (FULL - 1) * EACH_US)
		return 0;
	return (unsigned)((b->empty_us - now_us - (FULL - 1) * EACH_US + 999999) / 1000000);
}

/* The one that is empty soonest makes room. */
static struct bucket *
room(struct guesses *g, const struct source *from)
{
	struct bucket *b = &g->row[0];

	INVARIANT(g->n <= CAP_ADMIN_SOURCES);
	if (g->n < CAP_ADMIN_SOURCES)
		b = &g->row[g->n++];
	else
		for (size_t i = 1; i < g->n; i++)
			if (g->row[i].empty_us < b->empty_us)
				b = &g->row[i];
	*b = (struct bucket){ .from = *from };
	return b;
}

void
guesses_wrong(struct guesses *g, const struct source *from, uint64_t now_us)
{
	SCOPED_LOCK(&g->lock);
	struct bucket *b = find_bucket(g, from);
	if (!b)
		b = room(g, from);
	b->empty_us = (b->empty_us > now_us ? b->empty_us : now_us) + EACH_US;
}
