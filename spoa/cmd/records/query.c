/* What a command that asks records was told: where, and of which time. */
#include "cmd/records/query.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/daemon/reading.h"
#include "cmd/when.h"
#include "policy/config/config.h"

int
query_word(const char *what, enum record_term t, struct span word)
{
	static const char *const decisions[] = { "permit", "redact", "deny", "observed" };

	if (t == RT_OUTCOME && !record_outcome_known(word))
		return cmd_fail(what, "--outcome: %.*s: " RECORD_OUTCOME_WORDS " is expected",
			SPAN_ARG(word));
	if (t == RT_DECISION &&
		span_find(word, decisions, COUNT_OF(decisions)) == COUNT_OF(decisions))
		return cmd_fail(what,
			"--decision: %.*s: permit, redact, deny or observed is expected",
			SPAN_ARG(word));
	return 0;
}

/* --at, or --between with one time or two. False: not understood. */
static bool
read_between(struct query *q, const struct cel_zone *z, struct when *w, struct buf *why)
{
	int64_t now = clock_wall_ns();

	if (q->said_at)
		return when_read(span_str(q->said_at), z, now, w, why);
	if (q->said_end)
		return when_between(
			span_str(q->said_between), span_str(q->said_end), z, now, w, why);
	if (strstr(q->said_between, ".."))
		return when_read(span_str(q->said_between), z, now, w, why);
	buf_str(why, "two times are expected: --between A B, or A..B");
	return false;
}

int
query_times(struct query *q)
{
	const struct cel_zone *z = NULL;
	struct when w = { 0 };
	const char *bad = NULL;

	arena_init(&q->arena, 16u << 20, false);
	if (!!q->said_at + !!q->said_between + (q->said_since || q->said_until) > 1)
		return cmd_fail(
			q->what, "give one of --at, --between, and --since with --until");
	if (q->said_zone && !(z = cel_zone_load(&q->arena, span_str(q->said_zone), &bad)))
		return cmd_fail(q->what, "--zone %s: %s", q->said_zone, bad);
	if (q->said_at || q->said_between) {
		char from[CLOCK_SECOND_LEN], until[CLOCK_SECOND_LEN];
		SCOPED_BUF(why, 8192);
		if (!read_between(q, z, &w, &why))
			return cmd_fail(q->what, "--%s: %.*s", q->said_at ? "at" : "between",
				SPAN_ARG(buf_view(&why)));
		if (w.twice)
			fprintf(stderr,
				"tollgate: %s: the clock showed this time twice: both are "
				"searched\n",
				q->what);
		clock_second(q->since_ns = w.from_ns, from);
		clock_second(q->until_ns = w.until_ns, until);
		fprintf(stderr, "from %s to %s\n", from, until);
	}
	int code = when_period(
		q->what, q->said_since, q->said_until, z, &q->since_ns, &q->until_ns);
	if (q->since_ns || q->said_since)
		clock_rfc3339(q->since_ns, q->since);
	if (q->until_ns || q->said_until)
		clock_rfc3339(q->until_ns, q->until);
	return code;
}

int
query_source(struct query *q)
{
	struct span journal = span_str(q->journal);
	const char *file = config_find(q->config);

	if (span_ends(journal, SPAN_LIT(JOURNAL_RESTORED_SUFFIX))) {
		journal.n -= sizeof(JOURNAL_RESTORED_SUFFIX) - 1;
		q->journal = arena_printf(&q->arena, "%.*s", SPAN_ARG(journal)).p;
		q->restored = true;
		if (!q->journal)
			return cmd_fail(q->what, "out of memory");
	}
	if (!q->journal && !q->redis && !q->file) {
		if (!file)
			return cmd_no_config(q->what, q->config,
				", or the records with --journal, --redis or --file");
		const struct config *cfg = cmd_config(&q->arena, q->config);
		if (!cfg)
			return cmd_fail(q->what,
				"%s: not a valid configuration; see tollgate check", file);
		if (!cfg->journal)
			return cmd_fail(q->what, "%s: has no audit.journal", file);
		q->journal = cfg->journal;
		if (access(cfg->other_journal, F_OK) == 0)
			q->beside = cfg->other_journal;
	}
	reading_of(q->journal, q->redis, q->file);
	return 0;
}

int
query_begin(struct query *q, const struct cmd_option *options, char *const *operands, int n)
{
	if (options) {
		reading_begin(q->what, q->config, options, operands, n);
		reading_window(q->since_ns, q->until_ns);
	}
	return query_source(q);
}

int
query_end(struct query *q, int code)
{
	arena_reset(&q->arena);
	return reading_end(code);
}
