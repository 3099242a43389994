/* Writes generated traffic (traffic_journal.h) into a journal's folder before a daemon is
 * started on it:
 *
 *   traffic JOURNAL KEY [--node N] [--records N] [--days D] [--until RFC3339] [--people P]
 *           [--commit N] [--segment BYTES] [--checkpoint N] [--strange] [--index]
 *
 * KEY is created if it is missing. The default of --until is now. With --strange, a few names
 * contain markup or characters that reverse the line. --index writes the indexes as the
 * daemon's thread does, and prints the cost. `tests/support/stack up --records N` calls this
 * program. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/audit/sums.h"
#include "support/traffic_journal.h"

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "traffic: %s: %s\n", what, why);
	return 2;
}

static int
index_all(const char *dir, uint64_t records)
{
	uint64_t from = clock_cpu_ns();

	if (!index_once(dir, &record_makers, 0))
		return fail(dir, "not all indexes can be written");
	printf("index: %.2f us a record (CPU)\n",
		(double)(clock_cpu_ns() - from) / 1e3 / (double)records);
	return 0;
}

int
main(int argc, char **argv)
{
	struct traffic t = TRAFFIC(argc > 1 ? argv[1] : NULL, "bench");
	const struct {
		const char *name;
		uint64_t *to;
	} options[] = { { "--records", &t.records }, { "--days", &t.days },
		{ "--people", &t.people }, { "--commit", &t.commit },
		{ "--segment", &t.segment }, { "--checkpoint", &t.every } };
	bool index = false;
	struct pubkey pub;
	struct buf why;

	if (argc < 3)
		return fail("usage", "traffic JOURNAL KEY [--records N] …");
	t.until_ns = clock_wall_ns();
	for (int i = 3; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		size_t k = 0;
		while (k < COUNT_OF(options) && strcmp(argv[i], options[k].name) != 0)
			k++;
		bool ok = true, takes = true;
		if (k < COUNT_OF(options))
			ok = !span_u64(span_str(value), options[k].to) &&
			     *options[k].to < 1ull << 40;
		else if (!strcmp(argv[i], "--node"))
			ok = chain_node_valid(span_str(t.node = value));
		else if (!strcmp(argv[i], "--until"))
			ok = !clock_parse(value, strlen(value), &t.until_ns);
		else if (!strcmp(argv[i], "--strange") || !strcmp(argv[i], "--index"))
			takes = false, *(argv[i][2] == 's' ? &t.strange : &index) = true;
		else
			ok = false;
		if (!ok)
			return fail(argv[i], "not understood");
		i += takes;
	}
	if (!t.records || !t.days || !t.people || !t.commit ||
		t.commit > CHAIN_COMMIT_RECORDS / 2)
		return fail("usage", "a number is 0, or more than a commit holds");
	buf_init(&why, 4096);
	if ((mkdir(t.journal, 0700) < 0 && errno != EEXIST) ||
		(access(argv[2], F_OK) < 0 && signkey_create(argv[2], &pub, &why)) ||
		signkey_load(argv[2], &t.key, &why))
		return fail(argv[1],
			why.n ? (buf_putc(&why, '\0'), buf_view(&why).p) : strerror(errno));
	buf_free(&why);
	uint64_t began = clock_mono_us();
	if (traffic_make(&t))
		return fail(t.journal, strerror(errno));
	printf("%" PRIu64 " records of %" PRIu64 " people, %" PRIu64 " days: made in %.1f s\n",
		t.records, t.people, t.days, (double)(clock_mono_us() - began) / 1e6);
	return index ? index_all(t.journal, t.records) : 0;
}
