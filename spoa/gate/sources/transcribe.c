/* Asks transcribers. The queue and the calls are those of tollgate-extract (extract.h). */
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/fetch/http_client.h"
#include "base/log.h"
#include "base/random.h"
#include "base/scoped.h"
#include "gate/sources/transcribe.h"
#include "policy/policy.h"
#include "policy/transcriber.h"

const char transcribe_away[] = "transcriber_away",
	   transcribe_nonsense[] = "transcriber_nonsense";
static const char transcribe_late[] = "transcriber_late";

enum { NAME_MOST = 65, SAY_AGAIN_US = 10000000 };

/* The state of one transcriber in a worker. It outlives a reload of the policy if name and URL
 * stay. */
struct scribe {
	struct extractor x; /* first: extract_service gets its address */
	struct scribe *next;
	char name[NAME_MOST];
	char *url;
	uint64_t failures, breaker_failures, breaker_open_us, retry_us, said_us;
	bool open;
};

struct transcribers {
	struct ev_loop *loop;
	struct metrics *metrics;
	struct scribe *first;
};

static bool
call_transcriber(struct extractor *x, struct extract_ask *a, uint64_t deadline_us)
{
	const struct transcriber *t = a->by;
	unsigned char id[16];
	char boundary[TRANSCRIPT_BOUNDARY];

	random_bytes(id, sizeof(id));
	memcpy(boundary, "tollgate", 8);
	sodium_bin2hex(boundary + 8, sizeof(boundary) - 8, id, sizeof(id) - 1);
	SCOPED_BUF(body, 0);
	size_t file_at = transcript_ask(&t->form, a->kind, boundary, &body);
	SCOPED_BUF(type, 0);
	buf_printf(&type, "Content-Type: multipart/form-data; boundary=%s", boundary);
	buf_putc(&type, '\0');
	if (buf_failed(&body) || buf_failed(&type))
		return false;
	const char *const fields[] = { type.p, "Expect:", t->authorization };
	const struct http_call_options o = { .url = t->url,
		.body = buf_view(&body),
		.file = a->file,
		.file_at = file_at,
		.fields = fields,
		.nfields = t->authorization ? 3 : 2,
		.ca_file = t->ca_file,
		.deadline_us = deadline_us,
		.answer_bytes = CAP_TRANSCRIPT };
	return extract_call(x, a, &o);
}

static void
log_transcriber(struct scribe *s, const char *event)
{
	uint64_t now = clock_mono_us();

	if (s->said_us && now - s->said_us < SAY_AGAIN_US)
		return;
	s->said_us = now;
	log_event(LOG_WARN, event, LS("name", s->name));
}

static void
transcriber_ended(struct extractor *x, bool failed)
{
	struct scribe *s = (struct scribe *)x;

	if (!failed) {
		if (s->open)
			log_event(LOG_INFO, "transcriber.closed", LS("name", s->name));
		s->failures = 0;
		s->open = false;
		return;
	}
	s->failures++;
	if (s->failures < s->breaker_failures && !s->open) {
		log_transcriber(s, "transcriber.failed");
		return;
	}
	if (!s->open)
		s->said_us = 0;
	log_transcriber(s, "transcriber.open");
	s->open = true;
	s->retry_us = clock_mono_us() + s->breaker_open_us;
}

static const struct extract_service transcription = { .call = call_transcriber,
	.ended = transcriber_ended,
	.away = transcribe_away,
	.late = transcribe_late,
	.nonsense = transcribe_nonsense,
	.read = M_SOUNDS_TRANSCRIBED,
	.failed = M_SOUNDS_FAILED };

static bool
is_scribe_of(const struct scribe *s, const struct transcriber *t)
{
	return !strcmp(s->name, t->name) && !strcmp(s->url, t->url);
}

static struct scribe *
scribe_of(struct transcribers *all, const struct transcriber *t)
{
	struct scribe *s = all->first;

	while (s && !is_scribe_of(s, t))
		s = s->next;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s || !(s->url = strdup(t->url))) {
			free(s);
			return NULL;
		}
		snprintf(s->name, sizeof(s->name), "%s", t->name);
		extractor_init_for(&s->x, all->loop, all->metrics, &transcription, 1);
		s->next = all->first;
		all->first = s;
	}
	/* a reload may have changed these; files in flight may exceed a lower limit until they
	 * end */
	if (t->concurrency >= s->x.running)
		s->x.most = (unsigned)t->concurrency;
	s->breaker_failures = t->breaker_failures;
	s->breaker_open_us = t->breaker_open_us;
	return s;
}

bool
transcribe(struct transcribers *all, struct extract_ask *a)
{
	struct scribe *s = scribe_of(all, a->by);

	/* while the breaker is open, one sound at a time shows whether the transcriber is back
	 */
	if (!s || (s->open && (s->x.running > 0 || !TAILQ_EMPTY(&s->x.waiting) ||
				      clock_mono_us() < s->retry_us)))
		return false;
	extractor_ask(&s->x, a);
	return true;
}

bool
transcribers_tick(struct transcribers *all, uint64_t now_us)
{
	bool waits = false;

	for (struct scribe *s = all->first; s; s = s->next)
		waits |= extractor_tick(&s->x, now_us);
	return waits;
}

static void
scribe_free(struct scribe **at)
{
	struct scribe *s = *at;

	*at = s->next;
	extractor_free(&s->x);
	free(s->url);
	free(s);
}

void
transcribers_keep(struct transcribers *all, const struct policy *p)
{
	for (struct scribe **at = &all->first; *at;) {
		bool keep = (*at)->x.running || !TAILQ_EMPTY(&(*at)->x.waiting);
		for (size_t i = 0; i < p->ntranscribers && !keep; i++)
			keep = is_scribe_of(*at, &p->transcribers[i]);
		if (keep)
			at = &(*at)->next;
		else
			scribe_free(at);
	}
}

struct transcribers *
transcribers_new(struct ev_loop *loop, struct metrics *m)
{
	struct transcribers *all = calloc(1, sizeof(*all));

	if (all) {
		all->loop = loop;
		all->metrics = m;
	}
	return all;
}

void
transcribers_abort(struct transcribers *all)
{
	for (struct scribe *s = all->first; s; s = s->next)
		extractor_abort(&s->x);
}

void
transcribers_free(struct transcribers **p)
{
	if (!*p)
		return;
	while ((*p)->first)
		scribe_free(&(*p)->first);
	free(*p);
	*p = NULL;
}
