/* Records as the daemon writes them, and the commands that decide on them again. */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include "cmd/policies/decide.h"
#include "gate/steps/record.h"
#include "support/run_cmd.h"

enum { RECORDS_MAX = 32 };

/* Writes the records that the daemon would write, one line per request, with ids in order. */
static char ids[RECORDS_MAX][DECISION_ID_LEN + 1];
static size_t nids;

static void
record_one(FILE *f, struct request *r)
{
	static struct gate gate;
	static struct gate_shared shared;
	struct buf b;

	gate.shared = &shared;
	r->gate = &gate;
	buf_init(&b, 0);
	record_decision(r, &b);
	fprintf(f, "{\"v\":1,%.*s}\n", SPAN_ARG(buf_view(&b)));
	assert_true(nids < sizeof(ids) / sizeof(ids[0]));
	memcpy(ids[nids++], r->id, sizeof(ids[0]));
	buf_free(&b);
	r->gate = NULL;
}

static int
replay(const char *policy, const char *option, const char *value)
{
	char p[192], f[192];

	snprintf(p, sizeof(p), "%s", path(policy));
	snprintf(f, sizeof(f), "%s", path("records.jsonl"));
	return tollgate(
		"", "policy", "replay", "--policy", p, "--file", f, option, value, NULL);
}

static int
explain(const char *policy, const char *id, const char *option)
{
	char p[192], f[192];

	snprintf(p, sizeof(p), "%s", path(policy));
	snprintf(f, sizeof(f), "%s", path("records.jsonl"));
	return tollgate("", "audit", "explain", id, "--policy", p, "--file", f, option, NULL);
}

static void
holds(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("lacks: %s\nhas: %s", what, text);
}

#endif
