/* Asks tollgate-extract about files. The next file is one of the caller with the fewest files
 * in flight, so a caller who sends many files delays only those. */
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/scoped.h"
#include "gate/sources/extract.h"
#include "gate/sources/extract_health.h"
#include "scan/media/extracted.h"

const char extract_away[] = "extractor_away", extract_nonsense[] = "extractor_nonsense";
static const char extract_late[] = "extractor_late";

static const struct span no_answer;

static bool call_extract(struct extractor *x, struct extract_ask *a, uint64_t deadline_us);

static const struct extract_service tollgate_extract = { .call = call_extract,
	.away = extract_away,
	.late = extract_late,
	.nonsense = extract_nonsense,
	.read = M_FILES_EXTRACTED,
	.failed = M_FILES_FAILED };

void
extractor_init_for(struct extractor *x, struct ev_loop *loop, struct metrics *m,
	const struct extract_service *service, unsigned most)
{
	INVARIANT(most > 0 && most <= EXTRACT_MOST);
	*x = (struct extractor){ .loop = loop, .metrics = m, .service = service, .most = most };
	TAILQ_INIT(&x->waiting);
}

void
extractor_init(struct extractor *x, struct ev_loop *loop, struct metrics *m, const char *path)
{
	extractor_init_for(x, loop, m, &tollgate_extract, EXTRACT_CALLS);
	x->path = path;
}

void
extractor_free(struct extractor *x)
{
	http_client_free(&x->http);
}

static void
end_extract(struct extract_ask *a, const char *why, struct span answer)
{
	const struct extract_service *s = a->x->service;

	metric_inc(a->x->metrics, why ? s->failed : s->read);
	TAG_CLEAR(extract_ask, a);
	a->done(a, why, answer);
}

static void send_waiting(struct extractor *x);

static void
caller_ends(struct extractor *x, size_t caller)
{
	unsigned i = 0;

	while (i < x->running && x->callers[i] != caller)
		i++;
	INVARIANT(i < x->running && x->running <= x->most);
	x->callers[i] = x->callers[--x->running];
}

static void
file_came(void *arg, const struct http_answer *h)
{
	struct extract_ask *a = TAGGED(extract_ask, arg);
	struct extractor *x = a->x;
	const char *why = NULL;

	caller_ends(x, a->caller);
	if (h->err == ERR_TIMEOUT)
		why = x->service->late;
	else if (h->err == ERR_LIMIT || h->err == ERR_SYNTAX)
		why = x->service->nonsense;
	else if (h->err || h->status != 200)
		why = x->service->away;
	if (x->service->ended)
		x->service->ended(x, why != NULL);
	end_extract(a, why, why ? no_answer : h->body);
	send_waiting(x);
}

bool
extract_call(struct extractor *x, struct extract_ask *a, const struct http_call_options *o)
{
	if (!x->http)
		x->http = http_client_new(x->loop, x->most);
	return x->http && http_call(x->http, o, file_came, a);
}

static bool
call_extract(struct extractor *x, struct extract_ask *a, uint64_t deadline_us)
{
	char deadline[64];
	const char *fields[] = { "content-type: application/octet-stream", "expect:", deadline };

	snprintf(deadline, sizeof(deadline), EXTRACT_DEADLINE_FIELD ": %" PRIu64,
		deadline_us / 1000);
	SCOPED_BUF(url, 0);
	buf_printf(&url, "unix:%s:/%s%s", x->path, 
		a->picture ? "image" : a->document ? "document" : "pdf",
		a->ocr ? "?ocr=1" : "");
	buf_putc(&url, '\0');
	const struct http_call_options o = { .url = url.p,
		.body = SPAN_LIT(""),
		.file = a->file,
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.deadline_us = deadline_us,
		.answer_bytes = CAP_EXTRACT_ANSWER };
	return !buf_failed(&url) && extract_call(x, a, &o);
}

static bool
send_file(struct extractor *x, struct extract_ask *a, uint64_t now)
{
	if (!x->service->call(x, a, a->deadline_us - now))
		return false;
	INVARIANT(x->running < x->most);
	x->callers[x->running++] = a->caller;
	return true;
}

/* A file that no request waits for any more, or that has waited too long, is not sent. */
static bool
extract_is_over(const struct extract_ask *a, uint64_t now)
{
	return now >= a->deadline_us || a->over(a);
}

/* Returns the number of this caller's files in flight. */
static unsigned
running_of(const struct extractor *x, size_t caller)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->running; i++)
		n += x->callers[i] == caller;
	return n;
}

/* Returns the first waiting file of the callers who have the fewest in flight. */
static struct extract_ask *
next_ask(const struct extractor *x)
{
	struct extract_ask *a, *best = NULL;
	unsigned least = UINT_MAX;

	TAILQ_FOREACH (a, &x->waiting, next) {
		unsigned n = running_of(x, a->caller);
		if (n >= least)
			continue;
		least = n;
		best = a;
	}
	return best;
}

static void
send_waiting(struct extractor *x)
{
	uint64_t now = clock_mono_us();
	struct extract_ask *a;

	while (x->running < x->most && (a = next_ask(x))) {
		TAILQ_REMOVE(&x->waiting, a, next);
		if (extract_is_over(a, now))
			end_extract(a, x->service->late, no_answer);
		else if (!send_file(x, a, now))
			end_extract(a, x->service->away, no_answer);
	}
}

void
extractor_ask(struct extractor *x, struct extract_ask *a)
{
	TAG(extract_ask, a);
	INVARIANT(a->done && a->over && x->running <= x->most);
	a->x = x;
	if (x->running < x->most && TAILQ_EMPTY(&x->waiting) &&
		send_file(x, a, clock_mono_us()))
		return;
	TAILQ_INSERT_TAIL(&x->waiting, a, next);
}

/* Ends the waiting questions that are over, or all if `all` is a reason. */
static void
end_waiting(struct extractor *x, uint64_t now, const char *all)
{
	struct extract_ask *a, *next;

	for (a = TAILQ_FIRST(&x->waiting); a; a = next) {
		next = TAILQ_NEXT(a, next);
		if (!all && !extract_is_over(a, now))
			continue;
		TAILQ_REMOVE(&x->waiting, a, next);
		end_extract(a, all ? all : x->service->late, no_answer);
	}
}

bool
extractor_tick(struct extractor *x, uint64_t now)
{
	end_waiting(x, now, NULL);
	send_waiting(x);
	return !TAILQ_EMPTY(&x->waiting);
}

void
extractor_abort(struct extractor *x)
{
	if (x->http)
		http_client_abort(x->http);
	end_waiting(x, 0, x->service->away);
}

/* ---- health: GET /health of tollgate-extract lists the tools that are installed ---- */

enum { EVERY_LOOKS = 5, WITHIN_US = 2000000, HEALTH_BYTES = 64 << 10 };

static void
note_tools(struct extract_health *h, struct span answer)
{
	static const char *const tools[] = { "pdftotext", "pdftohtml", "pdftoppm",
		"tesseract" };
	json_t *said = json_loadb(answer.p, answer.n, 0, NULL),
	       *has = json_object_get(said, "tools");
	size_t n = 0;

	h->why[0] = '\0';
	if (!json_is_object(has))
		snprintf(h->why, sizeof(h->why),
			"tollgate-extract does not list its tools: update tollgate-extract");
	for (size_t i = 0; json_is_object(has) && i < COUNT_OF(tools); i++)
		if (!json_is_true(json_object_get(has, tools[i])))
			n += (size_t)snprintf(h->why + n, sizeof(h->why) - n, "%s%s",
				n ? ", " : "not installed: ", tools[i]);
	json_decref(said);
}

static void
health_came(void *arg, const struct http_answer *a)
{
	struct extract_health *h = TAGGED(extract_health, arg);

	h->call = NULL;
	if (!a->err && a->status == 200)
		note_tools(h, a->body);
	else
		snprintf(h->why, sizeof(h->why), "tollgate-extract does not respond: %s",
			a->err ? a->why : "the response has a status other than 200");
}

void
extract_health_look(struct extract_health *h, struct ev_loop *loop, const char *path)
{
	TAG(extract_health, h);
	if (!path) {
		h->why[0] = '\0';
		return;
	}
	if (h->call || h->looks++ % EVERY_LOOKS)
		return;
	if (!h->http)
		h->http = http_client_new(loop, 1);
	SCOPED_BUF(url, 0);
	buf_printf(&url, "unix:%s:/health", path);
	buf_putc(&url, '\0');
	const struct http_call_options o = {
		.url = url.p, .deadline_us = WITHIN_US, .answer_bytes = HEALTH_BYTES
	};
	if (h->http && !buf_failed(&url))
		h->call = http_call(h->http, &o, health_came, h);
}

void
extract_health_stop(struct extract_health *h)
{
	http_client_free(&h->http);
	h->call = NULL;
}
