/* Reads the arguments of a tool that calls another one. Clients give the members different names,
 * which the two lists below have. */
#include "answer/wrapped.h"

#include "base/among.h"
#include "base/codec/json.h"

static const char *const names[] = { "name", "tool_name", "tool" };
static const char *const arguments[] = { "arguments", "args", "input", "parameters" };

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
		size_t start = ev.start;
		json_skip(j, &ev);
		if (is_name < name && text.p) {
			name = is_name;
			out->name = text;
		}
		if (is_inner < inner) {
			inner = is_inner;
			out->arguments = text.p ? text : span_cut(json, start, ev.end);
		}
	}
	return !err && out->name.n;
}
