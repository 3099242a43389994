/* Findings and pieces of streams begin and end at whole characters, wherever a window, a chunk,
 * a view or a held text ends: texts of many scripts with examples of all entities, in several
 * spellings, near these ends. SEED=N selects other texts; make check-long uses the day's date.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/detect/info.h"
#include "support/detect_fix.h"
#include "support/fidelity_docs.h"
#include "support/run_cmd.h"
#include "support/scripts.h"
#include "support/stream_run.h"

enum { TEXTS = 120, SEED = 5, TEXT_BYTES = 40 << 10, CHUNK = 12 << 10 };

static uint64_t random_state;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

/* ---- texts ---- */

enum spelling {
	PLAIN,
	WIDE,
	BOLD,
	MARKS,
	ZERO_WIDTH,
	DASHES,
	PERCENT,
	ENTITIES,
	LETTERS,
	SPELLINGS
};

static void
put_spelled(struct buf *b, struct span v, enum spelling how)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		bool graphic = c > ' ' && c < 0x7F;
		if (how == WIDE && graphic) {
			buf_utf8(b, 0xFEE0u + (unsigned char)c);
		} else if (how == BOLD && is_alpha(c)) {
			buf_utf8(b, (c >= 'a' ? 0x1D41Au - 'a' : 0x1D400u - 'A') +
					    (unsigned char)c);
		} else if (how == BOLD && is_digit(c)) {
			buf_utf8(b, 0x1D7CEu + (unsigned char)(c - '0'));
		} else if (how == DASHES && (c == '-' || c == ' ')) {
			buf_utf8(b, c == '-' ? 0x2013 : 0x202F);
		} else if (how == PERCENT && graphic && below(2)) {
			buf_printf(b, "%%%02X", (unsigned char)c);
		} else if (how == ENTITIES && graphic && below(2)) {
			buf_printf(b, "&#%u;", (unsigned char)c);
		} else if (how == LETTERS && is_one_of(c, "aeopcx")) {
			buf_utf8(b, c == 'a'   ? 0x430
				    : c == 'e' ? 0x435
				    : c == 'o' ? 0x43E
				    : c == 'p' ? 0x440
				    : c == 'c' ? 0x441
					       : 0x445);
		} else {
			buf_putc(b, c);
			if (how == MARKS && is_alnum(c))
				buf_utf8(b, 0x301);
			if (how == ZERO_WIDTH && graphic)
				buf_utf8(b, below(2) ? 0x200B : 0xE0041);
		}
	}
}

static void
draw_spelled(const struct detect_rules *r, struct buf *b)
{
	struct detect_example e;

	for (;;) {
		size_t entity = below(detect_entity_count(r)), n = 0;
		while (detect_example(r, entity, n, &e))
			n++;
		if (n && detect_example(r, entity, below(n), &e) && e.find.p)
			break;
	}
	put_spelled(b, below(2) ? e.text : e.find, (enum spelling)below(SPELLINGS));
}

/* Appends a token that is longer than a stream holds. */
static void
put_token(struct buf *b)
{
	for (size_t n = 3000 + below(6000); n; n--)
		buf_putc(b, "ABCDEFGHabcdefgh01234567"[below(24)]);
}

/* Appends whole characters of the script's sentences, n bytes or a few more. */
static void
put_filler(struct buf *b, const struct script *s, size_t n, bool spaces)
{
	struct span t = span_str(s->text);
	size_t end = b->n + n;

	for (size_t i = utf8_begin(t, below(t.n)), len; b->n < end;
		i = i + len < t.n ? i + len : 0) {
		len = utf8_step(t, i);
		if (spaces || t.p[i] != ' ')
			buf_put(b, t.p + i, len);
	}
}

/* Makes a text of `bytes` or a few more, with many values near multiples of `window`.
 * Short texts have long tokens too. */
static void
make_text(const struct detect_rules *r, struct buf *b, size_t bytes, size_t window)
{
	buf_clear(b);
	const struct script *s = &scripts[below(SCRIPTS)];
	bool spaces = below(2);
	while (b->n < bytes) {
		size_t to = window - b->n % window, n = 1 + below(600);
		if (below(2) && to > 1200)
			n = to - 1 - below(1200);
		put_filler(b, s, n, spaces);
		draw_spelled(r, b);
		if (bytes < TEXT_BYTES && below(12) == 0)
			put_token(b);
		if (below(3) == 0)
			s = &scripts[below(SCRIPTS)];
	}
}

/* ---- checks ---- */

static bool
is_border(struct span t, size_t at)
{
	return at <= t.n && (at == t.n || utf8_begin(t, at) == at);
}

static bool
whole_findings(struct span t, const struct finding *v, size_t n)
{
	size_t last = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_border(t, v[i].start) || !is_border(t, v[i].end) || v[i].start < last ||
			v[i].end <= v[i].start)
			return false;
		last = v[i].end;
	}
	return true;
}

static void
findings_cover_whole_characters(void **state)
{
	struct detect_fix *f = *state;
	struct findings found;
	size_t bad = 0, all = 0;

	SCOPED_BUF(b, 0);
	for (size_t i = 0; i < TEXTS; i++) {
		make_text(f->rules, &b, TEXT_BYTES, CHUNK);
		struct span t = buf_view(&b);
		assert_true(utf8_valid(t));
		assert_int_equal(detect_fix_scan(f, t, NULL, &found), 0);
		all += found.n;
		if (!whole_findings(t, found.v, found.n))
			bad++;
	}
	print_message("%zu findings, %zu texts with a part of a character\n", all, bad);
	assert_true(all > TEXTS * 5);
	assert_int_equal(bad, 0);
}

/* ---- streams ---- */

struct pieces_seen {
	struct span all;
	size_t at, bad, n;
	size_t where;
};

static int
see_piece(void *arg, const struct stream_piece *p)
{
	struct pieces_seen *s = arg;

	if (!is_border(s->all, p->start)) {
		s->bad++;
		s->where = p->start;
	}
	s->n++;
	s->at = p->start + p->text.n;
	return 0;
}

static void
pieces_of_streams_are_whole_characters(void **state)
{
	struct detect_fix *f = *state;
	size_t bad = 0, all = 0;

	SCOPED_BUF(b, 0);
	for (size_t i = 0; i < TEXTS; i++) {
		make_text(f->rules, &b, TEXT_BYTES / 2, CHUNK);
		struct span t = buf_view(&b);
		size_t most = (size_t[]){ 1, 8, 200, 3000, 20000 }[below(5)];
		bool any_byte = below(2);
		struct detect_stream *s = detect_stream_new(f->rules, NULL);
		struct pieces_seen seen = { .all = t };
		for (size_t at = 0, to; at < t.n; at = to) {
			to = at + 1 + below(most);
			to = to < t.n ? to : t.n;
			while (!any_byte && to < t.n && !is_border(t, to))
				to++;
			assert_int_equal(detect_stream_feed(s, f->scratch, span_cut(t, at, to),
						 see_piece, &seen),
				0);
		}
		assert_int_equal(detect_stream_finish(s, f->scratch, see_piece, &seen), 0);
		assert_int_equal(seen.at, t.n);
		detect_stream_free(&s);
		all += seen.n;
		if (seen.bad)
			print_message("text %zu: a piece begins inside a character at %zu\n", i,
				seen.where);
		bad += seen.bad;
	}
	print_message("%zu pieces, %zu of them begin inside a character\n", all, bad);
	assert_int_equal(bad, 0);
}

/* ---- commands ---- */

enum { LONG_TEXTS = 3, WINDOW = 256 << 10, LONG_BYTES = WINDOW + (40 << 10) };

static const char policy_head[] =
	"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
	"routes: [{name: o, match: {path_prefix: /v1/chat}, dialect: openai}]\n"
	"rules: [{name: all, when: 'size(prompt.entities) > 0', redact: {entities: [";

static void
put_policy(const struct detect_rules *r)
{
	SCOPED_BUF(b, 0);
	buf_str(&b, policy_head);
	for (size_t i = 0; i < detect_entity_count(r); i++)
		buf_printf(&b, "%s%s", i ? ", " : "", detect_entity_name(r, i));
	buf_str(&b, "]}}]\n");
	buf_putc(&b, '\0');
	put("policy.yaml", b.p);
}

static bool
is_whole_text(const char *name, struct span t)
{
	if (utf8_valid(t) && !memmem(t.p, t.n, "\xEF\xBF\xBD", 3))
		return true;
	print_message("%s: a part of a character\n", name);
	return false;
}

/* Returns the text of the decision's body, which the caller frees. */
static char *
decided_text(const char *text)
{
	char policy[256];
	json_t *body = json_pack(
		"{sss[{ssss}]}", "model", "m", "messages", "role", "user", "content", text);
	char *request = json_dumps(body, below(2) ? JSON_ENSURE_ASCII : 0);
	json_t *in =
		json_pack("{sssss{ss}ss}", "method", "POST", "path", "/v1/chat/completions",
			"headers", "content-type", "application/json", "body", request);
	char *line = json_dumps(in, 0);

	snprintf(policy, sizeof(policy), "%s", path("policy.yaml"));
	tollgate(line, "decide", "--policy", policy, NULL);
	json_t *out = json_loads(cmd_out, 0, NULL);
	const char *sent = json_string_value(json_object_get(out, "body"));
	if (!sent)
		print_message("%.600s\n%.600s\n", cmd_out, cmd_err);
	assert_non_null(sent);
	json_t *got = json_loads(sent, 0, NULL);
	assert_non_null(got);
	char *content = strdup(json_string_value(json_object_get(
		json_array_get(json_object_get(got, "messages"), 0), "content")));
	json_decref(got);
	json_decref(out);
	json_decref(in);
	json_decref(body);
	free(line);
	free(request);
	return content;
}

static void
commands_write_whole_characters(void **state)
{
	struct detect_fix *f = *state;
	bool ok = true;

	put_policy(f->rules);
	SCOPED_BUF(b, 0);
	for (size_t i = 0; i < LONG_TEXTS; i++) {
		make_text(f->rules, &b, LONG_BYTES, i ? CHUNK : WINDOW);
		buf_putc(&b, '\0');
		tollgate(b.p, "redact", NULL);
		ok &= is_whole_text("redact", span_str(cmd_out));
		tollgate(b.p, "redact", "--stream", NULL);
		ok &= is_whole_text("redact --stream", span_str(cmd_out));
		char *text = decided_text(b.p);
		ok &= is_whole_text("decide", span_str(text));
		assert_true(strstr(text, "_1>") != NULL);
		free(text);
	}
	assert_true(ok);
}

static int
characters_setup(void **state)
{
	return temp_dir_make(state) ? -1 : detect_setup(state);
}

static int
characters_teardown(void **state)
{
	static const char *const made[] = { "policy.yaml", "in", "out", "err" };

	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(path(made[i]));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_cover_whole_characters),
		cmocka_unit_test(pieces_of_streams_are_whole_characters),
		cmocka_unit_test(commands_write_whole_characters),
	};
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 10) : SEED;
	return cmocka_run_group_tests(tests, characters_setup, characters_teardown);
}
