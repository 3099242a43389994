/* The thread works in slices: after each slice it sleeps for 99 times the processor's time that
 * the slice took. Each segment has a verifier of its own, which continues the chain of the
 * segment before, so that a fault in one segment hides none in the next. */
#include "record/audit/recheck.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/service.h"
#include "record/audit/keys.h"
#include "record/journal/journal.h"

#define SLICE_US     2000
#define LOOK_US	     (60 * UINT64_C(1000000))
#define KEPT_MAX     (64 << 10)
#define KEPT_VERSION "tollgate-verified-v1"

struct recheck_pace recheck_pace = {
	.first_us = 10 * UINT64_C(1000000), .pause_s = 3600, .share = 100
};

struct recheck {
	struct recheck_chain chain[RECHECK_CHAINS];
	size_t nchains;
	struct service service;
	char path[JOURNAL_DIR_MAX + 16];
	/* Guards the next two members, which the thread writes, and others read with the
	 * state's file. */
	pthread_mutex_t lock;
	struct recheck_state state;
	char last[256]; /* the segment that was verified last; "": none */

	/* owner: the thread */
	struct keyring *ring;
	bool left_out[RECHECK_CHAINS]; /* not to be read in this pass */
	size_t of; /* the chain of the segment that is being verified */
	struct chain at; /* the end of the last segment; seq 0: not known */
	/* the segment that is being verified; `v` NULL: none */
	char name[256];
	struct verifier *v;
	struct lines lines;
	int fd;
};

/* ---- faults ---- */

static struct recheck_fault *
fault_of(struct recheck_state *s, const char *node, uint64_t seq)
{
	for (size_t i = 0; i < s->nfaults; i++)
		if (s->fault[i].seq == seq && !strcmp(s->fault[i].node, node))
			return &s->fault[i];
	return NULL;
}

/* Adds a fault, or marks the known one as seen. A fault with another reason is a new one, which
 * nobody has accepted. If the table is full, the fault is only logged. */
static void
add_fault(struct recheck_state *s, const struct recheck_fault *f)
{
	struct recheck_fault *known = fault_of(s, f->node, f->seq);

	if (known && !strcmp(known->why, f->why)) {
		known->seen = true;
		known->whole |= f->whole;
		return;
	}
	log_event(LOG_ERROR, "audit.chain_fault", LS("source", f->source), LS("node", f->node),
		LI("seq", (int64_t)f->seq), LS("why", f->why));
	if (!known && s->nfaults < RECHECK_FAULTS)
		known = &s->fault[s->nfaults++];
	if (known) {
		*known = *f;
		known->accepted = false;
		known->seen = true;
	}
}

/* Removes the faults for which keep() is false. */
static void
drop_faults(struct recheck_state *s, bool (*keep)(const struct recheck_fault *f))
{
	size_t n = 0;

	for (size_t i = 0; i < s->nfaults; i++)
		if (keep(&s->fault[i]))
			s->fault[n++] = s->fault[i];
	s->nfaults = n;
}

/* The faults that stay at the end of a pass, and after a verification of all records. */
static bool
seen_or_whole(const struct recheck_fault *f)
{
	return f->seen || f->whole;
}

static bool
seen_or_by_pass(const struct recheck_fault *f)
{
	return f->seen || !f->whole;
}

static bool
none(const struct recheck_fault *f UNUSED)
{
	return false;
}

/* ---- JOURNAL.verified ---- */

/* One line for each fact: its name, then its values, separated by spaces. The lock is held. */
static void
progress_write(struct recheck *r)
{
	const struct recheck_state *s = &r->state;

	SCOPED_BUF(b, KEPT_MAX);
	SCOPED_BUF(why, 1024);
	buf_printf(&b, KEPT_VERSION "\nsince %" PRId64 "\nbegan %" PRId64 "\nlast %s\n",
		s->since_ns, s->began_ns, r->last[0] ? r->last : "-");
	for (size_t i = 0; i < s->nfaults; i++) {
		const struct recheck_fault *f = &s->fault[i];
		buf_printf(&b, "fault %s %s %" PRIu64 " %" PRId64 " %d %d %d %s\n", f->source,
			f->node[0] ? f->node : "-", f->seq, f->found_ns, f->accepted, f->seen,
			f->whole, f->why);
	}
	if (buf_failed(&b) || replace_file(AT_FDCWD, r->path, 0600, buf_view(&b), &why) < 0)
		log_event(LOG_WARN, "audit.verified_unwritten", LS("file", r->path),
			LSP("why", buf_view(&why)));
}

static bool
fault_read(const char *line, struct recheck_fault *f)
{
	int accepted, seen, whole, at = 0;

	memset(f, 0, sizeof(*f));
	if (sscanf(line, "fault %15s %64s %" SCNu64 " %" SCNd64 " %d %d %d %n", f->source,
		    f->node, &f->seq, &f->found_ns, &accepted, &seen, &whole, &at) != 7 ||
		!at)
		return false;
	if (!strcmp(f->node, "-"))
		f->node[0] = '\0';
	f->accepted = accepted;
	f->seen = seen;
	f->whole = whole;
	snprintf(f->why, sizeof(f->why), "%s", line + at);
	return true;
}

/* Reads the file. A line that is not understood is skipped: it only costs another pass. */
static void
progress_read(struct recheck *r)
{
	struct recheck_state *s = &r->state;
	char line[1024];

	SCOPED_BUF(text, KEPT_MAX);
	if (!buf_file(&text, r->path))
		return;
	struct span rest = buf_view(&text);
	if (!span_is(span_next(&rest, '\n'), KEPT_VERSION))
		return;
	while (rest.n) {
		struct recheck_fault f;
		struct span one = span_next(&rest, '\n');
		snprintf(line, sizeof(line), "%.*s", SPAN_ARG(one));
		if (sscanf(line, "since %" SCNd64, &s->since_ns) == 1 ||
			sscanf(line, "began %" SCNd64, &s->began_ns) == 1 ||
			sscanf(line, "last %111s", r->last) == 1)
			continue;
		if (s->nfaults < RECHECK_FAULTS && fault_read(line, &f))
			s->fault[s->nfaults++] = f;
	}
	if (!strcmp(r->last, "-"))
		r->last[0] = '\0';
}

/* ---- a segment ---- */

static void
segment_close(struct recheck *r)
{
	if (!r->v)
		return;
	lines_close(&r->lines);
	close(r->fd);
	verifier_free(&r->v);
}

/* Ends the segment: notes its fault or its end. `broken`: the text itself cannot be read. */
static void
segment_over(struct recheck *r, const char *broken)
{
	struct verify_result v;

	if (broken)
		verifier_reject(r->v, broken);
	verifier_end(r->v, &v);
	segment_close(r);
	memset(&r->at, 0, sizeof(r->at));
	SCOPED_LOCK(&r->lock);
	snprintf(r->last, sizeof(r->last), "%s", r->name);
	r->state.done++;
	if (v.ok) {
		snprintf(r->at.node, sizeof(r->at.node), "%s", v.node);
		r->at.boot = v.boot;
		r->at.seq = v.last;
		memcpy(r->at.head, v.head, sizeof(r->at.head));
	} else {
		struct recheck_fault f = {
			.source = "journal", .seq = v.bad_seq, .found_ns = clock_wall_ns()
		};
		snprintf(f.node, sizeof(f.node), "%s", r->chain[r->of].node);
		snprintf(f.why, sizeof(f.why), "%s", v.why);
		add_fault(&r->state, &f);
	}
	progress_write(r);
}

/* Opens a segment of the chain `of`. Returns false if it does not exist any more, or memory is
 * exhausted. */
static bool
segment_begin(struct recheck *r, size_t of, const struct journal_segment *s, bool follows)
{
	const struct recheck_chain *c = &r->chain[of];
	const struct verify_options o = {
		.ring = r->ring, .node = c->node, .trimmed = true, .one_core = true
	};

	r->of = of;
	snprintf(r->name, sizeof(r->name), "%s", s->name);
	r->fd = journal_segment_open(c->journal, s);
	if (r->fd < 0 && errno == ENOENT)
		return false;
	if (!(r->v = verifier_new(&o))) {
		if (r->fd >= 0)
			close(r->fd);
		return false;
	}
	if (follows && r->at.seq)
		verifier_continue(r->v, &r->at);
	memset(&r->lines, 0, sizeof(r->lines));
	if (r->fd < 0 || lines_open(&r->lines, r->fd, 0) < 0) {
		char why[128];
		snprintf(why, sizeof(why), "junk: the segment cannot be read: %s",
			strerror(errno));
		segment_over(r, why);
	}
	return true;
}

/* ---- a pass ---- */

/* Returns the chain to which the segment that was verified last belongs; 0 if there is none. */
static size_t
chain_of_last(const struct recheck *r)
{
	struct journal_segment last;

	for (size_t i = 0; i < r->nchains && journal_name_read(r->last, &last); i++)
		if (!strcmp(last.node, r->chain[i].node))
			return i;
	return 0;
}

/* Counts the chain's closed segments, and those that this pass has verified. If `begin`, begins
 * the first other one. `at` is the chain of the segment that was verified last. Returns true if a
 * segment was begun. */
static bool
next_of_chain(struct recheck *r, size_t of, size_t at, bool begin)
{
	const struct recheck_chain *c = &r->chain[of];
	bool begun = false;
	struct journal_list all;
	size_t i = 0, from, n = 0;

	SCOPED_BUF(why, 1024);
	if (journal_list_all(c->journal, c->node, false, &all, &why) < 0)
		return false;
	/* only the segments of this node; the last one is open */
	for (size_t k = 0; k < all.n; k++)
		if (all.seg[k].ours)
			all.seg[n++] = all.seg[k];
	n -= n > 0;
	while (i < n && r->last[0] &&
		(of < at || (of == at && strcmp(all.seg[i].name, r->last) <= 0)))
		i++;
	from = i;
	/* a rotation of the key counts from the next segment on */
	if (begin && i < n && !c->keys(c->arg, r->ring))
		r->left_out[of] = true;
	for (; begin && !r->left_out[of] && i < n && !begun; i++)
		/* before the first segment of the list, others may have been trimmed */
		begun = segment_begin(r, of, &all.seg[i], i == from && i > 0);
	SCOPED_LOCK(&r->lock);
	r->state.segments += n;
	r->state.done += from;
	journal_list_free(&all);
	return begun;
}

/* Begins the next segment: those of the first chain come first. Returns false if the pass is over,
 * or nothing can be done now. */
static bool
next_segment(struct recheck *r)
{
	size_t at = chain_of_last(r);
	bool begun = false;

	pthread_mutex_lock(&r->lock);
	r->state.segments = r->state.done = 0;
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->nchains; i++)
		begun |= next_of_chain(r, i, at, !begun);
	return begun;
}

/* Marks the faults of a chain that this pass has left out as found again: they are not known to be
 * corrected. */
static void
keep_faults_of(struct recheck *r, const struct recheck_chain *c)
{
	for (size_t i = 0; i < r->state.nfaults; i++)
		if (!strcmp(r->state.fault[i].node, c->node))
			r->state.fault[i].seen = true;
}

static void
pass_begin(struct recheck *r)
{
	memset(&r->at, 0, sizeof(r->at));
	SCOPED_LOCK(&r->lock);
	r->last[0] = '\0';
	memset(r->left_out, 0, sizeof(r->left_out));
	r->state.began_ns = clock_wall_ns();
	r->state.done = 0;
	for (size_t i = 0; i < r->state.nfaults; i++)
		r->state.fault[i].seen = false;
	progress_write(r);
}

/* Every segment was read: faults of earlier passes that this one did not find are corrected. */
static void
pass_end(struct recheck *r)
{
	SCOPED_LOCK(&r->lock);
	for (size_t i = 0; i < r->nchains; i++)
		if (r->left_out[i])
			keep_faults_of(r, &r->chain[i]);
	r->state.since_ns = r->state.began_ns;
	r->state.began_ns = 0;
	r->state.done = r->state.segments;
	drop_faults(&r->state, seen_or_whole);
	progress_write(r);
}

static uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Reads lines until the slice is used up or the segment ends. */
static void
read_slice(struct recheck *r, uint64_t began_us)
{
	struct span line;
	int got = 1;

	while (r->v && cpu_us() - began_us < SLICE_US && !service_stopping(&r->service)) {
		got = lines_next(&r->lines, UINT64_MAX, &line);
		if (got == 1) {
			verifier_line(r->v, line);
			continue;
		}
		struct span rest = got == 0 ? lines_rest(&r->lines) : SPAN_LIT("");
		if (rest.n)
			verifier_torn(r->v, rest.n);
		segment_over(r, got < 0 ? "junk: the segment cannot be read" : NULL);
	}
}

/* A clock that was set back delays nothing. */
static bool
pass_is_due(struct recheck *r)
{
	int64_t now = clock_wall_ns();

	SCOPED_LOCK(&r->lock);
	return now < r->state.since_ns ||
	       now - r->state.since_ns >= recheck_pace.pause_s * INT64_C(1000000000);
}

static uint64_t
recheck_turn(void *arg)
{
	struct recheck *r = arg;
	uint64_t began_us = cpu_us();

	if (!r->v) {
		/* only this thread begins and ends a pass */
		if (!r->state.began_ns) {
			if (!pass_is_due(r))
				return clock_mono_us() + LOOK_US;
			pass_begin(r);
		}
		if (!next_segment(r)) {
			pass_end(r);
			return clock_mono_us() + LOOK_US;
		}
	}
	read_slice(r, began_us);
	return clock_mono_us() + (cpu_us() - began_us) * (recheck_pace.share - 1);
}

/* ---- start, stop and state ---- */

static void
recheck_last(void *arg)
{
	segment_close(arg);
}

static bool
own_keys(void *arg, struct keyring *out)
{
	audit_keys_ring(audit_keys(arg), out);
	return true;
}

struct recheck_chain
recheck_own(const char *journal, const char *node, struct audit *a)
{
	return (struct recheck_chain){ journal, node, own_keys, a };
}

struct recheck *
recheck_start(const struct recheck_chain *chain, size_t n)
{
	struct recheck *r = calloc(1, sizeof(*r));
	const struct service_options o = { .name = "tg-recheck",
		.first_us = clock_mono_us() + recheck_pace.first_us,
		.turn = recheck_turn,
		.last = recheck_last,
		.arg = r,
		.nice = 19,
		.idle_disk = true };

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	INVARIANT(n > 0 && n <= RECHECK_CHAINS);
	memcpy(r->chain, chain, n * sizeof(*chain));
	r->nchains = n;
	r->fd = -1;
	snprintf(r->path, sizeof(r->path), "%.*s" RECHECK_SUFFIX,
		SPAN_ARG(journal_folder(chain->journal)));
	progress_read(r);
	r->ring = calloc(1, sizeof(*r->ring));
	if (r->ring && service_start(&r->service, &o) == 0)
		return r;
	free(r->ring);
	free(r);
	return NULL;
}

void
recheck_stop(struct recheck **rp)
{
	struct recheck *r = *rp;

	if (!r)
		return;
	service_stop(&r->service);
	pthread_mutex_destroy(&r->lock);
	free(r->ring);
	free(r);
	*rp = NULL;
}

void
recheck_state(struct recheck *r, struct recheck_state *out)
{
	SCOPED_LOCK(&r->lock);
	*out = r->state;
}

void
recheck_verified(
	struct recheck *r, int64_t began_ns, const struct recheck_fault *found, size_t n)
{
	SCOPED_LOCK(&r->lock);
	struct recheck_state *s = &r->state;
	for (size_t i = 0; i < s->nfaults; i++)
		s->fault[i].seen = s->fault[i].seen && !s->fault[i].whole;
	for (size_t i = 0; i < n; i++)
		add_fault(s, &found[i]);
	/* A verification ends at the first fault of a chain, so those of passes stay. */
	drop_faults(s, n ? seen_or_by_pass : none);
	if (!n && began_ns > s->since_ns)
		s->since_ns = began_ns;
	progress_write(r);
}

bool
recheck_accept(struct recheck *r, const char *node, uint64_t seq)
{
	SCOPED_LOCK(&r->lock);
	struct recheck_fault *f = fault_of(&r->state, node, seq);
	if (!f)
		return false;
	f->accepted = true;
	progress_write(r);
	return true;
}

bool
recheck_says(struct recheck *r, struct buf *why)
{
	const struct recheck_fault *first = NULL;
	size_t others = 0;

	SCOPED_LOCK(&r->lock);
	for (size_t i = 0; i < r->state.nfaults; i++) {
		const struct recheck_fault *f = &r->state.fault[i];
		if (f->accepted)
			continue;
		others += first != NULL;
		first = first ? first : f;
	}
	if (!first)
		return false;
	buf_printf(why, "record %s/%" PRIu64 " (%s): %s", first->node, first->seq,
		first->source, first->why);
	if (others)
		buf_printf(why, "; and %zu more", others);
	return true;
}
