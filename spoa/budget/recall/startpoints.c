/* The thread that writes start checkpoints while the daemon runs. Each turn takes the durable
 * lines of the journal into the state, and writes a checkpoint when it is time. */
#include "budget/recall/startpoints.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "base/stops.h"
#include "base/wall.h"
#include "base/why.h"
#include "budget/recall/quota_fold.h"
#include "record/audit/keys.h"
#include "record/journal/verify.h"

#define LOOK_US	 1000000
#define AGAIN_US 60000000 /* pause after a checkpoint that could not be written */
#define NICE	 15

uint64_t startpoints_bytes = 64u << 20;

/* owner: the service, except for members set at the start. */
struct startpoints {
	struct audit *audit;
	const struct config *cfg;
	struct metrics *metrics;
	struct service service;
	/* owner: the service; after its end, the thread that stops the service */
	struct startpoints_from of;
	struct follow follow;
	/* the journal cannot be followed, or the state has no room: no more checkpoints until
	 * the next start */
	bool lost;
	bool looked;	   /* the service has verified the records before the checkpoint */
	bool due, failing; /* a checkpoint must be written; the last one failed */
	uint64_t bytes;	   /* bytes of lines since the last checkpoint */
	uint64_t again_us; /* monotonic: no attempt before this time */
};

void
startpoints_from_free(struct startpoints_from *from)
{
	quota_fold_free(&from->fold);
	startpoint_free(&from->at);
	startpoint_free(&from->used);
}

/* ---- verifying the records before the checkpoint ---- */

/* Returns 0 if the segment's records up to the checkpoint are those that were signed, or if
 * the daemon is stopping. Otherwise returns an error with *why. */
static int
verify_before(const struct startpoints *s, const struct startpoint *p, struct buf *why)
{
	struct journal_segment seg = { .form = JOURNAL_PLAIN };
	struct keyring *ring = malloc(sizeof(*ring));
	struct verify_result r = { .ok = true };
	struct lines l = { 0 };
	struct span line;
	int got = 0;

	SCOPED_FD(fd, -1);
	if (!ring || !journal_name_read(p->segment, &seg)) {
		free(ring);
		return ERR_NOMEM;
	}
	snprintf(seg.name, sizeof(seg.name), "%s", p->segment);
	fd = journal_segment_open(s->cfg->journal, &seg);
	audit_keys_ring(audit_keys(s->audit), ring);
	const struct verify_options o = {
		.ring = ring, .node = s->cfg->node, .live = true, .from = seg.first
	};
	struct verifier *v = verifier_new(&o);
	int err = fd < 0 ? ERR_IO : v ? lines_open(&l, fd, 0) : ERR_NOMEM;
	while (!err && !service_stopping(&s->service) &&
		(got = lines_next(&l, p->offset, &line)) > 0)
		verifier_line(v, line);
	bool whole = !err && got == 0 && !service_stopping(&s->service);
	if (whole)
		verifier_end(v, &r);
	if (err || got < 0)
		err = why_err(why, err ? err : got, "%s: %s", p->segment,
			err_str(err ? err : got));
	else if (!r.ok)
		err = why_err(why, ERR_AUTH, "%s: record %" PRIu64 ": %s", p->segment,
			r.bad_seq, r.why);
	else if (whole && (r.last != p->at.seq || memcmp(r.head, p->at.head, sizeof(r.head))))
		err = why_err(why, ERR_AUTH, "%s: does not lead to record %" PRIu64, p->segment,
			p->at.seq);
	if (l.buf)
		lines_close(&l);
	verifier_free(&v);
	free(ring);
	return err;
}

static void
look_before(struct startpoints *s)
{
	SCOPED_BUF(why, 4096);
	if (!s->of.used.offset || verify_before(s, &s->of.used, &why) == 0)
		return;
	metric_inc(s->metrics, M_START_ALTERED);
	log_event(LOG_ERROR, "start.journal_altered", LS("journal", s->cfg->journal),
		LSP("why", buf_view(&why)), LS("note", "run tollgate audit verify"));
}

/* ---- writing ---- */

/* Takes all durable lines into the state. */
static void
fold_journal(struct startpoints *s, const struct follow_end *end)
{
	struct span line;
	int got = 0;

	while (!s->lost && (got = follow_line(&s->follow, end, &line)) > 0) {
		uint64_t at = s->follow.lines.begin;
		s->due |= strcmp(s->follow.segment, s->of.at.segment) != 0;
		quota_fold_line(s->of.fold, s->follow.segment, at, line);
		startpoint_line(
			&s->of.at, s->follow.segment, at, s->follow.lines.offset, line);
		s->bytes += line.n + 1;
	}
	if (got < 0 || (!s->lost && s->of.at.damaged)) {
		s->lost = true;
		log_event(LOG_WARN, "start.checkpoint_stopped", LS("journal", s->cfg->journal),
			LS("segment", s->follow.segment),
			LS("why", got < 0 ? err_str(got)
					  : "a line of the journal is not a record"),
			LS("note", "the next start reads more of the journal"));
	}
}

static int
make_checkpoint(struct startpoints *s, struct buf *why)
{
	char id[SIGNKEY_ID_LEN + 1];
	unsigned char sig[SIGNKEY_SIG_BYTES];

	/* A counter without room is missing until the next start reads the journal. */
	s->lost = s->of.fold->full;
	if (s->lost) {
		buf_str(why, "the journal has more counters or unfinished decisions than a "
			     "checkpoint holds: the daemon writes no checkpoint until the next "
			     "start");
		return ERR_LIMIT;
	}
	SCOPED_BUF(state, STARTPOINT_MAX);
	SCOPED_BUF(text, STARTPOINT_MAX);
	SCOPED_BUF(sign, 512);
	quota_fold_clock(s->of.fold, wall_least_ns() / 1000000);
	quota_fold_write(s->of.fold, &state);
	s->of.at.now_ms = s->of.fold->now_ms;
	s->of.at.state = buf_view(&state);
	bool whole = !buf_failed(&state) && !s->of.fold->full &&
		     startpoint_write(&text, &s->of.at, &sign);
	s->of.at.state = (struct span){ NULL, 0 };
	stop_at("start-made");
	if (whole) {
		audit_keys_sign(audit_keys(s->audit), buf_view(&sign), id, sig);
		startpoint_sign(&text, id, sig);
	}
	if (!whole || buf_failed(&text)) {
		buf_str(why, "the state is larger than a checkpoint holds, or the daemon is "
			     "out of memory");
		return ERR_LIMIT;
	}
	return startpoint_place(s->cfg->journal, buf_view(&text), why);
}

static void
write_checkpoint(struct startpoints *s)
{
	SCOPED_BUF(why, 4096);
	int err = s->of.at.offset ? make_checkpoint(s, &why) : 0;

	metric_inc(s->metrics, err ? M_START_FAILED : M_START_WRITTEN);
	if (err && !s->failing)
		log_event(LOG_WARN, "start.checkpoint_failed", LSP("why", buf_view(&why)),
			LS("note", "the next start reads more of the journal"));
	s->failing = s->due = err != 0;
	s->again_us = err ? clock_mono_us() + AGAIN_US : 0;
	if (!err)
		s->bytes = 0;
}

static uint64_t
follow_and_write(void *arg)
{
	struct startpoints *s = arg;
	struct follow_end end;

	if (!s->looked)
		look_before(s);
	s->looked = true;
	if (service_stopping(&s->service))
		return 0;
	quota_fold_clock(s->of.fold, wall_least_ns() / 1000000);
	if (audit_end(s->audit, &end))
		fold_journal(s, &end);
	s->due |= s->bytes >= startpoints_bytes;
	if (s->due && !s->lost && clock_mono_us() >= s->again_us)
		write_checkpoint(s);
	return clock_mono_us() + LOOK_US;
}

static void
startpoints_free(struct startpoints **sp)
{
	follow_close(&(*sp)->follow);
	startpoints_from_free(&(*sp)->of);
	free(*sp);
	*sp = NULL;
}

struct startpoints *
startpoints_start(const struct config *cfg, struct audit *audit, struct startpoints_from *from,
	struct metrics *m, struct buf *why)
{
	struct startpoints *s = calloc(1, sizeof(*s));
	const struct service_options o = {
		.name = "tg-start", .turn = follow_and_write, .arg = s, .nice = NICE
	};

	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->audit = audit;
	s->cfg = cfg;
	s->metrics = m;
	s->of = *from;
	*from = (struct startpoints_from){ .fold = NULL };
	s->due = s->of.whole;
	s->follow.dir = cfg->journal;
	s->follow.node = cfg->node;
	if (follow_from(&s->follow, s->of.at.segment, s->of.at.offset) ||
		service_start(&s->service, &o)) {
		buf_str(why, "the thread for start checkpoints could not be started: the "
			     "system is out of threads or memory");
		startpoints_free(&s);
	}
	return s;
}

void
startpoints_stop(struct startpoints **sp, const struct follow_end *end)
{
	struct startpoints *s = *sp;

	if (!s)
		return;
	service_stop(&s->service);
	fold_journal(s, end);
	if (!s->lost)
		write_checkpoint(s);
	startpoints_free(sp);
}
