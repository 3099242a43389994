/* Overrides limits at run time: other amounts for some callers, optionally until a given time.
 */
#include <microhttpd.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/price/price.h"
#include "base/wall.h"
#include "gate/limits/limits.h"
#include "gate/snapshot.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

enum { USD_SCALE = 9 }; /* US dollars have 9 decimals: nano-dollars */
#define AMOUNT_MAX (INT64_MAX / 16)

/* Checks that the policy in force has the limit, and stores what the limit counts in *of.
 * Otherwise answers with the nearest name. */
static bool
is_known_limit(struct change *c, const char *limit, enum limit_of *of)
{
	SCOPED_SNAPSHOT(snap, c->s);
	struct nearest near = nearest_to(span_str(limit));

	for (size_t i = 0; i < snap->policy->nlimits; i++) {
		*of = snap->policy->limits[i].of;
		if (nearest_is(&near, snap->policy->limits[i].name))
			return true;
	}
	return change_refuse(c, MHD_HTTP_NOT_FOUND, "%.64s: policy %s has no such limit%s",
		limit, snap->policy->label, nearest_hint(&near));
}

/* Reads which override the call means: by its id, or by limit and callers. Stores the id.
 * Returns false after answering with an error. */
static bool
named_limit(struct change *c, char id[LIVE_LIMIT_ID + 1])
{
	const char *given = change_text(c, "id"), *limit = change_text(c, "limit");
	json_t *pairs = json_object_get(c->in, "for");

	if (c->status != MHD_HTTP_OK)
		return false;
	if (given) {
		snprintf(id, LIVE_LIMIT_ID + 1, "%s", given);
		return true;
	}
	if (!limit || !json_is_object(pairs))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"limit and for are missing: give the limit's name and the callers; an "
			"empty object as for stands for everyone");
	live_limit_id(limit, pairs, id);
	return true;
}

static json_t *
override_in_force(struct change *c, const char *id)
{
	char field[LIVE_FIELD_MAX];

	snprintf(field, sizeof(field), "limit:%s", id);
	return live_get(c->s->live, field);
}

/* Reads the amount in the limit's unit. Dollars, as a string or number, become nano-dollars. */
static bool
set_amount(struct change *c, enum limit_of of, json_t *after)
{
	const json_t *to = json_object_get(c->in, "to");
	char *text = json_dumps(to, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	uint64_t n = 0;
	int err = 0;

	if (of == LIMIT_USD)
		err = price_parse(span_trim(span_str(text), "\""), USD_SCALE, &n);
	else if (json_is_integer(to) && json_integer_value(to) >= 0)
		n = (uint64_t)json_integer_value(to);
	else
		err = ERR_SYNTAX;
	free(text);
	if (err || n > AMOUNT_MAX)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "to: send %s",
			of == LIMIT_USD ? "US dollars such as 500 or 0.25" : "a whole number");
	json_object_set_new(after, "counts", json_string(limits_kinds[of]));
	json_object_set_new(after, "to", json_integer((json_int_t)n));
	return true;
}

/* Checks that the call has only known members. */
static bool
has_only_known_members(struct change *c)
{
	static const char *const words[] = { "id", "limit", "for", "to", "until", "ttl", "by",
		"reason" };
	const char *name;
	json_t *v;

	json_object_foreach(c->in, name, v)
	{
		(void)v;
		if (!SPAN_IN(span_str(name), words))
			return change_refuse(c, MHD_HTTP_BAD_REQUEST,
				"%.64s: an override has no such member: correct the name",
				name);
	}
	return true;
}

static bool
make_set(struct change *c, json_t **before, json_t **after)
{
	enum limit_of of = LIMIT_REQUESTS;
	char id[LIVE_LIMIT_ID + 1];
	const char *limit;
	int64_t until;
	bool given;

	*after = json_object();
	if (!has_only_known_members(c) || !named_limit(c, id) ||
		!(limit = change_text(c, "limit")) || !is_known_limit(c, limit, &of) ||
		!set_amount(c, of, *after) ||
		!change_until(c, "ttl", "until", &until, &given) || !change_sign(c, *after))
		return false;
	*before = override_in_force(c, id);
	json_object_set_new(*after, "id", json_string(id));
	json_object_set(*after, "limit", json_object_get(c->in, "limit"));
	json_object_set(*after, "for", json_object_get(c->in, "for"));
	change_set_time(*after, "until", until);
	return true;
}

const struct change_row admin_limit_set = { NULL, LIVE_LIMIT, "set", make_set, NULL };

static bool
make_clear(struct change *c, json_t **before, json_t **after)
{
	char id[LIVE_LIMIT_ID + 1];

	if (!has_only_known_members(c) || !named_limit(c, id))
		return false;
	*before = override_in_force(c, id);
	if (!*before || json_object_get(*before, "ended"))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%s: no such override is in force: see "
			"tollgate limits list",
			id);
	*after = json_deep_copy(*before);
	if (!change_sign(c, *after))
		return false;
	change_set_time(*after, "ended", wall_now_ns());
	return true;
}

const struct change_row admin_limit_clear = { NULL, LIVE_LIMIT, "clear", make_clear, NULL };

/* Returns the state of an override, or NULL if it was cleared: cleared ones are only in the
 * records. */
static const char *
override_state(const json_t *entry)
{
	int64_t until = change_time(entry, "until");

	if (json_object_get(entry, "ended"))
		return NULL;
	return until && until <= wall_now_ns() ? "expired" : "live";
}

unsigned
admin_limits(struct server *s, struct buf *out)
{
	return change_list(s, LIVE_LIMIT, "overrides", override_state, out);
}
