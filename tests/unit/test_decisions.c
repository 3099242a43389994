/* The live stream of decisions. Each viewer sees each decision once, from where the viewer left
 * off, across segments and a restart. Missing decisions are reported. A viewer that does not
 * read is closed. Uses a journal of its own, written by an audit thread. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "operator/admin/decisions.h"
#include "support/audit_rig.h"

static struct rig r;
static struct decisions *d;

static bool
journal_end(void *arg, struct follow_end *out)
{
	struct rig *rig = arg;

	return rig->audit && audit_end(rig->audit, out);
}

static void
begin(uint64_t still_us, uint64_t comment_us)
{
	const struct decisions_options o = { r.journal, "gw-1", journal_end, &r, &r.metrics,
		still_us, comment_us };

	d = decisions_new(&o);
	assert_non_null(d);
}

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	return 0;
}

static int looking; /* number of open viewers */

static int
teardown(void **state)
{
	(void)state;
	if (looking) /* the test failed with its reason, and its viewers are left alone */
		d = NULL;
	looking = 0;
	decisions_free(&d);
	rig_free(&r);
	return 0;
}

/* ---- a viewer ---- */

struct looker {
	struct viewer *v;
	sem_t woken;
	atomic_bool cut, gone;
	struct buf got;
};

static void
sleeps(void *arg)
{
	(void)arg;
}

static void
wakes(void *arg)
{
	sem_post(&((struct looker *)arg)->woken);
}

static void
cuts(void *arg)
{
	struct looker *l = arg;

	atomic_store(&l->cut, true);
	sem_post(&l->woken);
}

static bool
stays(void *arg)
{
	return !atomic_load(&((struct looker *)arg)->gone);
}

static const struct viewer_calls calls = { sleeps, wakes, cuts, stays };

/* Returns the status. */
static int
look(struct looker *l, struct viewer_asked asked)
{
	int status = 200;
	struct buf why;

	memset(l, 0, sizeof(*l));
	sem_init(&l->woken, 0, 0);
	buf_init(&l->got, 0);
	buf_init(&why, 4096);
	l->v = decisions_open(d, &asked, &calls, l, &status, &why);
	if (!l->v)
		assert_true(why.n > 0);
	buf_free(&why);
	looking += l->v != NULL;
	return l->v ? 200 : status;
}

static uint64_t
leave(struct looker *l)
{
	uint64_t shown = decisions_close(&l->v);

	looking--;
	buf_free(&l->got);
	sem_destroy(&l->woken);
	return shown;
}

/* Reads `piece` bytes at a time until the text was sent. Returns false if the stream ended
 * before. */
static bool
until(struct looker *l, const char *text, size_t piece)
{
	char out[1 << 16];
	ssize_t n;

	for (;;) {
		struct span got = buf_view(&l->got);
		if (got.n && memmem(got.p, got.n, text, strlen(text)))
			return true;
		n = decisions_take(l->v, out, piece);
		if (n < 0)
			return false;
		if (n > 0)
			buf_put(&l->got, out, (size_t)n);
		else
			while (sem_wait(&l->woken) < 0)
				;
	}
}

static size_t
times(const struct looker *l, const char *text)
{
	struct span s = buf_view(&l->got);
	size_t n = 0;
	const char *at;

	for (; s.n && (at = memmem(s.p, s.n, text, strlen(text))); n++)
		s = span_cut(s, (size_t)(at - s.p) + 1, s.n);
	return n;
}

static bool
has(const struct looker *l, const char *text)
{
	return times(l, text) > 0;
}

/* Writes a record, waits for it and returns its sequence number. */
static uint64_t
put(const char *fields)
{
	struct audit_entry e = { .done = rig_done };
	sem_t s;

	sem_init(&s, 0, 0);
	e.arg = &s;
	buf_init(&e.fields, 0);
	buf_str(&e.fields, fields);
	audit_append(r.audit, &e);
	rig_wait(&s);
	buf_free(&e.fields);
	sem_destroy(&s);
	assert_int_equal(e.err, 0);
	return e.seq;
}

static uint64_t
decide(const char *id, const char *decision, const char *person)
{
	char fields[512];

	snprintf(fields, sizeof(fields),
		"\"type\":\"decision\",\"id\":\"%s\",\"decided_at\":\"2026-11-23T00:00:00."
		"000000Z\","
		"\"decision\":\"%s\",\"status\":403,\"rule\":\"no-cards\",\"reason\":\"cards\","
		"\"route\":\"chat\",\"target\":\"openai\",\"model\":\"gpt\","
		"\"identity\":{\"person\":\"%s\"},\"classes\":[\"pci\"]",
		id, decision, person);
	return put(fields);
}

static struct span
place_of(uint64_t seq, char room[64])
{
	snprintf(room, 64, "gw-1/%" PRIu64, seq);
	return span_str(room);
}

/* ---- tests ---- */

static void
decision_and_completion_are_separate_events(void **state)
{
	struct looker l;

	(void)state;
	assert_started();
	begin(0, 0);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	uint64_t seq = decide("01J", "deny", "alice");
	put("\"type\":\"completion\",\"id\":\"01J\",\"outcome\":\"done\",\"status\":200,"
	    "\"usage\":{\"input_tokens\":3,\"output_tokens\":4},\"cost_nanousd\":5,"
	    "\"duration_us\":1500000");
	put("\"type\":\"policy\",\"policy\":\"p\"");
	assert_true(until(&l, "event: completion", 7));
	assert_true(until(&l, "\"ms\":1500}\n\n", 7));
	char id[80], want[600];
	snprintf(id, sizeof(id), "id: gw-1/%" PRIu64 "\nevent: decision\ndata: ", seq);
	snprintf(want, sizeof(want),
		"\"decided_at\":\"2026-11-23T00:00:00.000000Z\",\"id\":\"01J\",\"person\":"
		"\"alice\",\"route\":\"chat\",\"target\":\"openai\",\"model\":\"gpt\","
		"\"decision\":"
		"\"deny\",\"status\":403,\"rule\":\"no-cards\",\"reason\":\"cards\","
		"\"classes\":"
		"[\"pci\"]}\n\n");
	assert_true(has(&l, id) && has(&l, want));
	assert_true(has(&l, "\"outcome\":\"done\",\"input_tokens\":3,\"output_tokens\":4,"
			    "\"cost_nanousd\":5,\"ms\":1500}"));
	assert_int_equal(times(&l, "\nevent: "), 2);
	assert_int_equal(leave(&l), 2);
}

/* Text from callers is sent as shortened ASCII text, and never as a line of the stream. */
static void
text_of_callers_is_escaped(void **state)
{
	struct span line = SPAN_LIT(
		"{\"v\":1,\"node\":\"gw-1\",\"boot\":1,\"seq\":7,\"prev\":\"\",\"time\":\"t\","
		"\"type\":\"decision\",\"id\":\"x\",\"model\":\"<b>\\u202e\\n\\ndata: y\","
		"\"reason\":\"\xc3\xa4\"}");
	char long_line[2048];

	(void)state;
	struct event *e = event_of(line);
	assert_non_null(e);
	assert_int_equal(span_chr(e->text, '\n'), 10);
	assert_non_null(memmem(e->text.p, e->text.n, "<b>\\u202E\\n\\ndata: y", 20));
	for (size_t i = 0; i < e->text.n; i++)
		assert_true(e->text.p[i] > 0);
	free(e);
	snprintf(long_line, sizeof(long_line),
		"{\"type\":\"decision\",\"seq\":1,\"reason\":\"a%0600d\",\"classes\":[1,{\"a\":"
		"2}]}",
		0);
	for (char *at = strchr(long_line, 'a') + 1; (at = strstr(at, "00"));)
		memcpy(at, "\xc3\xa4", 2);
	e = event_of(span_str(long_line));
	assert_non_null(e);
	assert_true(e->text.n < 1800);
	free(e);
	static const char *const none[] = { "", "{", "[]", "{\"type\":\"boot\"}",
		"{\"type\":7}" };
	for (size_t i = 0; i < COUNT_OF(none); i++)
		assert_null(event_of(span_str(none[i])));
}

static void
filtered_stream_has_matching_decisions_with_completions(void **state)
{
	struct looker l, other;

	(void)state;
	assert_started();
	begin(0, 0);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0"),
					  .decision = SPAN_LIT("deny,redact"),
					  .person = SPAN_LIT("alice") }),
		200);
	assert_int_equal(look(&other, (struct viewer_asked){ .after = SPAN_LIT("0"),
					      .model = SPAN_LIT("none") }),
		200);
	decide("p1", "permit", "alice");
	decide("d1", "deny", "bob");
	decide("d2", "deny", "alice");
	put("\"type\":\"completion\",\"id\":\"p1\",\"identity\":{\"person\":\"alice\"}");
	put("\"type\":\"completion\",\"id\":\"d2\",\"identity\":{\"person\":\"alice\"}");
	decide("r1", "redact", "alice");
	assert_true(until(&l, "\"id\":\"r1\"", 4096));
	assert_int_equal(times(&l, "\nevent: "), 3);
	assert_int_equal(times(&l, "\"id\":\"d2\""), 2);
	assert_false(has(&l, "\"p1\"") || has(&l, "\"d1\""));
	leave(&l);
	assert_int_equal(leave(&other), 0);
}

/* An event has the calls that the gateway judged. Without them it has the names in the response. */
static void
event_names_the_called_tools(void **state)
{
	static const struct {
		const char *name, *line, *want; /* want "": no member */
	} rows[] = {
		{ "calls of servers", "\"calls\":[{\"server\":\"files\",\"tool\":\"read\"},{\"server\":\"files\",\"method\":\"ping\"}]",
			"\"tools\":[\"files/read\"]" },
		{ "a call without a server", "\"calls\":[{\"by\":\"answer\",\"tool\":\"weather\"}],\"answer\":{\"tool_calls\":[\"other\"]}",
			"\"tools\":[\"/weather\"]" },
		{ "calls that nobody judged", "\"answer\":{\"tool_calls\":[\"a\",\"b/c\"]}",
			"\"tools\":[\"/a\",\"/b/c\"]" },
		{ "no call", "\"answer\":{\"tool_calls\":[]}", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_BUF(line, 4096);
		buf_printf(&line, "{\"v\":1,\"node\":\"n\",\"seq\":1,\"type\":\"completion\",\"id\":\"x\",%s}", rows[i].line);
		struct event *e = event_of(buf_view(&line));
		assert_non_null(e);
		bool has = memmem(e->text.p, e->text.n, "\"tools\"", 7) != NULL;
		if (has != (rows[i].want[0] != '\0') ||
			!memmem(e->text.p, e->text.n, rows[i].want, strlen(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(e->text));
		free(e);
	}
}

static void
parameters_of_a_viewer_are_checked(void **state)
{
	char longer[300];
	static const struct {
		struct viewer_asked asked;
	} rows[] = {
		{ { .decision = { "maybe", sizeof("maybe") - 1 } } },
		{ { .decision = { "deny,", sizeof("deny,") - 1 },
			.after = { "gw-1/", sizeof("gw-1/") - 1 } } },
		{ { .after = { "gw 1/5", sizeof("gw 1/5") - 1 } } },
		{ { .after = { "-1", sizeof("-1") - 1 } } },
		{ { .after = { "gw-1/5x", sizeof("gw-1/5x") - 1 } } },
		{ { .after = { "18446744073709551615", sizeof("18446744073709551615") - 1 } } },
	};
	struct looker l;

	(void)state;
	assert_started();
	begin(0, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(look(&l, rows[i].asked), 400);
		buf_free(&l.got);
	}
	memset(longer, 'x', sizeof(longer));
	assert_int_equal(
		look(&l, (struct viewer_asked){ .person = span_of(longer, sizeof(longer)) }),
		400);
	buf_free(&l.got);
}

/* A viewer that returns receives the records after the one that it names, each once. */
static void
stream_continues_after_the_named_record(void **state)
{
	struct looker l;
	char room[64], id[40], text[64];
	uint64_t seq = 0;
	int seen = 0;

	(void)state;
	r.cfg.journal_segment_bytes = 4096; /* a few records per segment */
	assert_started();
	begin(0, 0);
	for (int i = 0; i < 120; i++) {
		snprintf(id, sizeof(id), "id-%03d", i);
		uint64_t at = decide(id, "permit", "alice");
		if (i == 0)
			seq = at - 1;
		if (i == 60) { /* the daemon restarts */
			audit_stop(&r.audit);
			assert_started();
		}
		if (i % 20 != 19)
			continue;
		assert_int_equal(
			look(&l, (struct viewer_asked){ .after = place_of(seq, room) }), 200);
		snprintf(text, sizeof(text), "\"id\":\"%s\"", id);
		assert_true(until(&l, text, 100));
		assert_true(until(&l, "]}\n\n", 100));
		for (; seen <= i; seen++) {
			snprintf(text, sizeof(text), "\"id\":\"id-%03d\"", seen);
			assert_int_equal(times(&l, text), 1);
		}
		assert_int_equal(times(&l, "\nevent: "), 20);
		assert_false(has(&l, "event: gap"));
		seq = at;
		leave(&l);
	}
	assert_true(rig_segments(&r) > 5);
}

/* Without a position, the stream begins now, or with the last matching decisions. */
static void
stream_begins_now_or_with_the_last_matches(void **state)
{
	struct looker l;
	struct follow_end upto;

	(void)state;
	assert_started();
	begin(0, 0);
	for (int i = 0; i < 5; i++) {
		decide("old-d", "deny", "alice");
		decide("old-p", "permit", "alice");
	}
	while (!audit_end(r.audit, &upto) || upto.seq < 11)
		usleep(1000);
	assert_int_equal(
		look(&l, (struct viewer_asked){ .decision = SPAN_LIT("deny"), .last = 3 }),
		200);
	decide("new", "deny", "alice");
	assert_true(until(&l, "\"new\"", 4096));
	assert_int_equal(times(&l, "old-d"), 3);
	assert_false(has(&l, "old-p"));
	leave(&l);
	assert_int_equal(
		look(&l, (struct viewer_asked){ .after = (struct span){ NULL, 0 } }), 200);
	decide("newer", "deny", "alice");
	assert_true(until(&l, "\"newer\"", 4096));
	assert_false(has(&l, "old"));
	leave(&l);
}

static void
unknown_position_is_reported_as_a_gap(void **state)
{
	struct looker l;
	struct follow_end upto;

	(void)state;
	assert_started();
	begin(0, 0);
	decide("one", "deny", "alice");
	while (!audit_end(r.audit, &upto) || upto.seq < 2)
		usleep(1000);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("gw-2/1") }), 200);
	assert_true(until(&l, "event: gap", 4096));
	assert_true(has(&l, "\"from\":0,\"to\":2,\"why\":\"the position belongs to another node\""));
	leave(&l);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("gw-1/900") }), 200);
	assert_true(until(&l, "event: gap", 4096));
	assert_true(has(&l, "\"from\":3,\"to\":900,\"why\":\"the journal ends before this position\""));
	leave(&l);
}

static void
position_too_far_back_is_reported_as_a_gap(void **state)
{
	enum { SENT = CAP_DECISION_EVENTS + 2000, AT_ONCE = 500 };
	static struct audit_entry e[AT_ONCE];
	struct looker l;
	sem_t came;

	(void)state;
	assert_started();
	begin(0, 0);
	sem_init(&came, 0, 0);
	for (int i = 0; i < SENT; i += AT_ONCE) {
		for (int k = 0; k < AT_ONCE; k++)
			rig_send(&r, &e[k], &came, "x");
		for (int k = 0; k < AT_ONCE; k++)
			rig_wait(&came);
		for (int k = 0; k < AT_ONCE; k++)
			buf_free(&e[k].fields);
	}
	uint64_t last = decide("end", "permit", "alice");
	struct follow_end upto;
	while (!audit_end(r.audit, &upto) || upto.seq < last)
		usleep(1000);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("gw-1/5") }), 200);
	assert_true(until(&l, "\"id\":\"end\"", 1 << 16));
	assert_int_equal(times(&l, "event: gap"), 1);
	char want[100];
	snprintf(want, sizeof(want),
		"\"from\":6,\"to\":%" PRIu64 ",\"why\":\"this position is too old",
		last - CAP_DECISION_EVENTS);
	assert_true(has(&l, want));
	assert_int_equal(times(&l, "event: decision"), CAP_DECISION_EVENTS);
	leave(&l);
	sem_destroy(&came);
}

/* Records that another program removed from the journal are reported too. */
static void
removed_records_are_reported_as_a_gap(void **state)
{
	struct looker l;

	(void)state;
	r.cfg.journal_segment_bytes = 1;
	assert_started();
	begin(0, 0);
	uint64_t first = decide("one", "deny", "alice");
	decide("two", "deny", "alice");
	uint64_t two = first + 1;
	decide("three", "deny", "alice");
	decide("four", "deny", "alice");
	rig_sh("rm %s/gw-1-*-%016" PRIu64 ".jsonl", r.journal, two);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	assert_true(until(&l, "\"four\"", 4096));
	char want[100];
	snprintf(want, sizeof(want),
		"\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"why\":\"these records are not in the journal\"", two,
		two);
	assert_true(has(&l, want));
	assert_false(has(&l, "\"two\""));
	leave(&l);
}

static void
number_of_viewers_is_limited(void **state)
{
	static struct looker l[CAP_DECISION_VIEWERS + 1];

	(void)state;
	assert_started();
	begin(0, 0);
	struct looker *one_more = &l[CAP_DECISION_VIEWERS];
	for (int i = 0; i < CAP_DECISION_VIEWERS; i++) {
		struct viewer_asked asked = { .who.b[0] = (unsigned char)(i / CAP_VIEWERS_EACH),
			.last = 1 };
		assert_int_equal(look(&l[i], asked), 200);
		if (i != CAP_VIEWERS_EACH - 1)
			continue;
		assert_int_equal(
			look(one_more, asked), 503); /* the caller has reached its share */
		buf_free(&one_more->got);
	}
	assert_int_equal(
		look(one_more, (struct viewer_asked){ .who.b[0] = 99, .last = 1 }), 503);
	buf_free(&one_more->got);
	assert_int_equal(rig_count(&r, M_DECISION_VIEWERS_REFUSED), 2);
	leave(&l[3]);
	assert_int_equal(look(&l[3], (struct viewer_asked){ .last = 1 }), 200);
	decide("seen", "deny", "alice");
	for (int i = 0; i < CAP_DECISION_VIEWERS; i++) {
		assert_true(until(&l[i], "\"seen\"", 4096));
		leave(&l[i]);
	}
}

/* One viewer reads nothing while another continues to read. */
static void
viewer_that_does_not_read_is_closed(void **state)
{
	struct looker slow, quick;
	char out[64];

	(void)state;
	assert_started();
	begin(300000, 0);
	assert_int_equal(look(&slow, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	assert_true(decisions_take(slow.v, out, sizeof(out)) > 0);
	assert_int_equal(look(&quick, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	decide("seen", "deny", "alice");
	assert_true(until(&quick, "\"seen\"", 4096));
	assert_int_equal(
		decisions_take(quick.v, out, sizeof(out)), 0); /* nothing new is available */
	while (!atomic_load(&slow.cut))
		usleep(1000);
	assert_int_equal(decisions_take(slow.v, out, sizeof(out)), -1);
	assert_int_equal(rig_count(&r, M_DECISION_VIEWERS_DROPPED), 1);
	leave(&slow);
	decide("after", "deny", "alice");
	assert_true(until(&quick, "\"after\"", 4096));
	leave(&quick);
}

/* A viewer that reads too slowly is closed when the ring has passed its position. */
static void
overtaken_viewer_is_closed(void **state)
{
	enum { AT_ONCE = 512 };
	static struct audit_entry e[AT_ONCE];
	struct looker slow;
	char out[64];
	sem_t came;

	(void)state;
	assert_started();
	begin(0, 0);
	assert_int_equal(look(&slow, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	decide("first", "deny", "alice");
	assert_true(until(&slow, "event: ", 16));
	sem_init(&came, 0, 0);
	for (int i = 0; i < CAP_DECISION_EVENTS + 2 * AT_ONCE; i += AT_ONCE) {
		for (int k = 0; k < AT_ONCE; k++)
			rig_send(&r, &e[k], &came, "x");
		for (int k = 0; k < AT_ONCE; k++)
			rig_wait(&came);
		for (int k = 0; k < AT_ONCE; k++)
			buf_free(&e[k].fields);
	}
	while (!atomic_load(&slow.cut))
		usleep(1000);
	assert_int_equal(decisions_take(slow.v, out, sizeof(out)), -1);
	assert_int_equal(rig_count(&r, M_DECISION_VIEWERS_DROPPED), 1);
	leave(&slow);
	sem_destroy(&came);
}

static void
end_of_a_session_ends_its_stream(void **state)
{
	struct looker l;

	(void)state;
	assert_started();
	begin(0, 0);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	decide("seen", "deny", "alice");
	assert_true(until(&l, "\"seen\"", 4096));
	atomic_store(&l.gone, true);
	assert_false(until(&l, "never", 4096));
	assert_int_equal(rig_count(&r, M_DECISION_VIEWERS_DROPPED), 0);
	leave(&l);
}

/* Reads comments until one states that position or a later one, which may be a checkpoint's. */
static void
until_told(struct looker *l, uint64_t seq)
{
	static const char mark[] = ": here\nid: gw-1/";

	for (uint64_t told = 0; told < seq; buf_clear(&l->got)) {
		assert_true(until(l, mark, 4096));
		buf_putc(&l->got, '\0');
		told = strtoull(strstr(buf_view(&l->got).p, mark) + strlen(mark), NULL, 10);
	}
}

/* A comment is sent now and then with the position at which the stream would continue, because
 * filters may hide everything else. */
static void
quiet_stream_reports_its_position(void **state)
{
	struct looker l;

	(void)state;
	assert_started();
	begin(0, 200000);
	uint64_t before = decide("before", "deny", "alice");
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0"),
					  .person = SPAN_LIT("nobody") }),
		200);
	until_told(&l, before);
	until_told(&l, decide("unseen", "deny", "alice"));
	assert_int_equal(leave(&l), 0);
}

static void
all_streams_end_with_the_daemon(void **state)
{
	struct looker l;

	(void)state;
	assert_started();
	begin(0, 0);
	assert_int_equal(look(&l, (struct viewer_asked){ .after = SPAN_LIT("0") }), 200);
	decide("seen", "deny", "alice");
	assert_true(until(&l, "\"seen\"", 4096));
	decisions_end(d);
	assert_false(until(&l, "never", 4096));
	struct looker late;
	assert_int_equal(look(&late, (struct viewer_asked){ .last = 1 }), 503);
	buf_free(&late.got);
	leave(&l);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(decision_and_completion_are_separate_events),
		T(text_of_callers_is_escaped),
		T(filtered_stream_has_matching_decisions_with_completions),
		cmocka_unit_test(event_names_the_called_tools),
		T(parameters_of_a_viewer_are_checked),
		T(stream_continues_after_the_named_record),
		T(stream_begins_now_or_with_the_last_matches),
		T(unknown_position_is_reported_as_a_gap),
		T(position_too_far_back_is_reported_as_a_gap),
		T(removed_records_are_reported_as_a_gap),
		T(number_of_viewers_is_limited),
		T(viewer_that_does_not_read_is_closed),
		T(overtaken_viewer_is_closed),
		T(end_of_a_session_ends_its_stream),
		T(quiet_stream_reports_its_position),
		T(all_streams_end_with_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
