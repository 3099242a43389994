/* tollgate redact: prints the input with findings replaced, in the style that a policy's
 * `with` would name. In JSON lines, only the text changes; the numbers of placeholders
 * begin again in each line. With --stream, the text is printed while it arrives, as far as
 * it is decided. */
#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "cmd/cmd.h"
#include "cmd/texts/scan.h"
#include "gate/overlay.h"
#include "scan/detect/stream/stream.h"
#include "scan/text/style.h"

/* The options of the command. */
struct how {
	enum redact_style style;
	unsigned char key[KEYFILE_BYTES];
	const char *key_file, *policy;
	bool jsonl, stream;
};

/* A position in the text and in the raw input, which advance together. One pass over a line
 * is enough, whatever the number of findings. */
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

/* Sets the value that the escapes in it spell. */
static int
set_value(struct scan *s, const struct scan_text *t, struct hit *h)
{
	if (!t->inner.n || !inner_escaped(hit_value(h)))
		return 0;
	SCOPED_BUF(b, 0);
	inner_said(&t->inner, h->f.start, h->f.end, &b);
	h->value = buf_failed(&b) ? h->value : arena_dup(s->arena, buf_view(&b));
	return h->value.p ? 0 : ERR_NOMEM;
}

/* Returns the findings and, between them, further mentions of their values, as hits in a
 * request with one segment. Returns NULL if memory is exhausted. */
static struct hit *
with_mentions(struct scan *s, const struct scan_text *t, const struct segment *whole, size_t *n)
{
	const struct findings *f = &t->findings;
	struct mention_set *set = mention_set_new();
	struct hit *own = arena_array(s->arena, f->n, sizeof(*own)), *more = NULL, *out = NULL;
	struct mention_scan scan = { 0 };
	enum mention_how how;
	int err = set && own ? 0 : ERR_NOMEM;

	for (size_t i = 0; err == 0 && i < f->n; i++) {
		own[i] = (struct hit){ .segment = whole, .f = f->v[i] };
		err = set_value(s, t, &own[i]);
		if (err)
			break;
		if (!(f->v[i].flags & FINDING_RUN) &&
			detect_value_spreads(
				s->rules, f->v[i].entity, hit_value(&own[i]), &how))
			err = mention_add(set, hit_value(&own[i]), how, (uint32_t)i);
	}
	if (err == 0)
		err = mention_build(set, SIZE_MAX);
	if (err == 0) {
		mention_begin(&scan, set, t->text);
		err = mention_next(&scan, SIZE_MAX);
	}
	if (err == 0)
		more = arena_array(s->arena, scan.n, sizeof(*more));
	if (more)
		out = arena_array(s->arena, 2 * f->n + scan.n, sizeof(*out));
	for (size_t i = 0; out && i < scan.n; i++) {
		more[i] = own[scan.v[i].tag];
		more[i].of = &own[scan.v[i].tag];
		more[i].f.start = scan.v[i].start;
		more[i].f.end = scan.v[i].end;
	}
	*n = out ? hits_lay_over(own, f->n, more, scan.n, out) : 0;
	mention_scan_free(&scan);
	mention_set_free(&set);
	return out;
}

static int
put_redacted(struct scan *s, const struct scan_text *t)
{
	const struct how *how = s->arg;
	struct redactor *r = redactor_new(s->arena, how->key_file ? how->key : NULL);
	struct span raw = t->line.p ? t->line : t->text;
	struct place at = { 0, t->line.p ? t->from : 0 }, end;
	const struct segment whole = { .text = t->text };
	size_t written = 0, n;
	struct hit *hits = with_mentions(s, t, &whole, &n);

	if (!r || !hits)
		return cmd_fail("redact", "%s", err_str(ERR_NOMEM));
	if (scan_rules_plain(s->with))
		redactor_plain_form(r);
	redactor_taken(r, t->text);
	struct inner_place inner = inner_begin(&t->inner);
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &hits[i].f;
		const struct hit *named = hits[i].of ? hits[i].of : &hits[i];
		struct span with = redactor_get(r, how->style,
			span_str(detect_entity_name(s->rules, f->entity)), hit_value(named),
			detect_entity_folds(s->rules, f->entity), false);
		size_t start = f->start, stop = f->end;
		if (t->inner.n)
			with = inner_with(&inner, &start, &stop, with, s->arena);
		at = go_to(t, at, start);
		end = go_to(t, at, stop);
		buf_span(s->out, span_cut(raw, written, at.raw));
		if (t->line.p)
			buf_json(s->out, with);
		else
			buf_span(s->out, with);
		at = end;
		written = end.raw;
	}
	buf_span(s->out, span_cut(raw, written, raw.n));
	if (t->line.p)
		buf_putc(s->out, '\n');
	return EXIT_DONE;
}

/* ---- a stream ---- */

/* The state of --stream. */
struct streaming {
	const struct how *how;
	const struct detect_rules *rules;
	struct redactor *redactor;
	struct buf out;
};

static int
put_piece(void *arg, const struct stream_piece *p)
{
	struct streaming *s = arg;
	struct span with = p->text, entity = SPAN_LIT("UNCLASSIFIED");

	if (p->kind == PIECE_TEXT) {
		/* Later text is not known yet, so numbers that occurred so far are skipped. */
		redactor_taken(s->redactor, p->text);
	} else if (p->more) {
		return 0;
	} else if (p->kind == PIECE_UNREAD) {
		with = redactor_get(
			s->redactor, STYLE_PLACEHOLDER, entity, p->text, false, false);
	} else {
		entity = span_str(detect_entity_name(s->rules, p->finding.entity));
		with = redactor_get(s->redactor, s->how->style, entity, p->text,
			detect_entity_folds(s->rules, p->finding.entity), false);
	}
	buf_span(&s->out, with);
	return with.p && !buf_failed(&s->out) ? 0 : ERR_NOMEM;
}

static int
redact_pieces(struct streaming *s, struct detect_stream *in, struct detect_scratch *scratch)
{
	char delta[16 << 10];
	ssize_t n = 1;
	int err = 0;

	while (n > 0 && !err) {
		n = read(STDIN_FILENO, delta, sizeof(delta));
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0)
			return cmd_fail("stdin", "%s", strerror(errno));
		err = n ? detect_stream_feed(
				  in, scratch, span_of(delta, (size_t)n), put_piece, s)
			: detect_stream_finish(in, scratch, put_piece, s);
		if (!err && !scan_write(&s->out))
			return cmd_fail("stdout", "%s", strerror(errno));
	}
	sodium_memzero(delta, sizeof(delta));
	return err ? cmd_fail("redact", "the text was not classified: %s", scan_why(err))
		   : EXIT_DONE;
}

static int
redact_stream(const struct how *how)
{
	struct streaming s = { .how = how };
	struct detect_scratch *scratch = NULL;
	struct detect_stream *in = NULL;
	struct scan_rules with;
	int code = scan_rules_load(&with, "redact", NULL, how->policy);

	if (code)
		return code;
	struct detect_options opt = scan_rules_options(&with);
	buf_init(&s.out, 0);
	SCOPED_ARENA(arena, 0, true);
	s.rules = with.rules;
	s.redactor = redactor_new(&arena, how->key_file ? how->key : NULL);
	scratch = detect_scratch_new(with.rules);
	in = detect_stream_new(with.rules, &opt);
	if (!s.redactor || !scratch || !in)
		code = cmd_fail("redact", "%s", err_str(ERR_NOMEM));
	else if (scan_rules_plain(&with))
		redactor_plain_form(s.redactor);
	if (!code)
		code = redact_pieces(&s, in, scratch);
	detect_stream_free(&in);
	detect_scratch_free(&scratch);
	scan_rules_free(&with);
	buf_free(&s.out);
	return code;
}

/* ---- the command ---- */

static int
read_options(int argc, char **argv, struct how *how)
{
	const char *with = style_names[STYLE_PLACEHOLDER];
	const struct cmd_option options[] = { { "jsonl", .flag = &how->jsonl },
		{ "stream", .flag = &how->stream }, { "key-file", .text = &how->key_file },
		{ "policy", .text = &how->policy }, { "with", .text = &with },
		{ .name = NULL } };
	unsigned style = 0;
	char **operands;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	while (style < STYLE_COUNT && strcmp(style_names[style], with) != 0)
		style++;
	if (style == STYLE_COUNT)
		return cmd_fail("redact",
			"--with: give placeholder, mask, hash, remove or last4");
	how->style = (enum redact_style)style;
	if (how->jsonl && how->stream)
		return cmd_usage(argv[0]);
	if (how->style == STYLE_HASH && !how->key_file)
		return cmd_fail("redact", "--with hash needs --key-file");
	return EXIT_DONE;
}

int
cmd_redact(int argc, char **argv)
{
	struct how how = { 0 };
	int code = read_options(argc, argv, &how);

	if (code)
		return code;
	if (sodium_init() < 0)
		return cmd_fail("redact", "libsodium cannot be initialized");
	SCOPED_BUF(why, 4096);
	if (how.key_file && keyfile_load(how.key_file, how.key, &why))
		code = cmd_fail("redact", "%.*s", SPAN_ARG(buf_view(&why)));
	else
		code = how.stream ? redact_stream(&how)
				  : scan_input("redact", how.policy, how.jsonl, put_redacted,
					    &how);
	sodium_memzero(&how, sizeof(how));
	return code;
}
