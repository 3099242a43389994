/* POST /_control: the form of the next responses. An object is one setting, an array several,
 * each for its `times`, in turn. Members:
 *
 *   times                responses that it applies to; absent: until replaced
 *   only                 for requests whose target, a header's value or body has this text
 *   status, headers      of the head; a status from 400 on has the dialect's error document
 *   fault                the document of one of error.c's, with its status; `status` 200: an
 *                        error with the status of a success
 *   delay_ms, chunk_ms   before the first byte; between two events
 *   chunk_bytes, event_chars   the bytes of a write; the characters of an event
 *   length, usage        the tokens that the response used
 *   body, body_base64, content_type   exactly this body
 *   wire, reset, stays   exactly these bytes, including the head; how it ends then
 *   at_head              answered before the request's body was read
 *   pings                so many between the head and the first content
 *   cut_after_bytes      of the body; 0: before the head
 *
 * The place in a stream: `…_after_events` counts events, `…_after_content` counts from the
 * first one with content (0: right before it), whatever the dialect.
 *
 *   error_after_…        the stream continues with an error (`fault`, or 503) and ends
 *   hold_after_…         the next event waits for `hold_ms`, or POST /_release; events 0: after
 *                        the head
 *   cut_after_…          the connection ends there, `cut_into_bytes` into the next event */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

const struct mock_control mock_plain = { .times = -1, .cut_after = -1 };
struct mock_control mock_control = { .times = -1, .cut_after = -1 };

static void
control_reset(void)
{
	json_decref(mock_control.headers);
	json_decref(mock_control.usage);
	json_decref(mock_control.then);
	free(mock_control.only);
	buf_free(&mock_control.body);
	buf_free(&mock_control.wire);
	mock_control = mock_plain;
}

/* "body" as it is, or "body_base64"; false if that is not base64. */
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

static struct mock_where
where(json_t *o, const char *what)
{
	char name[64];
	struct mock_where w = { 0 };
	json_t *v;

	for (int content = 0; content < 2; content++) {
		snprintf(
			name, sizeof name, "%s_after_%s", what, content ? "content" : "events");
		v = json_object_get(o, name);
		if (json_is_integer(v))
			w = (struct mock_where){ .is = true,
				.of_content = content,
				.n = (size_t)json_integer_value(v) };
	}
	return w;
}

/* Returns the position in this response, in events. */
size_t
mock_at(const struct mock_where *w, const struct mock_answer *a)
{
	return w->n + (w->of_content ? a->content : 0);
}

static long
integer_of(json_t *o, const char *name, long absent)
{
	json_t *v = json_object_get(o, name);

	return json_is_integer(v) ? (long)json_integer_value(v) : absent;
}

static double
seconds_of(json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name)) / 1000;
}

static bool
set_one(json_t *o)
{
	const char *fault = json_string_value(json_object_get(o, "fault"));
	const char *only = json_string_value(json_object_get(o, "only"));
	json_t *v;

	mock_control.status = (int)integer_of(o, "status", 0);
	mock_control.times = integer_of(o, "times", -1);
	mock_control.only = only ? strdup(only) : NULL;
	mock_control.delay_s = seconds_of(o, "delay_ms");
	mock_control.chunk_s = seconds_of(o, "chunk_ms");
	mock_control.hold_s = seconds_of(o, "hold_ms");
	mock_control.chunk_bytes = (size_t)integer_of(o, "chunk_bytes", 0);
	mock_control.cut_after = integer_of(o, "cut_after_bytes", -1);
	mock_control.cut_into = integer_of(o, "cut_into_bytes", 0);
	mock_control.pings = integer_of(o, "pings", 0);
	if ((v = json_object_get(o, "headers")) && json_is_object(v))
		mock_control.headers = json_incref(v);
	if ((v = json_object_get(o, "usage")))
		mock_control.usage = json_incref(v);
	mock_control.length = integer_of(o, "length", 0);
	mock_control.event_chars = (size_t)integer_of(o, "event_chars", 0);
	mock_control.error = where(o, "error");
	mock_control.hold = where(o, "hold");
	mock_control.cut = where(o, "cut");
	if ((v = json_object_get(o, "wire")) && json_is_string(v))
		buf_put(&mock_control.wire, json_string_value(v), json_string_length(v));
	mock_control.reset = json_is_true(json_object_get(o, "reset"));
	mock_control.stays = json_is_true(json_object_get(o, "stays"));
	mock_control.at_head = json_is_true(json_object_get(o, "at_head"));
	if (fault)
		mock_control.fault = mock_fault(fault);
	return read_body(o) && (!fault || mock_control.fault);
}

/* Uses the first setting of the list that has responses left; the others wait. Takes ownership
 * of the list. False: an element is not a setting. */
static bool
set_first(json_t *list)
{
	bool ok = true;

	control_reset();
	while (ok && json_array_size(list)) {
		json_t *o = json_incref(json_array_get(list, 0));
		json_array_remove(list, 0);
		ok = json_is_object(o) && set_one(o);
		json_decref(o);
		if (ok && mock_control.times != 0) {
			mock_control.then = list;
			return true;
		}
		control_reset();
	}
	json_decref(list);
	return ok;
}

bool
mock_control_set(struct span body)
{
	json_t *o = body.n ? json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL) : json_object();

	if (json_is_object(o))
		o = json_pack("[o]", o);
	if (json_is_array(o))
		return set_first(o);
	json_decref(o);
	return false;
}

void
mock_control_used(void)
{
	if (mock_control.times > 0 && --mock_control.times == 0)
		set_first(json_incref(mock_control.then));
}

bool
mock_control_is_for(const struct mock_request *r)
{
	const char *text = mock_control.only;
	size_t n = text ? strlen(text) : 0;

	if (!text || memmem(r->target.p, r->target.n, text, n) ||
		(r->body.n && memmem(r->body.p, r->body.n, text, n)))
		return true;
	for (size_t i = 0; i < r->nfields; i++)
		if (r->fields[i].value.n &&
			memmem(r->fields[i].value.p, r->fields[i].value.n, text, n))
			return true;
	return false;
}
