/* Calls about records: the keyed hash of a text, which nobody can compute without the daemon's
 * key; the pseudonym of a person; the note that a command has read records; and the signature
 * of an export's manifest. Each is a record of type "read" with its caller. */
#include <microhttpd.h>

#include "base/attr.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "record/audit/audit.h"
#include "record/audit/keys.h"
#include "record/proof/export.h"
#include "record/seal/shares.h"

enum { COMMAND_MAX = 32, ASKED_MAX = 32 << 10, ASKED_DEPTH = 8 };

static void
add_hash(json_t *all, const char *key, const unsigned char hash[SHA256_BYTES], const char *of)
{
	SCOPED_BUF(hex, 256);
	buf_hex(&hex, hash, SHA256_BYTES);
	json_array_append_new(all, json_pack("{s:s,s:s%,s:s*}", "hash_key", key, "id",
					   buf_view(&hex).p, hex.n, "of", of));
}

/* Returns the text's hashes by the key in force and by keys of earlier boots whose files still
 * exist. If `own` is the hash key of a person's share, the list also has the hashes that
 * records of this person contain (gate/sealing). NULL: no person was given. */
static json_t *
text_hashes(struct change *c, struct span text, const unsigned char now[SHA256_BYTES],
	const unsigned char *own)
{
	struct hashkey keys[AUDIT_HASH_KEYS];
	const char *in_force = audit_keys(c->s->audit)->hash.id;
	unsigned char hash[SHA256_BYTES], his[SHA256_BYTES];
	json_t *all = json_array();
	size_t n = audit_hash_keys(c->s->shared_cfg, keys);

	for (size_t i = 0; i <= n; i++) {
		const char *key = i ? keys[i - 1].id : in_force;
		if (i && !strcmp(key, in_force))
			continue;
		if (i)
			hmac_sha256(keys[i - 1].key, text, hash);
		else
			memcpy(hash, now, sizeof(hash));
		add_hash(all, key, hash, NULL);
		if (!own)
			continue;
		hmac_sha256(own, span_of((const char *)hash, sizeof(hash)), his);
		add_hash(all, key, his, "person");
	}
	explicit_bzero(keys, sizeof(keys));
	return all;
}

static bool
make_hash(struct change *c, json_t **before UNUSED, json_t **after)
{
	const json_t *text = json_object_get(c->in, "text");
	struct span person = json_span(json_object_get(c->in, "person"));
	unsigned char hash[SHA256_BYTES], own[SHA256_BYTES];
	struct share b = { .number = 0 };

	c->reads = true;
	if (!json_is_string(text))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "text: send a string");
	if (!c->s->audit)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	gate_text_hash(c->s->shared, json_span(text), hash);
	bool his = person.n && c->s->shares && !shares_get(c->s->shares, person, false, &b);
	if (his)
		share_hash_key(&b, own);
	SCOPED_BUF(hex, 256);
	buf_hex(&hex, hash, sizeof(hash));
	*after = json_pack("{s:s%,s:o}", "id", buf_view(&hex).p, hex.n, "hashes",
		text_hashes(c, json_span(text), hash, his ? own : NULL));
	explicit_bzero(&b, sizeof(b));
	explicit_bzero(own, sizeof(own));
	json_object_set_new(c->answer, "shares", json_boolean(c->s->shares != NULL));
	json_object_set(c->answer, "hashes", json_object_get(*after, "hashes"));
	return change_sign(c, *after);
}

const struct change_row admin_text_hash = { "text", 0, "search", make_hash, NULL };

/* The record has only the pseudonym, so that nobody can tell after an erasure whose it was. */
static bool
make_pseudonym(struct change *c, json_t **before UNUSED, json_t **after)
{
	struct span person = json_span(json_object_get(c->in, "person"));
	char word[PSEUDONYM_LEN + 1];
	struct share b;

	c->reads = true;
	if (!c->s->audit || !c->s->shares)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"persons have no pseudonyms here: tollgate.yaml has no seal section");
	int err = shares_get(c->s->shares, person, false, &b);
	if (err)
		return change_refuse(c,
			err == ERR_NOTFOUND ? MHD_HTTP_NOT_FOUND : MHD_HTTP_SERVICE_UNAVAILABLE,
			"%s",
			err == ERR_NOTFOUND ? "this daemon has no share of that person, so "
					      "there is no pseudonym"
					    : err_str(err));
	share_pseudonym(&b, word);
	explicit_bzero(&b, sizeof(b));
	*after = json_pack("{s:s}", "id", word);
	json_object_set_new(c->answer, "pseudonym", json_string(word));
	return *after && change_sign(c, *after);
}

const struct change_row admin_pseudonym = { "pseudonym", 0, "pseudonym", make_pseudonym, NULL };

/* Returns true if the value is nested at most `depth` deep; deeper values could not be read
 * back from a record. */
static bool
is_flat(const json_t *v, unsigned depth)
{
	const char *name;
	json_t *one;
	size_t i;
	bool flat = depth > 0;

	json_array_foreach(v, i, one) flat = flat && is_flat(one, depth - 1);
	json_object_foreach((json_t *)(uintptr_t)v, name, one) flat =
		flat && is_flat(one, depth - 1);
	return flat;
}

static bool
make_read(struct change *c, json_t **before UNUSED, json_t **after)
{
	const char *command = change_text(c, "command"), *follow = change_text(c, "follow");
	json_t *asked = json_object_get(c->in, "asked"),
	       *records = json_object_get(c->in, "records");

	c->reads = true;
	if (c->status != MHD_HTTP_OK)
		return false;
	/* the words of a command, such as "audit list" */
	size_t n = command ? strspn(command, "abcdefghijklmnopqrstuvwxyz ") : 0;
	if (n == 0 || n > COMMAND_MAX || command[n])
		return change_refuse(
			c, MHD_HTTP_BAD_REQUEST, "command: send the words of a command");
	if (!json_is_object(asked) || !is_flat(asked, ASKED_DEPTH) ||
		json_dumpb(asked, NULL, 0, JSON_COMPACT) > ASKED_MAX)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"asked: send an object of up to %d bytes that is nested at most %d "
			"deep",
			ASKED_MAX, ASKED_DEPTH);
	if (!json_is_integer(records) || json_integer_value(records) < 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "records: send a whole number");
	if (follow && strcmp(follow, "begin") != 0 && strcmp(follow, "end") != 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "follow: send begin or end");
	if (!c->s->audit)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	c->verb = command;
	c->may_sum = true;
	c->is_over = follow && !strcmp(follow, "end");
	*after = json_pack("{s:O,s:O}", "asked", asked, "records", records);
	if (follow)
		json_object_set_new(*after, "follow", json_string(follow));
	return *after && change_sign(c, *after);
}

const struct change_row admin_read = { "records", 0, "", make_read, NULL };

/* ---- the manifest of an export ---- */

/* Returns what the record of an export has of each chain: its node, range and number of
 * records. */
static json_t *
chains_told(const json_t *object)
{
	json_t *told = json_array(), *chain;
	size_t i;

	json_array_foreach(json_object_get(object, "chains"), i, chain) json_array_append_new(
		told,
		json_pack("{s:O,s:O,s:O,s:O}", "node", json_object_get(chain, "node"), "first",
			json_object_get(chain, "first"), "last", json_object_get(chain, "last"),
			"records", json_object_get(chain, "records")));
	return told;
}

static bool
make_manifest(struct change *c, json_t **before UNUSED, json_t **after)
{
	struct span text = json_span(json_object_get(c->in, "object"));
	unsigned char hash[SHA256_BYTES];

	c->reads = true;
	SCOPED_BUF(why, 1024);
	json_auto_t *object = export_object(text, &why);
	if (!object)
		return change_refuse(
			c, MHD_HTTP_BAD_REQUEST, "object: %.*s", SPAN_ARG(buf_view(&why)));
	if (!c->s->audit)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	SCOPED_BUF(line, EXPORT_MANIFEST_MAX);
	audit_keys_export(audit_keys(c->s->audit), &line, text);
	sha256(text, hash);
	SCOPED_BUF(id, 256);
	buf_hex(&id, hash, sizeof(hash));
	const json_t *file = json_object_get(object, "file");
	*after = json_pack("{s:s%,s:O,s:O,s:O,s:{s:O,s:O,s:O},s:O,s:o}", "id", buf_view(&id).p,
		id.n, "format", json_object_get(object, "format"), "since",
		json_object_get(object, "since"), "until", json_object_get(object, "until"),
		"file", "name", json_object_get(file, "name"), "bytes",
		json_object_get(file, "bytes"), "sha256", json_object_get(file, "sha256"),
		"records", json_object_get(object, "records"), "chains", chains_told(object));
	if (!*after)
		return change_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", err_str(ERR_NOMEM));
	json_object_set_new(c->answer, "manifest", json_stringn(buf_view(&line).p, line.n));
	return change_sign(c, *after);
}

const struct change_row admin_export = { "export", 0, "manifest", make_manifest, NULL };
