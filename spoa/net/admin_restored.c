/* Who brought archived segments back: a record, and nothing else. */
#include <microhttpd.h>

#include "base/attr.h"
#include "net/change.h"

#define NAMES_MAX      200
#define NAME_MAX_BYTES 128

static bool
make(struct change *c, json_t **before UNUSED, json_t **after)
{
	const json_t *names = json_object_get(c->in, "segments"),
		     *count = json_object_get(c->in, "count"), *name;
	size_t i;

	if (!json_is_array(names) || !json_array_size(names) ||
		json_array_size(names) > NAMES_MAX || !json_is_integer(count))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"segments and count are missing: up to %d names", NAMES_MAX);
	json_array_foreach((json_t *)(uintptr_t)names, i, name)
		if (!json_is_string(name) || json_string_length(name) > NAME_MAX_BYTES)
			return change_refuse(
				c, MHD_HTTP_BAD_REQUEST, "segments: a name is none");
	*after = json_pack("{s:O,s:O,s:O}", "id", json_array_get(names, 0), "segments",
		(json_t *)(uintptr_t)names, "count", (json_t *)(uintptr_t)count);
	return *after && change_sign(c, *after);
}

static void
nothing(struct server *s UNUSED, const json_t *after UNUSED)
{
}

unsigned
admin_restored(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	return change_note("segments", "restore", make, nothing, s, peer, in, out);
}
