/* The list is in the order of sending, so the oldest request is its head. A lock guards it: it
 * is held for a few instructions for each request, and for AWAITED_SHOWN copies by a reader. */
#include "budget/tally/awaited.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

struct awaited {
	pthread_mutex_t lock;
	TAILQ_HEAD(, awaited_request) all;
	size_t n;
};

struct awaited *
awaited_new(void)
{
	struct awaited *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	TAILQ_INIT(&a->all);
	return a;
}

void
awaited_free(struct awaited **a)
{
	if (!*a)
		return;
	pthread_mutex_destroy(&(*a)->lock);
	free(*a);
	*a = NULL;
}

void
awaited_add(struct awaited *a, struct awaited_request *r)
{
	SCOPED_LOCK(&a->lock);
	INVARIANT(!r->listed);
	r->listed = true;
	TAILQ_INSERT_TAIL(&a->all, r, of_all);
	a->n++;
}

void
awaited_remove(struct awaited *a, struct awaited_request *r)
{
	/* only the worker that owns the request sets the mark */
	if (!r->listed)
		return;
	SCOPED_LOCK(&a->lock);
	TAILQ_REMOVE(&a->all, r, of_all);
	r->listed = false;
	a->n--;
}

/* Puts a copy of the request into the sorted list, if it is among the oldest. Returns the
 * length of the list. */
static size_t
place_awaited(struct awaited_request *list, size_t n, const struct awaited_request *r)
{
	size_t at = n;

	while (at > 0 && list[at - 1].since_us > r->since_us)
		at--;
	if (at == AWAITED_SHOWN)
		return n;
	n += n < AWAITED_SHOWN;
	memmove(&list[at + 1], &list[at], (n - at - 1) * sizeof(*list));
	list[at] = *r;
	return n;
}

size_t
awaited_oldest(struct awaited *const *a, size_t n, struct awaited_request list[AWAITED_SHOWN], size_t *all)
{
	size_t shown = 0;

	*all = 0;
	for (size_t i = 0; i < n; i++) {
		const struct awaited_request *r;
		size_t seen = 0;
		SCOPED_LOCK(&a[i]->lock);
		*all += a[i]->n;
		TAILQ_FOREACH (r, &a[i]->all, of_all) {
			if (seen++ == AWAITED_SHOWN)
				break;
			shown = place_awaited(list, shown, r);
		}
	}
	return shown;
}

void
awaited_write(struct awaited *const *a, size_t n, uint64_t now_us, struct buf *out)
{
	struct awaited_request list[AWAITED_SHOWN];
	size_t all, shown = awaited_oldest(a, n, list, &all);

	json_put_form(out, "{'requests':%u,'oldest':[", (uint64_t)all);
	for (size_t i = 0; i < shown; i++) {
		const struct awaited_request *r = &list[i];
		uint64_t us = now_us > r->since_us ? now_us - r->since_us : 0;
		json_put_form(out, "{'id':%s,'route':%t,'provider':%t,'model':%t", r->id,
			span_str(r->route), span_str(r->provider), span_str(r->model));
		json_put_printf(out, "seconds", "%.1f", (double)us / 1e6);
		json_put_close(out, '}');
	}
	buf_str(out, "]}");
}
