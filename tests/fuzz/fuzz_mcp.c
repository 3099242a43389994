/* MCP messages: the first line has header fields separated by commas, the rest is the body. The
 * result points into the body or the arena and is the same when read again. A refusal has a
 * code. */
#include <stdlib.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "scan/mcp/message.h"
#include "scan/mcp/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_refusal(const struct mcp_message *m, const struct mcp_error *why, struct arena *a)
{
	struct mcp_refusal r = {
		.id = m->id, .code = why->code, .message = span_str(why->why)
	};
	struct json_event ev;
	struct buf out;

	if (why->status != 400 || why->code >= 0 || !why->why)
		abort();
	buf_init(&out, 0);
	mcp_refuse(&r, &out);
	struct json *j = json_open(a, buf_view(&out));
	enum json_tok tok;
	while ((tok = json_next(j, &ev)) > JSON_ERROR)
		;
	if (tok != JSON_END)
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body = span_of(data, size), fields = span_next(&body, '\n');
	struct http_field v[8];
	struct http_head h = { .fields = v };
	struct mcp_message m;
	struct mcp_error why;
	struct arena a;

	while (fields.n && h.nfields < COUNT_OF(v)) {
		struct span value = span_next(&fields, ','), name = span_next(&value, ':');
		v[h.nfields++] = (struct http_field){ name, value };
	}
	arena_init(&a, 16 << 20, false);
	int err = mcp_read(body, &a, &m, &why);
	if (err == ERR_SYNTAX)
		check_refusal(&m, &why, &a);
	if (!err && m.kind == MCP_REQUEST && !m.id.n)
		abort();
	if (!err && m.about == MCP_ABOUT_TOOL && !m.name.n)
		abort();
	if (!err) {
		err = mcp_headers(&h, &m, &a, &why);
		if (err == ERR_SYNTAX)
			check_refusal(&m, &why, &a);
		for (size_t i = 0; !err && i < h.nfields; i++)
			if (mcp_is_param(v[i].name) &&
				!mcp_param_sent(
					v[i].name, v[i].value, m.arguments, m.arguments, &a)
					 .p &&
				v[i].value.n && !arena_failed(&a))
				abort();
	}
	arena_reset(&a);
	return 0;
}
