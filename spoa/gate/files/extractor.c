/* Asking tollgate-extract: HTTP over its unix socket, a few files at a time. A body is copied
 * when it is sent, so that those who wait cost nothing but what the request holds. */
#include "gate/files/files.h"

#include <limits.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/scoped.h"
#include "gate/gate_private.h"

void
extractor_init(struct extractor *x)
{
	*x = (struct extractor){ 0 };
	TAILQ_INIT(&x->waiting);
}

void
extractor_free(struct extractor *x)
{
	http_client_free(&x->http);
}

static void send_waiting(struct gate *g);

static void
caller_ends(struct extractor *x, size_t caller)
{
	unsigned i = 0;

	while (x->callers[i] != caller)
		i++;
	x->callers[i] = x->callers[--x->running];
}

static void
file_came(void *arg, const struct http_answer *h)
{
	struct file_ask *a = TAGGED(file_ask, arg);
	struct gate *g = a->r->gate;
	const char *why = NULL;

	caller_ends(&g->extractor, a->r->run.held_slot);
	if (h->err == ERR_TIMEOUT)
		why = file_late;
	else if (h->err == ERR_LIMIT || h->err == ERR_SYNTAX)
		why = file_nonsense;
	else if (h->err || h->status != 200)
		why = file_away;
	metric_inc(g->metrics, why ? M_FILES_FAILED : M_FILES_EXTRACTED);
	a->f->answer = why ? (struct span){ NULL, 0 } : h->body;
	request_file_answered(a, why);
	send_waiting(g);
}

static bool
send_file(struct gate *g, struct file_ask *a, uint64_t now)
{
	struct extractor *x = &g->extractor;

	SCOPED_BUF(url, 0);
	buf_printf(&url, "unix:%s:/%s%s", gate_cfg(g)->extract.path,
		span_is(span_str(a->f->kind), "pdf") ? "pdf" : "image",
		a->f->ocr ? "?ocr=1" : "");
	buf_putc(&url, '\0');
	const char *const fields[] = { "content-type: application/octet-stream", "expect:" };
	const struct http_call_options o = { .url = url.p,
		.body = a->f->decoded,
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.deadline_us = a->deadline_us - now,
		.answer_bytes = CAP_EXTRACT_ANSWER };
	if (!x->http)
		x->http = http_client_new(g->loop, EXTRACT_CALLS);
	if (!x->http || buf_failed(&url) || !http_call(x->http, &o, file_came, a))
		return false;
	x->callers[x->running++] = a->r->run.held_slot;
	return true;
}

/* One that nobody waits for any more, or for too long, is not sent. */
static bool
is_over(const struct file_ask *a, uint64_t now)
{
	return a->r->run.life != LIFE_STEPS || now >= a->deadline_us;
}

/* Files of this caller that are being read. */
static unsigned
running_of(const struct extractor *x, size_t caller)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->running; i++)
		n += x->callers[i] == caller;
	return n;
}

/* The first of those who have the fewest files under way: whoever sends many at once waits for
 * himself. */
static struct file_ask *
next_ask(const struct extractor *x)
{
	struct file_ask *a, *best = NULL;
	unsigned least = UINT_MAX;

	TAILQ_FOREACH (a, &x->waiting, next) {
		unsigned n = running_of(x, a->r->run.held_slot);
		if (n >= least)
			continue;
		least = n;
		best = a;
	}
	return best;
}

static void
send_waiting(struct gate *g)
{
	struct extractor *x = &g->extractor;
	uint64_t now = clock_mono_us();
	struct file_ask *a;

	while (x->running < EXTRACT_CALLS && (a = next_ask(x))) {
		TAILQ_REMOVE(&x->waiting, a, next);
		if (is_over(a, now))
			request_file_answered(a, file_late);
		else if (!send_file(g, a, now))
			request_file_answered(a, file_away);
	}
}

void
extractor_ask(struct gate *g, struct file_ask *a)
{
	struct extractor *x = &g->extractor;

	TAG(file_ask, a);
	if (x->running < EXTRACT_CALLS && TAILQ_EMPTY(&x->waiting) &&
		send_file(g, a, clock_mono_us()))
		return;
	TAILQ_INSERT_TAIL(&x->waiting, a, next);
	ev_timer_again(g->loop, &g->tick);
}

/* Ends those of the queue that are over, or all of them. */
static void
end_waiting(struct gate *g, uint64_t now, const char *all)
{
	struct file_ask *a, *next;

	for (a = TAILQ_FIRST(&g->extractor.waiting); a; a = next) {
		next = TAILQ_NEXT(a, next);
		if (!all && !is_over(a, now))
			continue;
		TAILQ_REMOVE(&g->extractor.waiting, a, next);
		metric_inc(g->metrics, M_FILES_FAILED);
		request_file_answered(a, all ? all : file_late);
	}
}

bool
extractor_tick(struct gate *g, uint64_t now)
{
	end_waiting(g, now, NULL);
	send_waiting(g);
	return !TAILQ_EMPTY(&g->extractor.waiting);
}

void
extractor_abort(struct gate *g)
{
	if (g->extractor.http)
		http_client_abort(g->extractor.http);
	end_waiting(g, 0, file_away);
}
