/* The cost of indexing, and of compression and archive, for commits at the same time: `make
 * bench ONLY=keep`. Seven runs each, in turn: alone, with closed segments indexed all the time,
 * with retention over them. Each run has the p50 of commits of one record, 200 a second; the
 * result is the median of the seven. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "record/archive/keep.h"
#include "record/audit/record_terms.h"
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

static atomic_bool stop_indexing;

/* Like tg-index, which has less to do: a segment closes only every few minutes. */
static void *
index_all_the_time(void *journal)
{
	struct journal_list l;
	struct buf why;

	setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	buf_init(&why, 4096);
	INVARIANT(journal_list(journal, NULL, &l, &why) == 0);
	for (size_t i = 0; !atomic_load(&stop_indexing); i = (i + 1) % (l.n - 1)) {
		struct index_segment s;
		int fd = journal_segment_open(journal, &l.seg[i]);
		INVARIANT(fd >= 0 && index_segment_open(&s, fd, l.seg[i].name) == 0);
		struct index *ix = index_make(&s, &record_index_terms, NULL, &why);
		INVARIANT(ix);
		index_free(&ix);
		index_segment_close(&s);
	}
	journal_list_free(&l);
	buf_free(&why);
	return NULL;
}

int
main(void)
{
	double without[PAIRS], indexed[PAIRS], with[PAIRS], load[3] = { 0 };
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
		pthread_t indexing;
		atomic_store(&stop_indexing, false);
		INVARIANT(pthread_create(&indexing, NULL, index_all_the_time, r.journal) == 0);
		indexed[i] = p50_us(&r);
		atomic_store(&stop_indexing, true);
		pthread_join(indexing, NULL);
		struct keep *keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
		INVARIANT(keep);
		with[i] = p50_us(&r);
		packed += rig_count(&r, M_KEEP_PACKED);
		keep_stop(&keep);
		rig_free(&r);
	}
	double a = median(without, PAIRS), b = median(with, PAIRS), c = median(indexed, PAIRS);
	if (getloadavg(load, 3) < 1)
		load[0] = -1;
	printf("index: a commit %.0f us, %.0f us with segments being indexed: %.2f times\n", a,
		c, c / a);
	printf("keep: a commit %.0f us, %.0f us with compression and archive in progress: %.2f "
	       "times "
	       "(%" PRIu64 " segments compressed meanwhile); load %.1f\n",
		a, b, b / a, packed / PAIRS, load[0]);
	return 0;
}
