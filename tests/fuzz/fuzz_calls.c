/* A response with calls, some of which rules with phase: tool deny. The output must have the
 * framing of the input, no denied call, no new gap in its numbers, and an end that agrees with
 * its calls. The first byte selects the dialect, the second the framing, the third the length
 * of the pieces. */
#include <stdio.h>
#include <stdlib.h>

#include "answer/calls/tree.h"
#include "answer/frames.h"
#include "answer/guard/guard.h"
#include "base/err.h"
#include "support/policy_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const struct answer_format *format;
	const char *dialect;
} formats[] = {
	{ &answer_openai, "openai" },
	{ &answer_openai_responses, "openai" },
	{ &answer_anthropic, "anthropic" },
	{ &answer_gemini, "gemini" },
	{ &answer_bedrock, "bedrock" },
	{ &answer_cohere, "cohere" },
	{ &answer_ollama, "ollama" },
	{ &answer_invoke, "bedrock" },
};
static const struct {
	const char *type;
	enum frames_kind kind;
	bool whole;
} framings[] = {
	{ "application/json", FRAMES_LINES, true },
	{ "text/event-stream", FRAMES_SSE, false },
	{ "application/x-ndjson", FRAMES_LINES, false },
	{ "application/vnd.amazon.eventstream", FRAMES_EVENTSTREAM, false },
	{ "application/json", FRAMES_ARRAY, false },
};

static struct {
	const struct policy *policy;
	struct answer_request asked;
} set;

static void
set_up(void)
{
	static struct arena arena;
	static const char text[] = POLICY_HEAD "rules:\n"
					       "  - {name: a, phase: tool, when: 'tool.name == "
					       "\"delete\"', deny: {reason: \"no "
					       "\\\"deletes\\\"\"}}\n"
					       "  - {name: b, phase: tool, when: 'tool.name == "
					       "\"pay\" && tool.arguments.amount > "
					       "100', deny: true}\n"
					       "  - {name: c, phase: tool, when: 'tool.name == "
					       "\"mail\"', redact: {classes: [pii], "
					       "with: mask}}\n";

	set.policy = fix_asked(text, &arena, &set.asked);
}

struct came {
	enum guard_result result;
	char finish[32];
	size_t ntools;
	bool deletes, denied; /* a call of the tool `delete`, proposed or denied */
	struct buf out;
};

static struct came
run(size_t format, size_t framing, struct span in, size_t step, bool inspects)
{
	struct guard_plan plan = { .format = formats[format].format,
		.dialect = dialect_find(span_str(formats[format].dialect)),
		.path = framings[framing].kind == FRAMES_ARRAY
				? SPAN_LIT("/m:streamGenerateContent")
				: SPAN_LIT("/x"),
		.rules = detect_fix()->rules,
		.scratch = detect_fix()->scratch,
		.inspects = inspects,
		.policy = set.policy,
		.options = policy_detect_options(set.policy),
		.asked = &set.asked };
	struct guard_head head = { .status = 200,
		.content_type = span_str(framings[framing].type) };
	struct guard *g = guard_new(&plan, &head);
	struct came c = { .result = GUARD_PASS };

	if (!g)
		abort();
	buf_init(&c.out, 0);
	for (size_t at = 0; at < in.n && !c.result; at += step)
		c.result = guard_feed(g, span_cut(in, at, at + step), &c.out);
	if (!c.result)
		c.result = guard_end(g, &c.out);
	const struct guard_report *r = guard_report(g);
	snprintf(c.finish, sizeof(c.finish), "%s", r->finish);
	c.ntools = r->ntools;
	for (size_t i = 0; i < r->ntools; i++)
		c.deletes |= !strcmp(r->tools[i], "delete");
	for (size_t i = 0; i < r->ncalled; i++)
		c.denied |= r->called[i].judged && r->called[i].ruled.effect == RULE_DENY;
	guard_drop(&g);
	return c;
}

/* ---- its numbers ---- */

/* The next new number, of each choice or of the whole response. */
enum { CHOICES = 4 };
struct numbers {
	uint64_t next[CHOICES];
	bool hole, many; /* more than one choice */
	bool calls;	 /* any call, with or without a name */
};

static void
number(struct numbers *n, uint64_t choice, uint64_t v)
{
	n->many |= choice > 0;
	if (choice >= CHOICES)
		return;
	n->hole |= v > n->next[choice];
	n->next[choice] += v == n->next[choice];
}

static void
count(struct numbers *n, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *at = tree_member(t->root, "index");

	const struct node *block = tree_member(t->root, "content_block");
	n->calls |= tree_is(t, tree_member(block, "type"), "tool_use") ||
		    tree_is(t, type, "tool-call-start") ||
		    tree_member(tree_member(t->root, "start"), "toolUse");
	if (tree_is(t, type, "content_block_start") || tree_is(t, type, "tool-call-start"))
		number(n, 0, tree_number(t, at, 0));
	else if (tree_is(t, type, "response.output_item.added"))
		number(n, 0, tree_number(t, tree_member(t->root, "output_index"), 0));
	else if (tree_member(t->root, "contentBlockIndex"))
		number(n, 0, tree_number(t, tree_member(t->root, "contentBlockIndex"), 0));
	for (const struct node *c = tree_elements(tree_member(t->root, "choices")); c;
		c = c->next)
		for (const struct node *v = tree_elements(
			     tree_member(tree_member(c, "delta"), "tool_calls"));
			v; v = v->next) {
			n->calls = true;
			number(n, tree_number(t, tree_member(c, "index"), 0),
				tree_number(t, tree_member(v, "index"), 0));
		}
	for (const struct node *c = tree_elements(tree_member(t->root, "candidates")); c;
		c = c->next)
		n->many |= tree_number(t, tree_member(c, "index"), 0) > 0;
	n->many |= tree_number(t,
			   tree_member(tree_elements(tree_member(t->root, "choices")), "index"),
			   0) > 0;
}

static struct numbers
numbers_of(size_t framing, struct span in)
{
	struct numbers n = { .hole = false };
	struct frames frames;
	struct arena a;
	struct frame f;
	struct tree t;

	arena_init(&a, 0, false);
	frames_init(&frames, framings[framing].kind, 0);
	while (frames_next(&frames, &in, &f) == FRAME_WHOLE) {
		if (f.has_data && !tree_read(&t, &a, f.data))
			count(&n, &t);
		arena_reset(&a);
	}
	frames_free(&frames);
	arena_reset(&a);
	return n;
}

/* ---- the output ---- */

static bool
says_calls(const char *finish)
{
	static const char *const words[] = { "tool_calls", "tool_use", "TOOL_CALL" };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (!strcmp(finish, words[i]))
			return true;
	return false;
}

static void
check(size_t format, size_t framing, struct span in, const struct came *got)
{
	struct span out = buf_view(&got->out);
	struct came before = run(format, framing, in, in.n + 1, false);
	struct came left = run(format, framing, out, out.n + 1, false);
	struct came again = run(format, framing, out, out.n + 1, true);

	if (left.result || left.deletes)
		abort();
	/* texts may be cut differently; if the input does not end as JSON, the rest may have
	 * waited until the end */
	if (again.denied || (!again.result && (again.ntools != left.ntools ||
						      strcmp(again.finish, left.finish) != 0)))
		abort();
	if (!framings[framing].whole) {
		struct numbers was = numbers_of(framing, in), is = numbers_of(framing, out);
		if (is.hole && !was.hole)
			abort();
		if (!was.many && before.ntools && !left.ntools && !is.calls && got->denied &&
			says_calls(left.finish))
			abort();
	}
	buf_free(&before.out);
	buf_free(&left.out);
	buf_free(&again.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	if (!set.policy)
		set_up();
	size_t format = data[0] % COUNT_OF(formats), framing = data[1] % COUNT_OF(framings);
	struct span in = span_of(data + 3, size - 3);
	struct came one = run(format, framing, in, in.n + 1, true);
	struct came two = run(format, framing, in, 1 + data[2] % 64, true);
	/* the result is the same wherever it is cut; before an invalid response, spaces may
	 * have been forwarded or not */
	const char *but = one.result ? " \t\r\n" : "";
	if (one.result != two.result || !span_eq(span_trim(buf_view(&one.out), but),
						span_trim(buf_view(&two.out), but)))
		abort();
	if (!one.result)
		check(format, framing, in, &one);
	buf_free(&one.out);
	buf_free(&two.out);
	return 0;
}
