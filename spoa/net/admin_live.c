/* Keys at run time: what each call of the admin socket means. What an entry may say is
 * live/entry.c's; here is which members a call may give. */
#include "net/admin_live.h"

#include <microhttpd.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gate/snapshot.h"
#include "net/change.h"
#include "net/server.h"
#include "policy/read.h"

/* ---- members ---- */

static bool
is_member(const char *name)
{
	for (size_t i = 1; i < APIKEY_TEXTS; i++)
		if (!strcmp(name, apikey_texts[i].name))
			return true;
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		if (!strcmp(name, apikey_lists[i].name))
			return true;
	return !strcmp(name, "clearance");
}

/* What the call's own words are. */
static bool
is_word(const char *name)
{
	static const char *const words[] = { "id", "by", "reason", "ttl", "expires",
		"overlap" };

	return SPAN_IN(span_str(name), words);
}

static bool
set_members(struct change *c, json_t *entry)
{
	const char *name;
	json_t *v;
	int64_t ns;
	bool given;

	json_object_foreach(c->in, name, v)
	{
		if (is_word(name))
			continue;
		if (!is_member(name))
			return change_refuse(c, MHD_HTTP_BAD_REQUEST,
				"%.64s: a key has no such member", name);
		if (json_is_null(v) || (json_is_array(v) && !json_array_size(v)))
			json_object_del(entry, name);
		else
			json_object_set(entry, name, v);
	}
	if (!change_until(c, "ttl", "expires", &ns, &given) || !change_sign(c, entry))
		return false;
	if (given)
		change_set_time(entry, "expires", ns);
	return true;
}

/* A fresh key's id, hash and time; its text is in the answer. */
static void
set_fresh(struct change *c, json_t *entry)
{
	char id[APIKEY_ID_LEN + 1], text[80], hex[2 * SHA256_BYTES + 1];
	unsigned char hash[SHA256_BYTES];

	apikey_make(id, text, hash);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	json_object_set_new(entry, "id", json_string(id));
	json_object_set_new(entry, "sha256", json_string(hex));
	change_set_time(entry, "created", clock_wall_ns());
	json_object_set_new(c->answer, "id", json_string(id));
	json_object_set_new(c->answer, "key", json_string(text));
	sodium_memzero(text, sizeof(text));
}

static void
field_of(const char *id, char field[LIVE_FIELD_MAX])
{
	snprintf(field, LIVE_FIELD_MAX, "key:%.32s", id);
}

/* The key that the call names; NULL: refused. */
static json_t *
named(struct change *c)
{
	const char *id = change_text(c, "id");
	char field[LIVE_FIELD_MAX];

	if (!id || !id[0]) {
		change_refuse(c, MHD_HTTP_BAD_REQUEST, "id: is missing: of which key?");
		return NULL;
	}
	field_of(id, field);
	json_t *entry = live_get(c->s->live, field);
	if (!entry)
		change_refuse(
			c, MHD_HTTP_NOT_FOUND, "%.32s: no such key was made at run time", id);
	return entry;
}

static bool
is_over(const json_t *entry)
{
	int64_t end = change_time(entry, "expires");

	return json_object_get(entry, "revoked") || (end && end <= clock_wall_ns());
}

/* ---- calls ---- */

unsigned
admin_key_new(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct change c;
	json_t *entry = json_object();

	if (change_begin(&c, LIVE_KEY, "new", s, peer, in, out) && set_members(&c, entry)) {
		if (!json_object_get(entry, "person")) {
			change_refuse(&c, MHD_HTTP_BAD_REQUEST,
				"person: is missing: whose key is it?");
		} else {
			set_fresh(&c, entry);
			change_put(&c, NULL, entry);
		}
	}
	json_decref(entry);
	return change_end(&c);
}

unsigned
admin_key_change(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct change c;
	json_t *before = NULL, *after = NULL;

	if (!change_begin(&c, LIVE_KEY, "change", s, peer, in, out) || !(before = named(&c)))
		goto out;
	if (json_object_get(before, "revoked")) {
		change_refuse(&c, MHD_HTTP_CONFLICT, "it is revoked, which is final");
		goto out;
	}
	after = json_deep_copy(before);
	if (!set_members(&c, after))
		goto out;
	json_object_set(c.answer, "id", json_object_get(after, "id"));
	change_put(&c, before, after);
out:
	json_decref(before);
	json_decref(after);
	return change_end(&c);
}

/* The one that is there passes until the overlap is over, or as it would have ended. */
static bool
end_after(struct change *c, json_t *entry, uint64_t overlap_us)
{
	int64_t end = change_time(entry, "expires");
	int64_t next = clock_wall_ns() + (int64_t)overlap_us * 1000;
	json_t *after = json_deep_copy(entry);

	change_set_time(after, "expires", end && end < next ? end : next);
	bool ok = change_sign(c, after) && change_put(c, entry, after);
	json_decref(after);
	return ok;
}

unsigned
admin_key_rotate(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct change c;
	json_t *old = NULL, *next = NULL;
	uint64_t overlap_us = 24ull * 3600 * SECOND_US;
	int64_t now = clock_wall_ns(), ns;
	const char *text;
	bool given;

	if (!change_begin(&c, LIVE_KEY, "rotate", s, peer, in, out) || !(old = named(&c)))
		goto out;
	if (is_over(old)) {
		change_refuse(&c, MHD_HTTP_CONFLICT, "it is not live: make a new one");
		goto out;
	}
	if ((text = change_text(&c, "overlap")) &&
		duration_parse(span_str(text), &overlap_us) < 0) {
		change_refuse(&c, MHD_HTTP_BAD_REQUEST,
			"overlap %.32s: give a duration, such as 24h", text);
		goto out;
	}
	next = json_deep_copy(old);
	int64_t made = change_time(old, "created"), end = change_time(old, "expires");
	if (!change_until(&c, "ttl", "expires", &ns, &given) || !change_sign(&c, next))
		goto out;
	json_object_del(next, "serial");
	set_fresh(&c, next);
	change_set_time(next, "expires", given ? ns : end && made ? now + (end - made) : end);
	if (change_put(&c, NULL, next))
		end_after(&c, old, overlap_us);
out:
	json_decref(old);
	json_decref(next);
	return change_end(&c);
}

/* Of a file's key there is no entry yet: one that says no more than that it is revoked. */
static json_t *
of_file(struct change *c, const char *id)
{
	struct snapshot *snap = server_snapshot(c->s);
	bool have = id && identity_keys_have(snap->keys, span_str(id));

	snapshot_unref(&snap);
	return have ? json_pack("{s:s}", "id", id) : NULL;
}

unsigned
admin_key_revoke(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct change c;
	json_t *before = NULL, *after = NULL;

	if (!change_begin(&c, LIVE_KEY, "revoke", s, peer, in, out))
		return change_end(&c);
	before = named(&c);
	if (!before && (after = of_file(&c, change_text(&c, "id"))))
		c.status = MHD_HTTP_OK;
	if (before)
		after = json_deep_copy(before);
	if (!after || !change_sign(&c, after))
		goto out;
	json_object_set(c.answer, "id", json_object_get(after, "id"));
	if (json_object_get(after, "revoked"))
		goto out; /* so it is */
	change_set_time(after, "revoked", clock_wall_ns());
	change_put(&c, before, after);
out:
	json_decref(before);
	json_decref(after);
	return change_end(&c);
}

unsigned
admin_keys(struct server *s, struct buf *out)
{
	json_t *list = s->live ? live_list(s->live, LIVE_KEY) : json_array();
	json_t *shown = json_array(), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_t *key = change_shown(one);
		json_object_set_new(key, "state",
			json_string(json_object_get(one, "revoked") ? "revoked"
				    : is_over(one)		    ? "expired"
								    : "live"));
		json_array_append_new(shown, key);
	}
	char *text = json_dumps(shown, JSON_COMPACT);
	buf_printf(out, "{\"state_key\":%s,\"keys\":%s}\n", s->live ? "true" : "false",
		text ? text : "[]");
	free(text);
	json_decref(shown);
	json_decref(list);
	return MHD_HTTP_OK;
}
