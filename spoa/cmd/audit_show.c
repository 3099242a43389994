/* tollgate audit show and export: records for people, and for other tools. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cmd/audit.h"
#include "cmd/cmd.h"

#define PENDING_BYTES (256u << 20) /* an unsigned run longer than this is no commit */

/* ---- show ---- */

/* Lays a line of JSON out, two blanks a level; scalars keep their bytes. */
static void
put_pretty(struct span line, int indent)
{
	bool string = false, begins = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		if (string) {
			putchar(c);
			if (c == '\\' && i + 1 < line.n)
				putchar(line.p[++i]);
			else if (c == '"')
				string = false;
			continue;
		}
		bool closes = c == '}' || c == ']';
		if (closes)
			indent -= 2;
		if (begins ? !closes : closes)
			printf("\n%*s", indent > 0 ? indent : 0, "");
		begins = c == '{' || c == '[';
		putchar(c);
		if (begins)
			indent += 2;
		else if (c == ',')
			printf("\n%*s", indent > 0 ? indent : 0, "");
		else if (c == ':')
			putchar(' ');
		string = c == '"';
	}
}

struct show {
	struct buf id; /* as it is in a record, with its quotes */
	size_t found;
};

static void
show_line(void *arg, struct span line)
{
	struct show *s = arg;
	struct chain_line l;
	struct span id = buf_view(&s->id);

	if (!memmem(line.p, line.n, id.p, id.n) || chain_parse(line, &l) || l.commit ||
		!span_eq(chain_member(line, "id"), id))
		return;
	fputs(s->found++ ? ",\n  " : "[\n  ", stdout);
	put_pretty(line, 2);
}

int
audit_show(struct audit_args *a)
{
	struct show s = { .found = 0 };
	struct audit_sink to = { &s, show_line, NULL, NULL };
	struct buf why;

	buf_init(&s.id, 65536);
	buf_init(&why, 8192);
	buf_json_str(&s.id, span_str(a->id));
	int err = audit_read(a, &to, &why);
	if (s.found)
		puts("\n]");
	if (err)
		cmd_fail("audit show", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!s.found)
		cmd_fail("audit show", "%s: no such record", a->id);
	buf_free(&s.id);
	buf_free(&why);
	return err ? EXIT_CANNOT : s.found ? EXIT_DONE : EXIT_NO;
}

/* ---- export ---- */

static void
export_line(void *arg, struct span line)
{
	struct buf *pending = arg;
	struct chain_line l;

	buf_span(pending, line);
	buf_putc(pending, '\n');
	if (chain_parse(line, &l) || !l.commit)
		return;
	fwrite(buf_view(pending).p, 1, pending->n, stdout);
	buf_clear(pending);
}

int
audit_export(struct audit_args *a)
{
	struct buf pending, why;
	struct audit_sink to = { &pending, export_line, NULL, NULL };

	buf_init(&pending, PENDING_BYTES);
	buf_init(&why, 8192);
	int err = audit_read(a, &to, &why);
	if (!err && buf_failed(&pending)) {
		buf_str(&why, "no commit for too long: not a chain of records");
		err = ERR_LIMIT;
	}
	if (!err && (fflush(stdout) == EOF || ferror(stdout))) {
		buf_str(&why, "cannot write the output");
		err = ERR_IO;
	}
	if (err)
		cmd_fail("audit export", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (pending.n)
		fprintf(stderr,
			"tollgate: audit export: %zu bytes behind the last commit are not "
			"signed yet and left out\n",
			pending.n);
	buf_free(&pending);
	buf_free(&why);
	return err ? EXIT_CANNOT : EXIT_DONE;
}
