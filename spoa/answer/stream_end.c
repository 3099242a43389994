/* Finds the last event of a stream by its short lines alone: "data: [DONE]" of chat completions, and
 * the "event:" lines of OpenAI's Responses and Anthropic's Messages. Streams of APIs without such
 * lines, as Gemini's, have no end here. Data is not parsed. */
#include "answer/stream_end.h"

#include <stdint.h>
#include <string.h>

#include "answer/format.h"

static bool
is_last_type(struct span type)
{
	static const struct answer_format *const formats[] = { &answer_openai_responses,
		&answer_anthropic };

	for (size_t i = 0; i < COUNT_OF(formats); i++)
		for (const char *const *t = formats[i]->last; *t; t++)
			if (span_is(type, *t) && !span_is(type, "error"))
				return true;
	return false;
}

/* The line is complete: `field ":" [space] value`, or empty, which ends the event. */
static void
end_of_line(struct stream_end *e)
{
	struct span line = span_of(e->line, e->n), value;

	if (!e->n) {
		if (e->any)
			e->ended = e->marked;
		e->any = e->marked = false;
		return;
	}
	e->any = true;
	e->ended = false;
	size_t colon = e->n <= sizeof(e->line) ? span_chr(line, ':') : 0;
	if (!colon || colon == line.n)
		return;
	value = span_cut(line, colon + 1, line.n);
	if (value.n && value.p[0] == ' ')
		value = span_cut(value, 1, value.n);
	line = span_cut(line, 0, colon);
	e->marked |= (span_is(line, "data") && span_is(value, "[DONE]")) ||
		     (span_is(line, "event") && is_last_type(value));
}

void
stream_end_read(struct stream_end *e, struct span bytes)
{
	while (bytes.n) {
		const char *lf = memchr(bytes.p, '\n', bytes.n);
		size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
		size_t keep = e->n < sizeof(e->line) ? sizeof(e->line) - e->n : 0;
		if (n)
			memcpy(e->line + sizeof(e->line) - keep, bytes.p, n < keep ? n : keep);
		e->n = n > UINT32_MAX / 2 || e->n > UINT32_MAX / 2 ? UINT32_MAX / 2
								   : e->n + (unsigned)n;
		if (!lf)
			return;
		if (e->n && e->n <= sizeof(e->line) && e->line[e->n - 1] == '\r')
			e->n--;
		end_of_line(e);
		e->n = 0;
		bytes = span_cut(bytes, n + 1, bytes.n);
	}
}
