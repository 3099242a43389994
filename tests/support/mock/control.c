/* POST /_control: how the next answers look. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

struct mock_control mock_control = { .times = -1, .cut_after = -1, .error_after = -1 };

static void
control_reset(void)
{
	json_decref(mock_control.headers);
	json_decref(mock_control.usage);
	buf_free(&mock_control.body);
	buf_free(&mock_control.wire);
	mock_control = (struct mock_control){ .times = -1, .cut_after = -1, .error_after = -1 };
}

/* "body" as it is, or "body_base64": false where that is none. */
static bool
read_body(json_t *o)
{
	json_t *text = json_object_get(o, "body"), *coded = json_object_get(o, "body_base64");
	const char *type = json_string_value(json_object_get(o, "content_type"));
	size_t n = json_string_length(coded), size = n / 4 * 3 + 3;
	char *p;

	snprintf(mock_control.content_type, sizeof mock_control.content_type, "%s",
		type ? type : "application/json");
	mock_control.exact = text || coded;
	if (!coded) {
		buf_put(&mock_control.body, json_string_value(text), json_string_length(text));
		return true;
	}
	p = malloc(size);
	if (!p)
		abort();
	bool ok = json_is_string(coded) &&
		  sodium_base642bin((unsigned char *)p, size, json_string_value(coded), n, "\n",
			  &n, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
	if (ok)
		buf_put(&mock_control.body, p, n);
	free(p);
	return ok;
}

bool
mock_control_set(struct span body)
{
	json_t *o = body.n ? json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL) : json_object();
	json_t *v;

	if (!json_is_object(o)) {
		json_decref(o);
		return false;
	}
	control_reset();
	mock_control.status = (int)json_integer_value(json_object_get(o, "status"));
	if ((v = json_object_get(o, "times")) && json_is_integer(v))
		mock_control.times = (long)json_integer_value(v);
	mock_control.delay_s = json_number_value(json_object_get(o, "delay_ms")) / 1000;
	mock_control.chunk_s = json_number_value(json_object_get(o, "chunk_ms")) / 1000;
	mock_control.chunk_bytes =
		(size_t)json_integer_value(json_object_get(o, "chunk_bytes"));
	if ((v = json_object_get(o, "cut_after_bytes")) && json_is_integer(v))
		mock_control.cut_after = json_integer_value(v);
	if ((v = json_object_get(o, "headers")) && json_is_object(v))
		mock_control.headers = json_incref(v);
	if ((v = json_object_get(o, "usage")))
		mock_control.usage = json_incref(v);
	mock_control.length = json_integer_value(json_object_get(o, "length"));
	mock_control.event_chars =
		(size_t)json_integer_value(json_object_get(o, "event_chars"));
	if ((v = json_object_get(o, "error_after_events")) && json_is_integer(v))
		mock_control.error_after = (long)json_integer_value(v);
	mock_control.hold_after =
		(long)json_integer_value(json_object_get(o, "hold_after_events"));
	if ((v = json_object_get(o, "wire")) && json_is_string(v))
		buf_put(&mock_control.wire, json_string_value(v), json_string_length(v));
	mock_control.reset = json_is_true(json_object_get(o, "reset"));
	mock_control.stays = json_is_true(json_object_get(o, "stays"));
	mock_control.at_head = json_is_true(json_object_get(o, "at_head"));
	bool ok = read_body(o);
	json_decref(o);
	if (!ok || mock_control.times == 0)
		control_reset();
	return ok;
}

void
mock_control_used(void)
{
	if (mock_control.times > 0 && --mock_control.times == 0)
		control_reset();
}
