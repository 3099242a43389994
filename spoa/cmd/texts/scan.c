/* Loads the detectors for `classify`, `redact` and `detectors`, and reads the input of the
 * first two.
 *
 * JSON lines are answered one by one as they arrive, so that a pipe can stay open. A line
 * that cannot be read ends the command. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/texts/scan.h"
#include "policy/entities.h"
#include "policy/own.h"
#include "policy/policy.h"

int
scan_rules_load(struct scan_rules *r, const char *command, const char *dir, const char *policy)
{
	*r = (struct scan_rules){ .rules = NULL };
	arena_init(&r->arena, 0, false);
	SCOPED_DIAG(d);
	SCOPED_BUF(errors, 1 << 20);
	if (policy)
		r->policy = policy_open(&r->arena, policy, NULL, dir, &r->rules, &d);
	else
		r->rules = detect_load(dir, &errors);
	fprintf(stderr, "%.*s%.*s", SPAN_ARG(buf_view(&d.text)), SPAN_ARG(buf_view(&errors)));
	if (r->rules && (r->policy || !policy))
		return EXIT_DONE;
	scan_rules_free(r);
	return cmd_fail(
		command, policy ? "the policy is not valid" : "the rules are not valid");
}

void
scan_rules_free(struct scan_rules *r)
{
	detect_free(&r->rules);
	arena_reset(&r->arena);
	r->policy = NULL;
}

const float *
scan_rules_thresholds(const struct scan_rules *r)
{
	return r->policy ? r->policy->thresholds : NULL;
}

bool
scan_rules_plain(const struct scan_rules *r)
{
	return r->policy && r->policy->plain_placeholders;
}

struct detect_options
scan_rules_options(const struct scan_rules *r)
{
	return r->policy ? policy_detect_options(r->policy) : (struct detect_options){ 0 };
}

void
scan_rules_classes(const struct scan_rules *r, size_t entity,
	void (*put)(void *arg, const char *class), void *arg)
{
	if (!r->policy)
		put(arg, detect_entity_class(r->rules, entity));
	/* The class of the rule file comes first, unless the policy removes it. */
	const char *own = detect_entity_class(r->rules, entity);
	for (int others = 0; r->policy && others < 2; others++)
		for (size_t i = 0; i < r->policy->nclasses; i++) {
			const struct policy_class *c = &r->policy->classes[i];
			bool other = strcmp(c->name, own) != 0;
			if (other == (others == 1) && entity_in(&c->entities, entity))
				put(arg, c->name);
		}
}

/* ---- texts from standard input ---- */

enum { CAP_INPUT_BYTES = 256 << 20 };

/* The scan of one input. */
struct session {
	struct scan s;
	struct detect_scratch *scratch;
	const char *command;
	int (*each)(struct scan *s, const struct scan_text *t);
};

const char *
scan_why(int err)
{
	return err == ERR_LIMIT ? "beyond a limit of the detectors (nested encodings or "
				  "findings)"
				: err_str(err);
}

bool
scan_write(struct buf *out)
{
	while (out->n) {
		struct span v = buf_view(out);
		ssize_t w = write(STDOUT_FILENO, v.p, v.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		buf_consume(out, (size_t)w);
	}
	buf_clear(out);
	return true;
}

/* Scans a text as it would be scanned in a request: JSON with its escapes decoded. */
static int
find_in_text(struct session *s, struct scan_text *t)
{
	struct detect_options opt = scan_rules_options(s->s.with);
	struct span said = t->text;

	SCOPED_BUF(b, 0);
	int err = inner_open(&t->inner, t->text, false, s->s.arena);
	if (t->inner.n && inner_escaped(t->text)) {
		inner_said(&t->inner, 0, t->text.n, &b);
		said = buf_view(&b);
		err = buf_failed(&b) ? ERR_NOMEM : err;
	}
	if (!err)
		err = detect_scan(s->s.rules, s->scratch, said, &opt, s->s.arena, &t->findings);
	struct inner_cursor at = inner_at(&t->inner, 0);
	for (size_t i = 0; !err && t->inner.n && i < t->findings.n; i++) {
		struct finding *f = &t->findings.v[i];
		f->start = inner_start(&at, f->start);
		f->end = inner_end(&at, f->end);
	}
	return err;
}

static int
one_text(struct session *s, struct scan_text *t)
{
	int err = find_in_text(s, t);

	if (err)
		return cmd_fail(s->command, "the text was not classified: %s", scan_why(err));
	int code = s->each(&s->s, t);
	if (buf_failed(s->s.out) || arena_failed(s->s.arena))
		code = cmd_fail(s->command, "%s", err_str(ERR_NOMEM));
	else if (!scan_write(s->s.out))
		code = cmd_fail("stdout", "%s", strerror(errno));
	arena_reset(s->s.arena);
	return code;
}

/* Reads the members "text" and "role" of a line. */
static const char *
read_scan_line(struct session *s, struct scan_text *t)
{
	struct json *j = json_open(s->s.arena, t->line);
	struct json_event ev;
	const char *why = err_str(ERR_NOMEM);
	bool is_text = false, is_role = false, found = false;
	size_t at;

	if (!j)
		return why;
	if (json_next(j, &ev) != JSON_OBJECT && ev.tok != JSON_ERROR)
		return "the line is not a JSON object";
	while (json_next(j, &ev) != JSON_END) {
		if (ev.tok == JSON_ERROR) {
			json_error(j, &why, &at);
			return why;
		}
		if (ev.depth == 1 && ev.tok == JSON_KEY) {
			struct span key = json_text(s->s.arena, t->line, &ev);
			is_text = span_is(key, "text");
			is_role = span_is(key, "role");
			continue;
		}
		if (is_role && ev.depth == 1 && ev.tok == JSON_STRING)
			t->role = json_text(s->s.arena, t->line, &ev);
		if (is_text && ev.depth == 1) {
			if (ev.tok != JSON_STRING)
				return "\"text\" is not a string";
			t->text = json_text(s->s.arena, t->line, &ev);
			t->from = ev.start;
			t->to = ev.end;
			found = true;
		}
		is_text = is_role = false;
	}
	return found ? NULL : "\"text\" is missing";
}

static int
json_line(void *arg, struct span line, size_t number)
{
	struct session *s = arg;
	struct scan_text t = { .line = span_trim(line, "\r\n") };
	const char *why =
		t.line.n > CAP_INPUT_BYTES ? err_str(ERR_LIMIT) : read_scan_line(s, &t);

	return why ? cmd_fail(s->command, "line %zu: %s", number, why) : one_text(s, &t);
}

static int
whole_input(struct session *s)
{
	SCOPED_BUF(in, CAP_INPUT_BYTES);
	int err = cmd_read_stdin(&in);
	struct scan_text t = { .text = buf_view(&in) };
	return err ? cmd_fail("stdin", "%s", err_str(err)) : one_text(s, &t);
}

int
scan_input(const char *command, const char *policy, bool jsonl,
	int (*each)(struct scan *s, const struct scan_text *t), const void *arg)
{
	struct scan_rules with;
	int code = scan_rules_load(&with, command, NULL, policy);

	if (code)
		return code;
	SCOPED_BUF(out, 0);
	SCOPED_ARENA(arena, 0, true);
	struct session s = {
		.s = { with.rules, &with, &arena, &out, arg }, .command = command, .each = each
	};
	s.scratch = detect_scratch_new(with.rules);
	if (!s.scratch)
		code = cmd_fail(command, "%s", err_str(ERR_NOMEM));
	else
		code = jsonl ? cmd_each_line(json_line, &s) : whole_input(&s);
	detect_scratch_free(&s.scratch);
	scan_rules_free(&with);
	return code;
}
