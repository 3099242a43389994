/* What the admin socket tells of records: the keyed hash of a text, which nobody can make
 * without the daemon's key. Who asked for which is a record. */
#include <microhttpd.h>

#include "codec/json_text.h"
#include "net/change.h"
#include "net/server.h"

static bool
make(struct change *c, json_t **before, json_t **after)
{
	const json_t *text = json_object_get(c->in, "text");
	unsigned char hash[SHA256_BYTES];
	struct buf hex;

	(void)before;
	c->reads = true;
	if (!json_is_string(text))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "text: a text is expected");
	if (!c->s->audit)
		return change_refuse(
			c, MHD_HTTP_CONFLICT, "there are no records: audit.journal");
	gate_text_hash(c->s->shared, json_span(text), hash);
	buf_init(&hex, 256);
	buf_hex(&hex, hash, sizeof(hash));
	*after = json_pack("{s:s%}", "id", buf_view(&hex).p, hex.n);
	buf_free(&hex);
	return change_sign(c, *after);
}

unsigned
admin_text_hash(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	return change_note("text", "search", make, NULL, s, peer, in, out);
}
