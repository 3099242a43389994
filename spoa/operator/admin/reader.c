/* Answers endpoints with the output of child processes. The connection is suspended while a
 * child runs. The response is then sent directly from the file in memory to which the child
 * wrote.
 *
 *   ASK ─► WAIT ─► (next step: WAIT) ─► the response is queued
 *     └──► FULL or STOPS: refused with 503 */
#include "operator/admin/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"

enum { BLOCK = 32 << 10, TAIL = 512, TEXT_BYTES = 1 << 20, RETRY_S = 5 };
#define TAKEN_US 120000000u /* a response that the client has not read by then is cut off */

/* One request. owners: its connection, and the response that reads from it */
struct asked {
	struct reading r[READER_STEPS];
	struct asking *q;
	struct admin *admin;
	const struct reader *row;
	size_t at; /* the step that is running */
	enum { ASK, WAIT, FULL, STOPS } state;
	char *input;
	unsigned owners;
	/* The response: pieces of text, each followed by output of a step. */
	struct piece {
		struct buf text; /* text before the output */
		int fd;		 /* -1: no output follows */
		size_t n;
		bool lines; /* newlines in the output separate values of a list */
	} piece[READER_STEPS + 1];
	size_t npieces;
	/* monotonic */
	uint64_t answered_us;
};

/* ---- arguments ---- */

static bool
is_plain_argument(const char *s, size_t n)
{
	return span_past(span_of(s, n), 0, is_in_line) == n; /* a NUL is not in the class */
}

static bool
add_arg(struct reading *r, char *text)
{
	if (!text || r->nargs == COUNT_OF(r->args) - 1) {
		free(text);
		return false;
	}
	r->args[r->nargs++] = text;
	return true;
}

__attribute__((format(printf, 2, 3))) static bool
add_printf(struct reading *r, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return add_arg(r, n < 0 ? NULL : text);
}

static bool
add_value(struct reading *r, const char *name, const json_t *v, struct buf *why)
{
	bool ok = true;
	json_t *one;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach(v, i, one) ok = ok && add_value(r, name, one, why);
		return ok;
	}
	if (json_is_string(v) &&
		!is_plain_argument(json_string_value(v), json_string_length(v))) {
		buf_printf(why, "%s: the value contains a control character: remove it", name);
		return false;
	}
	ok = json_is_string(v) ? add_printf(r, "--%s=%s", name, json_string_value(v))
	     : json_is_integer(v)
		     ? add_printf(r, "--%s=%lld", name, (long long)json_integer_value(v))
	     : json_is_true(v) ? add_printf(r, "--%s", name)
			       : true;
	if (!ok)
		buf_str(why, "the request has too many values: send fewer");
	return ok;
}

bool
reading_args(struct reading *r, const struct reader *row, size_t step,
	const struct param *params, const json_t *in, const char *config, struct buf *why)
{
	const char *const *word = row->step[step].command;
	const json_t *operand = row->operand ? json_object_get(in, row->operand) : NULL;
	bool ok = true;

	for (size_t i = 0; i < READER_WORDS && word[i]; i++)
		ok = ok && add_arg(r, strdup(word[i]));
	ok = ok && add_printf(r, "-c") && add_arg(r, strdup(config));
	for (const struct param *p = params; ok && p && p->name; p++) {
		const json_t *v = json_object_get(in, p->name);
		bool is_input = row->input &&
				(!strcmp(row->input, "*") || !strcmp(row->input, p->name));
		if (v && v != operand && !is_input)
			ok = add_value(r, p->name, v, why);
	}
	if (ok && operand &&
		!is_plain_argument(json_string_value(operand), json_string_length(operand))) {
		buf_printf(why, "%s: the value contains a control character: remove it",
			row->operand);
		return false;
	}
	if (ok && operand)
		ok = add_printf(r, "--") && add_arg(r, strdup(json_string_value(operand)));
	if (!ok && !why->n)
		buf_str(why, "out of memory");
	r->c.args = (const char *const *)r->args;
	return ok;
}

void
reading_args_free(struct reading *r)
{
	while (r->nargs)
		free(r->args[--r->nargs]);
}

/* ---- callers of children, and records of reading ---- */

static void
put_peer(struct child *c, void *arg)
{
	struct admin_peer *peer = arg;
	const pid_t pid = peer->pid;

	*peer = ((struct reading *)c)->peer;
	peer->child = pid;
}

void
reader_on_behalf(struct children *all, struct admin_peer *peer)
{
	child_with(all, peer->pid, put_peer, peer);
}

static void
set_told(struct child *c, void *arg UNUSED)
{
	((struct reading *)c)->told = true;
}

void
reader_told(struct children *all, const struct admin_peer *peer)
{
	child_with(all, peer->child, set_told, NULL);
}

/* Records the reading if the child could not. Returns 0, or the status of the refusal in *out.
 */
static unsigned
record_read(struct asked *a, struct buf *out)
{
	const char *const *word = a->row->step[0].command;
	char command[64] = "";

	/* the words of its first command, without options */
	for (size_t i = 0; i < READER_WORDS && word[i] && word[i][0] != '-'; i++)
		snprintf(command + strlen(command), sizeof(command) - strlen(command), "%s%s",
			i ? " " : "", word[i]);
	json_auto_t *in =
		json_pack("{s:s,s:O,s:i}", "command", command, "asked", a->q->in, "records", 0);
	unsigned status = in ? change_call(&admin_read, a->q->server, &a->q->peer, in, out)
			     : MHD_HTTP_INTERNAL_SERVER_ERROR;
	return status == MHD_HTTP_OK || status == MHD_HTTP_CONFLICT ? 0 : status;
}

/* ---- release ---- */

static void
let_asked_go(struct asked *a)
{
	if (--a->owners)
		return;
	for (size_t i = 0; i < READER_STEPS; i++) {
		child_release(admin_children(a->admin), &a->r[i].c);
		reading_args_free(&a->r[i]);
	}
	for (size_t i = 0; i < COUNT_OF(a->piece); i++)
		buf_free(&a->piece[i].text);
	free(a->input);
	free(a);
}

static void
drop_asked(void *state)
{
	let_asked_go(state);
}

/* ---- the response ---- */

static ssize_t
send_some(void *cls, uint64_t at, char *out, size_t max)
{
	const struct asked *a = cls;

	if (clock_mono_us() - a->answered_us > TAKEN_US)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	for (size_t i = 0; i < a->npieces; i++) {
		const struct piece *p = &a->piece[i];
		struct span text = buf_view(&p->text);
		if (at < text.n) {
			size_t n = text.n - at < max ? text.n - at : max;
			memcpy(out, text.p + at, n);
			return (ssize_t)n;
		}
		at -= text.n;
		if (at < p->n) {
			ssize_t n =
				pread(p->fd, out, p->n - at < max ? p->n - at : max, (off_t)at);
			for (ssize_t k = 0; p->lines && k < n; k++)
				if (out[k] == '\n')
					out[k] = ',';
			return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
		}
		at -= p->n;
	}
	return MHD_CONTENT_READER_END_OF_STREAM;
}

/* Returns the length of a list's output without its last newline. A last line with the position
 * of the next page is cut off as well and stored in *after. */
static size_t
cut_after(const struct child *c, struct buf *after)
{
	char tail[TAIL];
	size_t n = c->out_bytes, from = n > sizeof(tail) ? n - sizeof(tail) : 0;
	ssize_t got = pread(c->out, tail, sizeof(tail), (off_t)from);

	if (got <= 0)
		return 0;
	size_t end = (size_t)got, begin;
	if (tail[end - 1] == '\n')
		end--, n--;
	for (begin = end; begin > 0 && tail[begin - 1] != '\n';)
		begin--;
	if (end - begin < 11 || memcmp(tail + begin, "{\"after\":\"", 10) != 0)
		return n;
	buf_put(after, tail + begin + 1, end - begin - 2);
	n = from + begin;
	return n ? n - 1 : 0;
}

/* Adds a step's output to the piece, in the shape that the row names. */
static void
add_said(struct asked *a, size_t step, struct piece *p, struct buf *after)
{
	const struct reader_step *s = &a->row->step[step];
	const struct child *c = &a->r[step].c;

	if (s->shape == READ_TEXT) {
		char *said = malloc(TEXT_BYTES);
		ssize_t n = said ? pread(c->out, said, TEXT_BYTES, 0) : 0;
		buf_json_str(&p->text, span_of(said, n > 0 ? (size_t)n : 0));
		free(said);
		return;
	}
	SCOPED_BUF(text, TAIL);
	p->fd = c->out;
	p->lines = s->shape == READ_LINES;
	p->n = p->lines ? cut_after(c, &text) : c->out_bytes;
	if (p->lines)
		buf_putc(&p->text, '[');
	if (text.n)
		buf_printf(after, ",%.*s", SPAN_ARG(buf_view(&text)));
}

/* Returns the error message without "tollgate: ". */
static const char *
error_of(const struct child *c)
{
	static const char begin[] = "tollgate: ";

	return strncmp(c->error, begin, strlen(begin)) ? c->error : c->error + strlen(begin);
}

static bool
went_well(const struct child *c)
{
	return c->end == CHILD_EXITED && (c->code == 0 || c->code == 1);
}

static const char *
step_member_of(const struct asked *a, size_t step)
{
	for (size_t i = 0; step == 0 && i < COUNT_OF(a->row->other); i++)
		if (a->row->other[i].param && json_object_get(a->q->in, a->row->other[i].param))
			return a->row->other[i].member;
	return a->row->step[step].member;
}

/* Puts the response together: the children's outputs stay where they are (in files), and
 * `piece` holds the JSON text before each output and a final text after the last one.
 * send_some() sends the pieces in order. For example, two steps with members "records" and
 * "gaps" become
 * {"records":OUTPUT,"gaps":OUTPUT}. If a soft step fails, its member is null and NAME_why has
 * the reason. */
static enum MHD_Result
answer_reader(struct asked *a)
{
	unsigned status = MHD_HTTP_OK;
	uint64_t total = 0;

	SCOPED_BUF(after, 4096);
	for (size_t i = 0; i < READER_STEPS && a->row->step[i].command[0]; i++) {
		const struct reader_step *s = &a->row->step[i];
		const struct child *c = &a->r[i].c;
		struct piece *p = &a->piece[a->npieces];
		const char *lines = a->npieces && a->piece[a->npieces - 1].lines ? "]" : "";
		struct buf *text = &p->text;
		a->npieces++;
		if (s->member)
			buf_printf(text, "%s%s\"%s\":", lines, i ? "," : "{",
				step_member_of(a, i));
		if (s->soft && (!went_well(c) || c->code)) {
			buf_printf(text, "null,\"%s_why\":", s->member);
			buf_json_str(text, span_str(error_of(c)));
			continue;
		}
		if (c->code == 1 && s->no)
			status = s->no;
		add_said(a, i, p, &after);
	}
	const struct child *first = &a->r[0].c;
	struct piece *last = &a->piece[a->npieces];
	if (a->row->step[0].member) {
		buf_printf(&last->text, "%s%.*s", a->piece[a->npieces - 1].lines ? "]" : "",
			SPAN_ARG(buf_view(&after)));
		if (first->code == 0 && first->error[0]) {
			buf_str(&last->text, ",\"note\":");
			buf_json_str(&last->text, span_str(error_of(first)));
		}
		buf_str(&last->text, "}\n");
	}
	a->npieces++;
	for (size_t i = 0; i < a->npieces; i++)
		total += buf_view(&a->piece[i].text).n + a->piece[i].n;
	a->answered_us = clock_mono_us();
	a->owners++;
	struct MHD_Response *r = MHD_create_response_from_callback(
		total, BLOCK, send_some, a, (MHD_ContentReaderFreeCallback)drop_asked);
	if (!r) {
		let_asked_go(a);
		return MHD_NO;
	}
	MHD_add_response_header(r, "content-type", "application/json");
	asking_fields(a->q, r);
	enum MHD_Result ok = MHD_queue_response(a->q->connection, status, r);
	MHD_destroy_response(r);
	return ok;
}

/* Refuses with 503 and Retry-After. */
static enum MHD_Result
refuse_for_now(struct asked *a, const char *why)
{
	a->q->retry_after_s = RETRY_S;
	return asking_refuse(a->q, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
}

/* An error about the caller's own parameters (`--person: …`, or a usage text) is 400; others
 * are 500. */
static unsigned
status_of(const char *error)
{
	const char *what = strstr(error, ": ");

	return what && (!strncmp(what + 2, "--", 2) || !strncmp(what + 2, "usage:", 6) ||
			       !strncmp(what + 2, "standard input:", 15) ||
			       !strncmp(what + 2, "give one of", 11))
		       ? MHD_HTTP_BAD_REQUEST
		       : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static enum MHD_Result
reader_failed(struct asked *a, const struct child *c)
{
	const char *error = error_of(c);

	switch (c->end) {
	case CHILD_EXITED: return asking_refuse(a->q, status_of(error), "%s", error);
	case CHILD_SIGNALLED:
		return asking_refuse(a->q, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"the child process that reads ended by signal %d%s%s", c->code,
			error[0] ? ": " : "", error);
	case CHILD_LATE:
		return asking_refuse(a->q, MHD_HTTP_GATEWAY_TIMEOUT,
			"the request took too long: ask for less, such as a shorter time");
	case CHILD_TOO_LONG:
		return asking_refuse(a->q, MHD_HTTP_CONTENT_TOO_LARGE,
			"the response would be larger than 16 MB: ask for less, such as a "
			"lower limit");
	case CHILD_BUSY:
		return refuse_for_now(a, "too many readings are waiting: try again "
					 "after Retry-After seconds");
	case CHILD_STOPPED:
		return refuse_for_now(a, "the daemon is stopping: try again after "
					 "Retry-After seconds");
	case CHILD_FAILED:
		return asking_refuse(a->q, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"the child process that reads cannot be started: %s", error);
	case CHILD_NOT_YET:
	case CHILD_LEFT: break;
	}
	return MHD_NO;
}

/* ---- the steps ---- */

static void
resume_reading(struct child *c)
{
	struct asked *a = c->arg;

	MHD_resume_connection(a->q->connection);
}

static enum MHD_Result
ask_child(struct asked *a)
{
	struct reading *r = &a->r[a->at];
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(a->q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct children *all = admin_children(a->admin);

	if (a->row->records && !a->q->server->audit)
		return asking_refuse(a->q, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	SCOPED_BUF(why, 1024);
	if (!reading_args(r, a->row, a->at, a->q->endpoint->params, a->q->in,
		    a->q->server->config_file, &why))
		return asking_refuse(
			a->q, MHD_HTTP_BAD_REQUEST, "%.*s", SPAN_ARG(buf_view(&why)));
	r->peer = a->q->peer;
	r->c.who = r->peer.who;
	r->c.in = a->input;
	r->c.in_bytes = a->input ? strlen(a->input) : 0;
	r->c.whole_environment = a->row->policy;
	r->c.client = info ? info->connect_fd : -1;
	r->c.done = resume_reading;
	r->c.arg = a;
	a->state = WAIT;
	/* Suspend first, because the child may be over before child_ask() returns. */
	MHD_suspend_connection(a->q->connection);
	int err = all ? child_ask(all, &r->c) : ERR_BAD_STATE;
	if (err) {
		a->state = err == ERR_LIMIT ? FULL : STOPS;
		MHD_resume_connection(a->q->connection);
	}
	return MHD_YES;
}

static enum MHD_Result
go_on_reading(struct asked *a)
{
	const struct child *c = &a->r[a->at].c;
	unsigned status = 0;

	if (a->state == FULL)
		return refuse_for_now(a, "too many readings run at once, in total or for you: "
					 "try again after Retry-After seconds");
	if (a->state == STOPS)
		return refuse_for_now(a, "the daemon is stopping: try again after Retry-After "
					 "seconds");
	if (!went_well(c) && !a->row->step[a->at].soft)
		return reader_failed(a, c);
	if (c->code == 1 && a->row->step[a->at].no && !c->out_bytes)
		return asking_refuse(a->q, a->row->step[a->at].no, "%s", error_of(c));
	if (a->at + 1 < READER_STEPS && a->row->step[a->at + 1].command[0]) {
		a->at++;
		return ask_child(a);
	}
	SCOPED_BUF(why, 4096);
	if (a->row->records && !a->r[0].told)
		status = record_read(a, &why);
	return status ? asking_answer(a->q, status, &why) : answer_reader(a);
}

enum MHD_Result
reader_begin(struct asking *q)
{
	struct asked *a = q->state;

	if (a)
		return go_on_reading(a);
	a = q->state = calloc(1, sizeof(*a));
	if (!a)
		return MHD_NO;
	q->drop = drop_asked;
	a->owners = 1;
	a->q = q;
	a->admin = q->admin;
	a->row = q->endpoint->arg;
	for (size_t i = 0; i < READER_STEPS; i++)
		a->r[i].c.out = -1;
	for (size_t i = 0; i < COUNT_OF(a->piece); i++) {
		buf_init(&a->piece[i].text, 2 * TEXT_BYTES);
		a->piece[i].fd = -1;
	}
	if (a->row->input && !strcmp(a->row->input, "*"))
		a->input = json_dumps(q->in, JSON_COMPACT);
	else if (a->row->input)
		a->input = strdup(json_string_value(json_object_get(q->in, a->row->input)));
	if (a->row->input && !a->input)
		return MHD_NO;
	return ask_child(a);
}
