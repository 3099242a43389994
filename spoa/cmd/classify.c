/* tollgate classify: what the shipped detectors find in a text. */
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/scan.h"

static void
put_classes(struct scan *s, const struct findings *f)
{
	bool any = false;

	for (size_t i = 0; i < f->n; i++) {
		const char *class = detect_entity_class(s->rules, f->v[i].entity);
		size_t k = 0;
		while (k < i && strcmp(detect_entity_class(s->rules, f->v[k].entity), class))
			k++;
		if (k < i)
			continue;
		if (any)
			buf_putc(s->out, ',');
		buf_json_str(s->out, span_str(class));
		any = true;
	}
}

static int
put_json(struct scan *s, const struct scan_text *t)
{
	buf_str(s->out, "{\"findings\":[");
	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		buf_printf(s->out, "%s{\"entity\":\"%s\",\"class\":", i ? "," : "",
			detect_entity_name(s->rules, f->entity));
		buf_json_str(s->out, span_str(detect_entity_class(s->rules, f->entity)));
		buf_printf(s->out, ",\"start\":%zu,\"end\":%zu,\"score\":%.2f%s}", f->start,
			f->end, (double)f->score,
			f->flags & FINDING_EVASION ? ",\"evasion\":true" : "");
	}
	buf_str(s->out, "],\"classes\":[");
	put_classes(s, &t->findings);
	/* No model scores injection yet; the key is part of the format. */
	buf_printf(s->out, "],\"injection\":0.0%s}\n",
		t->findings.evasion ? ",\"evasion\":true" : "");
	return EXIT_DONE;
}

static int
put_underlined(struct scan *s, const struct scan_text *t)
{
	size_t at = 0;

	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		buf_span(s->out, span_cut(t->text, at, f->start));
		buf_str(s->out, "\033[4m");
		buf_span(s->out, span_cut(t->text, f->start, f->end));
		buf_str(s->out, "\033[24m");
		at = f->end;
	}
	buf_span(s->out, span_cut(t->text, at, t->text.n));
	if (t->line.p || !span_ends(t->text, SPAN_LIT("\n")))
		buf_putc(s->out, '\n');
	return EXIT_DONE;
}

int
cmd_classify(int argc, char **argv)
{
	bool jsonl = false, json = !isatty(STDOUT_FILENO);

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--jsonl"))
			jsonl = true;
		else if (!strcmp(argv[i], "--json"))
			json = true;
		else
			return cmd_usage(argv[0]);
	}
	return scan_input("classify", jsonl, json ? put_json : put_underlined, NULL);
}
