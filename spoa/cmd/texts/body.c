/* tollgate body: prints what the gate reads in a request body, for people who write
 * policies and for tests. */
#include <stdio.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/tokens/estimate.h"
#include "cmd/cmd.h"
#include "policy/config/models.h"
#include "scan/dialect/dialect.h"

static void
put_segment(struct buf *out, const struct segment *s, struct span path)
{
	json_put_form(out, "{'role':%s,'path':%t,'start':%u,'end':%u,'text':%t",
		role_name(s->role), path, (uint64_t)s->start, (uint64_t)s->end, s->text);
	if (s->reserved)
		json_put_bool(out, "reserved", true);
	if (s->opaque)
		json_put_bool(out, "opaque", true);
	json_put_close(out, '}');
}

/* Prints the segments as an array, one a line, as they are found. */
static int
print_segments(const struct body *b, struct span raw, struct arena *a)
{
	struct path_reader *r = path_open(a, b, raw);
	if (!r)
		return cmd_fail("body", "out of memory");
	SCOPED_BUF(out, 0);
	buf_putc(&out, '[');
	for (size_t i = 0; i < b->nsegments && !buf_failed(&out); i++) {
		buf_str(&out, i ? ",\n" : "\n");
		put_segment(&out, &b->segments[i], path_at(r, i));
		if (out.n > 65536) {
			fwrite(buf_view(&out).p, 1, out.n, stdout);
			buf_clear(&out);
		}
	}
	buf_str(&out, b->nsegments ? "\n]\n" : "]\n");
	return !cmd_write(&out) || ferror(stdout) ? cmd_fail("body", "cannot write")
						  : EXIT_DONE;
}

/* Decodes token ids as a gate without a configuration does. */
static void
decode_ids(struct body *b, struct span raw, struct arena *a)
{
	const struct token_models *models = NULL;
	struct encodings *e = NULL;
	const char *no_ranks;

	SCOPED_DIAG(d);
	if (tokens_load(a, NULL, &models, &e, &no_ranks, &d)) {
		struct token_meter m = token_meter_of(e, models, b->model);
		if (body_decode_ids(b, raw, m.own ? m.ranks : NULL, a))
			cmd_fail("body", "out of memory");
	}
	encodings_close(&e);
}

static int
read_and_print(const struct endpoint *e, struct span path, struct span type, struct span raw,
	struct arena *a)
{
	struct body body;
	struct body_refusal why;

	if (body_read(e->table, type, raw, a, &body, &why) != 0 ||
		endpoint_settle(e, path, a, &body, &why) != 0) {
		cmd_fail("body", "%s: %s (%d %s, at byte %zu)",
			why.unreadable ? "unreadable" : "refused", why.why, why.status,
			why.code, why.at);
		return EXIT_NO;
	}
	if (body.nids)
		decode_ids(&body, raw, a);
	if (body.ids_bytes)
		cmd_fail("body", "the body has token ids that cannot be decoded: %.*s",
			SPAN_ARG(body.model.n ? body.model : SPAN_LIT("no model")));
	for (size_t i = 0; i < body.unread.nmedia; i++)
		cmd_fail("body", "the body has a part that cannot be inspected: %.*s",
			SPAN_ARG(body.unread.media[i].kind));
	for (size_t i = 0; i < body.nrefs; i++)
		cmd_fail("body", "the body refers to content outside of it: %s, %zu",
			body.refs[i].kind, body.refs[i].n);
	if (body.unread.sealed)
		cmd_fail("body",
			"the body has texts that the provider sealed: %zu texts, %zu bytes",
			body.unread.sealed, body.unread.sealed_bytes);
	return print_segments(&body, raw, a);
}

int
cmd_body(int argc, char **argv)
{
	const char *dialect = "rest", *type = NULL, *path = NULL, *method = "POST";
	const struct cmd_option options[] = { { "dialect", .text = &dialect },
		{ "content-type", .text = &type }, { "path", .text = &path },
		{ "method", .text = &method }, { .name = NULL } };
	char **operands;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	const struct dialect *d = dialect_find(span_str(dialect));
	if (!d)
		return cmd_fail("body", "%s: no such dialect; give one of %s", dialect,
			dialect_names());
	struct endpoint e = { .dialect = d, .table = dialect_table(d) };
	if (path)
		e = dialect_endpoint(d, span_str(method), span_str(path));
	SCOPED_BUF(raw, CAP_BODY_BYTES);
	SCOPED_ARENA(a, 0, true);
	int err = cmd_read_stdin(&raw);
	if (err == ERR_LIMIT) {
		cmd_fail("body",
			"refused: the body is longer than %u bytes (413 request_too_large)",
			CAP_BODY_BYTES);
		return EXIT_NO;
	}
	return err ? cmd_fail("body", "%s", err_str(err))
		   : read_and_print(&e, span_str(path), span_str(type), buf_view(&raw), &a);
}
