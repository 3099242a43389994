/* audit search over journals that the test writes: which records are found by which terms. An
 * index must not change a result, whatever it contains. Also pages, counts, and several folders
 * merged by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/codec/json_text.h"
#include "base/replace.h"
#include "record/audit/record_terms.h"
#include "support/chain_build.h"
#include "support/run_cmd.h"

#define MINUTE 60000000000ll
/* A Tuesday. */
#define BEGIN "2026-11-17T11:40:00Z"

static struct chain_build b;
static int64_t now;

static int64_t
ns(const char *text)
{
	int64_t out;

	assert_int_equal(clock_parse(text, strlen(text), &out), 0);
	return out;
}

static void
record(int64_t after, const char *fields)
{
	now += after;
	chain_record(&b.out, &b.chain, now, span_str(fields));
	chain_build_commit(&b);
}

static void
decision(const char *id, const char *person, const char *said, const char *more)
{
	char fields[1024], time[CLOCK_RFC3339_LEN];

	now += MINUTE;
	clock_rfc3339(now, time);
	snprintf(fields, sizeof(fields),
		"\"type\":\"decision\",\"id\":\"%s\",\"decided_at\":\"%s\",\"decision\":\"%s\","
		"\"via\":\"relay\",\"route\":\"chat\",\"target\":\"openai\",\"model\":\"m1\","
		"\"identity\":{\"method\":\"jwt\",\"person\":\"%s\"}%s",
		id, time, said, person, more);
	record(0, fields);
}

static void
completion(const char *id, const char *outcome, int status, const char *more)
{
	char fields[1024];

	snprintf(fields, sizeof(fields),
		"\"type\":\"completion\",\"id\":\"%s\",\"outcome\":\"%s\",\"status\":%d,"
		"\"target\":\"openai\",\"model\":\"m2\",\"identity\":{\"method\":\"jwt\"}%s",
		id, outcome, status, more);
	record(MINUTE / 60, fields);
}

/* Writes what was built as a segment of that folder. */
static void
segment(const char *folder, uint64_t first)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/%s-%08d-%016d.jsonl", folder, b.chain.node,
		(int)b.chain.boot, (int)first);
	put_span(name, buf_view(&b.out));
	buf_clear(&b.out);
}

/* 1 ann permit; 2 bob deny; 3 ann redact, with its completion in the next segment; 4 eve, in
 * all segments at once; 5 cut off by a restart. */
static void
write_journal(void)
{
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	b.chain.boot = 1;
	now = ns(BEGIN);
	record(0, "\"type\":\"boot\",\"program\":\"test\"");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA1", "ann", "permit",
		",\"request\":{\"path\":\"/v1/chat/completions\",\"conversation\":\"c1\"},"
		"\"tags\":[\"a\",\"b\"]");
	completion("01AAAAAAAAAAAAAAAAAAAAAAA1", "complete", 200, "");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA2", "bob", "deny",
		",\"rule\":\"no secrets\",\"status\":403,\"classes\":[\"secret\",\"pii\"],"
		"\"entities\":{\"API_KEY\":{\"count\":1},\"IBAN\":{\"count\":2}}");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA3", "ann", "redact",
		",\"classes\":[\"pii\"],\"request\":{\"conversation\":\"c1\"}");
	segment("j", 1);
	completion("01AAAAAAAAAAAAAAAAAAAAAAA3", "provider_abort", 502,
		",\"why\":\"the provider closed before its end\"");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA4", "e\\\"v\\u00e9", "permit", "");
	record(1, "\"type\":\"attempt\",\"id\":\"01AAAAAAAAAAAAAAAAAAAAAAA4\",\"decision\":"
		  "\"permit\",\"target\":\"local\",\"model\":\"m3\"");
	segment("j", 6);
	completion("01AAAAAAAAAAAAAAAAAAAAAAA4", "complete", 200,
		",\"answer\":{\"classes\":[\"phi\"],\"tool_calls\":[\"lookup\"]}");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA5", "ann", "permit", "");
	segment("j", 9);
	b.chain.boot = 2;
	record(90 * 60 * MINUTE, "\"type\":\"boot\",\"program\":\"test\"");
	completion("01AAAAAAAAAAAAAAAAAAAAAAA5", "orphaned", 0, "");
	record(1, "\"type\":\"change\",\"by\":\"root\",\"what\":\"key\"");
	segment("j", 11);
}

/* Returns the last characters of the found ids, in order. */
static const char *
found(void)
{
	static char out[256];
	size_t n = 0;

	for (const char *p = cmd_out; (p = strstr(p, "01AAAAAAAAAAAAAAAAAAAAAAA")); p += 26)
		out[n++] = p[25];
	out[n] = '\0';
	return out;
}

static int
search(const char *journal, ...)
{
	const char *args[24] = { "audit", "search", "--journal", path(journal) };
	size_t n = 4;
	va_list ap;

	va_start(ap, journal);
	while ((args[n++] = va_arg(ap, const char *)))
		;
	va_end(ap);
	return tollgate_argv("", args);
}

static const struct row {
	const char *name, *argument[7], *want;
} rows[] = {
	/* clang-format off */
{ "all, the newest first", { NULL }, "54321" },
{ "the oldest first", { "--oldest" }, "12345" },
{ "a person", { "--person", "ann" }, "531" },
{ "whole names only", { "--person", "an" }, "" },
{ "what begins so", { "--person", "an*" }, "531" },
{ "any of two", { "--person", "bob", "--person", "ann" }, "5321" },
{ "a name with escapes", { "--person", "e\"v\303\251" }, "4" },
{ "a decision", { "--decision", "deny,redact" }, "32" },
{ "an outcome in the same segment", { "--outcome", "complete" }, "41" },
{ "an outcome in the next segment", { "--outcome", "provider_abort" }, "3" },
{ "what failed", { "--outcome", "error" }, "3" },
{ "as metrics call it", { "--outcome", "provider_aborted" }, "3" },
{ "a class of statuses", { "--outcome", "2xx" }, "41" },
{ "after a restart", { "--outcome", "orphaned" }, "5" },
{ "that has none", { "--outcome", "-" }, "2" },
{ "of decision and completion together", { "--decision", "redact", "--outcome", "502" }, "3" },
{ "which do not hold together", { "--decision", "deny", "--outcome", "complete" }, "" },
{ "the model that was asked for, or used", { "--model", "m2" }, "5431" },
{ "of a later attempt", { "--model", "m3" }, "4" },
{ "a provider", { "--target", "local" }, "4" },
{ "by that name alone", { "--provider", "openai" }, "54321" },
{ "a provider with its model", { "--target", "local/m3" }, "4" },
{ "one of its classes", { "--class", "pii" }, "32" },
{ "of the answer", { "--class", "phi" }, "4" },
{ "a tool of the answer", { "--tool", "lookup" }, "4" },
{ "an entity by its name", { "--entity", "IBAN" }, "2" },
{ "a rule with a space", { "--rule", "no secrets" }, "2" },
{ "a path that begins so", { "--path", "/v1/*" }, "1" },
{ "a tag", { "--tag", "b" }, "1" },
{ "a conversation begins with its first request", { "--conversation", "c1" }, "13" },
{ "a page of a conversation begins with its first request", { "--conversation", "c1", "--limit", "1" }, "1" },
{ "another conversation has no request", { "--conversation", "c2" }, "" },
{ "an id", { "--id", "01AAAAAAAAAAAAAAAAAAAAAAA3" }, "3" },
{ "a node", { "--node", "gw-1" }, "54321" },
{ "another node", { "--node", "gw-2" }, "" },
{ "a minute", { "--at", "2026-11-17 11:42" }, "2" },
{ "whose end is of the next minute", { "--at", "2026-11-17 11:43", "--outcome", "error" }, "3" },
{ "a day", { "--at", "2026-11-17" }, "54321" },
{ "a day in another zone", { "--at", "2026-11-18", "--zone", "Pacific/Auckland" }, "54321" },
{ "another day", { "--at", "2026-11-16" }, "" },
{ "from then on", { "--since", "2026-11-17 11:43" }, "543" },
{ "until then", { "--until", "2026-11-17 11:43" }, "21" },
{ "between two", { "--between", "2026-11-17 11:42", "11:43" }, "32" },
{ "as a range", { "--between", "2026-11-17 11:42..11:43" }, "32" },
{ "a condition on the decision", { "--where", "record.identity.person == 'bob'" }, "2" },
{ "on both", { "--where", "record.decision == 'redact' && has(record.outcome) && record.status == 502" }, "3" },
{ "on what only some have", { "--where", "record.outcome == 'complete'" }, "41" },
{ "with a term", { "--person", "ann", "--where", "has(record.classes)" }, "3" },
{ "a page", { "--limit", "2" }, "54" },
{ "no page", { "--limit", "0" }, "54321" },
{ "another type shows no request", { "--type", "change" }, "" },
	/* clang-format on */
};

static void
run_rows(const char *extra)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		const char *const *a = r->argument;
		const char *last = extra;
		const char *args[8] = { NULL };
		size_t n = 0;
		while (a[n]) {
			args[n] = a[n];
			n++;
		}
		args[n] = last;
		int code = search("j", args[0], args[1], args[2], args[3], args[4], args[5],
			args[6], NULL);
		if (code || strcmp(found(), r->want) != 0)
			fail_msg("%s: %d, %s not %s\n%s", r->name, code, found(), r->want,
				cmd_err);
	}
}

/* Returns true if the file is in the test's folder. */
static bool
there(const char *name)
{
	return access(path(name), F_OK) == 0;
}

static void
searches_find_their_records(void **state)
{
	(void)state;
	run_rows("--no-index");
	assert_false(there("j.index"));
	run_rows(NULL); /* the first search makes the indexes */
	assert_true(there("j.index/gw-1-00000001-0000000000000001.idx"));
	assert_true(there("j.index/gw-1-00000001-0000000000000009.idx"));
	/* The open segment has no index. */
	assert_false(there("j.index/gw-1-00000002-0000000000000011.idx"));
	run_rows(NULL);
	assert_null(strstr(cmd_err, "rebuilt"));
}

/* Retention removed the segment with the decision: the completion alone is found, and the index is right. */
static void
completion_without_its_decision_is_found(void **state)
{
	(void)state;
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	b.chain.boot = 3;
	now = ns(BEGIN);
	assert_int_equal(mkdir(path("kept"), 0700), 0);
	completion("01AAAAAAAAAAAAAAAAAAAAAAA7", "complete", 200, "");
	segment("kept", 1);
	decision("01AAAAAAAAAAAAAAAAAAAAAAA8", "ann", "permit", "");
	segment("kept", 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(search("kept", i ? NULL : "--no-index", NULL), 0);
		assert_string_equal(found(), "87");
		assert_null(strstr(cmd_err, "rebuilt"));
	}
	assert_int_equal(search("kept", "--outcome", "complete", NULL), 0);
	assert_string_equal(found(), "7");
	write_journal();
}

/* If a route names a backend of HAProxy, its provider is recorded, or the backend itself. An
 * older journal has only the backend. */
static void
search_by_provider_finds_backends(void **state)
{
	static const struct {
		const char *option, *value, *want;
	} asked[] = { { "--target", "openai_eu", "2" }, { "--provider", "openai_eu", "2" },
		{ "--target", "openai_eu/m1", "2" }, { "--target", "azure_eu", "21" },
		{ "--target", "azure_us", "3" }, { "--provider", "azure_us", "3" },
		{ "--target", "azure", "" } };
	const char *const fields[] = { "\"backend\":\"azure_eu\"",
		"\"target\":\"openai_eu\",\"backend\":\"azure_eu\"",
		"\"target\":\"azure_us\",\"backend\":\"azure_us\"" };

	(void)state;
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	b.chain.boot = 1;
	for (int i = 0; i < 3; i++) {
		char text[512];
		snprintf(text, sizeof(text),
			"\"type\":\"decision\",\"id\":\"01AAAAAAAAAAAAAAAAAAAAAAA%d\","
			"\"decision\":\"permit\",\"via\":\"direct\",\"route\":\"chat\",%s,"
			"\"model\":\"m1\"",
			i + 1, fields[i]);
		record(MINUTE, text);
	}
	assert_int_equal(mkdir(path("backends"), 0700), 0);
	segment("backends", 1);
	for (int indexed = 0; indexed < 2; indexed++)
		for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
			assert_int_equal(search("backends", asked[i].option, asked[i].value,
						 indexed ? NULL : "--no-index", NULL),
				0);
			if (strcmp(found(), asked[i].want) != 0)
				fail_msg("%s %s: %s", asked[i].option, asked[i].value, found());
		}
}

static void
search_finds_records_of_other_types(void **state)
{
	(void)state;
	assert_int_equal(search("j", "--type", "change", NULL), 0);
	assert_non_null(strstr(cmd_out, " change gw-1/13 \"by\":\"root\",\"what\":\"key\"\n"));
	assert_int_equal(search("j", "--changed-by", "root", "--json", NULL), 0);
	assert_non_null(strstr(cmd_out, "\"seq\":13"));
	assert_int_equal(search("j", "--type", "boot", "--count", NULL), 0);
	assert_string_equal(cmd_out, "2\n");
}

static void
json_output_has_its_members(void **state)
{
	(void)state;
	assert_int_equal(search("j", "--json", "--id", "01AAAAAAAAAAAAAAAAAAAAAAA3", NULL), 0);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_text_in(o, "decision"), "redact");
	assert_string_equal(json_text_in(o, "outcome"), "provider_abort");
	assert_string_equal(json_text_in(o, "model"), "m2");
	assert_string_equal(json_text_in(json_object_get(o, "identity"), "person"), "ann");
	assert_int_equal(json_int_in(o, "seq"), 5);
	assert_int_equal(json_int_in(o, "completion_seq"), 6);
	json_decref(o);
}

static void
counts_equal_the_found_records(void **state)
{
	(void)state;
	assert_int_equal(search("j", "--count", NULL), 0);
	assert_string_equal(cmd_out, "5\n");
	assert_int_equal(search("j", "--count", "--by", "person", NULL), 0);
	assert_string_equal(cmd_out, "3 ann\n1 bob\n1 e\"v\303\251\n");
	assert_int_equal(search("j", "--by", "class", "--json", NULL), 0);
	assert_string_equal(cmd_out,
		"{\"class\":\"-\",\"hits\":2}\n{\"class\":\"pii\",\"hits\":2}"
		"\n{\"class\":\"phi\",\"hits\":1}\n"
		"{\"class\":\"secret\",\"hits\":1}\n");
	assert_int_equal(search("j", "--by", "outcome", NULL), 0);
	assert_string_equal(cmd_out, "2 complete\n1 -\n1 orphaned\n1 provider_abort\n");
	assert_int_equal(search("j", "--by", "target", NULL), 0);
	assert_string_equal(cmd_out, "4 openai/m2\n1 openai/m1\n");
	assert_int_equal(search("j", "--by", "day", NULL), 0);
	assert_string_equal(cmd_out, "5 2026-11-17\n");
}

/* Every page from both ends, one and two records at a time: each record once, in order. */
static void
pages_have_each_record_once(void **state)
{
	(void)state;
	for (int size = 1; size <= 2; size++)
		for (int oldest = 0; oldest < 2; oldest++) {
			char limit[2] = { (char)('0' + size), '\0' }, after[160] = "",
			     all[16] = "";
			for (int page = 0; page < 6; page++) {
				const char *args[] = { "--limit", limit, NULL, NULL, NULL,
					NULL };
				size_t n = 2;
				if (oldest)
					args[n++] = "--oldest";
				if (after[0]) {
					args[n++] = "--after";
					args[n++] = after;
				}
				assert_int_equal(search("j", args[0], args[1], args[2], args[3],
							 args[4], NULL),
					0);
				strcat(all, found());
				const char *more = strstr(cmd_out, "more: --after ");
				if (!more)
					break;
				snprintf(after, sizeof(after), "%.*s",
					(int)strcspn(more + 14, "\n"), more + 14);
			}
			assert_string_equal(all, oldest ? "12345" : "54321");
		}
}

static void
damage(const char *name, long at, int flip)
{
	FILE *f = fopen(path(name), "r+");

	assert_non_null(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	int c = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(c ^ flip, f);
	fclose(f);
}

#define FIRST_INDEX "j.index/gw-1-00000001-0000000000000001.idx"
#define FIRST	    "j/gw-1-00000001-0000000000000001.jsonl"

/* Each byte of an index changed, and each length: the result is the same, and the index is made
 * again. */
static void
damaged_index_changes_no_result(void **state)
{
	struct stat st;

	(void)state;
	write_journal();
	assert_int_equal(search("j", NULL), 0);
	assert_int_equal(stat(path(FIRST_INDEX), &st), 0);
	for (long at = 0; at < st.st_size; at += 1 + st.st_size / 60) {
		damage(FIRST_INDEX, at, 0x41);
		assert_int_equal(search("j", "--person", "ann", NULL), 0);
		assert_string_equal(found(), "531");
		/* The change may be in a part that was not read: a search that reads the whole
		 * index detects it. */
		assert_int_equal(search("j", "--where", "true", NULL), 0);
		assert_string_equal(found(), "54321");
		unlink(path(FIRST_INDEX));
		assert_int_equal(search("j", NULL), 0);
	}
	for (long size = 0; size < st.st_size; size += 1 + st.st_size / 30) {
		assert_int_equal(truncate(path(FIRST_INDEX), size), 0);
		assert_int_equal(search("j", "--person", "ann", NULL), 0);
		assert_string_equal(found(), "531");
		assert_non_null(strstr(cmd_err, "rebuilt"));
	}
}

static void
copy(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp -p '%s' '%s'", path(from), path(to));
	assert_int_equal(system(command), 0);
}

/* The index of another segment under this name; the index of this segment before it was
 * changed. */
static void
stale_index_changes_no_result(void **state)
{
	(void)state;
	write_journal();
	assert_int_equal(search("j", NULL), 0);
	copy("j.index/gw-1-00000001-0000000000000006.idx", FIRST_INDEX);
	assert_int_equal(search("j", NULL), 0);
	assert_string_equal(found(), "54321");
	assert_non_null(strstr(cmd_err, "belongs to another segment"));
	/* ann's first request becomes amy's: the same length, and a later time. */
	char text[65536];
	cmd_slurp(FIRST, text, sizeof(text));
	char *ann = strstr(text, "\"person\":\"ann\"");
	assert_non_null(ann);
	memcpy(ann, "\"person\":\"amy\"", 14);
	put(FIRST, text);
	assert_int_equal(search("j", "--person", "amy", NULL), 0);
	assert_string_equal(found(), "1");
	assert_non_null(strstr(cmd_err, "the file is older than its segment"));
	assert_int_equal(search("j", "--person", "ann", NULL), 0);
	assert_string_equal(found(), "53");
}

/* A complete index with false content: made from other lines, with this segment's stamps. Its
 * entries are compared with the segment, the mismatch is reported, and the result is correct.
 */
static void
index_with_false_entries_changes_no_result(void **state)
{
	char text[65536], before[65536];
	struct stat st;
	struct timespec times[2];

	(void)state;
	write_journal();
	cmd_slurp(FIRST, before, sizeof(before));
	strcpy(text, before);
	char *bob = strstr(text, "\"person\":\"bob\"");
	assert_non_null(bob);
	memcpy(bob, "\"person\":\"ann\"", 14);
	assert_int_equal(stat(path(FIRST), &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	put(FIRST, text);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", NULL), 0); /* with an index of those lines */
	put(FIRST, before);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", "--person", "ann", NULL), 0);
	assert_string_equal(found(), "531");
	assert_non_null(strstr(cmd_err, "did not match"));
	assert_null(strstr(cmd_out, "bob"));
	/* The false index does not return. */
	assert_int_equal(search("j", "--person", "bob", NULL), 0);
	assert_string_equal(found(), "2");
	assert_null(strstr(cmd_err, "did not match"));
}

/* An index that omits a record is detected only when it is made again. */
static void
index_with_missing_entries_is_detected_by_check(void **state)
{
	char text[65536], before[65536];
	struct stat st;
	struct timespec times[2];

	(void)state;
	write_journal();
	assert_int_equal(search("j", NULL), 0);
	assert_int_equal(search("j", "--check-index", NULL), 0);
	assert_string_equal(cmd_out, "ok indexes: same=3 made=0 wrong=0\n");
	cmd_slurp(FIRST, before, sizeof(before));
	strcpy(text, before);
	memcpy(strstr(text, "\"person\":\"bob\""), "\"person\":\"ann\"", 14);
	assert_int_equal(stat(path(FIRST), &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	put(FIRST, text);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", "--check-index", NULL), 1);
	assert_non_null(strstr(cmd_out, "bad index of "));
	put(FIRST, before);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", "--person", "bob", NULL), 0);
	assert_string_equal(found(), "");
	assert_int_equal(search("j", "--check-index", NULL), 1);
	assert_non_null(
		strstr(cmd_out, FIRST ": it did not match its segment and was rebuilt"));
	assert_non_null(strstr(cmd_out, "bad indexes: same=2 made=0 wrong=1\n"));
	assert_int_equal(search("j", "--person", "bob", NULL), 0);
	assert_string_equal(found(), "2");
	/* Missing and cut indexes are made. */
	assert_int_equal(truncate(path("j.index/gw-1-00000001-0000000000000006.idx"), 99), 0);
	assert_int_equal(search("j", "--check-index", NULL), 0);
	assert_string_equal(cmd_out, "ok indexes: same=2 made=1 wrong=0\n");
}

/* The counts are restarted, so that nothing is counted twice. */
static void
index_with_false_counts_changes_no_count(void **state)
{
	(void)state;
	char text[65536], before[65536];
	struct stat st;
	struct timespec times[2];

	write_journal();
	cmd_slurp(FIRST, before, sizeof(before));
	strcpy(text, before);
	memcpy(strstr(text, "\"person\":\"bob\""), "\"person\":\"ann\"", 14);
	assert_int_equal(stat(path(FIRST), &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	put(FIRST, text);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", NULL), 0);
	put(FIRST, before);
	assert_int_equal(utimensat(AT_FDCWD, path(FIRST), times, 0), 0);
	assert_int_equal(search("j", "--person", "ann", "--count", NULL), 0);
	assert_string_equal(cmd_out, "3\n");
}

/* If the folder is not writable or the disk is full, the result is the same. */
static void
search_works_without_write_access(void **state)
{
	(void)state;
	write_journal();
	char command[512];
	snprintf(command, sizeof(command), "rm -rf '%s'; touch '%s'", path("j.index"),
		path("j.index"));
	assert_int_equal(system(command), 0);
	assert_int_equal(search("j", "--person", "ann", NULL), 0);
	assert_string_equal(found(), "531");
	assert_non_null(strstr(cmd_err, "segments without an index completely"));
	unlink(path("j.index"));
}

/* A full disk: no incomplete file is left. */
static void
full_disk_leaves_no_incomplete_index(void **state)
{
	struct index_segment s;
	struct buf why;

	(void)state;
	write_journal();
	buf_init(&why, 4096);
	int fd = open(path(FIRST), O_RDONLY);
	assert_int_equal(index_segment_open(&s, fd, "gw-1-00000001-0000000000000001.jsonl"), 0);
	struct index *ix = index_make(&s, &record_index_terms, NULL, &why);
	assert_non_null(ix);
	/* A limit on file sizes stands for the full disk. */
	const char *name = "full.index/gw-1-00000001-0000000000000001.idx" REPLACE_SUFFIX;
	assert_int_equal(mkdir(path("full.index"), 0700), 0);
	struct rlimit was, none;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 100;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int err = index_save(ix, path("full.index"), &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(err < 0);
	assert_true(why.n > 0);
	assert_false(there(name));
	assert_false(there("full.index/gw-1-00000001-0000000000000001.idx"));
	buf_clear(&why);
	assert_int_equal(index_save(ix, path("full.index"), &why), 0);
	assert_true(there("full.index/gw-1-00000001-0000000000000001.idx"));
	index_free(&ix);
	index_segment_close(&s);
	buf_free(&why);
}

/* The journal of another node, given twice: merged by time, without duplicates. */
static void
several_journals_are_merged(void **state)
{
	(void)state;
	write_journal();
	chain_build_free(&b);
	chain_build_init(&b, "gw-2");
	b.chain.boot = 1;
	now = ns(BEGIN) + MINUTE / 2;
	decision("01AAAAAAAAAAAAAAAAAAAAAAA7", "ann", "permit", "");
	decision("01AAAAAAAAAAAAAAAAAAAAAAA8", "zoe", "permit", "");
	completion("01AAAAAAAAAAAAAAAAAAAAAAA8", "complete", 200, "");
	segment("k", 1);
	assert_int_equal(search("j", "--journal", path("k"), "--journal", path("k"), NULL), 0);
	assert_string_equal(found(), "5438271");
	assert_int_equal(search("j", "--journal", path("k"), "--person", "ann", NULL), 0);
	assert_string_equal(found(), "5371");
	/* Together with an exported file: each record once. */
	assert_int_equal(tollgate("", "audit", "search", "--file",
				 path("k/gw-2-00000001-0000000000000001.jsonl"), "--journal",
				 path("k"), NULL),
		0);
	assert_string_equal(found(), "87");
}

/* More segments than are examined for their times, each with the completion of the previous
 * request: every time window from both ends gives the result of a full scan. */
static void
windows_over_many_segments_equal_a_full_scan(void **state)
{
	static const char *const windows[][2] = { { "--since", "2026-11-16" },
		{ "--at", "2026-11-18" }, { "--at", "2026-11-22" },
		{ "--until", "2026-11-19 03:00" }, { "--since", "2026-11-25 12:00" },
		{ "--outcome", "complete" }, { "--outcome", "-" }, { "--person", "ann" } };
	static char scanned[sizeof(cmd_out)];
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s' && mkdir '%s'", path("m"), path("m"));
	assert_int_equal(system(command), 0);
	chain_build_free(&b);
	chain_build_init(&b, "gw-3");
	b.chain.boot = 1;
	now = ns(BEGIN);
	char before[32] = "";
	for (unsigned i = 0; i < 60; i++) {
		char id[32];
		uint64_t first = b.chain.seq + 1;
		snprintf(id, sizeof(id), "01AAAAAAAAAAAAAAAAAAAAAA%02u", i);
		if (before[0] && i % 7)
			completion(before, "complete", 200, "");
		decision(id, i % 3 ? "ann" : "bob", "permit", "");
		now += 4 * 60 * MINUTE;
		snprintf(before, sizeof(before), "%s", id);
		segment("m", first);
	}
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		for (int oldest = 0; oldest < 2; oldest++) {
			const char *last = oldest ? "--oldest" : NULL;
			assert_int_equal(search("m", "--limit", "0", windows[i][0],
						 windows[i][1], "--no-index", last, NULL),
				0);
			strcpy(scanned, cmd_out);
			assert_true(strlen(scanned) > 0);
			for (int made = 0; made < 2; made++) {
				assert_int_equal(search("m", "--limit", "0", windows[i][0],
							 windows[i][1], last, NULL),
					0);
				assert_string_equal(cmd_out, scanned);
			}
		}
}

static const struct {
	const char *name, *argument[4], *why;
} wrong[] = {
	{ "a time", { "--at", "last tuseday" }, "--at: 'last tuseday': 'tuseday' is not" },
	{ "a zone", { "--at", "today", "--zone", "Europe/Nowhere" }, "--zone Europe/Nowhere" },
	{ "two times", { "--at", "today", "--since", "1h" }, "give one of" },
	{ "half a range", { "--between", "today" }, "give two times" },
	{ "an end before its begin", { "--between", "today..yesterday" }, "is before" },
	{ "an outcome", { "--outcome", "completed" }, "--outcome: completed:" },
	{ "a decision", { "--decision", "permitted" }, "permit, redact, deny or observed" },
	{ "a term without a value", { "--person", "" }, "the value is empty" },
	{ "a term to count by", { "--by", "colour" }, "--by colour:" },
	{ "a limit", { "--limit", "many" }, "--limit many" },
	{ "a cursor", { "--after", "yesterday" }, "--after yesterday" },
	{ "a condition", { "--where", "record.x ==" }, "--where:1:" },
	{ "a name in one", { "--where", "prompt.bytes > 3" }, "conditions read record" },
	{ "an option", { "--colour", "red" }, "audit" },
	{ "an operand", { "alice" }, "audit" },
	{ "a folder", { "--journal", "/nowhere/at/all" }, "/nowhere/at/all" },
};

static void
invalid_searches_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *const *a = wrong[i].argument;
		int code = search("j", a[0], a[1], a[2], a[3], NULL);
		if (code != EXIT_CANNOT || !strstr(cmd_err, wrong[i].why))
			fail_msg("%s: %d, %s", wrong[i].name, code, cmd_err);
	}
	/* Records that cannot be evaluated are reported and left out. */
	assert_int_equal(search("j", "--where", "record.nothing == 1", NULL), 0);
	assert_string_equal(found(), "");
	assert_non_null(strstr(cmd_err, "could not be evaluated on 5 records"));
	assert_int_equal(search("j", "--where", "record.decision", NULL), 0);
	assert_non_null(strstr(cmd_err, "neither true nor false"));
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tg-search.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(path("j"), 0700), 0);
	assert_int_equal(mkdir(path("k"), 0700), 0);
	write_journal();
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	chain_build_free(&b);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(searches_find_their_records),
		cmocka_unit_test(completion_without_its_decision_is_found),
		cmocka_unit_test(search_by_provider_finds_backends),
		cmocka_unit_test(search_finds_records_of_other_types),
		cmocka_unit_test(json_output_has_its_members),
		cmocka_unit_test(counts_equal_the_found_records),
		cmocka_unit_test(pages_have_each_record_once),
		cmocka_unit_test(invalid_searches_are_refused),
		cmocka_unit_test(damaged_index_changes_no_result),
		cmocka_unit_test(stale_index_changes_no_result),
		cmocka_unit_test(index_with_false_entries_changes_no_result),
		cmocka_unit_test(index_with_missing_entries_is_detected_by_check),
		cmocka_unit_test(index_with_false_counts_changes_no_count),
		cmocka_unit_test(search_works_without_write_access),
		cmocka_unit_test(full_disk_leaves_no_incomplete_index),
		cmocka_unit_test(several_journals_are_merged),
		cmocka_unit_test(windows_over_many_segments_equal_a_full_scan),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
