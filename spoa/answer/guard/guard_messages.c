/* Handles the messages of an MCP server: a whole response, or the events of a stream.
 *
 * filter() removes the entries that the caller may not use from lists of tools, prompts and
 * resources. The result of a message shows whether the message is a list. The request does
 * not show it, because a stream can have responses to several requests. Rules with `phase:
 * tool` may replace findings in the result of a call; guard_message_fits() then checks that
 * the result still matches the output schema of the tool. */
#include "answer/guard/guard_stream.h"
#include "base/err.h"
#include "scan/mcp/output.h"

static const char older[] = "the server uses the older HTTP+SSE transport (its stream begins "
			    "with an `endpoint` event), but this route is for streamable HTTP";
static const char unread_list[] =
	"the response cannot be read, so hidden tools could not be removed from a list in it";

enum guard_result
guard_message_unread(struct guard *g)
{
	return g->plan.messages.filters && g->status / 100 == 2
		       ? guard_fail(g, GUARD_BROKEN, unread_list)
		       : g->failed;
}

/* ---- replacements by rules with `phase: tool` ---- */

static void
add_redacts(const struct guard *g, const struct tool_redacts *t, struct answer_verdict *v)
{
	bool any = t && redactions_add(&v->redact, &t->redact, &g->entities);

	if (any && v->ruled.effect == RULE_PERMIT) {
		v->ruled.effect = RULE_REDACT;
		v->ruled.rule = t->rule;
	}
}

void
guard_message_judged(struct guard *g, struct answer_verdict *v)
{
	const struct guard_messages *m = &g->plan.messages;

	if (v->ruled.effect == RULE_DENY)
		return;
	add_redacts(g, m->own, v);
	if (g->others_answered)
		add_redacts(g, m->others, v);
}

enum guard_result
guard_message_fits(
	struct guard *g, struct span raw, struct splice *v, size_t n, struct buf *out)
{
	SCOPED_BUF(now, 0);

	if (splice_apply(raw, v, n, &now))
		guard_no_memory(g);
	else if (!mcp_output_fits(g->plan.messages.tool, raw, buf_view(&now)))
		guard_deny(g, "the result with replaced values would not match the tool's "
			      "outputSchema");
	else
		buf_span(out, buf_view(&now));
	return g->failed ? g->failed : buf_failed(out) ? guard_no_memory(g) : g->failed;
}

/* ---- lists ---- */

/* Removes hidden entries. *out is in g->work, or is `raw` if nothing was removed. */
static enum guard_result
filter(struct guard *g, struct span raw, struct span *out)
{
	const struct guard_messages *m = &g->plan.messages;
	struct tool_filter f = { .judge =
					 tool_list_new(g->plan.policy, g->plan.asked, &g->work),
		.server = m->server,
		.state = m->state,
		.arg = m->arg };
	struct tool_cuts cuts;

	*out = raw;
	int err = f.judge ? tool_filter_list(&f, raw, &g->work, &cuts) : ERR_NOMEM;
	if (err)
		return err == ERR_NOMEM ? guard_no_memory(g)
					: guard_fail(g, GUARD_BROKEN,
						  "the server's message, or a list in it, is "
						  "not strict JSON");
	g->report.tools_hidden += cuts.hidden;
	/* After a response to another request, the whole response counts as any request's,
	 * because the rules of that request are not known here. */
	bool own = m->id.n && (!cuts.answers || span_eq(cuts.id, m->id));
	if (!g->others_answered && m->others && !own) {
		g->others_answered = true;
		if (g->report.judged)
			guard_judge(g, ANSWER_NEW);
	}
	return g->failed || !cuts.n ? g->failed : guard_spliced(g, raw, cuts.v, cuts.n, out);
}

enum guard_result
guard_message_whole(struct guard *g)
{
	struct span raw = buf_view(&g->body), now;

	if (!g->plan.messages.is || !raw.n)
		return g->failed;
	/* a server may explain in plain text why it does not respond */
	if (!guard_begins_json(raw) && !guard_looks_like_events(g, raw))
		return g->status / 100 != 2 || g->status == 202 || !g->plan.messages.awaited
			       ? g->failed
			       : guard_fail(g, GUARD_FOREIGN,
					 "the server sent a page or plain text instead of an "
					 "MCP message");
	if (!g->plan.messages.filters)
		return g->failed;
	raw = guard_past_mark(raw);
	if (filter(g, raw, &now) || now.p == raw.p)
		return g->failed;
	buf_clear(&g->body);
	buf_span(&g->body, now);
	return buf_failed(&g->body) ? guard_no_memory(g) : g->failed;
}

/* Events without a type count as `message`. */
bool
guard_message_is_none(const struct guard *g, const struct frame *f)
{
	return g->plan.messages.is && f->type.n && !span_is(f->type, "message") &&
	       !guard_begins_json(f->data);
}

/* A client that ignores a byte order mark, or ends lines differently, might read another line
 * as an event. Therefore a line other than data that has a brace is emptied. */
static enum guard_result
plain_line(struct guard *g, struct span line, struct span *now)
{
	if (!span_starts(line, SPAN_LIT("data:")) && span_chr(line, '{') < line.n)
		*now = SPAN_LIT(":");
	return g->failed;
}

enum guard_result
guard_message_event(struct guard *g, struct frame *f)
{
	struct frame_writer w;
	struct span now;
	struct buf b;

	if (!g->plan.messages.is)
		return g->failed;
	if (g->plan.messages.filters && g->frames.kind == FRAMES_SSE &&
		guard_edit_lines(g, f, plain_line))
		return g->failed;
	if (!f->has_data)
		return g->failed;
	if (span_is(f->type, "endpoint"))
		return guard_fail(g, GUARD_FOREIGN, older);
	if (!g->plan.messages.filters)
		return g->failed;
	if (g->frames.kind != FRAMES_SSE && g->frames.kind != FRAMES_LINES)
		return guard_message_unread(g);
	if (guard_message_is_none(g, f) || filter(g, f->data, &now) || now.p == f->data.p)
		return g->failed;
	buf_init(&b, 0);
	frame_writer_init(&w, g->frames.kind);
	if (frame_rewrite(&w, f, now, &b))
		guard_no_memory(g);
	f->data = now;
	return guard_take(g, &b, &f->raw);
}

enum guard_result
guard_message_say(struct guard *g, struct event *e, struct buf *out)
{
	const struct frame *f = &e->frame;
	SCOPED_BUF(b, 0);
	int err = 0;

	guard_place_event(g);
	if (!guard_document(g, f->data, &e->d, ANSWER_BLOCK, &b)) {
		if (span_eq(buf_view(&b), f->data))
			frame_pass(&g->writer, f, out);
		else
			err = frame_rewrite(&g->writer, f, buf_view(&b), out);
	}
	return err ? guard_no_memory(g) : g->failed;
}
