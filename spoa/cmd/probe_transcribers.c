/* The daemon asks in gate/sources/transcribe.c; request and reading are the same functions. */
#include "cmd/probe_transcribers.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/scoped.h"
#include "policy/policy.h"
#include "policy/transcriber.h"

enum { SILENCE_RATE = 16000, SILENCE_BYTES = 2 * SILENCE_RATE, SILENCE_MS = 1000 };

struct transcriber_call {
	const struct transcriber *t;
	struct buf heard; /* the transcript, as a line */
	char why[256];	  /* why the response cannot be used; empty: it can */
};

static void
on_transcript(void *arg, const struct http_answer *a)
{
	struct transcriber_call *c = arg;
	struct transcript said;

	SCOPED_ARENA(arena, 0, false);
	if (a->err)
		snprintf(c->why, sizeof(c->why), "%s", a->why);
	else if (a->status != 200)
		snprintf(c->why, sizeof(c->why), "the response has status %d", a->status);
	else if (transcript_read(a->body, c->t->form.format, SILENCE_MS, &arena, &said))
		snprintf(c->why, sizeof(c->why), "the response is not a transcript");
	else if (span_trim(said.text, " \t\r\n").n)
		buf_json_str(&c->heard, span_cut(said.text, 0, 80));
	else
		buf_str(&c->heard, "nothing");
}

/* Appends a WAV file of one second of silence: 16 kHz, 16 bits, one channel. */
static void
put_silence(struct buf *out)
{
	static const char head[] =
		"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0"
		"\2\0\x10\0data\0\x7d\0\0";

	buf_put(out, head, sizeof(head) - 1);
	char *room = buf_reserve(out, SILENCE_BYTES);
	if (!room)
		return;
	memset(room, 0, SILENCE_BYTES);
	buf_commit(out, SILENCE_BYTES);
}

static void
ask_transcriber(struct transcriber_call *c)
{
	static const char boundary[] = "tollgate-probe";
	const char *const fields[] = {
		"Content-Type: multipart/form-data; boundary=tollgate-probe",
		"Expect:", c->t->authorization
	};

	SCOPED_BUF(sound, 0);
	SCOPED_BUF(body, 0);
	put_silence(&sound);
	size_t file_at = transcript_ask(&c->t->form, "wav", boundary, &body);
	const struct http_call_options o = { .url = c->t->url,
		.body = buf_view(&body),
		.file = buf_view(&sound),
		.file_at = file_at,
		.fields = fields,
		.nfields = c->t->authorization ? 3 : 2,
		.ca_file = c->t->ca_file,
		.deadline_us = c->t->deadline_us,
		.answer_bytes = CAP_TRANSCRIPT };
	if (buf_failed(&sound) || buf_failed(&body) || http_call_alone(&o, on_transcript, c))
		snprintf(c->why, sizeof(c->why), "%s", err_str(ERR_NOMEM));
}

unsigned
probe_transcribers(const struct policy *p, struct buf *right, struct buf *wrong)
{
	unsigned nwrong = 0;

	for (size_t i = 0; i < p->ntranscribers; i++) {
		const struct transcriber *t = &p->transcribers[i];
		struct transcriber_call c = { .t = t };
		uint64_t began_us = clock_mono_us();
		ask_transcriber(&c);
		if (c.why[0]) {
			nwrong++;
			buf_printf(wrong,
				"%s:%u:%u: probe: transcriber %s, a second of silence: %s\n",
				t->at->file, t->at->line, t->at->column, t->name, c.why);
		} else {
			buf_printf(right,
				"probe: transcriber %s, a second of silence: wrote down %.*s, "
				"in %llu ms\n",
				t->name, SPAN_ARG(buf_view(&c.heard)),
				(unsigned long long)((clock_mono_us() - began_us) / 1000));
		}
		buf_free(&c.heard);
	}
	return nwrong;
}
