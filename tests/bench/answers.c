/* The cost of reading a response, in a separate process and without sockets: microseconds of
 * CPU for each token event, metered and inspected, and milliseconds for a complete response of
 * 1 MB.
 *
 *   answers [FILE…]     the built-in texts, or these files, repeated to 1 MB
 *
 * The policy is that of the bench: secrets in a response cause a denial, personal data is
 * replaced, all members of both classes. Figures are the best of several runs. No figure makes
 * it fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/guard/guard.h"
#include "bench/detect_texts.h"
#include "support/policy_fix.h"

enum { WHOLE_BYTES = 1 << 20, EVENTS = 2000, EVENT_BYTES = 5, STREAMS = 64, RUNS = 7 };

static const char policy_text[] =
	"tollgate: 1\nname: bench\n"
	"routes:\n"
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, backend: "
	"openai,\n"
	"     response: [meter, inspect]}\n"
	"rules:\n"
	"  - {name: out-secret, phase: response, when: '\"secret\" in response.classes', deny: "
	"true}\n"
	"  - {name: out-pii, phase: response, redact: {classes: [pii]}}\n"
	"default: permit\n";

static struct policy_fix fix;
static struct detect_scratch *scratch;
static struct detect_used *used;
static struct answer_request asked;
static struct arena life;

/* The gate's plan for a route (gate/engine/answer.c). */
static struct guard *
guard_of(bool inspects, const char *type)
{
	struct guard_plan plan = {
		.format = answer_format_find(
			SPAN_LIT("openai"), SPAN_LIT("/v1/chat/completions")),
		.dialect = dialect_find(SPAN_LIT("openai")),
		.path = SPAN_LIT("/v1/chat/completions"),
		.rules = detect_fix()->rules,
		.scratch = scratch,
	};
	struct guard_head head = { .status = 200, .content_type = span_str(type) };

	if (inspects) {
		plan.inspects = true;
		plan.policy = fix.p;
		plan.options = policy_detect_options(fix.p);
		plan.options.used = used;
		plan.asked = &asked;
		plan.unread = OUT_PERMIT;
	}
	struct guard *g = guard_new(&plan, &head);
	if (!g)
		abort();
	return g;
}

static void
load(void)
{
	struct identity id = { .verified = true };

	fix_must_load(&fix, policy_text);
	arena_init(&life, 0, false);
	scratch = detect_scratch_new(detect_fix()->rules);
	used = detect_used_new(
		detect_fix()->rules, fix.p->routes[0].uses.entities.bit, fix.p->thresholds);
	struct policy_facts facts = { .identity = &id,
		.route = &fix.p->routes[0],
		.whole = true,
		.rules = detect_fix()->rules };
	if (!scratch || !used || policy_answer_request(fix.p, &facts, &life, &asked))
		abort();
}

/* ---- a stream's events ---- */

/* The events of the streams alternate, as in a worker: when the next event of a stream arrives,
 * its state is no longer in the caches. */
static double
events(bool inspects, const char *text)
{
	struct guard *g[STREAMS];
	struct buf out, event;

	buf_init(&out, 0);
	buf_init(&event, 0);
	for (size_t i = 0; i < STREAMS; i++)
		g[i] = guard_of(inspects, "text/event-stream");
	uint64_t took = 0;
	for (size_t i = 0, at = 0; i < EVENTS; i++) {
		size_t end = at + EVENT_BYTES;
		while ((text[end] & 0xc0) == 0x80) /* a character is in one event */
			end++;
		buf_clear(&event);
		buf_str(&event,
			"data: "
			"{\"id\":\"chatcmpl-mock4001\",\"object\":\"chat.completion.chunk\","
			"\"created\":1767225600,\"model\":\"gpt-4o-mini\",\"choices\":[{"
			"\"index\":0,"
			"\"delta\":{\"content\":\"");
		buf_json(&event, span_of(text + at, end - at));
		at = end;
		buf_str(&event, "\"},\"finish_reason\":null}],\"usage\":null}\n\n");
		uint64_t from = cpu_us();
		for (size_t k = 0; k < STREAMS; k++) {
			guard_feed(g[k], buf_view(&event), &out);
			buf_clear(&out);
		}
		took += cpu_us() - from;
	}
	for (size_t i = 0; i < STREAMS; i++)
		guard_drop(&g[i]);
	buf_free(&out);
	buf_free(&event);
	return (double)took / EVENTS / STREAMS;
}

/* ---- a complete response ---- */

static double
whole(bool inspects, const char *text)
{
	struct buf out, answer;

	buf_init(&out, 0);
	buf_init(&answer, 0);
	buf_str(&answer,
		"{\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"");
	buf_json(&answer, span_of(text, WHOLE_BYTES));
	buf_str(&answer, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
			 "\"completion_tokens\":260000,\"total_tokens\":260009}}");
	uint64_t from = cpu_us();
	struct guard *g = guard_of(inspects, "application/json");
	struct span in = buf_view(&answer);
	for (size_t at = 0; at < in.n; at += 64 << 10)
		guard_feed(g, span_cut(in, at, at + (64 << 10)), &out);
	guard_end(g, &out);
	guard_drop(&g);
	double took = (double)(cpu_us() - from) / 1000;
	buf_free(&out);
	buf_free(&answer);
	return took;
}

static double
best(double (*of)(bool inspects, const char *text), bool inspects, const char *text)
{
	double least = 0;

	for (int i = 0; i < RUNS; i++) {
		double t = of(inspects, text);
		least = i && least < t ? least : t;
	}
	return least;
}

static void
row(const char *name, const char *text)
{
	printf("%-24.24s %10.2f", name, best(events, false, text));
	printf(" %10.2f", best(events, true, text));
	printf(" %12.2f", best(whole, false, text));
	printf(" %10.2f\n", best(whole, true, text));
	fflush(stdout);
}

static void
file_row(const char *path, char *text)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(text, 1, WHOLE_BYTES, f) : 0;

	if (f)
		fclose(f);
	if (!n) {
		fprintf(stderr, "answers: %s: cannot be read, or is empty\n", path);
		exit(2);
	}
	for (size_t have = n; have < WHOLE_BYTES; have++)
		text[have] = text[have - n];
	row(path, text);
}

int
main(int argc, char **argv)
{
	char *text = malloc(WHOLE_BYTES);

	if (!text)
		return 2;
	load();
	printf("%-24s %21s %23s\n%-24s %10s %10s %12s %10s\n", "", "us an event of 5 bytes",
		"ms a whole answer, 1 MB", "text", "metered", "inspected", "metered",
		"inspected");
	for (int i = 1; i < argc; i++)
		file_row(argv[i], text);
	for (size_t i = 0; argc == 1 && i < text_kinds_count; i++) {
		text_kinds[i].fill(&text_kinds[i], text, WHOLE_BYTES);
		row(text_kinds[i].name, text);
	}
	free(text);
	return 0;
}
