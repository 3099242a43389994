/* Records written while the clock was wrong and after its correction. Every command with a time
 * range finds each record of that time, whatever the order of the segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/replace.h"
#include "record/audit/record_terms.h"
#include "record/journal/times.h"
#include "support/chain_build.h"
#include "support/run_cmd.h"

#define MINUTE_NS INT64_C(60000000000)

/* A run of the program takes ten times as long if it is sanitized: then one time of three is tried,
 * another one for each row. */
#ifdef TG_SANITIZE
enum { TIMES_APART = 3 };
#else
enum { TIMES_APART = 1 };
#endif
enum { SEGMENTS = 8, EACH = 5 }; /* segments; decisions in a segment, a minute apart */

static struct chain_build b;
static int64_t noon_ns;
static int64_t written_ns[SEGMENTS * EACH];
static size_t nwritten;
static int64_t apart = 1; /* minutes between the decisions of a segment */
static unsigned
	goes_on; /* bit i: the process that wrote the previous segment also wrote segment i */

/* Writes one of EACH decisions. */
static void
decision(size_t i, int64_t at_ns)
{
	char fields[512], time[CLOCK_RFC3339_LEN];

	clock_rfc3339(at_ns, time);
	snprintf(fields, sizeof(fields),
		"\"type\":\"decision\",\"id\":\"01AAAAAAAAAAAAAAAAAAAAA%03zu\",\"decided_at\":"
		"\"%s\",\"decision\":\"permit\",\"via\":\"direct\",\"route\":\"chat\",\"target\":"
		"\"openai\",\"model\":\"m1\",\"identity\":{\"method\":\"jwt\",\"person\":\"ann\"}",
		i, time);
	chain_record(&b.out, &b.chain, at_ns, span_str(fields));
	chain_build_commit(&b);
	written_ns[nwritten++] = at_ns;
}

/* Each segment begins at its minute after noon; INT64_MAX ends the list. */
static void
write_segments(const int64_t minute[SEGMENTS])
{
	char command[256], name[64];

	snprintf(command, sizeof(command), "rm -rf '%s' '%s'; mkdir '%s'", path("j"),
		path("j.index"), path("j"));
	assert_int_equal(system(command), 0);
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	nwritten = 0;
	for (size_t i = 0; i < SEGMENTS && minute[i] != INT64_MAX; i++) {
		uint64_t first = b.chain.seq + 1;
		b.chain.boot += !(goes_on >> i & 1);
		for (int64_t k = 0; k < EACH; k++)
			decision(nwritten, noon_ns + (minute[i] + k * apart) * MINUTE_NS);
		snprintf(name, sizeof(name), "j/gw-1-%08d-%016d.jsonl", (int)b.chain.boot,
			(int)first);
		put_span(name, buf_view(&b.out));
		buf_clear(&b.out);
	}
}

/* Returns how many decisions are in the range; until_ns 0: no end. */
static size_t
within(int64_t since_ns, int64_t until_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < nwritten; i++)
		n += written_ns[i] >= since_ns && (!until_ns || written_ns[i] < until_ns);
	return n;
}

static size_t
times_in(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* Returns the number after these words, or 0 if they do not occur. */
static size_t
number_after(const char *text, const char *words)
{
	const char *at = strstr(text, words);

	return at ? strtoul(at + strlen(words), NULL, 10) : 0;
}

static const struct command {
	const char *name, *arguments[8];
	const char
		*each; /* a text that occurs once for each decision; NULL: `number` is used */
	const char *number;
	bool silent; /* reads each line and does not compare times of segments */
} commands[] = {
	/* clang-format off */
{ "audit list", { "audit", "list", "--json" }, "\"id\":\"01AAA", NULL, false },
{ "audit search", { "audit", "search", "--limit", "0" }, "01AAAAA", NULL, false },
{ "audit search, the oldest first", { "audit", "search", "--limit", "0", "--oldest" }, "01AAAAA", NULL, false },
{ "audit search --no-index", { "audit", "search", "--limit", "0", "--no-index" }, "01AAAAA", NULL, true },
{ "audit search --person", { "audit", "search", "--limit", "0", "--person", "ann" }, "01AAAAA", NULL, false },
{ "usage", { "usage", "--by", "person", "--json" }, NULL, "\"requests\":", false },
{ "usage --no-index", { "usage", "--by", "person", "--json", "--no-index" }, NULL, "\"requests\":", true },
{ "audit export", { "audit", "export" }, "\"id\":\"01AAA", NULL, false },
{ "audit report", { "audit", "report", "--json" }, NULL, "\"decision\": ", false },
	/* clang-format on */
};

static void
finds_all(const char *what, int64_t since_ns, int64_t until_ns, bool back)
{
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN];

	clock_rfc3339(since_ns, since);
	clock_rfc3339(until_ns, until);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command *c = &commands[i];
		const char *args[20] = { NULL };
		size_t n = 0;
		for (; c->arguments[n]; n++)
			args[n] = c->arguments[n];
		args[n++] = "--journal";
		static char journal[256];
		snprintf(journal, sizeof(journal), "%s", path("j"));
		args[n++] = journal;
		args[n++] = "--since";
		args[n++] = since;
		if (until_ns) {
			args[n++] = "--until";
			args[n++] = until;
		}
		int code = tollgate_argv("", args);
		size_t got = c->each ? times_in(cmd_out, c->each)
				     : number_after(cmd_out, c->number);
		if (code || got != within(since_ns, until_ns))
			fail_msg("%s: %s --since %s%s%s: exit %d, %zu of %zu\n%.2000s%.2000s", what,
				c->name, since, until_ns ? " --until " : "", until_ns ? until : "",
				code, got, within(since_ns, until_ns), cmd_out, cmd_err);
		if (!c->silent && !strstr(cmd_err, "node gw-1: times go back") == back)
			fail_msg("%s: %s: reports that times go back: %s", what, c->name,
				cmd_err);
	}
}

static void
records_of_a_time_are_found_in_any_order_of_segments(void **state)
{
	static const struct {
		const char *name;
		int64_t minute[SEGMENTS]; /* when segments began; INT64_MAX: the end */
	} rows[] = {
		{ "the clock was right", { 0, 60, 120, 180, INT64_MAX } },
		{ "one start two hours behind", { 0, 60, -30, 120, 180, INT64_MAX } },
		{ "the last start two hours behind", { 0, 60, 120, 0, INT64_MAX } },
		{ "one start ten days ahead", { 0, 60, 14400, 120, 180, INT64_MAX } },
		{ "ahead, then behind", { 0, 60, 14400, -600, 120, INT64_MAX } },
		{ "each start earlier", { 180, 120, 60, 0, INT64_MAX } },
		{ "two starts a day behind", { 0, 60, -1440, -1380, 120, 180, INT64_MAX } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		static const int64_t since[] = { -1379, -29, 2, 61, 122, 14402 };
		write_segments(rows[i].minute);
		for (size_t k = i % TIMES_APART; k < COUNT_OF(since); k += TIMES_APART) {
			int64_t since_ns = noon_ns + since[k] * MINUTE_NS;
			finds_all(rows[i].name, since_ns, 0, i > 0);
			finds_all(rows[i].name, since_ns, since_ns + 90 * MINUTE_NS, i > 0);
		}
	}
}

static void
clock_leap_does_not_confirm_itself(void **state)
{
	static const struct {
		const char *name;
		int64_t minute[SEGMENTS],
			want; /* when segments began; the expected last time */
		unsigned goes_on;
	} rows[] = {
		{ "the clock was right", { 0, 60, 120, INT64_MAX }, 124, 0 },
		{ "ten days ahead at the last start", { 0, 60, 14400, INT64_MAX }, 68, 0 },
		{ "at the last two starts", { 0, 60, 14400, 14410, INT64_MAX }, 72, 0 },
		{ "ahead, corrected, ahead again", { 14400, 60, 14410, INT64_MAX }, 68, 0 },
		{ "and corrected since then", { 0, 60, 14400, 120, INT64_MAX }, 124, 0 },
		{ "ahead from the beginning, and corrected", { 14400, 120, INT64_MAX }, 124, 0 },
		{ "behind at the last start", { 0, 60, -120, INT64_MAX }, -116, 0 },
		{ "behind by hours, and corrected", { 0, 60, -500, 70, INT64_MAX }, 74, 0 },
		{ "behind by a day, and corrected", { 0, 60, -1440, 70, INT64_MAX }, -1432, 0 },
		{ "a night off", { 0, 700, INT64_MAX }, 704, 0 },
		{ "at the last three starts", { 0, 14400, 14410, 14420, INT64_MAX }, 4 + 3 * 4,
			0 },
		{ "behind by a day while it ran, and corrected", { 0, 60, -1380, 62, INT64_MAX },
			66, 1 << 2 | 1 << 3 },
		{ "and started again", { 0, 60, -1380, 62, 70, INT64_MAX }, 74, 1 << 2 | 1 << 3 },
		{ "behind by a day at the start, and corrected while it ran",
			{ 0, 60, -1380, 62, INT64_MAX }, 66, 1 << 3 },
		{ "ahead while it ran, twice", { 0, 14400, 62, 14410, INT64_MAX }, 70,
			1 << 1 | 1 << 2 | 1 << 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		goes_on = rows[i].goes_on;
		write_segments(rows[i].minute);
		int64_t got = journal_last_time(path("j"), "gw-1", INT64_C(43200000000000));
		if (got != noon_ns + rows[i].want * MINUTE_NS)
			fail_msg("%s: %lld", rows[i].name,
				(long long)((got - noon_ns) / MINUTE_NS));
	}
	goes_on = 0;
	/* The daemon has run for a day since. */
	apart = 400;
	write_segments((const int64_t[SEGMENTS]){ 0, 14400, 16010, INT64_MAX });
	apart = 1;
	assert_int_equal(journal_last_time(path("j"), "gw-1", INT64_C(43200000000000)),
		noon_ns + (16010 + 4 * 400) * MINUTE_NS);
	assert_int_equal(journal_last_time(path("j"), "gw-2", 1), TIMES_UNKNOWN);
	assert_int_equal(journal_last_time(path("nowhere"), "gw-1", 1), TIMES_UNKNOWN);
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tg-clock-back.XXXXXX");
	assert_non_null(mkdtemp(dir));
	return clock_parse("2026-11-17T12:00:00Z", 20, &noon_ns);
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
		cmocka_unit_test(records_of_a_time_are_found_in_any_order_of_segments),
		cmocka_unit_test(clock_leap_does_not_confirm_itself),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
