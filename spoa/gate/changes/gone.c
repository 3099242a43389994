/* The list of purged names, and their lines. A binary search finds a name by its field. */
#include "gate/changes/gone.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/mem.h"
#include "gate/store/signed.h"

static const char *
field_of(const void *list, size_t at)
{
	return ((const struct gone_list *)list)->v[at].field;
}

static size_t
gone_place(const struct gone_list *g, const char *field, bool *found)
{
	return field_place(g, g->n, field_of, field, found);
}

const struct gone *
gone_find(const struct gone_list *g, const char *field)
{
	bool found;
	size_t at = gone_place(g, field, &found);

	return found ? &g->v[at] : NULL;
}

bool
gone_beats(const struct gone *g, const struct live_entry *e)
{
	return g->final || e->serial <= g->serial;
}

int
gone_add(struct gone_list *g, const struct gone *one)
{
	bool found;
	size_t at = gone_place(g, one->field, &found);

	if (found) {
		g->v[at] = *one;
		return 0;
	}
	if (g->n == CAP_LIVE_GONE)
		return ERR_FULL;
	if (!mem_room(&g->v, &g->room, g->n + 1, sizeof(*g->v)))
		return ERR_NOMEM;
	memmove(g->v + at + 1, g->v + at, (g->n - at) * sizeof(*g->v));
	g->v[at] = *one;
	g->n++;
	return 0;
}

void
gone_drop(struct gone_list *g, const char *field)
{
	bool found;
	size_t at = gone_place(g, field, &found);

	if (found)
		memmove(g->v + at, g->v + at + 1, (--g->n - at) * sizeof(*g->v));
}

void
gone_forget(struct gone_list *g, int64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++)
		if (!live_day_after(g->v[i].latest_ns, now_ns))
			g->v[kept++] = g->v[i];
	g->n = kept;
}

void
gone_free(struct gone_list *g)
{
	free(g->v);
	*g = (struct gone_list){ NULL, 0, 0 };
}

struct gone
gone_of(const struct live_entry *e)
{
	struct gone one = { .serial = e->serial,
		.latest_ns = e->latest_ns,
		.final = e->kind == LIVE_KEY && e->ended };

	INVARIANT(strlen(e->field) < sizeof(one.field));
	strcpy(one.field, e->field);
	return one;
}

void
gone_write(const struct gone *one, const unsigned char key[SHA256_BYTES], struct buf *out)
{
	json_auto_t *o = json_pack("{s:s s:s s:I s:b}", "kind", "gone", "field", one->field,
		"serial", (json_int_t)one->serial, "final", one->final);

	if (one->latest_ns != LIVE_NEVER)
		live_put_time(o, "latest", one->latest_ns);
	if (signed_write(o, key, out))
		buf_putc(out, '\n');
}

bool
gone_read(json_t *object, struct gone *out)
{
	struct span field = json_span(json_object_get(object, "field")),
		    latest = json_span(json_object_get(object, "latest"));

	*out = (struct gone){ .latest_ns = LIVE_NEVER };
	if (!span_is(json_span(json_object_get(object, "kind")), "gone") || !field.n ||
		field.n >= sizeof(out->field))
		return false;
	memcpy(out->field, field.p, field.n);
	out->serial = json_integer_value(json_object_get(object, "serial"));
	out->final = json_is_true(json_object_get(object, "final"));
	return !latest.n || clock_parse(latest.p, latest.n, &out->latest_ns) == 0;
}
