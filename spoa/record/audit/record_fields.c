/* Reads fields of records by their rows in RECORD_FIELDS: see record_fields.h. */
#include "record/audit/record_fields.h"

#include <string.h>

#include "policy/env.h"

const struct record_row record_rows[RECORD_FIELDS_COUNT] = {
#define X(id, object, name, type, in, by, slot, called)                                        \
	{ object name, name, ",\"" name "\":", sizeof(name) + 3, RECORD_##type, RECORD_##in,   \
		slot, by, called },
	RECORD_FIELDS(X)
#undef X
};
_Static_assert(V_COUNT <= UINT8_MAX, "record_row.slot");

json_t *
record_get(const json_t *record, enum record_field f)
{
	struct span path = span_str(record_rows[f].path);
	json_t *v = NULL;

	for (const json_t *o = record; path.n; o = v) {
		struct span name = span_next(&path, '.');
		v = json_object_getn(o, name.p, name.n);
	}
	return v;
}

struct span
audit_time_of(struct span line)
{
	static const char member[] = ",\"time\":\"";
	struct span head = span_cut(line, 0, AUDIT_HEAD_BYTES);
	const char *at = head.n ? memmem(head.p, head.n, member, sizeof(member) - 1) : NULL;

	if (!at || head.p + head.n - at < (ssize_t)(sizeof(member) - 1 + CLOCK_RFC3339_LEN))
		return (struct span){ NULL, 0 };
	return span_of(at + sizeof(member) - 1, CLOCK_RFC3339_LEN - 1);
}

bool
audit_time_within(struct span line, const char *since, const char *until)
{
	struct span time = audit_time_of(line);

	return time.n && (!since[0] || memcmp(time.p, since, time.n) >= 0) &&
	       (!until[0] || memcmp(time.p, until, time.n) < 0);
}
