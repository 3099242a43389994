/* A denial in the words of the caller's API: scan/dialect/denial.h. */
#include "scan/dialect/denial.h"

int
denial_document(const struct denial *d, struct buf *out)
{
	if (d->mcp && d->worded) {
		struct mcp_refusal said = *d->mcp;
		said.message = d->message;
		said.decision = d->id;
		mcp_refuse(&said, out);
		return d->status;
	}
	if (d->mcp) {
		/* any other error asks the client to try again, which a call that was sent must
		 * not */
		bool sent = d->sent && d->status == 503;
		mcp_answer_refused(d->mcp, d->code, d->message, d->id, sent, false, out);
		return mcp_is_denial(d->code) || mcp_refuses_by_result(d->mcp, d->code, sent)
			       ? 200
			       : d->status;
	}
	dialect_error(d->dialect, d->status, d->code, d->message, d->id, out);
	return d->status;
}

void
denial_event(const struct denial *d, struct buf *out)
{
	if (d->mcp)
		mcp_answer_refused(d->mcp, d->code, d->message, d->id, d->sent, true, out);
	else if (d->rpc_ids.n)
		dialect_rpc_error(d->rpc_ids, d->code, d->message, d->id, out);
	else
		dialect_stream_error(d->dialect, d->endpoint, d->code, d->message, d->id, out);
}

void
denial_line(const struct denial *d, struct buf *out)
{
	if (d->mcp)
		mcp_answer_refused(d->mcp, d->code, d->message, d->id, d->sent, false, out);
	else
		dialect_line_error(d->dialect, d->code, d->message, d->id, out);
}

void
denial_socket(const struct denial *d, struct buf *out)
{
	dialect_stream_error_data(d->dialect, d->endpoint, d->code, d->message, d->id, out);
}
