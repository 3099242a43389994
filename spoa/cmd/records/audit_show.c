/* tollgate audit show and export: records for people, and for other tools. */
#include <stdio.h>
#include <string.h>

#include "cmd/records/audit.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"

#define PENDING_BYTES (256u << 20) /* an unsigned run longer than this is no commit */

/* ---- show ---- */

/* Lays a line of JSON out, two blanks a level; scalars keep
 * their values. */
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
	struct buf shown;
	buf_init(&shown, 0);
	plain_json(&shown, line);
	fputs(s->found++ ? ",\n  " : "[\n  ", stdout);
	put_pretty(buf_view(&shown), 2);
	buf_free(&shown);
}

int
audit_show(struct audit_args *a)
{
	struct show s = { .found = 0 };
	struct audit_sink to = { &s, show_line, NULL, NULL };

	buf_init(&s.id, 65536);
	buf_json_str(&s.id, span_str(a->id));
	int code = audit_read(a, &to);
	if (s.found)
		puts("\n]");
	if (!code && !s.found) {
		cmd_fail(a->what, "%s: no such record", a->id);
		code = EXIT_NO;
	}
	buf_free(&s.id);
	return code;
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
	struct buf pending;
	struct audit_sink to = { &pending, export_line, NULL, NULL };

	buf_init(&pending, PENDING_BYTES);
	int code = audit_read(a, &to);
	if (!code && buf_failed(&pending))
		code = cmd_fail(a->what, "no commit for too long: not a chain of records");
	if (!code && (fflush(stdout) == EOF || ferror(stdout)))
		code = cmd_fail(a->what, "cannot write the output");
	if (!code && pending.n)
		fprintf(stderr,
			"tollgate: audit export: %zu bytes behind the last commit are not "
			"signed yet and left out\n",
			pending.n);
	buf_free(&pending);
	return code;
}
