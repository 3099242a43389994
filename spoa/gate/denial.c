/* Answers and header lines to the edge, composed in one place: the denial in the
 * caller's dialect, and the x-tollgate-* fields that HAProxy turns into the same
 * variables an ACK would have set. */
#include "gate/gate_private.h"

#include <stdio.h>

#include "base/caps.h"
#include "gate/vars.h"

void
request_denial(struct request *r, struct exchange_denial *out)
{
	struct buf b;

	buf_init(&b, 4 * CAP_ERROR_BYTES);
	dialect_error(r->found.dialect, r->out.decision.status, r->out.decision.code,
		r->out.decision.message, span_str(r->id), &b);
	out->status = r->out.decision.status;
	out->body = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	out->fields = request_fields(r);
}

struct span
request_fields(struct request *r)
{
	struct var vars[VARS_MAX];
	size_t n = request_vars(r, vars);
	struct buf b;

	buf_init(&b, 16384);
	for (size_t i = 0; i < n; i++) {
		const struct var *v = &vars[i];
		if (!v->field)
			continue;
		buf_str(&b, "x-tollgate-");
		buf_str(&b, v->field);
		buf_str(&b, ": ");
		if (v->is_int)
			buf_int(&b, v->i);
		else
			buf_span(&b, v->s);
		buf_str(&b, "\r\n");
	}
	struct span s = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return s;
}
