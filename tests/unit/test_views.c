/* Views over generated traffic: indexes, of closed segments and of parts of the open one, must
 * not change a result, whatever happens to the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <jansson.h>

#include "record/audit/sums.h"
#include "record/index/private.h"
#include "support/run_cmd.h"
#include "support/traffic_journal.h"

enum { RECORDS = 9000 };

static struct traffic made;
static char read_all[sizeof(cmd_out)];

static void
make_journal_until(uint64_t segment, int64_t until_ns)
{
	char command[256];
	unsigned char seed[32] = "a seed of tests, known to all";

	snprintf(command, sizeof(command), "rm -rf '%s' '%s'; mkdir '%s'", path("j"),
		path("j.index"), path("j"));
	assert_int_equal(system(command), 0);
	static char journal[256];
	snprintf(journal, sizeof(journal), "%s", path("j"));
	made = (struct traffic)TRAFFIC(journal, "gw-1");
	made.records = RECORDS;
	made.people = 3000;
	made.segment = segment;
	made.strange = true;
	signkey_from_seed(seed, &made.key);
	made.until_ns = until_ns;
	assert_int_equal(traffic_make(&made), 0);
}

/* Segments of 5 MB, of which the last one is open: parts of it have indexes. */
static void
make_journal(uint64_t segment)
{
	int64_t until_ns;

	assert_int_equal(clock_parse("2026-11-20T00:00:00Z", 20, &until_ns), 0);
	make_journal_until(segment, until_ns);
}

static int
run(const char *const *command, const char *more)
{
	const char *args[24];
	size_t n = 0;

	while (command[n]) {
		args[n] = command[n];
		n++;
	}
	args[n++] = "--journal";
	args[n++] = made.journal;
	args[n++] = more;
	args[n] = NULL;
	return tollgate_argv("", args);
}

#define SEARCH(...)                                                                            \
	{                                                                                      \
		"audit", "search", __VA_ARGS__, NULL                                           \
	}
static const char *const searches[][12] = { SEARCH("--limit", "50"),
	SEARCH("--limit", "50", "--oldest"),
	SEARCH("--limit", "50", "--person", "person-00001"),
	SEARCH("--limit", "0", "--person", "person-02345"),
	SEARCH("--limit", "50", "--decision", "deny"),
	SEARCH("--limit", "50", "--outcome", "error"),
	SEARCH("--limit", "50", "--outcome", "-"), SEARCH("--limit", "50", "--tool", "weather"),
	SEARCH("--limit", "50", "--person", "-"),
	SEARCH("--limit", "50", "--until", "2026-11-19"),
	SEARCH("--limit", "0", "--at", "2026-11-18 10:00", "--json"),
	SEARCH("--limit", "0", "--person", "nobody"), SEARCH("--count", "--decision", "deny") };

#define USAGE(...)                                                                             \
	{                                                                                      \
		"usage", "--by", __VA_ARGS__, NULL                                             \
	}
/* With --since, an end is given. Otherwise the length of the period, and so the previous
 * period, would depend on when the command runs. */
static const char *const usages[][12] = { USAGE("person", "--json", "--limit", "500"),
	USAGE("team"), USAGE("person,team", "--sort", "refused", "--limit", "500", "--json"),
	USAGE("day,route"), USAGE("model,provider"), USAGE("target", "--csv"), USAGE("tag"),
	USAGE("tool,day"), USAGE("key"), USAGE("team,key,day", "--json"),
	USAGE("person,model", "--limit", "300"), USAGE("tag,team"),
	USAGE("team", "--since", "2026-11-12T11:47:12Z", "--until", "2026-11-21", "--json"),
	USAGE("day", "--until", "2026-11-19T23:59:59Z", "--json"),
	USAGE("tool", "--since", "2026-11-03T00:00:00Z", "--until", "2026-11-17T12:00:00Z"),
	USAGE("person", "--since", "2026-11-19T23:00:00Z", "--until", "2026-11-20T00:00:00Z"),
	USAGE("team", "--since", "2026-11-21T00:00:00Z", "--until", "2026-11-23"),
	USAGE("person", "--match", "ON-0001", "--sort", "name") };

static void
compare(const char *const *command)
{
	int code = run(command, "--no-index");

	strcpy(read_all, cmd_out);
	if (run(command, NULL) != code || strcmp(cmd_out, read_all) != 0)
		fail_msg("%s %s %s %s: with an index\n%.300s\nwithout\n%.300s\n%.300s",
			command[1], command[2], command[3], command[4] ? command[4] : "",
			cmd_out, read_all, cmd_err);
}

static void
compare_all(void)
{
	for (size_t i = 0; i < COUNT_OF(searches); i++)
		compare(searches[i]);
	for (size_t i = 0; i < COUNT_OF(usages); i++)
		compare(usages[i]);
}

/* Every third one, because all react equally to changes of the files. */
static void
compare_some(void)
{
	for (size_t i = 0; i < COUNT_OF(searches); i += 3)
		compare(searches[i]);
	for (size_t i = 0; i < COUNT_OF(usages); i += 3)
		compare(usages[i]);
}

static size_t
files(const char *pattern)
{
	char command[400];
	FILE *f;
	size_t n = 0;

	snprintf(command, sizeof(command), "ls %s/%s 2>/dev/null | wc -l", path("j.index"),
		pattern);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &n), 1);
	pclose(f);
	return n;
}

static void
make_files(void)
{
	assert_true(index_once(made.journal, &record_makers, 0));
}

static void
sh(const char *text)
{
	char command[600];

	snprintf(command, sizeof(command), "cd '%s' && %s", dir, text);
	assert_int_equal(system(command), 0);
}

static void
open_segment_has_indexes_of_its_parts(void **state)
{
	(void)state;
	make_journal(64 << 20); /* one segment of 14 MB */
	assert_int_equal(files("*"), 0);
	/* a recently written segment may soon be closed and indexed then */
	int64_t ago_s = clock_wall_ns() / 1000000000 - made.until_ns / 1000000000;
	if (ago_s > 0)
		assert_true(
			index_once(made.journal, &record_makers, (unsigned)ago_s + 30 * 86400));
	assert_int_equal(files("*"), 0);
	make_files();
	assert_in_range(files("*@*.idx"), 2, 3);
	assert_int_equal(files("*"), 2 * files("*@*.idx"));
	assert_int_equal(files("*@*.sum"), files("*@*.idx"));
	compare_all();
	/* more records arrive: the parts are unchanged */
	make_files();
	assert_in_range(files("*@*.idx"), 2, 3);
	/* damaged, cut, or of another place: reported and made again */
	sh("f=$(ls j.index/*@0.idx); truncate -s 5000 $f");
	run(searches[8], NULL);
	assert_non_null(strstr(cmd_err, "the index was rebuilt"));
	compare_some();
	sh("f=$(ls j.index/*@0.sum); truncate -s 5000 $f");
	compare_some();
	sh("cd j.index; cp *@0.sum x; for f in *@*.sum; do cp x $f; done; rm x");
	compare_some();
	sh("cd j.index; cp *@0.idx x; for f in *@*.idx; do cp x $f; done; rm x");
	compare_some();
}

static void
records_cut_off_the_open_segment_are_not_found(void **state)
{
	(void)state;
	make_journal(64 << 20);
	make_files();
	/* as after a restart that cut off unsigned records, with NUL bytes after them */
	sh("f=$(ls j/*.jsonl); truncate -s 6000000 $f; truncate -s 7000000 $f");
	compare_some();
}

static void
files_of_parts_and_removed_segments_are_deleted(void **state)
{
	(void)state;
	make_journal(64 << 20);
	make_files();
	assert_true(files("*@*.idx") > 0);
	/* another segment begins, so the first one is closed */
	sh("echo '{}' >j/gw-1-00000002-0000000000999999.jsonl");
	make_files();
	assert_int_equal(files("*@*"), 0);
	assert_int_equal(files("*.idx"), 1);
	assert_int_equal(files("*.sum"), 1);
	compare_some(); /* the sums of its blocks, and of the whole segment */
	sh("touch j.index/mine.txt; rm j/gw-1-00000001-*");
	make_files();
	assert_int_equal(files("*.idx") + files("*.sum"), 0);
	assert_int_equal(files("mine.txt"), 1);
}

static void
closed_and_open_segments_are_merged_by_time(void **state)
{
	(void)state;
	make_journal(5 << 20);
	make_files();
	assert_true(files("*.idx") >= 2);
	compare_all();
	/* a page's cursor continues across the parts */
	const char *page[12] = SEARCH("--limit", "300", "--json");
	char after[200] = "";
	size_t hits = 0;
	for (int i = 0; i < 40; i++) {
		const char *next[12] = SEARCH("--limit", "300", "--json", "--after", after);
		assert_int_equal(run(after[0] ? next : page, NULL), 0);
		for (const char *p = cmd_out; (p = strstr(p, "\"type\":\"decision\"")); p++)
			hits++;
		const char *at = strstr(cmd_out, "{\"after\":\"");
		if (!at)
			break;
		assert_int_equal(sscanf(at, "{\"after\":\"%199[^\"]", after), 1);
	}
	run((const char *const[]){ "audit", "search", "--count", NULL }, "--no-index");
	assert_int_equal(hits, strtoul(cmd_out, NULL, 10));
}

/* Sums that were changed on disk: a changed bit is detected or makes no difference. */
static void
changed_bit_of_sums_changes_no_result(void **state)
{
	char name[100];
	FILE *f;

	(void)state;
	make_journal(64 << 20);
	make_files();
	sh("ls j.index/*@0.sum >name");
	f = fopen(path("name"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%99s", name), 1);
	fclose(f);
	assert_int_equal(run(usages[2], "--no-index"), 0);
	strcpy(read_all, cmd_out);
	f = fopen(path(name), "r+");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	long bytes = ftell(f);
	for (long at = 1; at < bytes; at += bytes / 24 + 1) {
		fseek(f, at, SEEK_SET);
		int had = fgetc(f);
		fseek(f, at, SEEK_SET);
		fputc(had ^ 4, f);
		fflush(f);
		assert_int_equal(run(usages[2], NULL), 0);
		assert_string_equal(cmd_out, read_all);
		fseek(f, at, SEEK_SET);
		fputc(had, f);
		fflush(f);
	}
	fclose(f);
	/* A change that its own checks cannot detect is detected with the records. */
	assert_int_equal(tollgate("", "audit", "search", "--check-index", "--journal",
				 made.journal, NULL),
		0);
	assert_non_null(strstr(cmd_out, "ok indexes: same="));
}

/* As after an upgrade to a program with other sums. */
static void
sums_of_another_version_are_made_again(void **state)
{
	(void)state;
	make_journal(64 << 20);
	make_files();
	assert_int_equal(run(usages[2], "--no-index"), 0);
	strcpy(read_all, cmd_out);
	sh("cd j.index && mkdir ../made && cp *.sum ../made && for f in *.sum; do printf x | "
	   "dd of=$f bs=1 seek=8 conv=notrunc status=none; done");
	assert_int_equal(run(usages[2], NULL), 0);
	assert_string_equal(cmd_out, read_all);
	make_files();
	sh("cd j.index && for f in *.sum; do cmp $f ../made/$f || exit 1; done; rm -r ../made");
	assert_int_equal(run(usages[2], NULL), 0);
	assert_string_equal(cmd_out, read_all);
}

/* The clock is set back between two segments, and within one. */
static void
clock_that_jumps_changes_no_result(void **state)
{
	(void)state;
	make_journal(5 << 20);
	/* a second segment of the node, from earlier days: its times decrease */
	sh("mkdir k; for f in j/*; do cp $f k/; done");
	struct traffic back = made;
	back.until_ns -= 40 * CLOCK_DAY_NS;
	back.days = 10;
	back.records = 3000;
	char other[256];
	snprintf(other, sizeof(other), "%s", path("o"));
	back.journal = other;
	sh("mkdir o");
	assert_int_equal(traffic_make(&back), 0);
	sh("cat o/*.jsonl >j/gw-1-00000002-0000000000900000.jsonl");
	sh("f=$(ls k/* | head -1); cat o/*.jsonl $f >j/gw-1-00000003-0000000000950000.jsonl");
	sh("tail -n 300 o/*.jsonl >j/gw-1-00000004-0000000000990000.jsonl");
	make_files();
	for (size_t i = 0; i < COUNT_OF(usages); i++)
		compare(usages[i]);
	sh("rm -r k o");
}

/* Page by page in each order, all groups occur once each. */
static void
pages_contain_each_group_once(void **state)
{
	static const char *const orders[] = { "cost", "requests", "refused", "tokens",
		"last_seen", "prompt_max", "cost_max", "total_p50", "refused_growth", "name" };
	const char *whole[12] = USAGE("person,team", "--json");

	(void)state;
	make_journal(5 << 20);
	make_files();
	assert_int_equal(run(whole, NULL), 0);
	json_t *all = json_loads(cmd_out, 0, NULL);
	assert_non_null(all);
	size_t groups = json_array_size(json_object_get(all, "rows"));
	assert_int_equal(json_integer_value(json_object_get(all, "groups")), groups);
	assert_true(json_is_null(json_object_get(all, "after")));
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		json_t *seen = json_object(), *row, *page = NULL;
		char after[300] = "";
		size_t k, n = 0;
		do {
			const char *next[12] = USAGE("person,team", "--json", "--limit", "400",
				"--sort", orders[i], after[0] ? "--after" : NULL, after);
			assert_int_equal(run(next, NULL), 0);
			page = json_loads(cmd_out, 0, NULL);
			assert_non_null(page);
			json_array_foreach(json_object_get(page, "rows"), k, row)
			{
				const char *name =
					json_string_value(json_object_get(row, "person"));
				json_object_set_new(seen, name ? name : "", json_true());
				n++;
			}
			const char *cursor = json_string_value(json_object_get(page, "after"));
			snprintf(after, sizeof(after), "%s", cursor ? cursor : "");
			json_decref(page);
		} while (after[0] && n < 2 * groups);
		assert_int_equal(n, groups);
		assert_int_equal(json_object_size(seen), groups);
		json_decref(seen);
	}
	json_decref(all);
	const char *wrong[12] = USAGE("person", "--after", "12/zz");
	assert_int_equal(run(wrong, NULL), 2);
	assert_non_null(strstr(cmd_err, "--after 12/zz"));
	const char *order[12] = USAGE("person", "--sort", "colour");
	assert_int_equal(run(order, NULL), 2);
	assert_non_null(strstr(cmd_err, "last_seen"));
}

static void
show(const char *id)
{
	const char *command[] = { "audit", "show", id, NULL };
	int code = run(command, "--no-index");

	strcpy(read_all, cmd_out);
	assert_int_equal(run(command, NULL), code);
	assert_string_equal(cmd_out, read_all);
}

static void
record_is_shown_with_and_without_indexes(void **state)
{
	static char ids[40][32];
	size_t n = 0;

	(void)state;
	make_journal(2 << 20);
	make_files();
	assert_int_equal(run((const char *const[]){ "audit", "search", "--limit", "200",
				     "--json", "--outcome", "complete", NULL },
				 NULL),
		0);
	for (const char *p = cmd_out; n < 40 && (p = strstr(p, "\"id\":\"")) != NULL; p += 200)
		assert_int_equal(sscanf(p, "\"id\":\"%26[0-9A-Z]\"", ids[n++]), 1);
	assert_int_equal(n, 40);
	for (size_t i = 0; i < n; i += 13)
		show(ids[i]);
	assert_non_null(strstr(read_all, "\"completion\""));
	show("nobody's");
	assert_int_equal(
		run((const char *const[]){ "audit", "show", "nobody's", NULL }, NULL), 1);
	/* a damaged index is not used */
	sh("for f in j.index/*.idx; do printf x | dd of=$f bs=1 seek=9000 conv=notrunc "
	   "status=none; done");
	show(ids[1]);
	assert_non_null(strstr(cmd_out, ids[1]));
	/* without an index, every line is read */
	sh("rm -r j.index");
	show(ids[2]);
	assert_non_null(strstr(cmd_out, ids[2]));
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tg-views.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static char *long_text;
static size_t long_bytes;

static long
read_long(void *arg, uint64_t at, void *to, size_t n)
{
	(void)arg;
	if (at >= long_bytes)
		return 0;
	if (n > long_bytes - at)
		n = long_bytes - at;
	memcpy(to, long_text + at, n);
	return (long)n;
}

/* The sums are not made if the names of a group exceed a megabyte; the index covers all
 * lines. */
static void
index_is_complete_if_the_sums_cannot_be_made(void **state)
{
	enum { LINES = 7000, LONG = 400000 };
	struct index_segment s = { .read = read_long };
	struct index_facts f = { 0 };
	void *making[INDEX_MAKERS];
	char into[256];

	(void)state;
	snprintf(s.name, sizeof(s.name), "n-00000001-0000000000000001.jsonl");
	snprintf(into, sizeof(into), "%s", path("given-up.index"));
	assert_int_equal(mkdir(into, 0700), 0);
	long_text = malloc((size_t)LINES * 2048 + 4 * LONG);
	assert_non_null(long_text);
	for (int i = 1; i <= LINES; i++) {
		int names = i == 2 ? LONG : 800;
		long_bytes += (size_t)sprintf(long_text + long_bytes,
			"{\"v\":1,\"node\":\"n\",\"boot\":1,\"seq\":%d,\"prev\":\"%064d\","
			"\"time\":\"2026-01-01T00:00:00.000000000Z\",\"type\":\"decision\","
			"\"id\":\"r%d\",\"target\":\"%0*d\",\"model\":\"%0*d\"}\n",
			i, 0, i, names, 1, names, 2);
	}
	s.bytes = long_bytes;
	SCOPED_BUF(why, 4096);
	for (size_t i = 0; i < INDEX_MAKERS; i++)
		making[i] = record_makers.of[i]->begin(record_makers.terms);
	assert_int_equal(index_read_lines(&s, &record_makers, making, NULL, &why), 0);
	for (size_t i = 0; i < INDEX_MAKERS; i++)
		assert_int_equal(record_makers.of[i]->end(making[i], &s, into,
					 record_makers.terms, 0, false, &why),
			i ? ERR_NOMEM : 0);
	struct index *ix = index_open(into, &s, record_makers.terms, &why);
	assert_non_null(ix);
	index_facts(ix, &f);
	assert_int_equal(f.records, LINES);
	assert_int_equal(f.last_seq, LINES);
	index_free(&ix);
	free(long_text);
}

/* The index of the newest closed segment cannot be made. */
static void
failing_segment_does_not_prevent_other_indexes(void **state)
{
	(void)state;
	make_journal(2 << 20);
	sh("mkdir -p j.index/$(basename $(ls j/*.jsonl | tail -2 | head -1) "
	   ".jsonl).idx.tollgate-new");
	assert_false(index_once(made.journal, &record_makers, 0));
	assert_true(files("*.idx") >= 3);
	sh("test $(ls j.index/*.idx | grep -vc @) = $(($(ls j/*.jsonl | wc -l) - 2))");
}

static json_int_t
requests_of(const char *const *command, const char *since)
{
	assert_int_equal(run(command, "--json"), EXIT_DONE);
	json_auto_t *all = json_loads(cmd_out, 0, NULL);
	assert_non_null(all);
	const char *from = json_string_value(json_object_get(all, "since"));
	if (since)
		assert_int_equal(strncmp(from ? from : "", since, strlen(since)), 0);
	else
		assert_null(from);
	return json_integer_value(json_object_get(json_object_get(all, "total"), "requests"));
}

static void
usage_without_options_is_that_of_today(void **state)
{
	static const char *const bare[] = { "usage", NULL },
				 *const today[] = { "usage", "--by", "team,person,model",
					 "--since", "today", NULL },
				 *const all[] = { "usage", "--by", "team", NULL };
	char now[CLOCK_SECOND_LEN], midnight[CLOCK_SECOND_LEN];

	(void)state;
	make_journal_until(5 << 20, clock_wall_ns());
	clock_second(clock_wall_ns(), now);
	snprintf(midnight, sizeof(midnight), "%.10sT00:00:00", now);
	json_int_t n = requests_of(bare, midnight);
	assert_true(n < requests_of(all, NULL));
	assert_int_equal(requests_of(today, midnight), n);
	make_journal(5 << 20); /* older records only */
	assert_int_equal(requests_of(bare, midnight), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_segment_has_indexes_of_its_parts),
		cmocka_unit_test(records_cut_off_the_open_segment_are_not_found),
		cmocka_unit_test(files_of_parts_and_removed_segments_are_deleted),
		cmocka_unit_test(closed_and_open_segments_are_merged_by_time),
		cmocka_unit_test(sums_of_another_version_are_made_again),
		cmocka_unit_test(changed_bit_of_sums_changes_no_result),
		cmocka_unit_test(clock_that_jumps_changes_no_result),
		cmocka_unit_test(pages_contain_each_group_once),
		cmocka_unit_test(usage_without_options_is_that_of_today),
		cmocka_unit_test(record_is_shown_with_and_without_indexes),
		cmocka_unit_test(failing_segment_does_not_prevent_other_indexes),
		cmocka_unit_test(index_is_complete_if_the_sums_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
