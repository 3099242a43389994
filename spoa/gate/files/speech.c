/* Speech in sounds: chooses a transcriber, and turns its response into texts of the file. */
#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "gate/cache/cache.h"
#include "gate/files/speech.h"
#include "gate/gate_private.h"
#include "policy/policy.h"

/* Values of file.why. */
static const char speech_not_asked[] = "not_asked", speech_no_reader[] = "no_reader",
		  speech_stereo[] = "stereo", speech_too_long[] = "too_long",
		  speech_film[] = "film";

enum {
	CHANNELS_MOST = 8,
	LANGUAGE_MOST = 24,
	REMEMBERED_MOST = 256 << 10, /* longer transcripts are not remembered */
};

/* A mean probability of a piece's words below UNCERTAIN, and a probability of silence above
 * SILENT: whisper's own thresholds (logprob_threshold -1, no_speech_threshold .6). */
static const double UNCERTAIN = 0.3679, SILENT = 0.6;

bool
speech_waits(const struct request *r, enum file_magic kind)
{
	return sound_kind(kind) && r->snap->policy->ntranscribers > 0;
}

/* Sets *t to the first transcriber whose condition is true; NULL: none. */
static int
choose_transcriber(struct request *r, const struct transcriber **t)
{
	const struct policy *p = r->snap->policy;
	struct policy_facts f;

	*t = NULL;
	if (p->ntranscribers)
		request_facts(r, &f);
	for (size_t i = 0; i < p->ntranscribers && !*t; i++)
		if (policy_transcribes(p, &p->transcribers[i], &f, &r->arena))
			*t = &p->transcribers[i];
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

static const char *
sound_fault(const struct transcriber *t, const struct sound *s)
{
	bool splits = s->samples.p && s->channels <= CHANNELS_MOST;

	if (s->flaw)
		return sound_flaws[s->flaw];
	if (s->ms > t->max_s * 1000)
		return speech_too_long;
	return s->channels > 1 && !splits && !t->mixed ? speech_stereo : NULL;
}

enum { KEYS = MEMO_KEY + crypto_secretbox_KEYBYTES };
_Static_assert(KEYS <= crypto_generichash_BYTES_MAX, "one hash makes both keys");

/* Writes the key under which the transcript is remembered, and the key that encrypts it. A
 * transcript in the daemon's memory is readable only with its sound. */
static void
transcript_key(const struct request *r, const struct transcriber *t, struct span sound,
	unsigned char key[KEYS])
{
	const char *const parts[] = { "transcript", t->name, t->url, t->form.model,
		t->form.language };
	const uint64_t format = t->form.format;
	crypto_generichash_state h;

	crypto_generichash_init(&h, r->snap->memo_key, sizeof(r->snap->memo_key), KEYS);
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		const char *s = parts[i] ? parts[i] : "";
		crypto_generichash_update(&h, (const unsigned char *)s, strlen(s) + 1);
	}
	crypto_generichash_update(&h, (const unsigned char *)&format, sizeof(format));
	crypto_generichash_update(&h, (const unsigned char *)sound.p, sound.n);
	crypto_generichash_final(&h, key, KEYS);
}

/* A key encrypts one transcript only. */
static const unsigned char nonce[crypto_secretbox_NONCEBYTES];

static void
remember(const struct request *r, const struct heard *h)
{
	SCOPED_BUF(sealed, 0);
	size_t n = h->answer.n + crypto_secretbox_MACBYTES;
	char *to = buf_reserve(&sealed, n);

	if (!to ||
		crypto_secretbox_easy((unsigned char *)to, (const unsigned char *)h->answer.p,
			h->answer.n, nonce, h->key + MEMO_KEY))
		return;
	buf_commit(&sealed, n);
	cache_put(r->gate->shared->memo, h->key, buf_view(&sealed), UINT64_MAX);
}

/* Returns true, with the response in the arena of scan.files, if the transcript is remembered.
 */
static bool
recall(const struct request *r, struct heard *h)
{
	SCOPED_BUF(sealed, 0);
	if (!cache_get(r->gate->shared->memo, h->key, &sealed) ||
		sealed.n < crypto_secretbox_MACBYTES)
		return false;
	size_t n = sealed.n - crypto_secretbox_MACBYTES;
	char *to = arena_alloc(files_arena(r->scan.files), n + 1);
	if (!to || crypto_secretbox_open_easy((unsigned char *)to,
			   (const unsigned char *)buf_view(&sealed).p, sealed.n, nonce,
			   h->key + MEMO_KEY))
		return false;
	h->answer = span_of(to, n);
	return true;
}

int
speech_plan(struct request *r, struct file *f, enum file_magic kind)
{
	struct files_job *j = r->scan.files;
	struct speech *s = arena_new(&r->arena, struct speech);
	int err = s ? choose_transcriber(r, &s->by) : ERR_NOMEM;

	if (err)
		return err;
	sound_read(f->decoded, kind, &s->sound);
	f->speech = s;
	f->why = r->snap->policy->ntranscribers ? speech_not_asked : speech_no_reader;
	if (!s->by)
		return 0;
	f->why = sound_fault(s->by, &s->sound);
	if (!f->why && (!r->gate || !r->run.resumed))
		f->why = speech_not_asked;
	if (f->why)
		return 0;
	bool splits = s->sound.channels > 1 && s->sound.samples.p;
	s->nheard = splits ? s->sound.channels : 1;
	s->heard = arena_array(&r->arena, s->nheard, sizeof(*s->heard));
	for (size_t i = 0; s->heard && i < s->nheard; i++) {
		struct heard *h = &s->heard[i];
		*h = (struct heard){ .file = f, .sound = f->decoded };
		if (splits)
			h->sound = sound_channel(
				f->decoded, &s->sound, (unsigned)i, files_arena(j));
		if (!h->sound.p)
			return ERR_NOMEM;
	}
	f->wanted = true;
	return s->heard ? 0 : ERR_NOMEM;
}

/* ---- the calls ---- */

static bool
remembers(const struct request *r, const struct speech *s)
{
	return s->by->cached && memo_on(r);
}

bool
speech_ask(struct request *r, struct file *f, size_t i, struct extract_ask *a)
{
	struct speech *s = f->speech;
	struct heard *h = &s->heard[i];

	if (remembers(r, s)) {
		transcript_key(r, s->by, h->sound, h->key);
		h->remembered = h->answered = recall(r, h);
		if (h->remembered)
			return false;
	}
	*a = (struct extract_ask){ .file = h->sound,
		.by = s->by,
		/* a channel of a WAV is a WAV */
		.kind = f->kind,
		.caller = r->run.held_slot,
		.deadline_us = clock_mono_us() + s->by->deadline_us,
		.arg = h };
	return true;
}

void
speech_answered(struct request *r, struct heard *h, const char *why, struct span answer)
{
	INVARIANT(!h->answered);
	h->answered = true;
	h->sound = (struct span){ NULL, 0 };
	h->why = why;
	if (!why && !(h->answer = arena_dup(files_arena(r->scan.files), answer)).p)
		h->why = transcribe_away;
}

/* ---- the transcripts ---- */

static int
add_spoken(struct request *r, struct file *f, struct heard *h, struct span text)
{
	if (!span_trim(text, " \t\r\n").n)
		return 0;
	h->ntexts++;
	return file_keep_text(r, f, 0, text);
}

static int
take_language(struct request *r, struct speech *s, struct span language)
{
	char *to = arena_alloc(&r->arena, LANGUAGE_MOST);

	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < language.n; i++)
		if (language.n > LANGUAGE_MOST ||
			!(is_alpha(language.p[i]) || language.p[i] == '-')) {
			s->language = SPAN_LIT("other");
			return 0;
		} else {
			to[i] = to_lower(language.p[i]);
		}
	s->language = span_of(to, language.n);
	return 0;
}

static int
take_heard(struct request *r, struct file *f, struct heard *h)
{
	struct speech *s = f->speech;
	struct arena *a = files_arena(r->scan.files);
	struct transcript t;

	if (h->why)
		return 0;
	int err = transcript_read(h->answer, s->by->form.format, s->sound.ms, a, &t);
	if (err == ERR_NOMEM)
		return err;
	if (err) {
		h->why = transcribe_nonsense;
		return 0;
	}
	if (remembers(r, s) && !h->remembered && h->answer.n <= REMEMBERED_MOST)
		remember(r, h);
	s->uncertain |= t.confidence >= 0 && t.confidence < UNCERTAIN;
	s->silent |= t.no_speech > SILENT;
	h->text = f->ntexts;
	h->npieces = t.npieces;
	h->pieces = arena_array(&r->arena, t.npieces, sizeof(*h->pieces));
	if (!h->pieces && t.npieces)
		return ERR_NOMEM;
	if (t.npieces)
		memcpy(h->pieces, t.pieces, t.npieces * sizeof(*h->pieces));
	err = t.language.n ? take_language(r, s, t.language) : 0;
	err = err ? err : add_spoken(r, f, h, t.text);
	return err ? err : add_spoken(r, f, h, t.other);
}

int
speech_take(struct request *r, struct file *f)
{
	struct speech *s = f->speech;
	int err = 0;

	f->why = NULL;
	for (size_t i = 0; i < s->nheard && !err; i++) {
		err = take_heard(r, f, &s->heard[i]);
		f->why = f->why ? f->why : s->heard[i].why;
		s->heard[i].answer = (struct span){ NULL, 0 };
	}
	if (!f->why)
		f->read |= FILE_SPEECH;
	if (!f->why && s->sound.film)
		f->why = speech_film;
	f->passes = f->why && f->why != speech_film && s->by->passes;
	return err;
}

bool
speech_time(const struct request *r, const struct file *f, const struct segment *s, size_t at,
	uint64_t *ms)
{
	size_t text = (size_t)(s - r->in.body.segments) - f->first;

	for (size_t i = 0; f->speech && s->form == SEG_FILE && i < f->speech->nheard; i++) {
		const struct heard *h = &f->speech->heard[i];
		if (text - h->text >= h->ntexts)
			continue;
		*ms = transcript_time(h->pieces, h->npieces, at);
		return true;
	}
	return false;
}

/* Appends the text with its hits replaced. The hits of one segment are adjacent, in order. */
static void
put_redacted_speech(const struct request *r, const struct segment *s, struct buf *out)
{
	const struct overlay *o = &r->scan.overlay;
	size_t at = 0;

	for (size_t i = 0; i < o->nwholes; i++)
		if (o->wholes[i].segment == s) {
			buf_json(out, o->wholes[i].with);
			return;
		}
	for (size_t i = 0; i < o->nhits; i++) {
		const struct hit *h = &o->hits[i];
		if (h->segment != s || h->in_target || h->f.start < at)
			continue;
		buf_json(out, span_cut(s->text, at, h->f.start));
		buf_json(out, h->with);
		at = h->f.end;
	}
	buf_json(out, span_cut(s->text, at, s->text.n));
}

struct span
speech_written(struct request *r, const struct file *f)
{
	SCOPED_BUF(out, 0);
	buf_str(&out, "\"[transcript of a sound]");
	for (size_t i = 0; i < f->speech->nheard; i++) {
		const struct heard *h = &f->speech->heard[i];
		if (!h->ntexts)
			continue;
		buf_putc(&out, ' ');
		put_redacted_speech(r, &r->in.body.segments[f->first + h->text], &out);
	}
	buf_putc(&out, '"');
	return arena_kept(&r->arena, &out);
}

/* ---- facts ---- */

static int
add_speech_word(struct request *r, struct span word)
{
	for (size_t i = 0; i < r->in.nspeech; i++)
		if (span_eq(r->in.speech[i], word))
			return 0;
	return ARENA_PUSH(&r->arena, r->in.speech, r->in.nspeech, r->in.speech_room, 4, word)
		       ? 0
		       : ERR_NOMEM;
}

int
speech_facts(struct request *r)
{
	int err = 0;

	r->in.sounds_measured = r->in.nfiles > 0;
	for (size_t i = 0; i < r->in.nfiles && !err; i++) {
		const struct file *f = &r->in.files[i];
		const struct speech *s = f->speech;
		r->in.sounds_measured &= s && !s->sound.flaw;
		if (!s)
			continue;
		r->in.speech_seconds += (int64_t)((s->sound.ms + 999) / 1000);
		if (!(f->read & FILE_SPEECH))
			continue;
		err = add_speech_word(r, SPAN_LIT("transcribed"));
		if (!err && s->language.n)
			err = add_speech_word(r, s->language);
		if (!err && s->uncertain)
			err = add_speech_word(r, SPAN_LIT("uncertain"));
		if (!err && s->silent)
			err = add_speech_word(r, SPAN_LIT("silent"));
	}
	return err;
}

/* ---- sounds of responses ---- */

/* One question for each channel of each sound. Ends with its last response. owner: worker. */
struct hearing {
	struct arena arena;
	const struct transcriber *by;
	heard_answer_fn *done;
	void *arg;
	struct heard_answer answer;
	bool uncertain, silent;
	struct buf text;
	char language[LANGUAGE_MOST];
	size_t nlanguage;
	unsigned outstanding;
	bool begun; /* all questions were asked */
};

struct hearing_ask {
	struct extract_ask ask;
	struct hearing *of;
	uint64_t ms;
};

int
speech_of_answer_plan(struct request *r)
{
	return choose_transcriber(r, &r->found.hears);
}

static void
hearing_ends(struct hearing *h)
{
	struct heard_answer *a = &h->answer;

	if (!h->begun || h->outstanding)
		return;
	if (buf_failed(&h->text))
		a->why = transcribe_away;
	a->text = buf_view(&h->text);
	a->passes = h->by && h->by->passes;
	if (!a->why)
		a->words[a->nwords++] = SPAN_LIT("transcribed");
	if (!a->why && h->nlanguage)
		a->words[a->nwords++] = span_of(h->language, h->nlanguage);
	if (!a->why && h->uncertain)
		a->words[a->nwords++] = SPAN_LIT("uncertain");
	if (!a->why && h->silent)
		a->words[a->nwords++] = SPAN_LIT("silent");
	h->done(h->arg, a);
	buf_free(&h->text);
	arena_reset(&h->arena);
	free(h);
}

static void
hearing_answered(struct extract_ask *a, const char *why, struct span answer)
{
	struct hearing_ask *q = a->arg;
	struct hearing *h = q->of;
	struct transcript t;

	if (!why && transcript_read(answer, h->by->form.format, q->ms, &h->arena, &t))
		why = transcribe_nonsense;
	h->answer.why = h->answer.why ? h->answer.why : why;
	if (!why) {
		buf_span(&h->text, t.text);
		buf_putc(&h->text, '\n');
		buf_span(&h->text, t.other);
		h->uncertain |= t.confidence >= 0 && t.confidence < UNCERTAIN;
		h->silent |= t.no_speech > SILENT;
		h->nlanguage = t.language.n <= LANGUAGE_MOST && span_is_alnum(t.language, "-")
				       ? t.language.n
				       : 0;
		memcpy(h->language, t.language.p ? t.language.p : "", h->nlanguage);
	}
	h->outstanding--;
	hearing_ends(h);
}

static bool
hearing_is_over(const struct extract_ask *a UNUSED)
{
	return false;
}

/* Asks about one sound. Returns why it cannot, or NULL. */
static const char *
hear_sound(struct request *r, struct hearing *h, struct span bytes)
{
	enum file_magic kind = file_kind_of(bytes);
	struct sound s;

	if (!h->by || !sound_kind(kind))
		return speech_no_reader;
	sound_read(bytes, kind, &s);
	const char *why = sound_fault(h->by, &s);
	bool splits = s.channels > 1 && s.samples.p;
	for (unsigned i = 0; !why && i < (splits ? s.channels : 1); i++) {
		struct hearing_ask *q = arena_new(&h->arena, struct hearing_ask);
		struct span one = splits ? sound_channel(bytes, &s, i, &h->arena) : bytes;
		if (!q || !one.p)
			return transcribe_away;
		*q = (struct hearing_ask){ .of = h, .ms = s.ms };
		q->ask = (struct extract_ask){ .file = one,
			.by = h->by,
			.kind = file_kinds[kind].name,
			.caller = r->run.held_slot,
			.deadline_us = clock_mono_us() + h->by->deadline_us,
			.over = hearing_is_over,
			.done = hearing_answered,
			.arg = q };
		if (!transcribe(r->gate->transcribers, &q->ask))
			return transcribe_away;
		h->outstanding++;
	}
	return why;
}

void
speech_of_answer(struct request *r, const struct span *sounds, size_t n, heard_answer_fn *done,
	void *arg)
{
	struct hearing *h = calloc(1, sizeof(*h));
	struct heard_answer none = { .why = transcribe_away };

	if (!h) {
		done(arg, &none);
		return;
	}
	h->by = r->found.hears;
	h->done = done;
	h->arg = arg;
	arena_init(&h->arena, CAP_REQUEST_ARENA, true);
	buf_init(&h->text, CAP_TRANSCRIPT);
	for (size_t i = 0; i < n && !h->answer.why; i++)
		h->answer.why = hear_sound(r, h, sounds[i]);
	h->begun = true;
	gate_tick(r->gate);
	hearing_ends(h);
}
