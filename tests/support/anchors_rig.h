/* Places to which checkpoints are sent, with a stand-in for the audit thread: the newest note,
 * and the records of the attempts. Include after cmocka's header. */
#ifndef TESTS_ANCHORS_RIG_H
#define TESTS_ANCHORS_RIG_H

#include <openssl/pem.h>
#include <openssl/ts.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "record/anchors/anchors.h"
#include "record/anchors/place.h"
#include "record/anchors/witness.h"
#include "support/http_rig.h"
#include "support/log_rig.h"
#include "support/temp_dir.h"

enum { PATIENCE_S = 60 };

static struct config cfg;
static struct anchor_place places[4];
static struct metrics metrics;
static struct log_rig l;
static struct anchors *anchors;
static struct http_rig *server;

/* The stand-in for the audit thread. */
static struct {
	pthread_mutex_t lock;
	struct buf note, records; /* the newest note; the records, one per line */
	_Atomic unsigned n;
	_Atomic int err;
} audit = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline bool
give_note(void *arg, struct buf *to, uint64_t *size)
{
	(void)arg;
	*size = 0;
	pthread_mutex_lock(&audit.lock);
	buf_span(to, buf_view(&audit.note));
	pthread_mutex_unlock(&audit.lock);
	return to->n > 0;
}

static inline void
deliver(struct mail *m, void *consumer)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)consumer;
	e->done(e, e->err);
}

static inline void
take_record(void *arg, struct audit_entry *e)
{
	(void)arg;
	pthread_mutex_lock(&audit.lock);
	buf_printf(&audit.records, "{%.*s}\n", SPAN_ARG(buf_view(&e->fields)));
	audit.n++;
	e->err = audit.err;
	pthread_mutex_unlock(&audit.lock);
	e->mail.run = deliver;
	mailbox_send(e->reply_to, &e->mail);
}

static inline void
grow(uint64_t to)
{
	struct buf note;

	buf_init(&note, 0);
	log_grow(&l, to, 0);
	log_note(&l, &note);
	pthread_mutex_lock(&audit.lock);
	buf_clear(&audit.note);
	buf_span(&audit.note, buf_view(&note));
	pthread_mutex_unlock(&audit.lock);
	buf_free(&note);
}

static inline int
setup(void **s)
{
	static char journal[192], pub[192];

	if (temp_dir_make(s))
		return -1;
	snprintf(journal, sizeof(journal), "%s", path("journal"));
	snprintf(pub, sizeof(pub), "%s", path("log.pub"));
	memset(&metrics, 0, sizeof(metrics));
	memset(places, 0, sizeof(places));
	buf_init(&audit.note, 0);
	buf_init(&audit.records, 0);
	audit.n = 0;
	audit.err = 0;
	log_open(&l, "tollgate/gw-1", journal, 1, pub);
	cfg = (struct config){ .journal = journal, .node = "gw-1", .anchors = places };
	grow(5);
	return 0;
}

static inline int
teardown(void **s)
{
	anchors_stop(&anchors);
	if (server)
		http_rig_stop(&server);
	log_close(&l);
	buf_free(&audit.note);
	buf_free(&audit.records);
	return temp_dir_remove(s);
}

static inline void
add(enum anchor_kind kind, const char *place)
{
	static char text[4][256];
	struct anchor_place *p = &places[cfg.nanchors];

	snprintf(text[cfg.nanchors], sizeof(text[0]), "%s", place);
	*p = (struct anchor_place){
		.kind = kind, .place = text[cfg.nanchors++], .every_us = 20000
	};
}

static inline void
begin(void)
{
	const struct anchors_audit from = { give_note, take_record, NULL };
	struct buf why;

	buf_init(&why, 4096);
	anchors = anchors_start(&cfg, &from, &metrics, &why);
	if (!anchors)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
}

static inline uint64_t
count(enum anchor_kind kind, enum anchor_end end)
{
	return atomic_load(&metrics.v[M_ANCHOR_FILE_TAKEN + kind * ANCHOR_ENDS + end]);
}

/* Waits until n attempts have ended with `end`. If that end is recorded, the record exists
 * afterwards. */
static inline void
wait_count(enum anchor_kind kind, enum anchor_end end, uint64_t n)
{
	uint64_t until = clock_mono_us() + PATIENCE_S * 1000000ull;

	while (count(kind, end) < n) {
		if (clock_mono_us() > until)
			fail_msg("%s: %llu times %d in vain", anchor_words[kind],
				(unsigned long long)n, end);
		usleep(1000);
	}
}

static inline void
wait_records(unsigned n)
{
	uint64_t until = clock_mono_us() + PATIENCE_S * 1000000ull;

	for (;;) {
		pthread_mutex_lock(&audit.lock);
		bool there = audit.n >= n;
		pthread_mutex_unlock(&audit.lock);
		if (there)
			return;
		if (clock_mono_us() > until)
			fail_msg("%u records in vain", n);
		usleep(1000);
	}
}

static inline bool
recorded(const char *text)
{
	pthread_mutex_lock(&audit.lock);
	bool found = memmem(buf_view(&audit.records).p, audit.records.n, text, strlen(text));
	pthread_mutex_unlock(&audit.lock);
	return found;
}

static inline void
assert_recorded(const char *text)
{
	if (!recorded(text))
		fail_msg("no record contains %s:\n%.*s", text,
			SPAN_ARG(buf_view(&audit.records)));
}

static inline void
assert_shown(const char *status, const char *ready)
{
	struct buf b;

	buf_init(&b, 0);
	anchors_status(anchors, &b);
	buf_putc(&b, '\n');
	anchors_ready(anchors, &b);
	buf_putc(&b, '\0');
	if (!strstr(buf_view(&b).p, status) || !strstr(buf_view(&b).p, ready))
		fail_msg("not %s and %s: %s", status, ready, buf_view(&b).p);
	buf_free(&b);
}

static inline struct buf
slurp(const char *file)
{
	struct buf b;

	buf_init(&b, 0);
	if (!buf_file(&b, file))
		fail_msg("%s", file);
	return b;
}

static inline void
serve(rig_handler *handle, enum anchor_kind kind, const char *rest)
{
	char url[128];

	server = http_rig_start(handle, NULL, NULL, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server->port, rest);
	add(kind, url);
}

__attribute__((format(printf, 1, 2))) static inline void
run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

#endif
