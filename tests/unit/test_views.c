/* Views over made traffic: what has indexes, of closed segments and of parts of the open one,
 * changes no answer, whatever becomes of the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "audit/record_terms.h"
#include "support/run_cmd.h"
#include "support/traffic.h"

enum { RECORDS = 12000 };

static struct traffic made;
static char read_all[sizeof(cmd_out)];

/* Segments of 5 MB, the last of which is open: parts of it have indexes. */
static void
make_journal(uint64_t segment)
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
	assert_int_equal(clock_parse("2026-11-20T00:00:00Z", 20, &made.until_ns), 0);
	assert_int_equal(traffic_make(&made), 0);
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
	assert_true(index_once(made.journal, &record_index_maker, 1));
}

static void
sh(const char *text)
{
	char command[600];

	snprintf(command, sizeof(command), "cd '%s' && %s", dir, text);
	assert_int_equal(system(command), 0);
}

static void
the_open_segment_has_indexes_of_its_parts(void **state)
{
	(void)state;
	make_journal(64 << 20); /* one, of 14 MB */
	assert_int_equal(files("*"), 0);
	make_files();
	assert_in_range(files("*@*.idx"), 2, 3);
	assert_int_equal(files("*"), files("*@*.idx"));
	compare_all();
	/* more comes: the parts stay as they are */
	make_files();
	assert_in_range(files("*@*.idx"), 2, 3);
	/* damaged, cut, of another place: said and made again */
	sh("f=$(ls j.index/*@0.idx); truncate -s 5000 $f");
	run(searches[8], NULL);
	assert_non_null(strstr(cmd_err, "made again"));
	compare_all();
	sh("cd j.index; cp *@0.idx x; for f in *@*.idx; do cp x $f; done; rm x");
	compare_all();
}

static void
what_was_cut_off_the_open_segment_is_not_found(void **state)
{
	(void)state;
	make_journal(64 << 20);
	make_files();
	/* as after a restart that cut off what no signature covers, NUL bytes after it */
	sh("f=$(ls j/*.jsonl); truncate -s 6000000 $f; truncate -s 7000000 $f");
	compare_all();
}

static void
files_of_parts_and_of_what_is_gone_go(void **state)
{
	(void)state;
	make_journal(64 << 20);
	make_files();
	assert_true(files("*@*.idx") > 0);
	/* another one begins: the first is closed */
	sh("echo '{}' >j/gw-1-00000002-0000000000999999.jsonl");
	make_files();
	assert_int_equal(files("*@*.idx"), 0);
	assert_int_equal(files("*.idx"), 1);
	sh("touch j.index/mine.txt; rm j/gw-1-00000001-*");
	make_files();
	assert_int_equal(files("*.idx"), 0);
	assert_int_equal(files("mine.txt"), 1);
}

static void
closed_and_open_segments_are_one_line_of_time(void **state)
{
	(void)state;
	make_journal(5 << 20);
	make_files();
	assert_true(files("*.idx") >= 2);
	compare_all();
	/* a page's cursor goes on from part to part */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_open_segment_has_indexes_of_its_parts),
		cmocka_unit_test(what_was_cut_off_the_open_segment_is_not_found),
		cmocka_unit_test(files_of_parts_and_of_what_is_gone_go),
		cmocka_unit_test(closed_and_open_segments_are_one_line_of_time),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
