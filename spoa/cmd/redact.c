/* tollgate redact: the input with findings replaced by numbered placeholders. A
 * JSON line stays what it was but for its text; numbers begin anew in each. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/scan.h"
#include "codec/json.h"
#include "text/placeholder.h"

/* Where a byte of the text stands in the raw input. */
static size_t
raw_at(const struct scan_text *t, size_t offset)
{
	if (!t->line.p)
		return offset;
	return t->from + json_raw_offset(span_cut(t->line, t->from, t->to), offset);
}

static int
put_redacted(struct scan *s, const struct scan_text *t)
{
	struct placeholders *p = placeholders_new(s->arena);
	struct span raw = t->line.p ? t->line : t->text;
	size_t at = 0;

	if (!p)
		return EXIT_DONE; /* the arena latched it */
	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		buf_span(s->out, span_cut(raw, at, raw_at(t, f->start)));
		buf_span(s->out,
			placeholder_get(p, span_str(detect_entity_name(s->rules, f->entity)),
				span_cut(t->text, f->start, f->end),
				detect_entity_folds(s->rules, f->entity)));
		at = raw_at(t, f->end);
	}
	buf_span(s->out, span_cut(raw, at, raw.n));
	if (t->line.p)
		buf_putc(s->out, '\n');
	return EXIT_DONE;
}

int
cmd_redact(int argc, char **argv)
{
	bool jsonl = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--jsonl"))
			return cmd_usage(argv[0]);
		jsonl = true;
	}
	return scan_input("redact", jsonl, put_redacted, NULL);
}
