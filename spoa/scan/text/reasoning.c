/* Tracks the turns of the model and the blocks that its provider signed, and removes such blocks
 * from their lists. Anthropic requires: "thinking blocks must be passed back complete and
 * unmodified". Blocks of earlier turns may be left out; blocks of a turn with open tool calls
 * may not. */
#include "scan/text/reasoning.h"

#include "base/among.h"
#include "base/err.h"
#include "base/push.h"

struct reasoning_frame
reasoning_open(const struct reasoning_frame *around, bool object, bool around_is_list,
	struct span name)
{
	static const char *const lists[] = { "messages", "contents" };
	struct reasoning_frame f = { .inside = around->inside || around->message };

	f.message = object && around_is_list && !f.inside && SPAN_IN(name, lists);
	return f;
}

void
reasoning_key(struct reasoning_frame *f, struct span key)
{
	static const char *const calls[] = { "tool_calls", "toolUse", "functionCall",
		"function_call" };
	static const char *const answers[] = { "toolResult", "functionResponse" };

	if (!(f->inside || f->message) || !key.n || (key.p[0] != 't' && key.p[0] != 'f'))
		return;
	f->called |= SPAN_IN(key, calls);
	f->answered |= SPAN_IN(key, answers);
}

void
reasoning_string(struct reasoning_frame *f, struct span name, struct span text)
{
	if (f->message && span_is(name, "role"))
		f->role = text;
	if (f->inside && span_is(name, "type")) {
		f->called |= span_ends(text, SPAN_LIT("tool_use"));
		f->answered |= span_is(text, "tool_result");
	}
}

/* Updates the turn at the end of a message: the model's message continues it, and a user's
 * message that is no tool result ends it. */
static void
message_end(struct reasoning *r, const struct reasoning_frame *f)
{
	static const char *const models[] = { "assistant", "model" };

	if (SPAN_IN(f->role, models)) {
		r->calls = f->called;
	} else if (span_is(f->role, "user") && !f->answered) {
		r->turn++;
		r->calls = false;
	}
}

int
reasoning_end(struct reasoning *r, struct reasoning_frame *f, struct reasoning_frame *around,
	const struct signed_block *block, struct arena *a)
{
	if (f->signs) {
		struct signed_block *v = ARENA_PUSH(a, r->v, r->n, r->room, 8, *block);
		if (!v)
			return ERR_NOMEM;
		v->turn = r->turn;
		v->alone = f->signs->alone;
	}
	if (f->list) {
		for (size_t i = r->n; r->calls && i && r->v[i - 1].turn == r->turn; i--)
			r->v[i - 1].pending = true;
		r->turn++;
		r->calls = false;
	}
	if (f->message) {
		message_end(r, f);
		around->list = true;
		return 0;
	}
	around->called |= f->called;
	around->answered |= f->answered;
	return 0;
}

/* ---- removing blocks ---- */

size_t
body_drop_reasoning(const struct body *b, struct span raw, struct splice *out)
{
	const struct signed_block *v = b->reasoning;
	size_t n = 0;

	for (size_t i = 0, last; i < b->nreasoning; i = last + 1) {
		last = i;
		if (!v[i].dropped)
			continue;
		/* Adjacent blocks are removed by one edit. */
		size_t end = span_past(raw, v[i].end, is_space);
		while (raw.p[end] == ',' && last + 1 < b->nreasoning && v[last + 1].dropped &&
			span_past(raw, end + 1, is_space) == v[last + 1].start)
			end = span_past(raw, v[++last].end, is_space);
		/* the element before the block, or the list's bracket */
		size_t before = span_back(raw, v[i].start, 0, is_space) - 1;
		struct splice *s = &out[n++];
		*s = (struct splice){ v[i].start, v[last].end, SPAN_LIT("") };
		if (raw.p[end] == ',')
			s->end = span_past(raw, end + 1, is_space);
		else if (raw.p[before] == ',')
			s->start = before;
		else if (v[i].alone)
			s->with = span_str(v[i].alone);
	}
	return n;
}
