/* Writes the form for a transcriber, and reads its response. */
#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/speech/transcript.h"

enum {
	PIECES_MOST = 65536,
	/* transcribers round, and pad a sound to whole windows of 30 ms */
	BEYOND_MS = 1000,
};

/* ---- the request ---- */

static void
form_field(struct buf *out, const char *boundary, const char *name, const char *value)
{
	if (value)
		buf_printf(out,
			"--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n",
			boundary, name, value);
}

size_t
transcript_ask(const struct transcript_form *f, const char *kind, const char *boundary,
	struct buf *out)
{
	static const char *const formats[] = { "verbose_json", "json", "text" };

	form_field(out, boundary, "model", f->model);
	form_field(out, boundary, "language", f->language);
	form_field(out, boundary, "response_format", formats[f->format]);
	form_field(out, boundary, "temperature", "0");
	buf_printf(out,
		"--%s\r\nContent-Disposition: form-data; name=\"file\"; "
		"filename=\"sound.%s\"\r\n"
		"Content-Type: application/octet-stream\r\n\r\n",
		boundary, kind);
	size_t file_at = out->n;
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	return file_at;
}

/* ---- the response ---- */

struct transcript_reader {
	struct span in;
	struct arena *a;
	struct json *j;
	struct json_event ev;
	uint64_t ms;
	struct transcript *out;
	struct buf text; /* the pieces, joined */
	size_t room;
	int err;
};

static struct span
transcript_string(struct transcript_reader *r)
{
	if (r->ev.tok == JSON_STRING)
		return json_text(r->a, r->in, &r->ev);
	r->err = ERR_SYNTAX;
	return SPAN_LIT("");
}

static double
transcript_number(struct transcript_reader *r)
{
	char text[32];
	struct span s = span_cut(r->in, r->ev.start, r->ev.end);

	if (r->ev.tok != JSON_NUMBER || s.n >= sizeof(text)) {
		r->err = ERR_SYNTAX;
		return 0;
	}
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	double v = strtod(text, NULL);
	if (isfinite(v))
		return v;
	r->err = ERR_SYNTAX;
	return 0;
}

/* Returns a time in ms; one that is not in the sound is an error. */
static uint64_t
transcript_time_in(struct transcript_reader *r)
{
	double s = transcript_number(r);

	if (!r->err && !(s >= 0 && s * 1000 <= (double)(r->ms + BEYOND_MS)))
		r->err = ERR_RANGE;
	return r->err ? 0 : (uint64_t)(s * 1000);
}

static void
skip_value(struct transcript_reader *r)
{
	if (json_skip(r->j, &r->ev) == JSON_ERROR)
		r->err = ERR_SYNTAX;
}

static void
add_spoken_piece(struct transcript_reader *r, struct span text, uint64_t start)
{
	struct transcript *t = r->out;

	text = span_trim(text, " \t\r\n");
	if (r->text.n)
		buf_putc(&r->text, ' ');
	struct transcript_piece p = { r->text.n, start };
	buf_span(&r->text, text);
	if (t->npieces == PIECES_MOST)
		r->err = ERR_SYNTAX;
	else if (buf_failed(&r->text) ||
		 !ARENA_PUSH(r->a, t->pieces, t->npieces, r->room, 16, p))
		r->err = ERR_NOMEM;
}

/* {"start": 0.0, "end": 2.1, "text": " …", "avg_logprob": -0.2, "no_speech_prob": 0.01, …} */
static void
read_spoken_piece(struct transcript_reader *r)
{
	struct transcript *t = r->out;
	struct span text = { NULL, 0 };
	struct json_member m;
	uint64_t start = 0, end = r->ms;
	double p;

	if (r->ev.tok != JSON_OBJECT)
		r->err = ERR_SYNTAX;
	while (!r->err && json_member(r->j, r->a, r->in, &m, &r->ev, &r->err)) {
		if (span_is(m.key, "text")) {
			text = transcript_string(r);
		} else if (span_is(m.key, "start")) {
			start = transcript_time_in(r);
		} else if (span_is(m.key, "end")) {
			end = transcript_time_in(r);
		} else if (r->ev.tok == JSON_NUMBER && span_is(m.key, "avg_logprob")) {
			p = exp(transcript_number(r));
			t->confidence =
				t->confidence < 0 || p < t->confidence ? p : t->confidence;
		} else if (r->ev.tok == JSON_NUMBER && span_is(m.key, "no_speech_prob")) {
			p = transcript_number(r);
			t->no_speech = p > t->no_speech ? p : t->no_speech;
		} else {
			skip_value(r);
		}
	}
	if (!r->err && end < start)
		r->err = ERR_RANGE;
	if (!r->err && !text.p)
		r->err = ERR_SYNTAX;
	if (!r->err)
		add_spoken_piece(r, text, start);
}

static void
read_spoken_pieces(struct transcript_reader *r)
{
	if (r->ev.tok != JSON_ARRAY)
		r->err = ERR_SYNTAX;
	while (!r->err && json_next(r->j, &r->ev) != JSON_ARRAY_END)
		read_spoken_piece(r);
}

/* Compares two texts without their spaces. */
static bool
same_without_spaces(struct span a, struct span b)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < a.n && is_space(a.p[i]))
			i++;
		while (k < b.n && is_space(b.p[k]))
			k++;
		if (i == a.n || k == b.n)
			return i == a.n && k == b.n;
		if (a.p[i] != b.p[k])
			return false;
	}
}

static void
read_transcript_json(struct transcript_reader *r)
{
	struct transcript *t = r->out;
	struct span text = { NULL, 0 };
	struct json_member m;

	if (json_next(r->j, &r->ev) != JSON_OBJECT)
		r->err = ERR_SYNTAX;
	while (!r->err && json_member(r->j, r->a, r->in, &m, &r->ev, &r->err)) {
		if (span_is(m.key, "text"))
			text = transcript_string(r);
		else if (span_is(m.key, "segments") && r->ev.tok != JSON_NULL)
			read_spoken_pieces(r);
		else if (span_is(m.key, "language") && r->ev.tok == JSON_STRING)
			t->language = json_text(r->a, r->in, &r->ev);
		else if (span_is(m.key, "duration") && r->ev.tok == JSON_NUMBER)
			transcript_time_in(r);
		else
			skip_value(r);
	}
	if (r->err || !text.p) {
		r->err = r->err ? r->err : ERR_SYNTAX;
		return;
	}
	if (json_next(r->j, &r->ev) != JSON_END)
		r->err = ERR_SYNTAX;
	t->text = t->npieces ? arena_kept(r->a, &r->text) : text;
	if (t->npieces && !same_without_spaces(t->text, text))
		t->other = text;
}

int
transcript_read(struct span answer, enum transcript_format format, uint64_t ms, struct arena *a,
	struct transcript *out)
{
	struct transcript_reader r = { .in = answer, .a = a, .ms = ms, .out = out };

	*out = (struct transcript){ .confidence = -1, .no_speech = -1 };
	if (format == TRANSCRIPT_TEXT) {
		out->text = answer;
		return utf8_valid(answer) ? 0 : ERR_SYNTAX;
	}
	r.j = json_open(a, answer);
	if (!r.j)
		return ERR_NOMEM;
	read_transcript_json(&r);
	buf_free(&r.text);
	if (arena_failed(a) || r.err == ERR_NOMEM)
		return ERR_NOMEM;
	return r.err == 0 || r.err == ERR_RANGE ? r.err : ERR_SYNTAX;
}

uint64_t
transcript_time(const struct transcript_piece *v, size_t n, size_t at)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < n && v[i].at <= at; i++)
		ms = v[i].ms;
	return ms;
}
