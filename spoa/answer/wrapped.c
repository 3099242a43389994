/* Reads the arguments of a tool that calls another one. The two lists below are the members in which
 * clients have the name of the tool and its arguments. */
#include "answer/wrapped.h"

#include "base/among.h"
#include "base/codec/json.h"

static const char *const names[] = { "name", "tool_name", "tool" };
static const char *const arguments[] = { "arguments", "args", "input", "parameters" };

/* Reads the value that begins with *ev to its end, and returns the offset of its end. */
static size_t
value_end(struct json *j, struct json_event *ev)
{
	unsigned depth = ev->depth;

	if (ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
		return ev->end;
	do
		if (json_next(j, ev) == JSON_ERROR)
			break;
	while (ev->depth != depth || (ev->tok != JSON_OBJECT_END && ev->tok != JSON_ARRAY_END));
	return ev->end;
}

bool
wrapped_call(struct span json, struct arena *a, struct wrapped_call *out)
{
	struct json *j = json_open(a, json);
	size_t name = COUNT_OF(names), inner = COUNT_OF(arguments);
	struct json_member m;
	struct json_event ev;
	int err = 0;

	*out = (struct wrapped_call){ .name = SPAN_LIT(""), .arguments = SPAN_LIT("{}") };
	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return false;
	while (json_member(j, a, json, &m, &ev, &err)) {
		size_t is_name = span_find(m.key, names, COUNT_OF(names));
		size_t is_inner = span_find(m.key, arguments, COUNT_OF(arguments));
		struct span text = ev.tok == JSON_STRING ? json_text(a, json, &ev)
							 : (struct span){ NULL, 0 };
		size_t start = ev.start, end = value_end(j, &ev);
		if (is_name < name && text.p) {
			name = is_name;
			out->name = text;
		}
		if (is_inner < inner) {
			inner = is_inner;
			out->arguments = text.p ? text : span_cut(json, start, end);
		}
	}
	return !err && out->name.n;
}
