/* JSON-RPC 2.0 as MCP uses it: finds the ids of the requests in a body, which may be one
 * message or an array of messages. Longer bodies than BODY_MAX bytes are not searched, and ids
 * beyond IDS_MAX bytes in total are left out. */
#include "base/buf.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/dialect/dialect.h"

enum {
	BODY_MAX = 4 << 20,
	ID_MAX = 256, /* bytes of an id as written, quotes included */
	IDS_MAX = 4096,
};

/* Reads the members of a message whose brace has been read. *id: the id as written; empty if
 * there is none, or no member `jsonrpc`. Returns false if the message is not JSON. */
static bool
read_message(struct json *j, struct arena *a, struct span in, struct span *id)
{
	struct json_member m;
	struct json_event ev;
	bool rpc = false;
	int err = 0;

	*id = (struct span){ NULL, 0 };
	while (json_member(j, a, in, &m, &ev, &err)) {
		bool is_id = span_is(m.key, "id");
		rpc |= span_is(m.key, "jsonrpc");
		if (is_id && ev.tok == JSON_STRING)
			*id = span_cut(in, ev.start - 1, ev.end + 1);
		else if (is_id && ev.tok == JSON_NUMBER)
			*id = span_cut(in, ev.start, ev.end);
		else
			json_skip(j, &ev);
	}
	if (!rpc)
		*id = (struct span){ NULL, 0 };
	return !err;
}

int
dialect_rpc_ids(struct span body, struct arena *keep, struct span *out)
{
	struct json_event ev;
	struct span id;

	*out = (struct span){ NULL, 0 };
	if (body.n > BODY_MAX)
		return 0;
	SCOPED_ARENA(a, 0, true);
	SCOPED_BUF(ids, IDS_MAX);
	struct json *j = json_open(&a, body);
	enum json_tok tok = j ? json_next(j, &ev) : JSON_ERROR;
	if (tok == JSON_ARRAY)
		tok = json_next(j, &ev);
	while (tok == JSON_OBJECT && read_message(j, &a, body, &id)) {
		if (id.n && id.n <= ID_MAX && ids.n + id.n < IDS_MAX) {
			if (ids.n)
				buf_putc(&ids, '\n');
			buf_span(&ids, id);
		}
		tok = json_next(j, &ev);
	}
	if (ids.n)
		*out = arena_dup(keep, buf_view(&ids));
	return !j || buf_failed(&ids) || (ids.n && !out->p) ? ERR_NOMEM : 0;
}
