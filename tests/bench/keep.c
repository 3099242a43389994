/* What compression and archive under way cost a commit: `make bench ONLY=keep`. Seven pairs of
 * runs, without and with retention over a journal of closed segments: each run's p50 of commits
 * of one record, 200 a second; of the seven the median. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "keep/keep.h"
#include "support/audit_rig.h"

enum { PAIRS = 7, COMMITS = 400, FILL = 24000 };

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

static double
p50_us(struct rig *r)
{
	static double us[COMMITS];

	for (int i = 0; i < COMMITS; i++) {
		uint64_t from = clock_mono_us();
		INVARIANT(rig_put(r, "an id of the bench, as long as one is") == 0);
		us[i] = (double)(clock_mono_us() - from);
		usleep(5000);
	}
	return median(us, COMMITS);
}

/* Closed segments of about 1 MB. */
static void
fill(struct rig *r)
{
	static struct audit_entry e[64];
	sem_t came;

	sem_init(&came, 0, 0);
	for (int i = 0; i < FILL; i += 64) {
		for (int k = 0; k < 64; k++)
			rig_send(r, &e[k], &came, "an id of the bench, as long as one is");
		for (int k = 0; k < 64; k++)
			rig_wait(&came);
		for (int k = 0; k < 64; k++)
			buf_free(&e[k].fields);
	}
	sem_destroy(&came);
}

int
main(void)
{
	double without[PAIRS], with[PAIRS];
	uint64_t packed = 0;

	log_setup(LOG_LOGFMT, LOG_ERROR);
	for (int i = 0; i < PAIRS; i++) {
		struct rig r;
		char archive[192];
		rig_init(&r);
		snprintf(archive, sizeof(archive), "%s/archive", r.dir);
		INVARIANT(mkdir(archive, 0700) == 0);
		r.cfg.journal_segment_bytes = 256 << 10;
		r.cfg.retention = true;
		r.cfg.retention_every_us = 1000;
		r.cfg.retention_archive = archive;
		INVARIANT(rig_start(&r));
		fill(&r);
		without[i] = p50_us(&r);
		struct keep *keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
		INVARIANT(keep);
		with[i] = p50_us(&r);
		packed += rig_count(&r, M_KEEP_PACKED);
		keep_stop(&keep);
		rig_free(&r);
	}
	double a = median(without, PAIRS), b = median(with, PAIRS);
	printf("keep: a commit %.0f us, %.0f us with compression and archive under way: %.2f "
	       "times "
	       "(%" PRIu64 " segments compressed meanwhile)\n",
		a, b, b / a, packed / PAIRS);
	return 0;
}
