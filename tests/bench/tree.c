/* The cost of the tree for each record: `make bench ONLY=tree`. The audit thread's part is a
 * leaf and the nodes that it completes; tg-tree's part is the hash files. A checkpoint is one
 * root and one signature a second. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "record/proof/note.h"
#include "record/proof/tiles.h"

enum { LEAVES = 1 << 20, BATCH = 1024, RUNS = 5, NOTES = 2000 };

/* CPU time of this thread only, so that the load of the machine does not count. */
static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int
main(void)
{
	static struct merkle_hash leaf[LEAVES];
	char dir[] = "/tmp/tollgate-bench-tree-XXXXXX", journal[64], cmd[64];
	double append = 1e12, files = 1e12, note = 1e12;
	struct buf why, b;

	INVARIANT(mkdtemp(dir));
	buf_init(&why, 4096);
	buf_init(&b, 0);
	for (int run = 0; run < RUNS; run++) {
		struct merkle_range r = { 0 };
		struct tiles t;
		double begun = cpu_ns();
		for (uint64_t i = 0; i < LEAVES; i++) {
			unsigned char record[MERKLE_BYTES] = { (unsigned char)i,
				(unsigned char)(i >> 8), (unsigned char)(i >> 16) };
			merkle_leaf(record, &leaf[i]);
			merkle_append(&r, &leaf[i]);
		}
		double took = (cpu_ns() - begun) / LEAVES;
		append = took < append ? took : append;

		snprintf(journal, sizeof(journal), "%s/%d", dir, run);
		INVARIANT(tiles_open(&t, journal, "n", true, &why) == 0);
		begun = cpu_ns();
		for (size_t i = 0; i < LEAVES; i += BATCH)
			INVARIANT(tiles_append(&t, leaf + i, BATCH, &why) == 0);
		took = (cpu_ns() - begun) / LEAVES;
		files = took < files ? took : files;
		tiles_close(&t);

		struct signkey key;
		struct merkle_hash root;
		signkey_from_seed((const unsigned char[32]){ 1 }, &key);
		begun = cpu_ns();
		for (int i = 0; i < NOTES; i++) {
			buf_clear(&b);
			merkle_root(&r, &root);
			checkpoint_text(&b, SPAN_LIT("tollgate/bench"), r.n, &root);
			note_sign(&b, buf_view(&b), SPAN_LIT("tollgate/bench"), &key);
		}
		took = (cpu_ns() - begun) / NOTES;
		note = took < note ? took : note;
	}
	printf("tree: %.0f ns a record in the audit thread (wanted: 500 at most), %.0f in "
	       "tg-tree; "
	       "a checkpoint %.0f us\n",
		append, files, note / 1e3);
	buf_free(&why);
	buf_free(&b);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) != 0;
}
