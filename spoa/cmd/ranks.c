/* tollgate ranks pack: converts the published vocabulary of a byte-pair tokenizer to the
 * file format that the daemon counts tokens with (base/tokens/ranks.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/replace.h"
#include "base/tokens/ranks.h"
#include "cmd/cmd.h"

static int
pack_ranks(const char *from, const char *to, const char *name, const char *pattern)
{
	const struct split_pattern *p = split_find(span_str(pattern));
	const char *why;
	size_t line;
	int code = EXIT_DONE;

	SCOPED_BUF(lines, RANKS_LINES_MAX);
	SCOPED_BUF(out, 0);
	SCOPED_BUF(known, 0);
	SCOPED_BUF(failed, 8192);
	int err = p ? cmd_read_file(from, &lines) : 0;
	for (const struct split_pattern *k = split_patterns; !p && k->name; k++)
		buf_printf(&known, "%s%s (%s)", k == split_patterns ? "" : ", ", k->name,
			k->models);
	if (!p)
		code = cmd_fail("--pattern", "%s: accepted are %.*s", pattern,
			SPAN_ARG(buf_view(&known)));
	else if (err)
		code = cmd_fail(from, "%s", err == ERR_IO ? strerror(errno) : err_str(err));
	else if (ranks_pack(buf_view(&lines), name, p, &out, &line, &why) && line)
		code = cmd_fail(from, "line %zu: %s", line, why);
	else if (!out.n)
		code = cmd_fail(from, "%s", why);
	else if (replace_file(AT_FDCWD, to, 0644, buf_view(&out), &failed))
		code = cmd_fail("ranks", "%.*s", SPAN_ARG(buf_view(&failed)));
	return code;
}

static int
show_ranks(const char *file)
{
	const char *why;
	struct ranks *r;

	if (ranks_open(file, &r, &why))
		return cmd_fail(file, "%s", why);
	printf("%s: %s, %u tokens, the longest of %u bytes, pattern %s\n", file, r->head->name,
		r->head->tokens, r->head->longest, r->pattern->name);
	ranks_close(&r);
	return EXIT_DONE;
}

int
cmd_ranks(int argc, char **argv)
{
	const char *name = NULL, *pattern = NULL;
	const struct cmd_option options[] = {
		{ "name", .text = &name },
		{ "pattern", .text = &pattern },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 2 && !strcmp(operands[0], "show"))
		return show_ranks(operands[1]);
	if (n == 3 && !strcmp(operands[0], "pack") && name && name[0] && pattern)
		return pack_ranks(operands[1], operands[2], name, pattern);
	return cmd_usage(argv[0]);
}
