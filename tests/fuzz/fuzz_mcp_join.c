/* Responses that are joined: the first byte of the input chooses JSON or an event stream. Entries
 * that are appended form a list of strict JSON, and each name has the server's before it. The
 * same bytes as a call lose the first bytes of their name only. */
#include <stdlib.h>
#include <string.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/mcp/join.h"
#include "scan/mcp/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_json(struct span text, struct arena *a)
{
	struct json *j = json_open(a, text);
	enum json_tok tok = JSON_ERROR;
	struct json_event ev;

	while (j && (tok = json_next(j, &ev)) > JSON_ERROR)
		;
	if (tok != JSON_END)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcp_message was, now;
	struct mcp_joined is;
	struct mcp_error why;

	if (!size)
		return 0;
	SCOPED_ARENA(a, 32 << 20, false);
	SCOPED_BUF(out, 32 << 20);
	SCOPED_BUF(list, 32 << 20);
	SCOPED_BUF(call, 32 << 20);
	struct span text = span_of(data + 1, size - 1);
	int err = mcp_join_read(text, data[0] == 'e', SPAN_LIT("\"tollgate\""), SPAN_LIT("one"),
		data[0] == 'p' ? MCP_JOIN_PROMPTS : MCP_JOIN_TOOLS, &a, &out, &is);
	if (!err && is.entries) {
		buf_printf(&list, "[%.*s]", (int)out.n, out.p);
		must_be_json(buf_view(&list), &a);
		if (!memmem(out.p, out.n, "one__", 5))
			abort();
	}
	if (mcp_read(text, &a, &was, &why) || was.about != MCP_ABOUT_TOOL || was.refers ||
		was.name.n < 4)
		return 0;
	if (mcp_join_unname(text, 3, &a, &call))
		abort();
	if (mcp_read(buf_view(&call), &a, &now, &why))
		return 0; /* a part of a character, or of an escape, remains */
	if (!span_eq(now.name, span_cut(was.name, 3, was.name.n)) &&
		was.plain_name)
		abort();
	if (!span_eq(now.arguments, was.arguments))
		abort();
	return 0;
}
