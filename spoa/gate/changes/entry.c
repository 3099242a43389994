/* Reads, makes and compares entries. Every entry that verifies was made by a daemon with the
 * same key. A wrong value is therefore a defect of ours or comes from a later version, and
 * the whole entry is refused. */
#include "gate/changes/entry.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/store/signed.h"
#include "policy/identity/keylimits.h"

const char *const live_kinds[] = { "key", "limit", "erase", "node", NULL };
const char *const live_part_names[] = { "shares", "cache", "placeholders", NULL };
const char *const live_pair_names[LIVE_PAIR_NAMES] = { "person", "agent", "department", "team",
	"tier", "key", "model", "route" };

/* ---- members ---- */

struct reader {
	struct live_entry *e;
	json_t *object;
	struct buf *why; /* the first mistake */
};

static void
note_wrong_member(struct reader *r, const char *name, const char *what)
{
	if (!r->why->n)
		buf_printf(r->why, "%s: %s", name, what);
}

static const char *
entry_text(struct reader *r, const char *name, json_t *v)
{
	struct span s = json_span(v);

	if (!json_is_string(v) || !utf8_line(s)) {
		note_wrong_member(r, name, "expected text without control characters");
		return "";
	}
	s = arena_dup(&r->e->arena, s);
	return s.p ? s.p : "";
}

static const char *
read_text_of(struct reader *r, const char *name)
{
	json_t *v = json_object_get(r->object, name);

	return v ? entry_text(r, name, v) : "";
}

void
live_put_time(json_t *object, const char *name, int64_t ns)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(ns, when);
	json_object_set_new(object, name, json_string(when));
}

static int64_t
read_time_of(struct reader *r, const char *name)
{
	json_t *v = json_object_get(r->object, name);
	int64_t ns = 0;

	if (v && (!json_is_string(v) ||
			 clock_parse(json_string_value(v), json_string_length(v), &ns) < 0))
		note_wrong_member(r, name, "expected a time such as 2026-11-20T08:00:00Z");
	return ns;
}

static void
read_list_of(struct reader *r, const char *name, const char ***out, size_t *count)
{
	json_t *v = json_object_get(r->object, name), *one;
	size_t i;

	if (!v)
		return;
	if (!json_is_array(v) || json_array_size(v) == 0) {
		note_wrong_member(r, name, "expected a list of strings");
		return;
	}
	*out = arena_array(&r->e->arena, json_array_size(v), sizeof(**out));
	json_array_foreach(v, i, one) if (*out)(*out)[(*count)++] = entry_text(r, name, one);
}

static int64_t
read_whole(struct reader *r, const char *name, int64_t least)
{
	json_t *v = json_object_get(r->object, name);

	if (v && (!json_is_integer(v) || json_integer_value(v) < least))
		note_wrong_member(r, name, "expected a whole number");
	return json_integer_value(v);
}

/* Returns the earlier of two times, of which 0 means never. */
static int64_t
first_of(int64_t x, int64_t y)
{
	x = x ? x : LIVE_NEVER;
	y = y ? y : LIVE_NEVER;
	return x < y ? x : y;
}

/* ---- the kinds ---- */

static void
read_entry_key(struct reader *r)
{
	struct apikey *k = &r->e->key;
	struct span hash = json_span(json_object_get(r->object, "sha256"));
	struct limit l;

	for (size_t i = 0; i < APIKEY_TEXTS; i++)
		*apikey_text(k, i) = read_text_of(r, apikey_texts[i].name);
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		read_list_of(r, apikey_lists[i].name, apikey_list(k, i), apikey_count(k, i));
	if (k->nlimits > KEY_LIMITS_MAX)
		note_wrong_member(r, "limits", "expected at most 8 limits");
	for (size_t i = 0; i < k->nlimits; i++) {
		const char *what = key_limit_read(span_str(k->limits[i]), &l);
		if (what)
			note_wrong_member(r, "limits", what);
	}
	k->clearance = read_whole(r, "clearance", INT64_MIN);
	k->created_ns = read_time_of(r, "created");
	k->expires_ns = read_time_of(r, "expires");
	k->revoked_ns = read_time_of(r, "revoked");
	r->e->ended = k->revoked_ns != 0;
	r->e->over_ns = first_of(k->revoked_ns, k->expires_ns);
	if (strlen(k->id) != APIKEY_ID_LEN || !span_is_alnum(span_str(k->id), ""))
		note_wrong_member(r, "id", "expected the id of an API key");
	if (hash.n == 0 && r->e->ended)
		return; /* a key of a file */
	if (!k->person[0])
		note_wrong_member(r, "person", "is missing: name the person whose key this is");
	if (!sha256_read(hash, k->sha256))
		note_wrong_member(r, "sha256", "expected 64 hexadecimal digits");
}

static void
read_limit(struct reader *r)
{
	struct live_override *l = &r->e->limit;
	json_t *pairs = json_object_get(r->object, "for"), *v;
	char id[LIVE_LIMIT_ID + 1];
	const char *name;

	l->serial = r->e->serial;
	l->limit = read_text_of(r, "limit");
	l->counts = read_text_of(r, "counts");
	if (!l->limit[0])
		note_wrong_member(r, "limit", "is missing: name the limit to override");
	if (!json_is_object(pairs))
		note_wrong_member(r, "for",
			"is missing: expected conditions such as person=NAME or team=NAME, or an "
			"empty object for everyone");
	json_object_foreach(pairs, name, v)
	{
		if (l->npairs == LIVE_PAIRS_MAX || !SPAN_IN(span_str(name), live_pair_names)) {
			note_wrong_member(r, utf8_line(span_str(name)) ? name : "for",
				"expected one of person, agent, department, team, tier, key, "
				"model and route");
			break;
		}
		l->pairs[l->npairs++] =
			(struct live_pair){ arena_dup(&r->e->arena, span_str(name)),
				span_str(entry_text(r, "for", v)) };
	}
	if (!json_object_get(r->object, "to"))
		note_wrong_member(r, "to", "is missing: give the new amount");
	l->to = (uint64_t)read_whole(r, "to", 0);
	l->until_ns = read_time_of(r, "until");
	int64_t ended_ns = read_time_of(r, "ended");
	r->e->ended = ended_ns != 0;
	r->e->over_ns = first_of(ended_ns, l->until_ns);
	live_limit_id(l->limit, pairs, id);
	if (strcmp(id, r->e->id) != 0)
		note_wrong_member(r, "id", "is not the id of this limit and these conditions");
}

static void
read_erase(struct reader *r)
{
	struct span tag = json_span(json_object_get(r->object, "tag")), id = span_str(r->e->id);

	r->e->over_ns = LIVE_NEVER;
	if (!sha256_read(tag, r->e->erase.tag))
		note_wrong_member(r, "tag", "expected 64 hexadecimal digits");
	else if (id.n != LIVE_ERASE_ID || !span_starts(tag, id))
		note_wrong_member(r, "id", "is not the beginning of the tag");
	if (!read_text_of(r, "why")[0])
		note_wrong_member(r, "why", "is missing: give the reason for the erasure");
	read_text_of(r, "ticket");
	/* Entries of version 0.2.0 have no tags for caches. */
	for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++) {
		char name[LIVE_FIELD_MAX];
		live_part_tag(part, name);
		struct span hex = json_span(json_object_get(r->object, name));
		if (json_object_get(r->object, name) &&
			(hex.n != 2 * LIVE_NAME_BYTES ||
				span_past_set(hex, 0, "0123456789abcdef") != hex.n))
			note_wrong_member(r, name, "expected 16 hexadecimal digits");
	}
}

static void
read_retired_node(struct reader *r)
{
	struct live_node *n = &r->e->node;
	char id[LIVE_NODE_ID + 1];
	const int64_t never = LIVE_NEVER;

	r->e->over_ns = never;
	n->name = read_text_of(r, "name");
	n->why = read_text_of(r, "why");
	n->retired_ns = read_time_of(r, "retired");
	n->settled_ns = read_time_of(r, "settled");
	n->admitted = read_time_of(r, "admitted") != 0;
	live_node_id(span_str(n->name), id);
	if (!n->name[0] || strlen(n->name) > LIVE_NODE_NAME_MAX ||
		!span_is_alnum(span_str(n->name), "._-"))
		note_wrong_member(r, "name", "expected the name of a node");
	else if (strcmp(id, r->e->id) != 0)
		note_wrong_member(r, "id", "is not the id of this node");
	if (!n->why[0])
		note_wrong_member(r, "why", "is missing: give the reason");
	if (!n->retired_ns)
		note_wrong_member(r, "retired", "is missing: expected a time");
}

/* ---- whole entries ---- */

void
live_part_tag(enum live_part part, char out[LIVE_FIELD_MAX])
{
	snprintf(out, LIVE_FIELD_MAX, "%s_tag", live_part_names[part]);
}

void
live_erase_field(const unsigned char tag[SHA256_BYTES], char field[LIVE_FIELD_MAX])
{
	char id[LIVE_ERASE_ID + 1];

	sodium_bin2hex(id, sizeof(id), tag, LIVE_ERASE_ID / 2);
	snprintf(field, LIVE_FIELD_MAX, "%s:%s", live_kinds[LIVE_ERASE], id);
}

void
live_erase_tag(const unsigned char key[SHA256_BYTES], struct span holder,
	unsigned char tag[SHA256_BYTES])
{
	static const char domain[] = "tollgate-erase-v1";

	SCOPED_BUF(text, 0);
	buf_put(&text, domain, sizeof(domain));
	buf_span(&text, holder);
	INVARIANT(!buf_failed(&text));
	hmac_sha256(key, buf_view(&text), tag);
}

void
live_node_id(struct span name, char id[LIVE_NODE_ID + 1])
{
	unsigned char h[SHA256_BYTES];

	sha256(name, h);
	sodium_bin2hex(id, LIVE_NODE_ID + 1, h, LIVE_NODE_ID / 2);
}

void
live_limit_id(const char *limit, json_t *pairs, char id[LIVE_LIMIT_ID + 1])
{
	char *text = json_dumps(pairs, JSON_COMPACT | JSON_SORT_KEYS);
	unsigned char h[SHA256_BYTES];
	struct sha256 ctx;

	sha256_begin(&ctx);
	sha256_add(&ctx, span_of(limit, strlen(limit) + 1));
	sha256_add(&ctx, span_str(text));
	sha256_end(&ctx, h);
	sodium_bin2hex(id, LIVE_LIMIT_ID + 1, h, LIVE_LIMIT_ID / 2);
	free(text);
}

static void (*const read_kind[LIVE_KINDS])(
	struct reader *r) = { read_entry_key, read_limit, read_erase, read_retired_node };

static struct live_entry *
entry_of(json_t *object, struct span text, struct buf *why)
{
	struct live_entry *e = calloc(1, sizeof(*e));
	struct reader r = { e, object, why };

	if (!e) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	e->refs = 1;
	arena_init(&e->arena, 8 * CAP_LIVE_ENTRY_BYTES, false);
	struct span kind = json_span(json_object_get(object, "kind"));
	size_t i = span_find(kind, live_kinds, LIVE_KINDS);
	e->text = arena_dup(&e->arena, text);
	e->id = read_text_of(&r, "id");
	e->serial = read_whole(&r, "serial", 1);
	e->latest_ns = read_time_of(&r, "latest");
	if (!e->latest_ns)
		e->latest_ns = LIVE_NEVER;
	if (text.n > CAP_LIVE_ENTRY_BYTES)
		note_wrong_member(&r, "entry", "is longer than 8 KB");
	if (e->serial < 1)
		note_wrong_member(&r, "serial", "is missing");
	if (i == LIVE_KINDS)
		note_wrong_member(&r, "kind", "expected key, limit, erase or node");
	else
		read_kind[e->kind = (enum live_kind)i](&r);
	if ((size_t)snprintf(e->field, sizeof(e->field), "%s:%s", live_kinds[e->kind], e->id) >=
		sizeof(e->field))
		note_wrong_member(&r, "id", "is too long");
	int64_t end = e->kind == LIVE_LIMIT ? e->limit.until_ns : e->key.expires_ns;
	if (!end || e->latest_ns < end)
		e->latest_ns = end ? end : LIVE_NEVER;
	if (arena_failed(&e->arena))
		note_wrong_member(&r, "entry", err_str(ERR_NOMEM));
	if (why->n)
		live_entry_unref(&e);
	return e;
}

struct live_entry *
live_entry_read(struct span text, struct span field, const unsigned char key[SHA256_BYTES],
	struct buf *why)
{
	json_auto_t *object = signed_read(text, CAP_LIVE_ENTRY_BYTES, key, why);
	struct live_entry *e = object ? entry_of(object, text, why) : NULL;

	if (e && field.n && !span_is(field, e->field)) {
		buf_printf(why, "the entry belongs to %s", e->field);
		live_entry_unref(&e);
	}
	return e;
}

struct live_entry *
live_entry_make(json_t *object, const unsigned char key[SHA256_BYTES], struct buf *why)
{
	struct live_entry *e = NULL;

	SCOPED_BUF(text, 0);
	if (signed_write(object, key, &text))
		e = entry_of(object, buf_view(&text), why);
	else
		buf_str(why, err_str(ERR_NOMEM));
	return e;
}

json_t *
live_entry_object(const struct live_entry *e)
{
	struct span json = signed_json(e->text);

	return json_loadb(json.p, json.n, 0, NULL);
}

bool
live_day_after(int64_t ns, int64_t now_ns)
{
	return ns != LIVE_NEVER && now_ns > 0 && ns <= now_ns - CLOCK_DAY_NS;
}

bool
live_entry_beats(const struct live_entry *x, const struct live_entry *y)
{
	if (x->kind == LIVE_KEY && x->ended != y->ended)
		return x->ended;
	if (x->serial != y->serial)
		return x->serial > y->serial;
	return span_order(x->text, y->text) > 0;
}

void
live_entry_unref(struct live_entry **ep)
{
	struct live_entry *e = *ep;

	*ep = NULL;
	if (!e || --e->refs)
		return;
	arena_reset(&e->arena);
	free(e);
}

size_t
field_place(const void *list, size_t n, const char *(*of)(const void *list, size_t at),
	const char *field, bool *found)
{
	size_t from = 0, to = n;

	*found = false;
	while (from < to && !*found) {
		size_t mid = from + (to - from) / 2;
		int order = strcmp(of(list, mid), field);
		*found = order == 0;
		if (order < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return *found ? to : from;
}
