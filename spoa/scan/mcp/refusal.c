/* JSON-RPC 2.0 5.1; CallToolResult. A result of revision 2026-07-28 says that it is complete:
 * clients refuse one that does not. */
#include "scan/mcp/refusal.h"

#include "base/caps.h"
#include "base/codec/utf8.h"
#include "base/err.h"

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

/* UnsupportedProtocolVersionError of revision 2026-07-28. */
static void
write_versions(const struct mcp_refusal *r, struct buf *out)
{
	buf_printf(out, ",\"data\":{\"supported\":%s", mcp_versions);
	if (r->requested.n && r->requested.n <= 64 && utf8_valid(r->requested)) {
		buf_str(out, ",\"requested\":");
		buf_json_str(out, r->requested);
	}
	buf_putc(out, '}');
}

/* The inside: result or error. */
static void
write_rest(const struct mcp_refusal *r, struct span message, struct buf *out)
{
	struct buf text;

	buf_init(&text, 0);
	buf_span(&text, message);
	if (r->decision.n) {
		buf_str(&text, " (decision ");
		buf_span(&text, span_cut(r->decision, 0, 64));
		buf_putc(&text, ')');
	}
	if (r->result) {
		buf_str(out, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
		buf_json_str(out, buf_view(&text));
		buf_str(out, "}],\"isError\":true");
		if (r->era == MCP_STATELESS)
			buf_str(out, ",\"resultType\":\"complete\"");
		buf_str(out, "}}");
	} else {
		buf_printf(out, "\"error\":{\"code\":%d,\"message\":", (int)r->code);
		buf_json_str(out, buf_view(&text));
		if (r->reason)
			buf_printf(out, ",\"data\":{\"code\":\"%s\"}", r->reason);
		else if (r->code == MCP_CODE_VERSION)
			write_versions(r, out);
		buf_str(out, "}}");
	}
	out->failed |= text.failed;
	buf_free(&text);
}

void
mcp_refuse(const struct mcp_refusal *r, struct buf *out)
{
	static const char begins[] = "{\"jsonrpc\":\"2.0\",\"id\":";
	/* who reads ids takes none as long */
	bool has_id = r->id.n && r->id.n <= CAP_ERROR_BYTES / 2;
	struct span id = has_id ? r->id : SPAN_LIT("null");
	struct span message = span_cut(r->message, 0, CAP_ERROR_BYTES);
	size_t most = CAP_ERROR_BYTES - sizeof(begins) - id.n;
	struct buf rest;

	buf_init(&rest, 0);
	for (;;) {
		message.n = utf8_prefix(message);
		buf_clear(&rest);
		write_rest(r, message, &rest);
		if (rest.n <= most || !message.n)
			break;
		size_t over = rest.n - most;
		message.n = over < message.n / 2 ? message.n - over : message.n / 2;
	}
	buf_printf(out, "%s%.*s,", begins, SPAN_ARG(id));
	buf_span(out, buf_view(&rest));
	out->failed |= rest.failed;
	buf_free(&rest);
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

void
mcp_answer_refused(const struct mcp_refusal *of, const char *code, struct span message,
	struct span id, bool event, struct buf *out)
{
	struct mcp_refusal r = *of;

	r.reason = code ? code : "service_unavailable";
	r.message = message;
	r.decision = id;
	if (!mcp_is_denial(code)) {
		r.result = false;
		r.code = MCP_CODE_INTERNAL;
	}
	if (event)
		mcp_refuse_event(&r, out);
	else
		mcp_refuse(&r, out);
}
