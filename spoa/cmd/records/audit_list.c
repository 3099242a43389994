/* tollgate audit list: a line a decision, for a person who asks what happened when. Segments
 * that end before --since are not read; --follow goes on where the journal grows. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/records/audit.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"
#include "store/journal.h"
#include "store/lines.h"

#define POLL_NS 200000000L
enum {
	NODES_MAX = 256, /* in one folder */
	DECISION_COLUMNS = 6,
	OUTCOME_COLUMNS = 14
};

static const char *const decisions[] = { "permit", "redact", "deny", "observed" };
/* Of completions (gate/exchange.c, gate/notify.c, net/recall.c). */
static const char *const outcomes[] = { "complete", "client_abort", "provider_abort",
	"never_sent", "denied", "answer_denied", "abandoned", "orphaned" };
static const char failed[] = "error";

struct feed;

struct list {
	const struct audit_args *a;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* as audit_time_within() */
	struct feed *feed;					 /* of a journal: one a node */
	size_t nfeeds;
};

static bool
is_text(struct span raw, const char *want)
{
	return !want || (raw.n == strlen(want) + 2 && !memcmp(raw.p + 1, want, raw.n - 2));
}

static bool
has_class(json_t *record, const char *want)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(record, "classes"), i, one)
	{
		if (!strcmp(json_string_value(one) ? json_string_value(one) : "", want))
			return true;
	}
	return false;
}

static const char *
text_or_dash(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && *s ? s : "-";
}

/* observed: "(deny 403)" */
static void
put_would(struct buf *b, json_t *would)
{
	json_t *status = json_object_get(would, "status");

	buf_putc(b, '(');
	plain_word(b, span_str(text_or_dash(would, "decision")));
	if (json_is_integer(status))
		buf_printf(b, " %lld", (long long)json_integer_value(status));
	buf_str(b, ") ");
}

static void
put_word(struct buf *b, const char *s)
{
	plain_word(b, span_str(s));
	buf_putc(b, ' ');
}

/* The record, of which a terminal obeys nothing. */
static void
print_json(struct span line)
{
	struct buf shown;

	buf_init(&shown, 0);
	plain_json(&shown, line);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
	buf_free(&shown);
}

/* Time, decision, person, route, model, rule or what else decided, classes, id. */
static void
print_line(json_t *r)
{
	json_t *one, *status = json_object_get(r, "status"),
		     *would = json_object_get(r, "would");
	const char *rule = text_or_dash(r, "rule"), *reason = text_or_dash(r, "reason");
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	plain_put(&b, span_cut(span_str(text_or_dash(r, "decided_at")), 0, 23), SIZE_MAX);
	buf_str(&b, "Z ");
	size_t used = plain_put(&b, span_str(text_or_dash(r, "decision")), SIZE_MAX);
	buf_printf(
		&b, "%*s ", used < DECISION_COLUMNS ? (int)(DECISION_COLUMNS - used) : 0, "");
	if (json_is_integer(status))
		buf_printf(&b, "%lld ", (long long)json_integer_value(status));
	if (would) {
		put_would(&b, would);
		rule = text_or_dash(would, "rule");
		reason = text_or_dash(would, "reason");
	}
	put_word(&b, text_or_dash(json_object_get(r, "identity"), "person"));
	put_word(&b, text_or_dash(r, "route"));
	put_word(&b, text_or_dash(r, "model"));
	plain_put(&b, span_str(strcmp(rule, "-") ? rule : reason), SIZE_MAX);
	buf_putc(&b, ' ');
	if (json_array_size(json_object_get(r, "classes")) == 0)
		buf_putc(&b, '-');
	json_array_foreach(json_object_get(r, "classes"), i, one)
	{
		buf_str(&b, i ? "," : "");
		plain_word(&b, span_str(json_string_value(one) ? json_string_value(one) : "?"));
	}
	buf_putc(&b, ' ');
	plain_word(&b, span_str(text_or_dash(r, "id")));
	printf("%.*s\n", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

/* ---- how requests ended ---- */

/* "429", "4xx" */
static bool
is_status(struct span word)
{
	return word.n == 3 && word.p[0] >= '1' && word.p[0] <= '5' &&
	       ((is_digit(word.p[1]) && is_digit(word.p[2])) || !memcmp(word.p + 1, "xx", 2));
}

/* What the provider did, or did not: what an operator minds. */
static bool
is_failure(const char *outcome, long long status, json_t *record)
{
	return !strcmp(outcome, "provider_abort") || status >= 400 ||
	       json_is_true(
		       json_object_get(json_object_get(record, "answer"), "provider_error"));
}

/* What /metrics and operations call it, by the record's `why` (net/relay_answer.c); NULL: that
 * the answer said an error with the status of a success. */
static const struct {
	const char *word, *why;
} failures[] = { { "provider_unavailable", "the provider could not be reached" },
	{ "provider_timeout", "the provider did not answer in time" },
	{ "provider_aborted", "the provider closed before" },
	{ "provider_error", "the response could not be read" }, { "error_in_answer", NULL } };

static bool
failed_so(struct span word, json_t *record)
{
	for (size_t i = 0; i < COUNT_OF(failures); i++)
		if (span_is(word, failures[i].word))
			return failures[i].why
				       ? span_starts(span_str(text_or_dash(record, "why")),
						 span_str(failures[i].why))
				       : json_integer_value(json_object_get(record, "status")) <
							 400 &&
						 json_is_true(json_object_get(
						 json_object_get(record, "answer"),
						 "provider_error"));
	return false;
}

/* One of the words of --outcome. */
static bool
ended_so(json_t *record, const char *wanted)
{
	const char *outcome = text_or_dash(record, "outcome");
	long long status = json_integer_value(json_object_get(record, "status"));
	struct span rest = span_str(wanted);
	char text[24];

	snprintf(text, sizeof(text), "%lld", status);
	while (rest.n) {
		struct span word = span_next(&rest, ',');
		if (span_is(word, outcome) || span_is(word, text) ||
			(is_status(word) && word.p[1] == 'x' && word.p[0] == text[0] &&
				strlen(text) == 3) ||
			failed_so(word, record) ||
			(span_is(word, failed) && is_failure(outcome, status, record)))
			return true;
	}
	return false;
}

/* Time, outcome, status of the provider, person, route, provider, model, why, id. */
static void
print_outcome(json_t *r)
{
	json_t *status = json_object_get(r, "status");
	struct buf b;

	buf_init(&b, 0);
	plain_put(&b, span_cut(span_str(text_or_dash(r, "time")), 0, 23), SIZE_MAX);
	buf_str(&b, "Z ");
	size_t used = plain_put(&b, span_str(text_or_dash(r, "outcome")), SIZE_MAX);
	buf_printf(&b, "%*s ", used < OUTCOME_COLUMNS ? (int)(OUTCOME_COLUMNS - used) : 0, "");
	if (json_is_integer(status))
		buf_printf(&b, "%lld ", (long long)json_integer_value(status));
	else
		buf_str(&b, "- ");
	put_word(&b, text_or_dash(json_object_get(r, "identity"), "person"));
	put_word(&b, text_or_dash(r, "route"));
	put_word(&b, text_or_dash(r, "target"));
	put_word(&b, text_or_dash(r, "model"));
	put_word(&b, text_or_dash(r, "why"));
	plain_word(&b, span_str(text_or_dash(r, "id")));
	printf("%.*s\n", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

/* False: parsing the record would be in vain. Texts are in it as they are, but for what JSON
 * escapes. */
static bool
may_hold(struct span line, const char *want)
{
	if (!want)
		return true;
	for (const char *p = want; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\')
			return true;
	return memmem(line.p, line.n, want, strlen(want)) != NULL;
}

static void
list_line(void *arg, struct span line)
{
	struct list *l = arg;
	const struct audit_args *a = l->a;

	/* Most of a long journal ends here. */
	if (!audit_time_within(line, l->since, l->until))
		return;
	if (!is_text(chain_member(line, "type"), a->outcome ? "completion" : "decision") ||
		!is_text(chain_member(line, "decision"), a->decision) ||
		!is_text(chain_member(line, "route"), a->route) || !may_hold(line, a->person) ||
		!may_hold(line, a->class))
		return;
	json_t *r = json_loadb(line.p, line.n, 0, NULL);
	if (r &&
		(!a->person || !strcmp(text_or_dash(json_object_get(r, "identity"), "person"),
				       a->person)) &&
		(!a->class || has_class(r, a->class)) &&
		(!a->outcome || ended_so(r, a->outcome))) {
		if (a->as_json)
			print_json(line);
		else if (a->outcome)
			print_outcome(r);
		else
			print_line(r);
	}
	json_decref(r);
}

/* ---- a journal ---- */

/* A node's segments, of which the one to read next is open. */
struct feed {
	struct journal_segment at;
	int fd;
	struct lines lines;
};

static void
feed_close(struct feed *f)
{
	if (f->fd < 0)
		return;
	lines_close(&f->lines);
	close(f->fd);
	f->fd = -1;
}

static int
feed_open(struct feed *f, const char *dir, const struct journal_segment *s)
{
	char path[4096];

	f->at = *s;
	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 && errno == ENOENT)
		return EXIT_DONE; /* it was moved away: what is left is read */
	if (f->fd < 0)
		return cmd_fail("audit list", "%s: %s", path, strerror(errno));
	if (lines_open(&f->lines, f->fd, 0) == 0)
		return EXIT_DONE;
	close(f->fd);
	f->fd = -1;
	return cmd_fail("audit list", "out of memory");
}

/* Up to its end as it is now. */
static int
feed_read(struct feed *f, struct list *l, const char *dir)
{
	struct span line;
	int got;

	if (f->fd < 0)
		return EXIT_DONE;
	while ((got = lines_next(&f->lines, UINT64_MAX, &line)) > 0)
		list_line(l, line);
	f->lines.from = f->lines.to = 0; /* NUL bytes ahead of the end are written over */
	return got < 0 ? cmd_fail("audit list", "%s/%s: %s", dir, f->at.name, err_str(got))
		       : EXIT_DONE;
}

/* From the open segment over all that are after it to the node's last one, which stays open.
 * Whoever makes a segment has left the one before: that is read once more first. */
static int
feed_on(struct feed *f, struct list *l, const char *dir, const struct journal_list *all)
{
	int code = feed_read(f, l, dir);

	for (size_t i = 0; i < all->n && code == EXIT_DONE; i++) {
		const struct journal_segment *s = &all->seg[i];
		if (!s->ours || strcmp(s->node, f->at.node) || strcmp(s->name, f->at.name) <= 0)
			continue;
		code = feed_read(f, l, dir);
		feed_close(f);
		if (code == EXIT_DONE)
			code = feed_open(f, dir, s);
		if (code == EXIT_DONE)
			code = feed_read(f, l, dir);
	}
	return code;
}

/* The node's newest segment that began before --since, or its first one: what is older is not
 * opened. */
static size_t
begin_at(const struct list *l, const char *dir, const struct journal_list *all, size_t first)
{
	char when[CLOCK_RFC3339_LEN];

	for (size_t i = all->n; l->a->since_ns && i-- > first;)
		if (all->seg[i].ours && !strcmp(all->seg[i].node, all->seg[first].node) &&
			audit_first_time(dir, &all->seg[i], when) && strcmp(when, l->since) < 0)
			return i;
	return first;
}

/* Feeds for nodes that have none yet, read to their end. */
static int
add_nodes(struct list *l, const char *dir, const struct journal_list *all)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < all->n && code == EXIT_DONE; i++) {
		size_t k = 0;
		while (k < l->nfeeds && strcmp(l->feed[k].at.node, all->seg[i].node))
			k++;
		if (!all->seg[i].ours || k < l->nfeeds)
			continue;
		if (l->nfeeds == NODES_MAX)
			return cmd_fail("audit list", "%s: more than %d nodes", dir, NODES_MAX);
		code = feed_open(&l->feed[l->nfeeds], dir, &all->seg[begin_at(l, dir, all, i)]);
		if (code == EXIT_DONE)
			code = feed_on(&l->feed[l->nfeeds++], l, dir, all);
		/* Nothing more comes: there may be many nodes. */
		if (!l->a->follow && l->nfeeds)
			feed_close(&l->feed[l->nfeeds - 1]);
	}
	return code;
}

static int
list_journal(struct list *l, const char *dir)
{
	const struct timespec pause = { 0, POLL_NS };
	struct journal_list all;
	struct buf why;
	int code;

	do {
		buf_init(&why, 4096);
		code = journal_list(dir, NULL, &all, &why)
			       ? cmd_fail("audit list", "%.*s", SPAN_ARG(buf_view(&why)))
			       : EXIT_DONE;
		buf_free(&why);
		for (size_t i = 0; i < l->nfeeds && code == EXIT_DONE; i++)
			code = feed_on(&l->feed[i], l, dir, &all);
		if (code == EXIT_DONE)
			code = add_nodes(l, dir, &all);
		journal_list_free(&all);
	} while (code == EXIT_DONE && l->a->follow && fflush(stdout) != EOF &&
		 nanosleep(&pause, NULL) == 0);
	for (size_t i = 0; i < l->nfeeds; i++)
		feed_close(&l->feed[i]);
	return code;
}

/* A word that no record can have would show nothing for good. */
static int
words_known(const struct audit_args *a)
{
	struct span rest = span_str(a->outcome);

	if (a->decision && span_find(span_str(a->decision), decisions, COUNT_OF(decisions)) ==
				   COUNT_OF(decisions))
		return cmd_fail("audit list",
			"--decision: %s: permit, redact, deny or observed is expected",
			a->decision);
	if (a->outcome && (a->decision || a->class))
		return cmd_fail("audit list",
			"--outcome is of answers: --decision and --class are of decisions");
	while (a->outcome) {
		struct span word = span_next(&rest, ',');
		bool known = false;
		for (size_t i = 0; i < COUNT_OF(failures); i++)
			known |= span_is(word, failures[i].word);
		if (!known && !is_status(word) && !span_is(word, failed) &&
			span_find(word, outcomes, COUNT_OF(outcomes)) == COUNT_OF(outcomes))
			return cmd_fail("audit list",
				"--outcome: %.*s: complete, client_abort, provider_abort, "
				"never_sent, denied, answer_denied, abandoned, orphaned, a "
				"status "
				"(429), a class of them (5xx), provider_unavailable, provider_timeout, "
				"provider_aborted, provider_error, error_in_answer or error is expected",
				SPAN_ARG(word));
		if (!rest.n && word.p + word.n == a->outcome + strlen(a->outcome))
			break;
	}
	return 0;
}

int
audit_list(struct audit_args *a)
{
	struct list l = { .a = a, .feed = calloc(NODES_MAX, sizeof(*l.feed)) };
	struct audit_sink to = { &l, list_line, NULL, NULL };
	int code;

	if (!l.feed)
		return cmd_fail("audit list", "out of memory");
	if (words_known(a)) {
		free(l.feed);
		return EXIT_CANNOT;
	}
	if (a->since_ns)
		clock_rfc3339(a->since_ns, l.since);
	if (a->until_ns)
		clock_rfc3339(a->until_ns, l.until);
	if (a->journal && !a->redis && !a->file)
		code = list_journal(&l, a->journal);
	else
		code = audit_read(a, &to);
	free(l.feed);
	return code;
}
