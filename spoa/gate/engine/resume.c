/* Handles that sessions are resumed by, of Gemini's Live. A provider's alone would let whoever
 * has it read another person's conversation: what a client gets is bound to whom it was given,
 * as ids of MCP's sessions are, and its provider gets its own back. Nothing is kept. */
#include "gate/engine/session.h"

#include "base/caps.h"
#include "base/scoped.h"
#include "scan/dialect/live.h"
#include "scan/mcp/session.h"
#include "scan/text/placeholder.h"

/* With another text between its quotes. False: no memory. */
static bool
other_handle(
	struct span *message, const struct live_handle *h, struct span text, struct buf *out)
{
	buf_span(out, span_cut(*message, 0, h->start));
	buf_json(out, text);
	buf_span(out, span_cut(*message, h->end, message->n));
	*message = buf_view(out);
	return !buf_failed(out);
}

/* What the earlier session gave is not known here, and its numbers are in the history that the
 * provider keeps. So new values get tagged placeholders, which none of those can be. The tag's
 * key is the caller's: a value has the same tag each time that they resume. */
static void
session_tags(const struct session *s, const unsigned char key[SHA256_BYTES])
{
	unsigned char tag[SHA256_BYTES];

	_Static_assert(SHA256_BYTES == PLACEHOLDER_TAG_KEY, "a hash is such a key");
	hmac_sha256(key, SPAN_LIT("tollgate-session-placeholders-v1"), tag);
	placeholders_tag(s->placeholders, tag);
	explicit_bzero(tag, sizeof(tag));
}

const char *
session_resumes(const struct session *s, struct span *message, struct buf *out)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct request *r = s->x->r;
	unsigned char key[SHA256_BYTES];
	struct span id;

	struct live_handle h = live_handle(&r->found.endpoint, true, *message, &a);
	if (h.odd)
		return "the handle of the session to resume is no text, or there are two";
	if (!h.text.n)
		return NULL;
	if (!r->found.identity.verified)
		return "a session is resumed by who shows a credential";
	request_session_key(r, key);
	bool own = mcp_session_check(key, h.text, &id);
	if (own)
		session_tags(s, key);
	explicit_bzero(key, sizeof(key));
	if (!own)
		return "this handle was not given to this caller, on this route: begin a new "
		       "session";
	return other_handle(message, &h, id, out) ? NULL : "out of memory";
}

bool
session_binds(const struct session *s, struct span *message, struct buf *out)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct request *r = s->x->r;
	unsigned char key[SHA256_BYTES];

	struct live_handle h = live_handle(&r->found.endpoint, false, *message, &a);
	if (!h.text.n && !h.odd)
		return true;
	if (h.odd)
		return false;
	request_session_key(r, key);
	struct span bound = mcp_session_bind(key, h.text, &a);
	explicit_bzero(key, sizeof(key));
	/* one that cannot be bound is none */
	return other_handle(message, &h, bound, out);
}
