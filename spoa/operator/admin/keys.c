/* Creates, changes, rotates and revokes API keys at run time. This file checks which members a
 * call may set; gate/changes/entry.c checks their values. */
#include "operator/admin/calls.h"

#include <microhttpd.h>
#include <sodium.h>

#include "base/attr.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/snapshot.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/advice/keys.h"
#include "policy/config/read.h"
#include "policy/identity_entry.h"
#include "policy/policy.h"

/* ---- members ---- */

static bool
is_member(const char *name)
{
	for (size_t i = 1; i < APIKEY_GIVEN; i++)
		if (!strcmp(name, apikey_texts[i].name))
			return true;
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		if (!strcmp(name, apikey_lists[i].name))
			return true;
	return !strcmp(name, "clearance");
}

/* Compares the call's scopes and models with the policy in force. A scope that is no route is
 * refused, because the key could not be used. A model that the policy does not name is reported
 * in `unknown_models`, because a provider may know it. gate/changes/entry.c refuses values that
 * are not lists of texts. */
static bool
rights_fit(struct change *c)
{
	SCOPED_SNAPSHOT(snap, c->s);
	SCOPED_BUF(why, 1024);
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(c->in, "scopes"), i, v)
	{
		if (json_is_string(v) &&
			!policy_key_scope(snap->policy, span_str(json_string_value(v)), &why))
			return change_refuse(c, MHD_HTTP_BAD_REQUEST, "scopes: %.*s",
				SPAN_ARG(buf_view(&why)));
	}
	json_array_foreach(json_object_get(c->in, "models"), i, v)
	{
		buf_clear(&why);
		if (json_is_string(v) &&
			!policy_key_model(snap->policy, span_str(json_string_value(v)), &why))
			json_object_set_new(c->answer, "unknown_models",
				json_stringn(buf_view(&why).p, buf_view(&why).n));
	}
	return true;
}

static bool
set_members(struct change *c, json_t *entry)
{
	static const char *const words[] = { "id", "by", "reason", "ttl", "expires",
		"overlap" }; /* parameters of the call itself */
	const char *name;
	json_t *v;
	int64_t ns;
	bool given;

	json_object_foreach(c->in, name, v)
	{
		if (SPAN_IN(span_str(name), words))
			continue;
		if (!is_member(name))
			return change_refuse(c, MHD_HTTP_BAD_REQUEST,
				"%.64s: a key has no such member: correct the name", name);
		if (json_is_null(v) || (json_is_array(v) && !json_array_size(v)))
			json_object_del(entry, name);
		else
			json_object_set(entry, name, v);
	}
	if (!rights_fit(c) || !change_until(c, "ttl", "expires", &ns, &given) ||
		!change_sign(c, entry))
		return false;
	if (given)
		change_set_time(entry, "expires", ns);
	return true;
}

/* Generates a key: sets id, hash and time in the entry, and puts the text into the response. */
static void
set_fresh(struct change *c, json_t *entry)
{
	char id[APIKEY_ID_LEN + 1], text[80], hex[2 * SHA256_BYTES + 1];
	unsigned char hash[SHA256_BYTES];

	apikey_make(id, text, hash);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	json_object_set_new(entry, "id", json_string(id));
	json_object_set_new(entry, "sha256", json_string(hex));
	change_set_time(entry, "created", wall_now_ns());
	json_object_set_new(c->answer, "id", json_string(id));
	json_object_set_new(c->answer, "key", json_string(text));
	sodium_memzero(text, sizeof(text));
}

/* Returns the entry of the key that the call names, or NULL after answering with an error. */
static json_t *
named_key(struct change *c)
{
	const char *id = change_text(c, "id");
	char field[LIVE_FIELD_MAX];

	if (!id || !id[0]) {
		change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"id: this parameter is missing: name "
			"the key");
		return NULL;
	}
	snprintf(field, sizeof(field), "key:%.32s", id);
	json_t *entry = live_get(c->s->live, field);
	if (!entry)
		change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.32s: no key with this id was created at run "
			"time: see tollgate key list",
			id);
	return entry;
}

static bool
key_has_ended(const json_t *entry)
{
	int64_t end = change_time(entry, "expires");

	return json_object_get(entry, "revoked") || (end && end <= wall_now_ns());
}

/* ---- calls ---- */

static bool
make_new(struct change *c, json_t **before UNUSED, json_t **after)
{
	*after = json_object();
	if (!set_members(c, *after))
		return false;
	if (!json_object_get(*after, "person"))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"person: this parameter is missing: name the person that the key "
			"authenticates");
	set_fresh(c, *after);
	return true;
}

/* Reports `taken: false` if the policy in force accepts no API keys: the key is stored but
 * gives no access. */
static void
say_taken(struct change *c, const json_t *after UNUSED)
{
	SCOPED_SNAPSHOT(snap, c->s);

	for (size_t i = 0; i < snap->policy->nidentities; i++)
		if (snap->policy->identities[i].kind == ID_API_KEY)
			return;
	json_object_set_new(c->answer, "taken", json_false());
}

const struct change_row admin_key_new = { NULL, LIVE_KEY, "new", make_new, say_taken };

static bool
make_change(struct change *c, json_t **before, json_t **after)
{
	if (!(*before = named_key(c)))
		return false;
	if (json_object_get(*before, "revoked"))
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the key is revoked, which is "
			"final: create a new key");
	*after = json_deep_copy(*before);
	return set_members(c, *after);
}

const struct change_row admin_key_change = { NULL, LIVE_KEY, "change", make_change, NULL };

/* Creates the successor of a key, and reads how long the old key stays valid. */
static bool
make_next(struct change *c, json_t *old, json_t *next, uint64_t *overlap_us)
{
	const char *text = change_text(c, "overlap");
	int64_t made = change_time(old, "created"), end = change_time(old, "expires");
	int64_t now = wall_now_ns(), ns;
	bool given;

	if (text && duration_parse(span_str(text), overlap_us) < 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"overlap %.32s: give a duration, such as 24h", text);
	if (!change_until(c, "ttl", "expires", &ns, &given) || !change_sign(c, next))
		return false;
	json_object_del(next, "serial");
	if (!json_object_get(next, "counts_as"))
		json_object_set(next, "counts_as", json_object_get(old, "id"));
	set_fresh(c, next);
	change_set_time(next, "expires", given ? ns : end && made ? now + (end - made) : end);
	return change_put(c, NULL, next);
}

/* A rotation is two changes: the new key, then an end for the old key, unless the old key
 * already ends sooner. */
static bool
make_rotation(struct change *c, json_t **before, json_t **after)
{
	uint64_t overlap_us = 24ull * 3600 * SECOND_US;

	if (!(*before = named_key(c)))
		return false;
	if (key_has_ended(*before))
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the key has expired or is "
			"revoked: create a new key");
	json_auto_t *next = json_deep_copy(*before);
	if (!make_next(c, *before, next, &overlap_us))
		return false;
	int64_t end = change_time(*before, "expires");
	int64_t until = wall_now_ns() + (int64_t)overlap_us * 1000;
	*after = json_deep_copy(*before);
	change_set_time(*after, "expires", end && end < until ? end : until);
	return change_sign(c, *after);
}

const struct change_row admin_key_rotate = { NULL, LIVE_KEY, "rotate", make_rotation,
	say_taken };

/* Returns a new entry that only revokes a key of a file, which has no entry yet. NULL: no file
 * has this key. */
static json_t *
entry_of_file_key(struct change *c, const char *id)
{
	SCOPED_SNAPSHOT(snap, c->s);

	return id && identity_keys_have(snap->keys, span_str(id)) ? json_pack("{s:s}", "id", id)
								  : NULL;
}

static bool
make_revoked(struct change *c, json_t **before, json_t **after)
{
	*before = named_key(c);
	if (*before)
		*after = json_deep_copy(*before);
	else if ((*after = entry_of_file_key(c, change_text(c, "id"))))
		c->status = MHD_HTTP_OK;
	if (!*after || !change_sign(c, *after))
		return false;
	json_object_set(c->answer, "id", json_object_get(*after, "id"));
	if (json_object_get(*after, "revoked"))
		return false; /* the key is revoked already */
	change_set_time(*after, "revoked", wall_now_ns());
	return true;
}

const struct change_row admin_key_revoke = { NULL, LIVE_KEY, "revoke", make_revoked, NULL };

static const char *
key_state(const json_t *entry)
{
	return json_object_get(entry, "revoked") ? "revoked"
	       : key_has_ended(entry)		 ? "expired"
						 : "live";
}

unsigned
admin_keys(struct server *s, struct buf *out)
{
	return change_list(s, LIVE_KEY, "keys", key_state, out);
}
