/* Writes refusals: errors by JSON-RPC 2.0 5.1, and results by MCP's CallToolResult. In revision
 * 2026-07-28 a result needs `resultType: complete`, otherwise clients reject it. */
#include "scan/mcp/refusal.h"

#include "base/caps.h"
#include "base/codec/error_form.h"
#include "base/utf8.h"
#include "base/json_put.h"
#include "base/scoped.h"

void
mcp_denied(const struct mcp_message *m, struct mcp_refusal *out, int *status)
{
	*status = m->kind == MCP_REQUEST ? 200 : 400;
	out->id = m->kind == MCP_REQUEST ? m->id : (struct span){ NULL, 0 };
	out->era = m->era;
	out->result = m->kind == MCP_REQUEST && m->about == MCP_ABOUT_TOOL;
	out->code = MCP_CODE_DENIED;
	if (m->about == MCP_ABOUT_UNKNOWN && m->kind == MCP_REQUEST) {
		out->code = MCP_CODE_METHOD;
		*status = m->era == MCP_STATELESS ? 404 : 200;
	}
}

/* The data of UnsupportedProtocolVersionError (revision 2026-07-28). */
static void
write_versions(const struct mcp_refusal *r, struct buf *out)
{
	json_put_form(out, ",'data':{'supported':%j", span_str(mcp_versions));
	if (r->requested.n && r->requested.n <= 64 && utf8_valid(r->requested))
		json_put_text(out, "requested", r->requested);
	json_put_close(out, '}');
}

void
mcp_refuse(const struct mcp_refusal *r, struct buf *out)
{
	/* mcp_read() accepts no id that is nearly as long */
	bool has_id = r->id.n && r->id.n <= CAP_ERROR_BYTES / 2;
	SCOPED_BUF(more, 0);

	if (r->result && r->era == MCP_STATELESS)
		json_put_form(&more, ",'resultType':'complete'");
	else if (!r->result && r->reason)
		json_put_form(&more, ",'data':{'code':%s}", r->reason);
	else if (!r->result && r->code == MCP_CODE_VERSION)
		write_versions(r, &more);
	error_write(r->result ? "{'jsonrpc':'2.0','id':%r,'result':{'content':[{'type':'text',"
				"'text':%m}],'isError':true%x}}"
			      : "{'jsonrpc':'2.0','id':%r,'error':{'code':%n,'message':%m%x}}",
		(struct error_words){ .number = r->code,
			.message = r->message,
			.decision = r->decision,
			.request = has_id ? r->id : SPAN_LIT("null"),
			.more = buf_view(&more) },
		out);
	out->failed |= more.failed;
}

void
mcp_refuse_event(const struct mcp_refusal *r, struct buf *out)
{
	buf_str(out, "event: message\ndata: ");
	mcp_refuse(r, out);
	buf_str(out, "\n\n");
}

bool
mcp_is_denial(const char *code)
{
	static const char *const codes[] = { "content_policy_violation", "permission_denied",
		"unreadable_content" };

	return code && SPAN_IN(span_str(code), codes);
}

bool
mcp_refuses_by_result(const struct mcp_refusal *of, const char *code, bool sent)
{
	return of->result && (sent || mcp_is_denial(code));
}

void
mcp_answer_refused(const struct mcp_refusal *of, const char *code, struct span message,
	struct span id, bool sent, bool event, struct buf *out)
{
	struct mcp_refusal r = *of;
	SCOPED_BUF(lost, 0);

	r.reason = code ? code : "service_unavailable";
	r.message = message;
	r.decision = id;
	r.result = mcp_refuses_by_result(of, code, sent);
	if (!r.result && !mcp_is_denial(code))
		r.code = MCP_CODE_INTERNAL;
	if (r.result && !mcp_is_denial(code)) {
		buf_printf(&lost, "the call was sent, and the tool may have run, but its result "
				  "is missing: %.*s; a further call would run the tool again",
			SPAN_ARG(message));
		r.message = buf_failed(&lost) ? message : buf_view(&lost);
	}
	if (event)
		mcp_refuse_event(&r, out);
	else
		mcp_refuse(&r, out);
}
