/* tollgate redact: the input with findings replaced by numbered placeholders. A
 * JSON line stays what it was but for its text; numbers begin anew in each. */
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/scan.h"
#include "codec/json.h"
#include "text/placeholder.h"

/* Walks the text and the raw input it stands in, in step: one pass a line,
 * whatever the number of findings. */
struct place {
	size_t text, raw;
};

static struct place
go_to(const struct scan_text *t, struct place at, size_t text)
{
	size_t n = text - at.text;

	if (t->line.p)
		n = json_raw_offset(span_cut(t->line, at.raw, t->to), n);
	return (struct place){ text, at.raw + n };
}

static int
put_redacted(struct scan *s, const struct scan_text *t)
{
	struct placeholders *p = placeholders_new(s->arena);
	struct span raw = t->line.p ? t->line : t->text;
	struct place at = { 0, t->line.p ? t->from : 0 }, end;
	size_t written = 0;

	if (!p)
		return EXIT_DONE; /* the arena latched it */
	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		at = go_to(t, at, f->start);
		end = go_to(t, at, f->end);
		buf_span(s->out, span_cut(raw, written, at.raw));
		buf_span(s->out,
			placeholder_get(p, span_str(detect_entity_name(s->rules, f->entity)),
				span_cut(t->text, f->start, f->end),
				detect_entity_folds(s->rules, f->entity)));
		at = end;
		written = end.raw;
	}
	buf_span(s->out, span_cut(raw, written, raw.n));
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
